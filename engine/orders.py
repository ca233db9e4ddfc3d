"""The life of an order: a table of slots, an index by order number, and what may follow what.

An order that is closed keeps its slot until the slot is needed again, the longest closed first, so that a
late fill still finds its order.
"""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, money_fits
from engine.jit import inner_kernel
from engine.kinds import EventKind, FillFlag, OrderFlag, OrderRole, OrderStatus, OrderType
from engine.portfolio import apply_fill, fill_fits, set_fault
from engine.reasons import Reason
from engine.state import TRADE_BUCKETS, TRADES_PER_BUCKET

# What happened to an order: the columns of TRANSITIONS. (A kernel is compiled again for every plain Python constant.)
WAS_SENT = np.int64(0)
WAS_ACCEPTED = np.int64(1)
WAS_REJECTED = np.int64(2)
WAS_FILLED_IN_PART = np.int64(3)
WAS_FILLED_WHOLLY = np.int64(4)
CANCEL_WAS_REQUESTED = np.int64(5)
WAS_CANCELED = np.int64(6)
WAS_EXPIRED = np.int64(7)
CANCEL_WAS_REJECTED = np.int64(8)
REQUEST_HAD_NO_ANSWER = np.int64(9)
WAS_RELEASED = np.int64(10)

# What `on_fill` returns instead of a slot.
NOT_BOOKED = np.int64(-1)

# 2**32 divided by the golden ratio, made odd.
_GOLDEN_RATIO_32 = 2_654_435_769

_ = -1  # not allowed: the order stays as it is and the attempt is counted


def _transitions() -> np.ndarray:
    status = OrderStatus
    sent, accepted, refused = status.SENT, status.ACCEPTED, status.REJECTED
    part, whole, asked = status.PARTIALLY_FILLED, status.FILLED, status.PENDING_CANCEL
    gone, late, lost = status.CANCELED, status.EXPIRED, status.UNKNOWN
    held, waits = status.HELD, status.PENDING
    # In the order of the happenings above.
    rows = {
        status.NONE: (_, _, _, _, _, _, _, _, _, _, _),
        status.PENDING: (sent, accepted, refused, part, whole, asked, gone, late, _, lost, _),
        status.SENT: (_, accepted, refused, part, whole, asked, gone, late, _, lost, _),
        status.ACCEPTED: (_, accepted, refused, part, whole, asked, gone, late, accepted, accepted, _),
        status.PARTIALLY_FILLED: (_, part, _, part, whole, asked, gone, late, part, part, _),
        status.FILLED: (_, whole, _, whole, whole, _, _, _, whole, whole, _),
        status.PENDING_CANCEL: (asked, asked, refused, asked, whole, asked, gone, late, accepted, lost, _),
        status.CANCELED: (_, _, _, gone, gone, _, gone, _, gone, gone, _),
        status.REJECTED: (_, _, refused, refused, refused, _, _, _, refused, refused, _),
        status.EXPIRED: (_, _, _, late, late, _, _, late, late, late, _),
        status.UNKNOWN: (lost, accepted, refused, part, whole, asked, gone, late, lost, lost, _),
        # Held by the engine: a cancel needs no answer.
        status.HELD: (_, _, _, part, whole, gone, gone, _, held, held, waits),
    }
    return np.array([rows[OrderStatus(number)] for number in range(len(OrderStatus))], dtype=np.int64)


TRANSITIONS = _transitions()


@inner_kernel
def is_open(status: Any) -> Any:
    """Whether an order of this status may still be filled at the exchange."""
    return (
        status == OrderStatus.PENDING
        or status == OrderStatus.SENT
        or status == OrderStatus.ACCEPTED
        or status == OrderStatus.PARTIALLY_FILLED
        or status == OrderStatus.PENDING_CANCEL
        or status == OrderStatus.UNKNOWN
        or status == OrderStatus.HELD
    )


