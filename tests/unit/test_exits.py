"""Exits are never given up: what was lost is placed anew at once, what was refused after a pause that grows."""

import random
from typing import Any

import pytest

from engine.brackets.leftovers import LEFTOVER
from engine.kinds import (
    Action,
    BracketStatus,
    EventKind,
    OperatorAction,
    OrderFlag,
    OrderRole,
    OrderStatus,
    TradingState,
)
from engine.reasons import Reason
from tests.twin.events import event
from tests.twin.machine import Machine
from tests.unit.brackets_support import (
    OPEN,
    Said,
    accepted,
    canceled,
    entered,
    fill,
    leave_room,
    machine_ready,
    operator,
    quote,
    rejected,
    report,
    row,
    rule,
    signal,
    status,
    timer,
)
from tests.unit.brackets_support import tell as tell_as_it_is

SELL = -1
SECOND_NS = 10**9
PAUSE_NS = SECOND_NS // 10
CLOSE = signal(Action.CLOSE)


def at(ts_ns: int, told: dict[str, int]) -> dict[str, int]:
    return told | {"ts_ns": ts_ns}


def tell(machine: Machine, *events: dict[str, int]) -> list[Said]:
    """What was decided on these events, each at its time or, where that is past, now."""
    said: list[Said] = []
    for told in events:
        said += tell_as_it_is(machine, at(max(told["ts_ns"], int(machine.state.ts_ns)), told))
    return said


def unknown(order: int) -> dict[str, int]:
    """The exchange has never had it."""
    return report(EventKind.ORDER_REJECTED, order, reason=Reason.EXCHANGE_ORDER_UNKNOWN)


def expired(order: int) -> dict[str, int]:
    return report(EventKind.ORDER_EXPIRED, order)


def closing(**rules: int) -> Machine:
    """A bracket of 10 lots whose legs are gone and whose exit, order 4, is under way."""
    machine = machine_ready(**rules)
    entered(machine)
    assert tell(machine, CLOSE, canceled(2), canceled(3))[-1] == ("place", 4, "MARKET", -10, 0)
    return machine


def left_over(lots: int = 10, **rules: int) -> Machine:
    """Late fills of an entry that is gone: its lots are left over, and their exit, order 2, is under way."""
    machine = machine_ready(**rules)
    tell(machine, signal(Action.BUY, lots), canceled(1))
    said = tell(machine, fill(1, lots))
    assert said == [("alert", "ENTRY_UNPROTECTED", 0, lots), ("place", 2, "MARKET", -lots, 0)]
    return machine


def leftovers(machine: Machine) -> int:
    return int(machine.state.instruments[2].leftover_lots)


# A bracket's exits


@pytest.mark.parametrize("make", [closing, left_over])
def test_what_was_lost_is_placed_anew_at_once_however_often(make: Any) -> None:
    machine = make()
    for _ in range(9):
        number, now = int(machine.state.orders_placed), int(machine.state.ts_ns)
        assert tell(machine, unknown(number)) == [("place", number + 1, "MARKET", -10, 0)]
        assert tell(machine, at(now + SECOND_NS, expired(number + 1))) == [("place", number + 2, "MARKET", -10, 0)]
    assert machine.state.trading_state == TradingState.ACTIVE
    assert row(machine).exit_refusals == machine.state.instruments[2].leftover_refusals == 0


@pytest.mark.parametrize("make", [closing, left_over])
@pytest.mark.parametrize("ended", [rejected, canceled, expired])
def test_what_was_refused_is_tried_after_pauses_that_double(make: Any, ended: Any) -> None:
    """An exchange that ends at once what it has taken has refused it, whatever it calls that."""
    machine = make()
    now = int(machine.state.ts_ns)
    number = int(machine.state.orders_placed)
    assert tell(machine, ended(number)) == [("place", number + 1, "MARKET", -10, 0)], "the first is no matter"
    for pause in [*[PAUSE_NS << doublings for doublings in range(10)], *[60 * SECOND_NS] * 3]:
        number += 1
        halts = [("alert", "EXIT_REJECTED", 0, 10)] if pause == 4 * PAUSE_NS else []
        assert tell(machine, ended(number)) == halts, "said once"
        assert machine.state.trading_state == (TradingState.HALTED if pause >= 4 * PAUSE_NS else TradingState.ACTIVE)
        assert tell(machine, quote(990, ts_ns=now + pause - 1), at(now + pause - 1, timer())) == []
        now += pause
        assert tell(machine, quote(990, ts_ns=now)) == [("place", number + 1, "MARKET", -10, 0)]
    assert tell(machine, fill(number + 1, 10, 990, SELL))[1:] == []
    assert machine.position(1, 2).quantity_lots == 0


