"""Candles, from the bars of the feed, or from its trades where it has no bars.

The feed's bars may be of any length, and are played at any speed: as candles of a minute they are shown as they are.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from adapters.configuration import Instrument
from adapters.venue.bitfinex.numbers import amount, milliseconds, price
from adapters.venue.market import Bar, MarketUpdate, MarketView, Trade

_SHORTEST_MS = 60_000
INTERVALS_MS = {
    "1m": _SHORTEST_MS,
    "5m": 300_000,
    "15m": 900_000,
    "30m": 1_800_000,
    "1h": 3_600_000,
    "3h": 10_800_000,
    "6h": 21_600_000,
    "12h": 43_200_000,
    "1D": 86_400_000,
}


@dataclass(slots=True)
class Candle:
    """What was traded from `opened_ms` on."""

    opened_ms: int
    open_ticks: int
    close_ticks: int
    high_ticks: int
    low_ticks: int
    volume_lots: int

    def add(self, later: "Candle") -> None:
        self.close_ticks = later.close_ticks
        self.high_ticks = max(self.high_ticks, later.high_ticks)
        self.low_ticks = min(self.low_ticks, later.low_ticks)
        self.volume_lots += later.volume_lots

    def array(self, instrument: Instrument) -> list[object]:
        """[time, open, close, high, low, volume]."""
        prices = (self.open_ticks, self.close_ticks, self.high_ticks, self.low_ticks)
        return [
            self.opened_ms,
            *(price(instrument, ticks) for ticks in prices),
            amount(instrument, self.volume_lots),
        ]


class Candles:
    """The candles of one length of an instrument, newest last."""

    def __init__(self, view: MarketView, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._from_bars = bool(view.bars)
        self.all: list[Candle] = []
        updates: Iterable[MarketUpdate] = view.bars if self._from_bars else view.trades
        for update in updates:
            self.take(update)

    def take(self, update: MarketUpdate) -> Candle | None:
        """The candle that an update changes or begins, None where it is none of a candle's business."""
        piece = self._piece(update)
        if piece is None:
            return None
        if self.all and self.all[-1].opened_ms == piece.opened_ms:
            self.all[-1].add(piece)
        else:
            self.all.append(piece)
        return self.all[-1]

    def _piece(self, update: MarketUpdate) -> Candle | None:
        if isinstance(update, Bar):
            if not self._from_bars:
                self._from_bars = True
                self.all.clear()
            as_it_is = self._interval_ms == _SHORTEST_MS
            opened_ms = milliseconds(update.opened_ns) if as_it_is else self._opened_ms(update.opened_ns)
            prices = (update.open_ticks, update.close_ticks, update.high_ticks, update.low_ticks)
            return Candle(opened_ms, *prices, update.volume_lots)
        if isinstance(update, Trade) and not self._from_bars:
            return Candle(self._opened_ms(update.ts_ns), *(update.price_ticks,) * 4, update.quantity_lots)
        return None

    def _opened_ms(self, ts_ns: int) -> int:
        return milliseconds(ts_ns) // self._interval_ms * self._interval_ms
