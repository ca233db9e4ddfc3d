"""Distances and prices of a bracket: ticks, ppm of a price, or ppm of the average true range."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, PPM, mul_div, ppm_part, ppm_part_up
from engine.jit import inner_kernel
from engine.kinds import Distance

_ATR_SCALE = np.int64(1_000_000_000_000)
_ONE = np.int64(1)
# No distance is longer: a price that far away is never reached.
_TICKS_MAX = np.int64(1 << 60)
_PRODUCT_MAX = np.int64(1 << 62)
_PRICE_MAX = np.int64(INT64_MAX)


@inner_kernel
def set_distance(instrument: Any, kind: Any, value: Any) -> Any:
    """(kind, value) of a configured distance as it is kept: in ATR it is fixed in ticks, without a value none."""
    if value == 0 or kind == Distance.NONE or kind == Distance.SIGNAL:
        return np.int64(Distance.NONE), np.int64(0)
    if kind == Distance.ATR:
        ticks = mul_div(np.int64(instrument.atr_microticks), np.int64(value), _ATR_SCALE)
        return np.int64(Distance.TICKS), max(_ONE, ticks)
    return np.int64(kind), np.int64(value)


@inner_kernel
def distance_ticks(kind: Any, value: Any, price_ticks: Any) -> Any:
    """How many ticks a distance (TICKS, PPM) is at a price, at least one."""
    if kind != Distance.PPM:
        return np.int64(value)
    if price_ticks // PPM >= _PRODUCT_MAX // value:
        return _TICKS_MAX
    return min(max(_ONE, ppm_part(np.int64(price_ticks), np.int64(value))), _TICKS_MAX)


@inner_kernel
def price_at(kind: Any, value: Any, price_ticks: Any, direction: Any) -> Any:
    """The price at a distance from another, above it where `direction` is 1, else below; 0 where there is none."""
    if kind == Distance.NONE:
        return np.int64(0)
    if kind == Distance.SIGNAL:
        return np.int64(value)
    distance = distance_ticks(kind, value, price_ticks)
    if direction > 0:
        return price_ticks + distance if price_ticks <= _PRICE_MAX - distance else _PRICE_MAX
    return max(_ONE, price_ticks - distance)


@inner_kernel
def gain_ticks(price_ticks: Any, ppm: Any) -> Any:
    """The smallest gain in ticks that is at least `ppm` of a price."""
    if ppm > 0 and price_ticks // PPM >= _PRODUCT_MAX // ppm - _ONE:
        return _TICKS_MAX
    return min(ppm_part_up(np.int64(price_ticks), np.int64(ppm)), _TICKS_MAX)
