"""Orders in Binance's words: what a request asks for, and what is answered of an order.

Conditional orders (STOP and the like) have ids and a life of their own: an order of the ordinary kind comes of one
when it triggers, under a new id and the same client id.
"""

import re
from typing import Any

from adapters.venue.binanceusdm.errors import BinanceError, bad_precision, missing, unsupported
from adapters.venue.binanceusdm.requests import Parameters
from adapters.venue.binanceusdm.symbols import Symbol, Symbols
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer
from adapters.venue.orders import OrderRequest, OrderUpdate, PrivateUpdate, VenueOrder
from engine.kinds import EventKind, OrderStatus, OrderType, Side, TimeInForce
from engine.reasons import Reason

Json = dict[str, Any]

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_ORDINARY = {"LIMIT": OrderType.LIMIT, "MARKET": OrderType.MARKET}
CONDITIONAL = {
    "STOP": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP,
    "TAKE_PROFIT": OrderType.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT,
    "TRAILING_STOP_MARKET": OrderType.TRAILING_STOP,
}
_NAMES = {kind: name for name, kind in (_ORDINARY | CONDITIONAL).items()}
_LIMITED = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
_TIMES_IN_FORCE = {
    "GTC": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTX": TimeInForce.GTC,
    "GTD": TimeInForce.GTD,
}
_OPEN_NAMES = {
    OrderStatus.ACCEPTED: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
}
_MS = 1_000_000


