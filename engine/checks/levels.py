"""Risk levels: how far sizes are scaled down, by drawdown, losing streak and volatility, and back.

A level is the number of the highest step that is reached, 0 where none is. It rises at once, and falls to what would
hold with all thresholds lowered by the account's hysteresis, once it has been held for long enough.
"""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, PPM, ppm_part_up, root
from engine.checks.amounts import PASSED, ZERO, part_up, passes
from engine.decisions import next_command
from engine.estimates import volatility_samples_min
from engine.jit import inner_kernel, overlay
from engine.kinds import DecisionKind
from engine.reasons import Reason
from engine.records import RISK_LEVEL_DECISION
from engine.rules import RISK_STEPS

NO_DRAWDOWN_UNITS = np.int64(-1)
ANY_DRAWDOWN_UNITS = np.int64(INT64_MAX)
NO_INSTRUMENT = np.int64(65_535)
# Which thresholds count: as they are, or lowered by the hysteresis.
_RISING = np.int64(0)
_FALLING = np.int64(1)


@inner_kernel
def scale_ppm(state: Any, instrument_number: Any) -> Any:
    """What sizes and size limits of an instrument are multiplied by, by the higher of the two levels."""
    instrument = state.instruments[instrument_number]
    account = state.accounts[instrument.account]
    return _scale_of(account, max(account.risk_level, instrument.risk_level))


@inner_kernel
def _scale_of(account: Any, level: Any) -> Any:
    return PPM if level == 0 else account.risk_steps[level - 1].scale_ppm


@inner_kernel
def check_level(state: Any, outbox: Any, instrument_number: Any) -> Any:
    """Check 27."""
    instrument = state.instruments[instrument_number]
    account = state.accounts[instrument.account]
    level = max(account.risk_level, instrument.risk_level)
    if _scale_of(account, level) == 0:
        return np.int64(Reason.RISK_STOPPED), ZERO, level
    passes(outbox, np.int64(Reason.RISK_STOPPED), ZERO, level)
    return PASSED


@inner_kernel
def _eased(account: Any, threshold: Any) -> Any:
    """A threshold as it counts on the way down."""
    return ppm_part_up(threshold, PPM - account.rules.risk_hysteresis_ppm)


@inner_kernel
def _drawdown_threshold(account: Any, step: Any, falling: Any) -> Any:
    """The drawdown in units that reaches a step; a huge number where none does."""
    if step.drawdown_ppm == 0 or account.guard_peak_units <= 0:
        return ANY_DRAWDOWN_UNITS
    units = part_up(account.guard_peak_units, step.drawdown_ppm)
    return _eased(account, units) if falling else units


@inner_kernel
def _streak_threshold(account: Any, step: Any, falling: Any) -> Any:
    """The losing streak that reaches a step; a huge number where none does."""
    if step.losing_streak == 0:
        return np.int64(INT64_MAX)
    return _eased(account, step.losing_streak) if falling else step.losing_streak


@inner_kernel
def _ratio_threshold(account: Any, step: Any, falling: Any) -> Any:
    """The ratio of volatilities that reaches a step; a huge number where none does."""
    if step.volatility_ratio_ppm == 0:
        return np.int64(INT64_MAX)
    return _eased(account, step.volatility_ratio_ppm) if falling else step.volatility_ratio_ppm


@inner_kernel
def _account_level(account: Any, falling: Any) -> Any:
    """The highest step that the drawdown or losing streak reaches, with the lower thresholds where `falling`."""
    drawdown = account.guard_peak_units - account.equity_units
    level = np.int64(RISK_STEPS)
    while level > 0:
        step = account.risk_steps[level - 1]
        if drawdown >= _drawdown_threshold(account, step, falling):
            return level
        if account.losing_streak >= _streak_threshold(account, step, falling):
            return level
        level -= 1
    return level


@inner_kernel
def _may_fall(state: Any, account: Any, moved_ts_ns: Any) -> Any:
    return state.ts_ns - moved_ts_ns >= account.rules.risk_hold_ns


@inner_kernel
def update_account_level(state: Any, outbox: Any, account_number: Any) -> None:
    """Move an account's level to what its drawdown and losing streak ask for."""
    account = state.accounts[account_number]
    before = account.risk_level
    level = _account_level(account, _RISING)
    falling = np.int64(level < before)
    if falling:
        level = _account_level(account, _FALLING)
    if level == before or (falling and (level > before or not _may_fall(state, account, account.risk_level_ts_ns))):
        return
    account.risk_level = level
    account.risk_level_ts_ns = state.ts_ns
    move = _record(state, outbox, account, account_number, NO_INSTRUMENT, level, before)
    # Upwards the step reached says why, downwards the one that is left.
    step = account.risk_steps[max(level, before) - 1]
    drawdown = account.guard_peak_units - account.equity_units
    threshold = _drawdown_threshold(account, step, falling)
    streak_threshold = _streak_threshold(account, step, falling)
    if threshold != ANY_DRAWDOWN_UNITS and (falling or drawdown >= threshold):
        move.reason = np.int64(Reason.RISK_BY_DRAWDOWN)
        move.limit = threshold
        move.observed = drawdown
    elif step.losing_streak != 0:
        move.reason = np.int64(Reason.RISK_BY_LOSING_STREAK)
        move.limit = streak_threshold
        move.observed = account.losing_streak