@inner_kernel
def _home(state: Any, order: Any) -> Any:
    """Where the index looks for an order first: numbers in sequence are spread evenly (Knuth, 6.4, Fibonacci)."""
    spread = ((order & 0x7FFF_FFFF) * _GOLDEN_RATIO_32) & 0xFFFF_FFFF
    return (spread * len(state.order_slots)) >> 32


@inner_kernel
def find_order(state: Any, order: Any) -> Any:
    """The slot (from 1) of an order by its number, 0 where the table no longer holds it.

    Numbers below zero are of rows that were put aside: nothing that happens is about them.
    """
    return find_row(state, order) if order > 0 else np.int64(0)


@inner_kernel
def find_row(state: Any, order: Any) -> Any:
    """The slot (from 1) of the row with this number, 0 for none."""
    mask = len(state.order_slots) - 1
    place = _home(state, order)
    while state.order_slots[place] != 0:
        slot = state.order_slots[place]
        if state.orders[slot - 1].order == order:
            return np.int64(slot)
        place = (place + 1) & mask
    return np.int64(0)


@inner_kernel
def index_order(state: Any, order: Any, slot: Any) -> None:
    mask = len(state.order_slots) - 1
    place = _home(state, order)
    while state.order_slots[place] != 0:
        place = (place + 1) & mask
    state.order_slots[place] = slot


@inner_kernel
def forget_order(state: Any, order: Any) -> None:
    """Take an order out of the index; what had to go past its place moves back (linear probing)."""
    mask = len(state.order_slots) - 1
    hole = _home(state, order)
    while state.orders[state.order_slots[hole] - 1].order != order:
        hole = (hole + 1) & mask
    state.order_slots[hole] = 0
    place = (hole + 1) & mask
    while state.order_slots[place] != 0:
        slot = state.order_slots[place]
        home = _home(state, state.orders[slot - 1].order)
        if ((place - home) & mask) >= ((place - hole) & mask):
            state.order_slots[hole] = slot
            state.order_slots[place] = 0
            hole = place
        place = (place + 1) & mask


@inner_kernel
def has_free_slot(state: Any) -> Any:
    return state.slots_used < len(state.orders) or state.free_count > 0


@inner_kernel
def take_slot(state: Any) -> Any:
    """A slot never used, else the one that has been closed the longest."""
    capacity = len(state.orders)
    if state.slots_used < capacity:
        state.slots_used += 1
        return state.slots_used
    assert state.free_count > 0
    slot = state.free_slots[state.free_head]
    state.free_head = (state.free_head + 1) % capacity
    state.free_count -= 1
    forget_order(state, state.orders[slot - 1].order)
    return slot


@inner_kernel
def _link(state: Any, order: Any, slot: Any) -> None:
    instrument = state.instruments[order.instrument]
    first = instrument.first_order_slot
    order.next_slot = first
    order.previous_slot = 0
    if first != 0:
        state.orders[first - 1].previous_slot = slot
    instrument.first_order_slot = slot
    instrument.open_orders += 1
    state.orders_open += 1


@inner_kernel
def _unlink(state: Any, order: Any) -> None:
    instrument = state.instruments[order.instrument]
    if order.previous_slot != 0:
        state.orders[order.previous_slot - 1].next_slot = order.next_slot
    else:
        instrument.first_order_slot = order.next_slot
    if order.next_slot != 0:
        state.orders[order.next_slot - 1].previous_slot = order.previous_slot
    instrument.open_orders -= 1
    state.orders_open -= 1


@inner_kernel
def change_open_lots(state: Any, order: Any, delta_lots: Any) -> None:
    """Count lots as on their way, or as those of legs, which wait beside a position."""
    position = state.positions[order.account, order.instrument]
    if order.order_role >= OrderRole.STOP:
        grouped_lots = delta_lots if order.order_role == OrderRole.GROUPED else np.int64(0)
        if order.side > 0:
            position.leg_buy_lots += delta_lots
            position.grouped_buy_lots += grouped_lots
        else:
            position.leg_sell_lots += delta_lots
            position.grouped_sell_lots += grouped_lots
    elif order.side > 0:
        position.open_buy_lots += delta_lots
    else:
        position.open_sell_lots += delta_lots


