"""What orders are and what they are filled with, where an exchange does not say it of an order itself."""

from collections.abc import Iterable

from adapters.exchanges.answers import OwnTrade, Refused
from engine.reasons import Reason

_ROOM = 1 << 16


class OrderTrades:
    """Each order's trades by their ids, and the time until which nothing of it is missing."""

    def __init__(self) -> None:
        self._lots: dict[int, dict[tuple[int, int], int]] = {}
        self._known_until_ns: dict[int, int] = {}

    def began(self, order: int, placed_ns: int) -> None:
        """An order has no trades from before it was placed."""
        self._known_until_ns.setdefault(order, placed_ns)
        if len(self._known_until_ns) > _ROOM:
            self.forget(next(iter(self._known_until_ns)))

    def known_until_ns(self, order: int) -> int:
        return self._known_until_ns.get(order, 0)

    def take(self, trades: Iterable[OwnTrade], from_ns: int, asked_ns: int) -> None:
        """All own trades from a time on, as they were when they were asked for."""
        for order, known_ns in self._known_until_ns.items():
            if from_ns <= known_ns < asked_ns:
                self._known_until_ns[order] = asked_ns
        for trade in trades:
            if trade.order in self._known_until_ns:
                self._lots.setdefault(trade.order, {})[trade.trade_id, trade.price_ticks] = trade.quantity_lots

    def filled_lots(self, order: int) -> int:
        return sum(self._lots.get(order, {}).values())

    def forget(self, order: int) -> None:
        """An order that has ended is not asked about any more."""
        self._known_until_ns.pop(order, None)
        self._lots.pop(order, None)


class WholeQuantities:
    """The lots that each open order has at its exchange, filled ones included: what an amendment goes out from."""

    def __init__(self) -> None:
        self._lots: dict[int, int] = {}

    def know(self, order: int, quantity_lots: int) -> None:
        self._lots[order] = quantity_lots
        if len(self._lots) > _ROOM:
            del self._lots[next(iter(self._lots))]

    def forget(self, order: int) -> None:
        """Nobody knows what became of an amendment, or the order has ended."""
        self._lots.pop(order, None)

    def of(self, order: int) -> int:
        """Raises Refused where that is not known: who is told so asks about the order, and then it is."""
        if order not in self._lots:
            raise Refused(Reason.EXCHANGE_ORDER_UNKNOWN)
        return self._lots[order]
