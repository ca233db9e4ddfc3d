"""How large an entry is: the methods and cuts of docs/risk/sizing.md, with figures worked out by hand."""

from math import isqrt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import rules
from engine.arithmetic import MONEY_MAX
from engine.intents import sizing
from engine.kinds import AccountKind, DecisionKind, EventKind, Setting, SizeLimit, SizingMethod
from engine.reasons import Reason
from tests.support import from_python
from tests.twin.events import event
from tests.twin.machine import Machine
from tests.unit.risk_support import (
    EQUITY,
    buy,
    fill,
    instrument_rules,
    lots_of,
    machine_with,
    only,
    quote,
    refusals_of,
    rule,
    sell,
)

part_of = from_python(sizing.part_of)
PPM = 1_000_000


def quantity(lots: int) -> dict[str, int]:
    return event(EventKind.CONFIGURATION_CHANGED, instrument=1, setting=Setting.ORDER_QUANTITY_LOTS, value=lots)


def ready(method: SizingMethod, *events: dict[str, int], terms: dict[str, int] | None = None, **values: int) -> Machine:
    """An instrument with a sizing method and these other rules."""
    given = instrument_rules(sizing_method=method, **values)
    return machine_with(*given, *events, **(terms or {}))


def sized_of(decisions: list[dict[str, int]]) -> tuple[int, int, int, int]:
    """(method, wanted, quantity, what bound it)."""
    (item,) = only(decisions, DecisionKind.ORDER_SIZED)
    names = ("sizing_method", "wanted_lots", "quantity_lots", "size_limit")
    return tuple(item.get(name, 0) for name in names)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("method", "values", "lots"),
    [
        # at 102, the ask
        (SizingMethod.FIXED_AMOUNT, {"amount_units": 50_000}, 50_000 // 102),
        (SizingMethod.FIXED_FRACTION, {"fraction_ppm": 200_000}, 200_000 // 102),
        (SizingMethod.FIXED_FRACTION, {}, 50_000 // 102),
        (SizingMethod.KELLY, {"kelly_win_ppm": 600_000, "kelly_payoff_ppm": PPM}, 100_000 // 102),
        (SizingMethod.KELLY, {"kelly_win_ppm": 600_000, "kelly_payoff_ppm": PPM, "kelly_fraction_ppm": PPM}, 1960),
        # 0.3 - 0.7 / 4 = 0.125, of which half
        (SizingMethod.KELLY, {"kelly_win_ppm": 300_000, "kelly_payoff_ppm": 4 * PPM}, 62_500 // 102),
    ],
)
def test_a_method_gives_lots_at_the_price_to_pay(method: SizingMethod, values: dict[str, int], lots: int) -> None:
    decisions = ready(method, **values).tell(buy())
    assert sized_of(decisions) == (method, lots, lots, SizeLimit.NONE)
    assert lots_of(decisions) == [lots]


def test_a_sale_is_sized_at_the_bid_and_a_limit_order_at_its_limit() -> None:
    machine = ready(SizingMethod.FIXED_AMOUNT, amount_units=10_200)
    decisions = machine.tell(sell())
    (record,) = only(decisions, DecisionKind.ORDER_SIZED)
    assert record == {
        "kind": DecisionKind.ORDER_SIZED,
        "instrument": 1,
        "account": 1,
        "strategy": 1,
        "seq": machine.state.seq,
        "sizing_method": SizingMethod.FIXED_AMOUNT,
        "wanted_lots": 102,
        "quantity_lots": 102,
        "equity_units": EQUITY,
        "reference_ticks": 100,
    }
    machine = ready(SizingMethod.FIXED_AMOUNT, amount_units=10_200)
    assert lots_of(machine.tell(buy(limit_ticks=51))) == [200]


def test_the_worth_of_a_tick_counts() -> None:
    machine = ready(SizingMethod.FIXED_AMOUNT, terms={"tick_lot_units": 7}, amount_units=7 * 1_020)
    assert lots_of(machine.tell(buy())) == [10]


def test_risk_is_spent_over_the_distance_to_the_signals_stop() -> None:
    machine = ready(SizingMethod.RISK_BASED, risk_ppm=10_000)
    decisions = machine.tell(buy(stop_ticks=98))
    # 10,000 units over 102 - 98 ticks
    assert sized_of(decisions) == (SizingMethod.RISK_BASED, 2_500, 2_500, SizeLimit.NONE)


def test_risk_is_spent_over_the_distance_to_the_brackets_stop() -> None:
    machine = ready(SizingMethod.RISK_BASED, risk_ppm=10_000, bracketed=1, stop_distance=2, stop_value=5)
    assert lots_of(machine.tell(sell())) == [-2_000]


def test_volatility_is_targeted() -> None:
    """Bars of their own samples; the engine's own estimate is taken as it is."""
    bars = [
        event(EventKind.BAR, instrument=1, open_ticks=price, high_ticks=price, low_ticks=price, close_ticks=price)
        for price in (10_000, 10_200, 10_100, 10_300, 10_000)
    ]
    values = {"volatility_target_ppm": 2_000, "volatility_samples_min": 3}
    machine = machine_with(*instrument_rules(sizing_method=SizingMethod.VOLATILITY_BASED, **values), *bars)
    machine.tell(quote(9_999, 10_000))
    instrument = machine.state.instruments[1]
    volatility = isqrt(int(instrument.variance_ppb2)) // 1_000
    assert volatility > 2_000, "a sample of two percent and more"
    wanted = EQUITY * 2_000 // volatility // 10_000
    assert sized_of(machine.tell(buy())) == (SizingMethod.VOLATILITY_BASED, wanted, wanted, SizeLimit.NONE)


@pytest.mark.parametrize(
    ("trades", "won", "profit", "loss", "lots"),
    [
        # p 0.6, b (60 / 6) / (20 / 4) = 2: 0.6 - 0.4 / 2 = 0.4, of which half
        (10, 6, 60, 20, 200_000 // 102),
        # never lost: b is at its most, 1000
        (10, 10, 60, 0, (1_000_000 - 0) * 500_000 // PPM // 102),
        # a mean loss below one unit counts as none
        (10, 9, 90, 0, (900_000 - 100_000 // 1_000) * 500_000 // PPM // 102),
    ],
)
def test_kelly_by_the_strategys_own_trades(trades: int, won: int, profit: int, loss: int, lots: int) -> None:
    machine = ready(SizingMethod.KELLY, kelly_trades_min=10)
    strategy = machine.state.strategies[1]
    strategy.trades, strategy.trades_won = trades, won
    strategy.profit_units, strategy.loss_units = profit, loss
    assert lots_of(machine.tell(buy())) == [lots]


@pytest.mark.parametrize(
    ("record", "refusal"),
    [
        ((9, 9, 100, 0), (Reason.KELLY_TRADES_TOO_FEW, 10, 9)),
        ((10, 0, 0, 100), (Reason.KELLY_NOT_POSITIVE, 0, 0)),
        # p 0.5, b 1
        ((10, 5, 50, 50), (Reason.KELLY_NOT_POSITIVE, 0, 0)),
        # p 0.4, b 1: -0.2, of which half
        ((10, 4, 40, 60), (Reason.KELLY_NOT_POSITIVE, 0, -100_000)),
        # b rounds down to 0
        ((10, 5, 5, 5 * 10**7), (Reason.KELLY_NOT_POSITIVE, 0, 0)),
    ],
)
def test_kelly_is_refused_by_the_strategys_own_trades(
    record: tuple[int, int, int, int], refusal: tuple[Any, ...]
) -> None:
    machine = ready(SizingMethod.KELLY, kelly_trades_min=10)
    strategy = machine.state.strategies[1]
    strategy.trades, strategy.trades_won, strategy.profit_units, strategy.loss_units = record
    assert refusals_of(machine.tell(buy())) == [refusal]


def test_kelly_waits_for_thirty_trades_where_nothing_is_set() -> None:
    machine = ready(SizingMethod.KELLY)
    machine.state.strategies[1].trades = 29
    assert refusals_of(machine.tell(buy())) == [(Reason.KELLY_TRADES_TOO_FEW, 30, 29)]


def test_kelly_by_given_figures_that_do_not_pay_is_refused() -> None:
    machine = ready(SizingMethod.KELLY, kelly_win_ppm=250_000, kelly_payoff_ppm=3 * PPM)
    assert refusals_of(machine.tell(buy())) == [(Reason.KELLY_NOT_POSITIVE, 0, 0)]
    machine = ready(SizingMethod.KELLY, kelly_win_ppm=250_000)
    assert refusals_of(machine.tell(buy())) == [(Reason.KELLY_NOT_POSITIVE, 0, 0)]


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        (SizingMethod.FIXED_QUANTITY, Reason.ORDER_QUANTITY_UNSET),
        (SizingMethod.FIXED_AMOUNT, Reason.SIZING_VALUE_UNSET),
        (SizingMethod.RISK_BASED, Reason.SIZING_VALUE_UNSET),
        (SizingMethod.VOLATILITY_BASED, Reason.SIZING_VALUE_UNSET),
    ],
)
def test_what_a_method_needs_and_is_not_set_is_refused(method: SizingMethod, reason: Reason) -> None:
    assert refusals_of(ready(method).tell(buy())) == [(reason, 0, method)]


def test_risk_without_a_stop_is_refused() -> None:
    assert refusals_of(ready(SizingMethod.RISK_BASED, risk_ppm=1).tell(buy())) == [(Reason.STOP_MISSING, 0, 0)]


def test_without_samples_there_is_no_volatility() -> None:
    machine = ready(SizingMethod.VOLATILITY_BASED, volatility_target_ppm=1)
    assert refusals_of(machine.tell(buy())) == [(Reason.NO_VOLATILITY, 20, 0)]


@pytest.mark.parametrize(
    ("method", "values"),
    [(SizingMethod.FIXED_FRACTION, {}), (SizingMethod.FIXED_AMOUNT, {"position_weight_max_ppm": 1})],
)
def test_without_equity_there_is_no_share_of_it(method: SizingMethod, values: dict[str, int]) -> None:
    machine = ready(method, amount_units=1_000, **values)
    machine.tell(event(EventKind.CASH_MOVED, account=1, amount_units=-EQUITY))
    assert refusals_of(machine.tell(buy())) == [(Reason.EQUITY_NOT_POSITIVE, 0, 0)]
    machine.tell(event(EventKind.CASH_MOVED, account=1, amount_units=-5))
    assert refusals_of(machine.tell(buy())) == [(Reason.EQUITY_NOT_POSITIVE, 0, -5)]


def test_an_amount_that_does_not_fit_is_refused() -> None:
    machine = ready(SizingMethod.FIXED_FRACTION, fraction_ppm=1_000 * PPM)
    machine.tell(event(EventKind.CASH_MOVED, account=1, amount_units=MONEY_MAX // 1_000))
    assert refusals_of(machine.tell(buy())) == [(Reason.MONEY_OVERFLOW, MONEY_MAX, 0)]


def test_a_price_that_does_not_fit_is_refused() -> None:
    machine = ready(SizingMethod.FIXED_FRACTION, terms={"tick_lot_units": 2**40})
    machine.tell(quote(2**20, 2**20 + 1))
    assert refusals_of(machine.tell(buy())) == [(Reason.MONEY_OVERFLOW, MONEY_MAX, 0)]


@pytest.mark.parametrize(
    ("values", "lots", "limit"),
    [
        # 20,000 units at 102
        ({"position_weight_max_ppm": 20_000}, 196, SizeLimit.POSITION_WEIGHT),
        ({"position_max_lots": 300}, 300, SizeLimit.POSITION_QUANTITY),
        ({"order_quantity_max_lots": 250}, 250, SizeLimit.ORDER_QUANTITY),
        ({"order_notional_max_units": 10_301}, 100, SizeLimit.ORDER_NOTIONAL),
        ({"position_max_lots": 300, "order_quantity_max_lots": 300}, 300, SizeLimit.POSITION_QUANTITY),
        ({"position_max_lots": 300, "order_quantity_max_lots": 299}, 299, SizeLimit.ORDER_QUANTITY),
        ({"position_max_lots": 490, "order_quantity_max_lots": 490}, 490, SizeLimit.NONE),
    ],
)
def test_a_size_is_cut_by_what_holds(values: dict[str, int], lots: int, limit: SizeLimit) -> None:
    machine = ready(SizingMethod.FIXED_FRACTION, **values)
    decisions = machine.tell(buy())
    assert sized_of(decisions) == (SizingMethod.FIXED_FRACTION, 490, lots, limit)
    assert lots_of(decisions) == [lots]


def test_the_instruments_own_maximum_and_step_cut_too() -> None:
    machine = ready(SizingMethod.FIXED_FRACTION, terms={"quantity_max_lots": 77})
    assert sized_of(machine.tell(buy())) == (SizingMethod.FIXED_FRACTION, 490, 77, SizeLimit.ORDER_QUANTITY)
    machine = ready(SizingMethod.FIXED_FRACTION, terms={"quantity_step_lots": 100})
    assert sized_of(machine.tell(buy())) == (SizingMethod.FIXED_FRACTION, 490, 400, SizeLimit.LOT_STEP)
    machine = ready(SizingMethod.FIXED_FRACTION, terms={"quantity_step_lots": 100}, position_max_lots=299)
    assert sized_of(machine.tell(buy())) == (SizingMethod.FIXED_FRACTION, 490, 200, SizeLimit.POSITION_QUANTITY)


def test_free_cash_cuts() -> None:
    machine = machine_with(
        *instrument_rules(sizing_method=SizingMethod.FIXED_FRACTION, fraction_ppm=2 * PPM),
        rule(rules.ACCOUNT, "funds_checked", 1),
        account_kind=AccountKind.CASH,
    )
    decisions = machine.tell(buy())
    assert sized_of(decisions) == (SizingMethod.FIXED_FRACTION, 2 * EQUITY // 102, EQUITY // 102, SizeLimit.FUNDS)


def test_held_lots_take_room_from_a_position_but_not_from_an_order() -> None:
    machine = ready(SizingMethod.FIXED_FRACTION, entries_max=3, position_max_lots=300, order_quantity_max_lots=250)
    machine.tell(fill(0, 200, 102))
    # One entry at the least is counted for what is held.
    assert sized_of(machine.tell(buy()))[2:] == (100, SizeLimit.POSITION_QUANTITY)
    # All 300 are under way now.
    assert refusals_of(machine.tell(buy()))[0][:2] == (Reason.SIZE_ZERO, SizeLimit.POSITION_QUANTITY)


def test_lots_of_the_other_direction_take_no_room() -> None:
    machine = ready(SizingMethod.FIXED_FRACTION, position_max_lots=300)
    machine.tell(fill(0, -200, 100))
    assert sized_of(machine.tell(buy()))[2:] == (300, SizeLimit.POSITION_QUANTITY)


def test_nothing_left_is_refused_with_what_bound_it() -> None:
    machine = ready(SizingMethod.FIXED_AMOUNT, amount_units=101)
    assert refusals_of(machine.tell(buy())) == [(Reason.SIZE_ZERO, SizeLimit.NONE, 0)]
    machine = ready(SizingMethod.FIXED_AMOUNT, amount_units=1_020, order_notional_max_units=101)
    decisions = machine.tell(buy())
    assert refusals_of(decisions) == [(Reason.SIZE_ZERO, SizeLimit.ORDER_NOTIONAL, 10)]
    assert only(decisions, DecisionKind.ORDER_SIZED) == []
    machine = ready(SizingMethod.FIXED_AMOUNT, terms={"quantity_step_lots": 11}, amount_units=1_020)
    assert refusals_of(machine.tell(buy())) == [(Reason.SIZE_ZERO, SizeLimit.LOT_STEP, 10)]


def test_a_size_below_the_instruments_minimum_is_recorded_and_refused() -> None:
    machine = ready(SizingMethod.FIXED_AMOUNT, terms={"quantity_min_lots": 11}, amount_units=1_020)
    decisions = machine.tell(buy())
    assert sized_of(decisions)[1:3] == (10, 10)
    assert refusals_of(decisions) == [(Reason.QUANTITY_BELOW_MINIMUM, 11, 10)]
    machine = ready(SizingMethod.FIXED_AMOUNT, terms={"notional_min_units": 1_021}, amount_units=1_020)
    assert refusals_of(machine.tell(buy())) == [(Reason.NOTIONAL_BELOW_MINIMUM, 1_021, 1_020)]


def test_a_signals_own_quantity_is_not_cut_but_checked() -> None:
    machine = ready(SizingMethod.FIXED_FRACTION, order_quantity_max_lots=250)
    decisions = machine.tell(buy(quantity_lots=251))
    assert refusals_of(decisions) == [(Reason.ORDER_QUANTITY_MAX, 250, 251)]
    assert only(decisions, DecisionKind.ORDER_SIZED) == []
    assert lots_of(machine.tell(buy(quantity_lots=250))) == [250]


def test_a_fixed_quantity_is_recorded_only_where_it_is_cut() -> None:
    machine = machine_with(quantity(40), *instrument_rules(position_max_lots=30))
    decisions = machine.tell(buy())
    assert sized_of(decisions) == (SizingMethod.FIXED_QUANTITY, 40, 30, SizeLimit.POSITION_QUANTITY)
    assert lots_of(decisions) == [30]
    machine = machine_with(quantity(40), *instrument_rules(position_max_lots=40))
    decisions = machine.tell(buy())
    assert (only(decisions, DecisionKind.ORDER_SIZED), lots_of(decisions)) == ([], [40])


def test_of_a_reversal_only_what_opens_is_cut() -> None:
    machine = machine_with(quantity(40), *instrument_rules(order_quantity_max_lots=25), fill(0, -50))
    decisions = machine.tell(buy())
    assert sized_of(decisions) == (SizingMethod.FIXED_QUANTITY, 40, 25, SizeLimit.ORDER_QUANTITY)
    assert lots_of(decisions) == [75]


def test_what_is_missing_to_a_fixed_size_is_cut() -> None:
    machine = machine_with(quantity(40), *instrument_rules(position_max_lots=30), fill(0, 10))
    decisions = machine.tell(buy())
    assert sized_of(decisions) == (SizingMethod.FIXED_QUANTITY, 30, 20, SizeLimit.POSITION_QUANTITY)
    machine = machine_with(quantity(40), *instrument_rules(position_max_lots=30), fill(0, 30))
    assert refusals_of(machine.tell(buy())) == [(Reason.SIZE_ZERO, SizeLimit.POSITION_QUANTITY, 10)]


@given(st.integers(0, MONEY_MAX), st.integers(0, 1_000 * PPM), st.integers(1, 2_000 * PPM))
def test_a_part_is_exact_or_does_not_fit(amount: int, part: int, whole: int) -> None:
    exact = amount * part // whole
    assert part_of(amount, part, whole) == (exact if exact <= MONEY_MAX else -1)
