"""What the readers of all exchanges' stream messages have in common: what they know, and what they put aside."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.exchanges.answers import KnownOrders, OwnTrade, WrongId
from adapters.exchanges.client_ids import ClientIds
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.markets import Market
from adapters.exchanges.oddities import Oddities
from adapters.exchanges.scales import Malformed
from adapters.exchanges.transport import Unreadable

NS_PER_MS = 1_000_000
# Whatever an exchange may send in place of what it documents.
_UNREADABLE = (Malformed, Unreadable, AttributeError, LookupError, TypeError, ValueError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Known:
    """What a client and the reader of its messages both know; `markets` are by the exchange's own ids.

    `own_trade` is given the trades that are read; `funding_paid` is called where funding is said to be paid.
    """

    account: int
    inbox: Inbox
    markets: dict[str, Market]
    ids: ClientIds
    orders: KnownOrders
    counts: Counter[str]
    own_trade: Callable[[OwnTrade], None]
    oddities: Oddities
    funding_paid: Callable[[], object]


class RecentIds:
    """The latest of some ids."""

    _ROOM = 1 << 12

    def __init__(self) -> None:
        self._ids: dict[int, None] = {}

    def __contains__(self, one: int) -> bool:
        return one in self._ids

    def add(self, one: int) -> None:
        self._ids[one] = None
        if len(self._ids) > self._ROOM:
            del self._ids[next(iter(self._ids))]


class Messages:
    """Takes messages of all streams of an account. What it cannot read it counts by name, and never raises for it."""

    def __init__(self, known: Known) -> None:
        self._account = known.account
        self._inbox = known.inbox
        self._markets = known.markets
        self._ids = known.ids
        self._orders = known.orders
        self._counts = known.counts
        self._own_trade = known.own_trade
        self._oddities = known.oddities
        self._funding_paid = known.funding_paid

    def _read(self, name: object, handler: Callable[[Any], None], message: Any) -> None:
        """Have a message handled."""
        try:
            handler(message)
        except WrongId:
            self._counts["wrong ids"] += 1
        except _UNREADABLE:
            self._counts[f"malformed: {name}"] += 1

    def _market(self, market_id: Any) -> Market | None:
        """The market of an id; one that is not the connection's is counted."""
        market = self._markets.get(market_id)
        if market is None:
            self._counts["unknown instrument"] += 1
        return market
