"""The life of a bracket: legs for what is held, whatever order the messages come in."""

import random

import pytest

from engine.kinds import Action, BracketStatus, Distance, EventKind, FillFlag, OrderRole, OrderStatus, TradingState
from engine.reasons import Reason
from engine.rules import STRATEGY
from tests.twin.events import event
from tests.twin.machine import TINY_LIMITS
from tests.unit.brackets_support import (
    accepted,
    amended,
    canceled,
    entered,
    fill,
    leave_room,
    lots_of,
    machine_ready,
    quote,
    refused,
    rejected,
    report,
    row,
    signal,
    status,
    target,
    tell,
    timer,
    unanswered,
)

HALVES = [*target(0, Distance.TICKS, 100, 500_000), *target(1, Distance.TICKS, 200, 500_000)]
ENTRY, STOP, TARGET = 1, 2, 3
SELL = -1


def test_legs_live_for_what_has_been_filled() -> None:
    machine = machine_ready()
    assert tell(machine, signal(Action.BUY, 10)) == [("place", ENTRY, "MARKET", 10, 0)]
    assert status(machine) == BracketStatus.WAITING
    opened = [("OPENED", 1, 4, "NONE"), ("place", STOP, "STOP", -4, 950), ("place", TARGET, "LIMIT", -4, 1100)]
    assert tell(machine, fill(ENTRY, 4)) == opened
    assert tell(machine, fill(ENTRY, 6)) == [("amend", STOP, -10, 950), ("amend", TARGET, -10, 1100)]
    assert status(machine) == BracketStatus.OPEN


def test_a_short_s_legs_buy() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.SELL, 10))
    placed = tell(machine, fill(ENTRY, 10, side=SELL))
    assert placed[1:] == [("place", STOP, "STOP", 10, 1050), ("place", TARGET, "LIMIT", 10, 900)]
    assert machine.position(1, 2).bracket_lots == -10


@pytest.mark.parametrize("ended", [canceled(ENTRY), rejected(ENTRY), report(EventKind.ORDER_EXPIRED, ENTRY)])
def test_an_entry_that_ends_unfilled_closes_its_bracket(ended: dict[str, int]) -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10))
    (closed,) = machine.tell(ended)
    assert (closed["order"], closed["reason"]) == (ENTRY, Reason.ENTRY_ENDED_UNFILLED)
    assert status(machine) == BracketStatus.CLOSED


def test_an_entry_cancelled_after_a_part_keeps_its_legs() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10, limit_ticks=1000), fill(ENTRY, 4))
    assert tell(machine, canceled(ENTRY)) == []
    assert tell(machine, fill(ENTRY, 3)) == [("amend", STOP, -7, 950), ("amend", TARGET, -7, 1100)], "a late fill"


def test_a_target_shrinks_the_stop_and_a_full_exit_closes() -> None:
    machine = machine_ready()
    entered(machine)
    assert tell(machine, fill(TARGET, 4, 1100, SELL)) == [("amend", STOP, -6, 950)]
    assert tell(machine, amended(STOP, 6), fill(TARGET, 6, 1100, SELL)) == [("cancel", STOP)]
    assert status(machine) == BracketStatus.CLOSING
    assert tell(machine, canceled(STOP)) == [("CLOSED", 1, 0, "TARGET_REACHED")]


def test_a_partly_filled_stop_shrinks_the_target_and_keeps_its_own_order() -> None:
    machine = machine_ready()
    entered(machine)
    assert tell(machine, fill(STOP, 4, 950, SELL)) == [("amend", TARGET, -6, 1100)]
    assert tell(machine, fill(STOP, 6, 950, SELL)) == [("cancel", TARGET)]
    assert tell(machine, canceled(TARGET)) == [("CLOSED", 1, 0, "STOP_REACHED")]


def test_an_exit_cancels_the_rest_of_the_entry() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10, limit_ticks=1000), fill(ENTRY, 4))
    assert tell(machine, fill(STOP, 4, 950, SELL)) == [("cancel", TARGET), ("cancel", ENTRY)]
    assert tell(machine, canceled(TARGET)) == []
    assert tell(machine, canceled(ENTRY)) == [("CLOSED", 1, 0, "STOP_REACHED")]