@inner_kernel
def open_lots_fit(position: Any, side: Any, delta_lots: Any) -> Any:
    """Whether `delta_lots` more on order of a side are still a number of lots that the ledger allows."""
    open_lots = position.open_buy_lots if side > 0 else position.open_sell_lots
    leg_lots = position.leg_buy_lots if side > 0 else position.leg_sell_lots
    return delta_lots <= MONEY_MAX - max(open_lots, leg_lots)


@inner_kernel
def ask_as_it_is(order: Any) -> None:
    """Take the terms that an order has for those that were last asked for."""
    order.asked_lots = order.quantity_lots
    order.asked_limit_ticks = order.limit_ticks
    order.asked_trigger_ticks = order.trigger_ticks


@inner_kernel
def _retry_later(state: Any, order: Any) -> None:
    """What was asked of a bracket's order did not come to be: the bracket is looked at again at the next occasion."""
    if order.bracket_slot != 0:
        state.instruments[order.instrument].brackets_retry = 1


@inner_kernel
def on_no_answer(state: Any, slot: Any) -> None:
    """A request about an order has no answer: it is neither accepted nor rejected, and an amendment is open again."""
    order = state.orders[slot - 1]
    order.amending = 0
    change_status(state, slot, REQUEST_HAD_NO_ANSWER)
    _retry_later(state, order)


@inner_kernel
def open_order(state: Any, command: Any, role: Any, bracket_slot: Any, leg: Any) -> Any:
    """Enter a decided order into the table and number it; returns its slot. The caller has seen a free slot.

    It is PENDING, or HELD where the engine keeps it until its price comes.
    """
    slot = take_slot(state)
    state.orders_placed += 1
    order = state.orders[slot - 1]
    order.order = state.orders_placed
    held = (np.int64(command.order_flags) & OrderFlag.HELD_BY_ENGINE) != 0
    order.status = np.int64(OrderStatus.HELD) if held else np.int64(OrderStatus.PENDING)
    order.instrument = np.int64(command.instrument)
    order.account = np.int64(command.account)
    order.strategy = np.int64(command.strategy)
    order.order_flags = np.int64(command.order_flags)
    order.side = -1 if order.order_flags & OrderFlag.SELL else 1
    order.order_type = np.int64(command.order_type)
    order.time_in_force = np.int64(command.time_in_force)
    order.quantity_lots = command.quantity_lots
    order.limit_ticks = command.limit_ticks
    order.trigger_ticks = command.trigger_ticks
    order.trail_ticks = command.trail_ticks
    order.expire_ts_ns = command.expire_ts_ns
    enter_order(state, slot, role, bracket_slot, leg)
    command.order = order.order
    state.strategies[order.strategy].orders += 1
    return slot


@inner_kernel
def enter_order(state: Any, slot: Any, role: Any, bracket_slot: Any, leg: Any) -> None:
    """Make an order out of a row of the table that has its number, status and terms: one without fills, open."""
    order = state.orders[slot - 1]
    order.filled_lots = 0
    order.exchange_order_id = 0
    order.fills = 0
    order.filled_units = 0
    order.reason = 0
    order.placed_seq = state.seq
    order.placed_ts_ns = state.ts_ns
    order.updated_ts_ns = state.ts_ns
    order.order_role = role
    order.bracket_slot = bracket_slot
    order.leg = leg
    instrument = state.instruments[order.instrument]
    order.reference_ticks = instrument.short_mark_ticks if order.side > 0 else instrument.long_mark_ticks
    order.amending = 0
    order.cancel_asked = 0
    order.exiting_lots = 0
    ask_as_it_is(order)
    index_order(state, order.order, slot)
    _link(state, order, slot)
    change_open_lots(state, order, order.quantity_lots)
    state.strategies[order.strategy].orders_open += 1


