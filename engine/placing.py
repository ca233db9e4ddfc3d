"""How every order leaves the engine: placed, amended, cancelled, released. Nothing else writes these commands."""

from typing import Any

import numpy as np

from engine.checks.pace import take_cancel_token, take_order_token
from engine.decisions import next_command
from engine.jit import inner_kernel
from engine.kinds import DecisionKind, OrderFlag, OrderRole, OrderStatus, OrderType, TimeInForce, TradingState
from engine.orders import CANCEL_WAS_REQUESTED, WAS_RELEASED, amend_held, change_status, open_order


@inner_kernel
def _command(state: Any, outbox: Any, order: Any, kind: Any) -> Any:
    """A command about an order that stands in the table, with the order's own terms."""
    command = next_command(state, outbox, kind)
    command.order_type = np.uint8(order.order_type)
    command.time_in_force = np.uint8(order.time_in_force)
    command.order_flags = np.uint8(order.order_flags)
    command.instrument = np.uint16(order.instrument)
    command.account = np.uint8(order.account)
    command.strategy = np.uint8(order.strategy)
    command.order = order.order
    return command


@inner_kernel
def place_order(
    state: Any,
    outbox: Any,
    instrument_number: Any,
    strategy: Any,
    side: Any,
    quantity_lots: Any,
    order_type: Any,
    limit_ticks: Any,
    trigger_ticks: Any,
    flags: Any,
    expire_ts_ns: Any,
    role: Any,
    bracket_slot: Any,
    leg: Any,
) -> Any:
    """Place an order on the instrument's account; returns its slot.

    `flags` are OrderFlags without SELL, `expire_ts_ns` above 0 makes it GTD. The caller has seen that a slot is free
    and that the lots fit.
    """
    closes = role != OrderRole.ENTRY and (role != OrderRole.GROUPED or (flags & OrderFlag.REDUCE_ONLY) != 0)
    assert quantity_lots > 0 and (closes or state.strategies[strategy].defined != 0)
    assert state.fault == 0 and (closes or state.trading_state == TradingState.ACTIVE)
    assert bracket_slot != 0 or (role != OrderRole.STOP and role != OrderRole.TARGET)
    command = next_command(state, outbox, np.int64(DecisionKind.PLACE_ORDER))
    command.order_type = np.uint8(order_type)
    command.time_in_force = np.uint8(TimeInForce.GTD if expire_ts_ns > 0 else TimeInForce.GTC)
    command.order_flags = np.uint8(flags | (np.int64(OrderFlag.SELL) if side < 0 else np.int64(0)))
    command.instrument = np.uint16(instrument_number)
    command.account = np.uint8(state.instruments[instrument_number].account)
    command.strategy = np.uint8(strategy)
    command.quantity_lots = quantity_lots
    command.limit_ticks = limit_ticks
    command.trigger_ticks = trigger_ticks
    command.expire_ts_ns = expire_ts_ns
    take_order_token(state)
    return open_order(state, command, role, bracket_slot, leg)


@inner_kernel
def request_cancel(state: Any, outbox: Any, slot: Any) -> Any:
    """Ask for the cancel of an open order once; True where the order is then on its way out (or gone, if held)."""
    order = state.orders[slot - 1]
    if order.status == OrderStatus.PENDING_CANCEL:
        return True
    if not change_status(state, slot, CANCEL_WAS_REQUESTED):
        return False
    order.cancel_asked = 1
    _command(state, outbox, order, np.int64(DecisionKind.CANCEL_ORDER))
    take_cancel_token(state)
    return True


@inner_kernel
def request_amend(state: Any, outbox: Any, slot: Any, quantity_lots: Any, limit_ticks: Any, trigger_ticks: Any) -> None:
    """Ask for other terms of an open order: its whole quantity, with what is filled; 0 ticks leave a price."""
    order = state.orders[slot - 1]
    limit = limit_ticks if limit_ticks > 0 else order.limit_ticks
    trigger = trigger_ticks if trigger_ticks > 0 else order.trigger_ticks
    command = _command(state, outbox, order, np.int64(DecisionKind.AMEND_ORDER))
    command.quantity_lots = quantity_lots
    command.limit_ticks = limit
    command.trigger_ticks = trigger
    take_cancel_token(state)
    order.asked_lots = quantity_lots
    order.asked_limit_ticks = limit
    order.asked_trigger_ticks = trigger
    if order.status == OrderStatus.HELD:
        amend_held(state, order, quantity_lots, limit, trigger)
    else:
        order.amending = 1


@inner_kernel
def release_order(state: Any, outbox: Any, slot: Any) -> None:
    """Send an order that the engine holds, now that its price has come: a stop as a market order."""
    order = state.orders[slot - 1]
    assert order.status == OrderStatus.HELD
    order.order_flags = order.order_flags & ~np.int64(OrderFlag.HELD_BY_ENGINE)
    if order.order_role == OrderRole.STOP:
        order.order_type = np.int64(OrderType.MARKET)
        order.reference_ticks = order.trigger_ticks
        order.trigger_ticks = 0
    change_status(state, slot, WAS_RELEASED)
    command = _command(state, outbox, order, np.int64(DecisionKind.RELEASE_ORDER))
    command.quantity_lots = order.quantity_lots
    command.limit_ticks = order.limit_ticks
    take_order_token(state)
