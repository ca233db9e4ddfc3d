"""A venue that sends quotes at a steady rate, in a process of its own: to measure who takes them.

The venue is a whole one and answers as always. Only its quotes are made ahead and written as they are, because to put
each through the venue would cost more than to take it.
"""

import asyncio
import json
import random
import struct
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Event, Thread

import numpy as np

from adapters.venue.binanceusdm import BinanceFace
from adapters.venue.binanceusdm.symbols import Symbol, Symbols
from adapters.venue.local import LocalVenue
from adapters.venue.server import Stream
from engine.kinds import EventKind
from engine.records import QUOTE

# Quotes due are written so often; a loop's own timers know milliseconds only, hence a thread.
_WRITE_EVERY_S = 0.0002
_LOOK_EVERY_S = 0.01
_PRICE_TICKS = 500_000
_MOVE_TICKS = 50
_SHOWN_LOTS = 1_000
# How many different quotes of an instrument there are.
_QUOTES = 64
# A listener that does not keep up gets no more than this at once; the rest waits here, and pings get through.
_WRITTEN_MAX = 5_000


def serve_load(configuration: Path, rate: int, seconds: float, daemon: Connection) -> None:
    """Serve until told to end. Says its address and customers, is told to begin, and says how many it has sent."""
    import uvloop

    uvloop.run(_serve(configuration, rate, seconds, daemon))


async def _serve(configuration: Path, rate: int, seconds: float, daemon: Connection) -> None:
    venue = LocalVenue("binanceusdm", configuration, plays=False)
    await venue.start()
    for instrument in venue.core.instruments:
        venue.core.apply(_resting_quote(instrument.number))
    daemon.send((venue.address, venue.keys[0]))
    await _told(daemon)
    assert isinstance(venue.face, BinanceFace)
    symbols = Symbols(venue.core.accounts, venue.core.instruments).all
    (listener,) = {stream for symbol in symbols for stream in venue.face.listeners(f"{symbol.name.lower()}@bookTicker")}
    sender = _Sender(symbols, listener, rate, seconds)
    daemon.send((await sender.run(), sender.latest_behind_s))
    await _told(daemon)
    await venue.stop()


async def _told(daemon: Connection) -> None:
    while not daemon.poll():
        await asyncio.sleep(_LOOK_EVERY_S)
    daemon.recv()


def _resting_quote(instrument: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """What orders are filled against."""
    row = np.zeros(1, QUOTE)
    row["kind"], row["instrument"] = EventKind.QUOTE, instrument
    row["bid_ticks"], row["ask_ticks"] = _PRICE_TICKS, _PRICE_TICKS + 1
    row["bid_lots"] = row["ask_lots"] = _SHOWN_LOTS * 1_000
    return row.view(np.uint8)


class _Sender:
    """Quotes numbered from 1, of the instruments in turn, so many a second for so long.

    `latest_behind_s` is how far behind its plan it was at most: then the listener, or this machine, was too slow.
    """

    def __init__(self, symbols: Sequence[Symbol], listener: Stream, rate: int, seconds: float) -> None:
        self._tails = [_tail(symbols[n % len(symbols)], n // len(symbols)) for n in range(_QUOTES * len(symbols))]
        self._listener = listener
        self._rate = rate
        self._count = int(rate * seconds)
        self._sent = 0
        self._started_s = 0.0
        self._all_sent = asyncio.Event()
        self.latest_behind_s = 0.0

    async def run(self) -> int:
        """Returns how many were sent."""
        loop = asyncio.get_running_loop()
        ended = Event()
        self._started_s = time.monotonic()

        def tick() -> None:
            while not ended.wait(max(_WRITE_EVERY_S, 1 / self._rate)):
                loop.call_soon_threadsafe(self._send_due)

        ticking = Thread(target=tick, daemon=True)
        ticking.start()
        await self._all_sent.wait()
        ended.set()
        ticking.join()
        return self._sent

    def _send_due(self) -> None:
        due = min(int((time.monotonic() - self._started_s) * self._rate), self._count)
        if self._sent < due and self._listener.unsent_bytes == 0:
            last = min(due, self._sent + _WRITTEN_MAX)
            self._listener.write_frames(self._frames(self._sent + 1, last))
            self._sent = last
        self.latest_behind_s = max(self.latest_behind_s, (due - self._sent) / self._rate)
        if self._sent == self._count:
            self._all_sent.set()

    def _frames(self, first: int, last: int) -> bytes:
        now_ms = time.time_ns() // 1_000_000
        tails = self._tails
        texts = [
            b'{"e":"bookTicker","u":%d,"E":%d,"T":%d,%b' % (number, now_ms, now_ms, tails[number % len(tails)])
            for number in range(first, last + 1)
        ]
        # Whole text frames of 126 to 65,535 bytes, as RFC 6455 has them from a server.
        return b"".join([b"\x81\x7e" + struct.pack(">H", len(text)) + text for text in texts])


def _tail(symbol: Symbol, seed: int) -> bytes:
    """The end of a quote's message, which is the same whenever it is sent."""
    chance = random.Random(symbol.number * _QUOTES + seed)
    bid = _PRICE_TICKS + chance.randint(-_MOVE_TICKS, _MOVE_TICKS)
    lots = [chance.randint(1, _SHOWN_LOTS) for _ in range(2)]
    price, size = symbol.prices.text, symbol.quantities.text
    said = {"s": symbol.name, "b": price(bid), "B": size(lots[0]), "a": price(bid + 1), "A": size(lots[1])}
    return json.dumps(said, separators=(",", ":"))[1:].encode()
