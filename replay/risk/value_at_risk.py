"""Value at risk (VaR) and its conditional form (CVaR, expected shortfall) of a series of returns, four ways.

Both are returns, so a loss is negative: VaR at 95 % is the return that one period in twenty falls below, CVaR
the mean of those that do. A method's CVaR is never above its VaR.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from replay.risk.figure import Figure, Floats, Unknown, too_few
from replay.risk.ratios import do_not_vary

LEVELS = (0.95, 0.99)
METHODS = ("historical", "parametric", "cornish_fisher", "monte_carlo")
RETURNS_MIN = 10
DRAWS = 100_000
SEED = 1729

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Tail:
    """VaR and CVaR of one method at one level."""

    value_at_risk: Figure
    conditional: Figure


def tails(returns: Floats, level: float, seed: int = SEED) -> dict[str, Tail]:
    """VaR and CVaR at `level` (0.95: one period in twenty), by the names in METHODS."""
    unknown = None
    if len(returns) < RETURNS_MIN:
        unknown = too_few(len(returns), RETURNS_MIN)
    elif do_not_vary(returns):
        unknown = Unknown("the returns do not vary")
    if unknown is not None:
        return dict.fromkeys(METHODS, Tail(unknown, unknown))
    found = (
        historical(returns, level),
        parametric(returns, level),
        cornish_fisher(returns, level),
        historical(simulated(returns, seed), level),
    )
    return dict(zip(METHODS, found, strict=True))


def historical(returns: Floats, level: float) -> Tail:
    """The quantile of the returns, linear between two of them, and the mean of those up to the one below it.

    Hyndman and Fan, Sample Quantiles in Statistical Packages, American Statistician 50 (1996), definition 7.
    """
    place = (len(returns) - 1) * (1.0 - level)
    below = int(place)
    ordered = np.sort(returns)
    quantile = ordered[below]
    if place > below:
        quantile += (place - below) * (ordered[below + 1] - quantile)
    # The mean of equal numbers can come out above them by a rounding.
    return Tail(float(quantile), float(min(np.mean(ordered[: below + 1]), quantile)))


def parametric(returns: Floats, level: float) -> Tail:
    """Of a normal distribution with the returns' mean and sample standard deviation.

    J.P. Morgan and Reuters, RiskMetrics Technical Document (1996).
    """
    mean, deviation = float(np.mean(returns)), float(np.std(returns, ddof=1))
    z = _NORMAL.inv_cdf(1.0 - level)
    return Tail(mean + deviation * z, mean - deviation * _NORMAL.pdf(z) / (1.0 - level))


def cornish_fisher(returns: Floats, level: float) -> Tail:
    """As `parametric`, the normal quantile bent by skewness and excess kurtosis.

    CVaR is the mean of the bent quantile over the tail, exact by the moments of the cut normal distribution. A bent
    curve that falls is no quantile: VaR is unknown where it falls at its place, CVaR where it does anywhere below.
    Cornish and Fisher, Revue de l'Institut International de Statistique 5 (1938); Maillard, A User's Guide to
    the Cornish Fisher Expansion (2012).
    """
    mean, deviation = float(np.mean(returns)), float(np.std(returns, ddof=1))
    skewness, kurtosis = shape(returns)
    z = _NORMAL.inv_cdf(1.0 - level)
    unknown = Unknown(f"no quantile there at skewness {skewness:.2f}, excess kurtosis {kurtosis:.2f}")
    slope = _slope(skewness, kurtosis)
    if not _is_rising_at(z, slope):
        return Tail(unknown, unknown)
    value_at_risk = mean + deviation * _bent(z, z * z, z**3, skewness, kurtosis)
    if not _is_rising_below(z, slope):
        return Tail(value_at_risk, unknown)
    first = -_NORMAL.pdf(z) / (1.0 - level)
    second, third = 1.0 + z * first, (z * z + 2.0) * first
    conditional = mean + deviation * _bent(first, second, third, skewness, kurtosis)
    return Tail(value_at_risk, min(conditional, value_at_risk))


def shape(returns: Floats) -> tuple[float, float]:
    """Skewness and excess kurtosis, from the moments of the returns as they are (no correction for few)."""
    centred = returns - np.mean(returns)
    variance = float(np.mean(np.square(centred)))
    skewness = float(np.mean(centred**3)) / variance**1.5
    return skewness, float(np.mean(centred**4)) / variance**2 - 3.0


def _bent(first: float, second: float, third: float, skewness: float, kurtosis: float) -> float:
    """The expansion, given z, z^2 and z^3, or their means."""
    return (
        first
        + (second - 1.0) * skewness / 6.0
        + (third - 3.0 * first) * kurtosis / 24.0
        - (2.0 * third - 5.0 * first) * skewness**2 / 36.0
    )


def _slope(skewness: float, kurtosis: float) -> tuple[float, float, float]:
    """The slope of the expansion, a parabola in z: the factors of z^2, z and 1."""
    bend = skewness**2
    return kurtosis / 8.0 - bend / 6.0, skewness / 3.0, 1.0 - kurtosis / 8.0 + 5.0 * bend / 36.0


def _is_rising_at(z: float, slope: tuple[float, float, float]) -> bool:
    return slope[0] * z * z + slope[1] * z + slope[2] >= 0.0


def _is_rising_below(z: float, slope: tuple[float, float, float]) -> bool:
    """Whether the slope, not negative at z, is so nowhere below."""
    square, linear, _ = slope
    if square <= 0.0:
        return square == 0.0 and linear <= 0.0
    return _is_rising_at(min(z, -linear / (2.0 * square)), slope)


def simulated(returns: Floats, seed: int) -> Floats:
    """DRAWS returns of a Student's t distribution with the returns' mean, sample deviation and kurtosis.

    The degrees of freedom that give the excess kurtosis k are 4 + 6 / k; without excess it is the normal one.
    The draws are those of numpy's PCG64 from `seed`: the same tape gives the same figures.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    _, kurtosis = shape(returns)
    if kurtosis <= 0.0:
        draws = generator.standard_normal(DRAWS)
    else:
        freedom = 4.0 + 6.0 / kurtosis
        draws = generator.standard_t(freedom, DRAWS) * math.sqrt((freedom - 2.0) / freedom)
    return np.asarray(np.mean(returns) + np.std(returns, ddof=1) * draws, dtype=np.float64)
