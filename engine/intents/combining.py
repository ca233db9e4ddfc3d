"""Several strategies on one instrument: a weighted vote of what each of them last said.

total    = sum of weight
net      = sum of weight * confidence * direction
strength = |net| // total
"""

from typing import Any

import numpy as np

from engine.arithmetic import PPM
from engine.decisions import Stage, list_passed, next_command, refuse
from engine.jit import inner_kernel, overlay
from engine.kinds import Action, DecisionKind
from engine.reasons import Reason
from engine.records import COMBINED

CONFIDENCE_FULL_PPM = PPM
# The bit of `contributors` that stands for every strategy from this number on: the sign of an int64.
_LAST_BIT = np.int64(63)
_SIGNAL = np.int64(Stage.SIGNAL)


@inner_kernel
def confidence_min_ppm(strategy: Any, pair: Any) -> Any:
    """The confidence that a strategy's signals on an instrument need to count."""
    own_ppm = np.int64(pair.rules.confidence_min_ppm)
    return own_ppm if own_ppm != 0 else np.int64(strategy.rules.confidence_min_ppm)


@inner_kernel
def _weight_ppm(strategy: Any, pair: Any) -> Any:
    if pair.rules.weight_ppm != 0:
        return np.int64(pair.rules.weight_ppm)
    return np.int64(strategy.rules.weight_ppm) if strategy.rules.weight_ppm != 0 else PPM


@inner_kernel
def _votes(state: Any, strategy: Any, pair: Any) -> Any:
    """Whether a strategy's kept signal on an instrument counts now; the last nanosecond of its time still does."""
    if pair.signal_seq == 0 or strategy.enabled == 0 or strategy.throttled != 0 or pair.rules.disabled != 0:
        return False
    if pair.valid_until_ts_ns != 0 and pair.valid_until_ts_ns < state.ts_ns:
        return False
    return pair.confidence_ppm >= confidence_min_ppm(strategy, pair)


@inner_kernel
def combine(state: Any, signal: Any, outbox: Any) -> Any:
    """What all strategies together say of a signal's instrument, left in `outbox.told[0]`; returns its strength in ppm.

    It is the signal with the combined action, without figures of its own where its action is another, and a HOLD
    where the engine waits. The signal itself votes: the caller has kept it and seen that it qualifies.
    """
    number = np.int64(signal.instrument)
    total_ppm = np.int64(0)
    net = np.int64(0)
    closing_ppm = np.int64(0)
    voters = np.int64(0)
    contributors = np.int64(0)
    for strategy_number in range(state.strategies_defined):
        strategy = state.strategies[strategy_number]
        pair = state.pairs[strategy_number, number]
        if not _votes(state, strategy, pair):
            continue
        weight_ppm = _weight_ppm(strategy, pair)
        total_ppm += weight_ppm
        if pair.action == Action.BUY:
            net += weight_ppm * pair.confidence_ppm
        elif pair.action == Action.SELL:
            net -= weight_ppm * pair.confidence_ppm
        elif pair.action == Action.CLOSE:
            closing_ppm += weight_ppm
        voters += 1
        contributors = contributors | (np.int64(1) << min(np.int64(strategy_number), _LAST_BIT))
    assert voters > 0
    strength_ppm = abs(net) // total_ppm
    least_ppm = np.int64(state.instruments[number].rules.strength_min_ppm)
    action = np.int64(Action.BUY) if net > 0 else np.int64(Action.SELL)
    if 2 * closing_ppm > total_ppm:
        action = np.int64(Action.CLOSE)
        strength_ppm = PPM * closing_ppm // total_ppm
    elif net == 0 or strength_ppm < least_ppm:
        action = np.int64(Action.HOLD)
    _tell(signal, outbox, action)
    if voters > 1:
        _record(state, signal, outbox, action, strength_ppm, contributors, total_ppm)
    if action == Action.HOLD:
        refuse(state, outbox, signal, np.int64(Reason.STRENGTH_BELOW_MINIMUM), least_ppm, strength_ppm)
    elif least_ppm != 0 and action != Action.CLOSE:
        list_passed(outbox, _SIGNAL, np.int64(Reason.STRENGTH_BELOW_MINIMUM), least_ppm, strength_ppm)
    return strength_ppm


@inner_kernel
def _tell(signal: Any, outbox: Any, action: Any) -> None:
    """Leave the signal as it counts in the outbox: the event itself stays as it is on the tape."""
    outbox.told[0] = signal
    told = outbox.told[0]
    if told.action == action:
        return
    told.action = np.uint8(action)
    told.valid_for_ms = np.uint32(0)
    told.quantity_lots = 0
    told.limit_ticks = 0
    told.stop_ticks = 0
    told.target_ticks = 0


@inner_kernel
def _record(
    state: Any, signal: Any, outbox: Any, action: Any, strength_ppm: Any, contributors: Any, total_ppm: Any
) -> None:
    combined = overlay(next_command(state, outbox, np.int64(DecisionKind.SIGNALS_COMBINED)), COMBINED)
    combined.instrument = signal.instrument
    combined.account = np.uint8(state.instruments[np.int64(signal.instrument)].account)
    combined.strategy = np.uint8(signal.source)
    combined.action = action
    combined.strength_ppm = strength_ppm
    combined.contributors = contributors
    combined.weight_total_ppm = total_ppm
