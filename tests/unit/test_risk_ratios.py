"""Ratios of returns: small cases by hand, and what must hold for any returns."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from replay.risk import ratios
from replay.risk.figure import Unknown, plain, ratio, reasons

DAYS = 365
RETURNS = np.array([0.10, -0.05, 0.02, -0.10])


def some_returns(size_min: int = 3) -> st.SearchStrategy[np.ndarray]:
    """Returns of moderate size, in steps that rounding cannot blur."""
    steps = st.integers(-5_000, 5_000).map(lambda step: step / 10_000)
    return st.lists(steps, min_size=size_min, max_size=60).map(np.array)


def known(figure: object) -> float:
    assert isinstance(figure, float), figure
    return figure


def reason(figure: object) -> str:
    assert isinstance(figure, Unknown), figure
    return figure.reason


def test_by_hand() -> None:
    deviation = math.sqrt(sum((value + 0.0075) ** 2 for value in RETURNS.tolist()) / 3)
    downside = math.sqrt((0.05**2 + 0.10**2) / 4)
    drawdown = 0.95 * 1.02 * 0.90 - 1
    growth = (1.1 * 0.95 * 1.02 * 0.9) ** (DAYS / 4) - 1
    assert known(ratios.annual_volatility(RETURNS, DAYS)) == pytest.approx(deviation * math.sqrt(DAYS), rel=1e-12)
    assert known(ratios.sharpe_ratio(RETURNS, DAYS)) == pytest.approx(-0.0075 / deviation * math.sqrt(DAYS), rel=1e-12)
    assert known(ratios.sortino_ratio(RETURNS, DAYS)) == pytest.approx(-0.0075 / downside * math.sqrt(DAYS), rel=1e-12)
    assert known(ratios.max_drawdown(RETURNS)) == pytest.approx(drawdown, rel=1e-12)
    assert known(ratios.annual_growth(RETURNS, DAYS)) == pytest.approx(growth, rel=1e-12)
    assert known(ratios.calmar_ratio(RETURNS, DAYS)) == pytest.approx(growth / -drawdown, rel=1e-12)


def test_a_first_loss_is_a_drawdown() -> None:
    assert known(ratios.max_drawdown(np.array([-0.3, 0.1]))) == pytest.approx(-0.3)
    assert ratios.max_drawdown(np.array([0.3, 0.1])) == 0.0


def test_beta_by_hand() -> None:
    benchmark = np.array([0.01, 0.03, -0.01, 0.01])
    assert known(ratios.beta(2 * benchmark + 0.5, benchmark)) == pytest.approx(2)
    assert known(ratios.beta(np.array([0.0, 0.04, 0.0, 0.0]), benchmark)) == pytest.approx(0.04 * 0.02 / (2 * 0.02**2))


def test_kelly_by_hand() -> None:
    """Six of ten won at two to one: 0.6 - 0.4 / 2; Kelly's own case of even stakes: 2 p - 1."""
    assert known(ratios.kelly_fraction([2.0] * 6, [1.0] * 4)) == pytest.approx(0.4)
    assert known(ratios.kelly_fraction([1.0] * 3, [1.0])) == pytest.approx(0.5)
    assert known(ratios.kelly_fraction([1.0], [1.0] * 3)) == pytest.approx(-0.5)


