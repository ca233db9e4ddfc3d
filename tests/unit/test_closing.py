"""Closing a bracket, a position, an account, everything; cancelling entries and orders."""

import pytest

from engine.arithmetic import MONEY_MAX
from engine.kinds import Action, BracketStatus, EventKind, OperatorAction, OrderFlag, OrderType
from engine.reasons import Reason
from engine.state import DEFAULT_LIMITS
from tests.twin.events import event
from tests.twin.machine import Machine
from tests.unit.brackets_support import (
    LIMITS,
    canceled,
    entered,
    fill,
    leave_room,
    machine_ready,
    operator,
    requested,
    row,
    rule,
    signal,
    status,
    tell,
)

CLOSE = signal(Action.CLOSE)
FLATTEN = operator(OperatorAction.FLATTEN)
CANCEL_ALL = operator(OperatorAction.CANCEL_ALL)
SELL = -1


def plain_ready(limits: object = LIMITS) -> Machine:
    """Without brackets."""
    return machine_ready(rule("bracketed", 0), limits=limits)


def test_a_close_cancels_the_legs_and_sells_what_is_held() -> None:
    machine = machine_ready()
    entered(machine)
    assert tell(machine, CLOSE) == [("cancel", 2), ("cancel", 3), ("place", 4, "MARKET", -10, 0)]
    assert status(machine) == BracketStatus.CLOSING
    assert tell(machine, CLOSE) == [("refuse", "ALREADY_AT_TARGET", 0, 0)]
    assert tell(machine, fill(4, 10, 990, SELL), canceled(2)) == []
    assert tell(machine, canceled(3)) == [("CLOSED", 1, 0, "SIGNAL_CLOSED")]


def test_an_exit_is_reduce_only_where_what_it_closes_is_held() -> None:
    machine = machine_ready()
    entered(machine)
    exits = [item for item in machine.tell(CLOSE) if item["kind"] == 1]
    assert exits[0]["order_flags"] == OrderFlag.SELL | OrderFlag.REDUCE_ONLY
    machine = plain_ready()
    machine.tell(signal(Action.BUY, 10))
    (closing,) = machine.tell(CLOSE)
    assert closing["order_flags"] == OrderFlag.SELL
    machine = plain_ready()
    machine.tell(signal(Action.BUY, 10), fill(1, 9), CLOSE)
    assert machine.order(2).order_flags == OrderFlag.SELL
    machine = plain_ready()
    machine.tell(signal(Action.SELL, 10), fill(1, 10, 1000, SELL), CLOSE)
    assert machine.order(2).order_flags == OrderFlag.REDUCE_ONLY


def test_a_waiting_bracket_is_closed_with_its_entry() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10, limit_ticks=990))
    assert tell(machine, CLOSE) == [("cancel", 1)]
    assert tell(machine, canceled(1)) == [("CLOSED", 1, 0, "SIGNAL_CLOSED")]


def test_an_entry_that_fills_on_its_way_out_is_sold() -> None:
    machine = machine_ready()
    tell(machine, signal(Action.BUY, 10), CLOSE)
    assert tell(machine, fill(1, 4)) == [("place", 2, "MARKET", -4, 0)], "no legs, and no record of an opening"
    assert tell(machine, fill(1, 6)) == [("place", 3, "MARKET", -6, 0)]
    assert tell(machine, fill(2, 4, 1000, SELL)) == []
    assert tell(machine, fill(3, 6, 1000, SELL)) == [("CLOSED", 1, 0, "SIGNAL_CLOSED")]


def test_a_leg_that_fills_beside_the_exit_is_ordered_back() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, CLOSE)
    assert tell(machine, fill(2, 10, 950, SELL)) == [("cancel", 4)], "the exit is on its way out now"
    said = tell(machine, fill(4, 10, 950, SELL))
    assert said == [("place", 5, "MARKET", 10, 0), ("REPAIRED", 1, -10, "EXIT_OVERFILLED")]
    assert tell(machine, fill(5, 10), canceled(3)) == [("CLOSED", 1, 0, "SIGNAL_CLOSED")]


def test_the_limit_of_a_closing_is_that_of_its_exits() -> None:
    machine = machine_ready()
    entered(machine)
    said = tell(machine, signal(Action.CLOSE, limit_ticks=1050))
    assert said[-1] == ("place", 4, "LIMIT", -10, 1050)
    assert tell(machine, signal(Action.CLOSE, limit_ticks=1050)) == [("refuse", "ALREADY_AT_TARGET", 0, 0)]


def test_a_closing_at_the_market_is_not_held_up_by_a_limit() -> None:
    machine = machine_ready()
    entered(machine)
    tell(machine, signal(Action.CLOSE, limit_ticks=1050), canceled(2), canceled(3))
    assert tell(machine, FLATTEN) == [("cancel", 4)]
    assert tell(machine, fill(4, 4, 1050, SELL)) == []
    assert tell(machine, canceled(4)) == [("place", 5, "MARKET", -6, 0)], "and is not taken for an exit that failed"
    assert row(machine).exit_refusals == 0
    machine = plain_ready()
    tell(machine, signal(Action.BUY, 10), fill(1, 10))
    assert tell(machine, signal(Action.CLOSE, limit_ticks=1050)) == [("place", 2, "LIMIT", -10, 1050)]
    assert tell(machine, CLOSE) == [("cancel", 2), ("place", 3, "MARKET", -10, 0)]


def test_one_order_for_each_bracket_and_one_for_the_rest() -> None:
    machine = machine_ready()
    entered(machine, 10)
    entered(machine, 5)
    tell(machine, fill(0, 7), signal(Action.BUY, 3, limit_ticks=900))
    said = tell(machine, CLOSE)
    assert said[0] == ("cancel", 7)
    assert [item for item in said if item[0] == "place"] == [
        ("place", 8, "MARKET", -5, 0),
        ("place", 9, "MARKET", -10, 0),
        ("place", 10, "MARKET", -7, 0),
    ]


