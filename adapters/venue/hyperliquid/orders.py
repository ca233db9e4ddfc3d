"""Orders as they are asked for at Hyperliquid: each has an answer of its own, a word or what is wrong with it.

An order is changed by canceling it and placing another, with the same client id where the client says so; an order
that is rejected has an id and a status too. What Hyperliquid does with a client id whose order is open is not
documented; here it is refused.
"""

from collections.abc import Sequence
from decimal import Decimal

from adapters.venue.core import VenueCore
from adapters.venue.hyperliquid.coins import Coin, amount, parsed_amount
from adapters.venue.hyperliquid.outbox import Outbox
from adapters.venue.hyperliquid.records import CustomerRecord
from adapters.venue.hyperliquid.requests import WireOrder
from adapters.venue.hyperliquid.wire import Json
from adapters.venue.orders import OrderRequest, Placed, Rejected, VenueOrder
from engine.kinds import OrderType, Side, TimeInForce
from engine.reasons import Reason

# Limits may be so far from the market: ccxt knows the message with this number.
_AWAY_MAX_PERCENT = 80
_NOT_OPEN = "Order was never placed, already canceled, or filled."
_NOT_MODIFIABLE = "Cannot modify canceled or filled order"
_INVALID_SIZE = "Order has invalid size."
_OBJECTIONS = {
    Reason.EXCHANGE_PRICE_OFF_TICK: "Price must be divisible by tick size.",
    Reason.EXCHANGE_QUANTITY_OFF_LOT: _INVALID_SIZE,
    Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM: _INVALID_SIZE,
    Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM: _INVALID_SIZE,
    Reason.EXCHANGE_BALANCE_INSUFFICIENT: "Insufficient margin to place order.",
    Reason.EXCHANGE_MARGIN_INSUFFICIENT: "Insufficient margin to place order.",
    Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE: "Reduce only order would increase position.",
    Reason.EXCHANGE_IOC_REMAINDER: "Order could not immediately match against any resting orders.",
    Reason.EXCHANGE_NO_MARKET: "No liquidity available for market order.",
    Reason.EXCHANGE_TRIGGER_INVALID: "Invalid TP/SL price.",
}
_TRIGGERED = {
    ("sl", True): OrderType.STOP,
    ("sl", False): OrderType.STOP_LIMIT,
    ("tp", True): OrderType.TAKE_PROFIT,
    ("tp", False): OrderType.TAKE_PROFIT_LIMIT,
}


class _Objection(Exception):
    """One order is refused, with Hyperliquid's message."""


