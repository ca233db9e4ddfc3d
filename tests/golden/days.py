"""Days that markets remember, traded with every protection on: their data, their runs, and what was decided.

The strategy says what a test tells it to. Requests reach the exchange at once, so a signal on a bar is filled at that
bar's close, a stop within a bar at its trigger, or at the bar's open where that lies beyond.
"""

import csv
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from adapters.configuration import parse_configuration
from adapters.market_data import MarketData
from adapters.report.amounts import time_text
from adapters.strategies.interface import Signals
from engine.kinds import BracketChange, DecisionKind, EventKind, FillFlag, OrderRole, SizeLimit
from engine.reasons import Reason
from engine.records import BRACKET_DECISION, BREAKER_DECISION, EVENT, FILL, REFUSAL, RISK_LEVEL_DECISION, SIZED
from engine.state import DEFAULT_LIMITS, state_layout
from replay.names import read_names
from replay.refold import refold
from tests.golden.runs import FOLDER, Tape, record
from tests.golden.strategies.scripted import ENTRY, script
from tests.support import shared_data

PPM = 1_000_000
_TIME = "%Y-%m-%dT%H:%M:%SZ"
SPY = "lean/Data/equity/usa/hour/spy.zip"
ETC = "freqtrade/ETC_BTC-5m.feather"

STRATEGY = f"""
[[strategies]]
name = "scripted"
form = "python"
entry = "{ENTRY}"
"""


class Bar(NamedTuple):
    """A bar as the file has it, prices in ticks; `closes` is when it is known, in UTC."""

    closes: str
    open: int
    high: int
    low: int
    close: int


class Fill(NamedTuple):
    seq: int
    time: str
    role: str
    side: str
    lots: int
    ticks: int


class Trip(NamedTuple):
    seq: int
    time: str
    breaker: str
    limit: int
    observed: int


class Refused(NamedTuple):
    seq: int
    time: str
    reason: str
    limit: int
    observed: int


class Sized(NamedTuple):
    seq: int
    wanted: int
    lots: int
    bound_by: str
    equity_units: int


@dataclass(frozen=True)
class Day:
    """A run and what it left on the tape."""

    tape: Tape
    state: Any
    names: Any

    def time(self, seq: int) -> str:
        return time_text(int(self.tape.events["ts_ns"][seq - 1]))

    def decided(self, kind: DecisionKind, dtype: np.dtype) -> Iterable[Any]:
        return self.tape.decisions[self.tape.decisions["kind"] == kind].view(dtype)

    @property
    def trips(self) -> list[Trip]:
        return [
            Trip(int(d.seq), self.time(d.seq), self.names.breaker(int(d.breaker)), int(d.limit), int(d.observed))
            for d in self.decided(DecisionKind.BREAKER_TRIPPED, BREAKER_DECISION)
        ]

    @property
    def refused(self) -> list[Refused]:
        return [
            Refused(int(d.seq), self.time(d.seq), Reason(d.reason).name, int(d.limit), int(d.observed))
            for d in self.decided(DecisionKind.REFUSAL, REFUSAL)
        ]

    @property
    def sized(self) -> list[Sized]:
        return [
            Sized(
                int(d.seq), int(d.wanted_lots), int(d.quantity_lots), SizeLimit(d.size_limit).name, int(d.equity_units)
            )
            for d in self.decided(DecisionKind.ORDER_SIZED, SIZED)
        ]

    @property
    def levels(self) -> list[tuple[int, str, int, int, int]]:
        """(event, time, new level, limit, observed) of every move of a risk level."""
        return [
            (int(d.seq), self.time(d.seq), int(d.risk_level), int(d.limit), int(d.observed))
            for d in self.decided(DecisionKind.RISK_LEVEL_CHANGED, RISK_LEVEL_DECISION)
        ]

    @property
    def closings(self) -> list[str]:
        """Why each bracket was closed."""
        return [
            Reason(d.reason).name
            for d in self.decided(DecisionKind.BRACKET_CHANGED, BRACKET_DECISION)
            if d.bracket_change == BracketChange.CLOSED
        ]

    @property
    def fills(self) -> list[Fill]:
        roles = {int(order.order): OrderRole(order.order_role).name.lower() for order in self.state.orders}
        filled = self.tape.events[self.tape.events["kind"] == EventKind.ORDER_FILLED].view(FILL)
        seqs = np.flatnonzero(self.tape.events["kind"] == EventKind.ORDER_FILLED) + 1
        return [
            Fill(
                int(seq),
                self.time(seq),
                roles[int(fill.order)],
                "sell" if fill.fill_flags & FillFlag.SELL else "buy",
                int(fill.quantity_lots),
                int(fill.price_ticks),
            )
            for seq, fill in zip(seqs, filled, strict=True)
        ]

    def market_seq(self, time: str) -> int:
        """The event of the market record that is known at `time`."""
        is_market = self.tape.events["kind"] <= EventKind.MARK_PRICE
        return next(int(seq) + 1 for seq in np.flatnonzero(is_market) if self.time(seq + 1) == time)

    @property
    def trades(self) -> int:
        return int(self.state.positions[0, 0].trades)

    @property
    def equity_units(self) -> int:
        return int(self.state.accounts[0].equity_units)