def test_any_event_ends_a_pause_and_a_fill_counts_anew() -> None:
    machine = closing()
    tell(machine, rejected(4), rejected(5))
    assert tell(machine, event(EventKind.CONNECTION_LOST, 3 * PAUSE_NS)) == [("place", 6, "MARKET", -10, 0)]
    assert tell(machine, at(3 * PAUSE_NS, fill(6, 3, 990, SELL))) == []
    assert tell(machine, canceled(6)) == [("place", 7, "MARKET", -7, 0)], "the first refusal in a row"
    assert row(machine).exit_refusals == 1


def test_a_pause_goes_over_a_restart_and_other_events_of_the_bracket() -> None:
    machine = closing()
    tell(machine, rejected(4), rejected(5))
    assert tell(machine, fill(0, 1), fill(0, 1, 1000, SELL), timer()) == []
    other = Machine(machine.limits, machine.bytes.copy())
    assert tell(other, quote(990, ts_ns=PAUSE_NS)) == [("place", 6, "MARKET", -10, 0)]


def test_another_closing_tries_at_once_and_counts_anew() -> None:
    machine = closing(leg_replacements_max=1)
    assert tell(machine, rejected(4), rejected(5)) == [
        ("place", 5, "MARKET", -10, 0),
        ("alert", "EXIT_REJECTED", 0, 10),
    ]
    assert tell(machine, operator(OperatorAction.CLOSE)) == [("place", 6, "MARKET", -10, 0)]
    assert tell(machine, rejected(6)) == [("place", 7, "MARKET", -10, 0)]
    assert tell(machine, fill(7, 10, 980, SELL)) == [("CLOSED", 1, 0, "SIGNAL_CLOSED")]


def test_each_try_looks_at_the_position_anew() -> None:
    """A strategy that turns round: the entry the other way fills first, and nothing is there to be reduced."""
    machine = machine_ready()
    entered(machine)
    machine.tell(CLOSE, canceled(2), canceled(3))
    assert machine.order(4).order_flags == OrderFlag.SELL | OrderFlag.REDUCE_ONLY
    tell(machine, signal(Action.SELL, 10), fill(5, 10, 1000, SELL))
    assert machine.position(1, 2).quantity_lots == 0
    said = tell(machine, rejected(4))
    assert said == [("place", 8, "MARKET", -10, 0)]
    assert machine.order(8).order_flags == OrderFlag.SELL
    assert tell(machine, fill(8, 10, 1000, SELL)) == [("CLOSED", 1, 0, "SIGNAL_CLOSED")]
    assert machine.position(1, 2).quantity_lots == machine.position(1, 2).bracket_lots == -10


def test_an_order_back_waits_as_an_exit_does() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(3, 10, 1100, SELL), fill(2, 6, 950, SELL))
    assert tell(machine, rejected(4)) == [("place", 5, "MARKET", 6, 0), ("REPAIRED", 1, -6, "EXIT_OVERFILLED")]
    assert tell(machine, rejected(5)) == []
    assert tell(machine, quote(990, ts_ns=PAUSE_NS))[0] == ("place", 6, "MARKET", 6, 0)


def test_a_leg_that_was_lost_does_not_count() -> None:
    machine = machine_ready(leg_replacements_max=1)
    tell(machine, signal(Action.BUY, 10), fill(1, 10))
    for number in range(2, 12, 2):
        assert tell(machine, unknown(number))[1] == ("place", number + 2, "STOP", -10, 950)
        assert tell(machine, unknown(number + 1))[1] == ("place", number + 3, "LIMIT", -10, 1100)
    assert tell(machine, at(SECOND_NS, canceled(12)))[1] == ("place", 14, "STOP", -10, 950), "it rested for a second"
    assert tell(machine, canceled(14))[1] == ("place", 15, "STOP", -10, 950), "it did not: that is the first"
    assert tell(machine, rejected(15))[-1] == ("place", 16, "MARKET", -10, 0)
    assert status(machine) == BracketStatus.CLOSING


