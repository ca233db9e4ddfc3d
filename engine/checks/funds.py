"""Whether the account can pay for an order, and how large an order it can pay for."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, PPM, mul_div, product_fits
from engine.checks.amounts import (
    BEYOND_UNITS,
    LARGEST,
    PASSED,
    ZERO,
    lots_towards,
    lots_worth,
    overflow,
    part_up,
    passes,
    worth_towards,
)
from engine.checks.exposure import worst_case
from engine.checks.sizes import after_worth
from engine.jit import inner_kernel
from engine.kinds import AccountKind
from engine.reasons import Reason

_ONE = np.int64(1)
# Two amounts are rounded up in what an order needs.
_ROUNDING_UNITS = np.int64(2)


@inner_kernel
def _needs_no_funds(account: Any, side: Any) -> Any:
    return account.rules.funds_checked == 0 or (account.account_kind == AccountKind.CASH and side < 0)


@inner_kernel
def _fee_ppm(instrument: Any) -> Any:
    return max(ZERO, instrument.taker_fee_ppm)


@inner_kernel
def _committed_elsewhere(state: Any, account_number: Any, instrument_number: Any, cash: Any) -> Any:
    """What open buys of a cash account, or the margin of the other instruments, take up already; or BEYOND_UNITS."""
    committed = np.int64(0)
    defined = np.int64(0)
    number = np.int64(0)
    while defined < state.instruments_defined and committed <= MONEY_MAX:
        instrument = state.instruments[number]
        if instrument.defined != 0:
            defined += 1
            position = state.positions[account_number, number]
            if cash:
                lots = position.open_buy_lots + position.grouped_buy_lots
                committed += lots_worth(lots, instrument.short_mark_ticks, instrument.tick_lot_units)
            elif number != instrument_number:
                long, short = worst_case(instrument, position, ZERO, _ONE, ZERO)
                worst = max(long, short)
                committed += BEYOND_UNITS if worst > MONEY_MAX else part_up(worst, instrument.margin_initial_ppm)
        number += 1
    return min(BEYOND_UNITS, committed)


@inner_kernel
def _free_funds(account: Any, committed_units: Any) -> Any:
    """The equity of a margin account or the cash of a cash account, less what is taken up already."""
    free = account.equity_units - committed_units
    if account.account_kind == AccountKind.CASH:
        free -= account.unrealized_units + account.cost_units
    return free


@inner_kernel
def _needed(
    account: Any, instrument: Any, position: Any, side: Any, quantity_lots: Any, price_ticks: Any, closing_lots: Any
) -> Any:
    """What an order needs of the free funds; at least BEYOND_UNITS where that does not fit."""
    order_units = lots_worth(quantity_lots, price_ticks, instrument.tick_lot_units)
    if order_units > MONEY_MAX:
        return BEYOND_UNITS
    fee = part_up(order_units, _fee_ppm(instrument))
    if account.account_kind == AccountKind.CASH:
        return order_units + fee
    worth = after_worth(instrument, position, side, closing_lots, order_units)
    if worth > MONEY_MAX:
        return BEYOND_UNITS
    return part_up(worth, instrument.margin_initial_ppm) + fee


@inner_kernel
def check_funds(
    state: Any, outbox: Any, instrument_number: Any, side: Any, quantity_lots: Any, price_ticks: Any, closing_lots: Any
) -> Any:
    """Check 20."""
    instrument = state.instruments[instrument_number]
    account = state.accounts[instrument.account]
    if _needs_no_funds(account, side):
        return PASSED
    position = state.positions[instrument.account, instrument_number]
    cash = account.account_kind == AccountKind.CASH
    committed = _committed_elsewhere(state, instrument.account, instrument_number, cash)
    needed = _needed(account, instrument, position, side, quantity_lots, price_ticks, closing_lots)
    if committed > MONEY_MAX or needed > MONEY_MAX:
        return overflow(quantity_lots)
    free = _free_funds(account, committed)
    if free < needed:
        return np.int64(Reason.FUNDS_INSUFFICIENT), free, needed
    passes(outbox, np.int64(Reason.FUNDS_INSUFFICIENT), free, needed)
    return PASSED


@inner_kernel
def _lots_for(funds_units: Any, rate_ppm: Any, lot_units: Any) -> Any:
    """The lots of `lot_units` each of which takes `rate_ppm` that these funds are enough for, before rounding."""
    if funds_units <= 0:
        return ZERO
    worth = LARGEST
    if rate_ppm > 0 and (rate_ppm >= PPM or funds_units <= LARGEST // PPM * rate_ppm):
        worth = mul_div(funds_units, PPM, rate_ppm)
    return min(LARGEST, worth) // lot_units


@inner_kernel
def affordable_lots(
    state: Any, instrument_number: Any, side: Any, price_ticks: Any, closing_lots: Any, wanted_lots: Any
) -> Any:
    """The most lots, up to `wanted_lots`, that check 20 lets pass beside what is held and on its way.

    What a lot takes is estimated from below and from above, at most two units of money
    apart, and what is between them is searched.
    """
    instrument = state.instruments[instrument_number]
    account = state.accounts[instrument.account]
    if _needs_no_funds(account, side):
        return wanted_lots
    position = state.positions[instrument.account, instrument_number]
    cash = account.account_kind == AccountKind.CASH
    committed = _committed_elsewhere(state, instrument.account, instrument_number, cash)
    there = ZERO
    rate_ppm = PPM
    if not cash:
        there = worth_towards(instrument, side, max(ZERO, lots_towards(position, side, closing_lots)))
        rate_ppm = min(LARGEST, instrument.margin_initial_ppm)
    margin = BEYOND_UNITS if there > MONEY_MAX else part_up(there, rate_ppm)
    if committed > MONEY_MAX or margin > MONEY_MAX or not product_fits(price_ticks, instrument.tick_lot_units, _ONE):
        return ZERO
    free = _free_funds(account, committed)
    if _needed(account, instrument, position, side, wanted_lots, price_ticks, closing_lots) <= free:
        return wanted_lots
    lot_units = price_ticks * instrument.tick_lot_units
    rate_ppm += min(LARGEST, _fee_ppm(instrument))
    low = _lots_for(free - margin - _ROUNDING_UNITS, rate_ppm, lot_units)
    high = min(wanted_lots, _lots_for(free - margin + _ONE, rate_ppm, lot_units))
    while low < high:
        middle = high - (high - low) // 2
        needed = _needed(account, instrument, position, side, middle, price_ticks, closing_lots)
        if needed <= free:
            low = middle
        else:
            high = middle - 1
    return low
