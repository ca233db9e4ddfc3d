"""The market as the arrays that Bitfinex sends: tickers, books, trades, the state of a derivative."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from zlib import crc32

from adapters.configuration import Instrument
from adapters.venue.bitfinex.names import Market
from adapters.venue.bitfinex.numbers import Number, amount, milliseconds, price, share
from adapters.venue.market import Bar, MarketUpdate, MarketView, Trade
from engine.kinds import Aggressor

Array = list[object]
# A price and the size at it; asks have sizes below zero.
Level = tuple[int, int]

_DAY_NS = 86_400 * 10**9
# The identities that the book's two levels have where it is asked for order by order.
_BID_ID, _ASK_ID = 1, 2


@dataclass(slots=True)
class Day:
    """What was traded of an instrument since the day (UTC) began."""

    day: int = 0
    open_ticks: int = 0
    high_ticks: int = 0
    low_ticks: int = 0
    last_ticks: int = 0
    volume_lots: int = 0

    def take(self, update: MarketUpdate) -> None:
        if isinstance(update, Trade):
            self._add(update.ts_ns, update.price_ticks, update.price_ticks, update.price_ticks, update.quantity_lots)
        elif isinstance(update, Bar):
            self._add(update.ts_ns, update.close_ticks, update.high_ticks, update.low_ticks, update.volume_lots)

    def _add(self, ts_ns: int, last_ticks: int, high_ticks: int, low_ticks: int, lots: int) -> None:
        day = ts_ns // _DAY_NS
        if day != self.day or not self.open_ticks:
            self.day, self.volume_lots = day, 0
            self.open_ticks = self.last_ticks or last_ticks
            self.high_ticks, self.low_ticks = high_ticks, low_ticks
        self.last_ticks = last_ticks
        self.high_ticks = max(self.high_ticks, high_ticks)
        self.low_ticks = min(self.low_ticks, low_ticks)
        self.volume_lots += lots


@dataclass(frozen=True, slots=True)
class Listing:
    """An instrument as the public sees it."""

    market: Market
    view: MarketView
    day: Day

    @property
    def instrument(self) -> Instrument:
        return self.market.instrument

    @property
    def symbol(self) -> str:
        return self.market.symbol

    @property
    def pair(self) -> str:
        return self.market.pair


def ticker_array(listing: Listing) -> Array:
    """[bid, size, ask, size, change, change / open, last, volume, high, low] of the day."""
    instrument, quote, day = listing.instrument, listing.view.quote, listing.day
    last = day.last_ticks or listing.view.mark_ticks
    open_ticks = day.open_ticks or last
    return [
        price(instrument, quote.bid_ticks if quote else last),
        amount(instrument, quote.bid_lots if quote else 0),
        price(instrument, quote.ask_ticks if quote else last),
        amount(instrument, quote.ask_lots if quote else 0),
        price(instrument, last - open_ticks),
        share(last - open_ticks, open_ticks),
        price(instrument, last),
        amount(instrument, day.volume_lots),
        price(instrument, day.high_ticks or last),
        price(instrument, day.low_ticks or last),
    ]


def trade_array(listing: Listing, trade: Trade) -> Array:
    """[id, time, amount, price]; the amount of a trade that a seller began is below zero."""
    sign = -1 if trade.aggressor == Aggressor.SELLER else 1
    return [
        trade.trade_id,
        milliseconds(trade.ts_ns),
        amount(listing.instrument, sign * trade.quantity_lots),
        price(listing.instrument, trade.price_ticks),
    ]


def book_levels(listing: Listing) -> list[Level]:
    """What is known of the book: its best bid and ask, where there is something of them."""
    quote = listing.view.quote
    if quote is None:
        return []
    levels = [(quote.bid_ticks, quote.bid_lots), (quote.ask_ticks, -quote.ask_lots)]
    return [level for level in levels if level[1]]


def level_array(listing: Listing, level: Level) -> Array:
    """[price, orders, amount]."""
    ticks, lots = level
    return [price(listing.instrument, ticks), 1, amount(listing.instrument, lots)]


def order_array(listing: Listing, level: Level) -> Array:
    """[order, price, amount]: the book order by order, of which there is one at each level."""
    ticks, lots = level
    return [_BID_ID if lots > 0 else _ASK_ID, price(listing.instrument, ticks), amount(listing.instrument, lots)]


def book_changes(listing: Listing, before: Sequence[Level], now: Sequence[Level]) -> list[Array]:
    """What makes one book the other; a level that is gone has no orders, and an amount of 1 or -1 by its side."""
    left = [(ticks, lots > 0) for ticks, lots in now]
    gone: list[Array] = [
        [price(listing.instrument, ticks), 0, 1 if lots > 0 else -1]
        for ticks, lots in before
        if (ticks, lots > 0) not in left
    ]
    return gone + [level_array(listing, level) for level in now if level not in before]


def book_checksum(listing: Listing, levels: Sequence[Level]) -> int:
    """CRC-32 of best bid, best ask and so on, of prices and amounts, as a signed number."""
    bids = [level for level in levels if level[1] > 0]
    asks = [level for level in levels if level[1] < 0]
    words: list[str] = []
    for place in range(max(len(bids), len(asks))):
        for level in (*bids[place : place + 1], *asks[place : place + 1]):
            words += [_plain(price(listing.instrument, level[0])), _plain(amount(listing.instrument, level[1]))]
    unsigned = crc32(":".join(words).encode())
    return unsigned - (1 << 32) if unsigned >> 31 else unsigned


def derivative_array(listing: Listing, ts_ns: int) -> Array:
    """The state of a derivative: its price, that of the spot market and its mark, and nothing of the rest."""
    instrument, view = listing.instrument, listing.view
    index_ticks = view.mark.index_ticks if view.mark is not None else 0
    array: Array = [None] * 23
    array[0] = milliseconds(ts_ns)
    array[2] = price(instrument, view.mark_ticks)
    array[3] = price(instrument, index_ticks or view.mark_ticks)
    array[14] = price(instrument, view.mark_ticks)
    return array


def _plain(value: Number) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
