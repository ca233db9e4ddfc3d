"""The life of an order: what may happen to it, and nothing else."""

import itertools
import random

import numpy as np
import pytest

from engine import orders as engine_orders
from engine.kinds import Action, EventKind, FillFlag, OrderStatus
from engine.orders import (
    CANCEL_WAS_REJECTED,
    CANCEL_WAS_REQUESTED,
    REQUEST_HAD_NO_ANSWER,
    TRANSITIONS,
    WAS_ACCEPTED,
    WAS_CANCELED,
    WAS_EXPIRED,
    WAS_FILLED_IN_PART,
    WAS_FILLED_WHOLLY,
    WAS_REJECTED,
    WAS_RELEASED,
    WAS_SENT,
)
from engine.reasons import Reason
from tests.support import from_python
from tests.twin.conservation import check
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, TINY_LIMITS, Machine
from tests.twin.orders import CLOSED, LIFE, OPEN
from tests.twin.tapes import prologue

HAPPENINGS = {
    "sent": WAS_SENT,
    "accepted": WAS_ACCEPTED,
    "rejected": WAS_REJECTED,
    "filled in part": WAS_FILLED_IN_PART,
    "filled wholly": WAS_FILLED_WHOLLY,
    "cancel requested": CANCEL_WAS_REQUESTED,
    "canceled": WAS_CANCELED,
    "expired": WAS_EXPIRED,
    "cancel rejected": CANCEL_WAS_REJECTED,
    "no answer": REQUEST_HAD_NO_ANSWER,
    "released": WAS_RELEASED,
}
NEW_ORDER = 1


def machine_with_order(lots: int = 10, limit_ticks: int = 90) -> Machine:
    """One PENDING limit order to buy instrument 1 (which may be sold short), number 1."""
    machine = Machine(SMALL_LIMITS)
    machine.tell(*prologue(), event(EventKind.QUOTE, instrument=1, bid_ticks=100, ask_ticks=101))
    step = {"instrument": 1, "quantity_step_lots": 1, "tick_lot_units": 7, "account": 1, "instrument_kind": 1}
    (placed,) = machine.tell(event(EventKind.INSTRUMENT_DEFINED, **step), signal(Action.BUY, lots, limit_ticks))
    assert placed["order"] == NEW_ORDER
    return machine


def signal(action: Action, lots: int = 0, limit_ticks: int = 0) -> dict[str, int]:
    return event(EventKind.SIGNAL, action=action, instrument=1, quantity_lots=lots, limit_ticks=limit_ticks)


def report(kind: EventKind, order: int = NEW_ORDER, **fields: int) -> dict[str, int]:
    return event(kind, order=order, instrument=1, account=1, **fields)


def fill(lots: int, order: int = NEW_ORDER, trade_id: int = 0, price: int = 100, **fields: int) -> dict[str, int]:
    sizes = {"quantity_lots": lots, "price_ticks": price, "trade_id": trade_id}
    return report(EventKind.ORDER_FILLED, order, **sizes, **fields)


@pytest.mark.parametrize("happening", HAPPENINGS)
@pytest.mark.parametrize("status", OrderStatus)
def test_table_allows_what_is_written_and_nothing_else(status: OrderStatus, happening: str) -> None:
    expected = LIFE[happening].get(status, -1)
    assert TRANSITIONS[status, HAPPENINGS[happening]] == expected


def test_table_has_no_other_rows_or_columns() -> None:
    assert sorted(HAPPENINGS.values()) == list(range(TRANSITIONS.shape[1]))
    assert TRANSITIONS.shape[0] == len(OrderStatus)
    assert OPEN | CLOSED | {OrderStatus.NONE} == set(OrderStatus)
    is_open = from_python(engine_orders.is_open)
    assert all(is_open(np.int64(status)) == (status in OPEN) for status in OrderStatus)


def test_no_closed_order_ever_opens_again() -> None:
    for status, happening in itertools.product(CLOSED, range(TRANSITIONS.shape[1])):
        assert TRANSITIONS[status, happening] in {-1, status}


# How the tape tells each happening; a cancel is requested by a signal against the order.
_TELL = {
    "sent": report(EventKind.ORDER_SENT),
    "accepted": report(EventKind.ORDER_ACCEPTED),
    "rejected": report(EventKind.ORDER_REJECTED),
    "filled in part": fill(1),
    "filled wholly": fill(1000),
    "cancel requested": signal(Action.CLOSE),
    "canceled": report(EventKind.ORDER_CANCELED),
    "expired": report(EventKind.ORDER_EXPIRED),
    "cancel rejected": report(EventKind.CANCEL_REJECTED),
    "no answer": report(EventKind.REQUEST_FAILED),
}


