"""From a signal to commands, or to one refusal that says why there are none."""

import numpy as np
import pytest

from engine import rules
from engine.arithmetic import INT64_MAX, MONEY_MAX
from engine.kinds import (
    Action,
    DecisionKind,
    EventKind,
    OperatorAction,
    OrderFlag,
    OrderRole,
    OrderType,
    Setting,
    SizeLimit,
    TimeInForce,
)
from engine.reasons import Reason
from tests.twin.conservation import check
from tests.twin.events import encode, event
from tests.twin.machine import SMALL_LIMITS, Machine

ORDER_LOTS = 10


_PAIR_DISABLED = {"setting": rules.PAIR.number("disabled"), "source": 1, "instrument": 2, "value": 1}
_PAIR_SURE = {"setting": rules.PAIR.number("confidence_min_ppm"), "source": 1, "instrument": 2, "value": 5}


def machine_ready(short_allowed: int = 1, **sizes: int) -> Machine:
    """Instrument 2 of account 1 at 100 bid, 102 ask; strategy 1 orders ten lots."""
    machine = Machine(SMALL_LIMITS)
    terms = {"tick_lot_units": 1, "quantity_step_lots": 1} | sizes
    change = EventKind.CONFIGURATION_CHANGED
    machine.tell(
        event(EventKind.ACCOUNT_DEFINED, account=1),
        event(EventKind.INSTRUMENT_DEFINED, instrument=2, account=1, **terms),
        event(EventKind.STRATEGY_DEFINED, source=1),
        event(change, instrument=2, setting=Setting.ORDER_QUANTITY_LOTS, value=ORDER_LOTS),
        event(change, instrument=2, setting=Setting.SHORT_ALLOWED, value=short_allowed),
        event(EventKind.QUOTE, instrument=2, bid_ticks=100, ask_ticks=102),
    )
    return machine


def signal(action: int, lots: int = 0, limit_ticks: int = 0, **fields: int) -> dict[str, int]:
    named = {"instrument": 2, "source": 1, "quantity_lots": lots, "limit_ticks": limit_ticks} | fields
    return event(EventKind.SIGNAL, action=action, **named)


def fill(order: int, lots: int, side: int = 1) -> dict[str, int]:
    where = {"instrument": 2, "account": 1, "order": order, "fill_flags": int(side < 0)}
    return event(EventKind.ORDER_FILLED, quantity_lots=lots, price_ticks=100, **where)


def brief(decisions: list[dict[str, int]]) -> list[tuple[str, int]]:
    """PLACE with signed lots, CANCEL with the order, REFUSAL with the reason; what only explains is left out."""
    said = []
    for item in decisions:
        if item["kind"] in (DecisionKind.ORDER_SIZED, DecisionKind.SIGNALS_COMBINED):
            continue
        if item["kind"] == DecisionKind.PLACE_ORDER:
            sign = -1 if item.get("order_flags", 0) & OrderFlag.SELL else 1
            said.append(("place", sign * item["quantity_lots"]))
        elif item["kind"] == DecisionKind.CANCEL_ORDER:
            said.append(("cancel", item["order"]))
        else:
            said.append(("refuse", Reason(item["reason"])))
    return said


def test_a_command_says_all_that_an_exchange_must_know() -> None:
    machine = machine_ready()
    (command,) = machine.tell(signal(Action.SELL, 7, 105))
    assert command == {
        "kind": DecisionKind.PLACE_ORDER,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "order_flags": OrderFlag.SELL,
        "instrument": 2,
        "account": 1,
        "strategy": 1,
        "seq": 7,
        "order": 1,
        "quantity_lots": 7,
        "limit_ticks": 105,
    }


@pytest.mark.parametrize(
    ("held", "action", "short_allowed", "expected"),
    [
        (0, Action.BUY, 1, ("place", 10)),
        (4, Action.BUY, 1, ("place", 6)),
        (10, Action.BUY, 1, ("refuse", Reason.ALREADY_AT_TARGET)),
        (25, Action.BUY, 1, ("place", -15)),
        (-5, Action.BUY, 1, ("place", 15)),
        (0, Action.SELL, 1, ("place", -10)),
        (10, Action.SELL, 1, ("place", -20)),
        (10, Action.SELL, 0, ("place", -10)),
        (0, Action.SELL, 0, ("refuse", Reason.ALREADY_AT_TARGET)),
        (10, Action.CLOSE, 1, ("place", -10)),
        (-10, Action.CLOSE, 1, ("place", 10)),
        (0, Action.CLOSE, 1, ("refuse", Reason.ALREADY_AT_TARGET)),
    ],
)
def test_order_is_what_is_missing_to_the_target(
    held: int, action: Action, short_allowed: int, expected: tuple[str, int]
) -> None:
    machine = machine_ready(short_allowed)
    if held:
        machine.tell(fill(0, abs(held), held))
    assert brief(machine.tell(signal(action))) == [expected]


