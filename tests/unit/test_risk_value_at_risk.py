"""Value at risk: small cases by hand, the order of the figures, and the same draws from the same seed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.risk import value_at_risk as tail
from replay.risk.figure import Unknown
from tests.unit.test_risk_ratios import known, reason, some_returns

# The returns -0.50, -0.49, ... 0.50.
LADDER = np.arange(-50, 51) / 100


def test_historical_by_hand() -> None:
    at_95 = tail.historical(LADDER[::-1], 0.95)
    assert known(at_95.value_at_risk) == pytest.approx(-0.45)
    assert known(at_95.conditional) == pytest.approx(np.mean(LADDER[:6]))
    at_99 = tail.historical(LADDER, 0.99)
    assert (known(at_99.value_at_risk), known(at_99.conditional)) == pytest.approx((-0.49, -0.495))
    # Between two of eleven returns: the place is (11 - 1) * 0.05, half way from the first to the second.
    between = tail.historical(np.arange(11) / 10, 0.95)
    assert (known(between.value_at_risk), known(between.conditional)) == pytest.approx((0.05, 0.0))


def test_parametric_by_hand() -> None:
    """A standard normal has its quantiles at -1.645 and -2.326, and means -2.063 and -2.665 below them."""
    returns = LADDER / np.std(LADDER, ddof=1)
    for level, quantile, mean in ((0.95, -1.6448536, -2.0627128), (0.99, -2.3263479, -2.6652142)):
        found = tail.parametric(returns, level)
        assert (known(found.value_at_risk), known(found.conditional)) == pytest.approx((quantile, mean), abs=1e-6)


def test_shape_by_hand() -> None:
    assert tail.shape(np.array([0.0, 0.0, 0.0, 1.0])) == pytest.approx((2 / math.sqrt(3), 7 / 3 - 3))
    assert tail.shape(np.array([-1.0, 1.0])) == pytest.approx((0.0, -2.0))


def heavy(size: int = 4_000) -> np.ndarray:
    """Returns with skewness and heavy tails, the same ones every time."""
    draws = np.random.Generator(np.random.PCG64(5)).standard_t(6, size)
    return 0.01 * (draws - 0.1 * draws**2)


def test_cornish_fisher_by_its_definition() -> None:
    """CVaR is the mean of the bent quantile over the tail, here by summing it up."""
    returns = heavy()
    skewness, kurtosis = tail.shape(returns)
    mean, deviation = np.mean(returns), np.std(returns, ddof=1)

    def bent(z: np.ndarray) -> np.ndarray:
        cubic = (z**3 - 3 * z) * kurtosis / 24 - (2 * z**3 - 5 * z) * skewness**2 / 36
        return mean + deviation * (z + (z**2 - 1) * skewness / 6 + cubic)

    for level, quantile in ((0.95, -1.6448536269514722), (0.99, -2.3263478740408408)):
        found = tail.cornish_fisher(returns, level)
        assert known(found.value_at_risk) == pytest.approx(bent(np.array(quantile)), rel=1e-12)
        z = np.linspace(-12, quantile, 400_001)
        weights = np.exp(-np.square(z) / 2)
        assert known(found.conditional) == pytest.approx(np.sum(bent(z) * weights) / np.sum(weights), rel=1e-4)


def test_cornish_fisher_of_no_shape_is_parametric() -> None:
    slope = tail._slope(0.0, 0.0)
    assert slope == (0.0, 0.0, 1.0)
    assert tail._bent(-2.0, 4.0, -8.0, 0.0, 0.0) == -2.0


def test_cornish_fisher_is_unknown_where_the_curve_falls() -> None:
    """Without heavy tails the curve turns round somewhere far out: there is a quantile, but no mean below it."""
    even = tail.cornish_fisher(LADDER, 0.95)
    assert known(even.value_at_risk) < 0
    assert reason(even.conditional) == "no quantile there at skewness 0.00, excess kurtosis -1.20"
    rare = tail.cornish_fisher(np.array([0.0] * 5_000 + [1.0, 1.1, 1.2]), 0.99)
    assert "no quantile there" in reason(rare.value_at_risk)
    assert "no quantile there" in reason(rare.conditional)


def test_monte_carlo_draws_have_the_moments_they_were_given() -> None:
    returns = heavy()
    draws = tail.simulated(returns, tail.SEED)
    assert len(draws) == tail.DRAWS
    assert np.mean(draws) == pytest.approx(np.mean(returns), abs=2e-4)
    assert np.std(draws) == pytest.approx(np.std(returns), rel=0.05)
    # A t distribution has excess kurtosis 1 with 10 degrees of freedom, and its 1 % quantile at -2.764 then.
    of_ten = np.array([-0.02, *([0.0] * 6), 0.02])
    assert tail.shape(of_ten)[1] == pytest.approx(1)
    scale = np.std(of_ten, ddof=1) * math.sqrt(8 / 10)
    simulated = known(tail.historical(tail.simulated(of_ten, tail.SEED), 0.99).value_at_risk)
    assert simulated == pytest.approx(-2.7638 * scale, rel=0.012)
    # Without excess kurtosis they are normal.
    even = known(tail.tails(LADDER, 0.95)["monte_carlo"].value_at_risk)
    assert even == pytest.approx(known(tail.parametric(LADDER, 0.95).value_at_risk), rel=0.02)


def test_monte_carlo_is_the_same_from_the_same_seed() -> None:
    returns = heavy(200)
    one, same, other = (tail.tails(returns, 0.99, seed)["monte_carlo"] for seed in (tail.SEED, tail.SEED, 2))
    assert one == same == tail.tails(returns, 0.99)["monte_carlo"]
    assert one != other
    assert known(one.value_at_risk) == pytest.approx(known(other.value_at_risk), rel=0.05)


def test_too_few_returns_and_returns_that_do_not_vary() -> None:
    assert tail.tails(LADDER[:10], 0.95).keys() == set(tail.METHODS)
    for method in tail.tails(LADDER[:9], 0.95).values():
        assert reason(method.value_at_risk) == "too few returns: 9, at least 10 needed"
    for method in tail.tails(np.full(20, -0.01), 0.99).values():
        assert reason(method.conditional) == "the returns do not vary"


@settings(max_examples=60)
@given(some_returns(size_min=10))
def test_the_tail_is_in_order(returns: np.ndarray) -> None:
    """CVaR is at or below VaR, 99 % at or below 95 %, and nothing is infinite."""
    at_95, at_99 = tail.tails(returns, 0.95), tail.tails(returns, 0.99)
    for method in tail.METHODS:
        for found in (at_95[method], at_99[method]):
            if not isinstance(found.conditional, Unknown):
                assert math.isfinite(found.conditional)
                assert found.conditional <= known(found.value_at_risk)
        if not isinstance(at_95[method].conditional, Unknown) and method != "cornish_fisher":
            assert known(at_99[method].value_at_risk) <= known(at_95[method].value_at_risk)
            assert known(at_99[method].conditional) <= known(at_95[method].conditional) + 1e-12


@settings(max_examples=60)
@given(some_returns(size_min=10), st.floats(0.01, 100))
def test_a_stake_scales_the_tail(returns: np.ndarray, stake: float) -> None:
    one, other = tail.tails(returns, 0.95), tail.tails(returns * stake, 0.95)
    for method in tail.METHODS:
        # At the very edge, where the curve just rises or just falls, rounding decides.
        if isinstance(one[method].value_at_risk, float) and isinstance(other[method].value_at_risk, float):
            expected = stake * known(one[method].value_at_risk)
            assert known(other[method].value_at_risk) == pytest.approx(expected, rel=1e-6, abs=1e-9 * stake)
