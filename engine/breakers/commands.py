"""What people do with breakers: rules set and changed, resets, switching off."""

from typing import Any

import numpy as np

from engine.breakers.conditions import covers_account, covers_instrument
from engine.breakers.states import arm, begin_cooling, disable, look_at_armed
from engine.breakers.thresholds import watch_account, watch_everything
from engine.checks.pace import on_rates_changed
from engine.figures import set_day_ends
from engine.jit import inner_kernel
from engine.kinds import BreakerStatus, Condition, OperatorAction, Scope
from engine.reasons import Reason
from engine.rules import ACCOUNT, BOOK, BREAKER, INSTRUMENT, RISK_STEP

_ACCOUNT_BASE = ACCOUNT.base
_INSTRUMENT_BASE = INSTRUMENT.base
_RISK_STEP_BASE = RISK_STEP.base
_BREAKER_BASE = BREAKER.base
_CONDITION = BREAKER.number("condition")
_SCOPE_ID = BREAKER.number("scope_id")
_ENABLED = BREAKER.number("enabled")
_DAY_OFFSET = BOOK.number("day_offset_ns")
_SAMPLE_INTERVAL = BOOK.number("sample_interval_ns")


@inner_kernel
def on_rules_changed(state: Any, outbox: Any, setting: Any, account: Any, instrument: Any, row: Any) -> None:
    """After a rule was set: arm or disable its breaker, and look anew at what is watched."""
    if setting >= _BREAKER_BASE:
        _set_up(state, outbox, setting, row)
    elif setting == _DAY_OFFSET:
        set_day_ends(state)
        state.due_ts_ns = min(state.due_ts_ns, state.day_ends_ts_ns)
    elif setting == _SAMPLE_INTERVAL:
        for number in range(len(state.instruments)):
            state.instruments[number].sample_high_ticks = 0
            state.instruments[number].price_due_ts_ns = 0
    elif setting < _ACCOUNT_BASE:
        on_rates_changed(state)
    elif setting >= _RISK_STEP_BASE or _ACCOUNT_BASE <= setting < _INSTRUMENT_BASE:
        watch_account(state, account)


@inner_kernel
def _set_up(state: Any, outbox: Any, setting: Any, number: Any) -> None:
    """A row is a breaker once it is enabled; a change while it is armed is looked at at once.

    Another condition or scope does not watch what tripped it: it cools.
    """
    row = state.breakers[number]
    live = row.status >= BreakerStatus.ARMED
    watch_everything(state)
    if setting != _ENABLED:
        if row.status == BreakerStatus.ARMED:
            look_at_armed(state, outbox, number)
        elif row.status == BreakerStatus.TRIPPED and _CONDITION <= setting <= _SCOPE_ID:
            begin_cooling(state, outbox, number)
    elif row.enabled != 0 and not live:
        arm(state, outbox, number)
    elif row.enabled == 0 and live:
        disable(state, outbox, number)


@inner_kernel
def on_breaker_command(state: Any, outbox: Any, operator: Any) -> Any:
    """RESET_BREAKER, DISABLE_BREAKER; returns a Reason."""
    number = operator.target
    if number < 0 or number >= state.breakers_defined or state.breakers[number].status == BreakerStatus.NONE:
        return np.int64(Reason.VALUE_INVALID)
    if operator.operator_hash == 0:
        return np.int64(Reason.VALUE_INVALID)
    if operator.operator_action == OperatorAction.DISABLE_BREAKER:
        disable(state, outbox, number)
    else:
        _clear(state, state.breakers[number])
        arm(state, outbox, number)
    return np.int64(Reason.NONE)


@inner_kernel
def _clear(state: Any, row: Any) -> None:
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
