"""Orders that the exchange has and the engine did not know to be open."""

import pytest

from engine.kinds import DecisionKind, EventKind, OrderFlag, OrderRole, OrderStatus, OrderType
from engine.reasons import Reason
from tests.twin.conservation import check
from tests.twin.events import event
from tests.twin.large import setup
from tests.twin.machine import SMALL_LIMITS, Machine


def machine() -> Machine:
    made = Machine(SMALL_LIMITS)
    made.tell(*setup())
    return made


def adopted(number: int, lots: int = 10, filled: int = 0, flags: int = 0, **fields: int) -> dict[str, int]:
    terms = {"order": number, "quantity_lots": lots, "filled_lots": filled, "limit_ticks": 90} | fields
    return event(EventKind.ORDER_ADOPTED, source=flags, **{"order_type": OrderType.LIMIT} | terms)


def ended(machine: Machine, number: int) -> None:
    machine.tell(event(EventKind.ORDER_CANCELED, order=number))
    assert machine.order(number).status == OrderStatus.CANCELED


def test_an_order_that_nobody_knew_is_open_and_told_of() -> None:
    engine = machine()
    (told,) = engine.tell(adopted(7, lots=10, filled=4, flags=OrderFlag.SELL | OrderFlag.REDUCE_ONLY))
    assert (told["kind"], told["reason"], told["order"]) == (DecisionKind.ALERT, Reason.ORDER_TAKEN_OVER, 7)
    assert told["observed"] == 6
    row = engine.order(7)
    assert (row.status, row.side, row.order_role) == (OrderStatus.PARTIALLY_FILLED, -1, OrderRole.EXIT)
    assert engine.position().open_sell_lots == 6
    assert engine.state.orders_placed == 7
    check(engine)


def test_one_that_is_known_to_be_open_stays_as_it_is() -> None:
    engine = machine()
    engine.tell(adopted(3))
    before = engine.bytes.copy()
    assert engine.tell(adopted(3, lots=20)) == []
    engine.state.seq, engine.state.ts_ns = engine.state.seq - 1, 0
    assert (engine.bytes == before).all()


@pytest.mark.parametrize("times", [1, 2, 5])
def test_one_that_was_held_for_ended_is_open_again(times: int) -> None:
    engine = machine()
    for _ in range(times):
        engine.tell(adopted(3))
        ended(engine, 3)
    engine.tell(adopted(3, lots=8))
    assert engine.order(3).status == OrderStatus.ACCEPTED
    assert engine.position().open_buy_lots == 8
    numbers = [row["order"] for row in engine.rows("orders") if row["order"]]
    assert len(numbers) == len(set(numbers)) == times + 1
    check(engine)


def test_rows_that_were_put_aside_make_room() -> None:
    engine = machine()
    for _ in range(3 * SMALL_LIMITS.orders):
        engine.tell(adopted(3))
        ended(engine, 3)
    for number in range(4, 4 + SMALL_LIMITS.orders):
        engine.tell(adopted(number))
    assert engine.state.orders_open == SMALL_LIMITS.orders
    check(engine)
    engine.tell(adopted(99))
    assert engine.state.last_refused_reason == Reason.ORDER_TABLE_FULL


def test_one_that_has_been_filled_since_it_was_listed_is_not_adopted() -> None:
    engine = machine()
    engine.tell(adopted(3))
    ended(engine, 3)
    engine.tell(event(EventKind.ORDER_FILLED, order=3, trade_id=5, price_ticks=90, quantity_lots=10))
    assert engine.tell(adopted(3)) == []
    assert engine.order(3).status == OrderStatus.CANCELED
    engine.tell(adopted(3, lots=12))
    assert (engine.order(3).filled_lots, engine.position().open_buy_lots) == (10, 2)
    check(engine)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (adopted(0), Reason.ORDER_INVALID),
        (adopted(3, order_type=0), Reason.ORDER_INVALID),
        (adopted(3, order_type=8), Reason.ORDER_INVALID),
        (adopted(3, flags=OrderFlag.HELD_BY_ENGINE), Reason.ORDER_INVALID),
        (adopted(3, limit_ticks=-1), Reason.ORDER_INVALID),
        (adopted(3, lots=0), Reason.QUANTITY_INVALID),
        (adopted(3, filled=10), Reason.QUANTITY_INVALID),
        (adopted(3, filled=-1), Reason.QUANTITY_INVALID),
        (adopted(3, lots=2**61), Reason.QUANTITY_INVALID),
        (adopted(3, account=1), Reason.ACCOUNT_UNKNOWN),
        (adopted(3, instrument=50), Reason.INSTRUMENT_UNKNOWN),
    ],
)
def test_what_cannot_be_is_refused(said: dict[str, int], reason: Reason) -> None:
    engine = machine()
    engine.tell(said)
    assert (engine.state.orders_open, engine.state.last_refused_reason) == (0, reason)


def test_a_notice_is_an_alert() -> None:
    engine = machine()
    (told,) = engine.tell(event(EventKind.NOTICE, reason=Reason.ORDER_FOREIGN, observed=5))
    assert (told["kind"], told["reason"], told["observed"]) == (DecisionKind.ALERT, Reason.ORDER_FOREIGN, 5)
    for reason in (699, 800, -1):
        assert engine.tell(event(EventKind.NOTICE, reason=reason)) == []
        assert engine.state.last_refused_reason == Reason.VALUE_INVALID
