"""Recorded exchange streams: gzip lines of the local time in ns, a space, and the exchange's JSON message.

Binance: bookTicker becomes a quote, trade a trade. Hyperliquid: l2Book becomes the quote of its best level,
trades become trades. The engine knows a message when it was received; the exchange's time is that of the
event, or 0 where the message has none. Other messages are counted and passed over.
"""

import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl

from adapters.configuration import DataSection
from adapters.errors import UserError
from adapters.market_data.files import shown
from adapters.market_data.layout import Layout
from adapters.market_data.report import Fault
from adapters.market_data.rows import Rows, Target, rows_of
from engine.records import EVENT

LINES_PER_BATCH = 200_000
_RECEIVED = {"line": pl.Int64, "time": pl.Int64, "exchange_time": pl.Int64}
_PRICES = {"bid": pl.Float64, "bid_size": pl.Float64, "ask": pl.Float64, "ask_size": pl.Float64}
_QUOTE_ROLES = {**_RECEIVED, **_PRICES, "sequence": pl.Int64}
_TRADE_ROLES = {**_RECEIVED, "price": pl.Float64, "quantity": pl.Float64, "trade_id": pl.Int64, "side": pl.String}


class _BinanceData(msgspec.Struct):
    """bookTicker and trade in one: which of the fields are set says which it is."""

    s: str = ""
    E: int = 0
    T: int = 0
    u: int = 0
    t: int = 0
    p: str = ""
    q: str = ""
    b: str = ""
    B: str = ""
    a: str = ""
    A: str = ""
    m: bool = False


class _BinanceMessage(msgspec.Struct):
    stream: str
    data: _BinanceData


class _Level(msgspec.Struct):
    px: str
    sz: str


class _Book(msgspec.Struct):
    coin: str
    levels: tuple[list[_Level], list[_Level]]
    time: int


class _Trade(msgspec.Struct):
    coin: str
    px: str
    sz: str
    side: str
    tid: int
    time: int


class _HyperliquidMessage(msgspec.Struct):
    channel: str
    data: msgspec.Raw


@dataclass(slots=True)
class _Gathered:
    """Rows of one batch of lines, with the values of `_QUOTE_ROLES` and `_TRADE_ROLES`."""

    quotes: list[tuple[Any, ...]] = field(default_factory=list)
    trades: list[tuple[Any, ...]] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class StreamTable:
    """The lines of one batch; `line_numbers[row]` is the line that a row came from."""

    name: str
    lines: list[bytes]
    first_line: int
    line_numbers: Any

    def where(self, row: int) -> str:
        return f"{self.name} line {self.line_numbers[row]}"

    def show(self, row: int) -> str:
        return shown(self.lines[int(self.line_numbers[row]) - self.first_line])