def test_what_is_entered_after_the_exit_is_sold_at_the_market() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10, limit_ticks=1000), fill(ENTRY, 4), fill(STOP, 4, 950, SELL), canceled(TARGET))
    assert tell(machine, fill(ENTRY, 6)) == [("place", 4, "MARKET", -6, 0)]
    assert tell(machine, fill(4, 6, 940, SELL)) == [("CLOSED", 1, 0, "STOP_REACHED")]
    assert machine.position(1, 2).quantity_lots == 0


def test_a_stop_that_is_filled_is_placed_anew_for_what_comes_later() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10, limit_ticks=1000), fill(ENTRY, 4), fill(STOP, 3, 950, SELL))
    assert tell(machine, amended(STOP, 3)) == [("place", 4, "STOP", -1, 950)]
    assert tell(machine, fill(ENTRY, 2))[0] == ("amend", 4, -3, 950)
    assert machine.state.legs_lost == 0


def test_messages_are_answered_before_more_is_asked() -> None:
    machine = machine_ready()
    entered(machine)
    assert tell(machine, fill(TARGET, 2, 1100, SELL)) == [("amend", STOP, -8, 950)]
    assert tell(machine, fill(TARGET, 3, 1100, SELL)) == [], "an amendment is under way"
    assert tell(machine, amended(STOP, 8)) == [("amend", STOP, -5, 950)]
    assert tell(machine, amended(STOP, 5)) == []


def test_targets_share_what_was_entered_in_whole_steps() -> None:
    thirds = [*target(0, Distance.TICKS, 100, 333_333), *target(2, Distance.TICKS, 200, 333_333)]
    machine = machine_ready(*thirds, *target(3, Distance.TICKS, 300, 333_334), step=2)
    entered(machine, 20)
    assert lots_of(machine, OrderRole.STOP) == [(2, 20)]
    assert lots_of(machine, OrderRole.TARGET) == [(3, 6), (4, 6), (5, 8)]
    assert [int(leg.limit_ticks) for leg in row(machine).legs[1:4]] == [1100, 1200, 1300]


def test_without_the_whole_in_shares_the_stop_has_the_rest() -> None:
    machine = machine_ready(*target(0, Distance.TICKS, 100, 300_000), *target(1, Distance.TICKS, 200, 0))
    entered(machine, 10)
    assert lots_of(machine, OrderRole.TARGET) == [(3, 3)]
    assert tell(machine, fill(3, 3, 1100, SELL)) == [("amend", 2, -7, 950)]


def test_the_last_targets_give_way_first() -> None:
    machine = machine_ready(*HALVES)
    entered(machine, 10)
    assert tell(machine, fill(STOP, 3, 950, SELL)) == [("amend", 4, -2, 1200)]
    assert tell(machine, amended(4, 2), fill(STOP, 3, 950, SELL)) == [("amend", 3, -4, 1100), ("cancel", 4)]
    tell(machine, amended(3, 4), canceled(4))
    assert machine.state.legs_lost == 0, "what was asked for is not lost"


def test_each_target_sells_its_share_and_the_first_is_not_filled_up_again() -> None:
    machine = machine_ready(*HALVES)
    tell(machine, signal(Action.BUY, 10, limit_ticks=1000), fill(ENTRY, 8))
    assert lots_of(machine, OrderRole.TARGET) == [(3, 4), (4, 4)]
    assert tell(machine, fill(3, 4, 1100, SELL)) == [("amend", STOP, -4, 950)]
    assert tell(machine, amended(STOP, 4), fill(ENTRY, 2)) == [
        ("amend", STOP, -6, 950),
        ("place", 5, "LIMIT", -1, 1100),
        ("amend", 4, -5, 1200),
    ]


@pytest.mark.parametrize(("ended", "reason"), [(rejected, "LEG_REJECTED"), (canceled, "LEG_LOST")])
def test_a_lost_leg_is_placed_anew_so_often_and_then_the_bracket_is_closed(ended: object, reason: str) -> None:
    machine = machine_ready(leg_replacements_max=2)
    tell(machine, signal(Action.BUY, 10), fill(ENTRY, 10))
    assert tell(machine, ended(STOP)) == [("LEG_LOST", 1, 10, reason), ("place", 4, "STOP", -10, 950)]
    assert tell(machine, ended(TARGET))[1] == ("place", 5, "LIMIT", -10, 1100)
    assert tell(machine, ended(4))[1] == ("place", 6, "STOP", -10, 950)
    said = tell(machine, ended(6))
    assert said == [("LEG_LOST", 1, 10, reason), ("cancel", 5), ("place", 7, "MARKET", -10, 0)]
    assert tell(machine, canceled(5), fill(7, 10, 990, SELL)) == [("CLOSED", 1, 0, reason)]
    assert machine.state.legs_lost == 4


