"""How large an order, and what it leads to in its instrument, may be; how many orders and positions at once."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, money_fits
from engine.checks.amounts import (
    BEYOND_UNITS,
    PASSED,
    allowed_part,
    lots_towards,
    lots_worth,
    overflow,
    passes,
    worth_towards,
)
from engine.jit import inner_kernel
from engine.reasons import Reason


@inner_kernel
def after_worth(instrument: Any, position: Any, side: Any, closing_lots: Any, order_units: Any) -> Any:
    """The worth of the position once everything on its side is filled, without sign; or BEYOND_UNITS."""
    there = worth_towards(instrument, side, lots_towards(position, side, closing_lots))
    if there > MONEY_MAX or order_units > MONEY_MAX or not money_fits(there + order_units):
        return BEYOND_UNITS
    return abs(there + order_units)


@inner_kernel
def check_size(
    state: Any, outbox: Any, instrument_number: Any, side: Any, quantity_lots: Any, price_ticks: Any, closing_lots: Any
) -> Any:
    """Checks 13 to 16."""
    instrument = state.instruments[instrument_number]
    rules = instrument.rules
    if rules.order_quantity_max_lots != 0:
        if quantity_lots > rules.order_quantity_max_lots:
            return np.int64(Reason.ORDER_QUANTITY_MAX), rules.order_quantity_max_lots, quantity_lots
        passes(outbox, np.int64(Reason.ORDER_QUANTITY_MAX), rules.order_quantity_max_lots, quantity_lots)
    if (rules.order_notional_max_units | rules.position_max_lots | rules.position_weight_max_ppm) == 0:
        return PASSED
    order_units = lots_worth(quantity_lots, price_ticks, instrument.tick_lot_units)
    if rules.order_notional_max_units != 0:
        if order_units > MONEY_MAX:
            return overflow(quantity_lots)
        if order_units > rules.order_notional_max_units:
            return np.int64(Reason.ORDER_NOTIONAL_MAX), rules.order_notional_max_units, order_units
        passes(outbox, np.int64(Reason.ORDER_NOTIONAL_MAX), rules.order_notional_max_units, order_units)
    position = state.positions[instrument.account, instrument_number]
    if rules.position_max_lots != 0:
        after_lots = abs(lots_towards(position, side, closing_lots) + quantity_lots)
        if after_lots > rules.position_max_lots:
            return np.int64(Reason.POSITION_QUANTITY_MAX), rules.position_max_lots, after_lots
        passes(outbox, np.int64(Reason.POSITION_QUANTITY_MAX), rules.position_max_lots, after_lots)
    if rules.position_weight_max_ppm != 0:
        worth = after_worth(instrument, position, side, closing_lots, order_units)
        if worth > MONEY_MAX:
            return overflow(quantity_lots)
        equity = state.accounts[instrument.account].equity_units
        allowed = allowed_part(equity, rules.position_weight_max_ppm)
        if equity <= 0 or worth > allowed:
            return np.int64(Reason.POSITION_WEIGHT_MAX), allowed, worth
        passes(outbox, np.int64(Reason.POSITION_WEIGHT_MAX), allowed, worth)
    return PASSED


@inner_kernel
def _is_taken(position: Any) -> Any:
    """Whether something is held or being entered."""
    lots = position.quantity_lots | position.open_buy_lots | position.open_sell_lots
    return (lots | position.grouped_buy_lots | position.grouped_sell_lots) != 0


@inner_kernel
def check_counts(state: Any, outbox: Any, instrument_number: Any) -> Any:
    """Checks 21 and 22."""
    rules = state.rules
    if rules.open_orders_max != 0:
        if state.orders_open >= rules.open_orders_max:
            return np.int64(Reason.OPEN_ORDERS_MAX), rules.open_orders_max, state.orders_open
        passes(outbox, np.int64(Reason.OPEN_ORDERS_MAX), rules.open_orders_max, state.orders_open)
    if rules.open_positions_max == 0:
        return PASSED
    if _is_taken(state.positions[state.instruments[instrument_number].account, instrument_number]):
        return PASSED
    taken = _positions_taken(state)
    if taken >= rules.open_positions_max:
        return np.int64(Reason.OPEN_POSITIONS_MAX), rules.open_positions_max, taken
    passes(outbox, np.int64(Reason.OPEN_POSITIONS_MAX), rules.open_positions_max, taken)
    return PASSED


@inner_kernel
def _positions_taken(state: Any) -> Any:
    """How many positions of all accounts are held or being entered. Orders are of their instrument's own account."""
    taken = np.int64(0)
    defined = np.int64(0)
    number = np.int64(0)
    while defined < state.instruments_defined:
        instrument = state.instruments[number]
        if instrument.defined != 0:
            defined += 1
            others = instrument.holders & ~(np.int64(1) << instrument.account)
            while others != 0:
                taken += others & 1
                others = others >> 1
            if _is_taken(state.positions[instrument.account, number]):
                taken += 1
        number += 1
    return taken