class StreamReader:
    """Reads recorded streams of one `[[data]]` entry; `ignored` counts the messages passed over."""

    def __init__(self, section: DataSection, target: Target, ignored: Counter[str]) -> None:
        self._hyperliquid = section.profile == "hyperliquid-stream"
        self._wanted = {"quotes", "trades"} if section.kind == "stream" else {section.kind}
        self._symbol = section.symbol
        self._selects = section.symbol is not None
        self._target = target
        self._ignored = ignored
        self._binance_decoder = msgspec.json.Decoder(_BinanceMessage)
        self._hyperliquid_decoder = msgspec.json.Decoder(_HyperliquidMessage)
        self._book_decoder = msgspec.json.Decoder(_Book)
        self._trades_decoder = msgspec.json.Decoder(list[_Trade])

    def read(self, path: Path) -> Iterator[tuple[StreamTable, Rows]]:
        """The rows of a file in the order of its lines, batch by batch."""
        first_line = 1
        try:
            with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
                while lines := list(islice(file, LINES_PER_BATCH)):
                    yield self._batch(str(path), lines, first_line)
                    first_line += len(lines)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path}: cannot be read ({error}); expected gzip lines of a recorded stream") from None

    def _batch(self, name: str, lines: list[bytes], first_line: int) -> tuple[StreamTable, Rows]:
        gathered = _Gathered()
        gather = self._hyperliquid_line if self._hyperliquid else self._binance_line
        for number, line in enumerate(lines, start=first_line):
            local_ns, _, message = line.partition(b" ")
            if not message.strip():
                if line.strip():
                    gathered.unreadable.append(number)
                continue
            try:
                gather(gathered, number, int(local_ns), message, name)
            except (msgspec.DecodeError, ValueError):
                gathered.unreadable.append(number)
        return self._combined(name, lines, first_line, gathered)

    def _count(self, what: str) -> None:
        self._ignored[what] += 1

    def _is_ours(self, symbol: str, name: str, number: int) -> bool:
        if self._symbol is None:
            self._symbol = symbol
        if symbol == self._symbol:
            return True
        if not self._selects:
            raise UserError(
                f"{name} line {number}: holds {symbol} beside {self._symbol}; expected one symbol, or the key symbol"
            )
        self._count(f"symbol {symbol}")
        return False

    def _binance_line(self, gathered: _Gathered, number: int, local_ns: int, message: bytes, name: str) -> None:
        if b"@depth" in message[:64] or message.startswith(b'{"lastUpdateId"'):
            self._count("depth")
            return
        decoded = self._binance_decoder.decode(message)
        data = decoded.data
        kind = decoded.stream.rpartition("@")[2]
        if kind not in ("bookTicker", "trade"):
            self._count(kind)
        elif self._is_ours(data.s, name, number):
            exchange_ms = data.E or data.T
            exchange_ns = exchange_ms * 1_000_000 if exchange_ms else None
            if kind == "bookTicker":
                best = (float(data.b), float(data.B), float(data.a), float(data.A))
                gathered.quotes.append((number, local_ns, exchange_ns, *best, data.u))
            else:
                # The buyer was waiting in the book, so the seller took.
                side = "sell" if data.m else "buy"
                gathered.trades.append((number, local_ns, exchange_ns, float(data.p), float(data.q), data.t, side))

    def _hyperliquid_line(self, gathered: _Gathered, number: int, local_ns: int, message: bytes, name: str) -> None:
        decoded = self._hyperliquid_decoder.decode(message)
        if decoded.channel == "l2Book":
            book = self._book_decoder.decode(decoded.data)
            bids, asks = book.levels
            if not bids or not asks:
                self._count("book without a side")
            elif self._is_ours(book.coin, name, number):
                best = (float(bids[0].px), float(bids[0].sz), float(asks[0].px), float(asks[0].sz))
                gathered.quotes.append((number, local_ns, book.time * 1_000_000, *best, 0))
        elif decoded.channel == "trades":
            for trade in self._trades_decoder.decode(decoded.data):
                if self._is_ours(trade.coin, name, number):
                    at = (number, local_ns, trade.time * 1_000_000)
                    gathered.trades.append((*at, float(trade.px), float(trade.sz), trade.tid, trade.side))
        else:
            self._count(decoded.channel)

    def _combined(self, name: str, lines: list[bytes], first_line: int, found: _Gathered) -> tuple[StreamTable, Rows]:
        """Quotes, trades and unreadable lines as one, in the order of the lines."""
        broken = len(found.unreadable)
        parts = [Rows(np.zeros(broken, EVENT), np.full(broken, Fault.MESSAGE, np.uint8), np.zeros(broken, np.bool_))]
        numbers = [np.array(found.unreadable, np.int64)]
        for kind, schema, rows in (("quotes", _QUOTE_ROLES, found.quotes), ("trades", _TRADE_ROLES, found.trades)):
            if rows and kind in self._wanted:
                frame = pl.DataFrame(rows, schema=schema, orient="row")
                parts.append(rows_of(frame, _layout(kind), self._target, name))
                numbers.append(frame["line"].to_numpy())
            elif rows:
                self._ignored[kind] += len(rows)
        line_numbers = np.concatenate(numbers)
        order = np.argsort(line_numbers, kind="stable")
        combined = Rows(
            np.concatenate([part.events for part in parts])[order],
            np.concatenate([part.faults for part in parts])[order],
            np.concatenate([part.rounded for part in parts])[order],
        )
        return StreamTable(name, lines, first_line, line_numbers[order]), combined


def _layout(kind: str) -> Layout:
    return Layout(
        kind=kind, columns={}, header=None, time_unit="ns", time_format=None, zone="UTC", stamps="open", interval_ns=0
    )
