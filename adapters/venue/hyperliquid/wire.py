"""What Hyperliquid says of orders, trades, positions and the market: the core's objects in, JSON values out."""

from typing import Any

from adapters.venue.hyperliquid.coins import Coin, amount
from adapters.venue.market import Bar, MarketView, Quote, Trade
from adapters.venue.orders import OwnTrade, VenueOrder
from engine.kinds import Aggressor, OrderStatus, OrderType, Side, TimeInForce
from engine.reasons import Reason

Json = dict[str, Any]

MS_NS = 1_000_000

_NO_ADDRESS = "0x" + "0" * 40
_TRIGGERED_TYPES = {
    OrderType.STOP: "Stop Market",
    OrderType.STOP_LIMIT: "Stop Limit",
    OrderType.TAKE_PROFIT: "Take Profit Market",
    OrderType.TAKE_PROFIT_LIMIT: "Take Profit Limit",
}
_STATUS = {OrderStatus.FILLED: "filled", OrderStatus.CANCELED: "canceled", OrderStatus.EXPIRED: "canceled"}
# Why an order was ended by the exchange itself, or never taken.
_ENDED = {
    Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE: "reduceOnlyCanceled",
    Reason.EXCHANGE_MARGIN_INSUFFICIENT: "marginCanceled",
    Reason.EXCHANGE_BALANCE_INSUFFICIENT: "marginCanceled",
}
_REJECTED = {
    Reason.EXCHANGE_PRICE_OFF_TICK: "tickRejected",
    Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM: "minTradeNtlRejected",
    Reason.EXCHANGE_MARGIN_INSUFFICIENT: "perpMarginRejected",
    Reason.EXCHANGE_BALANCE_INSUFFICIENT: "perpMarginRejected",
    Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE: "reduceOnlyRejected",
    Reason.EXCHANGE_POST_ONLY_WOULD_TAKE: "badAloPxRejected",
    Reason.EXCHANGE_TRIGGER_INVALID: "badTriggerPxRejected",
    Reason.EXCHANGE_NO_MARKET: "marketOrderNoLiquidityRejected",
}


def order_status(order: VenueOrder) -> str:
    """What became of an order, in Hyperliquid's word for it."""
    if order.status == OrderStatus.REJECTED:
        return _REJECTED.get(order.reason, "rejected")
    if order.is_open:
        return "triggered" if order.triggered else "open"
    if order.reason == Reason.EXCHANGE_IOC_REMAINDER and order.filled_lots == 0:
        return "iocCancelRejected"
    return _ENDED.get(order.reason, _STATUS[order.status])