@inner_kernel
def change_status(state: Any, slot: Any, happening: Any) -> Any:
    """Move an order along the table of transitions; True where the table allows it."""
    order = state.orders[slot - 1]
    before = order.status
    after = TRANSITIONS[before, happening]
    if after < 0:
        state.transitions_refused += 1
        return False
    if after == OrderStatus.ACCEPTED and order.filled_lots > 0:
        after = np.int64(OrderStatus.PARTIALLY_FILLED)
    order.status = after
    order.updated_ts_ns = state.ts_ns
    if is_open(before) and not is_open(after):
        _close(state, order, slot)
    return True


@inner_kernel
def _close(state: Any, order: Any, slot: Any) -> None:
    _unlink(state, order)
    left = order.quantity_lots - order.filled_lots
    if left > 0:
        change_open_lots(state, order, -left)
    capacity = len(state.orders)
    state.free_slots[(state.free_head + state.free_count) % capacity] = slot
    state.free_count += 1
    state.strategies[order.strategy].orders_open -= 1


@inner_kernel
def _bucket(trade_id: Any, instrument: Any) -> Any:
    return (trade_id ^ (trade_id >> 17) ^ instrument) & (TRADE_BUCKETS - 1)


@inner_kernel
def is_booked(state: Any, trade_id: Any, instrument: Any, side: Any) -> Any:
    """Whether this side of this trade of this instrument is already booked; id 0 is no id.

    Payments of funding are among them, with side 0.
    """
    if trade_id == 0:
        return False
    bucket = _bucket(trade_id, instrument)
    for place in range(TRADES_PER_BUCKET):
        seen = state.trades_seen[bucket, place]
        if seen.trade_id == trade_id and seen.instrument == instrument and seen.side == side:
            return True
    return False


@inner_kernel
def remember_booked(state: Any, trade_id: Any, instrument: Any, side: Any) -> None:
    if trade_id == 0:
        return
    bucket = _bucket(trade_id, instrument)
    cursor = state.trades_cursor[bucket]
    seen = state.trades_seen[bucket, cursor]
    seen.trade_id = trade_id
    seen.instrument = instrument
    seen.side = side
    state.trades_cursor[bucket] = (cursor + 1) % TRADES_PER_BUCKET


@inner_kernel
def on_fill(state: Any, fill: Any) -> Any:
    """Book a fill, whatever the engine thought of its order: doubled ones once, late and excess ones too.

    Returns the order's slot, 0 where the table does not hold it, NOT_BOOKED for a doubled fill. A fill whose
    amounts do not fit the ledger stops the engine, and nothing of it is booked.
    """
    account = np.int64(fill.account)
    instrument = np.int64(fill.instrument)
    flags = np.int64(fill.fill_flags)
    side = np.int64(-1) if flags & FillFlag.SELL else np.int64(1)
    fee_in_base = (flags & FillFlag.FEE_IN_BASE) != 0
    if is_booked(state, fill.trade_id, instrument, side):
        state.fills_duplicate += 1
        return NOT_BOOKED
    slot = find_order(state, fill.order)
    fits = fill_fits(state, account, instrument, fill.quantity_lots, fill.price_ticks, fill.fee, fee_in_base)
    if not (fits and (slot == 0 or _order_has_room(state.orders[slot - 1]))):
        set_fault(state, Reason.MONEY_OVERFLOW)
        return NOT_BOOKED
    remember_booked(state, fill.trade_id, instrument, side)
    state.fills += 1
    if slot == 0:
        state.fills_orphan += 1
    else:
        _fill_order(state, fill, slot, state.instruments[instrument].tick_lot_units)
    apply_fill(state, account, instrument, side, fill.quantity_lots, fill.price_ticks, fill.fee, fee_in_base)
    return np.int64(slot)


@inner_kernel
def _order_has_room(order: Any) -> Any:
    """Whether one more fill that fits the ledger fits the sums of its order too."""
    return money_fits(order.filled_lots) and money_fits(order.filled_units)