# What gone brackets leave


def test_the_rest_of_a_late_fill_s_closing_is_ordered_again() -> None:
    machine = left_over()
    assert tell(machine, fill(2, 4, 1000, SELL)) == []
    assert leftovers(machine) == machine.position(1, 2).bracket_lots == 6
    assert tell(machine, at(SECOND_NS, expired(2))) == [("place", 3, "MARKET", -6, 0)]
    assert tell(machine, fill(3, 6, 1000, SELL)) == []
    assert machine.position(1, 2).quantity_lots == leftovers(machine) == 0


def test_leftovers_are_apart_from_what_is_held_outside_of_brackets() -> None:
    machine = machine_ready()
    tell(machine, fill(0, 50), signal(Action.BUY, 10), canceled(1))
    assert tell(machine, fill(1, 10))[1] == ("place", 2, "MARKET", -10, 0)
    assert tell(machine, fill(0, 45, 1000, SELL)) == [], "50 more than is left over, then 5"
    assert tell(machine, fill(0, 8, 1000, SELL)) == []
    assert leftovers(machine) == 7, "with more sold than was somebody's, less is left over"
    assert tell(machine, fill(2, 10, 1000, SELL)) == [("place", 3, "MARKET", 3, 0)], "too much of it"
    assert tell(machine, fill(3, 3)) == []
    assert machine.position(1, 2).quantity_lots == leftovers(machine) == 0


def test_an_exit_of_leftovers_that_somebody_else_closed_is_cancelled() -> None:
    machine = left_over()
    assert tell(machine, fill(0, 10, 1000, SELL)) == [("cancel", 2)]
    assert tell(machine, canceled(2)) == []
    assert machine.state.instruments[2].leftover_refusals == 0


def test_leftovers_are_cut_before_brackets() -> None:
    machine = left_over(4)
    entered(machine, 10)
    assert tell(machine, fill(0, 3, 1000, SELL)) == []
    assert leftovers(machine) == 1
    assert tell(machine, fill(0, 3, 1000, SELL))[:2] == [("cancel", 2), ("CUT", 2, 8, "POSITION_SMALLER_THAN_BRACKET")]


def test_an_open_bracket_is_not_cut_for_what_is_on_order_back() -> None:
    """The stop of a bracket that is gone fills late; the next one has all its lots although the position is smaller."""
    machine = machine_ready()
    entered(machine)
    tell(machine, fill(3, 10, 1100, SELL), canceled(2))
    assert tell(machine, fill(2, 6, 950, SELL))[1] == ("place", 4, "MARKET", 6, 0)
    tell(machine, signal(Action.BUY, 8))
    assert tell(machine, fill(5, 8))[0] == ("OPENED", 2, 8, "NONE")
    assert tell(machine, fill(4, 6)) == []
    assert machine.position(1, 2).quantity_lots == machine.position(1, 2).bracket_lots == 8


def test_parts_of_a_step_wait_for_a_whole_one() -> None:
    machine = machine_ready(step=10)
    tell(machine, signal(Action.BUY, 20), canceled(1))
    assert tell(machine, fill(1, 4)) == [("alert", "ENTRY_UNPROTECTED", 0, 4)]
    assert tell(machine, fill(1, 7))[1] == ("place", 2, "MARKET", -10, 0)
    assert tell(machine, fill(2, 10, 1000, SELL)) == []
    assert leftovers(machine) == 1


def test_leftovers_without_room_are_ordered_at_the_next_timer() -> None:
    machine = leave_room(machine_ready(), orders=2)
    tell(machine, signal(Action.BUY, 10), canceled(1), fill(1, 10), rejected(2), rejected(3))
    tell(machine, *[signal(Action.BUY, 10, limit_ticks=900)] * 2)
    assert tell(machine, quote(1000, ts_ns=PAUSE_NS)) == [], "no room"
    assert tell(machine, canceled(4), timer())[1:] == [("place", 6, "MARKET", -10, 0)]