def test_market_orders_on_their_way_are_closed_too_and_working_entries_cancelled() -> None:
    machine = plain_ready()
    tell(machine, signal(Action.BUY, 10), fill(0, 4), signal(Action.BUY, 20, limit_ticks=900))
    assert tell(machine, CLOSE) == [("cancel", 2), ("place", 3, "MARKET", -14, 0)]
    assert tell(machine, CLOSE) == [("refuse", "ALREADY_AT_TARGET", 0, 6)]


def test_the_rest_is_in_whole_steps() -> None:
    machine = machine_ready(rule("bracketed", 0), step=4)
    assert tell(machine, fill(0, 11), CLOSE) == [("place", 1, "MARKET", -8, 0)]


def test_without_room_the_rest_is_said() -> None:
    machine = leave_room(plain_ready(), orders=1)
    tell(machine, signal(Action.BUY, 5), fill(0, 4))
    assert tell(machine, FLATTEN) == [("alert", "ORDER_TABLE_FULL", 0, 9)]


def test_where_the_lots_on_order_do_not_fit_the_rest_is_said() -> None:
    machine = plain_ready()
    tell(machine, fill(0, 10), requested(MONEY_MAX, limit_ticks=1, order_flags=OrderFlag.SELL))
    assert tell(machine, FLATTEN) == [("cancel", 1), ("alert", "MONEY_OVERFLOW", 0, 10)]


def test_cancelling_entries_spares_market_orders_and_what_reduces() -> None:
    machine = plain_ready()
    reduces = {"order_flags": OrderFlag.SELL | OrderFlag.REDUCE_ONLY, "group_kind": 2}
    tell(machine, fill(0, 10), signal(Action.BUY, 15), signal(Action.BUY, 20, limit_ticks=900))
    tell(machine, requested(5, limit_ticks=800), requested(5, limit_ticks=1200, group=1, **reduces))
    tell(machine, requested(5, limit_ticks=700, group_kind=2, group=2))
    cancelled = [item[1] for item in tell(machine, FLATTEN) if item[0] == "cancel"]
    assert cancelled == [5, 3, 2]
    assert [machine.order(number).order_type for number in (1, 4)] == [OrderType.MARKET, OrderType.LIMIT]


@pytest.mark.parametrize(("named", "expected"), [(0, 2), (1, 1), (2, 2), (60_000, 2)])
def test_a_closing_belongs_to_the_one_that_is_named_or_holds_most(named: int, expected: int) -> None:
    machine = plain_ready()
    tell(machine, signal(Action.BUY, 4), fill(1, 4), signal(Action.BUY, 10, source=2), fill(2, 6))
    (closing,) = machine.tell(operator(OperatorAction.CLOSE) | {"source": named})
    assert closing["strategy"] == expected
    machine = plain_ready()
    machine.tell(fill(0, 4))
    (closing,) = machine.tell(CLOSE)
    assert closing["strategy"] == 1, "a signal's closing is its strategy's"


def test_flatten_closes_every_instrument_and_cancels_every_entry() -> None:
    machine = machine_ready()
    defined = {"tick_lot_units": 1, "quantity_step_lots": 1, "account": 1}
    machine.tell(event(EventKind.INSTRUMENT_DEFINED, instrument=0, **defined))
    entered(machine)
    tell(machine, fill(0, 3, 50, SELL) | {"instrument": 0}, requested(5, limit_ticks=900, group_kind=2, group=1))
    said = tell(machine, FLATTEN)
    assert said == [
        ("place", 5, "MARKET", 3, 0),
        *[("cancel", 4), ("cancel", 2), ("cancel", 3)],
        ("place", 6, "MARKET", -10, 0),
    ]
    assert row(machine).close_reason == Reason.OPERATOR_CLOSED


def test_cancelling_all_orders_spares_legs_and_exits() -> None:
    machine = machine_ready(limits=DEFAULT_LIMITS)
    entered(machine, 10)
    entered(machine, 5)
    machine.tell(signal(Action.CLOSE))
    tell(machine, signal(Action.BUY, 3, limit_ticks=900))
    entered(machine, 2)
    tell(machine, requested(1, limit_ticks=800, group_kind=2, group=1), requested(1, limit_ticks=700))
    cancelled = [item[1] for item in tell(machine, CANCEL_ALL)]
    kinds = [machine.order(number).order_type for number in cancelled]
    assert kinds == [OrderType.LIMIT] * 3
    assert not any(machine.order(number).order_role in (1, 2, 3) for number in cancelled)


def test_a_reversal_closes_the_bracket_and_opens_another() -> None:
    machine = machine_ready()
    entered(machine)
    said = tell(machine, signal(Action.SELL, 6))
    assert said == [
        *[("cancel", 2), ("cancel", 3), ("place", 4, "MARKET", -10, 0)],
        ("place", 5, "MARKET", -6, 0),
    ]
    assert tell(machine, fill(5, 6, 1000, SELL)) == [
        ("OPENED", 2, 6, "NONE"),
        ("place", 6, "STOP", 6, 1050),
        ("place", 7, "LIMIT", 6, 900),
    ], "whichever fills first"
    assert tell(machine, canceled(2), canceled(3), fill(4, 10, 1000, SELL)) == [("CLOSED", 1, 0, "SIGNAL_CLOSED")]
    assert machine.position(1, 2).quantity_lots == -6


def test_a_faulty_engine_closes_nothing() -> None:
    machine = machine_ready()
    entered(machine)
    machine.state.fault = Reason.MONEY_OVERFLOW
    assert tell(machine, FLATTEN) == []
