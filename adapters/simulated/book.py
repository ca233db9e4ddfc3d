"""Where orders are kept: a table of slots found by order number, and the sorted lists of each instrument.

Slots count from 1 and 0 is none. The rank of each list's head and, from them, the prices between which nothing
can act are kept in the instrument's row, so that a market record that moves nothing looks at nothing else.
"""

from typing import Any

import numpy as np

from adapters.simulated.state import LIMITS, NEVER, STOPS, TARGETS, TRAILS, WORKING
from engine.jit import inner_kernel


@inner_kernel
def find_order(ex: Any, number: Any) -> Any:
    """The slot of a live order, 0 where there is none."""
    mask = len(ex.order_slots) - 1
    place = number & mask
    while ex.order_slots[place] != 0:
        slot = ex.order_slots[place]
        if ex.orders[slot - 1].order == number:
            return slot
        place = (place + 1) & mask
    return np.int64(0)


@inner_kernel
def new_slot(ex: Any) -> Any:
    """A free slot, 0 where the table is full; `index_order` makes it live, nothing else needs undoing."""
    if ex.free_slot != 0:
        return ex.free_slot
    return ex.slots_used + 1 if ex.slots_used < len(ex.orders) else np.int64(0)


@inner_kernel
def index_order(ex: Any, slot: Any) -> None:
    """Take the slot that `new_slot` offered for the order that is now in it."""
    order = ex.orders[slot - 1]
    if slot == ex.free_slot:
        ex.free_slot = order.next_slot
    else:
        ex.slots_used += 1
    order.next_slot = 0
    mask = len(ex.order_slots) - 1
    place = order.order & mask
    while ex.order_slots[place] != 0:
        place = (place + 1) & mask
    ex.order_slots[place] = slot
    ex.live_orders += 1


@inner_kernel
def forget_order(ex: Any, slot: Any) -> None:
    """Free the slot of an order that is in no list; what was pushed past its place in the index moves back."""
    mask = len(ex.order_slots) - 1
    order = ex.orders[slot - 1]
    hole = order.order & mask
    while ex.order_slots[hole] != slot:
        hole = (hole + 1) & mask
    ex.order_slots[hole] = 0
    place = (hole + 1) & mask
    while ex.order_slots[place] != 0:
        other = ex.order_slots[place]
        home = ex.orders[other - 1].order & mask
        if ((place - home) & mask) >= ((place - hole) & mask):
            ex.order_slots[hole] = other
            ex.order_slots[place] = 0
            hole = place
        place = (place + 1) & mask
    order.order = 0
    order.next_slot = ex.free_slot
    ex.free_slot = slot
    ex.live_orders -= 1


@inner_kernel
def refresh(row: Any, side: Any) -> None:
    """Bring the prices between which no order of a side can act up to date."""
    above = min(row.head_ranks[LIMITS + side], row.head_ranks[TARGETS + side], row.parked_best[side])
    below = -row.head_ranks[STOPS + side]
    if row.heads[TRAILS + side] != 0:
        above = min(above, row.trail_best[side] + 1)
        below = max(below, row.trail_best[side] - row.head_ranks[TRAILS + side])
    if row.heads[WORKING + side] != 0:
        above = -NEVER
    row.acts_above[side] = above
    row.acts_below[side] = below


@inner_kernel
def link_after(ex: Any, row: Any, slot: Any, order_list: Any, rank: Any, start_slot: Any) -> None:
    """Insert an order into a list by rank, then priority, looking from `start_slot` on (0: the head).

    `start_slot` must itself be in the list and belong before the order.
    """
    order = ex.orders[slot - 1]
    order.list_number = order_list + 1
    order.rank = rank
    before = start_slot
    tail = row.tails[order_list]
    if tail != 0 and ex.orders[tail - 1].rank < rank:
        before = tail
    after = ex.orders[before - 1].next_slot if before != 0 else row.heads[order_list]
    while after != 0:
        other = ex.orders[after - 1]
        if other.rank > rank or (other.rank == rank and other.priority > order.priority):
            break
        before = after
        after = other.next_slot
    order.previous_slot = before
    order.next_slot = after
    if after != 0:
        ex.orders[after - 1].previous_slot = slot
    else:
        row.tails[order_list] = slot
    if before != 0:
        ex.orders[before - 1].next_slot = slot
    else:
        row.heads[order_list] = slot
        row.head_ranks[order_list] = rank
    refresh(row, order_list & 1)