@pytest.mark.parametrize(
    ("held", "lots", "role"),
    [(0, 10, OrderRole.ENTRY), (4, 6, OrderRole.ENTRY), (-5, 15, OrderRole.ENTRY), (25, -15, OrderRole.EXIT)],
)
def test_an_order_that_only_reduces_is_an_exit(held: int, lots: int, role: OrderRole) -> None:
    machine = machine_ready()
    if held:
        machine.tell(fill(0, abs(held), held))
    assert brief(machine.tell(signal(Action.BUY))) == [("place", lots)]
    assert machine.order(1).order_role == role


def test_a_limit_order_ends_with_the_signals_time() -> None:
    machine = machine_ready()
    (command,) = machine.tell(signal(Action.BUY, 0, 99, ts_ns=7, valid_for_ms=2))
    assert (command["time_in_force"], command["expire_ts_ns"]) == (TimeInForce.GTD, 2_000_007)
    machine = machine_ready()
    (command,) = machine.tell(signal(Action.BUY, valid_for_ms=2))
    assert (command["time_in_force"], command.get("expire_ts_ns", 0)) == (TimeInForce.GTC, 0)


def test_the_signal_on_the_tape_stays_as_it_is() -> None:
    """Also where another action than its own is decided, and its figures do not count."""
    machine = machine_ready()
    heavy = event(
        EventKind.CONFIGURATION_CHANGED, setting=rules.STRATEGY.number("weight_ppm"), source=1, value=5 * 10**6
    )
    machine.tell(event(EventKind.STRATEGY_DEFINED, source=2), heavy, signal(Action.BUY))
    tape = encode(signal(Action.SELL, 3, 90, source=2, stop_ticks=95, target_ticks=80, valid_for_ms=9))
    before = tape.copy()
    machine.fold(tape)
    assert np.array_equal(tape, before)


def test_hold_changes_nothing_but_is_remembered() -> None:
    machine = machine_ready()
    machine.tell(signal(Action.BUY, 5))
    before = machine.state.orders.copy()
    assert machine.tell(signal(Action.HOLD)) == []
    assert np.array_equal(machine.state.orders, before)
    assert machine.state.strategies[1].last_action == Action.HOLD
    assert machine.state.strategies[1].signals == 2


@pytest.mark.parametrize("limit_ticks", [0, 99])
def test_a_repeated_signal_orders_nothing_twice(limit_ticks: int) -> None:
    """Whether the order is in the market already or only on its way, and nothing of it is cancelled."""
    machine = machine_ready()
    machine.tell(signal(Action.BUY, 0, limit_ticks))
    for _ in range(3):
        assert brief(machine.tell(signal(Action.BUY, 0, limit_ticks))) == [("refuse", Reason.ALREADY_AT_TARGET)]
    machine.tell(event(EventKind.ORDER_ACCEPTED, order=1, instrument=2, account=1), fill(1, 4))
    assert brief(machine.tell(signal(Action.BUY, 0, limit_ticks))) == [("refuse", Reason.ALREADY_AT_TARGET)]
    assert machine.state.orders_open == 1


def test_a_close_of_nothing_says_so() -> None:
    machine = machine_ready()
    machine.tell(signal(Action.BUY, 0, 99))
    assert brief(machine.tell(signal(Action.CLOSE))) == [("cancel", 1)]
    (refusal,) = machine.tell(signal(Action.CLOSE))
    assert (refusal["reason"], refusal.get("limit", 0), refusal["observed"]) == (Reason.ALREADY_AT_TARGET, 0, 10)


def test_a_reversal_that_is_refused_still_closes() -> None:
    """Whatever refuses the part that opens: a rule, an unset size, a bound of the instrument."""
    blocked = event(EventKind.CONFIGURATION_CHANGED, setting=rules.INSTRUMENT.number("blocked"), instrument=2, value=1)
    unset = event(EventKind.CONFIGURATION_CHANGED, setting=Setting.ORDER_QUANTITY_LOTS, instrument=2, value=0)
    for change, reason in ((blocked, Reason.INSTRUMENT_NOT_ALLOWED), (unset, Reason.ORDER_QUANTITY_UNSET)):
        machine = machine_ready()
        machine.tell(fill(0, 5, -1), change)
        assert brief(machine.tell(signal(Action.BUY))) == [("refuse", reason), ("place", 5)]
    machine = machine_ready(quantity_max_lots=14)
    machine.tell(fill(0, 5, -1))
    assert brief(machine.tell(signal(Action.BUY))) == [("refuse", Reason.QUANTITY_ABOVE_MAXIMUM), ("place", 5)]


