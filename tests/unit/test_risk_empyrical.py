"""The figures against those of empyrical-reloaded, on the daily prices of the shared test data."""

from pathlib import Path

import empyrical
import numpy as np
import polars as pl
import pytest

from replay.risk import ratios
from replay.risk import value_at_risk as tail
from tests.support import shared_data
from tests.unit.test_risk_ratios import known

CLOSE = {"rel": 1e-9, "abs": 1e-12}
# The trading days of the shares; their names are the columns of the file.
DAYS = 252
SHARES = (
    *("AAPL", "AMD", "BAC", "BBY", "CVX", "GE", "HD", "JNJ", "JPM", "KO"),
    *("LLY", "MRK", "MSFT", "PEP", "PFE", "PG", "RRC", "UNH", "WMT", "XOM"),
)


def shares(path: Path) -> dict[str, np.ndarray]:
    """The daily returns of every share."""
    frame = pl.read_csv(path)
    closes = {name: frame[name].to_numpy() for name in frame.columns if name != "Date"}
    return {name: prices[1:] / prices[:-1] - 1 for name, prices in closes.items()}


@pytest.fixture(scope="module")
def series() -> dict[str, np.ndarray]:
    """Daily returns by name: twenty shares 1990 to 2022 and one year of bitcoin."""
    bitcoin = pl.read_csv(shared_data("basana/binance_btcusdt_day_2020.csv"))["close"].to_numpy()
    found = shares(shared_data("skfolio/sp500_dataset.csv.gz"))
    assert tuple(found) == SHARES
    return {**found, "BTC": bitcoin[1:] / bitcoin[:-1] - 1}


@pytest.mark.parametrize("name", [*SHARES, "BTC"])
def test_ratios_agree(series: dict[str, np.ndarray], name: str) -> None:
    returns = series[name]
    year = 365 if name == "BTC" else DAYS
    expected = {
        ratios.sharpe_ratio: empyrical.sharpe_ratio(returns, annualization=year),
        ratios.sortino_ratio: empyrical.sortino_ratio(returns, annualization=year),
        ratios.calmar_ratio: empyrical.calmar_ratio(returns, annualization=year),
        ratios.annual_volatility: empyrical.annual_volatility(returns, annualization=year),
        ratios.annual_growth: empyrical.annual_return(returns, annualization=year),
    }
    for figure, value in expected.items():
        assert known(figure(returns, year)) == pytest.approx(value, **CLOSE), figure.__name__
    assert known(ratios.max_drawdown(returns)) == pytest.approx(empyrical.max_drawdown(returns), **CLOSE)


@pytest.mark.parametrize("name", [*SHARES, "BTC"])
@pytest.mark.parametrize("level", tail.LEVELS)
def test_historical_value_at_risk_agrees(series: dict[str, np.ndarray], name: str, level: float) -> None:
    found = tail.historical(series[name], level)
    cutoff = round(1 - level, 2)
    assert known(found.value_at_risk) == pytest.approx(empyrical.value_at_risk(series[name], cutoff), **CLOSE)
    expected = empyrical.conditional_value_at_risk(series[name], cutoff)
    assert known(found.conditional) == pytest.approx(expected, **CLOSE)


@pytest.mark.parametrize("count", [10, 11, 20, 21, 99, 100, 101, 200, 201, 1_000, 1_001])
def test_historical_value_at_risk_agrees_for_any_number_of_returns(series: dict[str, np.ndarray], count: int) -> None:
    """Also where the quantile falls exactly on a return."""
    for cutoff in (0.05, 0.01):
        found = tail.historical(series["KO"][:count], 1 - cutoff)
        returns = series["KO"][:count]
        assert known(found.value_at_risk) == pytest.approx(empyrical.value_at_risk(returns, cutoff), **CLOSE)
        assert known(found.conditional) == pytest.approx(empyrical.conditional_value_at_risk(returns, cutoff), **CLOSE)


@pytest.mark.parametrize("name", SHARES)
def test_beta_agrees(series: dict[str, np.ndarray], name: str) -> None:
    market = np.mean([series[share] for share in SHARES], axis=0)
    assert known(ratios.beta(series[name], market)) == pytest.approx(empyrical.beta(series[name], market), **CLOSE)


def test_monte_carlo_and_the_expansion_find_the_tail_of_real_returns(series: dict[str, np.ndarray]) -> None:
    """Three models of eight thousand days: each within a third of what happened at 99 %; the normal one too low."""
    for name in ("KO", "JPM", "XOM"):
        found = tail.tails(series[name], 0.99)
        happened = known(found["historical"].value_at_risk)
        assert known(found["monte_carlo"].value_at_risk) == pytest.approx(happened, rel=1 / 3)
        assert known(found["parametric"].conditional) > known(found["historical"].conditional)
