"""What an exchange looks at before it takes an order, in this order; the first objection is the reason."""

from typing import Any

import numpy as np

from adapters.simulated.ledger import PPM, lacks_funds
from adapters.simulated.state import BOOK_BAR, BOOK_NONE, TICKS_MAX, SlippageModel
from engine.arithmetic import mul_div_up, product_fits
from engine.jit import inner_kernel
from engine.kinds import OrderFlag, OrderType, TimeInForce
from engine.reasons import Reason


@inner_kernel
def would_take(row: Any, order: Any) -> Any:
    """Whether an order with a limit could trade at the touch."""
    if order.side > 0:
        return 0 < row.touch_ticks[1] <= order.limit_ticks
    return row.touch_ticks[0] >= order.limit_ticks


@inner_kernel
def is_stale(ex: Any, row: Any, number: Any) -> Any:
    """Whether the book is the close of a bar that is over, so that taking has to wait for the next open."""
    return row.book == BOOK_BAR and ex.time_ns > row.market_ts_ns and ex.walk_instrument != number + 1


@inner_kernel
def slipped(ex: Any, row: Any, order: Any, touch_ticks: Any, quantity_lots: Any) -> Any:
    """The price at which an order without a limit trades: the touch, moved against it, at least one tick.

    With VOLUME_SHARE the move is the price times `impact_ppm` times the square of the share that the quantity
    has in what is shown, a bar's volume or the last trade; an unknown size counts as a share of one.
    """
    move = ex.slippage_ticks if ex.slippage_model == SlippageModel.TICKS else np.int64(0)
    if ex.slippage_model == SlippageModel.VOLUME_SHARE:
        shown = row.shown_lots[1 - order.book_side]
        share_ppm = mul_div_up(min(quantity_lots, shown), PPM, shown) if shown > 0 else np.int64(PPM)
        squared_ppm = (share_ppm * share_ppm + PPM - 1) // PPM
        move = mul_div_up(touch_ticks, ex.impact_ppm * squared_ppm, PPM * PPM)
    return touch_ticks + move if order.side > 0 else max(touch_ticks - move, 1)


@inner_kernel
def _reserve_ticks(ex: Any, row: Any, order: Any) -> Any:
    """The price at which an order counts until it is filled: its limit, else its trigger, else the touch."""
    if order.limited != 0:
        return order.limit_ticks
    ticks = order.trigger_ticks if order.trigger_ticks > 0 else row.touch_ticks[1 - order.book_side]
    if order.order_type == OrderType.TRAILING_STOP:
        ticks = max(1, ticks + order.side * order.trail_ticks)
    return slipped(ex, row, order, ticks, order.quantity_lots - order.filled_lots)


@inner_kernel
def _terms_invalid(ex: Any, row: Any, order: Any) -> Any:
    kind = order.order_type
    if kind < OrderType.MARKET or kind > OrderType.TRAILING_STOP:
        return np.int64(Reason.EXCHANGE_ORDER_INVALID)
    if order.limited != 0 and not 0 < order.limit_ticks <= TICKS_MAX:
        return np.int64(Reason.EXCHANGE_PRICE_OFF_TICK)
    if order.waits != 0 and not 0 < order.trigger_ticks <= TICKS_MAX:
        return np.int64(Reason.EXCHANGE_TRIGGER_INVALID)
    trails = 0 < order.trail_ticks <= TICKS_MAX and 0 <= order.trigger_ticks <= TICKS_MAX
    if kind == OrderType.TRAILING_STOP and not trails:
        return np.int64(Reason.EXCHANGE_TRIGGER_INVALID)
    if (kind == OrderType.MARKET or kind == OrderType.TRAILING_STOP) and row.book == BOOK_NONE:
        return np.int64(Reason.EXCHANGE_NO_MARKET)
    if order.quantity_lots <= 0:
        return np.int64(Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM)
    tif = order.time_in_force
    if tif < TimeInForce.GTC or tif > TimeInForce.GTD:
        return np.int64(Reason.EXCHANGE_ORDER_INVALID)
    may_rest = order.limited != 0 and tif != TimeInForce.IOC and tif != TimeInForce.FOK
    if order.order_flags & OrderFlag.POST_ONLY and not may_rest:
        return np.int64(Reason.EXCHANGE_ORDER_INVALID)
    if tif == TimeInForce.GTD and order.expire_ts_ns <= ex.time_ns:
        return np.int64(Reason.EXCHANGE_EXPIRED)
    return np.int64(Reason.NONE)


@inner_kernel
def _quantity_invalid(row: Any, order: Any) -> Any:
    lots = order.quantity_lots
    if lots < row.quantity_min_lots:
        return np.int64(Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM)
    if lots % row.quantity_step_lots != 0:
        return np.int64(Reason.EXCHANGE_QUANTITY_OFF_LOT)
    if row.quantity_max_lots > 0 and lots > row.quantity_max_lots:
        return np.int64(Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM)
    # A quantity that is worth more than the ledger can hold is above any exchange's maximum.
    if not product_fits(lots, order.reserve_ticks, row.tick_lot_units):
        return np.int64(Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM)
    if lots * order.reserve_ticks * row.tick_lot_units < row.notional_min_units:
        return np.int64(Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM)
    return np.int64(Reason.NONE)


@inner_kernel
def objection(ex: Any, order: Any, number: Any) -> Any:
    """Why the exchange does not take an order as it stands, 0 where it does. Sets the price it counts at."""
    row = ex.instruments[number]
    reason = _terms_invalid(ex, row, order)
    if reason == 0:
        order.reserve_ticks = _reserve_ticks(ex, row, order)
        reason = _quantity_invalid(row, order)
    if reason != 0:
        return reason
    if order.order_type == OrderType.LIMIT and (order.order_flags & OrderFlag.POST_ONLY) and would_take(row, order):
        return np.int64(Reason.EXCHANGE_POST_ONLY_WOULD_TAKE)
    if order.order_flags & OrderFlag.REDUCE_ONLY and order.side * ex.positions[number].quantity_lots >= 0:
        return np.int64(Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE)
    at_once = order.order_type == OrderType.MARKET or order.order_type == OrderType.LIMIT
    if order.time_in_force == TimeInForce.FOK and at_once and not is_stale(ex, row, number):
        takes = order.limited == 0 or would_take(row, order)
        if not takes or row.left_lots[1 - order.book_side] < order.quantity_lots:
            return np.int64(Reason.EXCHANGE_FOK_NOT_FILLABLE)
    return lacks_funds(ex, order)
