"""Whether enough has been lost: in a day, from the peak, by a strategy."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, money_fits
from engine.checks.amounts import BEYOND_UNITS, PASSED, ZERO, lots_worth, overflow, part_up, passes
from engine.jit import inner_kernel
from engine.reasons import Reason


@inner_kernel
def check_losses(state: Any, outbox: Any, account: Any, strategy_number: Any, quantity_lots: Any) -> Any:
    """Checks 24 to 26."""
    rules = account.rules
    equity = account.equity_units
    loss = account.day_equity_units - equity
    if rules.daily_loss_max_units != 0:
        if equity <= 0 or loss >= rules.daily_loss_max_units:
            return np.int64(Reason.DAILY_LOSS_MAX), rules.daily_loss_max_units, loss
        passes(outbox, np.int64(Reason.DAILY_LOSS_MAX), rules.daily_loss_max_units, loss)
    if rules.daily_loss_max_ppm != 0:
        limit = part_up(max(ZERO, account.day_equity_units), rules.daily_loss_max_ppm)
        if equity <= 0 or loss >= limit:
            return np.int64(Reason.DAILY_LOSS_MAX), limit, loss
        passes(outbox, np.int64(Reason.DAILY_LOSS_MAX), limit, loss)
    if rules.drawdown_max_ppm != 0:
        drawdown = account.guard_peak_units - equity
        limit = part_up(max(ZERO, account.guard_peak_units), rules.drawdown_max_ppm)
        if equity <= 0 or drawdown >= limit:
            return np.int64(Reason.DRAWDOWN_MAX), limit, drawdown
        passes(outbox, np.int64(Reason.DRAWDOWN_MAX), limit, drawdown)
    limit = state.strategies[strategy_number].rules.loss_max_units
    if limit != 0:
        loss = _strategy_loss(state, strategy_number)
        if loss > MONEY_MAX:
            return overflow(quantity_lots)
        if loss >= limit:
            return np.int64(Reason.STRATEGY_LOSS_MAX), limit, loss
        passes(outbox, np.int64(Reason.STRATEGY_LOSS_MAX), limit, loss)
    return PASSED


@inner_kernel
def _strategy_loss(state: Any, strategy_number: Any) -> Any:
    """What a strategy has lost with what it holds at the mark; below 0 a profit, BEYOND_UNITS where it does not fit."""
    strategy = state.strategies[strategy_number]
    loss = strategy.fees_units - strategy.realized_units
    defined = np.int64(0)
    number = np.int64(0)
    while defined < state.instruments_defined and money_fits(loss):
        instrument = state.instruments[number]
        if instrument.defined != 0:
            defined += 1
            held = state.pairs[strategy_number, number]
            mark = instrument.long_mark_ticks if held.quantity_lots > 0 else instrument.short_mark_ticks
            worth = lots_worth(held.quantity_lots, mark, instrument.tick_lot_units)
            if worth > MONEY_MAX:
                return BEYOND_UNITS
            loss += held.cost_units - worth
        number += 1
    return loss if money_fits(loss) else BEYOND_UNITS
