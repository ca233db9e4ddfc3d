"""Leftovers: what orders of gone brackets brought in and no bracket holds. It is always under way to be closed.

An instrument keeps them like the lots of a bracket that is closing for good; their exits have LEFTOVER for a row.
"""

from typing import Any

import numpy as np

from engine.brackets.exits import (
    end_of_pause,
    halt_when_refused_often,
    has_ended_unasked,
    place_exit,
    replacements_max,
    was_refused,
)
from engine.decisions import alert
from engine.jit import inner_kernel
from engine.kinds import OrderRole
from engine.orders import has_free_slot, open_lots_fit
from engine.placing import request_cancel
from engine.reasons import Reason

# In the place of an order's bracket.
LEFTOVER = np.int64(-1)
_ZERO = np.int64(0)
_AT_THE_MARKET = np.int64(0)


@inner_kernel
def _count(state: Any, number: Any, delta_lots: Any) -> None:
    """Count a change of the leftovers, also on the position that they are a part of."""
    instrument = state.instruments[number]
    instrument.leftover_lots += delta_lots
    state.positions[instrument.account, number].bracket_lots += delta_lots


@inner_kernel
def _count_anew(instrument: Any) -> None:
    instrument.leftover_refusals = 0
    instrument.leftover_due_ts_ns = 0


@inner_kernel
def leave_over(
    state: Any, outbox: Any, number: Any, strategy: Any, side: Any, role: Any, order: Any, filled_lots: Any
) -> None:
    """Order back what a late fill of an order of a closed row leaves in its direction that no bracket holds."""
    instrument = state.instruments[number]
    position = state.positions[instrument.account, number]
    lots = np.int64(min(filled_lots, side * (position.quantity_lots - position.bracket_lots)))
    if lots <= 0:
        return
    _count(state, number, side * lots)
    _count_anew(instrument)
    instrument.leftover_strategy = strategy
    entered = role == OrderRole.ENTRY
    reason = np.int64(Reason.ENTRY_UNPROTECTED) if entered else np.int64(Reason.EXIT_OVERFILLED)
    alert(state, outbox, number, strategy, order, reason, lots)
    settle_leftovers(state, outbox, number)


@inner_kernel
def settle_leftovers(state: Any, outbox: Any, number: Any) -> Any:
    """Order what is left over and not on order against it yet, and cancel what closes none; returns the lots."""
    instrument = state.instruments[number]
    step = np.int64(instrument.quantity_step_lots)
    left = np.int64(abs(instrument.leftover_lots))
    side = np.int64(-1) if instrument.leftover_lots > 0 else np.int64(1)
    missing = (left - _on_their_way(state, outbox, number, side, left >= step)) // step * step
    if missing <= 0 or state.ts_ns < instrument.leftover_due_ts_ns:
        return _ZERO
    position = state.positions[instrument.account, number]
    if not (open_lots_fit(position, side, missing) and has_free_slot(state)):
        instrument.brackets_retry = 1
        return _ZERO
    strategy = np.int64(instrument.leftover_strategy)
    order_slot = place_exit(state, outbox, number, strategy, side, missing, _AT_THE_MARKET, LEFTOVER)
    state.orders[order_slot - 1].exiting_lots = missing
    return missing


@inner_kernel
def _on_their_way(state: Any, outbox: Any, number: Any, side: Any, closes: Any) -> Any:
    """The lots of open exits of leftovers on the side that closes some; the others are cancelled."""
    lots = np.int64(0)
    order_slot = state.instruments[number].first_order_slot
    while order_slot != 0:
        order = state.orders[order_slot - 1]
        following = order.next_slot
        if order.bracket_slot == LEFTOVER and closes and order.side == side:
            lots += order.quantity_lots - order.filled_lots
        elif order.bracket_slot == LEFTOVER:
            request_cancel(state, outbox, order_slot)
        order_slot = following
    return lots


@inner_kernel
def count_leftover_exit(state: Any, outbox: Any, order: Any, filled_lots: Any) -> None:
    """Count a fill of an exit of leftovers, or that it was refused."""
    number = np.int64(order.instrument)
    instrument = state.instruments[number]
    if filled_lots > 0:
        _count(state, number, order.side * filled_lots)
        _count_anew(instrument)
    elif order.exiting_lots > 0 and has_ended_unasked(order):
        order.exiting_lots = 0
        if was_refused(state, order):
            instrument.leftover_refusals += 1
            instrument.leftover_due_ts_ns = end_of_pause(state, instrument.leftover_refusals)
            most = replacements_max(instrument.rules.leg_replacements_max)
            lots = np.int64(abs(instrument.leftover_lots))
            halt_when_refused_often(state, outbox, order, instrument.leftover_refusals, most, lots)


@inner_kernel
def cut_leftovers(state: Any, outbox: Any, number: Any, side: Any, excess_lots: Any) -> Any:
    """Cut leftovers of a side of which the position has less than is held together; returns the lots."""
    lots = np.int64(min(side * state.instruments[number].leftover_lots, excess_lots))
    if lots <= 0:
        return _ZERO
    _count(state, number, -side * lots)
    settle_leftovers(state, outbox, number)
    return lots


@inner_kernel
def close_leftovers(state: Any, outbox: Any, number: Any) -> Any:
    """Try at once to close what is left over, its refusals counted anew; returns the lots that are ordered."""
    _count_anew(state.instruments[number])
    return settle_leftovers(state, outbox, number)
