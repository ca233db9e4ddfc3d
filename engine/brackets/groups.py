"""Requested orders that belong together: one cancels the other, or one triggers the others."""

from typing import Any

import numpy as np

from engine.brackets.legs import adjust_leg, is_reduce_only
from engine.brackets.rows import close_row, live_slot
from engine.jit import inner_kernel
from engine.kinds import BracketStatus, GroupKind, OrderStatus, TradingState
from engine.orders import is_open

_ZERO = np.int64(0)
_ONE = np.int64(1)


@inner_kernel
def filled_together(row: Any) -> Any:
    """The lots that all members have filled."""
    filled = np.int64(0)
    for place in range(len(row.legs)):
        filled += row.legs[place].filled_lots
    return filled


@inner_kernel
def on_member_changed(state: Any, outbox: Any, order: Any, filled_lots: Any) -> None:
    """Bring a group up to date after a report or a fill of one of its orders."""
    row = state.brackets[order.bracket_slot - 1]
    leg = row.legs[order.leg]
    leg.filled_lots += filled_lots
    ended = leg.order == order.order and not is_open(order.status) and order.status != OrderStatus.FILLED
    if ended:
        # It is not placed again, and what it has filled is all that it ever wanted.
        leg.replacements = 1
    is_over = leg.filled_lots >= leg.quantity_lots or order.status == OrderStatus.REJECTED
    if row.group_kind == GroupKind.OCO and is_over:
        row.status = np.int64(BracketStatus.CLOSING)
    settle_group(state, outbox, np.int64(order.bracket_slot))


@inner_kernel
def settle_group(state: Any, outbox: Any, slot: Any) -> None:
    """Bring the members to what the fills of the others leave them; a group without a live order is closed."""
    row = state.brackets[slot - 1]
    if state.fault != 0 or row.status == BracketStatus.CLOSED:
        return
    waits = False
    together = filled_together(row)
    for place in range(len(row.legs)):
        leg = row.legs[place]
        if leg.order_role == 0:
            break
        is_live = live_slot(state, leg.order) != 0
        if row.group_kind == GroupKind.OCO:
            left = _ZERO if row.status == BracketStatus.CLOSING else leg.quantity_lots - together
            if is_live:
                adjust_leg(state, outbox, slot, np.int64(place), left, _ONE)
        elif place > 0:
            left = min(leg.quantity_lots, row.legs[0].filled_lots) - leg.filled_lots
            due = left > 0 and not leg.replacements
            may_grow = state.trading_state == TradingState.ACTIVE or is_reduce_only(leg.order_flags)
            if may_grow and (is_live or due):
                adjust_leg(state, outbox, slot, np.int64(place), left, _ONE)
            waits = waits or due
        waits = waits or live_slot(state, leg.order) != 0
    if not waits:
        close_row(state, slot)