@inner_kernel
def _volatility_ratio_ppm(instrument: Any) -> Any:
    """Fast over slow volatility; 0 while there are too few samples, or no slow volatility to compare with."""
    slow = root(instrument.slow_variance_ppb2)
    if slow == 0 or instrument.samples < volatility_samples_min(instrument):
        return np.int64(0)
    return PPM * root(instrument.variance_ppb2) // slow


@inner_kernel
def _instrument_level(account: Any, ratio_ppm: Any, falling: Any) -> Any:
    level = np.int64(RISK_STEPS)
    while level > 0 and ratio_ppm < _ratio_threshold(account, account.risk_steps[level - 1], falling):
        level -= 1
    return level


@inner_kernel
def update_instrument_level(state: Any, outbox: Any, instrument_number: Any) -> None:
    """Move an instrument's level to what its volatility asks for."""
    instrument = state.instruments[instrument_number]
    account = state.accounts[instrument.account]
    before = instrument.risk_level
    ratio_ppm = _volatility_ratio_ppm(instrument)
    level = _instrument_level(account, ratio_ppm, _RISING)
    falling = np.int64(level < before)
    if falling:
        level = _instrument_level(account, ratio_ppm, _FALLING)
    if level == before or (falling and (level > before or not _may_fall(state, account, instrument.risk_level_ts_ns))):
        return
    instrument.risk_level = level
    instrument.risk_level_ts_ns = state.ts_ns
    move = _record(state, outbox, account, instrument.account, np.int64(instrument_number), level, before)
    step = account.risk_steps[max(level, before) - 1]
    if step.volatility_ratio_ppm != 0:
        move.reason = np.int64(Reason.RISK_BY_VOLATILITY)
        move.limit = _ratio_threshold(account, step, falling)
        move.observed = ratio_ppm


@inner_kernel
def _record(
    state: Any, outbox: Any, account: Any, account_number: Any, instrument_number: Any, level: Any, before: Any
) -> Any:
    """The decision that a level has moved, without what moved it."""
    state.risk_level_changes += 1
    command = next_command(state, outbox, np.int64(DecisionKind.RISK_LEVEL_CHANGED))
    command.instrument = np.uint16(instrument_number)
    command.account = np.uint8(account_number)
    move = overlay(command, RISK_LEVEL_DECISION)
    move.risk_level = level
    move.level_before = before
    move.scale_ppm = _scale_of(account, level)
    return move


@inner_kernel
def streak_watch(account: Any) -> Any:
    """The losing streak from which on the end of a trade can move an account's level: 0 none can, -1 any."""
    if account.risk_level > 0:
        return np.int64(-1)
    watch = np.int64(INT64_MAX)
    for number in range(RISK_STEPS):
        watch = min(watch, _streak_threshold(account, account.risk_steps[number], _RISING))
    return np.int64(0) if watch == INT64_MAX else watch


@inner_kernel
def volatility_moves_level(account: Any) -> Any:
    """Whether a step of an account is reached by volatility."""
    ratios_ppm = np.int64(0)
    for number in range(RISK_STEPS):
        ratios_ppm = ratios_ppm | account.risk_steps[number].volatility_ratio_ppm
    return ratios_ppm != 0


@inner_kernel
def level_watch(state: Any, account_number: Any) -> Any:
    """Drawdowns (of the guarded peak, in units) at which an account's level has to be looked at: (rise, fall).

    The level may rise where the drawdown is at or above `rise` (a huge number: none), and may fall where it is at or
    below `fall` (-1: none). A level that is held back may fall at any event from the end of its hold on, so `fall` then
    stays what it is. Both hold until the level, a losing streak, a rule or the guarded peak changes.
    """
    account = state.accounts[account_number]
    rise = ANY_DRAWDOWN_UNITS
    fall = ANY_DRAWDOWN_UNITS if account.risk_level > 0 else NO_DRAWDOWN_UNITS
    for number in range(RISK_STEPS):
        step = account.risk_steps[number]
        if number >= account.risk_level:
            without_peak = step.drawdown_ppm != 0 and account.guard_peak_units <= 0
            if without_peak or account.losing_streak >= _streak_threshold(account, step, _RISING):
                rise = ZERO
            rise = min(rise, _drawdown_threshold(account, step, _RISING))
        if number >= account.risk_level - 1:
            fall = min(fall, _drawdown_threshold(account, step, _FALLING) - 1)
            if account.losing_streak >= _streak_threshold(account, step, _FALLING):
                fall = NO_DRAWDOWN_UNITS
    return rise, fall
