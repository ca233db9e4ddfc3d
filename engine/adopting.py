"""Orders that an exchange has and the engine did not know to be open: taken over as they are there."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX
from engine.decisions import alert
from engine.jit import inner_kernel
from engine.kinds import OrderFlag, OrderRole, OrderStatus, OrderType, TimeInForce
from engine.orders import (
    change_open_lots,
    enter_order,
    find_order,
    find_row,
    forget_order,
    has_free_slot,
    index_order,
    is_open,
    open_lots_fit,
    take_slot,
)
from engine.reasons import Reason

# What is between the numbers below zero of an order that was held for ended more than once.
_AGAIN = np.int64(1 << 32)
_FLAGS = np.int64(OrderFlag.SELL | OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY)


@inner_kernel
def adopt_order(state: Any, adopted: Any, outbox: Any) -> Any:
    """Enter an order that is open at the exchange, and tell people; one that is known to be open stays as it is.

    It is nobody's leg: an order of the strategy that it was of, or of the first one where it is not known any more.
    Numbers up to its own are taken.
    """
    flags, order_type = np.int64(adopted.source), np.int64(adopted.order_type)
    if np.int64(adopted.account) != state.instruments[adopted.instrument].account:
        return np.int64(Reason.ACCOUNT_UNKNOWN)
    if adopted.order <= 0 or order_type < OrderType.MARKET or order_type > OrderType.TRAILING_STOP:
        return np.int64(Reason.ORDER_INVALID)
    if flags & ~_FLAGS or adopted.limit_ticks < 0 or adopted.trigger_ticks < 0:
        return np.int64(Reason.ORDER_INVALID)
    if not 0 <= adopted.filled_lots < adopted.quantity_lots <= MONEY_MAX:
        return np.int64(Reason.QUANTITY_INVALID)
    strategy, filled_lots = np.int64(0), adopted.filled_lots
    known = np.int64(find_order(state, adopted.order))
    if known != 0:
        # What has been filled since it was asked for is booked there.
        filled_lots = max(filled_lots, state.orders[known - 1].filled_lots)
        if is_open(state.orders[known - 1].status) or filled_lots >= adopted.quantity_lots:
            return np.int64(Reason.NONE)
        strategy = state.orders[known - 1].strategy
    if not has_free_slot(state):
        return np.int64(Reason.ORDER_TABLE_FULL)
    side = np.int64(-1) if flags & OrderFlag.SELL else np.int64(1)
    left_lots = adopted.quantity_lots - filled_lots
    if not open_lots_fit(state.positions[adopted.account, adopted.instrument], side, left_lots):
        return np.int64(Reason.QUANTITY_INVALID)
    if known != 0:
        _put_aside(state, known)
    slot = take_slot(state)
    order = state.orders[slot - 1]
    order.order = adopted.order
    order.instrument = np.int64(adopted.instrument)
    order.account = np.int64(adopted.account)
    order.strategy = strategy
    order.order_flags = flags
    order.side = side
    order.order_type = order_type
    order.time_in_force = np.int64(TimeInForce.GTC)
    order.quantity_lots = adopted.quantity_lots
    order.limit_ticks = adopted.limit_ticks
    order.trigger_ticks = adopted.trigger_ticks
    order.trail_ticks = 0
    order.expire_ts_ns = 0
    closes = (flags & OrderFlag.REDUCE_ONLY) != 0
    role = np.int64(OrderRole.EXIT) if closes else np.int64(OrderRole.ENTRY)
    enter_order(state, slot, role, np.int64(0), np.int64(0))
    change_open_lots(state, order, -filled_lots)
    order.filled_lots = filled_lots
    in_part = filled_lots > 0
    order.status = np.int64(OrderStatus.PARTIALLY_FILLED) if in_part else np.int64(OrderStatus.ACCEPTED)
    order.placed_ts_ns = adopted.ts_exchange_ns
    state.orders_placed = max(state.orders_placed, adopted.order)
    instrument = np.int64(adopted.instrument)
    alert(state, outbox, instrument, strategy, adopted.order, np.int64(Reason.ORDER_TAKEN_OVER), left_lots)
    return np.int64(Reason.NONE)


@inner_kernel
def _put_aside(state: Any, slot: Any) -> None:
    """Keep the row of an order that was held for ended under a number below zero, until its slot is needed."""
    order = state.orders[slot - 1]
    forget_order(state, order.order)
    order.order = -order.order
    while find_row(state, order.order) != 0:
        order.order -= _AGAIN
    index_order(state, order.order, slot)
