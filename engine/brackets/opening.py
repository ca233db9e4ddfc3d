"""A bracket from the signal to its row: what its stop and targets will be, or why there is none."""

from typing import Any

import numpy as np

from engine.arithmetic import PPM
from engine.brackets.rows import has_free_row, take_row
from engine.brackets.terms import price_at, set_distance
from engine.decisions import Stage, list_passed
from engine.jit import inner_kernel
from engine.kinds import BracketStatus, Distance, GroupKind, OrderFlag, OrderRole, OrderType
from engine.reasons import Reason

_ZERO = np.int64(0)
# The second sample is the first with a true range.
_ATR_SAMPLES_MIN = np.int64(2)
_BRACKET = np.int64(Stage.BRACKET)


@inner_kernel
def wants_bracket(state: Any, signal: Any, instrument_number: Any) -> Any:
    """Whether an entry on this signal gets a bracket: by the instrument's rule, or a stop or target in the signal.

    `signal` is a SIGNAL whose stop and target are 0 where they do not count.
    """
    bracketed = state.instruments[instrument_number].rules.bracketed != 0
    return np.int64(1) if bracketed or signal.stop_ticks > 0 or signal.target_ticks > 0 else _ZERO


@inner_kernel
def _stop(state: Any, signal: Any, instrument_number: Any) -> Any:
    """(distance, value) of the stop: the signal's price before the rule."""
    if signal.stop_ticks > 0:
        return np.int64(Distance.SIGNAL), np.int64(signal.stop_ticks)
    instrument = state.instruments[instrument_number]
    return set_distance(instrument, instrument.rules.stop_distance, instrument.rules.stop_value)


@inner_kernel
def bracket_refusal(state: Any, outbox: Any, signal: Any, instrument_number: Any, side: Any, price_ticks: Any) -> Any:
    """(reason, limit, observed) why no bracket can be opened, or (NONE, 0, 0)."""
    instrument = state.instruments[instrument_number]
    kind, _ = _stop(state, signal, instrument_number)
    if kind == Distance.NONE and instrument.rules.stop_optional == 0:
        return np.int64(Reason.STOP_MISSING), _ZERO, _ZERO
    if signal.stop_ticks > 0 and (price_ticks <= signal.stop_ticks if side > 0 else price_ticks >= signal.stop_ticks):
        return np.int64(Reason.STOP_INVALID), np.int64(price_ticks), np.int64(signal.stop_ticks)
    if signal.stop_ticks > 0:
        list_passed(outbox, _BRACKET, np.int64(Reason.STOP_INVALID), price_ticks, signal.stop_ticks)
    target = np.int64(signal.target_ticks)
    if target > 0 and (target <= price_ticks if side > 0 else target >= price_ticks):
        return np.int64(Reason.TARGET_INVALID), np.int64(price_ticks), target
    if target > 0:
        list_passed(outbox, _BRACKET, np.int64(Reason.TARGET_INVALID), price_ticks, target)
    if instrument.samples < _ATR_SAMPLES_MIN and _needs_atr(instrument, signal):
        return np.int64(Reason.NO_VOLATILITY), _ATR_SAMPLES_MIN, np.int64(instrument.samples)
    if not has_free_row(state):
        return np.int64(Reason.BRACKET_TABLE_FULL), np.int64(len(state.brackets)), np.int64(state.brackets_open)
    rows = np.int64(len(state.brackets))
    list_passed(outbox, _BRACKET, np.int64(Reason.BRACKET_TABLE_FULL), rows, state.brackets_open)
    return np.int64(Reason.NONE), _ZERO, _ZERO


@inner_kernel
def _needs_atr(instrument: Any, signal: Any) -> Any:
    rules = instrument.rules
    if rules.trail_distance == Distance.ATR and rules.trail_value != 0:
        return True
    if signal.stop_ticks == 0 and rules.stop_distance == Distance.ATR and rules.stop_value != 0:
        return True
    if signal.target_ticks == 0:
        for place in range(len(instrument.targets)):
            target = instrument.targets[place]
            if target.target_distance == Distance.ATR and target.target_value != 0:
                return True
    return False


