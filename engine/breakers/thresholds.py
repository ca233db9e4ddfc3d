"""What has to happen before a breaker is worth a look, so that an event pays a comparison.

Set when a breaker, a position or a peak changes. Only a breaker that is armed, or tripped and waiting to be clear,
waits for a figure. The numbers may lead to a look that finds nothing; they never miss one.
"""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, PPM
from engine.breakers.conditions import AT_A_FILL, ON_EQUITY, covers_account, covers_instrument, has
from engine.checks.levels import level_watch, streak_watch, volatility_moves_level
from engine.estimates import ALWAYS, share_up
from engine.jit import inner_kernel
from engine.kinds import BreakerAction, BreakerStatus, Condition, Scope

_NEVER = np.int64(INT64_MAX)
_NEVER_LOW = np.int64(-INT64_MAX)
_ZERO = np.int64(0)
_ONE = np.int64(1)
_BLOCKING = np.int64(~BreakerAction.ALERT)


@inner_kernel
def watch_everything(state: Any) -> None:
    """After a breaker's status or rules changed: what blocks entries, and all that is waited for."""
    _count_blocks(state)
    for number in range(len(state.accounts)):
        if state.accounts[number].defined:
            watch_account(state, number)
    for number in range(len(state.instruments)):
        if state.instruments[number].defined:
            _watch_prices(state, number)
            watch_losses(state, number)
    skew_limit_ns = _ZERO
    waiting = _ZERO
    on_fill = _ZERO
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        if row.status == BreakerStatus.ARMED or row.status == BreakerStatus.TRIPPED:
            bit = _ONE << row.condition
            waiting = waiting | bit
            # What an account's equity comes to is looked at where it passes what is waited for.
            if row.scope == Scope.STRATEGY or not has(ON_EQUITY, row.condition):
                on_fill = on_fill | (bit & AT_A_FILL)
        if row.condition == Condition.CLOCK_SKEW:
            if row.status == BreakerStatus.TRIPPED:
                skew_limit_ns = _ONE
            elif row.status == BreakerStatus.ARMED and (skew_limit_ns == 0 or row.limit + 1 < skew_limit_ns):
                skew_limit_ns = row.limit + 1
    state.clock_skew_limit_ns = skew_limit_ns
    state.conditions_waiting = waiting
    state.conditions_on_fill = on_fill


@inner_kernel
def _count_blocks(state: Any) -> None:
    """How many breakers of each scope do not let entries pass."""
    state.blocks = 0
    for number in range(len(state.accounts)):
        state.accounts[number].blocks = 0
    for number in range(len(state.instruments)):
        state.instruments[number].blocks = 0
    for number in range(len(state.strategies)):
        state.strategies[number].blocks = 0
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        if row.status < BreakerStatus.TRIPPED or (row.actions & _BLOCKING) == 0:
            continue
        if row.scope == Scope.EVERYTHING:
            state.blocks += 1
        elif row.scope == Scope.ACCOUNT and row.scope_id < len(state.accounts):
            state.accounts[row.scope_id].blocks += 1
        elif row.scope == Scope.INSTRUMENT and row.scope_id < len(state.instruments):
            state.instruments[row.scope_id].blocks += 1
        elif row.scope == Scope.STRATEGY and row.scope_id < len(state.strategies):
            state.strategies[row.scope_id].blocks += 1


@inner_kernel
def watch_account(state: Any, account_number: Any) -> None:
    """The equity and the drawdowns of the guarded peak at which an account's breakers and risk level are looked at."""
    account = state.accounts[account_number]
    rise_units, fall_units = level_watch(state, account_number)
    account.watch_losing_streak = streak_watch(account)
    account.watch_volatility = np.int64(volatility_moves_level(account))
    account.watch_equity_units = _NEVER_LOW
    account.watch_drawdown_units = rise_units
    account.recover_drawdown_units = fall_units
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        if not has(ON_EQUITY, row.condition) or not covers_account(row, account_number):
            continue
        if row.status == BreakerStatus.ARMED:
            _wait_for_loss(account, row)
        elif row.status == BreakerStatus.TRIPPED and row.tripped_account == account_number:
            _wait_for_recovery(account, row)


@inner_kernel
def _base_units(account: Any, condition: Any) -> Any:
    """What a loss of the equity is measured by."""
    if condition == Condition.DAILY_LOSS:
        return account.day_equity_units
    return account.week_equity_units if condition == Condition.WEEKLY_LOSS else account.guard_peak_units


