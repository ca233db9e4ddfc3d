"""Requested orders: alone, one cancels the other, one triggers the others."""

import pytest

from engine.kinds import (
    Action,
    BracketStatus,
    EventKind,
    GroupKind,
    OperatorAction,
    OrderFlag,
    OrderRole,
    OrderType,
    TimeInForce,
    TradingState,
)
from engine.reasons import Reason
from tests.twin.events import event
from tests.twin.machine import TINY_LIMITS, Machine
from tests.unit.brackets_support import (
    amended,
    canceled,
    entered,
    fill,
    leave_room,
    machine_ready,
    operator,
    refused,
    rejected,
    requested,
    row,
    rule,
    signal,
    status,
    tell,
    timer,
)

SELL = -1
STOP = {"order_type": OrderType.STOP, "trigger_ticks": 950, "order_flags": OrderFlag.SELL | OrderFlag.REDUCE_ONLY}
REDUCES = OrderFlag.SELL | OrderFlag.REDUCE_ONLY


def oco(lots: int, limit: int = 900, **fields: int) -> dict[str, int]:
    return requested(lots, **{"limit_ticks": limit, "group_kind": GroupKind.OCO, "group": 1} | fields)


def oto(lots: int, limit: int = 900, **fields: int) -> dict[str, int]:
    return requested(lots, **{"limit_ticks": limit, "group_kind": GroupKind.OTO, "group": 1} | fields)


def ready(**rules: int) -> Machine:
    return machine_ready(rule("bracketed", 0), **rules)


def test_an_order_is_placed_as_it_is_requested() -> None:
    machine = ready()
    expire = {"time_in_force": TimeInForce.GTD, "expire_ts_ns": 77}
    (command,) = machine.tell(requested(5, limit_ticks=990, order_flags=OrderFlag.SELL | OrderFlag.POST_ONLY, **expire))
    assert command == {
        "kind": 1, "order_type": OrderType.LIMIT, "time_in_force": TimeInForce.GTD, "instrument": 2, "account": 1,
        "order_flags": OrderFlag.SELL | OrderFlag.POST_ONLY, "strategy": 1, "seq": int(machine.state.seq), "order": 1,
        "quantity_lots": 5, "limit_ticks": 990, "expire_ts_ns": 77,
    }  # fmt: skip
    assert machine.order(1).order_role == OrderRole.ENTRY
    assert machine.state.entries_today == 1


def test_alone_the_role_is_what_the_order_does() -> None:
    machine = ready()
    tell(machine, fill(0, 10))
    flags = OrderFlag.SELL | OrderFlag.REDUCE_ONLY
    tell(machine, requested(5, limit_ticks=1100, order_flags=flags), requested(5, order_type=OrderType.MARKET))
    tell(machine, requested(5, **STOP))
    assert [int(machine.order(n).order_role) for n in (1, 2, 3)] == [OrderRole.EXIT, OrderRole.ENTRY, OrderRole.GROUPED]
    position = machine.position(1, 2)
    assert (position.open_sell_lots, position.open_buy_lots, position.leg_sell_lots) == (5, 5, 5)
    assert machine.state.entries_today == 1, "what reduces is no entry"


BAD_TERMS = [
    {"quantity_lots": 0},
    {"quantity_lots": -1},
    {"quantity_lots": 2**60 + 1},
    {"order_type": 0},
    {"order_type": OrderType.TRAILING_STOP},
    {"limit_ticks": 0},
    {"limit_ticks": -5},
    {"trigger_ticks": 5},
    {"order_type": OrderType.STOP, "trigger_ticks": 5},
    {"order_type": OrderType.STOP_LIMIT},
    {"order_type": OrderType.TAKE_PROFIT, "limit_ticks": 0, "trigger_ticks": -1},
    {"order_type": OrderType.MARKET, "limit_ticks": 0, "order_flags": OrderFlag.POST_ONLY},
    {"order_flags": OrderFlag.HELD_BY_ENGINE},
    {"order_flags": 128},
    {"time_in_force": TimeInForce.IOC},
    {"time_in_force": TimeInForce.FOK},
    {"time_in_force": TimeInForce.GTD},
    {"expire_ts_ns": 5},
    {"time_in_force": TimeInForce.GTD, "expire_ts_ns": -5},
]


@pytest.mark.parametrize("terms", BAD_TERMS)
def test_terms_that_do_not_go_together_are_refused(terms: dict[str, int]) -> None:
    machine = ready()
    request = requested(5, **{"limit_ticks": 900} | terms) | {"quantity_lots": terms.get("quantity_lots", 5)}
    assert tell(machine, request) == [("refuse", "ORDER_INVALID", 0, int(request["order_type"]))]
    assert machine.state.orders_placed == 0