def test_three_replacements_where_none_are_set_and_none_by_policy() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10), fill(ENTRY, 10))
    for order in (STOP, 4, 5):
        assert tell(machine, rejected(order))[1][0] == "place"
    assert ("place", 7, "MARKET", -10, 0) in tell(machine, rejected(6))
    machine = machine_ready(leg_policy=1)
    tell(machine, signal(Action.BUY, 10), fill(ENTRY, 10))
    said = tell(machine, rejected(TARGET))
    assert said == [("LEG_LOST", 1, 10, "LEG_REJECTED"), ("cancel", STOP), ("place", 4, "MARKET", -10, 0)]


def test_a_leg_that_fills_on_its_way_out_is_ordered_back() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 10, 1100, SELL))
    said = tell(machine, fill(STOP, 4, 950, SELL))
    assert said == [("place", 4, "MARKET", 4, 0), ("REPAIRED", 1, -4, "EXIT_OVERFILLED")]
    assert tell(machine, fill(STOP, 6, 950, SELL))[0] == ("place", 5, "MARKET", 6, 0), "only what is not on order yet"
    assert tell(machine, fill(4, 4, 955)) == []
    assert tell(machine, fill(5, 6, 955)) == [("CLOSED", 1, 0, "STOP_REACHED")]
    assert machine.position(1, 2).quantity_lots == 0
    assert machine.state.exits_overfilled == 2


def test_a_repair_that_overshoots_is_sold() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 14, 1100, SELL))
    assert tell(machine, fill(4, 6, 1100)) == [("place", 5, "MARKET", -2, 0)]
    assert tell(machine, fill(5, 2, 1100, SELL), canceled(STOP)) == [("CLOSED", 1, 0, "TARGET_REACHED")]


def test_a_doubled_fill_counts_once() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 4, 1100, SELL, trade_id=7))
    assert tell(machine, fill(TARGET, 4, 1100, SELL, trade_id=7)) == []
    assert row(machine).exited_lots == 4


def test_a_late_fill_of_a_leg_that_was_replaced_counts() -> None:
    machine = machine_ready(*HALVES)
    entered(machine, 10)
    tell(machine, canceled(TARGET))
    said = tell(machine, fill(TARGET, 5, 1100, SELL))
    assert said == [("amend", STOP, -5, 950), ("cancel", 5)], "its replacement has nothing to sell any more"
    assert row(machine).legs[1].filled_lots == 5


def test_a_late_fill_of_an_entry_that_has_gone_is_closed() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10), canceled(ENTRY))
    said = tell(machine, fill(ENTRY, 4))
    assert said == [("alert", "ENTRY_UNPROTECTED", 0, 4), ("place", 2, "MARKET", -4, 0)]
    assert tell(machine, fill(2, 4, 1000, SELL)) == []
    assert machine.position(1, 2).quantity_lots == 0


def test_a_late_fill_finds_another_bracket_in_its_row() -> None:
    machine = machine_ready(limits=TINY_LIMITS)
    tell(machine, signal(Action.BUY, 10), canceled(ENTRY))
    second = entered(machine, 5)
    assert second == 2
    said = tell(machine, fill(ENTRY, 4))
    assert said == [("alert", "ENTRY_UNPROTECTED", 0, 4), ("place", 5, "MARKET", -4, 0)]
    assert row(machine).entered_lots == 5
    tell(machine, fill(5, 4, 1000, SELL))
    assert row(machine).exited_lots == 0, "the order back is of no bracket"


def test_a_late_fill_of_a_leg_that_has_gone_is_undone() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 10, 1100, SELL), canceled(STOP))
    said = tell(machine, fill(STOP, 6, 950, SELL))
    assert said == [("alert", "EXIT_OVERFILLED", 0, 6), ("place", 4, "MARKET", 6, 0)]


def test_a_late_fill_is_not_undone_twice() -> None:
    """Where other brackets hold the position they are cut, and nothing is ordered back."""
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 10, 1100, SELL), canceled(STOP))
    entered(machine, 8)
    said = tell(machine, fill(STOP, 6, 950, SELL))
    assert said[0] == ("CUT", 2, 2, "POSITION_SMALLER_THAN_BRACKET")
    assert not [item for item in said if item[0] in ("alert", "place")]


