"""Exits: what closes a bracket, and what undoes that too much of it was closed."""

from typing import Any

import numpy as np

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
_REPLACEMENTS_MAX = np.int64(3)


@inner_kernel
def replacements_max(row: Any) -> Any:
    """How often a leg or exit that was lost is placed anew."""
    return np.int64(row.leg_replacements_max) if row.leg_replacements_max > 0 else _REPLACEMENTS_MAX


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
    if row.exit_replacements > replacements_max(row):
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
def count_exit(state: Any, outbox: Any, row: Any, order: Any) -> None:
    """Bring up to date what a bracket has on exit; one that ended unfilled too often halts the trading."""
    before = order.exiting_lots
    left = order.quantity_lots - order.filled_lots if is_open(order.status) else _ZERO
    order.exiting_lots = left
    if order.side == row.side:
        row.repairing_lots += left - before
    else:
        row.exiting_lots += left - before
    lost = before > 0 and not is_open(order.status) and order.status != OrderStatus.FILLED
    if not lost or order.cancel_asked:
        return
    row.exit_replacements += 1
    if row.exit_replacements > replacements_max(row):
        state.trading_state = np.int64(TradingState.HALTED)
        reason = np.int64(Reason.EXIT_REJECTED)
        alert(state, outbox, row.instrument, row.strategy, order.order, reason, held_lots(row))
