"""One bracket brought up to date: what its orders should be is compared with what they are, after everything.

It does not matter what happened: partial, late, doubled and lost messages all come to the same comparison.
"""

from typing import Any

import numpy as np

from engine.brackets.exits import cancel_exits, settle_exits
from engine.brackets.legs import release_legs, settle_legs, stop_is_released
from engine.brackets.rows import close_row, count_held, held_lots, live_slot, say
from engine.brackets.trailing import move_stop, present_price, watch
from engine.decisions import alert
from engine.jit import inner_kernel
from engine.kinds import BracketChange, BracketStatus
from engine.placing import request_cancel
from engine.reasons import Reason

_ZERO = np.int64(0)
_CLOSED = np.int64(BracketChange.CLOSED)


@inner_kernel
def settle(state: Any, outbox: Any, slot: Any) -> None:
    """Order, amend, cancel or release the difference between what a bracket's orders should be and what they are."""
    row = state.brackets[slot - 1]
    if state.fault != 0 or row.status == BracketStatus.CLOSED:
        return
    step = np.int64(state.instruments[row.instrument].quantity_step_lots)
    held = held_lots(row)
    if row.status == BracketStatus.WAITING and live_slot(state, row.entry_order) == 0:
        row.close_reason = np.int64(Reason.ENTRY_ENDED_UNFILLED)
        _finish(state, outbox, slot, np.int64(row.entry_order))
        return
    if row.status == BracketStatus.OPEN and held < step:
        _close_when_empty(state, row)
    price = present_price(state, row)
    if row.status == BracketStatus.OPEN and price > 0 and not stop_is_released(state, row):
        move_stop(state, outbox, row, price)
    settle_legs(state, outbox, slot, held, step)
    if row.status == BracketStatus.CLOSING:
        _settle_closing(state, outbox, slot, step)
    elif row.status == BracketStatus.OPEN and row.held_by_engine and price > 0:
        release_legs(state, outbox, row, price)
    if row.status != BracketStatus.CLOSED:
        _count_uncovered(state, outbox, row, held >= step)
        watch(state, row)


@inner_kernel
def _close_when_empty(state: Any, row: Any) -> None:
    """Close a bracket that holds nothing, but not one whose first fills are less than a whole step."""
    if row.exited_lots == 0 and live_slot(state, row.entry_order) != 0:
        return
    row.status = np.int64(BracketStatus.CLOSING)
    if row.close_reason == Reason.NONE:
        row.close_reason = np.int64(Reason.ENTRY_ENDED_UNFILLED)


@inner_kernel
def _settle_closing(state: Any, outbox: Any, slot: Any, step: Any) -> None:
    """Cancel the rest of the entry, order the exit; the row is closed when the last of its orders is."""
    row = state.brackets[slot - 1]
    entry_slot = live_slot(state, row.entry_order)
    if entry_slot != 0:
        request_cancel(state, outbox, entry_slot)
    settle_exits(state, outbox, slot, step)
    if abs(held_lots(row)) >= step or row.exiting_lots > 0 or row.repairing_lots > 0 or entry_slot != 0:
        return
    for place in range(len(row.legs)):
        if live_slot(state, row.legs[place].order) != 0:
            return
    _finish(state, outbox, slot, _ZERO)


@inner_kernel
def _finish(state: Any, outbox: Any, slot: Any, order: Any) -> None:
    """Close the row; what is left below a whole step belongs to no bracket any more."""
    row = state.brackets[slot - 1]
    say(state, outbox, row, _CLOSED, order, np.int64(row.close_reason))
    _count_uncovered(state, outbox, row, False)
    count_held(state, row, -held_lots(row))
    close_row(state, slot)


@inner_kernel
def _count_uncovered(state: Any, outbox: Any, row: Any, holds: Any) -> None:
    """Count the events during which an open bracket holds lots without a live stop, once they are over."""
    uncovered = holds and row.status == BracketStatus.OPEN and not row.stop_optional
    if uncovered and live_slot(state, row.legs[0].order) == 0:
        if row.uncovered_seq == 0:
            row.uncovered_seq = state.seq
            reason = np.int64(Reason.POSITION_WITHOUT_STOP)
            alert(state, outbox, row.instrument, row.strategy, _ZERO, reason, held_lots(row))
    elif row.uncovered_seq != 0:
        events = state.seq - row.uncovered_seq
        row.uncovered_events += events
        state.uncovered_events += events
        row.uncovered_seq = 0


@inner_kernel
def close_bracket(state: Any, outbox: Any, slot: Any, reason: Any, limit_ticks: Any) -> Any:
    """Close a bracket, at a limit where that is above 0; returns the lots that exits were placed for.

    One that is closing already keeps its reason; what was refused is tried at once, and without a limit its exits that
    have one make room for the market.
    """
    row = state.brackets[slot - 1]
    before = np.int64(row.exiting_lots)
    if row.status == BracketStatus.CLOSED or state.fault != 0:
        return _ZERO
    if row.status != BracketStatus.CLOSING:
        row.status = np.int64(BracketStatus.CLOSING)
        row.close_reason = reason
        row.exit_limit_ticks = limit_ticks
    else:
        row.exit_refusals = 0
        row.exit_due_ts_ns = 0
        if row.exit_limit_ticks > 0 and limit_ticks == 0:
            row.exit_limit_ticks = 0
            cancel_exits(state, outbox, slot, True)
    settle(state, outbox, slot)
    return np.int64(row.exiting_lots) - before