@inner_kernel
def link(ex: Any, row: Any, slot: Any, order_class: Any, rank: Any) -> None:
    """Insert an order into its side's list of a class."""
    link_after(ex, row, slot, order_class + ex.orders[slot - 1].book_side, rank, np.int64(0))


@inner_kernel
def unlink(ex: Any, row: Any, slot: Any) -> None:
    """Take an order out of its list, if it is in one."""
    order = ex.orders[slot - 1]
    if order.list_number == 0:
        return
    order_list = order.list_number - 1
    before = order.previous_slot
    after = order.next_slot
    if before != 0:
        ex.orders[before - 1].next_slot = after
    else:
        row.heads[order_list] = after
        row.head_ranks[order_list] = ex.orders[after - 1].rank if after != 0 else NEVER
    if after != 0:
        ex.orders[after - 1].previous_slot = before
    else:
        row.tails[order_list] = before
    order.list_number = 0
    order.next_slot = 0
    order.previous_slot = 0
    refresh(row, order_list & 1)


@inner_kernel
def link_expiry(ex: Any, slot: Any) -> None:
    """Enter an order into the list of those that expire, soonest first."""
    order = ex.orders[slot - 1]
    before = np.int64(0)
    after = ex.expiry_slot
    while after != 0 and ex.orders[after - 1].expire_ts_ns <= order.expire_ts_ns:
        before = after
        after = ex.orders[after - 1].next_expiry_slot
    order.previous_expiry_slot = before
    order.next_expiry_slot = after
    if after != 0:
        ex.orders[after - 1].previous_expiry_slot = slot
    if before != 0:
        ex.orders[before - 1].next_expiry_slot = slot
    else:
        ex.expiry_slot = slot
        ex.next_expiry_ns = order.expire_ts_ns


@inner_kernel
def unlink_expiry(ex: Any, slot: Any) -> None:
    order = ex.orders[slot - 1]
    before = order.previous_expiry_slot
    after = order.next_expiry_slot
    if after != 0:
        ex.orders[after - 1].previous_expiry_slot = before
    if before != 0:
        ex.orders[before - 1].next_expiry_slot = after
    else:
        ex.expiry_slot = after
        ex.next_expiry_ns = ex.orders[after - 1].expire_ts_ns if after != 0 else NEVER


@inner_kernel
def link_reduce_only(ex: Any, slot: Any) -> None:
    """Enter a reduce-only order into the list of those that a position's shrinking concerns."""
    order = ex.orders[slot - 1]
    position = ex.positions[order.instrument]
    after = position.reduce_slot
    order.previous_reduce_slot = 0
    order.next_reduce_slot = after
    if after != 0:
        ex.orders[after - 1].previous_reduce_slot = slot
    else:
        position.reduce_lots_max = 0
    position.reduce_slot = slot
    position.reduce_lots_max = max(position.reduce_lots_max, order.quantity_lots - order.filled_lots)


@inner_kernel
def unlink_reduce_only(ex: Any, slot: Any) -> None:
    order = ex.orders[slot - 1]
    before = order.previous_reduce_slot
    after = order.next_reduce_slot
    if after != 0:
        ex.orders[after - 1].previous_reduce_slot = before
    if before != 0:
        ex.orders[before - 1].next_reduce_slot = after
    else:
        ex.positions[order.instrument].reduce_slot = after
