"""What people do with breakers: rules set and changed, resets, switching off."""

from typing import Any

import numpy as np

from engine.breakers.forgetting import forget
from engine.breakers.states import arm, begin_cooling, disable, look_at_armed
from engine.breakers.thresholds import watch_account, watch_everything
from engine.checks.pace import on_rates_changed
from engine.figures import set_day_ends
from engine.jit import inner_kernel
from engine.kinds import BreakerStatus, OperatorAction
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
        forget(state, state.breakers[number])
        arm(state, outbox, number)
    return np.int64(Reason.NONE)
