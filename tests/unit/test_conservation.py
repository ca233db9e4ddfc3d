"""What watches the engine in the tests of random tapes can fail: each rule is broken here by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.kinds import Action, BracketStatus, EventKind, OrderFlag, OrderRole, TradingState
from tests.twin.conservation import Watch, check
from tests.twin.machine import Machine, Reading
from tests.unit.brackets_support import entered, fill, machine_ready, quote, requested, signal

CLOSE = signal(Action.CLOSE)
BUY = signal(Action.BUY, 5)


def watched(*before: dict[str, int]) -> tuple[Machine, Watch]:
    """A machine with an open bracket of 10 lots (entry 1, stop 2, target 3) that has been watched so far."""
    machine, watch = machine_ready(), Watch()
    entered(machine)
    machine.tell(*before)
    watch.placed, watch.trading_state = int(machine.state.orders_placed), int(machine.state.trading_state)
    watch.fills, watch.cash_units[1] = 1, -10_000
    return machine, watch


def order(machine: Machine, number: int) -> Any:
    return machine.order(number)


Break = Callable[[Machine], None]
BREAKS: dict[str, tuple[str, Break]] = {
    "money from nowhere": ("realized_units", lambda m: _add(m.state.accounts[1], "realized_units")),
    "equity from nowhere": ("", lambda m: _add(m.state.accounts[1], "equity_units")),
    "fees of nobody": ("fees_units", lambda m: _add(m.position(1, 2), "fees_units")),
    "lots on order of no order": ("open_buy_lots", lambda m: _add(m.position(1, 2), "open_buy_lots")),
    "lots of legs of no leg": ("leg_sell_lots", lambda m: _add(m.position(1, 2), "leg_sell_lots")),
    "a leg without a bracket": ("a leg without a bracket", lambda m: _set(order(m, 2), "bracket_slot", 0)),
    "a leg of another bracket": ("a leg of another bracket", lambda m: _set(m.state.brackets[0], "entry_order", 9)),
    "a leg without an entry": ("a leg without an entry", lambda m: _set(m.state.brackets[0], "entered_lots", 0)),
    "a leg on the wrong side": ("a leg that would increase", lambda m: _set(m.state.brackets[0], "side", -1)),
    "a leg that stays": ("a leg without a position", lambda m: _left_behind(m)),
    "legs beyond the position": ("turn the position around", lambda m: _set(m.position(1, 2), "quantity_lots", 9)),
    "a strategy's own money": ("of strategy", lambda m: _add(m.state.strategies[1], "fees_units")),
    "an order that is not linked": ("", lambda m: _set(m.state.instruments[2], "first_order_slot", 0)),
    "an order that is not found": ("", lambda m: _set(m.state, "order_slots", 0)),
    "a bracket that is not linked": ("", lambda m: _set(m.state.instruments[2], "first_bracket_slot", 0)),
}


def _add(row: Any, name: str) -> None:
    row[name] += 1


def _set(row: Any, name: str, value: int) -> None:
    row[name] = value


def _left_behind(machine: Machine) -> None:
    machine.state.brackets[0].status = BracketStatus.CLOSING
    machine.order(2).status = 2


@pytest.mark.parametrize("name", BREAKS)
def test_a_state_that_is_broken_is_noticed(name: str) -> None:
    says, broken = BREAKS[name]
    machine, _ = watched()
    check(Reading(machine))
    broken(machine)
    with pytest.raises(AssertionError, match=says or None):
        check(Reading(machine))


def _told(machine: Machine, watch: Watch, event: dict[str, int], kind: EventKind | None = None) -> None:
    """Tell an event, and let it be watched as if it had been of another kind."""
    decided = machine.tell(event)
    watch.check(event if kind is None else event | {"kind": int(kind)}, decided, Reading(machine))


def test_what_is_asked_for_is_fine() -> None:
    machine, watch = watched()
    for event in (BUY, quote(1001), requested(5, limit_ticks=900), CLOSE, fill(4, 5)):
        _told(machine, watch, event)


def test_money_that_a_fill_did_not_bring_is_noticed() -> None:
    machine, watch = watched()
    machine.position(1, 2).realized_units += 7
    machine.state.accounts[1].realized_units += 7
    for name in ("equity_units", "peak_equity_units", "guard_peak_units"):
        machine.state.accounts[1][name] += 7
    check(Reading(machine))
    with pytest.raises(AssertionError, match="money from nowhere"):
        _told(machine, watch, fill(2, 10, 950, -1))


def test_an_order_without_a_command_is_noticed() -> None:
    machine, watch = watched()
    machine.tell(BUY)
    with pytest.raises(AssertionError, match="without a command"):
        watch.check(quote(1), [], Reading(machine))


@pytest.mark.parametrize(("event", "says"), [
    (BUY, "an entry without an intent"),
    (requested(5, limit_ticks=900, group_kind=2, group=1), "a member without a request"),
    (requested(5, limit_ticks=1200, order_flags=OrderFlag.SELL | OrderFlag.REDUCE_ONLY), "an exit without an intent"),
])  # fmt: skip
def test_an_order_without_an_intent_is_noticed(event: dict[str, int], says: str) -> None:
    machine, watch = watched()
    with pytest.raises(AssertionError, match=says):
        _told(machine, watch, event, EventKind.QUOTE)


@pytest.mark.parametrize("state", [TradingState.HALTED, TradingState.REDUCE_ONLY])
def test_an_entry_while_trading_is_halted_is_noticed(state: TradingState) -> None:
    machine, watch = watched()
    watch.trading_state = state
    with pytest.raises(AssertionError, match="an entry while it must not"):
        _told(machine, watch, BUY)
    machine, watch = watched()
    watch.trading_state = state
    _told(machine, watch, CLOSE)
    assert machine.state.orders_placed == 4


def _placed(machine: Machine, watch: Watch, event: dict[str, int], **fields: int) -> None:
    """Tell an event and change the last order that it placed before anybody looks."""
    decided = machine.tell(event)
    changed = machine.order(int(machine.state.orders_placed))
    for name, value in fields.items():
        changed[name] = value
    watch.check(event, decided, Reading(machine))


@pytest.mark.parametrize(("fields", "says"), [
    ({"order_role": OrderRole.STOP, "bracket_slot": 0}, "a leg|leg_"),
    ({"order_flags": OrderFlag.SELL}, "a leg that may increase"),
    ({"side": 1}, "leg_|increase"),
])  # fmt: skip
def test_a_leg_that_is_none_is_noticed(fields: dict[str, int], says: str) -> None:
    machine, watch = machine_ready(), Watch()
    machine.tell(BUY)
    watch.placed = 1
    with pytest.raises(AssertionError, match=says):
        _placed(machine, watch, fill(1, 5), **fields)


def test_a_reduce_only_exit_beyond_the_position_is_noticed() -> None:
    machine, watch = watched()
    decided = machine.tell(CLOSE)
    machine.position(1, 2).quantity_lots = 9
    machine.position(1, 2).bracket_lots = 9
    with pytest.raises(AssertionError, match="a reduce-only order that increases"):
        watch.check(CLOSE, decided, Reading(machine))


def test_an_exit_of_a_bracket_that_does_not_close_is_noticed() -> None:
    machine, watch = watched()
    decided = machine.tell(CLOSE)
    machine.state.brackets[0].status = BracketStatus.OPEN
    with pytest.raises(AssertionError, match="does not close"):
        watch.check(CLOSE, decided, Reading(machine))


def test_an_order_of_a_faulty_engine_is_noticed() -> None:
    machine, watch = watched()
    decided = machine.tell(CLOSE)
    machine.state.fault = 1
    with pytest.raises(AssertionError, match="a faulty engine"):
        watch.check(CLOSE, decided, Reading(machine))
