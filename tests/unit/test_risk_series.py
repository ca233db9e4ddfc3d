"""Series out of a tape: periods, returns of equity and of held positions, profits of strategies, correlation."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kinds import EventKind
from replay.names import read_names
from replay.risk.correlation import correlation, price_correlations, series_correlations
from replay.risk.figure import Unknown
from replay.risk.returns import (
    HOUR_NS,
    MINUTE_NS,
    Closes,
    Series,
    closes_of,
    equity_returns,
    period_of,
    position_returns,
    strategy_profits,
)
from replay.sampling import Observation, observe
from tests.unit.statistics_tape import DAY_NS, START_NS, Tape
from tests.unit.test_risk_ratios import known, reason

NAN = math.nan


def market(prices: list[tuple[int, ...]], step_ns: int = DAY_NS, lots: tuple[int, ...] = ()) -> Tape:
    """A bar of each instrument every step (0: none); the first step also buys `lots` at its prices."""
    tape = Tape(deposits=(100_000,))
    for number in range(len(prices[0])):
        tape.instrument(number, f"I{number}")
    for step, closes in enumerate(prices):
        tape.ts_ns = START_NS + (step + 1) * step_ns
        for number, close in enumerate(closes):
            if close:
                tape.bar(number, close, length_ns=step_ns)
        for number, amount in enumerate(lots if step == 0 else ()):
            if amount:
                tape.fill(number, amount, closes[number])
    return tape


def observed(tape: Tape) -> Observation:
    return observe(tape.reader())


def test_the_period_is_the_longest_that_fits_more_than_ten_times() -> None:
    for step_ns, steps, name, length_ns, yearly in (
        (DAY_NS, 12, "day", DAY_NS, 365),
        (HOUR_NS, 12, "hour", HOUR_NS, 8_760),
        (HOUR_NS, 24 * 11, "day", DAY_NS, 365),
        (HOUR_NS, 24 * 9, "hour", HOUR_NS, 8_760),
        (MINUTE_NS, 12, "minute", MINUTE_NS, 525_600),
        (MINUTE_NS, 5, "minute", MINUTE_NS, 525_600),
        (4 * HOUR_NS, 20, "sample", 4 * HOUR_NS, 2_190),
    ):
        period = period_of(observed(market([(100,)] * steps, step_ns)))
        assert (period.name, period.length_ns, period.periods_per_year) == (name, length_ns, yearly)
    assert period_of(observed(market([(100,)] * 12)), 252).periods_per_year == 252


def test_equity_returns_by_hand() -> None:
    """1000 lots of 0.001 a tick-lot: 100 at the start, +10, nothing for a day, then -22; a deposit earns nothing."""
    tape = market([(100,), (110,), (0,), (88,)], lots=(1_000,))
    tape.ts_ns += DAY_NS
    tape.add(EventKind.CASH_MOVED, account=0, amount_units=88_000)
    tape.bar(0, 88)
    reader = tape.reader()
    returns = equity_returns(observe(reader), read_names(reader), [0], DAY_NS)
    assert isinstance(returns, Series)
    assert returns.first == START_NS // DAY_NS
    assert returns.values == pytest.approx([0, 0.1, 0, -0.2, 0])


def test_no_money_has_no_returns() -> None:
    reader = Tape(deposits=(0,)).reader()
    assert "no money" in reason(equity_returns(observe(reader), read_names(reader), [0], DAY_NS))


def test_accounts_of_one_currency_are_one_series() -> None:
    tape = Tape(deposits=(60_000, 40_000), currencies=("USD", "USD"))
    tape.instrument(0, "A", account=1)
    tape.bar(0, 100)
    tape.fill(0, 100, 100, account=1)
    tape.ts_ns += DAY_NS
    tape.bar(0, 150)
    reader = tape.reader()
    returns = equity_returns(observe(reader), read_names(reader), [0, 1], DAY_NS)
    assert isinstance(returns, Series)
    assert returns.values == pytest.approx([0, 0.05])


def test_closes_have_gaps_that_carry_the_last_price() -> None:
    closes = closes_of(observed(market([(0, 50), (100, 0), (0, 55), (120, 60)])), DAY_NS)
    expected = [[NAN, 50], [100, NAN], [NAN, 55], [120, 60]]
    np.testing.assert_array_equal(closes.ticks, expected)
    np.testing.assert_array_equal(closes.carried(), [[NAN, 50], [100, 50], [100, 55], [120, 60]])
    first, moves = closes.returns()
    assert first == closes.first + 1 == START_NS // DAY_NS + 1
    np.testing.assert_allclose(moves, [[NAN, 0], [0, 0.1], [0.2, 60 / 55 - 1]])


def test_returns_of_what_is_held_start_when_all_of_it_has_a_price() -> None:
    closes = Closes(DAY_NS, 10, np.array([[NAN, 50.0], [100.0, 50.0], [NAN, 55.0], [120.0, 44.0]]))
    both = position_returns(closes, {0: 0.5, 1: -1.0})
    assert isinstance(both, Series)
    assert both.first == 12
    assert both.values == pytest.approx([-0.1, 0.1 + 0.2])
    one = position_returns(closes, {1: 2.0})
    assert isinstance(one, Series)
    assert one.first == 11
    assert one.between(12, 14) == pytest.approx([0.2, -0.4])
    assert reason(position_returns(closes, {})) == "no position is held"
    assert "two prices" in reason(position_returns(Closes(DAY_NS, 0, np.array([[1.0]])), {0: 1.0}))


def test_profits_of_strategies_add_up_to_the_change_of_equity() -> None:
    """No fill here has an order that the engine knows, so all are of one strategy: that of none."""
    tape = market([(100, 50), (110, 40), (90, 45)], lots=(100, -200))
    tape.ts_ns += HOUR_NS
    tape.fill(0, -250, 95, fee=7)
    tape.fill(1, 30, 50, fee=3)
    tape.bar(0, 97)
    tape.ts_ns += 2 * DAY_NS
    tape.bar(1, 41)
    observation = observed(tape)
    (profit,) = strategy_profits(observation, [0], closes_of(observation, DAY_NS)).values()
    assert profit[:3] == pytest.approx([0, 1_000 + 2_000, -2_000 - 1_000])
    assert np.sum(profit) == pytest.approx(int(observation.state.accounts[0]["equity_units"]) - 100_000)
    assert strategy_profits(observation, [], closes_of(observation, DAY_NS)) == {}


def test_profits_before_the_first_price_count_with_it() -> None:
    early = market([(0, 50), (120, 50)])
    early.rows, last = early.rows[:-2], early.rows[-2:]
    early.ts_ns = START_NS + DAY_NS
    early.fill(0, 10, 100)
    early.rows += last
    observation = observed(early)
    (profit,) = strategy_profits(observation, [0], closes_of(observation, DAY_NS)).values()
    assert profit == pytest.approx([200, 0])
    never = market([(0, 50), (0, 50)])
    never.fill(0, 10, 100)
    observation = observed(never)
    assert strategy_profits(observation, [0], closes_of(observation, DAY_NS)) == {}


def test_profits_are_kept_apart_by_strategy() -> None:
    tape = market([(100,), (110,), (130,)], lots=(10,))
    tape.fill(0, 20, 130)
    tape.ts_ns += DAY_NS
    tape.bar(0, 100)
    observation = observed(tape)
    observation.fills["strategy"] = [0, 1]
    profits = strategy_profits(observation, [0], closes_of(observation, DAY_NS))
    assert profits[0] == pytest.approx([0, 100, 200, -300])
    assert profits[1] == pytest.approx([0, 0, 0, -600])


def test_correlation_by_hand() -> None:
    one = np.array([1.0, 2.0, 3.0])
    assert known(correlation(one, 5 - 2 * one)) == pytest.approx(-1)
    assert known(correlation(one, np.array([1.0, 3.0, 2.0]))) == pytest.approx(0.5)
    assert known(correlation(one * 1e-200, one)) == pytest.approx(1)
    assert reason(correlation(one[:2], one[:2])).startswith("too few")
    assert "does not vary" in reason(correlation(one, np.ones(3)))


def test_prices_are_compared_where_both_have_one() -> None:
    """The second trades every other day; its returns are set against the first's over the same two days."""
    first = np.array([100, 90, 110, 105, 99, 120, 108, 140, 126.0])
    second = np.where(np.arange(9) % 2 == 0, first * 3, NAN)
    third = np.full(9, NAN)
    matrix = price_correlations(np.column_stack([first, second, third]))
    assert known(matrix[0][1]) == known(matrix[1][0]) == pytest.approx(1)
    assert (matrix[0][0], matrix[1][1]) == (1, 1)
    assert all(isinstance(figure, Unknown) for figure in matrix[2])


