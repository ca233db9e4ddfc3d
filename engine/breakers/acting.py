"""What a tripped breaker does, within its scope."""

from typing import Any

import numpy as np

from engine.brackets.closing import cancel_entries, cancel_orders, close_account, close_everything, close_position
from engine.jit import inner_kernel
from engine.kinds import BreakerAction, OrderRole, Scope, TradingState
from engine.placing import request_cancel
from engine.reasons import Reason

_BREAKER_CLOSED = np.int64(Reason.BREAKER_CLOSED)
_ZERO = np.int64(0)
_ONE = np.int64(1)


@inner_kernel
def act(state: Any, outbox: Any, row: Any) -> None:
    """Everything at once, in the order of docs/risk/breakers.md."""
    actions = row.actions
    if actions & BreakerAction.KILL_SWITCH:
        state.trading_state = np.int64(TradingState.HALTED)
    if actions & BreakerAction.CANCEL_ORDERS:
        _cancel(state, outbox, row, _ZERO)
    if actions & BreakerAction.REDUCE_ONLY:
        _cancel(state, outbox, row, _ONE)
    if actions & BreakerAction.CLOSE_POSITION:
        _close(state, outbox, row)
    if actions & BreakerAction.CLOSE_EVERYTHING:
        close_everything(state, outbox, _BREAKER_CLOSED)


@inner_kernel
def _cancel(state: Any, outbox: Any, row: Any, entries_only: Any) -> None:
    """Ask for the cancel of the open orders of a scope that are no legs, or of its entries alone."""
    for number in range(len(state.instruments)):
        instrument = state.instruments[number]
        if instrument.open_orders == 0 or not _concerns(row, number, instrument):
            continue
        if row.scope == Scope.STRATEGY:
            _cancel_of_strategy(state, outbox, number, row.scope_id, entries_only)
        elif entries_only:
            cancel_entries(state, outbox, np.int64(number))
        else:
            cancel_orders(state, outbox, np.int64(number))


@inner_kernel
def _concerns(row: Any, instrument_number: Any, instrument: Any) -> Any:
    """Whether orders of an instrument can be within a scope."""
    if row.scope == Scope.ACCOUNT:
        return instrument.account == row.scope_id
    return row.scope != Scope.INSTRUMENT or row.scope_id == instrument_number


@inner_kernel
def _cancel_of_strategy(state: Any, outbox: Any, instrument_number: Any, strategy: Any, entries_only: Any) -> None:
    slot = state.instruments[instrument_number].first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        # A cancelled order that the engine holds leaves the list at once.
        next_slot = order.next_slot
        is_leg = order.order_role == OrderRole.STOP or order.order_role == OrderRole.TARGET
        wanted = order.order_role == OrderRole.ENTRY if entries_only else not is_leg
        if wanted and order.strategy == strategy:
            request_cancel(state, outbox, slot)
        slot = next_slot


@inner_kernel
def _close(state: Any, outbox: Any, row: Any) -> None:
    """Cancel the entries of a scope and close its positions; of a strategy, those where it has a part."""
    if row.scope == Scope.EVERYTHING:
        close_everything(state, outbox, _BREAKER_CLOSED)
    elif row.scope == Scope.ACCOUNT:
        close_account(state, outbox, row.scope_id, _BREAKER_CLOSED)
    elif row.scope == Scope.INSTRUMENT:
        if row.scope_id < len(state.instruments):
            cancel_entries(state, outbox, row.scope_id)
            close_position(state, outbox, row.scope_id, _ZERO, _BREAKER_CLOSED, _ZERO)
    elif row.scope_id < len(state.strategies):
        _cancel(state, outbox, row, _ONE)
        for number in range(len(state.instruments)):
            if state.pairs[row.scope_id, number].quantity_lots != 0:
                close_position(state, outbox, np.int64(number), row.scope_id, _BREAKER_CLOSED, _ZERO)
