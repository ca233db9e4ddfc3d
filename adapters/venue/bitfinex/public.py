"""What anybody may ask: the catalogue, tickers, books, trades, candles, the state of derivatives."""

from collections.abc import Callable, Mapping

from adapters.venue.bitfinex.candles import INTERVALS_MS, Candles
from adapters.venue.bitfinex.catalogue import catalogue
from adapters.venue.bitfinex.errors import invalid
from adapters.venue.bitfinex.market import (
    Array,
    Listing,
    book_levels,
    derivative_array,
    level_array,
    order_array,
    ticker_array,
    trade_array,
)
from adapters.venue.bitfinex.numbers import milliseconds
from adapters.venue.bitfinex.queries import read_window

_ROWS_MAX = 10_000


class Public:
    """Each method answers one path; `query` is what stands after its question mark. All raise Refused."""

    def __init__(self, listings: Mapping[str, Listing], clock_ns: Callable[[], int]) -> None:
        self._listings = listings
        self._clock_ns = clock_ns

    def catalogue(self, labels: str) -> object:
        return catalogue([listing.market for listing in self._listings.values()], labels)

    def tickers(self, query: Mapping[str, str]) -> object:
        return [[listing.symbol, *ticker_array(listing)] for listing in self._chosen(query.get("symbols", ""))]

    def ticker(self, symbol: str) -> object:
        return ticker_array(self._listing(symbol))

    def trades(self, symbol: str, query: Mapping[str, str]) -> object:
        listing = self._listing(symbol)
        newest = list(listing.view.trades)[::-1]
        chosen = read_window(query, 125, _ROWS_MAX).of(newest, lambda trade: milliseconds(trade.ts_ns))
        return [trade_array(listing, trade) for trade in chosen]

    def book(self, symbol: str, precision: str) -> object:
        if precision not in ("P0", "R0"):
            raise invalid("precision")
        listing = self._listing(symbol)
        array = order_array if precision == "R0" else level_array
        return [array(listing, level) for level in book_levels(listing)]

    def candles(self, interval: str, symbol: str, section: str, query: Mapping[str, str]) -> object:
        if interval not in INTERVALS_MS:
            raise invalid("time frame")
        listing = self._listing(symbol)
        newest = Candles(listing.view, INTERVALS_MS[interval]).all[::-1]
        if section == "last":
            return newest[0].array(listing.instrument) if newest else []
        chosen = read_window(query, 100, _ROWS_MAX).of(newest, lambda candle: candle.opened_ms)
        return [candle.array(listing.instrument) for candle in chosen]

    def derivatives(self, query: Mapping[str, str]) -> object:
        now_ns = self._clock_ns()
        return [self._state(listing, now_ns) for listing in self._chosen(query.get("keys", ""))]

    def _state(self, listing: Listing, now_ns: int) -> Array:
        return [listing.symbol, *derivative_array(listing, now_ns)]

    def _chosen(self, symbols: str) -> list[Listing]:
        """Listings by symbols with commas between; those that are not known are left out, as the exchange does."""
        if symbols == "ALL":
            return list(self._listings.values())
        return [self._listings[symbol] for symbol in symbols.split(",") if symbol in self._listings]

    def _listing(self, symbol: str) -> Listing:
        if symbol not in self._listings:
            raise invalid("symbol")
        return self._listings[symbol]
