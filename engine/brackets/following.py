"""What orders, prices and time do to brackets: every event ends with the legs as they should be."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, later
from engine.brackets.exits import count_exit, place_exit, replacements_max
from engine.brackets.groups import on_member_changed, settle_group
from engine.brackets.rows import count_held, held_lots, live_slot, say
from engine.brackets.settling import close_bracket, settle
from engine.brackets.terms import price_at
from engine.brackets.trailing import note_watch, present_price
from engine.decisions import alert
from engine.jit import inner_kernel
from engine.kinds import BracketChange, BracketStatus, FillFlag, GroupKind, LegPolicy, OrderRole, OrderStatus
from engine.orders import ask_as_it_is, has_free_slot, is_open, open_lots_fit
from engine.reasons import Reason

_ZERO = np.int64(0)
_NEVER = np.int64(INT64_MAX)
_NO_REASON = np.int64(Reason.NONE)


@inner_kernel
def entered_lots(fill: Any, order: Any) -> Any:
    """The lots that a fill brings to its bracket: an entry without a fee that is taken in the lots it buys."""
    flags = np.int64(fill.fill_flags)
    bought = (flags & FillFlag.SELL) == 0
    if order.order_role == OrderRole.ENTRY and bought and (flags & FillFlag.FEE_IN_BASE) != 0:
        return max(fill.quantity_lots - fill.fee, _ZERO)
    return np.int64(fill.quantity_lots)


@inner_kernel
def on_order_changed(state: Any, outbox: Any, order_slot: Any, filled_lots: Any, price_ticks: Any) -> None:
    """Bring the row of an order up to date after a report (`filled_lots` 0) or a fill that was booked."""
    if state.fault != 0:
        return
    order = state.orders[order_slot - 1]
    slot = np.int64(order.bracket_slot)
    row = state.brackets[slot - 1]
    # A row is used again only when all its orders have ended: older orders are of a bracket that has gone.
    if row.status == BracketStatus.CLOSED or order.order < row.entry_order:
        if filled_lots > 0 and order.order_role != OrderRole.GROUPED:
            _undo_late_fill(state, outbox, order, filled_lots)
        return
    if row.group_kind != GroupKind.BRACKET:
        on_member_changed(state, outbox, order, filled_lots)
        return
    if order.order_role == OrderRole.ENTRY:
        if filled_lots > 0:
            _enter(state, outbox, row, filled_lots, price_ticks)
    elif order.order_role == OrderRole.EXIT:
        _count_exited(state, row, filled_lots if order.side != row.side else -filled_lots)
        count_exit(state, outbox, row, order)
    elif filled_lots > 0:
        _fill_leg(state, row, order, filled_lots)
    else:
        _lose_leg(state, outbox, row, order)
    settle(state, outbox, slot)


@inner_kernel
def _count_exited(state: Any, row: Any, lots: Any) -> None:
    row.exited_lots += lots
    count_held(state, row, -lots)


@inner_kernel
def _enter(state: Any, outbox: Any, row: Any, lots: Any, price_ticks: Any) -> None:
    """Count what was entered; the first fill sets all prices."""
    first = row.entered_lots == 0
    row.entered_lots += lots
    row.entry_units += lots * price_ticks * state.instruments[row.instrument].tick_lot_units
    count_held(state, row, lots)
    if not first:
        return
    row.entry_ticks = price_ticks
    row.best_ticks = price_ticks
    row.opened_ts_ns = state.ts_ns
    stop = row.legs[0]
    row.stop_ticks = price_at(stop.distance, stop.distance_value, price_ticks, -row.side)
    stop.trigger_ticks = row.stop_ticks
    for place in range(1, len(row.legs)):
        leg = row.legs[place]
        if leg.order_role != 0:
            leg.limit_ticks = price_at(leg.distance, leg.distance_value, price_ticks, row.side)
    if row.time_limit_ns > 0:
        row.expire_ts_ns = later(state.ts_ns, row.time_limit_ns)
    if row.status == BracketStatus.WAITING:
        row.status = np.int64(BracketStatus.OPEN)
        if row.expire_ts_ns > 0:
            state.brackets_due_ts_ns = min(state.brackets_due_ts_ns, row.expire_ts_ns)
            state.due_ts_ns = min(state.due_ts_ns, row.expire_ts_ns)
        say(state, outbox, row, np.int64(BracketChange.OPENED), np.int64(row.entry_order), _NO_REASON)


@inner_kernel
def _fill_leg(state: Any, row: Any, order: Any, lots: Any) -> None:
    """Count the fill of a leg, also of one that was replaced; the leg that fills last names the reason."""
    row.legs[order.leg].filled_lots += lots
    _count_exited(state, row, lots)
    by_leg = row.close_reason == Reason.STOP_REACHED or row.close_reason == Reason.TARGET_REACHED
    if row.status == BracketStatus.OPEN or by_leg:
        is_stop = order.order_role == OrderRole.STOP
        row.close_reason = np.int64(Reason.STOP_REACHED) if is_stop else np.int64(Reason.TARGET_REACHED)


@inner_kernel
def _lose_leg(state: Any, outbox: Any, row: Any, order: Any) -> None:
    """A leg that ends though nobody asked is placed anew, or the bracket is closed."""
    leg = row.legs[order.leg]
    ended = leg.order == order.order and not is_open(order.status) and order.status != OrderStatus.FILLED
    if not ended or order.cancel_asked or row.status != BracketStatus.OPEN:
        return
    rejected = order.status == OrderStatus.REJECTED
    reason = np.int64(Reason.LEG_REJECTED) if rejected else np.int64(Reason.LEG_LOST)
    state.legs_lost += 1
    say(state, outbox, row, np.int64(BracketChange.LEG_LOST), np.int64(order.order), reason)
    leg.order = 0
    leg.replacements += 1
    if row.leg_policy == LegPolicy.CLOSE or leg.replacements > replacements_max(row):
        row.status = np.int64(BracketStatus.CLOSING)
        row.close_reason = reason


@inner_kernel
def _undo_late_fill(state: Any, outbox: Any, order: Any, filled_lots: Any) -> None:
    """Order back what a late fill of a closed row leaves in its direction that no bracket holds."""
    number = np.int64(order.instrument)
    _cut(state, outbox, number)
    position = state.positions[order.account, number]
    unheld = order.side * (position.quantity_lots - position.bracket_lots)
    step = state.instruments[number].quantity_step_lots
    lots = min(filled_lots, unheld) // step * step
    if lots <= 0:
        return
    is_entry = order.order_role == OrderRole.ENTRY
    reason = np.int64(Reason.ENTRY_UNPROTECTED) if is_entry else np.int64(Reason.EXIT_OVERFILLED)
    alert(state, outbox, order.instrument, order.strategy, order.order, reason, lots)
    side = np.int64(-order.side)
    if has_free_slot(state) and open_lots_fit(position, side, lots):
        place_exit(state, outbox, number, np.int64(order.strategy), side, lots, _ZERO, _ZERO)


@inner_kernel
def on_position_filled(state: Any, outbox: Any, account_number: Any, instrument_number: Any) -> None:
    """After any fill of an instrument: cut its brackets where they hold more than the position; retry what failed."""
    instrument = state.instruments[instrument_number]
    if instrument.first_bracket_slot == 0 or state.fault != 0 or account_number != instrument.account:
        return
    _cut(state, outbox, instrument_number)
    if instrument.brackets_retry:
        _retry(state, outbox, instrument_number)


@inner_kernel
def _cut(state: Any, outbox: Any, number: Any) -> None:
    """Cut the youngest brackets of the side of which the position has less than all of them hold together."""
    position = state.positions[state.instruments[number].account, number]
    loose = position.quantity_lots - position.bracket_lots
    side = np.int64(1) if loose < 0 else np.int64(-1)
    excess = abs(loose)
    slot = np.int64(state.instruments[number].first_bracket_slot)
    while slot != 0 and excess > 0:
        row = state.brackets[slot - 1]
        following = np.int64(row.next_slot)
        lots = min(held_lots(row), excess)
        if row.group_kind == GroupKind.BRACKET and row.side == side and lots > 0:
            excess -= lots
            _count_exited(state, row, lots)
            reason = np.int64(Reason.POSITION_SMALLER_THAN_BRACKET)
            say(state, outbox, row, np.int64(BracketChange.CUT), _ZERO, reason)
            nothing_left = held_lots(row) < state.instruments[number].quantity_step_lots
            if nothing_left and row.status != BracketStatus.CLOSING:
                row.close_reason = reason
            settle(state, outbox, slot)
        slot = following


@inner_kernel
def retry_brackets(state: Any, outbox: Any) -> None:
    """At a timer: try again what was refused or found no room."""
    if state.brackets_open == 0 or state.fault != 0:
        return
    for number in range(len(state.instruments)):
        if state.instruments[number].brackets_retry:
            _retry(state, outbox, np.int64(number))


@inner_kernel
def _retry(state: Any, outbox: Any, number: Any) -> None:
    """Compare every leg of an instrument with the terms that it has, instead of those that were asked for in vain."""
    instrument = state.instruments[number]
    instrument.brackets_retry = 0
    slot = np.int64(instrument.first_bracket_slot)
    while slot != 0:
        row = state.brackets[slot - 1]
        following = np.int64(row.next_slot)
        for place in range(len(row.legs)):
            order_slot = live_slot(state, row.legs[place].order)
            if order_slot != 0 and state.orders[order_slot - 1].amending == 0:
                ask_as_it_is(state.orders[order_slot - 1])
        if row.group_kind == GroupKind.BRACKET:
            settle(state, outbox, slot)
        else:
            settle_group(state, outbox, slot)
        slot = following


@inner_kernel
def on_price(state: Any, outbox: Any, instrument_number: Any) -> None:
    """Move stops and release held legs at the present price, and note at which prices to look again."""
    instrument = state.instruments[instrument_number]
    instrument.watch_low_ticks = 0
    instrument.watch_high_ticks = _NEVER
    if state.fault != 0:
        return
    slot = np.int64(instrument.first_bracket_slot)
    while slot != 0:
        row = state.brackets[slot - 1]
        following = np.int64(row.next_slot)
        if row.group_kind == GroupKind.BRACKET and row.status == BracketStatus.OPEN:
            price = present_price(state, row)
            if price <= row.watch_low_ticks or price >= row.watch_high_ticks:
                settle(state, outbox, slot)
            else:
                note_watch(state, row)
        slot = following


@inner_kernel
def on_brackets_due(state: Any, outbox: Any) -> None:
    """Close the brackets whose time is up, and note when the next one's is."""
    state.brackets_due_ts_ns = _NEVER
    if state.brackets_open == 0 or state.fault != 0:
        return
    reason = np.int64(Reason.TIME_LIMIT_REACHED)
    for number in range(len(state.instruments)):
        slot = np.int64(state.instruments[number].first_bracket_slot)
        while slot != 0:
            row = state.brackets[slot - 1]
            following = np.int64(row.next_slot)
            if row.status == BracketStatus.OPEN and row.expire_ts_ns > state.ts_ns:
                state.brackets_due_ts_ns = min(state.brackets_due_ts_ns, row.expire_ts_ns)
            elif row.status == BracketStatus.OPEN and row.expire_ts_ns > 0:
                say(state, outbox, row, np.int64(BracketChange.TIME_LIMIT), _ZERO, reason)
                close_bracket(state, outbox, slot, reason, _ZERO)
            slot = following