@inner_kernel
def _fill_order(state: Any, fill: Any, slot: Any, unit: Any) -> None:
    order = state.orders[slot - 1]
    before = order.status
    left = order.quantity_lots - order.filled_lots
    if before == OrderStatus.PENDING or before == OrderStatus.SENT or before == OrderStatus.UNKNOWN:
        state.fills_early += 1
    elif not is_open(before):
        state.fills_late += 1
    if fill.quantity_lots > left:
        state.fills_excess += 1
    if is_open(before):
        change_open_lots(state, order, -min(fill.quantity_lots, left))
    order.filled_lots += fill.quantity_lots
    order.filled_units += fill.quantity_lots * fill.price_ticks * unit
    order.fills += 1
    state.strategies[order.strategy].fills += 1
    wholly = order.filled_lots >= order.quantity_lots
    change_status(state, slot, WAS_FILLED_WHOLLY if wholly else WAS_FILLED_IN_PART)


@inner_kernel
def on_order_report(state: Any, report: Any) -> Any:
    """Apply what an exchange says of an order other than a fill; returns its slot, 0 where it is not known."""
    slot = np.int64(find_order(state, report.order))
    if slot == 0:
        state.reports_orphan += 1
        return slot
    order = state.orders[slot - 1]
    kind = report.kind
    if report.exchange_order_id != 0:
        order.exchange_order_id = report.exchange_order_id
    if report.reason != 0:
        order.reason = report.reason
    if kind == EventKind.ORDER_ACCEPTED:
        change_status(state, slot, WAS_ACCEPTED)
    elif kind == EventKind.ORDER_SENT:
        change_status(state, slot, WAS_SENT)
    elif kind == EventKind.ORDER_REJECTED:
        change_status(state, slot, WAS_REJECTED)
    elif kind == EventKind.ORDER_CANCELED:
        change_status(state, slot, WAS_CANCELED)
    elif kind == EventKind.ORDER_EXPIRED:
        change_status(state, slot, WAS_EXPIRED)
    elif kind == EventKind.CANCEL_REJECTED:
        # The same report refuses a cancel and an amendment: it answers the cancel where one is under way.
        if order.amending and order.status != OrderStatus.PENDING_CANCEL:
            order.amending = 0
            state.amendments_refused += 1
        else:
            order.cancel_asked = 0
            change_status(state, slot, CANCEL_WAS_REJECTED)
        _retry_later(state, order)
    elif kind == EventKind.ORDER_AMENDED:
        _amend(state, slot, report)
    elif kind == EventKind.ORDER_TRIGGERED:
        order.updated_ts_ns = state.ts_ns
    return slot


@inner_kernel
def amend_held(state: Any, order: Any, quantity_lots: Any, limit_ticks: Any, trigger_ticks: Any) -> None:
    """Change an order that the engine holds: it is done at once."""
    change_open_lots(state, order, quantity_lots - order.quantity_lots)
    order.quantity_lots = quantity_lots
    order.limit_ticks = limit_ticks
    order.trigger_ticks = trigger_ticks
    order.updated_ts_ns = state.ts_ns


@inner_kernel
def _amend(state: Any, slot: Any, report: Any) -> None:
    """Take over the quantity and price that the exchange says an open order has now."""
    order = state.orders[slot - 1]
    order.amending = 0
    if not is_open(order.status) or report.quantity_lots < order.filled_lots:
        state.transitions_refused += 1
        _retry_later(state, order)
        return
    delta_lots = report.quantity_lots - order.quantity_lots
    if not open_lots_fit(state.positions[order.account, order.instrument], order.side, delta_lots):
        set_fault(state, Reason.MONEY_OVERFLOW)
        return
    change_open_lots(state, order, delta_lots)
    order.quantity_lots = report.quantity_lots
    if report.price_ticks > 0:
        if order.limit_ticks > 0 or order.order_type == OrderType.LIMIT:
            order.limit_ticks = report.price_ticks
        else:
            order.trigger_ticks = report.price_ticks
    order.updated_ts_ns = state.ts_ns
    as_asked = order.limit_ticks == order.asked_limit_ticks and order.trigger_ticks == order.asked_trigger_ticks
    if not as_asked or order.quantity_lots != order.asked_lots:
        _retry_later(state, order)
    if order.quantity_lots == order.filled_lots:
        change_status(state, slot, WAS_FILLED_WHOLLY)
