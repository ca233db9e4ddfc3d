"""LEAN's published cases: their numbers, their data as event records, and a strategy's run on them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from adapters.configuration import Configuration, parse_configuration
from adapters.market_data import MarketData
from engine.kinds import EventKind
from engine.records import BAR, EVENT, QUOTE
from engine.state import STATE
from tests.golden.runs import FOLDER, Tape, record
from tests.golden.strategies.scripted import ENTRY
from tests.support import shared_data

DATA = "lean/Data/"
NEW_YORK_OPENS_S, NEW_YORK_CLOSES_S = 13 * 3600 + 1800, 20 * 3600  # 09:30 and 16:00 in summer time, UTC
NS = 1_000_000_000

_CONFIGURATION = """
[run]
name = "lean"

[[accounts]]
name = "main"
kind = "{kind}"
currency = "{currency}"
balance = "{balance}"

[[instruments]]
account = "main"
{instrument}

[[strategies]]
name = "scripted"
form = "python"
entry = "{entry}"
"""

_SOURCE = """
[[data]]
instrument = "{symbol}"
path = "{path}"
profile = "lean"
off_tick = "round"
{more}
"""


def statistics(name: str) -> Mapping[str, Decimal]:
    """The published statistics of a case that are amounts or counts, by LEAN's names."""
    cases = json.loads(shared_data("expected/lean_expected_statistics.json").read_text())["cases"]
    published = next(case for case in cases if case["name"] == name)["statistics"]
    return {key: Decimal(published[key].lstrip("$")) for key in ("Total Orders", "End Equity", "Total Fees")}


def cents(value: Decimal) -> Decimal:
    return round(value, 2)


def lean_configuration(
    instrument: str,
    sources: Iterable[tuple[str, str]],
    kind: str = "margin",
    balance: str = "100000",
    currency: str = "USD",
) -> Configuration:
    """One account and one instrument (TOML lines with its symbol first), with sources (path in DATA, TOML lines)."""
    text = _CONFIGURATION.format(kind=kind, currency=currency, balance=balance, instrument=instrument, entry=ENTRY)
    symbol = instrument.split('"')[1]
    for path, more in sources:
        text += _SOURCE.format(symbol=symbol, path=_found(path), more=more)
    return parse_configuration(text, FOLDER / "lean.toml")


def _found(path: str) -> Path:
    """The shared file or glob; skips the test where the folder has none."""
    folder = shared_data(DATA + str(Path(path).parent))
    return folder / Path(path).name


def market_of(configuration: Configuration) -> np.ndarray:
    """All market records. LEAN fills whatever the displayed size, so the sizes of quotes are left out."""
    rows = np.concatenate(list(MarketData(configuration).chunks()))
    quotes = rows["kind"] == EventKind.QUOTE
    for side in ("bid_lots", "ask_lots"):
        rows.view(QUOTE)[side][quotes] = 0
    return rows


def in_trading_hours(rows: np.ndarray) -> np.ndarray:
    """The bars and quotes that end within New York's trading hours, in summer time."""
    seconds = rows["ts_ns"] // NS % 86_400
    return rows[(seconds > NEW_YORK_OPENS_S) & (seconds <= NEW_YORK_CLOSES_S)]


def adjusted(rows: np.ndarray, symbol: str, day: str) -> np.ndarray:
    """The rows with their prices times the factor of the first line of LEAN's factor file from `day` (yyyymmdd) on."""
    lines = shared_data(f"{DATA}equity/usa/factor_files/{symbol}.csv").read_text().split()
    line = next(line.split(",") for line in lines if line.split(",")[0] >= day)
    factor = int(Decimal(line[1]) * Decimal(line[2]) * 10**7)
    found = rows.copy()
    for kind, dtype, names in (
        (EventKind.QUOTE, QUOTE, ("bid_ticks", "ask_ticks")),
        (EventKind.BAR, BAR, ("open_ticks", "high_ticks", "low_ticks", "close_ticks")),
    ):
        of_kind = found["kind"] == kind
        for name in names:
            ticks = found.view(dtype)[name]
            ticks[of_kind] = (ticks[of_kind] * factor + 5 * 10**6) // 10**7
    return found


@dataclass(frozen=True)
class Result:
    """What a run came to: counts, and money of account 0 as decimals."""

    tape: Tape
    orders: int
    fills: int
    fees: Decimal
    funding: Decimal
    equity: Decimal
    held_lots: int

    @property
    def prices_ticks(self) -> list[int]:
        fills = self.tape.events[self.tape.events["kind"] == EventKind.ORDER_FILLED]
        return [int(row["payload"][2]) for row in fills]


def trade(configuration: Configuration, rows: np.ndarray) -> Result:
    """Run the scripted strategy over the rows; no signal may be refused and no order rejected."""
    tape = record(configuration, [rows.view(np.uint8)], start_ns=int(rows["ts_ns"][0]))
    state: Any = tape.outcome.state.view(STATE)[0]
    assert state.refusals == state.events_refused == 0
    assert EventKind.ORDER_REJECTED not in tape.kinds
    account = state.accounts[0]
    unit = Decimal(1).scaleb(-int(account.money_decimals))
    return Result(
        tape=tape,
        orders=tape.outcome.orders,
        fills=tape.outcome.fills,
        fees=int(account.fees_units) * unit,
        funding=int(account.funding_units) * unit,
        equity=int(account.equity_units) * unit,
        held_lots=int(state.positions[0, 0].quantity_lots),
    )


def daily_filled_forward(rows: np.ndarray, kind: EventKind, first_ns: int, last_ns: int) -> np.ndarray:
    """Rows of one kind with one for every day: where a day has none, the one before it once more, at that day's end."""
    day_ns = 86_400 * NS
    rows = rows[rows["kind"] == kind]
    first_ns = max(first_ns, int(rows["ts_ns"][0]))
    days = first_ns + day_ns * np.arange((last_ns - first_ns) // day_ns + 1)
    filled = rows[np.searchsorted(rows["ts_ns"], days, side="right") - 1].copy()
    filled["ts_ns"] = days
    filled["ts_exchange_ns"] = days - day_ns
    return filled


def merged(*streams: np.ndarray) -> np.ndarray:
    """Streams in order of time, ties in the order given."""
    rows = np.concatenate(streams)
    assert rows.dtype == EVENT
    return rows[np.argsort(rows["ts_ns"], kind="stable")]
