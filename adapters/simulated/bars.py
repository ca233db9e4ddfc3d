"""The path of the price inside a bar: open, one extreme, the other, close.

The low comes first in a bar that closes at or above its open, else the high. While neither has been seen, a
stop on one side of the price and a target on the other, both within the bar, send the path to the stop first.
Between two points the price stops at every price at which an order acts.
"""

from typing import Any

import numpy as np

from adapters.simulated.state import BUYS, LIMITS, NEVER, SELLS, STOPS, TARGETS, TRAILS
from adapters.simulated.triggers import follow
from engine.jit import inner_kernel


@inner_kernel
def stop_seen(row: Any, side: Any) -> Any:
    """The price, as seen, at which the first stop or trailing stop of a side triggers; -NEVER without any."""
    best = -row.head_ranks[STOPS + side]
    if row.heads[TRAILS + side] != 0:
        best = max(best, row.trail_best[side] - row.head_ranks[TRAILS + side])
    return best


@inner_kernel
def set_path(ex: Any, row: Any, price_ticks: Any) -> None:
    """Move the price of the bar that is being worked through; the book is that price on both sides."""
    ex.path_ticks = price_ticks
    row.touch_ticks[0] = price_ticks
    row.touch_ticks[1] = price_ticks
    ex.walk_seen[BUYS] = -price_ticks
    ex.walk_seen[SELLS] = price_ticks
    follow(ex, row, BUYS, -price_ticks)
    follow(ex, row, SELLS, price_ticks)


@inner_kernel
def start_path(ex: Any, row: Any, bar: Any) -> None:
    """Begin a bar at its open."""
    ex.path_low_ticks = bar.low_ticks
    ex.path_high_ticks = bar.high_ticks
    ex.path_close_ticks = bar.close_ticks
    ex.path_open_ts_ns = bar.ts_exchange_ns if bar.ts_exchange_ns != 0 else NEVER
    ex.path_low_first = 1 if bar.close_ticks >= bar.open_ticks else 0
    ex.path_low_seen = 0
    ex.path_high_seen = 0
    ex.path_closed = 0
    set_path(ex, row, bar.open_ticks)


@inner_kernel
def _low_is_next(ex: Any, row: Any) -> Any:
    """Whether the path goes to the low before the high."""
    if ex.path_low_seen != 0 or ex.path_high_seen != 0:
        return ex.path_low_seen == 0
    price = ex.path_ticks
    low = ex.path_low_ticks
    high = ex.path_high_ticks
    target_above = min(row.head_ranks[LIMITS + SELLS], row.head_ranks[TARGETS + SELLS])
    target_below = -min(row.head_ranks[LIMITS + BUYS], row.head_ranks[TARGETS + BUYS])
    stop_below = low <= stop_seen(row, SELLS) < price < target_above <= high
    stop_above = low <= target_below < price < -stop_seen(row, BUYS) <= high
    if stop_below != stop_above:
        return stop_below
    return ex.path_low_first != 0


@inner_kernel
def _next_seen(row: Any, side: Any, from_seen: Any, end_seen: Any) -> Any:
    """The first price beyond `from_seen` and up to `end_seen` at which an order acts, else `end_seen`.

    The price gets better for resting orders of `side`; stops that trigger on the way are those of the other side.
    """
    limit = row.head_ranks[LIMITS + side]
    target = row.head_ranks[TARGETS + side]
    stop = -stop_seen(row, 1 - side)
    ticks = end_seen
    if limit > from_seen:
        ticks = min(ticks, limit)
    if target > from_seen:
        ticks = min(ticks, target)
    if stop > from_seen:
        ticks = min(ticks, stop)
    return ticks


@inner_kernel
def advance(ex: Any, row: Any) -> Any:
    """Move the path on to where the next order acts or to its next point; False where the bar is over."""
    if ex.path_closed != 0:
        return False
    price = ex.path_ticks
    closing = ex.path_low_seen != 0 and ex.path_high_seen != 0
    if closing:
        end = ex.path_close_ticks
    elif _low_is_next(ex, row):
        end = ex.path_low_ticks
    else:
        end = ex.path_high_ticks
    ticks = _next_seen(row, SELLS, price, end) if end > price else -_next_seen(row, BUYS, -price, -end)
    if ticks == end:
        ex.path_closed = np.int64(closing)
        if end == ex.path_low_ticks:
            ex.path_low_seen = 1
        if end == ex.path_high_ticks:
            ex.path_high_seen = 1
    set_path(ex, row, ticks)
    return True
