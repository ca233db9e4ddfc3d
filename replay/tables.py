"""What was observed of a tape as tables with names instead of numbers."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from adapters.report.tables import Tables
from engine.kinds import FillFlag, OrderRole
from engine.reasons import Reason
from replay.names import Names
from replay.sampling import ACCOUNT_SAMPLE, NO_ROLE, Observation, Rows
from replay.trades import RoundTrip, average_units, rounded_ratio

Int64s = NDArray[np.int64]

_TIME = pl.Datetime("ns", "UTC")


def tables_of(observation: Observation, names: Names, trips: Sequence[RoundTrip]) -> Tables:
    """The tables of a report."""
    return Tables(
        equity=_equity(observation.accounts, names),
        prices=_prices(observation.instruments, names),
        trades=_trades(trips, names),
        fills=_fills(observation.fills, names),
    )


def _times(values: Int64s) -> pl.Series:
    return pl.Series(values, dtype=pl.Int64).cast(_TIME)


def _named(numbers: Int64s, name: Callable[[int], str]) -> pl.Series:
    """Each number's name."""
    found = {int(number): name(int(number)) for number in np.unique(numbers)}
    return pl.Series([found[number] for number in numbers.tolist()], dtype=pl.String)


def _equity(rows: Rows, names: Names) -> pl.DataFrame:
    assert ACCOUNT_SAMPLE.names is not None
    decimals = {number: name.money_decimals for number, name in names.accounts.items()}
    return pl.DataFrame(
        {
            "bucket": _times(rows["bucket_ts_ns"]),
            "time": _times(rows["ts_ns"]),
            "account": _named(rows["account"], lambda number: names.account(number).name),
            "currency": _named(rows["account"], lambda number: names.account(number).currency),
            "money_decimals": pl.Series([decimals.get(n, 0) for n in rows["account"].tolist()], dtype=pl.Int64),
            **{name: pl.Series(rows[name], dtype=pl.Int64) for name in ACCOUNT_SAMPLE.names if name.endswith("_units")},
        }
    )


def _prices(rows: Rows, names: Names) -> pl.DataFrame:
    rows = rows[rows["open_ticks"] > 0]
    sizes = {number: name.tick_size for number, name in names.instruments.items()}
    tick_sizes = np.array([float(sizes.get(number, 1)) for number in rows["instrument"].tolist()])
    return pl.DataFrame(
        {
            "bucket": _times(rows["bucket_ts_ns"]),
            "instrument": _named(rows["instrument"], lambda number: names.instrument(number).symbol),
            "tick_size": _named(rows["instrument"], lambda number: str(names.instrument(number).tick_size)),
            **{
                name: pl.Series(rows[f"{name}_ticks"] * tick_sizes, dtype=pl.Float64)
                for name in ("open", "high", "low", "close")
            },
        }
    )


def _trades(trips: Sequence[RoundTrip], names: Names) -> pl.DataFrame:
    accounts, instruments = _numbers(trips, "account"), _numbers(trips, "instrument")
    tick_sizes = {number: name.tick_size for number, name in names.instruments.items()}
    lot_sizes = {number: name.lot_size for number, name in names.instruments.items()}
    closed_ts_ns = pl.Series([trip.closed_ts_ns for trip in trips], dtype=pl.Int64)
    opened_ts_ns = pl.Series(_numbers(trips, "opened_ts_ns"))

    def money(name: str) -> pl.Series:
        return _sized(_numbers(trips, name), accounts, _units(names), digits_min=2)

    return pl.DataFrame(
        {
            "account": _named(accounts, lambda number: names.account(number).name),
            "currency": _named(accounts, lambda number: names.account(number).currency),
            "instrument": _named(instruments, lambda number: names.instrument(number).symbol),
            "strategy": _named(_numbers(trips, "strategy"), names.strategy),
            "side": _one_of(_numbers(trips, "side") > 0, "long", "short"),
            "opened": opened_ts_ns.cast(_TIME),
            "closed": closed_ts_ns.cast(_TIME),
            "holding_ns": closed_ts_ns - opened_ts_ns,
            "quantity": _sized(_numbers(trips, "quantity_max_lots"), instruments, lot_sizes),
            "entry_price": _averages(trips, "entry", instruments, tick_sizes),
            "exit_price": _averages(trips, "exit", instruments, tick_sizes),
            "gross_pnl": money("gross_units"),
            "fees": money("fees_units"),
            "funding": money("funding_units"),
            "net_pnl": money("net_units"),
            "fills": _numbers(trips, "fills"),
            "closed_by": pl.Series([", ".join(map(_reason, trip.closing_reasons)) for trip in trips], dtype=pl.String),
            "opened_seq": _numbers(trips, "opened_seq"),
            "closed_seq": pl.Series([trip.closed_seq for trip in trips], dtype=pl.Int64),
        }
    )