@inner_kernel
def _wait_for_loss(account: Any, row: Any) -> None:
    """An equity of 0 cannot be computed with, so that a whole loss is as far as any limit reaches."""
    account.watch_equity_units = max(account.watch_equity_units, _ZERO)
    base = _base_units(account, row.condition)
    if row.condition == Condition.ACCOUNT_DRAWDOWN:
        if base > 0:
            loss = share_up(base, min(row.limit, PPM))
            account.watch_drawdown_units = min(account.watch_drawdown_units, loss)
    elif base > 0:
        loss = share_up(base, min(row.limit, PPM))
        account.watch_equity_units = max(account.watch_equity_units, base - loss)
    else:
        account.watch_equity_units = _NEVER


@inner_kernel
def _wait_for_recovery(account: Any, row: Any) -> None:
    """The peak rises with the equity only, so that a drawdown of the present peak says where the equity recovers."""
    base = max(_base_units(account, row.condition), _ZERO)
    enough = base - share_up(base, min(row.limit, PPM)) + 1
    drawdown = max(account.guard_peak_units - enough, _ZERO)
    account.recover_drawdown_units = max(account.recover_drawdown_units, drawdown)


@inner_kernel
def _lower(limit: Any, other: Any) -> Any:
    """The lower of two limits, where 0 is none and ALWAYS lower than any."""
    return other if limit == 0 or other < limit else limit


@inner_kernel
def _watch_prices(state: Any, instrument_number: Any) -> None:
    """Spread and price jump; the price bounds are made anew at the next event."""
    instrument = state.instruments[instrument_number]
    instrument.spread_limit_ppm = 0
    instrument.jump_limit_ppm = 0
    window_ns = _ZERO
    instrument.price_due_ts_ns = 0
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        jumps = row.condition == Condition.PRICE_JUMP
        if not (jumps or row.condition == Condition.SPREAD) or not covers_instrument(row, instrument_number):
            continue
        if jumps:
            window_ns = max(window_ns, row.window_ns)
        limit = row.limit
        if row.status == BreakerStatus.TRIPPED and row.tripped_instrument == instrument_number:
            limit = ALWAYS
        elif row.status != BreakerStatus.ARMED:
            continue
        if jumps:
            instrument.jump_limit_ppm = _lower(instrument.jump_limit_ppm, limit)
        else:
            instrument.spread_limit_ppm = _lower(instrument.spread_limit_ppm, limit)
    if window_ns != instrument.jump_window_ns:
        # No extremes yet.
        instrument.jump_window_ns = window_ns
        instrument.jump_high_ticks = 0


@inner_kernel
def watch_losses(state: Any, instrument_number: Any) -> None:
    """The marks at which the loss of a position reaches a limit, or falls below it again."""
    instrument = state.instruments[instrument_number]
    instrument.loss_low_ticks = 0
    instrument.loss_high_ticks = _NEVER
    if instrument.holders == 0:
        return
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        waits = row.status == BreakerStatus.ARMED or row.status == BreakerStatus.TRIPPED
        if row.condition != Condition.POSITION_LOSS or not waits:
            continue
        for account_number in range(len(state.accounts)):
            covered = covers_account(row, account_number) or covers_instrument(row, instrument_number)
            if covered and (instrument.holders >> account_number) & _ONE:
                _wait_for_mark(state, row, account_number, instrument_number)


@inner_kernel
def _wait_for_mark(state: Any, row: Any, account_number: Any, instrument_number: Any) -> None:
    instrument = state.instruments[instrument_number]
    position = state.positions[account_number, instrument_number]
    tripped = row.status == BreakerStatus.TRIPPED
    if tripped and (row.tripped_account != account_number or row.tripped_instrument != instrument_number):
        return
    cost = abs(position.cost_units)
    loss = share_up(cost, row.limit)
    unit = abs(position.quantity_lots) * instrument.tick_lot_units
    low, high = _ZERO, _NEVER
    if position.quantity_lots > 0:
        low = (cost - loss) // unit
    else:
        high = (cost + loss + unit - 1) // unit
    if tripped:
        low, high = (_ZERO, low + 1) if position.quantity_lots > 0 else (high - 1, _NEVER)
    instrument.loss_low_ticks = max(instrument.loss_low_ticks, low)
    instrument.loss_high_ticks = min(instrument.loss_high_ticks, high)
