"""Bars from candles that are sent again with every trade: one is closed when the next one begins."""

from collections.abc import Callable
from typing import NamedTuple


class Candle(NamedTuple):
    """A minute as it stands; prices are open, high, low, close."""

    opened_ns: int
    prices_ticks: tuple[int, int, int, int]
    volume_lots: int


class Candles:
    """The candle that is open of each instrument."""

    def __init__(self, closed: Callable[[int, Candle], None]) -> None:
        self._closed = closed
        self._open: dict[int, Candle] = {}

    def take(self, instrument: int, candle: Candle) -> None:
        """A candle's newest state; one of an earlier minute than the open one says nothing new."""
        open_one = self._open.get(instrument)
        if open_one is not None:
            if candle.opened_ns < open_one.opened_ns:
                return
            if candle.opened_ns > open_one.opened_ns:
                self._closed(instrument, open_one)
        self._open[instrument] = candle

    def forget(self) -> None:
        """After a gap nobody knows how the open ones went on."""
        self._open.clear()