def order_update(coin: Coin, order: VenueOrder, status: str) -> Json:
    """An element of `orderUpdates`."""
    basic = _basic(coin, order)
    if order.client_id:
        basic["cloid"] = order.client_id
    return {"order": basic, "status": status, "statusTimestamp": order.updated_ns // MS_NS}


def open_order(coin: Coin, order: VenueOrder) -> Json:
    """An element of `openOrders`."""
    extra: Json = {"reduceOnly": True} if order.request.reduce_only else {}
    return _basic(coin, order) | {"cloid": order.client_id or None} | extra


def frontend_order(coin: Coin, order: VenueOrder) -> Json:
    """An order with all that is known of it: an element of `frontendOpenOrders`, the inside of an `orderStatus`."""
    request = order.request
    kind = _TRIGGERED_TYPES.get(request.order_type)
    return _basic(coin, order) | {
        "triggerCondition": _condition(coin, order) if kind else "N/A",
        "isTrigger": kind is not None,
        "triggerPx": coin.price(order.trigger_ticks),
        "children": [],
        "isPositionTpsl": False,
        "reduceOnly": request.reduce_only,
        "orderType": kind or "Limit",
        "tif": None if kind else time_in_force(order),
        "cloid": order.client_id or None,
    }


def order_with_status(coin: Coin, order: VenueOrder, status: str) -> Json:
    """An element of `historicalOrders`."""
    stamp = order.updated_ns // MS_NS
    return {"order": frontend_order(coin, order), "status": status, "statusTimestamp": stamp}


def time_in_force(order: VenueOrder) -> str:
    if order.request.post_only:
        return "Alo"
    return "Ioc" if order.request.time_in_force == TimeInForce.IOC else "Gtc"


def fill(coin: Coin, trade: OwnTrade) -> Json:
    """An own trade, an element of `userFills`."""
    order = trade.order
    side = order.request.side
    before_lots = trade.position_lots - side * trade.quantity_lots
    said: Json = {
        "coin": coin.name,
        "px": coin.price(trade.price_ticks),
        "sz": coin.size(trade.quantity_lots),
        "side": _side(side),
        "time": trade.ts_ns // MS_NS,
        "startPosition": coin.size(before_lots),
        "dir": _direction(before_lots, trade.position_lots),
        "closedPnl": coin.money(trade.realized_units),
        "hash": _hash(trade.number),
        "oid": order.number,
        "crossed": not trade.is_maker,
        "fee": coin.money(trade.fee),
        "tid": trade.number,
        "feeToken": coin.instrument.settlement_currency,
        "twapId": None,
    }
    return said | {"cloid": order.client_id} if order.client_id else said


def book(coin: Coin, quote: Quote | None, ts_ms: int) -> Json:
    """An `l2Book`: the venue shows one level a side."""
    levels = [[], []] if quote is None else [_levels(coin, side) for side in _sides(quote)]
    return {"coin": coin.name, "time": quote.ts_ns // MS_NS if quote else ts_ms, "levels": levels}


def best(coin: Coin, quote: Quote) -> Json:
    """A `bbo`."""
    levels = [_levels(coin, side) for side in _sides(quote)]
    return {"coin": coin.name, "time": quote.ts_ns // MS_NS, "bbo": [side[0] if side else None for side in levels]}


def public_trade(coin: Coin, trade: Trade) -> Json:
    """An element of `trades`; who traded is nobody's business here."""
    return {
        "coin": coin.name,
        "side": "A" if trade.aggressor == Aggressor.SELLER else "B",
        "px": coin.price(trade.price_ticks),
        "sz": coin.size(trade.quantity_lots),
        "time": trade.ts_ns // MS_NS,
        "hash": _hash(trade.trade_id),
        "tid": trade.trade_id,
        "users": [_NO_ADDRESS, _NO_ADDRESS],
    }


def candle(coin: Coin, bar: Bar, interval: str, length_ns: int) -> Json:
    return {
        "t": bar.opened_ns // MS_NS,
        "T": (bar.opened_ns + length_ns) // MS_NS - 1,
        "s": coin.name,
        "i": interval,
        "o": coin.price(bar.open_ticks),
        "c": coin.price(bar.close_ticks),
        "h": coin.price(bar.high_ticks),
        "l": coin.price(bar.low_ticks),
        "v": coin.size(bar.volume_lots),
        "n": 1,
    }


def asset_context(coin: Coin, view: MarketView) -> Json:
    """An `activeAssetCtx`: prices are null until the market has said something."""
    mark = coin.price(view.mark_ticks) if view.mark_ticks else None
    index = coin.price(view.mark.index_ticks) if view.mark is not None and view.mark.index_ticks else mark
    quote = view.quote
    touch = [coin.price(quote.bid_ticks), coin.price(quote.ask_ticks)] if quote else None
    return {
        "funding": "0.0",
        "openInterest": "0.0",
        "prevDayPx": mark,
        "dayNtlVlm": "0.0",
        "premium": "0.0" if quote else None,
        "oraclePx": index,
        "markPx": mark,
        "midPx": middle(coin, view) if mark else None,
        "impactPxs": touch,
        "dayBaseVlm": "0.0",
    }


def middle(coin: Coin, view: MarketView) -> str:
    """The middle of the book, the mark price where there is none."""
    quote = view.quote
    if quote is None:
        return coin.price(view.mark_ticks)
    return amount((quote.bid_ticks + quote.ask_ticks) * coin.instrument.tick_size / 2)


def _basic(coin: Coin, order: VenueOrder) -> Json:
    return {
        "coin": coin.name,
        "side": _side(order.request.side),
        "limitPx": coin.price(order.limit_ticks),
        "sz": coin.size(order.left_lots),
        "oid": order.number,
        "timestamp": order.created_ns // MS_NS,
        "origSz": coin.size(order.request.quantity_lots),
    }


def _side(side: Side) -> str:
    return "B" if side == Side.BUY else "A"


def _condition(coin: Coin, order: VenueOrder) -> str:
    """A stop sells below its trigger and buys above it, a take-profit the other way round."""
    is_stop = order.request.order_type in (OrderType.STOP, OrderType.STOP_LIMIT)
    word = "below" if is_stop == (order.request.side == Side.SELL) else "above"
    return f"Price {word} {coin.price(order.trigger_ticks).removesuffix('.0')}"


def _direction(before_lots: int, after_lots: int) -> str:
    if before_lots * after_lots < 0:
        return "Long > Short" if before_lots > 0 else "Short > Long"
    name = "Long" if before_lots + after_lots > 0 else "Short"
    return f"Open {name}" if abs(after_lots) > abs(before_lots) else f"Close {name}"


def _hash(number: int) -> str:
    return f"0x{number & (1 << 256) - 1:064x}"


def _sides(quote: Quote) -> tuple[tuple[int, int], tuple[int, int]]:
    return (quote.bid_ticks, quote.bid_lots), (quote.ask_ticks, quote.ask_lots)


def _levels(coin: Coin, side: tuple[int, int]) -> list[Json]:
    ticks, lots = side
    return [{"px": coin.price(ticks), "sz": coin.size(lots), "n": 1}] if ticks > 0 else []
