"""Capacity is a parameter: small tables refuse with their reason, large ones decide the same."""

import numpy as np
import pytest
from blake3 import blake3

from engine import orders as engine_orders
from engine.kinds import Action, EventKind
from engine.reasons import Reason
from engine.state import ACCOUNT, DEFAULT_LIMITS, LARGE_LIMITS, STATE, Limits, state_layout
from tests.support import from_python
from tests.twin.conservation import check
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, TINY_LIMITS, Machine
from tests.twin.tapes import prologue, seeded_tape

find_order = from_python(engine_orders.find_order)


def signal(action: Action, lots: int, limit_ticks: int = 0) -> dict[str, int]:
    return event(EventKind.SIGNAL, action=action, instrument=1, quantity_lots=lots, limit_ticks=limit_ticks)


def test_default_limits_hold_what_is_promised() -> None:
    promised = {"instruments": 64, "orders": 4096, "brackets": 1024, "strategies": 32, "breakers": 64, "accounts": 8}
    for name, count in promised.items():
        assert getattr(DEFAULT_LIMITS, name) >= count
        assert getattr(LARGE_LIMITS, name) > getattr(DEFAULT_LIMITS, name)
    assert state_layout(DEFAULT_LIMITS) == STATE


@pytest.mark.parametrize("limits", [SMALL_LIMITS, DEFAULT_LIMITS, LARGE_LIMITS])
def test_layouts_are_int64_only_and_without_padding(limits: Limits) -> None:
    def check_fields(dtype: np.dtype) -> None:
        end = 0
        for name in dtype.names or ():
            field, place = dtype.fields[name][:2]
            assert place == end, f"padding before {name}"
            end += field.itemsize
            if field.base.names:
                check_fields(field.base)
            else:
                assert field.base == np.dtype("<i8"), name
        assert end == dtype.itemsize

    check_fields(state_layout(limits))


@pytest.mark.parametrize(
    "wrong",
    [
        {"accounts": 0},
        {"accounts": 63},
        {"instruments": 0},
        {"instruments": 65_536},
        {"strategies": 0},
        {"strategies": 256},
        {"orders": 0},
        {"orders": 100},
    ],
)
def test_limits_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(AssertionError):
        Limits(**wrong)


def test_a_state_of_zeros_is_the_empty_state() -> None:
    machine = Machine(SMALL_LIMITS)
    assert not machine.bytes.any()
    check(machine)
    assert ACCOUNT.names[0] == "defined"


def test_every_full_table_refuses_with_its_reason() -> None:
    machine = Machine(TINY_LIMITS)
    machine.tell(*prologue())
    assert machine.state.events_refused == 0
    for stated, reason in (
        (event(EventKind.ACCOUNT_DEFINED, account=3), Reason.ACCOUNT_TABLE_FULL),
        (event(EventKind.INSTRUMENT_DEFINED, instrument=3), Reason.INSTRUMENT_TABLE_FULL),
        (event(EventKind.STRATEGY_DEFINED, source=4), Reason.STRATEGY_TABLE_FULL),
    ):
        machine.tell(stated)
        assert machine.state.last_refused_reason == reason
    machine.tell(event(EventKind.QUOTE, instrument=1, bid_ticks=100, ask_ticks=100))
    for lots in range(3, 27, 3):
        machine.tell(signal(Action.BUY, lots, 90))
    (refusal,) = machine.tell(signal(Action.BUY, 30, 90))
    assert refusal["reason"] == Reason.ORDER_TABLE_FULL
    assert machine.state.orders_open == TINY_LIMITS.orders == 8
    check(machine)


def test_a_full_table_still_cancels() -> None:
    """Cancels take no slot; the order that was to follow is refused."""
    machine = Machine(TINY_LIMITS)
    machine.tell(*prologue(), event(EventKind.QUOTE, instrument=1, bid_ticks=100, ask_ticks=100))
    machine.tell(*[signal(Action.BUY, lots, 90) for lots in range(3, 27, 3)])
    decided = machine.tell(signal(Action.SELL, 3))
    assert [item.get("order") for item in decided] == [8, 7, 6, 5, 4, 3, 2, 1, None]
    assert decided[-1]["reason"] == Reason.ORDER_TABLE_FULL


def test_slots_go_round_for_as_long_as_orders_are_closed() -> None:
    machine = Machine(TINY_LIMITS)
    machine.tell(*prologue(), event(EventKind.QUOTE, instrument=1, bid_ticks=100, ask_ticks=100))
    for number in range(1, 200):
        machine.tell(signal(Action.BUY, 3, 90))
        machine.tell(event(EventKind.ORDER_REJECTED, order=number, instrument=1, account=1))
        known = [order for order in range(number + 1) if find_order(machine.state, order)]
        assert known == list(range(max(number - 7, 1), number + 1))
    check(machine)
    assert machine.state.reports_orphan == 0


def test_a_large_layout_decides_the_same() -> None:
    """No table of the tape runs full in either, and no closed order is asked for after its slot was taken."""
    tape = seeded_tape(seed=3, count=1500)
    digests = []
    for limits in (DEFAULT_LIMITS, LARGE_LIMITS):
        machine = Machine(limits)
        digests.append(blake3(machine.fold(tape).data).hexdigest())
        check(machine)
        assert machine.state.orders_placed > 20
    assert digests[0] == digests[1]
