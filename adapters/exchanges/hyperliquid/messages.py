"""From Hyperliquid's stream messages, as they are on the wire, to events in the inbox."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from adapters.exchanges.answers import FoundOrder, OwnTrade, Payment, Terms
from adapters.exchanges.candles import Candle, Candles
from adapters.exchanges.hyperliquid.errors import state
from adapters.exchanges.markets import Market
from adapters.exchanges.messages import NS_PER_MS, Known, Messages, RecentIds
from engine.kinds import Aggressor, EventKind, FillFlag, OrderFlag, OrderType
from engine.reasons import Reason

_ORDERS_KEPT = 1 << 12


@dataclass(slots=True)
class Change:
    """An order that is cancelled to be placed anew: what was said of its end, and whether that goes unsaid."""

    end: tuple[dict[str, Any], Market] | None = None
    hides_end: bool = False


class HyperliquidMessages(Messages):
    """Takes messages of all streams of an account. What it cannot read it counts by name, and never raises for it.

    `orderless` is given own trades whose order is not known yet, as they are on the wire.
    """

    def __init__(self, known: Known, orderless: Callable[[dict[str, Any]], object]) -> None:
        super().__init__(known)
        self._orderless = orderless
        self._candles = Candles(self._put_bar)
        # The best bid and ask of each instrument, for what a market order may cost.
        self.touch_ticks: dict[int, tuple[int, int]] = {}
        # What is being changed, by the exchange's id that ends with it; and such ids whose end says nothing.
        self._changes: dict[int, Change] = {}
        self._replaced = RecentIds()
        # Trades come on a channel of their own: an order's end is told once its trades are there, by its exchange id.
        self._traded_lots: dict[int, dict[int, int]] = {}
        self._ends: dict[int, tuple[dict[str, Any], Market]] = {}
        self._handlers: dict[str, Callable[[Any], None]] = {
            "bbo": self._quote,
            "trades": self._trades,
            "candle": self._candle,
            "activeAssetCtx": self._mark,
            "orderUpdates": self._order_updates,
            "userFills": self._fills,
            "userFundings": self._fundings,
        }

    def forget(self) -> None:
        """After a gap nobody knows how the open candles went on, and where the market is."""
        self._candles.forget()
        self.touch_ticks.clear()
        self._traded_lots.clear()
        self._ends.clear()

    def take(self, message: Any) -> bool:
        """True where the message was one for the tape, readable or not."""
        if not isinstance(message, dict):
            return False
        name = message.get("channel")
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            return False
        self._read(name, handler, message["data"])
        return True

    def _quote(self, data: dict[str, Any]) -> None:
        market = self._market(data["coin"])
        bid, ask = data["bbo"]
        # One side is null where nobody offers anything.
        if market is None or bid is None or ask is None:
            return
        price, size = market.price, market.size
        bid_ticks, ask_ticks = price.nearest(bid["px"]), price.nearest(ask["px"])
        self.touch_ticks[market.number] = bid_ticks, ask_ticks
        bid_lots, ask_lots = size.exact(bid["sz"]), size.exact(ask["sz"])
        self._inbox.quote(market.number, bid_ticks, ask_ticks, bid_lots, ask_lots, data["time"] * NS_PER_MS)

    def _trades(self, data: list[dict[str, Any]]) -> None:
        for said in data:
            market = self._market(said["coin"])
            if market is not None:
                aggressor = Aggressor.BUYER if said["side"] == "B" else Aggressor.SELLER
                ticks, lots = market.price.nearest(said["px"]), market.size.exact(said["sz"])
                ts_ns = said["time"] * NS_PER_MS
                self._inbox.trade(market.number, ticks, lots, int(said["tid"]), aggressor, ts_ns)

    def _candle(self, data: dict[str, Any]) -> None:
        market = self._market(data["s"])
        if market is not None and data["i"] == "1m":
            price = market.price
            prices = (
                price.nearest(data["o"]),
                price.nearest(data["h"]),
                price.nearest(data["l"]),
                price.nearest(data["c"]),
            )
            self._candles.take(market.number, Candle(data["t"] * NS_PER_MS, prices, market.volume(data["v"])))

    def _put_bar(self, instrument: int, candle: Candle) -> None:
        self._inbox.bar(instrument, candle.opened_ns, candle.prices_ticks, candle.volume_lots)

    def _mark(self, data: dict[str, Any]) -> None:
        market = self._market(data["coin"])
        context = data["ctx"]
        if market is not None and context["markPx"] is not None:
            index = market.mark.nearest(context["oraclePx"] or 0)
            self._inbox.mark_price(market.number, market.mark.nearest(context["markPx"]), index)

    def _fills(self, data: dict[str, Any]) -> None:
        # A snapshot repeats what was, further back than anybody asked for.
        if data.get("isSnapshot"):
            return
        for said in data["fills"]:
            market = self._market(said["coin"])
            if market is None:
                continue
            trade = self.own_trade_of(market, said)
            if trade is None:
                self._orderless(said)
            else:
                self._own_trade(trade)
                self._note_trade(int(said["oid"]), trade)

    def _fundings(self, data: dict[str, Any]) -> None:
        # A snapshot repeats what was, further back than anybody asked for.
        if data.get("isSnapshot"):
            return
        for said in data["fundings"]:
            payment = self.payment(said, int(said["time"]))
            if payment is not None:
                self._inbox.payment(self._account, *payment)

    def payment(self, said: dict[str, Any], time_ms: int) -> Payment | None:
        """Funding, from a stream or an answer; a coin has one at a time. None of a coin that is not ours."""
        market = self._market(said["coin"])
        if market is None:
            return None
        return Payment(market.number, time_ms, market.money.nearest(said["usdc"]), time_ms * NS_PER_MS)

    def _note_trade(self, exchange_order_id: int, trade: OwnTrade) -> None:
        self._traded_lots.setdefault(exchange_order_id, {})[trade.trade_id] = trade.quantity_lots
        if len(self._traded_lots) > _ORDERS_KEPT:
            del self._traded_lots[next(iter(self._traded_lots))]
        if exchange_order_id in self._ends:
            self._order_update(*self._ends.pop(exchange_order_id))

    def own_trade_of(self, market: Market, said: dict[str, Any], order: int | None = None) -> OwnTrade | None:
        """An own trade, from a stream or an answer; None where its order is not known. Raises Malformed."""
        if said.get("cloid"):
            order = self._ids.order_of_hyperliquid(said["cloid"])
            self._orders.check(market.number, int(said["oid"]), order)
        elif order is None:
            order = self._orders.order(market.number, int(said["oid"]))
        if order is None:
            return None
        flags = (FillFlag.SELL if said["side"] == "A" else 0) | (0 if said["crossed"] else FillFlag.MAKER)
        ticks, lots = market.price.nearest(said["px"]), self._oddities.lots(market, said["sz"])
        fee, ts_ns = self._fee(market, said), said["time"] * NS_PER_MS
        return OwnTrade(order, market.number, int(said["tid"]), ticks, lots, fee, flags, ts_ns)

    def _fee(self, market: Market, said: dict[str, Any]) -> int:
        if said.get("feeToken", market.instrument.settlement_currency) != market.instrument.settlement_currency:
            return self._oddities.fee_units(market, said["feeToken"], said["fee"])
        return market.money.nearest(said["fee"])

    def _order_updates(self, data: list[dict[str, Any]]) -> None:
        for said in data:
            market = self._market(said["order"]["coin"])
            if market is not None:
                self._order_update(said, market)

    def _order_update(self, said: dict[str, Any], market: Market) -> None:
        newest = self._orders.exchange_order_id(self._ids.order_of_hyperliquid(said["order"].get("cloid") or ""))
        found = self.found(market, said)
        if found.order == 0:
            self._counts["foreign orders"] += 1
            return
        if not found.is_open:
            # A filled order's fills say so; what was replaced by a change goes on under another id.
            if found.kind == EventKind.ORDER_ACCEPTED or newest > found.exchange_order_id:
                return
            if found.exchange_order_id in self._replaced:
                return
            if found.exchange_order_id in self._changes:
                self._changes[found.exchange_order_id].end = said, market
                return
            if self._trades_are_missing(said, market):
                self._ends[found.exchange_order_id] = said, market
                return
        triggered = said["status"] == "triggered"
        self._inbox.order_report(
            EventKind.ORDER_TRIGGERED if triggered else found.kind,
            self._account,
            market.number,
            found.order,
            found.exchange_order_id,
            found.reason,
            ts_exchange_ns=found.ts_ns,
        )

    def _trades_are_missing(self, said: dict[str, Any], market: Market) -> bool:
        row = said["order"]
        traded_lots = sum(self._traded_lots.get(int(row["oid"]), {}).values())
        return market.size.exact(row["origSz"]) - market.size.exact(row["sz"]) > traded_lots

    @contextmanager
    def changing(self, exchange_order_id: int) -> Iterator[Change]:
        """While an order is changed the end of the one before it waits: whether it says anything is known after it."""
        change = self._changes[exchange_order_id] = Change()
        try:
            yield change
        finally:
            del self._changes[exchange_order_id]
            if change.hides_end:
                self._replaced.add(exchange_order_id)
            elif change.end is not None:
                self._order_update(*change.end)

    def found(self, market: Market, said: dict[str, Any]) -> FoundOrder:
        """An order and its status, from a stream or an answer. Raises Malformed."""
        row = said["order"]
        exchange_order_id = int(row["oid"])
        order = self._ids.order_of_hyperliquid(row.get("cloid") or "")
        kind, reason, is_open = state(said["status"])
        if is_open or self._orders.exchange_order_id(order) < exchange_order_id:
            self._orders.remember(market.number, exchange_order_id, order)
        ts_ns = int(said.get("statusTimestamp") or row["timestamp"]) * NS_PER_MS
        found = FoundOrder(order, market.number, exchange_order_id, kind, reason, ts_ns, is_open)
        if order == 0:
            return found
        whole, left = market.size.exact(row["origSz"]), market.size.exact(row["sz"])
        # What is left of an immediate order has no status of its own.
        if reason == Reason.EXCHANGE_CANCELED_ON_REQUEST and row.get("tif") == "Ioc" and left < whole:
            found = found._replace(reason=Reason.EXCHANGE_IOC_REMAINDER)
        # A changed order is another one there, whose size is what was left: only its trades say what is filled.
        price_ticks, terms = _price_ticks(market, row), _terms(market, row)
        return found._replace(left_lots=left if is_open else 0, price_ticks=price_ticks, terms=terms)


_ORDER_TYPES = {
    "Limit": OrderType.LIMIT,
    "Stop Market": OrderType.STOP,
    "Stop Limit": OrderType.STOP_LIMIT,
    "Take Profit Market": OrderType.TAKE_PROFIT,
    "Take Profit Limit": OrderType.TAKE_PROFIT_LIMIT,
}


def _terms(market: Market, row: dict[str, Any]) -> Terms:
    flags = OrderFlag.SELL if row.get("side") == "A" else 0
    flags |= OrderFlag.REDUCE_ONLY if row.get("reduceOnly") else 0
    flags |= OrderFlag.POST_ONLY if row.get("tif") == "Alo" else 0
    trigger_ticks = market.price.nearest(row.get("triggerPx") or 0) if row.get("isTrigger") else 0
    order_type = _ORDER_TYPES.get(str(row.get("orderType")), OrderType.MARKET)
    return Terms(order_type, flags, trigger_ticks, int(row["timestamp"]) * NS_PER_MS)


def _price_ticks(market: Market, row: dict[str, Any]) -> int:
    """An order's limit, or its trigger where it has no limit: the limit of a market order is only far away."""
    kind = str(row.get("orderType"))
    if row.get("isTrigger") and kind.endswith("Market"):
        return market.price.nearest(row["triggerPx"])
    return 0 if kind == "Market" or row.get("tif") == "Ioc" else market.price.nearest(row["limitPx"])