def test_an_outside_sale_cuts_the_youngest() -> None:
    machine = machine_ready()
    entered(machine, 10)
    entered(machine, 10)
    said = tell(machine, fill(0, 5, 1000, SELL))
    assert said == [
        ("CUT", 2, 5, "POSITION_SMALLER_THAN_BRACKET"),
        ("amend", 5, -5, 950),
        ("amend", 6, -5, 1100),
    ]
    said = tell(machine, amended(5, 5), amended(6, 5), fill(0, 8, 1000, SELL))
    assert said[:3] == [("CUT", 2, 0, "POSITION_SMALLER_THAN_BRACKET"), ("cancel", 5), ("cancel", 6)]
    assert said[3:] == [("CUT", 1, 7, "POSITION_SMALLER_THAN_BRACKET"), ("amend", 2, -7, 950), ("amend", 3, -7, 1100)]
    assert tell(machine, canceled(5), canceled(6)) == [("CLOSED", 2, 0, "POSITION_SMALLER_THAN_BRACKET")]


def test_what_another_bracket_closed_too_much_covers_no_legs() -> None:
    """An outside sale while too much of one bracket is on order back: the other gives way, its legs would sell more."""
    machine = machine_ready()
    entered(machine, 10)
    entered(machine, 5)
    tell(machine, fill(TARGET, 10, 1100, SELL), fill(STOP, 10, 950, SELL))
    assert (machine.position(1, 2).quantity_lots, row(machine).repairing_lots) == (-5, 10)
    assert tell(machine, fill(0, 2, 1000, SELL))[0] == ("CUT", 2, 3, "POSITION_SMALLER_THAN_BRACKET")
    assert tell(machine, fill(0, 8, 1000, SELL))[0] == ("CUT", 2, 0, "POSITION_SMALLER_THAN_BRACKET")


def test_a_position_of_another_account_is_not_that_of_the_bracket() -> None:
    machine = machine_ready()
    machine.tell(event(EventKind.ACCOUNT_DEFINED, account=0))
    entered(machine)
    assert tell(machine, fill(0, 50, 1000, SELL) | {"account": 0}) == []


def test_an_entry_that_is_booked_elsewhere_leaves_no_legs() -> None:
    machine = machine_ready()
    machine.tell(event(EventKind.ACCOUNT_DEFINED, account=0), signal(Action.BUY, 10))
    said = tell(machine, fill(1, 10) | {"account": 0})
    assert ("CUT", 1, 0, "POSITION_SMALLER_THAN_BRACKET") in said
    assert [item for item in said if item[0] == "cancel"] == [("cancel", 2), ("cancel", 3)]
    assert status(machine) == BracketStatus.CLOSING


def test_more_of_a_position_than_the_bracket_s_is_nobody_s_concern() -> None:
    machine = machine_ready()
    entered(machine)
    assert tell(machine, fill(0, 50), fill(0, 50, 1000, SELL)) == []


def test_a_pyramid_has_legs_of_its_own_for_each() -> None:
    machine = machine_ready()
    entered(machine, 10)
    entered(machine, 6, price=1020)
    assert lots_of(machine, OrderRole.STOP) == [(2, 10), (5, 6)]
    assert int(row(machine, 2).stop_ticks) == 970
    assert tell(machine, fill(5, 6, 970, SELL), canceled(6)) == [("cancel", 6), ("CLOSED", 2, 0, "STOP_REACHED")]
    assert lots_of(machine, OrderRole.STOP) == [(2, 10)]


def test_a_fee_taken_in_what_is_bought_is_not_entered() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10))
    said = tell(machine, fill(ENTRY, 10, fee=1, fill_flags=FillFlag.FEE_IN_BASE))
    assert said == [("OPENED", 1, 9, "NONE"), ("place", 2, "STOP", -9, 950), ("place", 3, "LIMIT", -9, 1100)]


def test_what_is_below_a_whole_step_is_left_out() -> None:
    machine = machine_ready(step=10)
    tell(machine, signal(Action.BUY, 20))
    said = tell(machine, fill(ENTRY, 20, fee=1, fill_flags=FillFlag.FEE_IN_BASE))
    assert said[1:] == [("place", 2, "STOP", -10, 950), ("place", 3, "LIMIT", -10, 1100)]
    tell(machine, fill(TARGET, 10, 1100, SELL))
    assert tell(machine, canceled(STOP)) == [("CLOSED", 1, 9, "TARGET_REACHED")]
    assert machine.position(1, 2).bracket_lots == 0


