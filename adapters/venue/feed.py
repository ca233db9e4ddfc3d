"""Plays market data into a venue: a configuration's files, or a seeded random walk, as fast as is asked for."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration
from adapters.market_data import MarketData
from adapters.market_data.rows import Events
from adapters.venue.core import VenueCore
from adapters.venue.random_walk import random_walk
from engine.kinds import EventKind
from engine.records import BAR, EVENT_BYTES, QUOTE

# As fast as it goes, but with room between for the venue's clients.
_PAUSE_EVENTS = 20
_BACKLOG_MAX = 10_000
_BACKLOG_PAUSE_S = 0.001
_PASS_TIME_EVERY_S = 0.2
# Files number their sources from 0; what a bar is played as comes from another one, so that the bar itself trades
# nothing a second time.
_PATH_SOURCE = 65_535

Bytes = NDArray[np.uint8]
assert QUOTE.fields is not None
_KIND_BYTE = QUOTE.fields["kind"][1]


class Feed:
    """Market records in the order of their times. `speed` 1 is as they were recorded, None as fast as it goes.

    `backlog` says how many messages a client has not taken yet: the market waits for the slowest.
    """

    def __init__(
        self,
        core: VenueCore,
        configuration: Configuration,
        speed: float | None,
        seed: int = 1,
        backlog: Callable[[], int] = lambda: 0,
    ) -> None:
        self._core = core
        self._speed = speed
        self._backlog = backlog
        has_data = bool(configuration.data)
        self._chunks: Iterator[Events] = (
            MarketData(configuration).chunks() if has_data else random_walk(configuration.instruments, seed)
        )
        finer = {section.instrument for section in configuration.data if section.kind in ("quotes", "trades", "stream")}
        self._has_path = [not has_data or instrument.symbol in finer for instrument in configuration.instruments]
        self.played = 0
        self._goes_on = asyncio.Event()
        self._goes_on.set()
        self._latest_quotes: dict[int, Bytes] = {}

    def hold(self) -> None:
        """The market stands still until `go_on`: the latest quotes come again and again, and nothing else."""
        self._goes_on.clear()

    def go_on(self) -> None:
        self._goes_on.set()

    async def run(self) -> None:
        """Play to the end of the data; time goes on at the venue afterwards, until this is cancelled."""
        start_ns = self._core.clock_ns()
        first_ns: int | None = None
        for chunk in self._chunks:
            for ts_ns, row in self._rows(chunk):
                start_ns += await self._held()
                first_ns = ts_ns if first_ns is None else first_ns
                await self._wait(start_ns, ts_ns - first_ns)
                if row[_KIND_BYTE] == EventKind.QUOTE:
                    self._latest_quotes[int(row.view(QUOTE)["instrument"][0])] = row.copy()
                self._core.apply(row)
                self.played += 1
        while True:
            await asyncio.sleep(_PASS_TIME_EVERY_S)
            self._core.pass_time()

    async def _held(self) -> int:
        """While the market is held; for how long that was, in ns."""
        if self._goes_on.is_set():
            return 0
        began_ns = self._core.clock_ns()
        while not self._goes_on.is_set():
            await asyncio.sleep(_PASS_TIME_EVERY_S)
            for row in self._latest_quotes.values():
                self._core.apply(row.copy())
            self._core.pass_time()
        return self._core.clock_ns() - began_ns

    async def _wait(self, start_ns: int, after_ns: int) -> None:
        """Wait until it is the time of a record; others run meanwhile, and at least every so many records."""
        if self._speed is not None:
            due_ns = start_ns + int(after_ns / self._speed)
            while (ahead_s := (due_ns - self._core.clock_ns()) / 1e9) > 0:
                await asyncio.sleep(min(ahead_s, _PASS_TIME_EVERY_S))
                if ahead_s > _PASS_TIME_EVERY_S:
                    self._core.pass_time()
        if self.played % _PAUSE_EVENTS == 0:
            await asyncio.sleep(0)
            while self._backlog() > _BACKLOG_MAX:
                await asyncio.sleep(_BACKLOG_PAUSE_S)

    def _rows(self, chunk: Events) -> Iterator[tuple[int, Bytes]]:
        """Every record with its time; a bar of which nothing finer is known as quotes along its path, and then itself.

        The rows may be written to.
        """
        data = np.ascontiguousarray(chunk).view(np.uint8).copy()
        columns = (chunk[name].tolist() for name in ("ts_ns", "kind", "instrument"))
        for place, (ts_ns, kind, instrument) in enumerate(zip(*columns, strict=True)):
            row = data[place * EVENT_BYTES : (place + 1) * EVENT_BYTES]
            if kind == EventKind.BAR and not self._has_path[instrument]:
                yield from ((ts_ns, quote) for quote in _path(row))
            yield ts_ns, row


def _path(bar_row: Bytes) -> Iterator[Bytes]:
    """The prices of a bar, as the simulated exchange walks it, as quotes that show a share of its volume."""
    bar = bar_row.view(BAR)[0]
    first, second = (
        (bar.low_ticks, bar.high_ticks) if bar.close_ticks >= bar.open_ticks else (bar.high_ticks, bar.low_ticks)
    )
    prices = [int(price) for price in (bar.open_ticks, first, second, bar.close_ticks)]
    lots = max(int(bar.volume_lots) // (2 * len(prices)), 1)
    kept = [prices[0], *(after for before, after in pairwise(prices) if after != before)]
    for price in kept:
        row = np.zeros(EVENT_BYTES, np.uint8)
        quote = row.view(QUOTE)
        quote["ts_ns"], quote["kind"], quote["source"] = bar.ts_ns, EventKind.QUOTE, _PATH_SOURCE
        quote["instrument"], quote["account"] = bar.instrument, bar.account
        quote["bid_ticks"], quote["ask_ticks"] = price, price + 1
        quote["bid_lots"], quote["ask_lots"] = lots, lots
        yield row
