"""What a series of returns says in one number. Returns are fractions, one a period, in order of time.

Every function gives `Unknown` where the figure has no meaning. `periods_per_year` scales to a year.
"""

import math
from collections.abc import Sequence

import numpy as np

from replay.risk.figure import Figure, Floats, Unknown, too_few

RETURNS_MIN = 3
_EXPONENT_MAX = 700.0
_NOTHING = 1e-12


def do_not_vary(values: Floats) -> bool:
    """Whether all values are the same but for rounding."""
    return bool(np.ptp(values) <= _NOTHING * np.abs(values).max())


def annual_volatility(returns: Floats, periods_per_year: float) -> Figure:
    """Sample standard deviation times the root of the periods in a year."""
    if len(returns) < RETURNS_MIN:
        return too_few(len(returns), RETURNS_MIN)
    return float(np.std(returns, ddof=1) * math.sqrt(periods_per_year))


def sharpe_ratio(returns: Floats, periods_per_year: float) -> Figure:
    """Mean by sample standard deviation, annualised, without a risk-free rate.

    Sharpe, The Sharpe Ratio, Journal of Portfolio Management 21 (1994).
    """
    if len(returns) < RETURNS_MIN:
        return too_few(len(returns), RETURNS_MIN)
    if do_not_vary(returns):
        return Unknown("the returns do not vary")
    return float(np.mean(returns) / np.std(returns, ddof=1) * math.sqrt(periods_per_year))


def sortino_ratio(returns: Floats, periods_per_year: float) -> Figure:
    """Mean by the root of the mean squared loss over all periods, annualised; the target is zero.

    Sortino and Price, Performance Measurement in a Downside Risk Framework, Journal of Investing 3 (1994).
    """
    if len(returns) < RETURNS_MIN:
        return too_few(len(returns), RETURNS_MIN)
    downside = math.sqrt(float(np.mean(np.square(np.minimum(returns, 0.0)))))
    if downside == 0:
        return Unknown("no period lost")
    return float(np.mean(returns)) / downside * math.sqrt(periods_per_year)


def max_drawdown(returns: Floats) -> Figure:
    """The largest fall of the compounded returns from their peak, as a negative fraction of that peak; 0 for none."""
    if len(returns) == 0:
        return too_few(0, 1)
    wealth = np.concatenate(([1.0], np.cumprod(1.0 + returns)))
    return float(np.min(wealth / np.maximum.accumulate(wealth) - 1.0))


def annual_growth(returns: Floats, periods_per_year: float) -> Figure:
    """The yearly rate that leads to the same end: wealth at the end ** (periods a year / periods) less 1."""
    if len(returns) < RETURNS_MIN:
        return too_few(len(returns), RETURNS_MIN)
    if np.any(returns <= -1.0):
        return Unknown("everything was lost")
    exponent = float(np.sum(np.log1p(returns))) * periods_per_year / len(returns)
    if exponent > _EXPONENT_MAX:
        return Unknown("the growth of so short a time is beyond any number in a year")
    return math.expm1(exponent)


def calmar_ratio(returns: Floats, periods_per_year: float) -> Figure:
    """Annual growth by the largest drawdown of the same returns.

    Young, Calmar Ratio: A Smoother Tool, Futures 20 (1991).
    """
    growth, drawdown = annual_growth(returns, periods_per_year), max_drawdown(returns)
    if isinstance(growth, Unknown):
        return growth
    if isinstance(drawdown, Unknown) or drawdown == 0:
        return Unknown("there was no drawdown")
    return growth / -drawdown


def beta(returns: Floats, benchmark: Floats) -> Figure:
    """Covariance with a benchmark's returns of the same periods, by the benchmark's variance.

    Sharpe, Capital Asset Prices, Journal of Finance 19 (1964).
    """
    assert len(returns) == len(benchmark)
    if len(returns) < RETURNS_MIN:
        return too_few(len(returns), RETURNS_MIN)
    if do_not_vary(benchmark):
        return Unknown("the benchmark does not vary")
    centred = benchmark - np.mean(benchmark)
    return float(np.mean(centred * (returns - np.mean(returns))) / np.mean(np.square(centred)))


def kelly_fraction(won: Sequence[float], lost: Sequence[float]) -> Figure:
    """The fraction to stake that lets money grow fastest: W - (1 - W) / R; negative where nothing should be staked.

    `won` and `lost` are what winning and losing trades came to, none negative. W is the share of trades won, R the
    mean won by the mean lost. Kelly, A New Interpretation of Information Rate, Bell System Technical Journal 35
    (1956).
    """
    if not won or not lost:
        return Unknown(f"trades won: {len(won)}, lost: {len(lost)}, at least one of each needed")
    share = len(won) / (len(won) + len(lost))
    mean_lost = math.fsum(lost) / len(lost)
    if mean_lost == 0:
        return Unknown("no trade lost anything")
    return share - (1.0 - share) * mean_lost / (math.fsum(won) / len(won))
