"""`/exchange`: signed actions on orders and accounts.

As at Hyperliquid an order is changed by canceling it and placing another with the same client id, the dead man's
switch is `scheduleCancel`, and a rejected order has an id. Unlike there the switch needs no traded volume, margin
is that of the configuration whatever the leverage, and groups of orders and builders' fees are not to be had.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from adapters.venue.core import VenueCore
from adapters.venue.hyperliquid import requests
from adapters.venue.hyperliquid.coins import Coin, amount, parsed_amount
from adapters.venue.hyperliquid.outbox import Outbox
from adapters.venue.hyperliquid.records import CustomerRecord
from adapters.venue.hyperliquid.requests import WireOrder
from adapters.venue.hyperliquid.signatures import Nonces, SignatureUnreadable, action_hash, signer
from adapters.venue.hyperliquid.wire import MS_NS, Json
from adapters.venue.orders import OrderRequest, Placed, Rejected, VenueOrder
from engine.kinds import OrderType, Side, TimeInForce
from engine.reasons import Reason

_SCHEDULE_AHEAD_MIN_MS = 5_000
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


class Unreadable(ValueError):
    """A request that has no shape known here: answered with HTTP 422."""


class _Refused(Exception):
    """A whole action is refused, with Hyperliquid's message."""


class _Objection(Exception):
    """One order is refused, with Hyperliquid's message."""


class Actions:
    """Carries out actions for whoever signed them."""

    def __init__(
        self, core: VenueCore, coins: Sequence[Coin], records: Mapping[str, CustomerRecord], outbox: Outbox
    ) -> None:
        self._core = core
        self._coins = coins
        self._records = records
        self._outbox = outbox
        self._nonces = Nonces()
        self._schedules: dict[str, asyncio.TimerHandle] = {}

    def answer(self, body: bytes | str | msgspec.Raw) -> Json:
        """Check who signed a request and that it is new, and carry it out. Raises Unreadable."""
        try:
            request = msgspec.json.decode(body, type=requests.Signed)
            action = msgspec.convert(request.action, requests.Action)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreadable(str(error)) from None
        try:
            record = self._signer(request)
            with self._outbox.action():
                response = self._carry_out(record, action)
        except _Refused as refusal:
            return {"status": "err", "response": str(refusal)}
        return {"status": "ok", "response": response}

    def _signer(self, request: requests.Signed) -> CustomerRecord:
        now_ms = self._core.clock_ns() // MS_NS
        vault = request.vaultAddress or ""
        try:
            address = signer(action_hash(request.action, request.nonce, vault, request.expiresAfter), request.signature)
        except SignatureUnreadable:
            raise _Refused("Unable to recover signer.") from None
        customer = self._core.customer_of(address)
        if customer is None:
            raise _Refused(f"User or API Wallet {address} does not exist.")
        if vault:
            raise _Refused(f"Vault not registered: {vault}")
        if objection := self._nonces.objection(address, request.nonce, now_ms):
            raise _Refused(objection)
        if request.expiresAfter is not None and request.expiresAfter < now_ms:
            raise _Refused("Action already expired")
        return self._records[customer.name]

    def _carry_out(self, record: CustomerRecord, action: requests.Action) -> Json:
        match action:
            case requests.Order():
                if action.grouping != "na":
                    raise _Refused(f"Grouping {action.grouping} is not to be had at this venue.")
                if action.builder is not None:
                    raise _Refused("Builder fee has not been approved.")
                return _statuses("order", [self._place(record, order) for order in action.orders])
            case requests.Cancel():
                return _statuses("cancel", [self._cancel(record, c.asset, c.oid) for c in action.cancels])
            case requests.CancelByCloid():
                return _statuses("cancel", [self._cancel(record, c.asset, c.cloid) for c in action.cancels])
            case requests.BatchModify():
                return _statuses("order", [self._modify(record, m.oid, m.order) for m in action.modifies])
            case requests.Modify():
                status = self._modify(record, action.oid, action.order)
                if "error" in status:
                    raise _Refused(status["error"])
            case requests.ScheduleCancel():
                self._schedule(record, action.time_ms)
            case requests.UpdateLeverage():
                self._set_leverage(record, action)
            case requests.SetReferrer():
                raise _Refused("Referral code not registered")
        return {"type": "default"}

    def _place(self, record: CustomerRecord, wire: WireOrder) -> Json:
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

    def _modify(self, record: CustomerRecord, oid: int | str, wire: WireOrder) -> Json:
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

    def _cancel(self, record: CustomerRecord, asset: int, oid: int | str) -> Json | str:
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

    def _schedule(self, record: CustomerRecord, time_ms: int | None) -> None:
        """Cancel everything at a time, unless another one is set before; None for never."""
        name = record.customer.name
        if time_ms is not None:
            ahead_ms = time_ms - self._core.clock_ns() // MS_NS
            if ahead_ms < _SCHEDULE_AHEAD_MIN_MS:
                raise _Refused("Scheduled cancel time must be at least 5 seconds in the future.")
        if name in self._schedules:
            self._schedules.pop(name).cancel()
        if time_ms is not None:
            loop = asyncio.get_running_loop()
            self._schedules[name] = loop.call_later(ahead_ms / 1_000, self._cancel_scheduled, record)

    def _cancel_scheduled(self, record: CustomerRecord) -> None:
        self._schedules.pop(record.customer.name, None)
        for order in record.customer.open_orders():
            record.scheduled.add(order.number)
            self._core.cancel(record.customer, order.number)

    def _set_leverage(self, record: CustomerRecord, action: requests.UpdateLeverage) -> None:
        if action.asset >= len(self._coins):
            raise _Refused("Asset does not exist.")
        if not 1 <= action.leverage <= self._coins[action.asset].leverage_max:
            raise _Refused("Invalid leverage value")
        if not action.is_cross:
            raise _Refused("Isolated margin is not to be had at this venue.")
        record.leverage[action.asset] = action.leverage


def _statuses(kind: str, statuses: list[Json] | list[Json | str]) -> Json:
    return {"type": kind, "data": {"statuses": statuses}}


def _ticks(coin: Coin, price: Decimal, objection: str) -> int:
    ticks = coin.ticks(price)
    if ticks == 0:
        raise _Objection(objection)
    return ticks
