"""Orders, trades, positions and wallets as the arrays that Bitfinex sends."""

from adapters.venue.bitfinex.forms import POST_ONLY, REDUCE_ONLY, labels_of, type_name
from adapters.venue.bitfinex.names import Market
from adapters.venue.bitfinex.numbers import Number, amount, mean_price, milliseconds, money, price, share, text
from adapters.venue.orders import OwnTrade, Position, VenueOrder
from engine.kinds import OrderStatus, OrderType, TimeInForce
from engine.reasons import Reason

Array = list[object]

_ENDS = {
    Reason.EXCHANGE_POST_ONLY_WOULD_TAKE: "POSTONLY CANCELED",
    Reason.EXCHANGE_FOK_NOT_FILLABLE: "FILLORKILL CANCELED",
    Reason.EXCHANGE_IOC_REMAINDER: "IOC CANCELED",
    Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE: "RSN_POS_REDUCE_INCR",
    Reason.EXCHANGE_BALANCE_INSUFFICIENT: "INSUFFICIENT BALANCE (G1)",
    Reason.EXCHANGE_MARGIN_INSUFFICIENT: "INSUFFICIENT BALANCE (G1)",
}


def order_array(market: Market, order: VenueOrder, as_submitted: bool = False) -> Array:
    """An order as it is now; `as_submitted` is what a customer is told who has just sent it in."""
    request, labels = order.request, labels_of(order)
    left_lots = request.quantity_lots if as_submitted else order.left_lots
    filled_lots = 0 if as_submitted else order.filled_lots
    kind, before = _types(market, order)
    flags = (POST_ONLY if request.post_only else 0) | (REDUCE_ONLY if request.reduce_only else 0)
    first_price, second_price = _prices(market, order)
    return [
        order.number,
        labels.group,
        labels.client_id,
        market.symbol,
        milliseconds(order.created_ns),
        milliseconds(order.updated_ns),
        amount(market.instrument, request.side * left_lots),
        amount(market.instrument, request.side * request.quantity_lots),
        kind,
        before,
        milliseconds(request.expire_ts_ns) or None,
        None,
        flags,
        "ACTIVE" if as_submitted else _status(market, order),
        None,
        None,
        first_price,
        mean_price(market.instrument, order.traded_ticks_lots, filled_lots),
        price(market.instrument, request.trail_ticks),
        second_price,
        None,
        None,
        None,
        0,
        0,
        None,
        None,
        None,
        "API>BFX",
        None,
        None,
        _meta(request.post_only, labels.leverage),
    ]


def trade_array(market: Market, trade: OwnTrade, money_decimals: int, with_fee: bool = True) -> Array:
    """An own trade; its fee is below zero, and not known yet in the first message about it (`te`)."""
    order = trade.order
    fee, fee_currency = _fee(market, trade, money_decimals) if with_fee else (None, None)
    return [
        trade.number,
        market.symbol,
        milliseconds(trade.ts_ns),
        order.number,
        amount(market.instrument, order.request.side * trade.quantity_lots),
        price(market.instrument, trade.price_ticks),
        _types(market, order)[0],
        price(market.instrument, order.limit_ticks or order.trigger_ticks),
        1 if trade.is_maker else -1,
        fee,
        fee_currency,
        labels_of(order).client_id,
    ]


def position_array(
    market: Market, position: Position, money_decimals: int, number: int, since_ns: int, updated_ns: int
) -> Array:
    """A position; one that is closed has no quantity."""
    lots = position.quantity_lots
    instrument = market.instrument
    return [
        market.symbol,
        "ACTIVE" if lots else "CLOSED",
        amount(instrument, lots),
        mean_price(instrument, position.cost_units, lots * instrument.tick_lot_units),
        0,
        0,
        money(position.unrealized_units, money_decimals),
        share(100 * position.unrealized_units, abs(position.cost_units)),
        None,
        None,
        None,
        number,
        milliseconds(since_ns),
        milliseconds(updated_ns),
        None,
        1 if market.is_derivative else 0,
        None,
        0,
        0,
        None,
    ]


def _types(market: Market, order: VenueOrder) -> tuple[str, str | None]:
    """What an order is and what it was before its last change: a triggered stop-limit is a limit order."""
    request = order.request
    name = type_name(market, request.order_type, request.time_in_force)
    if request.order_type == OrderType.STOP_LIMIT and order.triggered:
        return type_name(market, OrderType.LIMIT, TimeInForce.GTC), name
    sent = request.quantity_lots, request.limit_ticks, request.trigger_ticks
    return name, None if sent == (order.quantity_lots, order.limit_ticks, order.trigger_ticks) else name


def _prices(market: Market, order: VenueOrder) -> tuple[Number, Number]:
    """The price and the auxiliary limit: of a stop the price is its trigger."""
    limit = price(market.instrument, order.limit_ticks)
    if order.request.order_type == OrderType.STOP_LIMIT and not order.triggered:
        return price(market.instrument, order.trigger_ticks), limit
    return (limit if order.limit_ticks else price(market.instrument, order.trigger_ticks)), 0


def _status(market: Market, order: VenueOrder) -> str:
    trades = [
        f"{text(price(market.instrument, trade.price_ticks))}"
        f"({text(amount(market.instrument, order.request.side * trade.quantity_lots))})"
        for trade in order.trades
    ]
    if order.status == OrderStatus.ACCEPTED:
        return "ACTIVE"
    if order.status == OrderStatus.FILLED:
        before = f": was PARTIALLY FILLED @ {', '.join(trades[:-1])}" if trades[1:] else ""
        return f"EXECUTED @ {trades[-1]}{before}"
    partly = f"PARTIALLY FILLED @ {', '.join(trades)}" if trades else ""
    if order.is_open:
        return partly
    end = _ENDS.get(order.reason, "CANCELED")
    return f"{end} was: {partly}" if partly else end


def _meta(post_only: bool, leverage: int | None) -> dict[str, int]:
    shown = {"$F7": 1} if post_only else {}
    return shown | {"lev": leverage, "$F33": leverage} if leverage is not None else shown


def _fee(market: Market, trade: OwnTrade, money_decimals: int) -> tuple[Number, str]:
    if trade.fee_in_base:
        return amount(market.instrument, -trade.fee), market.base
    return money(-trade.fee, money_decimals), market.quote