@pytest.mark.parametrize("terms", [
    {"order_type": OrderType.STOP_LIMIT, "trigger_ticks": 5},
    {"order_type": OrderType.TAKE_PROFIT, "trigger_ticks": 5, "limit_ticks": 0},
    {"order_type": OrderType.TAKE_PROFIT_LIMIT, "trigger_ticks": 5},
    {"order_type": OrderType.MARKET, "limit_ticks": 0, "time_in_force": 0},
    {"time_in_force": TimeInForce.GTD, "expire_ts_ns": 5},
    {"order_flags": OrderFlag.POST_ONLY},
])  # fmt: skip
def test_terms_that_go_together_are_taken(terms: dict[str, int]) -> None:
    (said,) = tell(ready(), requested(5, **{"limit_ticks": 900} | terms))
    assert said[0] == "place"


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"source": 0}, Reason.STRATEGY_UNKNOWN), ({"source": 65_535}, Reason.STRATEGY_UNKNOWN),
     ({"instrument": 1}, Reason.INSTRUMENT_UNKNOWN), ({"instrument": 65_535}, Reason.INSTRUMENT_UNKNOWN)],
)  # fmt: skip
def test_who_or_what_is_not_there_refuses_the_event(fields: dict[str, int], reason: Reason) -> None:
    machine = ready()
    assert tell(machine, requested(5, limit_ticks=900) | fields) == []
    assert machine.state.last_refused_reason == reason


def test_what_reduces_must_reduce() -> None:
    machine = ready()
    terms = {"limit_ticks": 1100, "order_flags": REDUCES}
    assert tell(machine, requested(5, **terms)) == [("refuse", "REDUCE_ONLY_WOULD_INCREASE", 0, 5)]
    tell(machine, fill(0, 4))
    assert tell(machine, requested(5, **terms)) == [("refuse", "REDUCE_ONLY_WOULD_INCREASE", 4, 5)]
    assert tell(machine, requested(4, **terms))[0][0] == "place"
    bought = terms | {"order_flags": OrderFlag.REDUCE_ONLY}
    assert tell(machine, requested(1, **bought)) == [("refuse", "REDUCE_ONLY_WOULD_INCREASE", 0, 1)]


def test_a_request_is_checked_as_an_entry_unless_it_reduces() -> None:
    machine = ready(order_quantity_max_lots=7)
    assert tell(machine, requested(8, limit_ticks=900)) == [("refuse", "ORDER_QUANTITY_MAX", 7, 8)]
    tell(machine, fill(0, 9), operator(OperatorAction.KILL))
    assert tell(machine, requested(5, limit_ticks=900))[0][1] == "TRADING_HALTED"
    assert tell(machine, requested(9, limit_ticks=1100, order_flags=REDUCES))[0][0] == "place", "a closing"
    assert tell(machine, requested(9, **STOP))[0][0] == "place"


def test_the_strategy_must_be_allowed_to_trade() -> None:
    machine = ready()
    disabled = event(EventKind.CONFIGURATION_CHANGED, setting=2, source=1, value=0)
    assert tell(machine, disabled, requested(5, limit_ticks=900)) == [("refuse", "STRATEGY_DISABLED", 0, 2)]
    machine.tell(disabled | {"value": 1})
    machine.state.strategies[1].throttled = 1
    assert tell(machine, requested(5, limit_ticks=900))[0][1] == "EXECUTIONS_THROTTLED"


def test_without_a_price_there_is_no_order() -> None:
    machine = ready()
    defined = {"tick_lot_units": 1, "quantity_step_lots": 1, "account": 1}
    machine.tell(event(EventKind.INSTRUMENT_DEFINED, instrument=0, **defined))
    assert tell(machine, requested(5, limit_ticks=900, instrument=0)) == [("refuse", "NO_REFERENCE_PRICE", 0, 0)]


def test_full_tables_refuse() -> None:
    machine = leave_room(machine_ready(rule("bracketed", 0), limits=TINY_LIMITS), orders=2)
    tell(machine, oco(5))
    assert tell(machine, oco(5, group=2)) == [("refuse", "BRACKET_TABLE_FULL", 1, 1)]
    tell(machine, oco(5))
    assert tell(machine, oco(5)) == [("refuse", "ORDER_TABLE_FULL", 8, 2)]
    machine.tell(canceled(1), requested(2**60, limit_ticks=1, order_flags=OrderFlag.SELL))
    assert tell(machine, requested(5, limit_ticks=900))[0][1] == "ORDER_TABLE_FULL"