class Orders:
    """Reads requests for orders, and knows which ordinary order came of which conditional one."""

    def __init__(self, core: VenueCore, symbols: Symbols) -> None:
        self._core = core
        self._symbols = symbols
        self._actual: dict[int, int] = {}
        self._of_actual: dict[int, int] = {}
        core.private_listeners.append(self._on_update)

    def _on_update(self, update: PrivateUpdate) -> None:
        if isinstance(update, OrderUpdate) and update.kind == EventKind.ORDER_TRIGGERED:
            actual = self._core.next_number()
            self._actual[update.order.number] = actual
            self._of_actual[actual] = update.order.number

    def actual_id(self, order: VenueOrder) -> int:
        """The id of the ordinary order; 0 where a conditional one has not triggered."""
        return self._actual.get(order.number, 0) if is_conditional(order) else order.number

    def find(self, customer: Customer, parameters: Parameters) -> VenueOrder | None:
        """The ordinary order that a request names."""
        symbol = self._symbols.named(parameters.required("symbol"))
        order_id, client_id = parameters.whole("orderId"), parameters.text("origClientOrderId")
        if not order_id and not client_id:
            raise missing("orderId")
        found = customer.order(self._of_actual.get(order_id, order_id)) if order_id else customer.order_of(client_id)
        if found is None or found.request.instrument != symbol.number:
            return None
        actual = self.actual_id(found)
        return found if actual and order_id in (0, actual) else None

    def find_conditional(self, customer: Customer, parameters: Parameters) -> VenueOrder | None:
        """The conditional order that a request names."""
        number, client_id = parameters.whole("algoId"), parameters.text("clientAlgoId")
        if not number and not client_id:
            raise missing("algoId")
        found = customer.order(number) if number else customer.order_of(client_id)
        return found if found is not None and is_conditional(found) else None

    def read(self, parameters: Parameters) -> OrderRequest:
        """An ordinary order."""
        name = parameters.required("type")
        if name in CONDITIONAL:
            raise BinanceError(
                -4120, "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead."
            )
        if name not in _ORDINARY:
            raise BinanceError(-1116, "Invalid orderType.")
        symbol = self._symbols.named(parameters.required("symbol"))
        if name == "LIMIT":
            parameters.required("timeInForce")
        request = _common(symbol, parameters, _ORDINARY[name], parameters.text("newClientOrderId"))
        return request._replace(quantity_lots=_quantity(symbol, parameters.required("quantity")))

    def read_conditional(self, customer: Customer, parameters: Parameters) -> OrderRequest:
        """A conditional order. Its trigger must not be reached yet."""
        if parameters.required("algoType") != "CONDITIONAL":
            raise missing("algoType")
        name = parameters.required("type")
        if name not in CONDITIONAL:
            raise BinanceError(-1116, "Invalid orderType.")
        symbol = self._symbols.named(parameters.required("symbol"))
        request = _common(symbol, parameters, CONDITIONAL[name], parameters.text("clientAlgoId"))
        if parameters.flag("closePosition"):
            request = _closing(customer, request)
        else:
            request = request._replace(quantity_lots=_quantity(symbol, parameters.required("quantity")))
        if name == "TRAILING_STOP_MARKET":
            return self._trailing(symbol, request, parameters)
        request = request._replace(trigger_ticks=_price(symbol, parameters.required("triggerPrice")))
        if self._is_reached(request):
            raise BinanceError(-2021, "Order would immediately trigger.")
        return request

    def _is_reached(self, request: OrderRequest) -> bool:
        quote = self._core.quote(request.instrument)
        if quote is None:
            return False
        seen = quote.ask_ticks if request.side == Side.BUY else quote.bid_ticks
        rises = (request.order_type in (OrderType.STOP, OrderType.STOP_LIMIT)) == (request.side == Side.BUY)
        return seen >= request.trigger_ticks if rises else seen <= request.trigger_ticks

    def _trailing(self, symbol: Symbol, request: OrderRequest, parameters: Parameters) -> OrderRequest:
        """A trailing stop. Its distance is the rate of the price where it begins, and stays that."""
        try:
            rate_ppm = int(float(parameters.required("callbackRate")) * 10_000)
        except (ValueError, OverflowError):
            raise missing("callbackRate") from None
        if not 1_000 <= rate_ppm <= 100_000:
            raise BinanceError(-2007, "Invalid callBack rate.")
        activation = parameters.text("activatePrice")
        activation_ticks = _price(symbol, activation) if activation else 0
        start_ticks = activation_ticks or self._core.views[symbol.number].mark_ticks
        trail_ticks = max(start_ticks * rate_ppm // 1_000_000, 1)
        return request._replace(trail_ticks=trail_ticks, trigger_ticks=activation_ticks)

    def amendment(self, order: VenueOrder, parameters: Parameters) -> tuple[int, int]:
        """The quantity in lots and the limit in ticks that an amendment asks for."""
        if order.request.order_type not in _LIMITED:
            raise unsupported()
        symbol = self._symbols[order.request.instrument]
        if parameters.required("side") != _side(order):
            raise BinanceError(-1117, "Invalid side.")
        lots = _quantity(symbol, parameters.required("quantity"))
        ticks = _price(symbol, parameters.required("price"))
        if (lots, ticks) == (order.quantity_lots, order.limit_ticks):
            raise BinanceError(-5027, "No need to modify the order.")
        return lots, ticks

    def shown(self, order: VenueOrder) -> Json:
        """An ordinary order, as every answer shows it."""
        symbol = self._symbols[order.request.instrument]
        return {
            "orderId": self.actual_id(order),
            "symbol": symbol.name,
            "status": status_of(order),
            "clientOrderId": client_id_of(order),
            "price": symbol.prices.text(order.limit_ticks),
            "avgPrice": symbol.price_of(order.traded_ticks_lots, order.filled_lots),
            "origQty": symbol.quantities.text(order.quantity_lots),
            "executedQty": symbol.quantities.text(order.filled_lots),
            "cumQty": symbol.quantities.text(order.filled_lots),
            "cumQuote": symbol.cost_text(order.traded_ticks_lots),
            "timeInForce": time_in_force_of(order),
            "type": actual_type(order),
            "reduceOnly": order.request.reduce_only,
            "closePosition": False,
            "side": _side(order),
            "positionSide": "BOTH",
            "stopPrice": symbol.prices.text(order.trigger_ticks),
            "workingType": "CONTRACT_PRICE",
            "priceProtect": False,
            "origType": type_of(order),
            "priceMatch": "NONE",
            "selfTradePreventionMode": "NONE",
            "goodTillDate": order.request.expire_ts_ns // _MS,
            "time": order.created_ns // _MS,
            "updateTime": order.updated_ns // _MS,
        }

    def shown_conditional(self, order: VenueOrder) -> Json:
        """A conditional order, as every answer shows it."""
        symbol = self._symbols[order.request.instrument]
        actual = self.actual_id(order)
        return {
            "algoId": order.number,
            "clientAlgoId": client_id_of(order),
            "algoType": "CONDITIONAL",
            "orderType": type_of(order),
            "symbol": symbol.name,
            "side": _side(order),
            "positionSide": "BOTH",
            "timeInForce": time_in_force_of(order),
            "quantity": symbol.quantities.text(order.quantity_lots),
            "algoStatus": algo_status_of(order),
            "actualOrderId": str(actual) if actual else "",
            "actualPrice": symbol.price_of(order.traded_ticks_lots, order.filled_lots),
            "triggerPrice": symbol.prices.text(order.trigger_ticks),
            "price": symbol.prices.text(order.limit_ticks),
            "icebergQuantity": None,
            "selfTradePreventionMode": "NONE",
            "workingType": "CONTRACT_PRICE",
            "priceMatch": "NONE",
            "closePosition": False,
            "priceProtect": False,
            "reduceOnly": order.request.reduce_only,
            "createTime": order.created_ns // _MS,
            "updateTime": order.updated_ns // _MS,
            "triggerTime": order.updated_ns // _MS if order.triggered else 0,
            "goodTillDate": order.request.expire_ts_ns // _MS,
        }


def is_conditional(order: VenueOrder) -> bool:
    return order.request.order_type not in _ORDINARY.values()


def client_id_of(order: VenueOrder) -> str:
    """The client's id, or one in its place."""
    return order.client_id or f"venue-{order.number}"


def type_of(order: VenueOrder) -> str:
    return _NAMES[order.request.order_type]


def actual_type(order: VenueOrder) -> str:
    """What an order is in the market, once it is there."""
    return "LIMIT" if order.request.order_type in _LIMITED else "MARKET"


def side_of(order: VenueOrder) -> str:
    return _side(order)


def time_in_force_of(order: VenueOrder) -> str:
    return "GTX" if order.request.post_only else order.request.time_in_force.name


def status_of(order: VenueOrder) -> str:
    """What the venue ends by itself has expired; what the customer ends is canceled."""
    if order.status in _OPEN_NAMES:
        return _OPEN_NAMES[order.status]
    return "CANCELED" if order.reason == Reason.EXCHANGE_CANCELED_ON_REQUEST else "EXPIRED"


def algo_status_of(order: VenueOrder) -> str:
    if order.triggered:
        return "TRIGGERED" if order.is_open else "FINISHED"
    return status_of(order)


def _side(order: VenueOrder) -> str:
    return order.request.side.name


def _common(symbol: Symbol, parameters: Parameters, order_type: OrderType, client_id: str) -> OrderRequest:
    """What ordinary and conditional orders have in common; the quantity is still to come."""
    side = parameters.required("side")
    if side not in Side.__members__:
        raise BinanceError(-1117, "Invalid side.")
    if parameters.text("positionSide", "BOTH") != "BOTH":
        raise BinanceError(-4061, "Order's position side does not match user's setting.")
    in_force = parameters.text("timeInForce", "GTC")
    if in_force not in _TIMES_IN_FORCE:
        raise BinanceError(-1115, "Invalid timeInForce.")
    if client_id and not _CLIENT_ID.fullmatch(client_id):
        raise BinanceError(-4015, "Client order id is not valid.")
    limited = order_type in _LIMITED
    return OrderRequest(
        instrument=symbol.number,
        side=Side[side],
        order_type=order_type,
        quantity_lots=0,
        limit_ticks=_price(symbol, parameters.required("price")) if limited else 0,
        time_in_force=_TIMES_IN_FORCE[in_force] if limited else TimeInForce.GTC,
        expire_ts_ns=_expiry_ns(parameters) if in_force == "GTD" else 0,
        post_only=limited and in_force == "GTX",
        reduce_only=parameters.flag("reduceOnly"),
        client_id=client_id,
    )


def _expiry_ns(parameters: Parameters) -> int:
    parameters.required("goodTillDate")
    return parameters.whole("goodTillDate") * _MS


def _closing(customer: Customer, request: OrderRequest) -> OrderRequest:
    """An order for all that is held now."""
    held = customer.position(request.instrument).quantity_lots
    if held * request.side >= 0:
        raise BinanceError(-4509, "TIF GTE can only be used with open positions.")
    return request._replace(quantity_lots=abs(held), reduce_only=True)


def _price(symbol: Symbol, text: str) -> int:
    ticks = symbol.prices.count(text)
    if ticks is None:
        digits = len(text.partition(".")[2].rstrip("0"))
        raise (
            bad_precision()
            if digits > symbol.prices.decimals
            else BinanceError(-4014, "Price not increased by tick size.")
        )
    if ticks <= 0:
        raise BinanceError(-4001, "Price less than 0.")
    return ticks


def _quantity(symbol: Symbol, text: str) -> int:
    lots = symbol.quantities.count(text)
    if lots is None:
        raise bad_precision()
    if lots <= 0:
        raise BinanceError(-4003, "Quantity less than zero.")
    return lots
