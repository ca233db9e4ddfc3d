"""What the positions that are held would come to if prices moved: by given shocks, and as they once did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from replay.risk.figure import Floats, Unknown
from replay.risk.returns import HOUR_NS, MINUTE_NS, Closes
from replay.sampling import DAY_NS

# Every price at once, both ways: what is long loses by one half of them, what is short by the other.
STANDARD_SHOCKS = tuple(Decimal(percent) / 100 for percent in (-5, -10, -20, -40, 5, 10, 20, 40))
WINDOWS_NS = (MINUTE_NS, HOUR_NS, DAY_NS, 7 * DAY_NS)
WINDOWS_SHOWN = 3


def shocked(worths: Mapping[int, Decimal], shocks: Mapping[int, Decimal]) -> Decimal:
    """The profit of signed worths by instrument when the price of each moves by its fraction, if it has one."""
    return sum((worth * shocks.get(number, Decimal(0)) for number, worth in worths.items()), Decimal(0))


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the tape, from the close of one sample to that of another, and what it would do.

    `moves` are the fractions by which the price of each held instrument moved.
    """

    length_ns: int
    start_ts_ns: int
    end_ts_ns: int
    profit: float
    moves: dict[int, float]


def worst_windows(closes: Closes, worths: Mapping[int, Decimal]) -> list[Window] | Unknown:
    """For each length of window that the tape holds, the few with the largest losses that do not overlap.

    `closes` are those of every sample of the tape. Prices count at the end of samples only: what happened within one
    is not seen.
    """
    if not worths:
        return Unknown("no position is held")
    prices = closes.carried()[:, list(worths)]
    if np.isnan(prices[-1:]).any():
        return Unknown("no price of all that is held")
    amounts = np.array([float(worth) for worth in worths.values()])
    found = []
    for length_ns in (length for length in WINDOWS_NS if length >= closes.length_ns):
        steps = length_ns // closes.length_ns
        moves = prices[steps:] / prices[:-steps] - 1.0
        profits = moves @ amounts
        for start in _worst(profits, steps):
            start_ts_ns = (closes.first + start + 1) * closes.length_ns
            by_number = dict(zip(worths, moves[start].tolist(), strict=True))
            found.append(Window(length_ns, start_ts_ns, start_ts_ns + length_ns, float(profits[start]), by_number))
    return found or Unknown("no window of the tape brings a loss")


def _worst(profits: Floats, steps: int) -> Sequence[int]:
    """Where the largest losses start, each at least `steps` away from the others."""
    chosen: list[int] = []
    for start in np.argsort(profits, kind="stable").tolist():
        if not profits[start] < 0 or len(chosen) == WINDOWS_SHOWN:
            break
        if all(abs(start - other) >= steps for other in chosen):
            chosen.append(start)
    return chosen
