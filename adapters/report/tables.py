"""The tables that a report is made from and that lie beside it as Parquet. Their columns: `docs/report.md`."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Tables:
    """`equity` by account, `prices` by instrument, `trades` and `fills`, each in order of time.

    Times are nanoseconds in UTC. Amounts are decimal texts, or exact integers where the name ends in `_units`;
    prices in `prices` are numbers, for drawing.
    """

    equity: pl.DataFrame
    prices: pl.DataFrame
    trades: pl.DataFrame
    fills: pl.DataFrame
