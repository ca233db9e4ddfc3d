"""From Binance's stream messages, as they are on the wire, to events in the inbox."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from adapters.exchanges.answers import OwnTrade, Terms
from adapters.exchanges.markets import Market
from adapters.exchanges.messages import NS_PER_MS, Known, Messages, RecentIds
from engine.kinds import Aggressor, EventKind, FillFlag, OrderFlag, OrderType
from engine.reasons import Reason

# How an order that Binance ended by itself is named, by its time in force.
_ENDED_BY_TERMS = {
    "IOC": Reason.EXCHANGE_IOC_REMAINDER,
    "FOK": Reason.EXCHANGE_FOK_NOT_FILLABLE,
    "GTX": Reason.EXCHANGE_POST_ONLY_WOULD_TAKE,
}
# Trades of an order, liquidations and deleveraging among them.
_TRADES = frozenset(("TRADE", "CALCULATED"))
# What says nothing that the tape holds: another message of the same moment does, or a question asks for it.
_SAYS_NOTHING = frozenset(("TRADE_LITE", "ACCOUNT_CONFIG_UPDATE", "STRATEGY_UPDATE", "GRID_UPDATE"))


def end_of(order_type: str, time_in_force: str) -> tuple[EventKind, Reason]:
    """What it means that Binance says EXPIRED of an order."""
    if time_in_force == "GTD":
        return EventKind.ORDER_EXPIRED, Reason.EXCHANGE_EXPIRED
    if order_type == "MARKET":
        return EventKind.ORDER_CANCELED, Reason.EXCHANGE_NO_MARKET
    return EventKind.ORDER_CANCELED, _ENDED_BY_TERMS.get(time_in_force, Reason.EXCHANGE_OTHER)


_ORDER_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "STOP": OrderType.STOP_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
    "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP,
}


def terms_of(market: Market, row: dict[str, Any], order_type: str | None, trigger: Any) -> Terms:
    flags = OrderFlag.SELL if row["side"] == "SELL" else 0
    flags |= OrderFlag.REDUCE_ONLY if row.get("reduceOnly") else 0
    flags |= OrderFlag.POST_ONLY if row.get("timeInForce") == "GTX" else 0
    placed_ms = int(row.get("time") or row.get("createTime") or 0)
    known = _ORDER_TYPES.get(order_type or "", OrderType.MARKET)
    return Terms(known, flags, market.price.nearest(trigger or 0), placed_ms * NS_PER_MS)


def fill_flags(sells: bool, is_maker: bool) -> int:
    return (FillFlag.SELL if sells else 0) | (FillFlag.MAKER if is_maker else 0)


class BinanceMessages(Messages):
    """Takes messages of all streams of an account. What it cannot read it counts by name, and never raises for it."""

    def __init__(self, known: Known) -> None:
        super().__init__(known)
        # Orders that are being cancelled to be placed anew, and the exchange's ids of those that were.
        self._replacing: set[int] = set()
        self._replaced = RecentIds()
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {
            "bookTicker": self._quote,
            "trade": self._trade,
            "aggTrade": self._trade,
            "kline": self._bar,
            "markPriceUpdate": self._mark,
            "ORDER_TRADE_UPDATE": self._order,
            "ALGO_UPDATE": self._conditional_order,
            "ACCOUNT_UPDATE": self._account_update,
        }

    @contextmanager
    def replacing(self, order: int) -> Iterator[RecentIds]:
        """While a conditional order is replaced its end is not told, later that of the ids that are added."""
        self._replacing.add(order)
        try:
            yield self._replaced
        finally:
            self._replacing.discard(order)

    def take(self, message: Any) -> bool:
        """True where the message was one for the tape, readable or not."""
        if not isinstance(message, dict):
            return False
        name = message.get("e")
        if name is None and "data" in message:
            return self.take(message["data"])
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            return isinstance(name, str) and name in _SAYS_NOTHING
        self._read(name, handler, message)
        return True

    def _quote(self, message: dict[str, Any]) -> None:
        market = self._market(message["s"])
        if market is None:
            return
        price, size = market.price, market.size
        self._inbox.quote(
            market.number,
            price.nearest(message["b"]),
            price.nearest(message["a"]),
            size.exact(message["B"]),
            size.exact(message["A"]),
            message["T"] * NS_PER_MS,
            message["u"],
        )

    def _trade(self, message: dict[str, Any]) -> None:
        market = self._markets.get(message["s"])
        # Trades outside the book (insurance fund, deleveraging) are not prices of the market.
        if market is None or message.get("X", "MARKET") != "MARKET":
            self._counts["unknown instrument" if market is None else "trades outside the book"] += 1
            return
        trade_id = message["t"] if message["e"] == "trade" else message["a"]
        aggressor = Aggressor.SELLER if message["m"] else Aggressor.BUYER
        ticks, lots = market.price.nearest(message["p"]), market.size.exact(message["q"])
        self._inbox.trade(market.number, ticks, lots, trade_id, aggressor, message["T"] * NS_PER_MS)

    def _bar(self, message: dict[str, Any]) -> None:
        kline = message["k"]
        market = self._market(kline["s"])
        if market is not None and kline["x"] and kline["i"] == "1m":
            price = market.price
            prices = (
                price.nearest(kline["o"]),
                price.nearest(kline["h"]),
                price.nearest(kline["l"]),
                price.nearest(kline["c"]),
            )
            self._inbox.bar(market.number, kline["t"] * NS_PER_MS, prices, market.volume(kline["v"]))

    def _mark(self, message: dict[str, Any]) -> None:
        market = self._market(message["s"])
        if market is None:
            return
        mark, index = market.mark.nearest(message["p"]), market.mark.nearest(message.get("i") or 0)
        self._inbox.mark_price(market.number, mark, index, message["E"] * NS_PER_MS)

    def _order(self, message: dict[str, Any]) -> None:
        said = message["o"]
        market = self._market(said["s"])
        if market is None:
            return
        exchange_order_id = int(said["i"])
        order = self._ids.order_of_binance(said["c"]) or self._orders.order(market.number, exchange_order_id) or 0
        self._orders.remember(market.number, exchange_order_id, order)
        what = said["x"]
        if what in _TRADES:
            self._fill(message, said, market, order)
        elif order == 0:
            self._counts["foreign orders"] += 1
        elif what == "NEW":
            self._report(EventKind.ORDER_ACCEPTED, message, market, order, exchange_order_id)
        elif what == "CANCELED":
            asked = Reason.EXCHANGE_CANCELED_ON_REQUEST
            self._report(EventKind.ORDER_CANCELED, message, market, order, exchange_order_id, asked)
        elif what == "EXPIRED":
            kind, reason = end_of(said["o"], said["f"])
            self._report(kind, message, market, order, exchange_order_id, reason)
        elif what == "AMENDMENT":
            self._amended(message, said, market, order, exchange_order_id)
        else:
            self._counts[f"orders unread: {what}"] += 1

    def _fill(self, message: dict[str, Any], said: dict[str, Any], market: Market, order: int) -> None:
        lots = self._oddities.lots(market, said["l"])
        if lots == 0:
            return
        flags = fill_flags(said["S"] == "SELL", said["m"])
        fee = self.fee(market, said.get("N"), said.get("n"))
        ticks = market.price.nearest(said["L"])
        ts_ns = message["T"] * NS_PER_MS
        self._own_trade(OwnTrade(order, market.number, int(said["t"]), ticks, lots, fee, flags, ts_ns))

    def fee(self, market: Market, currency: str | None, amount: Any) -> int:
        """A commission in units of the account's money."""
        if amount is None or currency is None:
            return 0
        if currency != market.instrument.settlement_currency:
            return self._oddities.fee_units(market, currency, amount)
        return market.money.nearest(amount)

    def _account_update(self, message: dict[str, Any]) -> None:
        """What holdings are is asked for; so is funding, which names no instrument here where margin is crossed."""
        if message["a"].get("m") == "FUNDING_FEE":
            self._funding_paid()

    def _amended(
        self, message: dict[str, Any], said: dict[str, Any], market: Market, order: int, exchange_order_id: int
    ) -> None:
        self._inbox.order_report(
            EventKind.ORDER_AMENDED,
            self._account,
            market.number,
            order,
            exchange_order_id,
            quantity_lots=market.size.exact(said["q"]),
            price_ticks=market.price.nearest(said["p"]),
            ts_exchange_ns=message["T"] * NS_PER_MS,
        )

    def _conditional_order(self, message: dict[str, Any]) -> None:
        """Conditional orders have ids of their own; once triggered, an ordinary order goes on under the same name."""
        said = message["o"]
        market = self._markets.get(said["s"])
        order = self._ids.order_of_binance(said["caid"])
        if market is None or order == 0:
            self._counts["unknown instrument" if market is None else "foreign orders"] += 1
            return
        conditional_id, status = int(said["aid"]), said["X"]
        if said.get("ai"):
            self._orders.remember(market.number, int(said["ai"]), order)
        if status == "NEW":
            self._report(EventKind.ORDER_ACCEPTED, message, market, order, conditional_id)
        elif status == "TRIGGERED":
            self._report(EventKind.ORDER_TRIGGERED, message, market, order, int(said["ai"] or 0))
        elif status == "CANCELED":
            if order in self._replacing or conditional_id in self._replaced:
                return
            asked = Reason.EXCHANGE_CANCELED_ON_REQUEST
            self._report(EventKind.ORDER_CANCELED, message, market, order, conditional_id, asked)
        elif status == "EXPIRED":
            ended = Reason.EXCHANGE_EXPIRED
            self._report(EventKind.ORDER_EXPIRED, message, market, order, conditional_id, ended)
        elif status == "REJECTED":
            # It was open, and what it triggered was refused: it has ended without a fill.
            self._report(EventKind.ORDER_CANCELED, message, market, order, conditional_id, Reason.EXCHANGE_OTHER)

    def _report(
        self,
        kind: EventKind,
        message: dict[str, Any],
        market: Market,
        order: int,
        exchange_order_id: int,
        reason: Reason = Reason.NONE,
    ) -> None:
        ts_ns = message["T"] * NS_PER_MS
        self._inbox.order_report(
            kind, self._account, market.number, order, exchange_order_id, reason, ts_exchange_ns=ts_ns
        )
