"""One leg or member of a group: its order placed, amended or cancelled to what it should have, or released."""

from typing import Any

import numpy as np

from engine.arithmetic import PPM, ppm_part
from engine.brackets.rows import live_slot
from engine.jit import inner_kernel
from engine.kinds import BracketStatus, OrderFlag, OrderStatus, OrderType
from engine.orders import has_free_slot, open_lots_fit
from engine.placing import place_order, release_order, request_amend, request_cancel

_ZERO = np.int64(0)


@inner_kernel
def finds_room(state: Any, row: Any, side: Any, lots: Any, new_order: Any) -> Any:
    """Whether lots (of a new order, or more of an old one) find room; where not, they are tried again later."""
    position = state.positions[row.account, row.instrument]
    if open_lots_fit(position, side, lots) and (not new_order or has_free_slot(state)):
        return True
    state.instruments[row.instrument].brackets_retry = 1
    return False


@inner_kernel
def _can_be_amended(order: Any) -> Any:
    """Whether nothing is under way that has to be answered first."""
    return order.amending == 0 and order.status != OrderStatus.PENDING_CANCEL and order.status != OrderStatus.UNKNOWN


@inner_kernel
def adjust_leg(state: Any, outbox: Any, slot: Any, place: Any, lots: Any, step: Any) -> None:
    """Bring the order of a leg to `lots` still to be filled, its whole quantity in whole steps."""
    row = state.brackets[slot - 1]
    leg = row.legs[place]
    order_slot = live_slot(state, leg.order)
    if order_slot == 0:
        whole = lots // step * step
        if whole > 0 and finds_room(state, row, leg.side, whole, True):
            _place(state, outbox, slot, place, whole)
        return
    order = state.orders[order_slot - 1]
    whole = (order.filled_lots + max(lots, _ZERO)) // step * step
    if lots <= 0 or whole <= order.filled_lots:
        request_cancel(state, outbox, order_slot)
        return
    # A released stop has no price any more.
    priced = order.order_type != OrderType.MARKET
    limit = np.int64(leg.limit_ticks) if priced else _ZERO
    trigger = np.int64(leg.trigger_ticks) if priced else _ZERO
    moved = priced and (limit != order.asked_limit_ticks or trigger != order.asked_trigger_ticks)
    if not (moved or whole != order.asked_lots) or not _can_be_amended(order):
        return
    if finds_room(state, row, leg.side, whole - order.quantity_lots, False):
        request_amend(state, outbox, order_slot, whole, limit, trigger)


@inner_kernel
def _place(state: Any, outbox: Any, slot: Any, place: Any, lots: Any) -> None:
    row = state.brackets[slot - 1]
    leg = row.legs[place]
    order_slot = place_order(
        state,
        outbox,
        np.int64(row.instrument),
        np.int64(row.strategy),
        np.int64(leg.side),
        lots,
        np.int64(leg.order_type),
        np.int64(leg.limit_ticks),
        np.int64(leg.trigger_ticks),
        np.int64(leg.order_flags),
        np.int64(leg.expire_ts_ns),
        np.int64(leg.order_role),
        slot,
        np.int64(place),
    )
    leg.order = state.orders[order_slot - 1].order


@inner_kernel
def settle_legs(state: Any, outbox: Any, slot: Any, held: Any, step: Any) -> None:
    """Bring the legs of a bracket to what they should have: the stop all of what is held, the targets their shares."""
    row = state.brackets[slot - 1]
    is_open = row.status == BracketStatus.OPEN
    left = held
    shares_ppm = np.int64(0)
    before = np.int64(0)
    for place in range(len(row.legs)):
        leg = row.legs[place]
        if leg.order_role == 0:
            break
        lots = np.int64(0)
        if is_open and place == 0:
            lots = np.int64(held) if row.stop_ticks > 0 else _ZERO
        elif is_open:
            shares_ppm += leg.share_ppm
            upto = ppm_part(np.int64(row.entered_lots), shares_ppm)
            is_last = place + 1 == len(row.legs) or row.legs[place + 1].order_role == 0
            if not (is_last and shares_ppm == PPM):
                upto = upto // step * step
            lots = min(max(upto - before - leg.filled_lots, _ZERO), left)
            before = upto
            left -= lots
        adjust_leg(state, outbox, slot, np.int64(place), lots, step)


@inner_kernel
def stop_is_released(state: Any, row: Any) -> Any:
    """Whether the engine has sent the stop that it held."""
    if not row.held_by_engine:
        return False
    order_slot = live_slot(state, row.legs[0].order)
    return order_slot != 0 and state.orders[order_slot - 1].status != OrderStatus.HELD


@inner_kernel
def release_legs(state: Any, outbox: Any, row: Any, price_ticks: Any) -> None:
    """Send the legs that the engine holds and whose price has come; once the stop is out no target is."""
    for place in range(len(row.legs)):
        leg = row.legs[place]
        if place == 1 and stop_is_released(state, row):
            break
        order_slot = live_slot(state, leg.order)
        if order_slot == 0 or state.orders[order_slot - 1].status != OrderStatus.HELD:
            continue
        if place == 0:
            reached = row.side * (price_ticks - leg.trigger_ticks) <= 0
        else:
            reached = row.side * (price_ticks - leg.limit_ticks) >= 0
        if reached:
            release_order(state, outbox, order_slot)


@inner_kernel
def is_reduce_only(order_flags: Any) -> Any:
    return (order_flags & np.int64(OrderFlag.REDUCE_ONLY)) != 0