def test_a_first_fill_below_a_step_waits_for_more() -> None:
    machine = machine_ready(step=10)
    tell(machine, signal(Action.BUY, 20))
    assert tell(machine, fill(ENTRY, 4)) == [("OPENED", 1, 4, "NONE")]
    assert tell(machine, fill(ENTRY, 16))[0] == ("place", 2, "STOP", -20, 950)


def test_a_first_fill_below_a_step_and_no_more_is_closed() -> None:
    machine = machine_ready(step=10)
    tell(machine, signal(Action.BUY, 20), fill(ENTRY, 4))
    assert tell(machine, canceled(ENTRY)) == [("CLOSED", 1, 4, "ENTRY_ENDED_UNFILLED")]


def test_an_order_without_an_answer_is_live_and_nothing_second_is_placed() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10), fill(ENTRY, 10))
    assert tell(machine, unanswered(STOP), accepted(TARGET), timer(), quote(990)) == []
    assert tell(machine, fill(TARGET, 4, 1100, SELL)) == [], "what is unknown is not amended"
    assert tell(machine, accepted(STOP)) == [("amend", STOP, -6, 950)]
    assert tell(machine, unanswered(STOP), fill(TARGET, 6, 1100, SELL)) == [("cancel", STOP)], "but cancelled"


def test_a_cancel_without_an_answer_is_asked_again_at_a_timer() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 10, 1100, SELL), unanswered(STOP))
    assert machine.order(STOP).status == OrderStatus.ACCEPTED or machine.order(STOP).status == OrderStatus.UNKNOWN
    assert tell(machine, timer()) == [("cancel", STOP)]
    assert tell(machine, timer()) == []


def test_an_amendment_without_an_answer_is_asked_again_at_a_timer() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 4, 1100, SELL))
    assert tell(machine, unanswered(STOP), accepted(STOP)) == []
    assert tell(machine, timer()) == [("amend", STOP, -6, 950)]


def test_a_refused_amendment_is_not_asked_in_a_circle() -> None:
    machine = machine_ready()
    entered(machine)
    assert tell(machine, fill(TARGET, 4, 1100, SELL)) == [("amend", STOP, -6, 950)]
    assert tell(machine, refused(STOP)) == []
    assert tell(machine, accepted(TARGET)) == [], "the same terms were asked for already"
    assert tell(machine, fill(TARGET, 1, 1100, SELL)) == [("amend", STOP, -5, 950)], "others are"
    assert tell(machine, refused(STOP), timer()) == [("amend", STOP, -5, 950)]
    assert tell(machine, refused(STOP), fill(0, 1)) == [("amend", STOP, -5, 950)], "a fill of the instrument"
    assert machine.state.amendments_refused == 3


def test_a_refused_cancel_is_asked_again_at_the_next_event() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 10, 1100, SELL))
    assert tell(machine, refused(STOP)) == []
    assert tell(machine, timer()) == [("cancel", STOP)]


def test_what_the_exchange_cuts_by_itself_is_not_asked_in_a_circle() -> None:
    machine = machine_ready()
    entered(machine)
    assert tell(machine, amended(STOP, 4)) == []
    assert tell(machine, accepted(TARGET)) == []
    assert tell(machine, timer()) == [("amend", STOP, -10, 950)]


def test_an_order_amended_to_what_it_has_filled_is_filled() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(TARGET, 4, 1100, SELL), fill(STOP, 6, 950, SELL))
    tell(machine, amended(STOP, 6))
    assert machine.order(STOP).status == OrderStatus.FILLED
    assert tell(machine, canceled(TARGET)) == [("CLOSED", 1, 0, "STOP_REACHED")]


