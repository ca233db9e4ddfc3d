"""Series of one value a period out of an observed tape: returns of equity, prices, returns of held positions.

A period is a calendar one in UTC and, like the buckets of the observation, holds its end but not its start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import polars as pl

from adapters.report.amounts import money
from replay.names import Names
from replay.risk.figure import Floats, Int64s, Unknown
from replay.sampling import DAY_NS, Observation
from replay.statistics import DAYS_A_YEAR, daily_returns

HOUR_NS = 3_600_000_000_000
MINUTE_NS = 60_000_000_000
YEAR_NS = DAYS_A_YEAR * DAY_NS

# A period is taken where the tape is longer than this many of them.
_PERIODS_MIN = 10
_PERIODS = (("day", DAY_NS), ("hour", HOUR_NS), ("minute", MINUTE_NS))


@dataclass(frozen=True, slots=True)
class Period:
    """What one return is over, and how many of them make a year."""

    name: str
    length_ns: int
    periods_per_year: float


def period_of(observation: Observation, periods_per_year: float | None = None) -> Period:
    """The longest of day, hour and minute of which more than ten fit in the tape; never shorter than a sample.

    A year has 365 days of 24 hours where `periods_per_year` does not say otherwise.
    """
    span_ns = observation.last_ts_ns - observation.first_ts_ns
    name, length_ns = next((p for p in _PERIODS if span_ns > _PERIODS_MIN * p[1]), _PERIODS[-1])
    if length_ns < observation.bucket_ns:
        name, length_ns = "sample", observation.bucket_ns
    return Period(name, length_ns, periods_per_year or YEAR_NS / length_ns)


@dataclass(frozen=True, slots=True)
class Series:
    """Values of consecutive periods, the first of which has the number `first` (periods since 1970)."""

    first: int
    values: Floats

    def between(self, first: int, end: int) -> Floats:
        """The values of the periods `first` up to but not including `end`."""
        return self.values[first - self.first : end - self.first]


def equity_returns(observation: Observation, names: Names, accounts: Sequence[int], length_ns: int) -> Series | Unknown:
    """The returns of accounts of one currency, added; a period without events returns 0.

    What is deposited in a period counts as there from its start.
    """
    rows = observation.accounts
    columns = ("bucket_ts_ns", "account", "equity_units", "deposits_units")
    last = (
        pl.DataFrame({name: rows[name] for name in columns})
        .filter(pl.col("account").is_in(list(accounts)))
        .with_columns(period=pl.col("bucket_ts_ns") // length_ns)
        .group_by("period", "account", maintain_order=True)
        .last()
        .sort("period")
    )
    ends: dict[int, tuple[Decimal, Decimal]] = {}
    for period, account, equity, deposits in last.select("period", *columns[1:]).iter_rows():
        decimals = names.account(account).money_decimals
        before = ends.get(period, (Decimal(0), Decimal(0)))
        ends[period] = (before[0] + money(equity, decimals), before[1] + money(deposits, decimals))
    returns = daily_returns([(period, *ends[period]) for period in sorted(ends)])
    if not returns:
        return Unknown("there was no money to earn on")
    return Series(min(ends), np.array(returns, dtype=np.float64))


@dataclass(frozen=True, slots=True)
class Closes:
    """The last price in ticks of each instrument in each period [period, number], NaN where it had none."""

    length_ns: int
    first: int
    ticks: Floats

    def carried(self) -> Floats:
        """With the last price where there was none; NaN only before an instrument's first."""
        rows = np.arange(len(self.ticks))[:, np.newaxis]
        last_seen = np.maximum.accumulate(np.where(np.isnan(self.ticks), 0, rows), axis=0)
        return np.take_along_axis(self.ticks, last_seen, axis=0)

    def returns(self) -> tuple[int, Floats]:
        """The number of the second period, and from there on [period, number] the move of each carried price."""
        prices = self.carried()
        return self.first + 1, prices[1:] / prices[:-1] - 1.0


def closes_of(observation: Observation, length_ns: int) -> Closes:
    """The closes of all instruments; columns are their numbers."""
    rows = observation.instruments
    seen = rows[rows["close_ticks"] > 0]
    count = 1 + max(np.flatnonzero(observation.state.instruments["defined"]).tolist(), default=-1)
    periods = seen["bucket_ts_ns"] // length_ns
    first = int(periods.min()) if len(seen) else 0
    ticks = np.full((int(periods.max()) - first + 1 if len(seen) else 0, count), np.nan)
    # In order of time: the last of a period stays.
    ticks[periods - first, seen["instrument"]] = seen["close_ticks"]
    return Closes(length_ns, first, ticks)


def position_returns(closes: Closes, weights: Mapping[int, float]) -> Series | Unknown:
    """The returns that positions would have had in each past period: the sum of weight times move.

    `weights` are signed worths by instrument, as fractions of equity. Periods before the first price of any of
    them do not count.
    """
    if not weights:
        return Unknown("no position is held")
    first, moves = closes.returns()
    moves = moves[:, list(weights)]
    known = ~np.isnan(moves).any(axis=1)
    if not known.any():
        return Unknown("no two prices of all that is held")
    start = int(np.argmax(known))
    return Series(first + start, moves[start:] @ np.array(list(weights.values())))


def strategy_profits(observation: Observation, accounts: Sequence[int], closes: Closes) -> dict[int, Floats]:
    """By strategy, what it earned in each period of `closes` after fees, held positions at their closes.

    Units of the accounts' currency, without funding; only strategies that had fills of an instrument with a price.
    Before an instrument's first close that one counts.
    """
    fills = observation.fills
    prices = closes.carried()
    profits: dict[int, Floats] = {}
    for account, number in sorted(set(zip(fills["account"].tolist(), fills["instrument"].tolist(), strict=True))):
        known = prices[:, number][~np.isnan(prices[:, number])]
        if account not in accounts or len(known) == 0:
            continue
        marks = np.concatenate([np.full(len(prices) - len(known), known[0]), known])
        own = fills[(fills["account"] == account) & (fills["instrument"] == number)]
        unit = float(observation.state.instruments[number]["tick_lot_units"])
        lots = np.diff(own["held_lots"], prepend=0)
        paid_units = lots * own["price_ticks"] * unit + np.diff(own["fees_units"], prepend=0)
        periods = np.clip((own["ts_ns"] - 1) // closes.length_ns - closes.first, 0, len(prices) - 1)
        for strategy in sorted(set(own["strategy"].tolist())):
            chosen = own["strategy"] == strategy
            held = np.cumsum(_by_period(periods[chosen], lots[chosen], len(prices)))
            paid = _by_period(periods[chosen], paid_units[chosen], len(prices))
            profits[strategy] = profits.get(strategy, 0.0) + np.diff(held * marks * unit, prepend=0.0) - paid
    return profits


def _by_period(periods: Int64s, amounts: Int64s | Floats, count: int) -> Floats:
    return np.bincount(periods, weights=amounts, minlength=count).astype(np.float64)
