"""What is asked of Bitfinex: a command as the body of its request."""

from typing import Any

from adapters.exchanges.answers import Refused
from adapters.exchanges.markets import Market
from adapters.exchanges.port import Command
from engine.kinds import OrderFlag, OrderType, TimeInForce
from engine.reasons import Reason

_NS_PER_MS = 1_000_000
_REDUCE_ONLY = 1024
_POST_ONLY = 4096
_TYPES = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP",
    OrderType.STOP_LIMIT: "STOP LIMIT",
    OrderType.TRAILING_STOP: "TRAILING STOP",
}


def submission(market: Market, command: Command, client_id: int) -> dict[str, Any]:
    """The body of auth/w/order/submit. Raises Refused for what Bitfinex does not have: take-profit orders."""
    order_type = OrderType(command.order_type)
    if order_type not in _TYPES:
        raise Refused(Reason.EXCHANGE_ORDER_INVALID)
    body: dict[str, Any] = {
        "symbol": market.market_id,
        "cid": client_id,
        "amount": _amount(market, command, command.quantity_lots),
    }
    kind = _TYPES[order_type]
    time_in_force = TimeInForce(command.time_in_force)
    if order_type == OrderType.LIMIT and time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
        kind = time_in_force.name
    body["type"] = kind if is_derivative(market) else f"EXCHANGE {kind}"
    body |= prices(market, command)
    if time_in_force == TimeInForce.GTD:
        body["tif"] = command.expire_ts_ns // _NS_PER_MS
    flags = _flags(command)
    return body | ({"flags": flags} if flags else {})


def prices(market: Market, command: Command) -> dict[str, str]:
    """The prices of an order: that of a stop is its trigger."""
    if command.order_type == OrderType.MARKET:
        return {}
    if command.order_type == OrderType.TRAILING_STOP:
        return {"price_trailing": market.price.text(command.trail_ticks)}
    limit, trigger = market.price.text(command.limit_ticks), market.price.text(command.trigger_ticks)
    if command.order_type == OrderType.STOP:
        return {"price": trigger}
    if command.order_type == OrderType.STOP_LIMIT:
        return {"price": trigger, "price_aux_limit": limit}
    return {"price": limit}


def change(market: Market, command: Command, exchange_order_id: int, more_lots: int) -> dict[str, Any]:
    """The body of auth/w/order/update: a delta is added to what is left to be filled."""
    delta = {"delta": _amount(market, command, more_lots)} if more_lots else {}
    return {"id": exchange_order_id, **delta} | prices(market, command)


def is_derivative(market: Market) -> bool:
    """Derivatives trade on margin; anything else here is bought outright."""
    return "F0" in market.market_id


def _amount(market: Market, command: Command, lots: int) -> str:
    return market.size.text(-lots if command.order_flags & OrderFlag.SELL else lots)


def _flags(command: Command) -> int:
    post_only = _POST_ONLY if command.order_flags & OrderFlag.POST_ONLY else 0
    return post_only | (_REDUCE_ONLY if command.order_flags & OrderFlag.REDUCE_ONLY else 0)
