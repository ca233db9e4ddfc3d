"""Orders that wait for a price: stops, take-profits and trailing stops.

Trailing stops that share the best price they have seen follow the market together (`TRAILS`): a new best moves
one number. When one more joins at a worse price, the others can only move again once the market is back at
their best: until then they are plain stops (parked among the `STOPS`). So an order is touched when it is placed,
parked or taken up again, never by a tick.
"""

from typing import Any

import numpy as np

from adapters.simulated.book import link, link_after, refresh, unlink
from adapters.simulated.matching import enter_market
from adapters.simulated.rings import report_order
from adapters.simulated.state import BOOK_NONE, NEVER, STOPS, TARGETS, TRAILS
from engine.jit import inner_kernel
from engine.kinds import EventKind, OrderType


@inner_kernel
def trigger(ex: Any, row: Any, slot: Any, number: Any, seen_ticks: Any) -> None:
    """Turn a waiting order into a market or limit order."""
    order = ex.orders[slot - 1]
    unlink(ex, row, slot)
    order.triggered = 1
    report_order(
        ex, order, np.int64(EventKind.ORDER_TRIGGERED), np.int64(0), order.quantity_lots, -order.side * seen_ticks
    )
    enter_market(ex, row, slot, number)


@inner_kernel
def _park_trails(ex: Any, row: Any, side: Any) -> None:
    """Turn the trailing stops that follow into plain stops at their trigger; both lists are sorted, so merge them."""
    best = row.trail_best[side]
    before = np.int64(0)
    slot = row.heads[TRAILS + side]
    while slot != 0:
        unlink(ex, row, slot)
        order = ex.orders[slot - 1]
        order.best = best
        link_after(ex, row, slot, STOPS + side, order.trail_ticks - best, before)
        before = slot
        slot = row.heads[TRAILS + side]
    row.parked_best[side] = min(row.parked_best[side], best)
    refresh(row, side)


@inner_kernel
def _take_up_parked(ex: Any, row: Any, side: Any, seen_ticks: Any) -> None:
    """Let the parked trailing stops whose best price the market is back at follow it again."""
    nearest = np.int64(NEVER)
    slot = row.heads[STOPS + side]
    while slot != 0:
        order = ex.orders[slot - 1]
        after = order.next_slot
        if order.order_type == OrderType.TRAILING_STOP:
            if order.best <= seen_ticks:
                unlink(ex, row, slot)
                link(ex, row, slot, TRAILS, order.trail_ticks)
            else:
                nearest = min(nearest, order.best)
        slot = after
    row.parked_best[side] = nearest
    refresh(row, side)


@inner_kernel
def follow(ex: Any, row: Any, side: Any, seen_ticks: Any) -> None:
    """Move the trailing stops of a side along with a new best price."""
    if row.heads[TRAILS + side] == 0:
        if row.parked_best[side] > seen_ticks:
            return
        row.trail_best[side] = seen_ticks
    elif seen_ticks > row.trail_best[side]:
        row.trail_best[side] = seen_ticks
        refresh(row, side)
    if row.parked_best[side] <= seen_ticks:
        _take_up_parked(ex, row, side, seen_ticks)


@inner_kernel
def start_trail(ex: Any, row: Any, slot: Any, seen_ticks: Any) -> None:
    """Let a trailing stop follow the market from this price on."""
    order = ex.orders[slot - 1]
    side = order.book_side
    follow(ex, row, side, seen_ticks)
    if row.heads[TRAILS + side] != 0 and row.trail_best[side] > seen_ticks:
        _park_trails(ex, row, side)
    row.trail_best[side] = seen_ticks
    order.triggered = 0
    order.best = seen_ticks
    order.trigger_ticks = 0
    link(ex, row, slot, TRAILS, order.trail_ticks)


@inner_kernel
def activate(ex: Any, row: Any, slot: Any, number: Any) -> None:
    """Let an order that is in no list wait for its price, or act at once where that is there already."""
    order = ex.orders[slot - 1]
    kind = order.order_type
    if kind == OrderType.MARKET or kind == OrderType.LIMIT or order.triggered != 0:
        enter_market(ex, row, slot, number)
        return
    # A sell's triggers go by the bid, a buy's by the ask; signed as lists of that side see it.
    seen_ticks = row.touch_ticks[0] if order.side < 0 else -row.touch_ticks[1]
    rank = -order.side * order.trigger_ticks
    has_market = row.book != BOOK_NONE
    if kind == OrderType.TRAILING_STOP:
        if order.trigger_ticks > 0 and seen_ticks < rank:
            link(ex, row, slot, TARGETS, rank)
        else:
            start_trail(ex, row, slot, seen_ticks)
    elif kind == OrderType.STOP or kind == OrderType.STOP_LIMIT:
        if has_market and seen_ticks <= rank:
            trigger(ex, row, slot, number, seen_ticks)
        else:
            link(ex, row, slot, STOPS, -rank)
    elif has_market and seen_ticks >= rank:
        trigger(ex, row, slot, number, seen_ticks)
    else:
        link(ex, row, slot, TARGETS, rank)