def play_day(text: str, says: Callable[[str, Any], Signals]) -> Day:
    """Trade a configuration (TOML without its strategy); `says` is told the time (UTC) and the bar."""
    configuration = parse_configuration(text + STRATEGY, FOLDER / "day.toml")
    rows = np.concatenate(list(MarketData(configuration).chunks()))
    with script(on_bar=lambda bar: says(time_text(int(bar.ts_ns)), bar)):
        tape = record(configuration, [rows.view(np.uint8)], start_ns=int(rows.view(EVENT)["ts_ns"][0]))
    with tape.journal.read() as reader:
        names, folded = read_names(reader), refold(reader, compare=True)
    assert folded.state_digest == tape.outcome.state_digest
    return Day(tape, folded.state.view(state_layout(DEFAULT_LIMITS))[0], names)


def spy_bars(first: str, last: str) -> list[Bar]:
    """Hourly bars of SPY whose day (yyyymmdd) lies in [first, last], in cents, by hand from LEAN's file."""
    with zipfile.ZipFile(shared_data(SPY)) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    found = []
    for stamp, *prices, _ in csv.reader(io.StringIO(text)):
        if first <= stamp[:8] <= last:
            opens = datetime.strptime(stamp, "%Y%m%d %H:%M").replace(tzinfo=ZoneInfo("America/New_York"))
            closes = (opens.astimezone(UTC) + timedelta(hours=1)).strftime(_TIME)
            found.append(Bar(closes, *(_whole(Decimal(price) / 100) for price in prices)))
    return found


def etc_bars(first: str, last: str) -> list[Bar]:
    """Five-minute bars of ETC/BTC that open in [first, last) (UTC), in 10^-8 BTC, from freqtrade's file."""
    found = []
    for opens, *prices in pl.read_ipc(shared_data(ETC)).select("date", "open", "high", "low", "close").iter_rows():
        if first <= opens.strftime(_TIME) < last:
            closes = (opens + timedelta(minutes=5)).strftime(_TIME)
            found.append(Bar(closes, *(_whole(Decimal(price) * 10**8) for price in prices)))
    return found


def _whole(ticks: Decimal) -> int:
    """The nearest tick, a half to the even one."""
    return int(ticks.to_integral_value(ROUND_HALF_EVEN))


def epoch_s(time: str) -> int:
    return int(datetime.strptime(time, _TIME).replace(tzinfo=UTC).timestamp())


def jumps(bars: Sequence[Bar], window_s: int) -> Iterator[tuple[str, int]]:
    """(time, figure in ppm) of a price jump at each bar: its close against the extremes of the window and the last."""
    number, running, last = 0, (0, 0), None
    for bar in bars:
        if epoch_s(bar.closes) // window_s == number:
            running = (min(running[0], bar.low), max(running[1], bar.high))
        else:
            last = running if epoch_s(bar.closes) // window_s == number + 1 else None
            number, running = epoch_s(bar.closes) // window_s, (bar.low, bar.high)
        low = min(running[0], last[0]) if last else running[0]
        high = max(running[1], last[1]) if last else running[1]
        yield bar.closes, max((bar.close - low) * PPM // low, (high - bar.close) * PPM // high)


class Moment(NamedTuple):
    """The account after an event, and what its position has cost; `day_units` is the equity that its day began with."""

    seq: int
    time: str
    equity_units: int
    peak_units: int
    day_units: int
    held_lots: int
    cost_units: int
    worth_units: int


def account(day: Day, bars: Sequence[Bar], deposit_units: int, unit: int, fee_ppm: int) -> list[Moment]:
    """The account after each bar and fill, in plain sums: `unit` is the money of a tick of a lot."""
    events: list[tuple[int, Bar | Fill]] = [(day.market_seq(bar.closes), bar) for bar in bars]
    events += [(fill.seq, fill) for fill in day.fills]
    cash = equity = peak = first = deposit_units
    held = cost = mark = 0
    today = ""
    found = []
    for seq, event in sorted(events, key=lambda pair: pair[0]):
        time = event.closes if isinstance(event, Bar) else event.time
        if time[:10] != today:
            today, first = time[:10], equity
        if isinstance(event, Bar):
            mark = event.close
        else:
            lots = event.lots if event.side == "buy" else -event.lots
            worth = lots * event.ticks * unit
            cash -= worth - (-abs(worth) * fee_ppm // PPM)
            cost = cost + worth if lots > 0 else cost - cost * -lots // held
            held += lots
        equity = cash + held * mark * unit
        peak = max(peak, equity)
        found.append(Moment(seq, time, equity, peak, first, held, cost, held * mark * unit))
    return found


def first_reached(moments: Iterable[tuple[int, int]], limit: int) -> tuple[int, int]:
    """The first (event, figure) at which a figure reaches its limit."""
    return next((seq, figure) for seq, figure in moments if figure >= limit)


def drawdowns(moments: Iterable[Moment]) -> Iterator[tuple[int, int]]:
    return ((m.seq, (m.peak_units - m.equity_units) * PPM // m.peak_units) for m in moments)


def daily_losses(moments: Iterable[Moment]) -> Iterator[tuple[int, int]]:
    return ((m.seq, max(0, m.day_units - m.equity_units) * PPM // m.day_units) for m in moments)
