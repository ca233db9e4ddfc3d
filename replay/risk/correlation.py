"""Pearson's correlation, of prices that may be missing and of profits."""

import math

import numpy as np

from replay.risk.figure import Figure, Floats, Unknown, too_few
from replay.risk.ratios import RETURNS_MIN, do_not_vary

Matrix = list[list[Figure]]


def correlation(one: Floats, other: Floats) -> Figure:
    """Of two series of the same periods, within -1 and 1."""
    if len(one) < RETURNS_MIN:
        return too_few(len(one), RETURNS_MIN)
    if do_not_vary(one) or do_not_vary(other):
        return Unknown("one of both does not vary")
    one, other = one - np.mean(one), other - np.mean(other)
    # Scaled first: squares of tiny numbers would vanish.
    one, other = one / np.abs(one).max(), other / np.abs(other).max()
    spread = math.sqrt(float(np.sum(np.square(one)))) * math.sqrt(float(np.sum(np.square(other))))
    return max(-1.0, min(1.0, float(np.sum(one * other)) / spread))


def price_correlations(closes: Floats) -> Matrix:
    """Of the returns of prices [period, instrument], NaN where an instrument had no price.

    For each pair only the periods count in which both have a price; a return is from one such period to the next.
    """
    count = closes.shape[1]
    priced = ~np.isnan(closes)
    matrix: Matrix = [[1.0] * count for _ in range(count)]
    for one in range(count):
        for other in range(one, count):
            both = closes[priced[:, one] & priced[:, other]][:, [one, other]]
            returns = both[1:] / both[:-1] - 1.0
            matrix[one][other] = matrix[other][one] = _same_or(one == other, returns)
    return matrix


def series_correlations(series: Floats) -> Matrix:
    """Of the columns of [period, series]."""
    count = series.shape[1]
    pairs = [[series[:, [one, other]] for other in range(count)] for one in range(count)]
    return [[_same_or(one == other, pairs[one][other]) for other in range(count)] for one in range(count)]


def _same_or(is_same: bool, pair: Floats) -> Figure:
    """Exactly 1 with itself, where it can be computed at all."""
    figure = correlation(pair[:, 0], pair[:, 1])
    return 1.0 if is_same and not isinstance(figure, Unknown) else figure