@pytest.mark.parametrize("first", _TELL)
def test_every_walk_of_three_steps_stays_on_the_table(first: str) -> None:
    """From PENDING through all sequences of happenings, told by events."""
    before = machine_with_order(lots=100)
    start = before.bytes.copy()
    for walk in itertools.product([first], _TELL, _TELL):
        machine = Machine(SMALL_LIMITS, start.copy())
        status, filled, refused = OrderStatus.PENDING, 0, 0
        for happening in walk:
            filled += {"filled in part": 1, "filled wholly": 1000}.get(happening, 0)
            happened = "filled wholly" if happening == "filled in part" and filled > 100 else happening
            after = LIFE[happened].get(status)
            refused += after is None and happening != "cancel requested"  # nothing is asked of a closed order
            status = status if after is None else after
            if status == OrderStatus.ACCEPTED and filled:
                status = OrderStatus.PARTIALLY_FILLED
            machine.tell(_TELL[happening])
            row = machine.order(NEW_ORDER)
            assert (row.status, row.filled_lots) == (status, filled), walk
            assert machine.state.transitions_refused == refused, walk
        check(machine)


def test_a_fill_before_the_ack_is_booked_and_counted() -> None:
    machine = machine_with_order()
    machine.tell(fill(4), report(EventKind.ORDER_ACCEPTED))
    assert machine.state.fills_early == 1
    assert machine.order(1).status == OrderStatus.PARTIALLY_FILLED
    assert machine.position(1, 1).open_buy_lots == 6


def test_a_fill_after_the_cancel_is_booked_and_counted() -> None:
    machine = machine_with_order()
    machine.tell(report(EventKind.ORDER_ACCEPTED), report(EventKind.ORDER_CANCELED), fill(4))
    assert machine.state.fills_late == 1
    assert machine.order(1).status == OrderStatus.CANCELED
    assert machine.order(1).filled_lots == 4
    assert machine.position(1, 1).quantity_lots == 4
    assert machine.position(1, 1).open_buy_lots == 0
    check(machine)


def test_a_doubled_fill_is_booked_once() -> None:
    machine = machine_with_order()
    machine.tell(fill(4, trade_id=77), fill(4, trade_id=77))
    assert machine.state.fills == 1
    assert machine.state.fills_duplicate == 1
    assert machine.position(1, 1).quantity_lots == 4


def test_both_sides_of_a_trade_with_oneself_are_booked() -> None:
    machine = machine_with_order()
    machine.tell(fill(4, trade_id=77), fill(4, order=0, trade_id=77, fill_flags=FillFlag.SELL))
    assert machine.state.fills == 2
    assert machine.position(1, 1).quantity_lots == 0


@pytest.mark.parametrize("trade_id", [1 << 48, 3 << 48, -1, -(2**63), 2**63 - 1])
def test_no_trade_id_is_taken_for_one_that_was_never_seen(trade_id: int) -> None:
    machine = machine_with_order()
    machine.tell(fill(4, trade_id=trade_id))
    assert machine.state.fills_duplicate == 0
    machine.tell(fill(4, trade_id=trade_id))
    assert machine.state.fills_duplicate == 1


def test_trade_ids_of_different_instruments_do_not_meet() -> None:
    machine = machine_with_order()
    machine.tell(
        fill(4, trade_id=5 ^ (1 << 48)), event(EventKind.ORDER_FILLED, quantity_lots=1, price_ticks=1, trade_id=5)
    )
    assert machine.state.fills == 2


def test_the_last_thousands_of_trade_ids_are_remembered() -> None:
    machine = machine_with_order()
    ids = range(1_000_001, 1_004_001)
    machine.tell(*[fill(1, trade_id=number) for number in ids])
    machine.tell(*[fill(1, trade_id=number) for number in ids])
    assert machine.state.fills == machine.state.fills_duplicate == len(ids)


def test_a_fill_larger_than_its_order_is_flagged_and_kept() -> None:
    machine = machine_with_order()
    machine.tell(fill(25))
    assert machine.state.fills_excess == 1
    assert machine.order(1).status == OrderStatus.FILLED
    assert machine.order(1).filled_lots == 25
    assert machine.position(1, 1).quantity_lots == 25
    assert machine.position(1, 1).open_buy_lots == 0


def test_a_fill_of_no_known_order_is_booked_and_counted() -> None:
    machine = machine_with_order()
    machine.tell(fill(3, order=99, fill_flags=FillFlag.SELL))
    assert machine.state.fills_orphan == 1
    assert machine.position(1, 1).quantity_lots == -3
    assert machine.position(1, 1).open_buy_lots == 10


