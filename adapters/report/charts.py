"""The series of a report's charts: thinned to what a screen can show, with the fills as markers."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adapters.report.tables import Tables

POINTS_MAX = 5_000
POINTS_MAX_ON_PAGE = 60_000
POINTS_MIN = 500
MARKERS_MAX = 2_000

Json = dict[str, Any]
Int64s = NDArray[np.int64]


def chart_data(tables: Tables, incidents: Sequence[Mapping[str, Any]] = ()) -> Json:
    """What the page's script draws: `equity` by currency, `prices` by instrument. Times are seconds since 1970.

    Of the `incidents` the breakers that tripped are marked.
    """
    trips = [entry for entry in incidents if entry["kind"] == "breaker_tripped"]
    symbols = tables.prices["instrument"].unique(maintain_order=True).to_list()
    points = min(POINTS_MAX, max(POINTS_MIN, POINTS_MAX_ON_PAGE // max(1, len(symbols))))
    equity = [_equity(tables.equity, currency, trips) for currency in _currencies(tables.equity)]
    prices = [_prices(tables, symbol, points, trips) for symbol in symbols]
    steps = np.diff(_ns(tables.equity["bucket"].unique().sort()))
    return {
        "equity": equity,
        "prices": prices,
        "seconds_visible": bool(len(steps) and steps.min() < 60_000_000_000),
    }


def equity_by_currency(equity: pl.DataFrame, currency: str) -> pl.DataFrame:
    """bucket, equity and deposits (numbers, for drawing) of all accounts of a currency together."""
    scale = pl.lit(10.0).pow(pl.col("money_decimals"))
    return (
        equity.filter(pl.col("currency") == currency)
        .group_by("bucket")
        .agg(
            (pl.col("equity_units") / scale).sum().alias("equity"),
            (pl.col("deposits_units") / scale).sum().alias("deposits"),
        )
        .sort("bucket")
    )


def _currencies(equity: pl.DataFrame) -> list[str]:
    return equity["currency"].unique(maintain_order=True).to_list()


def _ns(times: pl.Series) -> Int64s:
    return times.cast(pl.Int64).to_numpy()


def _seconds(times_ns: Int64s) -> list[float]:
    """Whole seconds as integers, finer times with their fraction."""
    if len(times_ns) == 0 or not np.any(times_ns % 1_000_000_000):
        return (times_ns // 1_000_000_000).tolist()  # type: ignore[no-any-return]
    return (times_ns / 1e9).tolist()  # type: ignore[no-any-return]


def _groups(count: int, points: int) -> Int64s:
    """The first row of each group when `count` rows are merged into at most `points`."""
    return np.arange(0, count, max(1, -(-count // points)), dtype=np.int64)


def _last_of(firsts: Int64s, count: int) -> Int64s:
    return np.append(firsts[1:], count) - 1 if count else firsts


def _digits(tick_size: str) -> int:
    exponent = Decimal(tick_size).normalize().as_tuple().exponent
    return max(0, -int(exponent))


def _rounded(values: NDArray[np.float64], digits: int) -> list[float]:
    return np.round(values, digits).tolist()  # type: ignore[no-any-return]


def _equity(equity: pl.DataFrame, currency: str, trips: Sequence[Mapping[str, Any]]) -> Json:
    frame = equity_by_currency(equity, currency)
    values, deposits = frame["equity"].to_numpy(), frame["deposits"].to_numpy()
    profit = values - deposits
    peak = np.maximum(np.maximum.accumulate(profit), 0.0) if len(profit) else profit
    base = peak + deposits
    drawdown = -100.0 * np.divide(peak - profit, base, out=np.zeros_like(base), where=base > 0)
    firsts = _groups(len(values), POINTS_MAX)
    lasts = _last_of(firsts, len(values))
    digits = 2 if len(values) == 0 or np.abs(values).max() >= 100 else 6
    times = _ns(frame["bucket"])[firsts]
    return {
        "name": currency,
        "digits": digits,
        "times": _seconds(times),
        "trips": _trips(trips, times),
        "equity": _rounded(values[lasts], digits),
        "drawdown": _rounded(np.minimum.reduceat(drawdown, firsts) if len(firsts) else drawdown, 4),
    }


def _prices(tables: Tables, symbol: str, points: int, trips: Sequence[Mapping[str, Any]]) -> Json:
    frame = tables.prices.filter(pl.col("instrument") == symbol)
    tick_size = frame["tick_size"][0]
    digits = _digits(tick_size)
    firsts = _groups(len(frame), points)
    columns = {name: frame[name].to_numpy() for name in ("open", "high", "low", "close")}
    times = _ns(frame["bucket"])[firsts]
    markers = _markers(tables.fills.filter(pl.col("instrument") == symbol), times)
    is_line = bool(np.mean(columns["high"] > columns["low"]) < 0.2) and len(firsts) == len(frame)
    return {
        "name": symbol,
        "digits": digits,
        "tick": float(tick_size),
        "is_line": is_line,
        "times": _seconds(times),
        "open": _rounded(columns["open"][firsts], digits),
        "high": _rounded(np.maximum.reduceat(columns["high"], firsts), digits),
        "low": _rounded(np.minimum.reduceat(columns["low"], firsts), digits),
        "close": _rounded(columns["close"][_last_of(firsts, len(frame))], digits),
        "trips": _trips([trip for trip in trips if trip["symbol"] in (symbol, None)], times),
        "markers": markers[:MARKERS_MAX],
        "markers_left_out": max(0, len(markers) - MARKERS_MAX),
    }


def _rows(moments_ns: Int64s, times: Int64s) -> list[int]:
    """The drawn row that each moment belongs to: a bucket holds its end, not its start."""
    return np.clip(np.searchsorted(times, moments_ns, side="left") - 1, 0, None).tolist()  # type: ignore[no-any-return]


def _trips(trips: Sequence[Mapping[str, Any]], times: Int64s) -> list[Json]:
    rows = _rows(np.array([trip["ts_ns"] for trip in trips], dtype=np.int64), times)
    return [
        {"row": row, "name": trip["name"], "text": trip["text"].partition(";")[0]}
        for row, trip in zip(rows, trips[:MARKERS_MAX], strict=False)
    ]


def _markers(fills: pl.DataFrame, times: Int64s) -> list[Json]:
    """A marker for the buys and one for the sells of each drawn row, with stops and targets apart."""
    found: dict[tuple[int, bool, str], list[tuple[str, str]]] = {}
    columns = (fills[name].to_list() for name in ("side", "role", "quantity", "price"))
    for row, side, role, quantity, price in zip(_rows(_ns(fills["time"]), times), *columns, strict=True):
        leg = role if role in ("stop", "target") else ""
        found.setdefault((row, side == "buy", leg), []).append((quantity, price))
    return [
        {"row": row, "is_buy": is_buy, "leg": leg, "text": _marker_text(is_buy, leg, fills_of_row)}
        for (row, is_buy, leg), fills_of_row in sorted(found.items())
    ]


def _marker_text(is_buy: bool, leg: str, fills: Sequence[tuple[str, str]]) -> str:
    side = f"{leg} {'buys' if is_buy else 'sells'}" if leg else "buy" if is_buy else "sell"
    if len(fills) == 1:
        return f"{side} {fills[0][0]} at {fills[0][1]}"
    total = sum((Decimal(quantity) for quantity, _ in fills), Decimal(0))
    return f"{side} {total.normalize():f} in {len(fills)} fills"