@inner_kernel
def stop_distance_ticks(state: Any, signal: Any, instrument_number: Any, side: Any, price_ticks: Any) -> Any:
    """How far from `price_ticks` the stop would be; 0 where there is none."""
    kind, value = _stop(state, signal, instrument_number)
    if kind == Distance.NONE:
        return _ZERO
    return side * (price_ticks - price_at(kind, value, np.int64(price_ticks), -side))


@inner_kernel
def open_bracket(state: Any, signal: Any, instrument_number: Any, side: Any, price_ticks: Any) -> Any:
    """Take a row for an entry that is about to be placed (`bracket_refusal` has been seen); returns its slot.

    The caller places the entry with this slot and sets the row's `entry_order`.
    """
    instrument = state.instruments[instrument_number]
    slot = take_row(state, np.int64(instrument_number), np.int64(signal.source), np.int64(GroupKind.BRACKET))
    row = state.brackets[slot - 1]
    row.status = np.int64(BracketStatus.WAITING)
    row.side = side
    _keep_rules(row, instrument)
    kind, value = _stop(state, signal, instrument_number)
    _set_leg(row, _ZERO, np.int64(OrderRole.STOP), np.int64(OrderType.STOP), kind, value, PPM)
    role = np.int64(OrderRole.TARGET)
    limit = np.int64(OrderType.LIMIT)
    if signal.target_ticks > 0:
        at_price = np.int64(Distance.SIGNAL)
        _set_leg(row, np.int64(1), role, limit, at_price, np.int64(signal.target_ticks), PPM)
        return slot
    leg = np.int64(1)
    for place in range(len(instrument.targets)):
        target = instrument.targets[place]
        kind, value = set_distance(instrument, target.target_distance, target.target_value)
        if kind != Distance.NONE:
            _set_leg(row, leg, role, limit, kind, value, target.target_share_ppm)
            leg += 1
    return slot


@inner_kernel
def _keep_rules(row: Any, instrument: Any) -> None:
    """A bracket keeps the rules that hold now: one that changes later concerns new brackets."""
    rules = instrument.rules
    row.trail_distance, row.trail_value = set_distance(instrument, rules.trail_distance, rules.trail_value)
    row.trail_step_ticks = rules.trail_step_ticks
    row.trail_activation_ppm = rules.trail_activation_ppm
    row.break_even_ppm = rules.break_even_ppm
    row.break_even_offset_ticks = rules.break_even_offset_ticks
    row.time_limit_ns = rules.time_limit_ns
    row.held_by_engine = rules.held_by_engine
    row.leg_policy = rules.leg_policy
    row.leg_replacements_max = rules.leg_replacements_max
    row.stop_optional = rules.stop_optional


@inner_kernel
def _set_leg(row: Any, place: Any, role: Any, order_type: Any, kind: Any, value: Any, share_ppm: Any) -> None:
    leg = row.legs[place]
    leg.order_role = role
    leg.order_type = order_type
    leg.side = -row.side
    leg.distance = kind
    leg.distance_value = value
    leg.share_ppm = share_ppm
    leg.order_flags = np.int64(OrderFlag.REDUCE_ONLY)
    if row.held_by_engine:
        leg.order_flags = np.int64(OrderFlag.REDUCE_ONLY | OrderFlag.HELD_BY_ENGINE)


@inner_kernel
def open_entries(state: Any, instrument_number: Any, side: Any) -> Any:
    """The brackets of an instrument on a side that are waiting or open."""
    count = np.int64(0)
    slot = state.instruments[instrument_number].first_bracket_slot
    while slot != 0:
        row = state.brackets[slot - 1]
        entering = row.status == BracketStatus.WAITING or row.status == BracketStatus.OPEN
        if row.group_kind == GroupKind.BRACKET and row.side == side and entering:
            count += 1
        slot = row.next_slot
    return count