def test_a_closing_tries_leftovers_at_once_and_leaves_them_out_of_the_rest() -> None:
    machine = left_over()
    tell(machine, rejected(2), rejected(3), fill(0, 5))
    assert tell(machine, operator(OperatorAction.CLOSE)) == [
        ("place", 4, "MARKET", -10, 0),
        ("place", 5, "MARKET", -5, 0),
    ]
    assert machine.state.instruments[2].leftover_refusals == 0


def test_cancelling_all_orders_spares_exits_of_leftovers() -> None:
    machine = left_over()
    assert tell(machine, operator(OperatorAction.CANCEL_ALL)) == []


def test_leftovers_follow_the_instrument_s_present_rule() -> None:
    machine = left_over()
    tell(machine, rule("leg_replacements_max", 1))
    assert tell(machine, rejected(2), rejected(3)) == [
        ("place", 3, "MARKET", -10, 0),
        ("alert", "EXIT_REJECTED", 0, 10),
    ]


# All together


@pytest.mark.parametrize("seed", range(10))
def test_what_is_held_has_a_stop_or_an_exit_under_way_or_in_its_pause(seed: int) -> None:
    """An exchange that loses and refuses most of what it is asked, and fills what it said was gone."""
    chance = random.Random(seed)
    machine = machine_ready(leg_replacements_max=1)
    gone: list[int] = []
    now = 0
    for _ in range(300):
        now += chance.choice((0, PAUSE_NS // 4, SECOND_NS))
        orders = [order for order in machine.state.orders if order.status in OPEN]
        if not orders or chance.random() < 0.1:
            side = Action.BUY if chance.random() < 0.5 else Action.SELL
            machine.state.trading_state = TradingState.ACTIVE
            tell(machine, at(now, signal(side, chance.randrange(1, 30))))
        elif gone and chance.random() < 0.05:
            order = machine.order(gone.pop())
            tell(machine, at(now, fill(int(order.order), 1 + chance.randrange(4), 1000, int(order.side))))
        else:
            order = chance.choice(orders)
            number, left = int(order.order), int(order.quantity_lots - order.filled_lots)
            if order.status == OrderStatus.PENDING_CANCEL:
                told = canceled(number)
                gone.append(number)
            elif order.status == OrderStatus.PENDING and chance.random() < 0.5:
                told = rejected(number) if chance.random() < 0.5 else unknown(number)
            elif chance.random() < 0.5:
                told = fill(number, chance.randrange(1, left + 1), 1000, int(order.side))
            else:
                told = accepted(number)
            tell(machine, at(now, told))
        known = {int(order.order) for order in machine.state.orders}
        gone = [number for number in gone if number in known]
        assert_nothing_is_uncovered(machine)


def assert_nothing_is_uncovered(machine: Machine) -> None:
    """All that orders of brackets brought in: each bracket for itself, and what gone ones left."""
    state = machine.state
    instrument, position = state.instruments[2], machine.position(1, 2)
    assert position.quantity_lots == position.bracket_lots, "lots that nobody accounts for"
    for slot, bracket in enumerate(state.brackets, 1):
        if bracket.status in (BracketStatus.OPEN, BracketStatus.CLOSING) and bracket.exit_due_ts_ns <= state.ts_ns:
            held = int(bracket.side * (bracket.entered_lots - bracket.exited_lots))
            role = OrderRole.STOP if bracket.status == BracketStatus.OPEN else OrderRole.EXIT
            lots, amending = on_order_against(machine, held, slot, role)
            assert lots >= abs(held) or amending, f"{held} lots of a bracket, {lots} on order"
    if instrument.leftover_due_ts_ns <= state.ts_ns:
        left = int(instrument.leftover_lots)
        lots, _ = on_order_against(machine, left, LEFTOVER, OrderRole.EXIT)
        assert lots >= abs(left), f"{left} lots left over, {lots} on order"


def on_order_against(machine: Machine, held_lots: int, slot: int, role: OrderRole) -> tuple[int, bool]:
    """The lots of open orders of a row and role that close what is held, and whether one is being amended."""
    orders = [order for order in machine.state.orders if order.status in OPEN and order.side * held_lots < 0]
    ours = [order for order in orders if (order.bracket_slot, order.order_role) == (slot, role)]
    lots = sum(int(order.quantity_lots - order.filled_lots) for order in ours)
    return lots, any(order.amending for order in ours)
