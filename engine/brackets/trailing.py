"""What moves the stop of a bracket, and at which prices the bracket has to be looked at again."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, mul_div
from engine.brackets.legs import stop_is_released
from engine.brackets.rows import live_slot, say
from engine.brackets.terms import distance_ticks, gain_ticks
from engine.jit import inner_kernel
from engine.kinds import BracketChange, BracketStatus, Distance, OrderStatus
from engine.reasons import Reason

_ZERO = np.int64(0)
_ONE = np.int64(1)
_TEN = np.int64(10)
_NEVER_HIGH = np.int64(INT64_MAX)
_NO_REASON = np.int64(Reason.NONE)
# Tenths of ppm in a whole: the step of a trail is a tenth of its distance.
_WHOLE = np.int64(10_000_000)
# What the roundings of a distance and its step come to at the most.
_ROUNDINGS_TICKS = np.int64(3)
_QUOTIENT_MAX = np.int64((1 << 62) // 10_000_000)


@inner_kernel
def present_price(state: Any, row: Any) -> Any:
    """What the position is valued at: the bid for a long, the ask for a short; 0 where there is none."""
    instrument = state.instruments[row.instrument]
    return np.int64(instrument.long_mark_ticks) if row.side > 0 else np.int64(instrument.short_mark_ticks)


@inner_kernel
def _step_ticks(row: Any, distance: Any) -> Any:
    return np.int64(row.trail_step_ticks) if row.trail_step_ticks > 0 else max(_ONE, distance // _TEN)


@inner_kernel
def _has_gained(row: Any, price_ticks: Any, ppm: Any) -> Any:
    return row.side * (price_ticks - row.entry_ticks) >= gain_ticks(np.int64(row.entry_ticks), np.int64(ppm))


@inner_kernel
def move_stop(state: Any, outbox: Any, row: Any, price_ticks: Any) -> None:
    """Move the stop to where the trail or the break-even puts it, whichever is better; it never goes back."""
    side = row.side
    if side * (price_ticks - row.best_ticks) > 0:
        row.best_ticks = price_ticks
    stop = np.int64(0)
    change = np.int64(0)
    if row.trail_distance != Distance.NONE:
        if not row.trail_active and _has_gained(row, price_ticks, row.trail_activation_ppm):
            row.trail_active = 1
        distance = distance_ticks(row.trail_distance, row.trail_value, row.best_ticks)
        candidate = max(_ONE, row.best_ticks - side * distance)
        better = side * (candidate - row.stop_ticks) >= _step_ticks(row, distance)
        if row.trail_active and (row.stop_ticks == 0 or better):
            stop = candidate
            change = np.int64(BracketChange.STOP_MOVED)
    if row.break_even_ppm > 0 and not row.broke_even and _has_gained(row, price_ticks, row.break_even_ppm):
        row.broke_even = 1
        candidate = max(_ONE, row.entry_ticks + side * row.break_even_offset_ticks)
        better = row.stop_ticks == 0 or side * (candidate - row.stop_ticks) > 0
        if better and (change == 0 or side * (candidate - stop) > 0):
            stop = candidate
            change = np.int64(BracketChange.BREAK_EVEN)
    if change != 0:
        row.stop_ticks = stop
        row.legs[0].trigger_ticks = stop
        say(state, outbox, row, change, np.int64(row.legs[0].order), _NO_REASON)


@inner_kernel
def _trail_level(row: Any) -> Any:
    """A price that the trail does not move the stop before: the first that may, or a few ticks nearer.

    With the distance d = floor(p * price) and the step floor(d / 10), both at least 1, the stop moves at a price with
    side * (price - stop) >= d + step > (p + p / 10) * price - 3.
    """
    side = row.side
    next_best = row.best_ticks + side
    if row.trail_distance != Distance.PPM:
        level = row.stop_ticks + side * (row.trail_value + _step_ticks(row, np.int64(row.trail_value)))
    else:
        tenths = row.trail_value * (_TEN if row.trail_step_ticks > 0 else _TEN + _ONE)
        base = max(_ZERO, row.stop_ticks + side * (row.trail_step_ticks - _ROUNDINGS_TICKS))
        whole = _WHOLE - side * tenths
        if whole <= 0:
            return next_best
        level = mul_div(base, _WHOLE, whole) if base // whole < _QUOTIENT_MAX else _NEVER_HIGH
    return max(level, next_best) if side > 0 else min(level, next_best)


@inner_kernel
def watch(state: Any, row: Any) -> None:
    """Note at which prices a bracket has to be looked at again: at or below, at or above; 0 and the highest: none."""
    side = row.side
    low = np.int64(0)
    high = _NEVER_HIGH
    if row.status == BracketStatus.OPEN and not stop_is_released(state, row):
        nearest = _NEVER_HIGH if side > 0 else _ZERO
        if row.break_even_ppm > 0 and not row.broke_even:
            level = row.entry_ticks + side * gain_ticks(np.int64(row.entry_ticks), np.int64(row.break_even_ppm))
            nearest = min(nearest, level) if side > 0 else max(nearest, level)
        if row.trail_distance != Distance.NONE:
            if row.trail_active:
                level = _trail_level(row)
            else:
                gain = gain_ticks(np.int64(row.entry_ticks), np.int64(row.trail_activation_ppm))
                level = row.entry_ticks + side * gain
            nearest = min(nearest, level) if side > 0 else max(nearest, level)
        adverse = _ZERO if side > 0 else _NEVER_HIGH
        if row.held_by_engine:
            nearest, adverse = _watch_held(state, row, nearest, adverse)
        low, high = (adverse, nearest) if side > 0 else (nearest, adverse)
    row.watch_low_ticks = low
    row.watch_high_ticks = high
    note_watch(state, row)


@inner_kernel
def _watch_held(state: Any, row: Any, nearest: Any, adverse: Any) -> Any:
    """The prices of the legs that the engine holds: the nearest target, and the stop."""
    for place in range(len(row.legs)):
        leg = row.legs[place]
        order_slot = live_slot(state, leg.order)
        if order_slot != 0 and state.orders[order_slot - 1].status == OrderStatus.HELD:
            if place == 0:
                adverse = np.int64(leg.trigger_ticks)
            elif row.side > 0:
                nearest = min(nearest, np.int64(leg.limit_ticks))
            else:
                nearest = max(nearest, np.int64(leg.limit_ticks))
    return nearest, adverse


@inner_kernel
def note_watch(state: Any, row: Any) -> None:
    """Let the instrument wait for what one of its brackets waits for."""
    instrument = state.instruments[row.instrument]
    instrument.watch_low_ticks = max(instrument.watch_low_ticks, row.watch_low_ticks)
    instrument.watch_high_ticks = min(instrument.watch_high_ticks, row.watch_high_ticks)
