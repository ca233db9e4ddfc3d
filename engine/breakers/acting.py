"""What a tripped breaker does, within its scope."""

from typing import Any

import numpy as np

from engine.brackets.closing import cancel_entries, cancel_orders, close_everything, close_position
from engine.brackets.legs import is_reduce_only
from engine.breakers.conditions import covers_account, covers_instrument
from engine.jit import inner_kernel
from engine.kinds import BreakerAction, OrderRole, OrderType, Scope, TradingState
from engine.placing import request_cancel
from engine.reasons import Reason

_BREAKER_CLOSED = np.int64(Reason.BREAKER_CLOSED)
_ZERO = np.int64(0)
_NOBODY = np.int64(-1)
_CANCEL_ORDERS = np.int64(1)
_CANCEL_ENTRIES = np.int64(2)
_CLOSE = np.int64(3)


@inner_kernel
def act(state: Any, outbox: Any, row: Any) -> None:
    """Everything at once, in the order of docs/risk/breakers.md."""
    actions = row.actions
    if actions & BreakerAction.KILL_SWITCH:
        state.trading_state = np.int64(TradingState.HALTED)
    if actions & BreakerAction.CANCEL_ORDERS:
        _act_on_instruments(state, outbox, row, _CANCEL_ORDERS)
    if actions & BreakerAction.REDUCE_ONLY:
        _act_on_instruments(state, outbox, row, _CANCEL_ENTRIES)
    if actions & BreakerAction.CLOSE_POSITION:
        _act_on_instruments(state, outbox, row, _CLOSE)
    if actions & BreakerAction.CLOSE_EVERYTHING:
        close_everything(state, outbox, _BREAKER_CLOSED)


@inner_kernel
def _act_on_instruments(state: Any, outbox: Any, row: Any, what: Any) -> None:
    """Cancel orders or entries, or cancel entries and close, in every instrument of a scope."""
    for number in range(len(state.instruments)):
        instrument = state.instruments[number]
        if not instrument.defined:
            continue
        if row.scope == Scope.STRATEGY:
            if row.scope_id < len(state.strategies):
                _act_on_strategy(state, outbox, np.int64(number), row.scope_id, what)
        elif covers_instrument(row, number) or covers_account(row, instrument.account):
            if what == _CANCEL_ORDERS:
                cancel_orders(state, outbox, np.int64(number))
            else:
                cancel_entries(state, outbox, np.int64(number))
            if what == _CLOSE:
                close_position(state, outbox, np.int64(number), _NOBODY, _BREAKER_CLOSED, _ZERO)


@inner_kernel
def _act_on_strategy(state: Any, outbox: Any, number: Any, strategy: Any, what: Any) -> None:
    """The same for a strategy's own orders; what it holds a part of is closed wholly."""
    slot = state.instruments[number].first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        # A cancelled order that the engine holds leaves the list at once.
        following = order.next_slot
        role = order.order_role
        grouped = role == OrderRole.GROUPED
        if what == _CANCEL_ORDERS:
            of_bracket = role == OrderRole.EXIT and order.bracket_slot != 0
            concerned = grouped or (role < OrderRole.STOP and not of_bracket)
        else:
            working = role == OrderRole.ENTRY and order.order_type != OrderType.MARKET
            concerned = working or (grouped and not is_reduce_only(order.order_flags))
        if concerned and order.strategy == strategy:
            request_cancel(state, outbox, slot)
        slot = following
    if what == _CLOSE and state.pairs[strategy, number].quantity_lots != 0:
        close_position(state, outbox, number, strategy, _BREAKER_CLOSED, _ZERO)
