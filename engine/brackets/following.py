"""What orders, prices and time do to brackets: every event ends with the legs as they should be."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, later
from engine.brackets.exits import count_exit, has_ended_unasked, look_again, replacements_max, was_refused
from engine.brackets.groups import on_member_changed, settle_group
from engine.brackets.leftovers import (
    LEFTOVER,
    count_leftover_exit,
    cut_leftovers,
    leave_over,
    settle_leftovers,
)
from engine.brackets.rows import count_held, held_lots, live_slot, say
from engine.brackets.settling import close_bracket, settle
from engine.brackets.terms import price_at
from engine.brackets.trailing import note_watch, present_price
from engine.jit import inner_kernel
from engine.kinds import BracketChange, BracketStatus, FillFlag, GroupKind, LegPolicy, OrderRole, OrderStatus
from engine.orders import ask_as_it_is
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
    if slot == LEFTOVER:
        number = np.int64(order.instrument)
        count_leftover_exit(state, outbox, order, filled_lots)
        if filled_lots > 0:
            _cut(state, outbox, number)
        settle_leftovers(state, outbox, number)
        return
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
        count_exit(state, outbox, row, order, filled_lots)
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
            look_again(state, np.int64(row.expire_ts_ns))
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
    """A leg that ends though nobody asked is placed anew; one that is refused too often has the bracket closed."""
    leg = row.legs[order.leg]
    if leg.order != order.order or not has_ended_unasked(order) or row.status != BracketStatus.OPEN:
        return
    rejected = order.status == OrderStatus.REJECTED
    reason = np.int64(Reason.LEG_REJECTED) if rejected else np.int64(Reason.LEG_LOST)
    state.legs_lost += 1
    say(state, outbox, row, np.int64(BracketChange.LEG_LOST), np.int64(order.order), reason)
    leg.order = 0
    if was_refused(state, order):
        leg.replacements += 1
    too_often = leg.replacements > replacements_max(row.leg_replacements_max)
    if row.leg_policy == LegPolicy.CLOSE or too_often:
        row.status = np.int64(BracketStatus.CLOSING)
        row.close_reason = reason


@inner_kernel
def _undo_late_fill(state: Any, outbox: Any, order: Any, filled_lots: Any) -> None:
    """Cut what the fill of an order of a closed row takes from brackets; what it brings is left over."""
    # A new order may take the slot of one that has ended.
    number, strategy = np.int64(order.instrument), np.int64(order.strategy)
    side, role, order_number = np.int64(order.side), np.int64(order.order_role), np.int64(order.order)
    _cut(state, outbox, number)
    leave_over(state, outbox, number, strategy, side, role, order_number, filled_lots)


@inner_kernel
def on_position_filled(state: Any, outbox: Any, account_number: Any, instrument_number: Any) -> None:
    """After any fill of an instrument: cut its brackets where they hold more than the position; retry what failed."""
    instrument = state.instruments[instrument_number]
    if state.fault != 0 or account_number != instrument.account:
        return
    if instrument.first_bracket_slot != 0 or instrument.leftover_lots != 0:
        _cut(state, outbox, instrument_number)
    if instrument.brackets_retry or instrument.leftover_lots != 0:
        _retry(state, outbox, instrument_number)


@inner_kernel
def _cut(state: Any, outbox: Any, number: Any) -> None:
    """Cut leftovers and the youngest brackets of the side of which the position has less than is held together."""
    position = state.positions[state.instruments[number].account, number]
    loose = position.quantity_lots - position.bracket_lots
    side = np.int64(1) if loose < 0 else np.int64(-1)
    excess = abs(loose)
    excess -= cut_leftovers(state, outbox, number, side, excess)
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
    if state.fault != 0:
        return
    for number in range(len(state.instruments)):
        if state.instruments[number].brackets_retry or state.instruments[number].leftover_lots != 0:
            _retry(state, outbox, np.int64(number))


@inner_kernel
def _retry(state: Any, outbox: Any, number: Any) -> None:
    """Compare every leg of an instrument with the terms that it has, instead of those that were asked for in vain."""
    instrument = state.instruments[number]
    instrument.brackets_retry = 0
    settle_leftovers(state, outbox, number)
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
    """Close the brackets whose time is up, try what waited for the end of a pause, and note when to look next."""
    state.brackets_due_ts_ns = _NEVER
    if state.fault != 0:
        return
    for number in range(len(state.instruments)):
        _on_leftovers_due(state, outbox, np.int64(number))
        slot = np.int64(state.instruments[number].first_bracket_slot)
        while slot != 0:
            following = np.int64(state.brackets[slot - 1].next_slot)
            _on_bracket_due(state, outbox, slot)
            slot = following


@inner_kernel
def _on_leftovers_due(state: Any, outbox: Any, number: Any) -> None:
    instrument = state.instruments[number]
    if instrument.leftover_due_ts_ns > state.ts_ns:
        look_again(state, np.int64(instrument.leftover_due_ts_ns))
    elif instrument.leftover_due_ts_ns > 0:
        instrument.leftover_due_ts_ns = 0
        settle_leftovers(state, outbox, number)


@inner_kernel
def _on_bracket_due(state: Any, outbox: Any, slot: Any) -> None:
    row = state.brackets[slot - 1]
    due_ts_ns = np.int64(row.expire_ts_ns) if row.status == BracketStatus.OPEN else np.int64(row.exit_due_ts_ns)
    if due_ts_ns > state.ts_ns:
        look_again(state, due_ts_ns)
    elif due_ts_ns > 0 and row.status == BracketStatus.OPEN:
        reason = np.int64(Reason.TIME_LIMIT_REACHED)
        say(state, outbox, row, np.int64(BracketChange.TIME_LIMIT), _ZERO, reason)
        close_bracket(state, outbox, slot, reason, _ZERO)
    elif due_ts_ns > 0:
        row.exit_due_ts_ns = 0
        settle(state, outbox, slot)