class Orders:
    """Places, cancels and changes orders. Every answer is what Hyperliquid's `statuses` have for it."""

    def __init__(self, core: VenueCore, coins: Sequence[Coin], outbox: Outbox) -> None:
        self._core = core
        self._coins = coins
        self._outbox = outbox

    def place(self, record: CustomerRecord, wire: WireOrder) -> Json:
        try:
            request = self._request(wire)
        except _Objection as objection:
            return {"error": f"{objection} asset={wire.asset}"}
        return self._place_request(record, request)

    def _place_request(self, record: CustomerRecord, request: OrderRequest) -> Json:
        coin = self._coins[request.instrument]
        answer = self._core.place(record.customer, request)
        if isinstance(answer, Placed):
            return self._placed(coin, answer.order)
        if isinstance(answer, Rejected):
            order = record.reject(self._core.next_number(), request, answer.reason, self._core.clock_ns())
            self._outbox.reject(record, order)
            return self._error(coin, answer.reason)
        return {"error": f"Client order id {request.client_id} is that of an open order. asset={request.instrument}"}

    def _placed(self, coin: Coin, order: VenueOrder) -> Json:
        named: Json = {"oid": order.number}
        if order.client_id:
            named["cloid"] = order.client_id
        if order.is_open:
            return {"resting": named}
        if order.filled_lots == 0:
            return self._error(coin, order.reason)
        price = coin.average_price(Decimal(order.traded_ticks_lots), order.filled_lots)
        return {"filled": {"totalSz": coin.size(order.filled_lots), "avgPx": price, **named}}

    def modify(self, record: CustomerRecord, oid: int | str, wire: WireOrder) -> Json:
        """Cancel an order and place another; of the old one is told last. It is gone even where the new one is not."""
        order = record.find(oid)
        if order is None or not order.is_open:
            return {"error": _NOT_MODIFIABLE}
        try:
            request = self._request(wire)
        except _Objection as objection:
            return {"error": f"{objection} asset={wire.asset}"}
        with self._outbox.told_last() as canceled:
            self._core.cancel(record.customer, order.number)
        status = self._place_request(record, request)
        self._outbox.add(canceled)
        return {"error": f"Error placing new order during modify: {status['error']}"} if "error" in status else status

    def cancel(self, record: CustomerRecord, asset: int, oid: int | str) -> Json | str:
        order = record.find(oid)
        if order is None or not order.is_open or order.request.instrument != asset:
            return {"error": f"{_NOT_OPEN} asset={asset}"}
        self._core.cancel(record.customer, order.number)
        return "success"

    def _request(self, wire: WireOrder) -> OrderRequest:
        """What an order on the wire means. Raises _Objection."""
        if wire.asset >= len(self._coins):
            raise _Objection("Asset does not exist.")
        coin = self._coins[wire.asset]
        price, size = parsed_amount(wire.price), parsed_amount(wire.size)
        if price is None or price == 0:
            raise _Objection("Order has invalid price.")
        if size is None or coin.lots(size) < 0:
            raise _Objection(_INVALID_SIZE)
        if size == 0:
            raise _Objection("Order has zero size.")
        trigger, limit = wire.terms.trigger, wire.terms.limit
        request = OrderRequest(
            instrument=wire.asset,
            side=Side.BUY if wire.is_buy else Side.SELL,
            order_type=OrderType.LIMIT if trigger is None else _TRIGGERED[trigger.kind, trigger.is_market],
            quantity_lots=coin.lots(size),
            limit_ticks=_ticks(coin, price, _OBJECTIONS[Reason.EXCHANGE_PRICE_OFF_TICK]),
            reduce_only=wire.reduce_only,
            client_id=wire.cloid.lower() if wire.cloid else "",
        )
        if trigger is not None and limit is None:
            trigger_price = parsed_amount(trigger.price) or Decimal(0)
            text = _OBJECTIONS[Reason.EXCHANGE_TRIGGER_INVALID]
            return request._replace(trigger_ticks=_ticks(coin, trigger_price, text))
        if limit is None or trigger is not None:
            raise _Objection("Order has invalid type.")
        self._check_distance(coin, price)
        if limit.tif == "Alo":
            return request._replace(post_only=True)
        return request if limit.tif == "Gtc" else request._replace(time_in_force=TimeInForce.IOC)

    def _check_distance(self, coin: Coin, price: Decimal) -> None:
        reference = self._core.views[coin.instrument.number].mark_ticks * coin.instrument.tick_size
        if reference and abs(price - reference) * 100 > reference * _AWAY_MAX_PERCENT:
            raise _Objection(f"Order price cannot be more than {_AWAY_MAX_PERCENT}% away from the reference price.")

    def _error(self, coin: Coin, reason: Reason) -> Json:
        text = _OBJECTIONS.get(reason, "Order was rejected.")
        quote = self._core.quote(coin.instrument.number)
        if reason == Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM:
            least = Decimal(coin.instrument.notional_min_units).scaleb(-coin.money_decimals)
            text = f"Order must have minimum value of ${amount(least).removesuffix('.0')}."
        elif reason == Reason.EXCHANGE_POST_ONLY_WOULD_TAKE and quote is not None:
            touch = f"{coin.price(quote.bid_ticks)}@{coin.price(quote.ask_ticks)}"
            text = f"Post only order would have immediately matched, bbo was {touch}."
        return {"error": f"{text} asset={coin.instrument.number}"}


def _ticks(coin: Coin, price: Decimal, objection: str) -> int:
    ticks = coin.ticks(price)
    if ticks == 0:
        raise _Objection(objection)
    return ticks
