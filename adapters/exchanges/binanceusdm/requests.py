"""What is asked of Binance: a command as the parameters of its request."""

from adapters.exchanges.answers import Refused
from adapters.exchanges.markets import Market
from adapters.exchanges.port import Command
from engine.kinds import OrderFlag, OrderType, TimeInForce
from engine.reasons import Reason

_NS_PER_MS = 1_000_000
_TYPES = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
    OrderType.TRAILING_STOP: "TRAILING_STOP_MARKET",
}
# A trail is a percentage of the price, from 0.1 to 10 in steps of a tenth.
_TRAIL_TENTHS_MOST = 100


def order_terms(market: Market, command: Command) -> dict[str, str | int]:
    """What ordinary and conditional orders are described by alike. Raises Refused."""
    order_type = OrderType(command.order_type)
    terms: dict[str, str | int] = {
        "symbol": market.market_id,
        "side": "SELL" if command.order_flags & OrderFlag.SELL else "BUY",
        "type": _TYPES[order_type],
        "quantity": market.size.text(command.quantity_lots),
    }
    if command.order_flags & OrderFlag.REDUCE_ONLY:
        terms["reduceOnly"] = "true"
    if order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT):
        terms["price"] = market.price.text(command.limit_ticks)
        terms |= _time_in_force(command)
    return terms


def ordinary(market: Market, command: Command, client_id: str) -> dict[str, str | int]:
    """The parameters of POST order."""
    return order_terms(market, command) | {"newClientOrderId": client_id, "newOrderRespType": "RESULT"}


def conditional(market: Market, command: Command, client_id: str) -> dict[str, str | int]:
    """The parameters of POST algoOrder."""
    terms = order_terms(market, command) | {"algoType": "CONDITIONAL", "clientAlgoId": client_id}
    if command.order_type == OrderType.TRAILING_STOP:
        return terms | _trail(market, command)
    return terms | {"triggerPrice": market.price.text(command.trigger_ticks)}


def _time_in_force(command: Command) -> dict[str, str | int]:
    if command.order_flags & OrderFlag.POST_ONLY:
        return {"timeInForce": "GTX"}
    if command.time_in_force == TimeInForce.GTD:
        return {"timeInForce": "GTD", "goodTillDate": command.expire_ts_ns // _NS_PER_MS}
    return {"timeInForce": TimeInForce(command.time_in_force).name}


def _trail(market: Market, command: Command) -> dict[str, str | int]:
    """A trail in ticks is a percentage only from the price where it starts, and only some are possible."""
    if command.trigger_ticks <= 0:
        raise Refused(Reason.EXCHANGE_TRIGGER_INVALID)
    tenths, rest = divmod(command.trail_ticks * 1000, command.trigger_ticks)
    if rest or not 1 <= tenths <= _TRAIL_TENTHS_MOST:
        raise Refused(Reason.EXCHANGE_ORDER_INVALID)
    return {"callbackRate": f"{tenths // 10}.{tenths % 10}", "activatePrice": market.price.text(command.trigger_ticks)}
