"""From a strategy's signal to an order of the instrument's fixed size.

BUY means to hold the size, SELL to be short by it (to hold nothing where shorting is not allowed), CLOSE to
hold nothing, HOLD to leave everything as it is. What is held and what is on its way both count, so a signal
that is repeated while its order is under way orders nothing twice. Working orders of the other direction
that may never fill are cancelled first and not counted.
"""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, product_fits
from engine.decisions import refuse
from engine.jit import inner_kernel
from engine.kinds import Action, OrderRole, OrderType, TradingState
from engine.orders import has_free_slot, open_lots_fit
from engine.placing import place_order, request_cancel
from engine.reasons import Reason

_NO_LIMIT = np.int64(0)
_MONEY_LIMIT = np.int64(MONEY_MAX)


@inner_kernel
def on_signal(state: Any, signal: Any, outbox: Any) -> None:
    """Decide on a signal: commands, or one refusal that says why there are none."""
    strategy_number = np.int64(signal.source)
    if strategy_number >= len(state.strategies) or not state.strategies[strategy_number].defined:
        refuse(state, outbox, signal, Reason.STRATEGY_UNKNOWN, _NO_LIMIT, strategy_number)
        return
    strategy = state.strategies[strategy_number]
    strategy.signals += 1
    strategy.last_signal_seq = state.seq
    strategy.last_action = np.int64(signal.action)
    if signal.action == Action.HOLD:
        return
    reason = _signal_refusal(state, signal, strategy)
    if reason != Reason.NONE:
        refuse(state, outbox, signal, reason, _NO_LIMIT, np.int64(signal.action))
        return
    _trade_towards(state, signal, outbox)


@inner_kernel
def _signal_refusal(state: Any, signal: Any, strategy: Any) -> Any:
    """The first reason for which this signal cannot be acted upon at all."""
    if signal.action > Action.CLOSE:
        return np.int64(Reason.ACTION_UNKNOWN)
    if state.fault != 0 or state.trading_state == TradingState.HALTED:
        return np.int64(Reason.TRADING_HALTED)
    number = np.int64(signal.instrument)
    if number >= len(state.instruments) or not state.instruments[number].defined:
        return np.int64(Reason.INSTRUMENT_UNKNOWN)
    if not strategy.enabled:
        return np.int64(Reason.STRATEGY_DISABLED)
    if state.trading_state == TradingState.REDUCE_ONLY and signal.action != Action.CLOSE:
        return np.int64(Reason.TRADING_REDUCE_ONLY)
    instrument = state.instruments[number]
    if signal.limit_ticks < 0:
        return np.int64(Reason.PRICE_INVALID)
    if signal.quantity_lots < 0 or signal.quantity_lots > MONEY_MAX:
        return np.int64(Reason.QUANTITY_INVALID)
    if instrument.long_mark_ticks <= 0 or instrument.short_mark_ticks <= 0:
        return np.int64(Reason.NO_REFERENCE_PRICE)
    if signal.action != Action.CLOSE and signal.quantity_lots == 0 and instrument.order_quantity_lots <= 0:
        return np.int64(Reason.ORDER_QUANTITY_UNSET)
    return np.int64(Reason.NONE)


@inner_kernel
def _target_lots(instrument: Any, signal: Any) -> Any:
    """The position that a signal asks for."""
    size = signal.quantity_lots if signal.quantity_lots > 0 else instrument.order_quantity_lots
    if signal.action == Action.BUY:
        return size
    if signal.action == Action.SELL and instrument.short_allowed:
        return -size
    return np.int64(0)


@inner_kernel
def _trade_towards(state: Any, signal: Any, outbox: Any) -> None:
    """Cancel what works against the target, then order what is missing to it."""
    number = np.int64(signal.instrument)
    instrument = state.instruments[number]
    position = state.positions[instrument.account, number]
    target = _target_lots(instrument, signal)
    under_way = position.quantity_lots + position.open_buy_lots - position.open_sell_lots
    if target == under_way:
        refuse(state, outbox, signal, Reason.ALREADY_AT_TARGET, target, under_way)
        return
    under_way -= _cancel_working(state, outbox, number, 1 if target > under_way else -1)
    delta = target - under_way
    side = np.int64(1) if delta > 0 else np.int64(-1)
    step = instrument.quantity_step_lots
    quantity = abs(delta) // step * step
    if quantity == 0:
        refuse(state, outbox, signal, Reason.ALREADY_AT_TARGET, target, under_way)
        return
    price = signal.limit_ticks
    if price <= 0:
        price = instrument.short_mark_ticks if side > 0 else instrument.long_mark_ticks
    if _size_is_refused(state, outbox, signal, instrument, quantity, price):
        return
    if not open_lots_fit(position, side, quantity):
        refuse(state, outbox, signal, Reason.MONEY_OVERFLOW, _MONEY_LIMIT, quantity)
        return
    if not has_free_slot(state):
        refuse(state, outbox, signal, Reason.ORDER_TABLE_FULL, len(state.orders), state.orders_open)
        return
    _place(state, outbox, signal, instrument, side, quantity)


@inner_kernel
def _size_is_refused(state: Any, outbox: Any, signal: Any, instrument: Any, quantity: Any, price: Any) -> Any:
    if quantity < instrument.quantity_min_lots:
        refuse(state, outbox, signal, Reason.QUANTITY_BELOW_MINIMUM, instrument.quantity_min_lots, quantity)
        return True
    if instrument.quantity_max_lots > 0 and quantity > instrument.quantity_max_lots:
        refuse(state, outbox, signal, Reason.QUANTITY_ABOVE_MAXIMUM, instrument.quantity_max_lots, quantity)
        return True
    if not product_fits(quantity, price, instrument.tick_lot_units):
        refuse(state, outbox, signal, Reason.MONEY_OVERFLOW, _NO_LIMIT, quantity)
        return True
    notional = quantity * price * instrument.tick_lot_units
    if notional < instrument.notional_min_units:
        refuse(state, outbox, signal, Reason.NOTIONAL_BELOW_MINIMUM, instrument.notional_min_units, notional)
        return True
    return False


@inner_kernel
def _cancel_working(state: Any, outbox: Any, instrument_number: Any, side: Any) -> Any:
    """Ask for the cancel of working orders against `side`; returns their signed open lots.

    A market order is not cancelled: it is as good as filled, and counts. Legs are not on their way.
    """
    cancelled = np.int64(0)
    slot = state.instruments[instrument_number].first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        following = order.next_slot
        on_its_way = order.order_role <= OrderRole.EXIT
        if on_its_way and order.side != side and order.order_type != OrderType.MARKET:
            cancelled += order.side * (order.quantity_lots - order.filled_lots)
            request_cancel(state, outbox, slot)
        slot = following
    return cancelled


@inner_kernel
def _place(state: Any, outbox: Any, signal: Any, instrument: Any, side: Any, quantity: Any) -> None:
    order_type = np.int64(OrderType.LIMIT) if signal.limit_ticks > 0 else np.int64(OrderType.MARKET)
    none = np.int64(0)
    number = np.int64(signal.instrument)
    strategy = np.int64(signal.source)
    role = np.int64(OrderRole.ENTRY)
    limit = signal.limit_ticks
    place_order(state, outbox, number, strategy, side, quantity, order_type, limit, none, none, none, role, none, none)
