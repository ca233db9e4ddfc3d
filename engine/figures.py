"""Figures that are kept beside the ledger: days and weeks, and each strategy's own trades."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, MONEY_MAX, money_fits, product_fits
from engine.jit import inner_kernel
from engine.kinds import FillFlag
from engine.portfolio import count_trade_of_many, set_fault, trade_position
from engine.reasons import Reason

DAY_NS = np.int64(86_400_000_000_000)
_WEEK_DAYS = np.int64(7)
# 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
_FIRST_WEEKDAY = np.int64(3)
_NEVER = np.int64(INT64_MAX)
# Days that end after this would not fit, with their week and any offset.
_LAST_DAY_NS = _NEVER - 10 * DAY_NS


@inner_kernel
def set_day_ends(state: Any) -> None:
    """When the present day and week end: at midnight UTC plus the day's offset, a week on Monday."""
    offset_ns = state.rules.day_offset_ns
    if state.ts_ns > _LAST_DAY_NS:
        state.day_ends_ts_ns = _NEVER
        state.week_ends_ts_ns = _NEVER
        return
    day = (state.ts_ns - offset_ns) // DAY_NS
    state.day_ends_ts_ns = (day + 1) * DAY_NS + offset_ns
    week = (day + _FIRST_WEEKDAY) // _WEEK_DAYS
    state.week_ends_ts_ns = ((week + 1) * _WEEK_DAYS - _FIRST_WEEKDAY) * DAY_NS + offset_ns


@inner_kernel
def on_day_due(state: Any) -> None:
    """Begin a new day, and week, where the present time is past the end of the last one."""
    new_week = state.ts_ns >= state.week_ends_ts_ns
    set_day_ends(state)
    state.entries_today = 0
    for number in range(len(state.instruments)):
        state.instruments[number].entries_today = 0
    for number in range(len(state.accounts)):
        account = state.accounts[number]
        account.entries_today = 0
        account.day_equity_units = account.equity_units
        if new_week:
            account.week_equity_units = account.equity_units
    for number in range(len(state.strategies)):
        strategy = state.strategies[number]
        strategy.day_realized_units = 0
        if new_week:
            strategy.week_realized_units = 0


@inner_kernel
def book_strategy_fill(state: Any, fill: Any, order_slot: Any) -> None:
    """Book a fill into its strategy's own part of the instrument, at average cost; one of no order is nobody's.

    What does not fit stops the engine, and nothing of it is booked.
    """
    if order_slot == 0:
        return
    number = np.int64(fill.instrument)
    strategy_number = state.orders[order_slot - 1].strategy
    strategy = state.strategies[strategy_number]
    pair = state.pairs[strategy_number, number]
    unit = state.instruments[number].tick_lot_units
    flags = np.int64(fill.fill_flags)
    fee_lots = fill.fee if flags & FillFlag.FEE_IN_BASE else np.int64(0)
    if not _books_fit(strategy, pair, fill, fee_lots, unit):
        set_fault(state, Reason.MONEY_OVERFLOW)
        return
    delta_lots = (-fill.quantity_lots if flags & FillFlag.SELL else fill.quantity_lots) - fee_lots
    fee_units = fill.fee
    if flags & FillFlag.FEE_IN_BASE:
        fee_units = fee_lots * fill.price_ticks * unit
    trades = pair.trades
    gained_units = pair.profit_units - pair.loss_units
    realized = trade_position(pair, delta_lots, fill.price_ticks, fee_units, unit, state.ts_ns)
    strategy.realized_units += realized
    strategy.fees_units += fee_units
    strategy.day_realized_units += realized - fee_units
    strategy.week_realized_units += realized - fee_units
    if pair.trades != trades:
        count_trade_of_many(strategy, pair.profit_units - pair.loss_units - gained_units)


@inner_kernel
def _books_fit(strategy: Any, pair: Any, fill: Any, fee_lots: Any, unit: Any) -> Any:
    lots = abs(pair.quantity_lots) + fill.quantity_lots + abs(fee_lots)
    return (
        product_fits(lots, fill.price_ticks, unit)
        and abs(pair.cost_units) <= MONEY_MAX // 2
        and money_fits(pair.realized_units)
        and money_fits(pair.fees_units)
        and money_fits(pair.trade_units)
        and money_fits(pair.profit_units)
        and money_fits(pair.loss_units)
        and money_fits(strategy.realized_units)
        and money_fits(strategy.fees_units)
        and money_fits(strategy.day_realized_units)
        and money_fits(strategy.week_realized_units)
        and money_fits(strategy.profit_units)
        and money_fits(strategy.loss_units)
    )
