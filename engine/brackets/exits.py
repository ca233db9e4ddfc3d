"""Exits: what closes a bracket, and what undoes that too much of it was closed.

An exit is never given up: one that was lost is placed anew at once, one that was refused after a pause that grows.
"""

from typing import Any

import numpy as np

from engine.arithmetic import later
from engine.brackets.legs import finds_room
from engine.brackets.rows import held_lots, say
from engine.decisions import alert
from engine.jit import inner_kernel
from engine.kinds import BracketChange, OrderFlag, OrderRole, OrderStatus, OrderType, TradingState
from engine.orders import is_open
from engine.placing import place_order, request_cancel
from engine.reasons import Reason

_ZERO = np.int64(0)
_NOWHERE = np.int64(0)
_EXIT = np.int64(OrderRole.EXIT)
_ONE = np.int64(1)
_REPLACEMENTS_MAX = np.int64(3)
# What an exchange ends sooner than that after it was placed it has refused, whatever it calls that.
_TAKEN_NS = np.int64(1_000_000_000)
# The pause after the second refusal in a row, how often it doubles, and the longest.
_PAUSE_NS = np.int64(100_000_000)
_DOUBLINGS_MAX = np.int64(10)
_PAUSE_MAX_NS = np.int64(60_000_000_000)


@inner_kernel
def replacements_max(configured: Any) -> Any:
    """How often a leg may be refused until its bracket is closed, an exit until trading is halted."""
    return np.int64(configured) if configured > 0 else _REPLACEMENTS_MAX


@inner_kernel
def has_ended_unasked(order: Any) -> Any:
    """Whether an order has ended otherwise than by fills, and nobody asked for its cancel."""
    return not (is_open(order.status) or order.status == OrderStatus.FILLED or order.cancel_asked)


@inner_kernel
def was_refused(state: Any, order: Any) -> Any:
    """Whether an order that has ended though nobody asked was refused; else it was lost, and is placed anew."""
    if order.status == OrderStatus.REJECTED:
        return order.reason != Reason.EXCHANGE_ORDER_UNKNOWN
    return state.ts_ns - order.placed_ts_ns < _TAKEN_NS


@inner_kernel
def end_of_pause(state: Any, refusals: Any) -> Any:
    """When exits may be tried again after so many refusals in a row, 0 for at once; they are looked at then."""
    if refusals <= 1:
        return _ZERO
    pause_ns = min(_PAUSE_NS << min(np.int64(refusals) - 2, _DOUBLINGS_MAX), _PAUSE_MAX_NS)
    due_ts_ns = np.int64(later(state.ts_ns, pause_ns))
    look_again(state, due_ts_ns)
    return due_ts_ns


@inner_kernel
def look_again(state: Any, due_ts_ns: Any) -> None:
    """Have brackets looked at with the first event that is not before a time."""
    state.brackets_due_ts_ns = min(state.brackets_due_ts_ns, due_ts_ns)
    state.due_ts_ns = min(state.due_ts_ns, due_ts_ns)


@inner_kernel
def halt_when_refused_often(state: Any, outbox: Any, order: Any, refusals: Any, most: Any, lots: Any) -> None:
    """Halt the trading, once, when exits were refused more often than legs are replaced; the tries go on."""
    if refusals == most + _ONE:
        state.trading_state = np.int64(TradingState.HALTED)
        reason = np.int64(Reason.EXIT_REJECTED)
        alert(state, outbox, order.instrument, order.strategy, order.order, reason, lots)


@inner_kernel
def place_exit(
    state: Any, outbox: Any, number: Any, strategy: Any, side: Any, lots: Any, limit_ticks: Any, bracket_slot: Any
) -> Any:
    """Place a closing order for which there is room; returns its slot.

    It is reduce-only where the position is on the other side and at least as large: what it closes is held already.
    """
    position = state.positions[state.instruments[number].account, number]
    flags = np.int64(OrderFlag.REDUCE_ONLY) if -side * position.quantity_lots >= lots else _ZERO
    kind = np.int64(OrderType.LIMIT) if limit_ticks > 0 else np.int64(OrderType.MARKET)
    return place_order(
        state,
        outbox,
        number,
        strategy,
        side,
        lots,
        kind,
        limit_ticks,
        _ZERO,
        flags,
        _ZERO,
        _EXIT,
        bracket_slot,
        _NOWHERE,
    )


@inner_kernel
def settle_exits(state: Any, outbox: Any, slot: Any, step: Any) -> None:
    """Order what is held and not on exit yet, or what was closed too much and is not on order back yet."""
    row = state.brackets[slot - 1]
    held = held_lots(row)
    if held < step and row.exiting_lots > 0:
        cancel_exits(state, outbox, slot, False)
    if state.ts_ns < row.exit_due_ts_ns:
        return
    if held >= step:
        side, missing = -row.side, (held - row.exiting_lots) // step * step
    else:
        side, missing = np.int64(row.side), (-held - row.repairing_lots) // step * step
    if missing <= 0 or not finds_room(state, row, side, missing, True):
        return
    limit = np.int64(row.exit_limit_ticks) if held > 0 else _ZERO
    number = np.int64(row.instrument)
    order_slot = place_exit(state, outbox, number, np.int64(row.strategy), side, missing, limit, slot)
    order = state.orders[order_slot - 1]
    order.exiting_lots = missing
    row.exit_order = order.order
    if held > 0:
        row.exiting_lots += missing
    else:
        row.repairing_lots += missing
        state.exits_overfilled += 1
        repaired = np.int64(BracketChange.REPAIRED)
        say(state, outbox, row, repaired, np.int64(order.order), np.int64(Reason.EXIT_OVERFILLED))


@inner_kernel
def cancel_exits(state: Any, outbox: Any, slot: Any, limits_only: Any) -> None:
    """Ask for the cancel of a bracket's exits, all of them or those with a limit."""
    row = state.brackets[slot - 1]
    order_slot = state.instruments[row.instrument].first_order_slot
    while order_slot != 0:
        order = state.orders[order_slot - 1]
        following = order.next_slot
        is_its_exit = order.order_role == OrderRole.EXIT and order.bracket_slot == slot and order.side != row.side
        if is_its_exit and (order.order_type != OrderType.MARKET or not limits_only):
            request_cancel(state, outbox, order_slot)
        order_slot = following


@inner_kernel
def count_exit(state: Any, outbox: Any, row: Any, order: Any, filled_lots: Any) -> None:
    """Bring up to date what a bracket has on exit after a report or a fill, and when it may try again."""
    before = order.exiting_lots
    left = order.quantity_lots - order.filled_lots if is_open(order.status) else _ZERO
    order.exiting_lots = left
    if order.side == row.side:
        row.repairing_lots += left - before
    else:
        row.exiting_lots += left - before
    if filled_lots > 0:
        row.exit_refusals = 0
        row.exit_due_ts_ns = 0
    elif before > 0 and has_ended_unasked(order) and was_refused(state, order):
        row.exit_refusals += 1
        row.exit_due_ts_ns = end_of_pause(state, row.exit_refusals)
        most = replacements_max(row.leg_replacements_max)
        halt_when_refused_often(state, outbox, order, row.exit_refusals, most, held_lots(row))