def _numbers(trips: Sequence[RoundTrip], name: str) -> Int64s:
    return np.array([getattr(trip, name) for trip in trips], dtype=np.int64)


def _averages(
    trips: Sequence[RoundTrip], which: str, instruments: Int64s, tick_sizes: Mapping[int, Decimal]
) -> pl.Series:
    """Average prices of entry or exit as texts, null where there was no fill yet."""
    scales = {number: average_units(tick_sizes.get(number, Decimal(1))) for number in set(instruments.tolist())}
    pairs = ((getattr(trip, f"{which}_ticks_lots"), getattr(trip, f"{which}_lots")) for trip in trips)
    units = [
        rounded_ratio(total * scales[number][0], lots) if lots else None
        for (total, lots), number in zip(pairs, instruments.tolist(), strict=True)
    ]
    sizes = {number: Decimal(1).scaleb(-decimals) for number, (_, decimals) in scales.items()}
    return _sized(pl.Series(units, dtype=pl.Int128), instruments, sizes, digits_min=2)


def _fills(rows: Rows, names: Names) -> pl.DataFrame:
    flags = rows["fill_flags"]
    in_base = flags & FillFlag.FEE_IN_BASE != 0
    tick_sizes = {number: name.tick_size for number, name in names.instruments.items()}
    lot_sizes = {number: name.lot_size for number, name in names.instruments.items()}
    fees = _sized(rows["fee"], rows["account"], _units(names), digits_min=2)
    return pl.DataFrame(
        {
            "time": _times(rows["ts_ns"]),
            "seq": rows["seq"],
            "account": _named(rows["account"], lambda number: names.account(number).name),
            "instrument": _named(rows["instrument"], lambda number: names.instrument(number).symbol),
            "strategy": _named(rows["strategy"], names.strategy),
            "order": rows["order"],
            "trade_id": rows["trade_id"],
            "side": _one_of(flags & FillFlag.SELL != 0, "sell", "buy"),
            "liquidity": _one_of(flags & FillFlag.MAKER != 0, "maker", "taker"),
            "price": _sized(rows["price_ticks"], rows["instrument"], tick_sizes),
            "quantity": _sized(rows["quantity_lots"], rows["instrument"], lot_sizes),
            "fee": _sized(rows["fee"], rows["instrument"], lot_sizes).zip_with(pl.Series(in_base), fees),
            "fee_in_base": pl.Series(in_base, dtype=pl.Boolean),
            "role": _named(rows["order_role"], _role),
            "closing_reason": _named(rows["closing_reason"], _reason),
        }
    )


def _role(number: int) -> str:
    return "" if number == NO_ROLE else OrderRole(number).name.lower()


def _reason(code: int) -> str:
    return Reason(code).name.lower() if code else ""


def _one_of(chosen: NDArray[np.bool_], if_so: str, if_not: str) -> pl.Series:
    return pl.Series(np.where(chosen, if_so, if_not).tolist(), dtype=pl.String)


def _units(names: Names) -> dict[int, Decimal]:
    """The amount of one unit of each account's money."""
    return {number: Decimal(1).scaleb(-name.money_decimals) for number, name in names.accounts.items()}


def _sized(counts: Int64s | pl.Series, numbers: Int64s, sizes: Mapping[int, Decimal], digits_min: int = 0) -> pl.Series:
    """Each count times the size that belongs to its number, as `amount_text` would write it, by whole columns."""
    frame = pl.DataFrame({"count": pl.Series(counts).cast(pl.Int128), "number": numbers}).with_row_index()
    parts = [
        part.with_columns(_point(pl.col("count"), sizes.get(int(number), Decimal(1)), digits_min).alias("text"))
        for (number,), part in frame.partition_by("number", as_dict=True).items()
    ]
    return pl.concat(parts).sort("index")["text"] if parts else pl.Series([], dtype=pl.String)


def _point(counts: pl.Expr, size: Decimal, digits_min: int) -> pl.Expr:
    """The texts of a column of counts of one size."""
    _, coefficient, exponent = size.as_tuple()
    assert isinstance(exponent, int)
    units = counts * int("".join(map(str, coefficient))) * 10 ** max(exponent, 0)
    decimals = max(-exponent, 0)
    digits = units.abs().cast(pl.String).str.zfill(decimals + 1)
    fraction = digits.str.tail(decimals).str.strip_chars_end("0").str.pad_end(digits_min, "0")
    whole = digits.str.slice(0, digits.str.len_chars() - decimals)
    sign = pl.when(units < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.when(fraction == "").then(sign + whole).otherwise(sign + whole + "." + fraction)
