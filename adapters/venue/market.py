"""The market as the venue shows it: the latest quote and mark, recent trades and bars of each instrument."""

import struct
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.kinds import EventKind
from engine.records import EVENT_BYTES

RECENT_TRADES = 1_000
RECENT_BARS = 1_500

_EVENT = struct.Struct("<qqBBHHHqqqqq")
assert _EVENT.size == EVENT_BYTES


class Quote(NamedTuple):
    """Best bid and ask; `sequence` counts the market updates of the venue."""

    instrument: int
    ts_ns: int
    bid_ticks: int
    ask_ticks: int
    bid_lots: int
    ask_lots: int
    sequence: int


class Trade(NamedTuple):
    """A public trade; `aggressor` is an `engine.kinds.Aggressor`."""

    instrument: int
    ts_ns: int
    price_ticks: int
    quantity_lots: int
    trade_id: int
    aggressor: int


class Bar(NamedTuple):
    """A bar that is closed, at `ts_ns`."""

    instrument: int
    opened_ns: int
    ts_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int


class Mark(NamedTuple):
    """The mark and index price; `index_ticks` is 0 where none is known."""

    instrument: int
    ts_ns: int
    mark_ticks: int
    index_ticks: int


MarketUpdate = Quote | Trade | Bar | Mark


@dataclass(slots=True)
class MarketView:
    """What anybody may know of an instrument; None or empty until the feed has said something.

    `bar_opened_ns` is when the bar opened that is not closed yet.
    """

    bar_opened_ns: int
    quote: Quote | None = None
    mark: Mark | None = None
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=RECENT_TRADES))
    bars: deque[Bar] = field(default_factory=lambda: deque(maxlen=RECENT_BARS))

    @property
    def mark_ticks(self) -> int:
        """The mark price, else the middle of the book, else the last trade's, else the last close, else 0."""
        if self.mark is not None:
            return self.mark.mark_ticks
        if self.quote is not None:
            return (self.quote.bid_ticks + self.quote.ask_ticks) // 2
        if self.trades:
            return self.trades[-1].price_ticks
        return self.bars[-1].close_ticks if self.bars else 0

    def take(self, update: MarketUpdate) -> None:
        if isinstance(update, Quote):
            self.quote = update
        elif isinstance(update, Trade):
            self.trades.append(update)
        elif isinstance(update, Bar):
            self.bars.append(update)
            # Bars are told apart by the millisecond of their opening.
            self.bar_opened_ns = max(update.ts_ns, update.opened_ns + 1_000_000)
        else:
            self.mark = update


def read_update(row: NDArray[np.uint8], sequence: int) -> MarketUpdate | None:
    """What a market record (64 bytes of an event) says; None for one that the public is not told, such as funding."""
    ts_ns, ts_exchange_ns, kind, detail, _, number, _, a, b, c, d, e = _EVENT.unpack(row.data)
    if kind == EventKind.QUOTE:
        return Quote(number, ts_ns, a, b, c, d, sequence)
    if kind == EventKind.TRADE:
        return Trade(number, ts_ns, a, b, c or sequence, detail)
    if kind == EventKind.BAR:
        return Bar(number, ts_exchange_ns, ts_ns, a, b, c, d, e)
    if kind == EventKind.MARK_PRICE:
        return Mark(number, ts_ns, a, b)
    return None
