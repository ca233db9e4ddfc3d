"""What is asked of Hyperliquid: a command as an order on its wire. Its market orders are limits that are far off."""

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from adapters.exchanges.answers import Refused
from adapters.exchanges.markets import Market
from adapters.exchanges.port import Command
from engine.kinds import OrderFlag, OrderType, TimeInForce
from engine.reasons import Reason

SIGNIFICANT_DIGITS = 5
# How far a market order may go: 5 %, as the exchange's own page has it.
_SLIPPAGE_PPM = 50_000
_PPM = 1_000_000
_TRIGGERS = {
    OrderType.STOP: ("sl", True),
    OrderType.STOP_LIMIT: ("sl", False),
    OrderType.TAKE_PROFIT: ("tp", True),
    OrderType.TAKE_PROFIT_LIMIT: ("tp", False),
}


def wire_order(market: Market, asset: int, command: Command, client_id: str, touch_ticks: int) -> dict[str, Any]:
    """An order on the wire; `touch_ticks` is the best price on the other side. Raises Refused.

    The names are the exchange's: asset, buys, price, size, reduces only, type, client id. Their order is signed.
    """
    buys = not command.order_flags & OrderFlag.SELL
    return {
        "a": asset,
        "b": buys,
        "p": _price(market, command, buys, touch_ticks),
        "s": plain(market.size.text(command.quantity_lots)),
        "r": bool(command.order_flags & OrderFlag.REDUCE_ONLY),
        "t": _terms(market, command),
        "c": client_id,
    }


def plain(text: str) -> str:
    """A number as it is signed: without zeros that say nothing."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def _terms(market: Market, command: Command) -> dict[str, Any]:
    order_type, time_in_force = OrderType(command.order_type), TimeInForce(command.time_in_force)
    if order_type in _TRIGGERS:
        kind, is_market = _TRIGGERS[order_type]
        trigger = plain(market.price.text(command.trigger_ticks))
        return {"trigger": {"isMarket": is_market, "triggerPx": trigger, "tpsl": kind}}
    if order_type == OrderType.MARKET:
        return {"limit": {"tif": "Ioc"}}
    if order_type != OrderType.LIMIT or time_in_force in (TimeInForce.FOK, TimeInForce.GTD):
        raise Refused(Reason.EXCHANGE_ORDER_INVALID)
    if command.order_flags & OrderFlag.POST_ONLY:
        return {"limit": {"tif": "Alo"}}
    return {"limit": {"tif": "Ioc" if time_in_force == TimeInForce.IOC else "Gtc"}}


def _price(market: Market, command: Command, buys: bool, touch_ticks: int) -> str:
    if command.order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT):
        return plain(market.price.text(command.limit_ticks))
    from_ticks = touch_ticks if command.order_type == OrderType.MARKET else command.trigger_ticks
    if from_ticks <= 0:
        raise Refused(Reason.EXCHANGE_NO_MARKET)
    far_ticks = from_ticks * (_PPM + (_SLIPPAGE_PPM if buys else -_SLIPPAGE_PPM)) // _PPM
    return plain(_with_digits(Decimal(market.price.text(far_ticks)), buys))


def _with_digits(price: Decimal, buys: bool) -> str:
    """A price with no more digits than are allowed, never nearer than it was."""
    last = max(price.adjusted() - SIGNIFICANT_DIGITS + 1, -_places(price))
    if last >= 0:
        return f"{price.quantize(Decimal(1), ROUND_UP if buys else ROUND_DOWN):f}"
    return f"{price.quantize(Decimal(1).scaleb(last), ROUND_UP if buys else ROUND_DOWN):f}"


def _places(price: Decimal) -> int:
    exponent = price.as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0