def test_one_cancels_the_other() -> None:
    machine = ready()
    assert tell(machine, oco(10), oco(10, 1100, order_flags=OrderFlag.SELL), oco(10, 800))[0] == (
        "place",
        1,
        "LIMIT",
        10,
        900,
    )
    assert row(machine).group_kind == GroupKind.OCO
    assert tell(machine, fill(1, 4)) == [("amend", 2, -6, 1100), ("amend", 3, 6, 800)]
    assert tell(machine, amended(2, 6), fill(1, 6)) == [("cancel", 2), ("cancel", 3)]
    assert tell(machine, canceled(3), canceled(2)) == []
    assert status(machine) == BracketStatus.CLOSED


def test_a_full_member_cancels_larger_ones() -> None:
    machine = ready()
    tell(machine, oco(4), oco(10, 800))
    assert tell(machine, fill(1, 4)) == [("cancel", 2)]


def test_several_members_share_what_is_left() -> None:
    machine = ready()
    tell(machine, oco(10), oco(10, 800), fill(1, 3), fill(2, 2))
    assert [int(machine.order(n).asked_lots) for n in (1, 2)] == [8, 7]


def test_a_rejected_member_cancels_the_others_and_a_cancelled_one_does_not() -> None:
    machine = ready()
    tell(machine, oco(10), oco(10, 800), oco(10, 700))
    assert tell(machine, canceled(1)) == []
    assert tell(machine, rejected(2)) == [("cancel", 3)]
    assert tell(machine, canceled(3)) == []
    assert status(machine) == BracketStatus.CLOSED


def test_a_refused_cancel_of_a_member_is_asked_again() -> None:
    machine = ready()
    tell(machine, oco(10), oco(10, 800), fill(1, 10))
    assert tell(machine, refused(2)) == []
    assert tell(machine, timer()) == [("cancel", 2)]


def test_a_member_that_comes_later_is_placed_for_what_is_left() -> None:
    machine = ready()
    tell(machine, oco(10), oco(10, 800), fill(1, 4))
    assert tell(machine, oco(9, 700)) == [("place", 3, "LIMIT", 5, 700)]
    assert tell(machine, oco(4, 700)) == [("refuse", "GROUP_INVALID", 5, 3)]
    assert tell(machine, amended(2, 6), fill(3, 5)) == [("amend", 1, 5, 900), ("amend", 2, 1, 800)]


def test_one_triggers_the_others() -> None:
    machine = ready()
    assert tell(machine, oto(10)) == [("place", 1, "LIMIT", 10, 900)]
    assert tell(machine, oto(20, 0, **STOP), oto(6, 1000, order_flags=REDUCES)) == []
    assert tell(machine, fill(1, 4)) == [("place", 2, "STOP", -4, 950), ("place", 3, "LIMIT", -4, 1000)]
    assert tell(machine, fill(1, 6)) == [("amend", 2, -10, 950), ("amend", 3, -6, 1000)]
    assert machine.order(2).order_flags == REDUCES
    assert tell(machine, fill(2, 10, 950, SELL), amended(3, 6), fill(3, 6, 950, SELL)) == []
    assert status(machine) == BracketStatus.CLOSED


def test_a_triggered_order_that_is_filled_grows_by_a_new_one() -> None:
    machine = ready()
    tell(machine, oto(10), oto(10, 1000, order_flags=REDUCES), fill(1, 4), fill(2, 4, 1000, SELL))
    assert status(machine) == BracketStatus.OPEN
    assert tell(machine, fill(1, 6)) == [("place", 3, "LIMIT", -6, 1000)]
    assert tell(machine, canceled(3)) == []
    assert status(machine) == BracketStatus.CLOSED


def test_one_that_ended_otherwise_is_not_placed_again() -> None:
    machine = ready()
    tell(machine, oto(10), oto(10, 1000, order_flags=REDUCES), fill(1, 4), rejected(2))
    assert tell(machine, fill(1, 6)) == []
    assert status(machine) == BracketStatus.CLOSED


def test_the_others_are_dropped_with_the_first() -> None:
    machine = ready()
    tell(machine, oto(10), oto(10, 1000, order_flags=REDUCES))
    assert tell(machine, canceled(1)) == []
    assert status(machine) == BracketStatus.CLOSED
    assert tell(machine, fill(1, 4)) == [], "a late fill triggers nothing any more"


def test_with_a_part_filled_the_others_live_on() -> None:
    machine = ready()
    tell(machine, oto(10), oto(10, 1000, order_flags=REDUCES), fill(1, 4))
    assert tell(machine, canceled(1)) == []
    assert status(machine) == BracketStatus.OPEN
    tell(machine, fill(2, 4, 1000, SELL))
    assert status(machine) == BracketStatus.CLOSED