def test_without_room_a_position_is_counted_as_uncovered_until_there_is() -> None:
    machine = leave_room(machine_ready(), orders=4)
    tell(machine, signal(Action.BUY, 10, limit_ticks=1000))
    for _ in range(3):
        tell(machine, signal(Action.BUY, 10, limit_ticks=900))
    said = tell(machine, fill(ENTRY, 4))
    assert said == [("OPENED", 1, 4, "NONE"), ("alert", "POSITION_WITHOUT_STOP", 0, 4)]
    tell(machine, quote(1001), quote(1000), canceled(2))
    assert machine.state.uncovered_events == 0, "counted when it is over"
    assert tell(machine, timer()) == [("place", 5, "STOP", -4, 950)]
    assert machine.state.uncovered_events == row(machine).uncovered_events == 4
    assert tell(machine, canceled(3), timer()) == [
        ("CLOSED", 3, 0, "ENTRY_ENDED_UNFILLED"),
        ("place", 6, "LIMIT", -4, 1100),
    ]


def test_a_leg_in_the_slot_of_its_entry_does_not_hide_the_fill() -> None:
    """The table is as small as can be: the stop takes the place of the entry whose fill is still being looked at."""
    machine = leave_room(machine_ready(), orders=1)
    change = EventKind.CONFIGURATION_CHANGED
    for name, value in (("executions_max", 1), ("executions_window_ns", 1)):
        machine.tell(event(change, source=1, setting=STRATEGY.number(name), value=value))
    tell(machine, signal(Action.BUY, 10))
    said = tell(machine, fill(1, 10))
    assert said[:3] == [
        ("alert", "EXECUTIONS_THROTTLED", 0, 1),
        ("OPENED", 1, 10, "NONE"),
        ("place", 2, "STOP", -10, 950),
    ]


def test_a_fault_stops_everything() -> None:
    machine = machine_ready()
    entered(machine)
    machine.state.fault = Reason.MONEY_OVERFLOW
    assert tell(machine, rejected(STOP), quote(900), timer(), canceled(TARGET)) == []


def test_halted_legs_are_still_placed() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10))
    machine.state.trading_state = TradingState.HALTED
    assert len(tell(machine, fill(ENTRY, 10))) == 3


@pytest.mark.parametrize("seed", range(12))
def test_legs_are_never_more_than_the_position_once_all_is_answered(seed: int) -> None:
    """An exchange that does what it is asked, in an order of its own, sometimes losing, refusing or rejecting."""
    chance = random.Random(seed)
    machine = machine_ready(*HALVES)
    position = machine.position(1, 2)
    for _ in range(250):
        orders = [order for order in machine.state.orders if order.status in (1, 2, 3, 4, 6, 10)]
        if not orders or chance.random() < 0.1:
            side = Action.BUY if chance.random() < 0.6 else Action.SELL
            tell(machine, signal(side, chance.randrange(1, 30), limit_ticks=chance.choice((0, 1000))))
            continue
        order = chance.choice(orders)
        number, left = int(order.order), int(order.quantity_lots - order.filled_lots)
        if order.status == OrderStatus.PENDING_CANCEL:
            told = canceled(number) if chance.random() < 0.8 else refused(number)
        elif order.amending:
            price = int(order.asked_limit_ticks or order.asked_trigger_ticks)
            told = amended(number, int(order.asked_lots), price) if chance.random() < 0.9 else refused(number)
        elif chance.random() < 0.05:
            told = rejected(number) if order.status == 1 else canceled(number)
        else:
            told = fill(number, chance.randrange(1, left + 1), 1000, int(order.side))
        tell(machine, told)
    for _ in range(300):
        settled = True
        for order in machine.state.orders:
            number = int(order.order)
            if order.status == OrderStatus.PENDING_CANCEL:
                tell(machine, canceled(number))
            elif order.amending:
                price = int(order.asked_limit_ticks or order.asked_trigger_ticks)
                tell(machine, amended(number, int(order.asked_lots), price))
            elif order.status in (1, 3, 4) and order.order_role <= OrderRole.EXIT:
                left = int(order.quantity_lots - order.filled_lots)
                tell(machine, fill(number, left, 1000, int(order.side)))
            else:
                continue
            settled = False
        tell(machine, timer())
        if settled:
            break
    assert settled
    for role in (OrderRole.STOP, OrderRole.TARGET):
        for side in (1, -1):
            legs = [o for o in machine.state.orders if o.status in (1, 3, 4) and (o.order_role, o.side) == (role, side)]
            lots = sum(int(o.quantity_lots - o.filled_lots) for o in legs)
            assert lots <= max(-side * int(position.quantity_lots), 0)
            if role == OrderRole.STOP and lots:
                assert lots == -side * int(position.bracket_lots), "a stop for all that brackets hold"