def test_an_exit_is_not_checked() -> None:
    machine = machine_ready()
    blocked = event(EventKind.CONFIGURATION_CHANGED, setting=rules.INSTRUMENT.number("blocked"), instrument=2, value=1)
    machine.tell(fill(0, 25), blocked)
    assert brief(machine.tell(signal(Action.BUY))) == [("place", -15)]


def test_working_orders_of_the_other_direction_are_cancelled_first() -> None:
    machine = machine_ready()
    machine.tell(signal(Action.BUY, 0, 99), signal(Action.BUY, 14, 98))
    assert brief(machine.tell(signal(Action.SELL))) == [("cancel", 2), ("cancel", 1), ("place", -10)]
    assert brief(machine.tell(signal(Action.CLOSE))) == [("place", 10)]
    check(machine)


def test_what_was_filled_of_a_cancelled_order_counts_as_held() -> None:
    machine = machine_ready()
    machine.tell(signal(Action.BUY, 0, 99), fill(1, 4))
    assert brief(machine.tell(signal(Action.CLOSE))) == [("cancel", 1), ("place", -4)]


def test_market_orders_on_their_way_are_not_cancelled_but_counted() -> None:
    machine = machine_ready()
    machine.tell(signal(Action.BUY))
    assert brief(machine.tell(signal(Action.SELL))) == [("place", -20)]


def test_size_is_cut_to_whole_steps() -> None:
    machine = machine_ready(quantity_step_lots=4)
    sized, placed = machine.tell(signal(Action.BUY))
    assert (sized["wanted_lots"], sized["quantity_lots"], sized["size_limit"]) == (10, 8, SizeLimit.LOT_STEP)
    assert brief([placed]) == [("place", 8)]
    assert brief(machine.tell(signal(Action.BUY))) == [("refuse", Reason.ALREADY_AT_TARGET)]


@pytest.mark.parametrize(
    ("sizes", "order", "expected"),
    [
        ({"quantity_min_lots": 5}, (4, 0), (Reason.QUANTITY_BELOW_MINIMUM, 5, 4)),
        ({"quantity_max_lots": 5}, (6, 0), (Reason.QUANTITY_ABOVE_MAXIMUM, 5, 6)),
        ({"notional_min_units": 613}, (6, 0), (Reason.NOTIONAL_BELOW_MINIMUM, 613, 612)),
        ({"notional_min_units": 613}, (6, 50), (Reason.NOTIONAL_BELOW_MINIMUM, 613, 300)),
        ({}, (2**55, 2**6), (Reason.MONEY_OVERFLOW, 0, 2**55)),
    ],
)
def test_size_out_of_bounds_is_refused_with_bound_and_figure(
    sizes: dict[str, int], order: tuple[int, int], expected: tuple[int, int, int]
) -> None:
    (refusal,) = machine_ready(**sizes).tell(signal(Action.BUY, *order))
    assert (refusal["reason"], refusal.get("limit", 0), refusal["observed"]) == expected


def test_size_on_its_bounds_is_allowed() -> None:
    machine = machine_ready(quantity_min_lots=6, quantity_max_lots=6, notional_min_units=612)
    assert brief(machine.tell(signal(Action.BUY, 6))) == [("place", 6)]


@pytest.mark.parametrize(
    ("before", "given", "reason"),
    [
        ([], signal(9), Reason.ACTION_UNKNOWN),
        ([], signal(Action.BUY, source=0), Reason.STRATEGY_UNKNOWN),
        ([], signal(Action.BUY, source=65_535), Reason.STRATEGY_UNKNOWN),
        ([], signal(Action.BUY, instrument=0), Reason.INSTRUMENT_UNKNOWN),
        ([], signal(Action.BUY, instrument=65_535), Reason.INSTRUMENT_UNKNOWN),
        ([], signal(Action.BUY, limit_ticks=-1), Reason.PRICE_INVALID),
        ([], signal(Action.BUY, stop_ticks=-1), Reason.PRICE_INVALID),
        ([], signal(Action.BUY, target_ticks=-1), Reason.PRICE_INVALID),
        ([], signal(Action.BUY, lots=-1), Reason.QUANTITY_INVALID),
        ([], signal(Action.BUY, confidence_ppm=1_000_001), Reason.VALUE_INVALID),
        ([], signal(Action.HOLD, instrument=0), Reason.INSTRUMENT_UNKNOWN),
        ([(EventKind.CONFIGURATION_CHANGED, _PAIR_DISABLED)], signal(Action.BUY), Reason.STRATEGY_DISABLED),
        ([(EventKind.CONFIGURATION_CHANGED, _PAIR_SURE)], signal(1, confidence_ppm=4), Reason.CONFIDENCE_BELOW_MINIMUM),
        ([], signal(Action.BUY, lots=MONEY_MAX + 1), Reason.QUANTITY_INVALID),
        ([], signal(Action.SELL, lots=INT64_MAX), Reason.QUANTITY_INVALID),
        ([(EventKind.OPERATOR_COMMAND, {"operator_action": OperatorAction.KILL})], signal(1), Reason.TRADING_HALTED),
        (
            [(EventKind.OPERATOR_COMMAND, {"operator_action": OperatorAction.REDUCE_ONLY})],
            signal(Action.SELL),
            Reason.TRADING_REDUCE_ONLY,
        ),
        (
            [(EventKind.CONFIGURATION_CHANGED, {"setting": Setting.STRATEGY_ENABLED, "source": 1, "value": 0})],
            signal(Action.BUY),
            Reason.STRATEGY_DISABLED,
        ),
        (
            [(EventKind.CONFIGURATION_CHANGED, {"setting": Setting.ORDER_QUANTITY_LOTS, "instrument": 2, "value": 0})],
            signal(Action.BUY),
            Reason.ORDER_QUANTITY_UNSET,
        ),
    ],
)
def test_a_signal_that_cannot_be_acted_upon_is_refused(
    before: list[tuple[EventKind, dict[str, int]]], given: dict[str, int], reason: Reason
) -> None:
    machine = machine_ready()
    machine.tell(*[event(kind, **fields) for kind, fields in before])
    assert brief(machine.tell(given)) == [("refuse", reason)]
    assert machine.state.refusals == 1
    assert machine.state.strategies[1].refusals == int(given["source"] == 1)
    assert machine.state.orders_placed == 0


