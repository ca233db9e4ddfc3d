"""Closing: a bracket, a position, everything; and cancelling entries."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX
from engine.brackets.exits import place_exit
from engine.brackets.leftovers import close_leftovers
from engine.brackets.legs import is_reduce_only
from engine.brackets.settling import close_bracket
from engine.decisions import alert
from engine.jit import inner_kernel
from engine.kinds import GroupKind, OrderRole, OrderType
from engine.orders import has_free_slot, open_lots_fit
from engine.placing import request_cancel
from engine.reasons import Reason

_ZERO = np.int64(0)
_NOBODY = np.int64(-1)
_LOTS_MAX = np.int64(MONEY_MAX)


@inner_kernel
def cancel_entries(state: Any, outbox: Any, instrument_number: Any) -> None:
    """Ask for the cancel of every open entry order of an instrument that may never fill, and of requested ones.

    A market order is as good as filled, and a requested order that is reduce-only is no entry.
    """
    slot = state.instruments[instrument_number].first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        following = order.next_slot
        is_working = order.order_role == OrderRole.ENTRY and order.order_type != OrderType.MARKET
        if is_working or (order.order_role == OrderRole.GROUPED and not is_reduce_only(order.order_flags)):
            request_cancel(state, outbox, slot)
        slot = following


@inner_kernel
def cancel_orders(state: Any, outbox: Any, instrument_number: Any) -> None:
    """Ask for the cancel of every open order of an instrument that is not a leg or exit of a bracket."""
    slot = state.instruments[instrument_number].first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        following = order.next_slot
        is_leg = order.order_role == OrderRole.STOP or order.order_role == OrderRole.TARGET
        if not is_leg and not (order.order_role == OrderRole.EXIT and order.bracket_slot != 0):
            request_cancel(state, outbox, slot)
        slot = following


@inner_kernel
def close_position(
    state: Any, outbox: Any, instrument_number: Any, strategy: Any, reason: Any, limit_ticks: Any
) -> Any:
    """Close everything under way of an instrument: an order for each open bracket, for leftovers, and for the rest.

    Entry orders that may never fill are cancelled first. `limit_ticks` above 0 makes the closing orders limit
    orders. Returns the lots, without sign, that closing orders were placed for.
    """
    if state.fault != 0:
        return _ZERO
    number = np.int64(instrument_number)
    limit = np.int64(limit_ticks)
    under_way = _cancel_working(state, outbox, number, limit == 0)
    lots = np.int64(0)
    slot = np.int64(state.instruments[number].first_bracket_slot)
    while slot != 0:
        row = state.brackets[slot - 1]
        following = np.int64(row.next_slot)
        if row.group_kind == GroupKind.BRACKET:
            lots += close_bracket(state, outbox, slot, np.int64(reason), limit)
        slot = following
    lots += close_leftovers(state, outbox, number)
    position = state.positions[state.instruments[number].account, number]
    rest = under_way + position.quantity_lots - position.bracket_lots
    return lots + _close_rest(state, outbox, number, np.int64(strategy), rest, np.int64(reason), limit)


@inner_kernel
def _cancel_working(state: Any, outbox: Any, number: Any, exits_too: Any) -> Any:
    """Cancel working entries (and exits of no bracket); returns the signed lots on order outside of brackets beside."""
    lots = np.int64(0)
    slot = state.instruments[number].first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        following = order.next_slot
        is_exit = order.order_role == OrderRole.EXIT
        cancels = order.order_role == OrderRole.ENTRY or (is_exit and exits_too and order.bracket_slot == 0)
        if cancels and order.order_type != OrderType.MARKET:
            request_cancel(state, outbox, slot)
        elif order.order_role <= OrderRole.EXIT and order.bracket_slot == 0:
            lots += order.side * (order.quantity_lots - order.filled_lots)
        slot = following
    return lots


@inner_kernel
def _close_rest(state: Any, outbox: Any, number: Any, strategy: Any, rest: Any, reason: Any, limit_ticks: Any) -> Any:
    """Order the closing of what no bracket closes, for which there is room; returns its lots."""
    instrument = state.instruments[number]
    lots = abs(rest) // instrument.quantity_step_lots * instrument.quantity_step_lots
    if lots == 0:
        return _ZERO
    side = np.int64(-1) if rest > 0 else np.int64(1)
    owner = strategy if reason == Reason.SIGNAL_CLOSED else _owner(state, number, strategy, -side)
    position = state.positions[instrument.account, number]
    fits = lots <= _LOTS_MAX and open_lots_fit(position, side, lots)
    if fits and has_free_slot(state):
        place_exit(state, outbox, number, owner, side, lots, limit_ticks, _ZERO)
        return lots
    refusal = np.int64(Reason.ORDER_TABLE_FULL) if fits else np.int64(Reason.MONEY_OVERFLOW)
    alert(state, outbox, number, owner, _ZERO, refusal, lots)
    return _ZERO


@inner_kernel
def _owner(state: Any, number: Any, named: Any, side: Any) -> Any:
    """Whose holding is closed: the strategy that is named where it holds some, else the one that holds most."""
    known = 0 <= named < state.strategies_defined
    if known and side * state.pairs[named, number].quantity_lots > 0:
        return np.int64(named)
    owner = np.int64(named) if known else _ZERO
    most = np.int64(0)
    for strategy in range(state.strategies_defined):
        lots = side * state.pairs[strategy, number].quantity_lots
        if lots > most:
            most = lots
            owner = np.int64(strategy)
    return owner


@inner_kernel
def close_everything(state: Any, outbox: Any, reason: Any) -> None:
    """Cancel all entries and close all positions."""
    for number in range(len(state.instruments)):
        if state.instruments[number].defined:
            _close_instrument(state, outbox, np.int64(number), np.int64(reason))


@inner_kernel
def _close_instrument(state: Any, outbox: Any, number: Any, reason: Any) -> None:
    cancel_entries(state, outbox, number)
    close_position(state, outbox, number, _NOBODY, reason, _ZERO)