@pytest.mark.parametrize(("fields", "reason"), [
    ({"quantity_lots": 0, "price_ticks": 100}, Reason.QUANTITY_INVALID),
    ({"quantity_lots": -1, "price_ticks": 100}, Reason.QUANTITY_INVALID),
    ({"quantity_lots": 1, "price_ticks": 0}, Reason.PRICE_INVALID),
])  # fmt: skip
def test_a_fill_of_nothing_is_refused(fields: dict[str, int], reason: Reason) -> None:
    machine = machine_with_order()
    machine.tell(report(EventKind.ORDER_FILLED, **fields))
    assert machine.state.fills == 0
    assert machine.state.last_refused_reason == reason


def test_an_amend_takes_over_quantity_and_price() -> None:
    machine = machine_with_order()
    machine.tell(fill(3), report(EventKind.ORDER_AMENDED, quantity_lots=20, price_ticks=91))
    assert machine.position(1, 1).open_buy_lots == 17
    assert machine.order(1).limit_ticks == 91
    machine.tell(report(EventKind.ORDER_AMENDED, quantity_lots=2, price_ticks=92))
    assert machine.state.transitions_refused == 1
    assert machine.order(1).quantity_lots == 20
    check(machine)


def test_exchange_id_and_reason_are_kept() -> None:
    machine = machine_with_order()
    machine.tell(report(EventKind.ORDER_ACCEPTED, exchange_order_id=123))
    machine.tell(report(EventKind.ORDER_EXPIRED, reason=Reason.EXCHANGE_EXPIRED))
    assert machine.order(1).exchange_order_id == 123
    assert machine.order(1).reason == Reason.EXCHANGE_EXPIRED


def test_an_order_without_an_answer_is_unknown_and_still_counts() -> None:
    machine = machine_with_order()
    machine.tell(report(EventKind.ORDER_SENT), report(EventKind.REQUEST_FAILED, failure=1))
    assert machine.order(1).status == OrderStatus.UNKNOWN
    assert machine.position(1, 1).open_buy_lots == 10
    (refusal,) = machine.tell(signal(Action.BUY, 10))
    assert refusal["reason"] == Reason.ALREADY_AT_TARGET


def test_closed_slots_are_used_again_longest_closed_first() -> None:
    machine = Machine(TINY_LIMITS)
    machine.tell(*prologue(), event(EventKind.QUOTE, instrument=1, bid_ticks=100, ask_ticks=101))
    for lots in range(1, 9):
        machine.tell(signal(Action.BUY, lots * 3, 90))
    (refusal,) = machine.tell(signal(Action.BUY, 30, 90))
    full = (Reason.ORDER_TABLE_FULL, 8, 8)
    assert (refusal["reason"], refusal["limit"], refusal["observed"]) == full
    machine.tell(report(EventKind.ORDER_CANCELED, 5), report(EventKind.ORDER_CANCELED, 2))
    machine.tell(signal(Action.BUY, 30, 90))
    known = [row["order"] for row in machine.rows("orders")]
    assert known == [1, 2, 3, 4, 9, 6, 7, 8]
    machine.tell(report(EventKind.ORDER_ACCEPTED, 5))
    assert machine.state.reports_orphan == 1
    check(machine)


def test_index_finds_every_order_through_thousands_of_replacements() -> None:
    machine = Machine(SMALL_LIMITS)
    chance = random.Random(11)
    machine.tell(*prologue(), event(EventKind.QUOTE, instrument=1, bid_ticks=100, ask_ticks=101))
    open_orders: list[int] = []
    for _ in range(3000):
        if len(open_orders) < 8 and chance.random() < 0.6:
            position = machine.position(1, 1)
            (placed,) = machine.tell(signal(Action.BUY, int(position.open_buy_lots) + 3, 90))
            open_orders.append(placed["order"])
        elif open_orders:
            gone = open_orders.pop(chance.randrange(len(open_orders)))
            machine.tell(report(EventKind.ORDER_CANCELED, gone))
            assert machine.order(gone).status == OrderStatus.CANCELED
    assert machine.state.reports_orphan == 0
    assert machine.state.orders_placed > 1000
    check(machine)


@pytest.mark.parametrize("order", [0, -1, -(2**63), 2**63 - 1, 12345])
def test_a_report_of_an_order_that_never_was_changes_no_order(order: int) -> None:
    machine = machine_with_order()
    before = machine.state.orders.copy()
    machine.tell(report(EventKind.ORDER_CANCELED, order))
    assert machine.state.reports_orphan == 1
    assert np.array_equal(machine.state.orders, before)