def test_what_cannot_be_computed_says_why() -> None:
    flat, two = np.full(9, 0.01), np.array([0.1, 0.2])
    for figure in (ratios.annual_volatility, ratios.sharpe_ratio, ratios.sortino_ratio, ratios.annual_growth):
        assert reason(figure(two, DAYS)) == "too few returns: 2, at least 3 needed"
    assert reason(ratios.calmar_ratio(two, DAYS)).startswith("too few")
    assert reason(ratios.max_drawdown(np.array([]))).startswith("too few")
    assert reason(ratios.beta(two, two)).startswith("too few")
    assert reason(ratios.sharpe_ratio(flat, DAYS)) == "the returns do not vary"
    assert reason(ratios.sharpe_ratio(np.zeros(9), DAYS)) == "the returns do not vary"
    assert reason(ratios.sortino_ratio(flat, DAYS)) == "no period lost"
    assert reason(ratios.calmar_ratio(flat, DAYS)) == "there was no drawdown"
    assert reason(ratios.annual_growth(np.array([0.1, -1.0, 0.1]), DAYS)) == "everything was lost"
    assert "beyond any number" in reason(ratios.annual_growth(np.full(3, 2.0), 525_600))
    assert reason(ratios.beta(RETURNS, np.zeros(4))) == "the benchmark does not vary"
    assert "won: 0, lost: 1" in reason(ratios.kelly_fraction([], [1.0]))
    assert reason(ratios.kelly_fraction([1.0], [0.0])) == "no trade lost anything"


def test_nothing_unknown_reaches_json() -> None:
    tree = {"a": Unknown("flat"), "b": [1.0, {"c": Unknown("lost")}], "d": None, "e": "text"}
    assert plain(tree) == {"a": None, "b": [1.0, {"c": None}], "d": None, "e": "text"}
    assert dict(reasons(tree)) == {"a": "flat", "b.1.c": "lost"}
    assert ratio(Decimal(1), Decimal(4), "none") == 0.25
    assert ratio(Decimal(1), Decimal(0), "none") == ratio(Decimal(1), Decimal(-1), "none") == Unknown("none")


@given(some_returns(), st.floats(0.01, 100))
def test_sharpe_sortino_and_beta_do_not_depend_on_the_stake(returns: np.ndarray, stake: float) -> None:
    """A constant multiple of all returns leaves the ratios; volatility goes along with it."""
    for figure in (ratios.sharpe_ratio, ratios.sortino_ratio):
        one, other = figure(returns, DAYS), figure(returns * stake, DAYS)
        assert type(one) is type(other)
        if isinstance(one, float):
            assert other == pytest.approx(one, rel=1e-9, abs=1e-12)
    volatility = known(ratios.annual_volatility(returns, DAYS))
    assert known(ratios.annual_volatility(returns * stake, DAYS)) == pytest.approx(stake * volatility, rel=1e-9)
    assume(not ratios.do_not_vary(returns))
    assert known(ratios.beta(returns * stake, returns)) == pytest.approx(stake, rel=1e-9)


@given(some_returns(), st.integers(1, 1_000_000))
def test_a_year_of_four_times_the_periods_doubles_the_ratios(returns: np.ndarray, periods: int) -> None:
    for figure in (ratios.sharpe_ratio, ratios.sortino_ratio, ratios.annual_volatility):
        one, other = figure(returns, periods), figure(returns, 4 * periods)
        if isinstance(one, float):
            assert other == pytest.approx(2 * one, rel=1e-12)


@given(some_returns(size_min=1))
def test_a_drawdown_is_that_of_a_walk_through_the_returns(returns: np.ndarray) -> None:
    wealth = peak = 1.0
    worst = 0.0
    for value in returns.tolist():
        wealth *= 1 + value
        peak = max(peak, wealth)
        worst = min(worst, wealth / peak - 1)
    assert known(ratios.max_drawdown(returns)) == pytest.approx(worst, abs=1e-12)
    assert -1 <= known(ratios.max_drawdown(returns)) <= 0


@given(some_returns())
def test_every_figure_is_finite_or_says_why(returns: np.ndarray) -> None:
    figures = [
        *(figure(returns, DAYS) for figure in (ratios.sharpe_ratio, ratios.sortino_ratio, ratios.calmar_ratio)),
        *(figure(returns, DAYS) for figure in (ratios.annual_growth, ratios.annual_volatility)),
        ratios.beta(returns, returns),
    ]
    assert all(isinstance(figure, Unknown) or math.isfinite(figure) for figure in figures)
