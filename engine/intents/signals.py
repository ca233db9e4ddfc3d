"""A strategy's signal: checked, kept, combined with what the others say, and acted upon as its instrument does.

The user's view of all of this is docs/risk/signals.md.
"""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX
from engine.decisions import Stage, list_passed, refuse
from engine.intents.combining import CONFIDENCE_FULL_PPM, combine, confidence_min_ppm
from engine.intents.entries import close, enter, valid_until_ts_ns
from engine.intents.targets import follow
from engine.jit import inner_kernel
from engine.kinds import Action, SignalMode, TradingState
from engine.reasons import Reason

_NO_LIMIT = np.int64(0)
_SIGNAL = np.int64(Stage.SIGNAL)


@inner_kernel
def on_signal(state: Any, signal: Any, outbox: Any) -> None:
    """Decide on a signal: commands, or one refusal that says why there are none."""
    number = np.int64(signal.source)
    if number >= len(state.strategies) or not state.strategies[number].defined:
        refuse(state, outbox, signal, np.int64(Reason.STRATEGY_UNKNOWN), _NO_LIMIT, number)
        return
    strategy = state.strategies[number]
    strategy.signals += 1
    strategy.last_signal_seq = state.seq
    strategy.last_action = np.int64(signal.action)
    reason, limit, observed = _record_refusal(state, signal)
    if reason == Reason.NONE:
        _keep(state, signal)
        if signal.action == Action.HOLD:
            return
        reason, limit, observed = _refusal(state, outbox, signal, strategy)
    if reason != Reason.NONE:
        refuse(state, outbox, signal, reason, limit, observed)
        return
    strength_ppm = combine(state, signal, outbox)
    told = outbox.told[0]
    if told.action == Action.HOLD:
        return
    rules = state.instruments[np.int64(signal.instrument)].rules
    if rules.signal_mode == SignalMode.TARGETS:
        follow(state, told, outbox, strength_ppm)
    elif told.action == Action.CLOSE:
        close(state, told, outbox)
    else:
        enter(state, told, outbox)


@inner_kernel
def _record_refusal(state: Any, signal: Any) -> Any:
    """(reason, limit, observed) of the first thing that is wrong with the record itself, or (NONE, 0, 0)."""
    action = np.int64(signal.action)
    number = np.int64(signal.instrument)
    if action > Action.CLOSE:
        return np.int64(Reason.ACTION_UNKNOWN), _NO_LIMIT, action
    if number >= len(state.instruments) or not state.instruments[number].defined:
        return np.int64(Reason.INSTRUMENT_UNKNOWN), _NO_LIMIT, action
    if signal.limit_ticks < 0 or signal.stop_ticks < 0 or signal.target_ticks < 0:
        return np.int64(Reason.PRICE_INVALID), _NO_LIMIT, action
    if signal.quantity_lots < 0 or signal.quantity_lots > MONEY_MAX:
        return np.int64(Reason.QUANTITY_INVALID), _NO_LIMIT, action
    confidence_ppm = np.int64(signal.confidence_ppm)
    if confidence_ppm > CONFIDENCE_FULL_PPM:
        return np.int64(Reason.VALUE_INVALID), CONFIDENCE_FULL_PPM, confidence_ppm
    return np.int64(Reason.NONE), _NO_LIMIT, _NO_LIMIT


@inner_kernel
def _keep(state: Any, signal: Any) -> None:
    """Remember what the strategy says of the instrument, until it says something else or the time is over."""
    pair = state.pairs[np.int64(signal.source), np.int64(signal.instrument)]
    confidence_ppm = np.int64(signal.confidence_ppm)
    pair.action = np.int64(signal.action)
    pair.confidence_ppm = confidence_ppm if confidence_ppm > 0 else CONFIDENCE_FULL_PPM
    pair.signal_seq = state.seq
    pair.valid_until_ts_ns = valid_until_ts_ns(signal)


@inner_kernel
def _refusal(state: Any, outbox: Any, signal: Any, strategy: Any) -> Any:
    """(reason, limit, observed) why this kept signal cannot be acted upon now, or (NONE, 0, 0)."""
    action = np.int64(signal.action)
    number = np.int64(signal.instrument)
    pair = state.pairs[np.int64(signal.source), number]
    if state.fault != 0 or state.trading_state == TradingState.HALTED:
        return np.int64(Reason.TRADING_HALTED), _NO_LIMIT, np.int64(state.trading_state)
    list_passed(outbox, _SIGNAL, np.int64(Reason.TRADING_HALTED), _NO_LIMIT, np.int64(state.trading_state))
    if strategy.enabled == 0 or pair.rules.disabled != 0:
        return np.int64(Reason.STRATEGY_DISABLED), _NO_LIMIT, action
    list_passed(outbox, _SIGNAL, np.int64(Reason.STRATEGY_DISABLED), _NO_LIMIT, action)
    if strategy.throttled != 0:
        executions = np.int64(strategy.rules.executions_max)
        return np.int64(Reason.EXECUTIONS_THROTTLED), executions, executions
    least_ppm = confidence_min_ppm(strategy, pair)
    if pair.confidence_ppm < least_ppm:
        return np.int64(Reason.CONFIDENCE_BELOW_MINIMUM), least_ppm, np.int64(pair.confidence_ppm)
    if least_ppm != 0:
        list_passed(outbox, _SIGNAL, np.int64(Reason.CONFIDENCE_BELOW_MINIMUM), least_ppm, pair.confidence_ppm)
    instrument = state.instruments[number]
    if instrument.long_mark_ticks <= 0 or instrument.short_mark_ticks <= 0:
        return np.int64(Reason.NO_REFERENCE_PRICE), _NO_LIMIT, action
    return np.int64(Reason.NONE), _NO_LIMIT, _NO_LIMIT
