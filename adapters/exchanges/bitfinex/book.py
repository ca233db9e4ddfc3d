"""The best prices out of Bitfinex's book channel, which tells of single levels."""

from typing import Any, NamedTuple

from adapters.exchanges.markets import Market
from adapters.exchanges.scales import Malformed


class Best(NamedTuple):
    """The best bid and ask, and what is offered at them."""

    bid_ticks: int
    ask_ticks: int
    bid_lots: int
    ask_lots: int


class Book:
    """Levels of one instrument: lots by price. A level is [price, orders, amount], asks with a negative amount."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}

    def take(self, levels: Any) -> Best | None:
        """A snapshot (a list of levels) or a level; returns the best prices, None while a side is empty."""
        if not isinstance(levels, list):
            raise Malformed(f"{levels!r} is no level of a book")
        if not levels or isinstance(levels[0], list):
            self._bids.clear()
            self._asks.clear()
            for level in levels:
                self._take_level(*level)
        else:
            self._take_level(*levels)
        if not self._bids or not self._asks:
            return None
        bid, ask = max(self._bids), min(self._asks)
        return Best(bid, ask, self._bids[bid], self._asks[ask])

    def _take_level(self, price: Any, orders: Any, amount: Any) -> None:
        ticks = self._market.price.nearest(price)
        # What a level that goes away has is only its side: 1 or -1.
        side = self._bids if amount > 0 else self._asks
        if orders == 0:
            side.pop(ticks, None)
        else:
            side[ticks] = abs(self._market.size.exact(amount))
