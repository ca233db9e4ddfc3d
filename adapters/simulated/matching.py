"""How an order becomes fills, and how it ends."""

from typing import Any

import numpy as np

from adapters.simulated.book import forget_order, link, unlink, unlink_expiry, unlink_reduce_only
from adapters.simulated.checks import is_stale, slipped, would_take
from adapters.simulated.ledger import book_fill, cannot_book, hold, release
from adapters.simulated.rings import report_fill, report_order, report_terms
from adapters.simulated.state import BOOK_BAR, BOOK_QUOTE, LIMITS, UNLIMITED, WORKING
from engine.jit import inner_kernel
from engine.kinds import EventKind, OrderFlag, TimeInForce
from engine.reasons import Reason

# How a fill comes about: by taking from the book, resting in it, or resting where a public trade went.
BY_TAKING = np.int64(0)
BY_BOOK = np.int64(1)
BY_TRADE = np.int64(2)


@inner_kernel
def _remove(ex: Any, row: Any, slot: Any) -> None:
    """Take an order whose reservation is released out of everything."""
    order = ex.orders[slot - 1]
    unlink(ex, row, slot)
    if order.time_in_force == TimeInForce.GTD:
        unlink_expiry(ex, slot)
    if order.order_flags & OrderFlag.REDUCE_ONLY:
        unlink_reduce_only(ex, slot)
    forget_order(ex, slot)


@inner_kernel
def end_order(ex: Any, slot: Any, reason: Any) -> None:
    """Cancel what is left of an order, or expire it where that is the reason."""
    order = ex.orders[slot - 1]
    row = ex.instruments[order.instrument]
    code = np.int64(reason)
    kind = np.int64(EventKind.ORDER_CANCELED)
    if code == Reason.EXCHANGE_EXPIRED:
        kind = np.int64(EventKind.ORDER_EXPIRED)
    report_order(ex, order, kind, code, order.quantity_lots - order.filled_lots, np.int64(0))
    release(ex, order)
    _remove(ex, row, slot)


@inner_kernel
def expire_due(ex: Any) -> None:
    """End the orders whose time is over."""
    while ex.time_ns >= ex.next_expiry_ns:
        end_order(ex, ex.expiry_slot, np.int64(Reason.EXCHANGE_EXPIRED))


@inner_kernel
def fill(ex: Any, row: Any, slot: Any, price_ticks: Any, quantity_lots: Any, how: Any) -> Any:
    """Fill an order and report it; an order whose fill cannot be booked ends instead. True where it lives on.

    What is filled against the book is gone from what it displays; a bar's volume is one for both sides.
    """
    order = ex.orders[slot - 1]
    is_maker = how != BY_TAKING
    fee_ppm = row.maker_fee_ppm if is_maker else row.taker_fee_ppm
    reason = cannot_book(ex, order, price_ticks, quantity_lots, fee_ppm)
    if reason != 0:
        end_order(ex, slot, reason)
        return False
    release(ex, order)
    fee = book_fill(ex, order, price_ticks, quantity_lots, fee_ppm)
    order.filled_lots += quantity_lots
    report_fill(ex, order, price_ticks, quantity_lots, fee, is_maker)
    opposite = 1 - order.book_side
    if how != BY_TRADE and row.left_lots[opposite] != UNLIMITED:
        row.left_lots[opposite] -= quantity_lots
        if row.book == BOOK_BAR:
            row.left_lots[order.book_side] -= quantity_lots
    if order.filled_lots == order.quantity_lots:
        _remove(ex, row, slot)
        return False
    hold(ex, order)
    return True


@inner_kernel
def _rest(ex: Any, row: Any, slot: Any) -> None:
    """Put a limit order into the book, with what is displayed there as its place in the queue, if that is seen."""
    order = ex.orders[slot - 1]
    side = order.book_side
    order.market_record = 0
    order.queue_known = 0
    order.queue_lots = 0
    if row.book == BOOK_QUOTE and row.sized != 0:
        touch = row.touch_ticks[side]
        if order.side * (order.limit_ticks - touch) >= 0:
            order.queue_known = 1
            if order.limit_ticks == touch:
                order.queue_lots = row.shown_lots[side]
    link(ex, row, slot, LIMITS, -order.side * order.limit_ticks)


@inner_kernel
def _take(ex: Any, row: Any, slot: Any) -> None:
    """Take what is displayed at the touch; what is left works on, rests at its limit or ends, as the order says."""
    order = ex.orders[slot - 1]
    opposite = 1 - order.book_side
    left = order.quantity_lots - order.filled_lots
    quantity = min(left, row.left_lots[opposite])
    tif = order.time_in_force
    if tif == TimeInForce.FOK and quantity < left:
        end_order(ex, slot, np.int64(Reason.EXCHANGE_FOK_NOT_FILLABLE))
        return
    if quantity > 0:
        price = row.touch_ticks[opposite]
        if order.limited == 0:
            price = slipped(ex, row, order, price, quantity)
        if not fill(ex, row, slot, price, quantity, BY_TAKING):
            return
    if tif == TimeInForce.IOC:
        end_order(ex, slot, np.int64(Reason.EXCHANGE_IOC_REMAINDER))
    elif order.limited != 0:
        _rest(ex, row, slot)
    else:
        link(ex, row, slot, WORKING, order.priority)


@inner_kernel
def enter_market(ex: Any, row: Any, slot: Any, number: Any) -> None:
    """Let an order that is in no list and has no trigger to wait for trade or rest."""
    order = ex.orders[slot - 1]
    if order.limited != 0:
        if not would_take(row, order):
            if order.time_in_force == TimeInForce.IOC:
                end_order(ex, slot, np.int64(Reason.EXCHANGE_IOC_REMAINDER))
            elif order.time_in_force == TimeInForce.FOK:
                end_order(ex, slot, np.int64(Reason.EXCHANGE_FOK_NOT_FILLABLE))
            else:
                _rest(ex, row, slot)
            return
        if order.order_flags & OrderFlag.POST_ONLY:
            end_order(ex, slot, np.int64(Reason.EXCHANGE_POST_ONLY_WOULD_TAKE))
            return
    if is_stale(ex, row, number):
        link(ex, row, slot, WORKING, order.priority)
    else:
        _take(ex, row, slot)


@inner_kernel
def cut_reduce_only(ex: Any, number: Any) -> None:
    """Cut reduce-only orders to what is held, and cancel them where nothing is left that they could reduce."""
    position = ex.positions[number]
    slot = position.reduce_slot
    if slot == 0:
        return
    held = -ex.orders[slot - 1].side * position.quantity_lots
    if held > 0 and held >= position.reduce_lots_max:
        return
    position.reduce_lots_max = held
    while slot != 0:
        order = ex.orders[slot - 1]
        after = order.next_reduce_slot
        if held <= 0:
            end_order(ex, slot, np.int64(Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE))
        elif order.quantity_lots - order.filled_lots > held:
            order.quantity_lots = order.filled_lots + held
            report_terms(ex, order, EventKind.ORDER_AMENDED, np.int64(0))
        slot = after