def test_refusals_tell_limit_and_figure() -> None:
    machine = machine_ready()

    def refused(given: dict[str, int]) -> tuple[int, int, int]:
        (item,) = machine.tell(given)
        return item["reason"], item.get("limit", 0), item.get("observed", 0)

    assert refused(signal(Action.SELL, source=2)) == (Reason.STRATEGY_UNKNOWN, 0, 2)
    assert refused(signal(9)) == (Reason.ACTION_UNKNOWN, 0, 9)
    assert refused(signal(Action.SELL, limit_ticks=-1)) == (Reason.PRICE_INVALID, 0, Action.SELL)
    assert refused(signal(Action.BUY, confidence_ppm=2_000_000)) == (Reason.VALUE_INVALID, 1_000_000, 2_000_000)
    machine.state.strategies[1].throttled = 1
    machine.state.strategies[1].rules.executions_max = 3
    assert refused(signal(Action.BUY)) == (Reason.EXECUTIONS_THROTTLED, 3, 3)
    machine.tell(event(EventKind.OPERATOR_COMMAND, operator_action=OperatorAction.KILL))
    assert refused(signal(Action.CLOSE)) == (Reason.TRADING_HALTED, 0, 2)


def test_without_a_price_there_is_no_order() -> None:
    machine = machine_ready()
    machine.tell(event(EventKind.INSTRUMENT_DEFINED, instrument=1, account=1, tick_lot_units=1, quantity_step_lots=1))
    decided = machine.tell(signal(Action.BUY, 5, 100, instrument=1))
    assert brief(decided) == [("refuse", Reason.NO_REFERENCE_PRICE)]


def test_reduce_only_still_closes_and_resume_trades_again() -> None:
    machine = machine_ready()
    reduce = event(EventKind.OPERATOR_COMMAND, operator_action=OperatorAction.REDUCE_ONLY)
    machine.tell(fill(0, 10), reduce)
    assert brief(machine.tell(signal(Action.CLOSE))) == [("place", -10)]
    machine.tell(event(EventKind.OPERATOR_COMMAND, operator_action=OperatorAction.RESUME))
    assert brief(machine.tell(signal(Action.BUY))) == [("place", 10)]


def test_lots_on_order_never_grow_beyond_what_fits() -> None:
    """Market orders to and fro that are never filled add up on both sides."""
    machine = machine_ready()
    machine.tell(event(EventKind.QUOTE, instrument=2, bid_ticks=1, ask_ticks=1))
    seen = []
    for number in range(12):
        seen += brief(machine.tell(signal(Action.SELL if number % 2 else Action.BUY, MONEY_MAX // 4)))
        check(machine)
        if seen[-1][0] == "refuse":
            break
    assert seen[-1] == ("refuse", Reason.MONEY_OVERFLOW)
    assert machine.state.fault == 0


def test_an_amend_beyond_what_fits_stops_the_engine() -> None:
    machine = machine_ready()
    machine.tell(signal(Action.BUY, 0, 99))
    amended = {"order": 1, "instrument": 2, "account": 1}
    machine.tell(event(EventKind.ORDER_AMENDED, quantity_lots=INT64_MAX, **amended))
    assert machine.state.fault == Reason.MONEY_OVERFLOW
    check(machine)
