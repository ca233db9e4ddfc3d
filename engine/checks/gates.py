"""Whether anything may be entered at all now: trading state, allow-list, breakers, the connection, trading windows."""

from typing import Any

import numpy as np

from engine.checks.amounts import ONE, PASSED, ZERO, passes
from engine.jit import inner_kernel
from engine.kinds import BreakerAction, BreakerStatus, Scope, TradingState, TransportStatus
from engine.reasons import Reason

_DAY_NS = np.int64(86_400_000_000_000)
# 1970-01-01 was a Thursday, the fourth day of a week that begins on Monday.
_FIRST_WEEKDAY = np.int64(3)
_NO_BREAKER = np.int64(-1)


@inner_kernel
def check_gates(state: Any, outbox: Any, instrument_number: Any, strategy_number: Any) -> Any:
    """Checks 1 to 6."""
    instrument = state.instruments[instrument_number]
    account = state.accounts[instrument.account]
    if state.fault != 0 or state.trading_state == TradingState.HALTED:
        return np.int64(Reason.TRADING_HALTED), ZERO, state.trading_state
    passes(outbox, np.int64(Reason.TRADING_HALTED), ZERO, state.trading_state)
    if state.trading_state == TradingState.REDUCE_ONLY:
        return np.int64(Reason.TRADING_REDUCE_ONLY), ZERO, state.trading_state
    passes(outbox, np.int64(Reason.TRADING_REDUCE_ONLY), ZERO, state.trading_state)
    if instrument.rules.blocked != 0:
        return np.int64(Reason.INSTRUMENT_NOT_ALLOWED), ZERO, np.int64(instrument_number)
    passes(outbox, np.int64(Reason.INSTRUMENT_NOT_ALLOWED), ZERO, np.int64(instrument_number))
    blocks = state.blocks | account.blocks | instrument.blocks | state.strategies[strategy_number].blocks
    if blocks != 0:
        breaker = _blocking_breaker(state, instrument_number, strategy_number)
        if breaker >= 0:
            return np.int64(Reason.BREAKER_TRIPPED), breaker, state.breakers[breaker].observed
    if state.breakers_defined != 0:
        passes(outbox, np.int64(Reason.BREAKER_TRIPPED), _NO_BREAKER, ZERO)
    status = account.transport_status
    if status == TransportStatus.OPEN or (status == TransportStatus.HALF_OPEN and account.transport_probe_order != 0):
        return np.int64(Reason.TRANSPORT_OPEN), account.transport_until_ts_ns, state.ts_ns
    passes(outbox, np.int64(Reason.TRANSPORT_OPEN), account.transport_until_ts_ns, state.ts_ns)
    if instrument.rules.windows != 0:
        return _check_windows(state, outbox, instrument)
    return PASSED


@inner_kernel
def _blocking_breaker(state: Any, instrument_number: Any, strategy_number: Any) -> Any:
    """The first breaker that does not let entries of this instrument and strategy pass, -1 where there is none."""
    account_number = state.instruments[instrument_number].account
    for number in range(state.breakers_defined):
        breaker = state.breakers[number]
        scope = breaker.scope
        concerned = (
            scope == Scope.EVERYTHING
            or (scope == Scope.ACCOUNT and breaker.scope_id == account_number)
            or (scope == Scope.INSTRUMENT and breaker.scope_id == instrument_number)
            or (scope == Scope.STRATEGY and breaker.scope_id == strategy_number)
        )
        acts = (breaker.actions & ~np.int64(BreakerAction.ALERT)) != 0
        if concerned and acts and breaker.status >= BreakerStatus.TRIPPED:
            return np.int64(number)
    return _NO_BREAKER


@inner_kernel
def _check_windows(state: Any, outbox: Any, instrument: Any) -> Any:
    """Check 6, in local time, which may be of another day than the engine's."""
    local_ns = state.ts_ns % _DAY_NS + instrument.rules.zone_offset_ns
    day = state.ts_ns // _DAY_NS + local_ns // _DAY_NS
    local_ns = local_ns % _DAY_NS
    weekday = (day + _FIRST_WEEKDAY) % np.int64(7)
    for number in range(instrument.rules.windows):
        window = instrument.windows[number]
        on_day = (window.days >> weekday) & ONE
        if on_day != 0 and window.starts_ns <= local_ns < window.ends_ns:
            passes(outbox, np.int64(Reason.OUTSIDE_WINDOW), ZERO, local_ns)
            return PASSED
    return np.int64(Reason.OUTSIDE_WINDOW), ZERO, local_ns
