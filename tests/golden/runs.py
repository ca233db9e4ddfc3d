"""Small runs of the whole path on a journal in memory, and what they leave on the tape."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from adapters.configuration import Configuration, parse_configuration
from adapters.journal import Document, JournalWriter, MemoryJournal
from adapters.market_data import MarketData
from engine.kinds import EventKind
from engine.records import COMMAND, EVENT, EVENT_BYTES, QUOTE, TRADE
from engine.state import DEFAULT_LIMITS, Limits
from replay.backtest import backtest_manifest
from replay.opening import opening_events
from replay.session import Outcome
from replay.setup import build_session
from replay.workloads import START_NS, bars, ticks
from tests.golden.strategies.scripted import ENTRY as SCRIPTED
from tests.support import ROOT

FOLDER = Path(__file__).resolve().parent
MS = 1_000_000

# What strategies are called in these tests, and their entries in both forms.
ENTRIES = {
    "ema": ("adapters.strategies.ema_cross", "adapters.strategies.ema_cross:EmaCross"),
    "ladder": ("strategies/ladder.py", "strategies/ladder.py:Ladder"),
    "flood": ("strategies/flood.py", ""),
    "scripted": ("", SCRIPTED),
    "second": ("", SCRIPTED),
}

LATENCY = '[exchange]\nlatency_in = "30ms"\nlatency_out = "70ms"\n'

_ACCOUNT = """
[[accounts]]
name = "main"
kind = "margin"
currency = "USDT"
balance = "10000000"
"""

_INSTRUMENT = """
[[instruments]]
symbol = "{symbol}/USDT:USDT"
account = "main"
kind = "linear"
tick_size = "0.1"
lot_size = "0.001"
maker_fee_bps = "1"
taker_fee_bps = "2"
margin_initial = "0.05"
order_quantity = "1"
"""

_STRATEGY = """
[[strategies]]
name = "{name}"
form = "{form}"
entry = "{entry}"
"""


@dataclass(frozen=True)
class Tape:
    """What a run left: its outcome, all events and decisions, the state digest of each block, the documents."""

    outcome: Outcome
    events: np.ndarray
    decisions: np.ndarray
    blocks: tuple[tuple[int, int, bytes], ...]
    documents: Mapping[int, Document]
    journal: MemoryJournal

    @property
    def digests(self) -> tuple[str, str]:
        return self.outcome.state_digest, self.outcome.command_digest

    @property
    def kinds(self) -> list[EventKind]:
        return [EventKind(kind) for kind in self.events["kind"].tolist()]


def configuration(
    form: str,
    strategies: Mapping[str, Mapping[str, Any]],
    symbols: Sequence[str] = ("BTC",),
    more: str = "",
    timer_interval: str | None = None,
    block_events: int = 65_536,
    snapshot_every_events: int = 1_000_000,
) -> Configuration:
    """A configuration of `strategies` (of ENTRIES, with their parameters), all in one form; `more` is TOML."""
    text = '[run]\nname = "small"\n'
    if timer_interval:
        text += f'timer_interval = "{timer_interval}"\n'
    text += f"[journal]\nblock_events = {block_events}\nsnapshot_every_events = {snapshot_every_events}\n{_ACCOUNT}"
    text += "".join(_INSTRUMENT.format(symbol=symbol) for symbol in symbols)
    for name, parameters in strategies.items():
        text += strategy_text(name, form, ENTRIES[name][form == "python"], parameters)
    return parse_configuration(text + more, FOLDER / "small.toml")


def strategy_text(name: str, form: str, entry: str, parameters: Mapping[str, Any]) -> str:
    text = _STRATEGY.format(name=name, form=form, entry=entry)
    if parameters:
        text += "[strategies.parameters]\n"
        text += "".join(f"{key} = {value!r}\n" for key, value in parameters.items())
    return text


def demo(name: str, form: str) -> Configuration:
    """A configuration of the demonstration with its EMA crossing in the form asked for."""
    path = ROOT / "demo" / f"{name}.toml"
    compiled, python = ENTRIES["ema"]
    text = path.read_text()
    if form == "python":
        text = text.replace('form = "compiled"', 'form = "python"').replace(f'"{compiled}"', f'"{python}"')
    return parse_configuration(text, path)


def demo_market(name: str, count: int) -> np.ndarray:
    """The first `count` market records of a demonstration."""
    chunks = MarketData(demo(name, "compiled")).chunks()
    return np.concatenate(list(chunks))[:count].view(np.uint8)


def trades(count: int) -> np.ndarray:
    """`count` trades, alternately at the ask and at the bid of W1, as event records."""
    quotes = ticks(count).view(QUOTE)
    rows = np.zeros(count, dtype=TRADE)
    rows["ts_ns"] = rows["ts_exchange_ns"] = quotes["ts_ns"]
    rows["kind"] = EventKind.TRADE
    rows["aggressor"] = np.arange(count) % 2 + 1
    rows["price_ticks"] = np.where(np.arange(count) % 2, quotes["bid_ticks"], quotes["ask_ticks"])
    rows["quantity_lots"] = quotes["bid_lots"] // 10
    rows["trade_id"] = np.arange(count) + 1
    return rows.view(np.uint8)


def three_markets(count: int) -> np.ndarray:
    """Quotes, bars and trades of three instruments, merged by time; the trades one tick a bar."""
    streams = [ticks(count).view(EVENT), bars(count // 100).view(EVENT), trades(count).view(EVENT)]
    for number, stream in enumerate(streams):
        stream["instrument"] = number
        stream["source"] = number
    rows = np.concatenate(streams)
    return rows[np.argsort(rows["ts_ns"], kind="stable")].view(np.uint8)


def pieces(market: np.ndarray, rows: int) -> Iterable[np.ndarray]:
    """The market records in chunks of so many rows."""
    size = rows * EVENT_BYTES
    return (market[first : first + size] for first in range(0, len(market), size))


def play(
    configuration: Configuration,
    market: Iterable[np.ndarray],
    journal: JournalWriter | None = None,
    limits: Limits = DEFAULT_LIMITS,
    start_ns: int = START_NS,
) -> Outcome:
    """The composition of a backtest on a journal that is given, or on none."""
    opening, documents = opening_events(configuration, start_ns)
    return build_session(configuration, lambda: journal, limits).run(opening, documents, iter(market))


def record(
    configuration: Configuration,
    market: Iterable[np.ndarray],
    limits: Limits = DEFAULT_LIMITS,
    start_ns: int = START_NS,
) -> Tape:
    """Run on a journal in memory and read the tape back."""
    journal = MemoryJournal()
    with journal.create(backtest_manifest(configuration, limits)) as writer:
        outcome = play(configuration, market, writer, limits, start_ns)
    return read_tape(journal, outcome)


def read_tape(journal: MemoryJournal, outcome: Outcome) -> Tape:
    with journal.read() as reader:
        blocks = [
            (block.first_seq, block.last_seq, block.state_digest, block.events.copy(), block.decisions.copy())
            for block in reader.blocks()
        ]
        documents = dict(reader.documents())
    return Tape(
        outcome=outcome,
        events=np.concatenate([block[3] for block in blocks]).view(EVENT),
        decisions=np.concatenate([block[4] for block in blocks]).view(COMMAND),
        blocks=tuple((first, last, digest) for first, last, digest, _, _ in blocks),
        documents=documents,
        journal=journal,
    )


def without_form(tape: Tape) -> bytes:
    """All events, without the hashes of the documents that name the strategies' form."""
    events = tape.events.copy()
    names_form = np.isin(events["kind"], (EventKind.CONFIGURATION_CHANGED, EventKind.STRATEGY_DEFINED))
    events["ts_exchange_ns"][names_form] = 0  # the word that is `document_hash` here
    return events.tobytes()
