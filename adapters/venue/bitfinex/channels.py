"""Public channels of a stream: what a subscriber is sent at first, and then whenever the market moves."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from adapters.venue.bitfinex.candles import INTERVALS_MS, Candles
from adapters.venue.bitfinex.errors import CHANNEL_UNKNOWN, SUBSCRIPTION_FAILED, Refused
from adapters.venue.bitfinex.market import (
    Level,
    Listing,
    book_changes,
    book_checksum,
    book_levels,
    derivative_array,
    level_array,
    ticker_array,
    trade_array,
)
from adapters.venue.faults import Messages
from adapters.venue.market import Mark, MarketUpdate, Quote, Trade

SNAPSHOT_TRADES = 30
SNAPSHOT_CANDLES = 240

# What follows a channel's number in a message: a snapshot or update, or a name and an update.
Tail = list[object]


class Channel(ABC):
    """What one subscription is sent. `terms` are shown to the subscriber, and no two subscriptions have the same."""

    def __init__(self, about: Messages, listing: Listing, terms: dict[str, Any]) -> None:
        self.about = about
        self.listing = listing
        self.terms = terms

    @abstractmethod
    def snapshot(self) -> list[Tail]:
        """What stands when the subscription begins."""

    @abstractmethod
    def take(self, update: MarketUpdate) -> list[Tail]:
        """What an update of the market leads to."""


class TickerChannel(Channel):
    def __init__(self, listing: Listing) -> None:
        super().__init__(
            Messages.QUOTES, listing, {"channel": "ticker", "symbol": listing.symbol, "pair": listing.pair}
        )

    def snapshot(self) -> list[Tail]:
        return [[ticker_array(self.listing)]] if self.listing.view.mark_ticks else []

    def take(self, update: MarketUpdate) -> list[Tail]:
        moves = isinstance(update, Quote) or (self.listing.view.quote is None and not isinstance(update, Mark))
        return self.snapshot() if moves else []


class TradesChannel(Channel):
    def __init__(self, listing: Listing) -> None:
        super().__init__(
            Messages.TRADES, listing, {"channel": "trades", "symbol": listing.symbol, "pair": listing.pair}
        )

    def snapshot(self) -> list[Tail]:
        newest = list(self.listing.view.trades)[: -SNAPSHOT_TRADES - 1 : -1]
        return [[[trade_array(self.listing, trade) for trade in newest]]]

    def take(self, update: MarketUpdate) -> list[Tail]:
        if not isinstance(update, Trade):
            return []
        array = trade_array(self.listing, update)
        return [["te", array], ["tu", array]]


class BookChannel(Channel):
    """The levels of the book; with `checksums` each change is followed by one of the whole."""

    def __init__(self, listing: Listing, length: str) -> None:
        terms = {"channel": "book", "symbol": listing.symbol, "prec": "P0", "freq": "F0", "len": length}
        super().__init__(Messages.QUOTES, listing, terms | {"pair": listing.pair})
        self.checksums = False
        self._levels: list[Level] = []

    def snapshot(self) -> list[Tail]:
        self._levels = book_levels(self.listing)
        return [[[level_array(self.listing, level) for level in self._levels]]]

    def take(self, update: MarketUpdate) -> list[Tail]:
        if not isinstance(update, Quote):
            return []
        levels = book_levels(self.listing)
        changes: list[Tail] = [[change] for change in book_changes(self.listing, self._levels, levels)]
        self._levels = levels
        return [*changes, ["cs", book_checksum(self.listing, levels)]] if changes and self.checksums else changes


class CandlesChannel(Channel):
    def __init__(self, listing: Listing, interval: str) -> None:
        terms = {"channel": "candles", "key": f"trade:{interval}:{listing.symbol}"}
        super().__init__(Messages.BARS, listing, terms)
        self._candles = Candles(listing.view, INTERVALS_MS[interval])

    def snapshot(self) -> list[Tail]:
        newest = self._candles.all[: -SNAPSHOT_CANDLES - 1 : -1]
        return [[[candle.array(self.listing.instrument) for candle in newest]]]

    def take(self, update: MarketUpdate) -> list[Tail]:
        candle = self._candles.take(update)
        return [[candle.array(self.listing.instrument)]] if candle is not None else []


class StatusChannel(Channel):
    """The state of a derivative, with its mark price."""

    def __init__(self, listing: Listing) -> None:
        super().__init__(Messages.MARKS, listing, {"channel": "status", "key": f"deriv:{listing.symbol}"})

    def snapshot(self) -> list[Tail]:
        mark = self.listing.view.mark
        return [[derivative_array(self.listing, mark.ts_ns)]] if mark is not None else []

    def take(self, update: MarketUpdate) -> list[Tail]:
        return self.snapshot() if isinstance(update, Mark) else []


def open_channel(message: Mapping[str, Any], listings: Mapping[str, Listing]) -> Channel:
    """The channel that a subscription asks for. Raises Refused."""
    name = message.get("channel")
    symbol, key = str(message.get("symbol", "")), str(message.get("key", ""))
    if name == "ticker":
        return TickerChannel(_listing(listings, symbol))
    if name == "trades":
        return TradesChannel(_listing(listings, symbol))
    if name == "book":
        return _open_book(message, _listing(listings, symbol))
    if name == "candles":
        kind, interval, symbol = (key.split(":", 2) + ["", ""])[:3]
        if kind != "trade" or interval not in INTERVALS_MS:
            raise Refused(SUBSCRIPTION_FAILED, "key: invalid")
        return CandlesChannel(_listing(listings, symbol), interval)
    if name == "status":
        kind, _, symbol = key.partition(":")
        if kind != "deriv":
            raise Refused(SUBSCRIPTION_FAILED, "key: invalid")
        return StatusChannel(_listing(listings, symbol))
    raise Refused(CHANNEL_UNKNOWN, "channel: unknown")


def _listing(listings: Mapping[str, Listing], symbol: str) -> Listing:
    if symbol not in listings:
        raise Refused(SUBSCRIPTION_FAILED, "symbol: invalid")
    return listings[symbol]


def _open_book(message: Mapping[str, Any], listing: Listing) -> BookChannel:
    for term, only in (("prec", "P0"), ("freq", "F0")):
        if message.get(term, only) != only:
            raise Refused(SUBSCRIPTION_FAILED, f"{term}: invalid")
    return BookChannel(listing, str(message.get("len", "25")))
