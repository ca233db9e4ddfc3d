"""What is forgotten when a breaker is reset, so that it does not trip again at once on what is past."""

from typing import Any

from engine.breakers.conditions import covers_account, covers_instrument
from engine.jit import inner_kernel
from engine.kinds import Condition, Scope


@inner_kernel
def forget(state: Any, row: Any) -> None:
    """Forget what would trip a breaker again at once."""
    for place in range(len(row.ring_ts_ns)):
        row.ring_ts_ns[place] = 0
    condition = row.condition
    if row.scope == Scope.STRATEGY:
        if row.scope_id < len(state.strategies):
            strategy = state.strategies[row.scope_id]
            if condition == Condition.DAILY_LOSS:
                strategy.day_realized_units = 0
            elif condition == Condition.WEEKLY_LOSS:
                strategy.week_realized_units = 0
            elif condition == Condition.LOSING_STREAK:
                strategy.losing_streak = 0
        return
    for number in range(len(state.accounts)):
        if covers_account(row, number):
            _clear_account(state.accounts[number], condition)
    for number in range(len(state.instruments)):
        if covers_instrument(row, number):
            _clear_instrument(state, number, row)


@inner_kernel
def _clear_account(account: Any, condition: Any) -> None:
    if condition == Condition.ACCOUNT_DRAWDOWN:
        account.guard_peak_units = account.equity_units
    elif condition == Condition.DAILY_LOSS:
        account.day_equity_units = account.equity_units
    elif condition == Condition.WEEKLY_LOSS:
        account.week_equity_units = account.equity_units
    elif condition == Condition.LOSING_STREAK:
        account.losing_streak = 0


@inner_kernel
def _clear_instrument(state: Any, number: Any, row: Any) -> None:
    instrument = state.instruments[number]
    if row.condition == Condition.PRICE_JUMP:
        instrument.jump_high_ticks = instrument.price_ticks
        instrument.jump_low_ticks = instrument.price_ticks
        instrument.jump_before_high_ticks = 0
        instrument.jump_before_low_ticks = 0
    elif row.condition == Condition.LOSING_STREAK:
        for account in range(len(state.accounts)):
            position = state.positions[account, number]
            position.streak = max(position.streak, 0)