@given(st.lists(st.tuples(*[st.integers(-100, 100)] * 3), min_size=1, max_size=30), st.integers(1, 1_000))
def test_correlation_is_within_one_and_knows_no_scale(rows: list, scale: int) -> None:
    series = np.array(rows, dtype=np.float64)
    matrix = series_correlations(series)
    scaled = series_correlations(series * [scale, 1, 1] + [0, scale, 0])
    for one in range(3):
        for other in range(3):
            figure, again = matrix[one][other], scaled[one][other]
            if isinstance(figure, Unknown):
                assert isinstance(again, Unknown)
                continue
            assert -1 <= figure <= 1
            assert figure == matrix[other][one]
            assert again == pytest.approx(figure, abs=1e-9)
            assert one != other or figure == 1


def test_correlation_agrees_with_numpy() -> None:
    series = np.random.Generator(np.random.PCG64(3)).normal(size=(50, 4))
    matrix = np.array(series_correlations(series), dtype=np.float64)
    np.testing.assert_allclose(matrix, np.corrcoef(series.T), atol=1e-12)


def test_units_are_exact_in_the_money_of_each_account() -> None:
    """Money with three decimals, equity to the last of them."""
    tape = market([(100,), (101,)], lots=(1,))
    reader = tape.reader()
    returns = equity_returns(observe(reader), read_names(reader), [0], DAY_NS)
    assert isinstance(returns, Series)
    assert returns.values[1] == float(Decimal(100_001) / Decimal(100_000) - 1)