def test_while_trading_is_stopped_nothing_that_opens_is_triggered() -> None:
    machine = ready()
    tell(machine, oto(10), oto(10, 800), oto(10, 1000, order_flags=REDUCES), operator(OperatorAction.KILL))
    assert machine.state.trading_state == TradingState.HALTED
    assert tell(machine, fill(1, 4)) == [("place", 2, "LIMIT", -4, 1000)]
    tell(machine, operator(OperatorAction.RESUME))
    assert tell(machine, fill(1, 1)) == [("place", 3, "LIMIT", 5, 800), ("amend", 2, -5, 1000)]


def test_one_that_found_no_room_is_tried_again() -> None:
    machine = leave_room(machine_ready(rule("bracketed", 0)), orders=2)
    tell(machine, oto(10), oto(10, 1000, order_flags=REDUCES), requested(1, limit_ticks=700))
    assert tell(machine, fill(1, 4)) == []
    assert tell(machine, canceled(2), timer()) == [("place", 3, "LIMIT", -4, 1000)]


GROUP_ERRORS = [
    (oco(5, group_kind=GroupKind.BRACKET, group=2), ("GROUP_INVALID", 0, 1)),
    (oco(5, group_kind=9, group=2), ("GROUP_INVALID", 0, 9)),
    (oto(5), ("GROUP_INVALID", 5, 2)),
    (oco(5, instrument=0), ("GROUP_INVALID", 5, 2)),
    (oco(5, group=0), ("GROUP_INVALID", 1, 0)),
]


@pytest.mark.parametrize(("request_event", "expected"), GROUP_ERRORS)
def test_what_does_not_fit_its_group_is_refused(request_event: dict[str, int], expected: tuple[str, int, int]) -> None:
    machine = ready()
    defined = {"tick_lot_units": 1, "quantity_step_lots": 1, "account": 1}
    machine.tell(event(EventKind.INSTRUMENT_DEFINED, instrument=0, **defined), oco(10), oco(10, 800))
    assert tell(machine, request_event) == [("refuse", *expected)]


def test_a_sixth_member_is_refused_and_other_strategies_have_groups_of_their_own() -> None:
    machine = ready()
    for limit in range(900, 905):
        assert tell(machine, oco(5, limit))[0][0] == "place"
    assert tell(machine, oco(5)) == [("refuse", "GROUP_INVALID", 5, 5)]
    assert tell(machine, oco(5, source=2))[0][0] == "place"
    assert machine.state.brackets_open == 2


def test_a_group_that_is_over_takes_nobody() -> None:
    """Neither as a member nor as the first of another: a late exit must not become an order of its own."""
    machine = ready()
    tell(machine, oto(10), fill(1, 10))
    assert tell(machine, oto(10, 1000, order_flags=OrderFlag.SELL)) == [("refuse", "GROUP_INVALID", 1, 1)]
    tell(machine, oco(10, group=3), oco(10, group=3), fill(2, 10))
    assert tell(machine, oco(10, group=3)) == [("refuse", "GROUP_INVALID", 5, 2)]
    assert tell(machine, oco(10, group=2)) == [("refuse", "GROUP_INVALID", 3, 2)]
    assert tell(machine, oco(10, group=4))[0][0] == "place"


def test_a_member_may_come_after_the_first_has_filled_while_another_lives() -> None:
    machine = ready()
    tell(machine, oto(10), oto(10, 1000, order_flags=REDUCES), fill(1, 10))
    assert tell(machine, oto(6, 0, **STOP)) == [("place", 3, "STOP", -6, 950)]
    assert tell(machine, fill(2, 10, 1000, SELL), fill(3, 6, 950, SELL)) == []
    assert status(machine) == BracketStatus.CLOSED


def test_a_request_of_no_group_belongs_to_none_whatever_number_it_gives() -> None:
    machine = ready()
    tell(machine, oto(10), oto(10, 1000, order_flags=REDUCES))
    late = requested(6, limit_ticks=1000, group=1, order_flags=REDUCES)
    assert tell(machine, late) == [("refuse", "REDUCE_ONLY_WOULD_INCREASE", 0, 6)]
    assert tell(machine, requested(6, limit_ticks=800, group=1)) == [("place", 2, "LIMIT", 6, 800)]
    assert machine.order(2).bracket_slot == 0


def test_members_are_not_on_their_way() -> None:
    machine = ready()
    tell(machine, oco(10), oco(10, 1100, order_flags=OrderFlag.SELL))
    position = machine.position(1, 2)
    assert (position.open_buy_lots, position.open_sell_lots) == (0, 0)
    assert (position.grouped_buy_lots, position.grouped_sell_lots) == (10, 10)
    assert tell(machine, signal(Action.CLOSE)) == [("refuse", "ALREADY_AT_TARGET", 0, 0)]


def test_groups_and_brackets_share_rows_but_not_lots() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, oco(10), fill(4, 3))
    assert machine.position(1, 2).bracket_lots == 10
    assert [int(row(machine, slot).number) for slot in (1, 2)] == [1, 2]
