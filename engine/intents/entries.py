"""Signals that open and close positions: towards a fixed size, or one entry at a time with its own size and bracket."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, later, ppm_part
from engine.brackets.closing import close_position
from engine.brackets.opening import bracket_refusal, open_bracket, open_entries, wants_bracket
from engine.checks.entry import check_entry, note_entry
from engine.checks.levels import scale_ppm
from engine.decisions import Stage, list_passed, refuse
from engine.intents.sizing import bounds_refusal, cut_lots, record_size, wanted_lots
from engine.jit import inner_kernel
from engine.kinds import Action, OrderRole, OrderType, SizeLimit, SizingMethod
from engine.orders import has_free_slot, open_lots_fit
from engine.placing import place_order, request_cancel
from engine.reasons import Reason

_NONE = np.int64(0)
_LONG = np.int64(1)
_SHORT = np.int64(-1)
_MONEY_LIMIT = np.int64(MONEY_MAX)
_NS_IN_MS = np.int64(1_000_000)
_SIGNAL = np.int64(Stage.SIGNAL)
_CUT = np.int64(Stage.CUT)
_ROOM = np.int64(Stage.ROOM)


@inner_kernel
def valid_until_ts_ns(signal: Any) -> Any:
    """The last nanosecond at which a signal still counts, 0 where it has no end."""
    valid_ns = np.int64(signal.valid_for_ms) * _NS_IN_MS
    return later(np.int64(signal.ts_ns), valid_ns) if valid_ns != 0 else _NONE


@inner_kernel
def under_way_lots(position: Any) -> Any:
    """What is held and what is on its way, signed; legs wait beside a position and are not on their way."""
    return np.int64(position.quantity_lots + position.open_buy_lots - position.open_sell_lots)


@inner_kernel
def price_of(instrument: Any, limit_ticks: Any, side: Any) -> Any:
    """What an order is worth: its limit, else the mark that its side would pay."""
    if limit_ticks > 0:
        return np.int64(limit_ticks)
    return np.int64(instrument.short_mark_ticks) if side > 0 else np.int64(instrument.long_mark_ticks)


@inner_kernel
def room_is_refused(state: Any, told: Any, outbox: Any, side: Any, quantity_lots: Any) -> Any:
    """Whether the lots on order or the table of orders have no room for one more order; the refusal says so."""
    number = np.int64(told.instrument)
    if not open_lots_fit(state.positions[state.instruments[number].account, number], side, quantity_lots):
        refuse(state, outbox, told, np.int64(Reason.MONEY_OVERFLOW), _MONEY_LIMIT, quantity_lots)
        return True
    if not has_free_slot(state):
        refuse(state, outbox, told, np.int64(Reason.ORDER_TABLE_FULL), np.int64(len(state.orders)), state.orders_open)
        return True
    list_passed(outbox, _ROOM, np.int64(Reason.ORDER_TABLE_FULL), np.int64(len(state.orders)), state.orders_open)
    return False


@inner_kernel
def close(state: Any, told: Any, outbox: Any) -> None:
    """Close everything under way of the instrument."""
    number = np.int64(told.instrument)
    decided = outbox.count
    _close_position(state, told, outbox)
    if outbox.count == decided:
        under_way = under_way_lots(state.positions[state.instruments[number].account, number])
        refuse(state, outbox, told, np.int64(Reason.ALREADY_AT_TARGET), _NONE, under_way)


@inner_kernel
def _close_position(state: Any, told: Any, outbox: Any) -> None:
    number = np.int64(told.instrument)
    reason = np.int64(Reason.SIGNAL_CLOSED)
    close_position(state, outbox, number, np.int64(told.source), reason, np.int64(told.limit_ticks))


@inner_kernel
def enter(state: Any, told: Any, outbox: Any) -> None:
    """A BUY or SELL of an instrument where each signal opens a position."""
    instrument = state.instruments[np.int64(told.instrument)]
    side = _LONG if told.action == Action.BUY else _SHORT
    bracketed = wants_bracket(state, told, np.int64(told.instrument)) != 0
    is_fixed = told.quantity_lots > 0 or instrument.rules.sizing_method == SizingMethod.FIXED_QUANTITY
    if is_fixed and not bracketed:
        _trade_towards(state, told, outbox, side)
    elif side < 0 and not instrument.short_allowed:
        close(state, told, outbox)
    else:
        _open(state, told, outbox, side, bracketed)


@inner_kernel
def _trade_towards(state: Any, told: Any, outbox: Any, side: Any) -> None:
    """Be long or short by a fixed size: cancel what works against it, then order what is missing, in one order."""
    number = np.int64(told.instrument)
    instrument = state.instruments[number]
    reason, size, scaled = _fixed_size(state, told, side)
    if reason != Reason.NONE:
        refuse(state, outbox, told, reason, _NONE, size)
        if side * _under_way_for(state, number, side) < 0:
            _close_position(state, told, outbox)
        return
    target = side * scaled
    under_way = under_way_lots(state.positions[instrument.account, number])
    if target != under_way:
        under_way -= _cancel_working(state, outbox, number, _LONG if target > under_way else _SHORT)
    delta = target - under_way
    step = instrument.quantity_step_lots
    quantity = abs(delta) // step * step
    way = _LONG if delta > 0 else _SHORT
    against = max(-way * under_way, _NONE)
    if quantity == 0:
        refuse(state, outbox, told, np.int64(Reason.ALREADY_AT_TARGET), target, under_way)
    elif abs(delta) <= against:
        _reduce(state, told, outbox, way, quantity)
    else:
        held = max(way * under_way, _NONE)
        opening = _opening_lots(state, told, outbox, way, size - held, scaled - held, held, against, against)
        if opening == 0:
            if against > 0:
                _close_position(state, told, outbox)
        elif not room_is_refused(state, told, outbox, way, against + opening):
            _place(state, told, outbox, way, against + opening, opening, _NONE)


@inner_kernel
def _fixed_size(state: Any, told: Any, side: Any) -> Any:
    """(reason, size, scaled): the size to be long or short by, the signal's own or the instrument's, or why none."""
    instrument = state.instruments[np.int64(told.instrument)]
    size = np.int64(told.quantity_lots) if told.quantity_lots > 0 else np.int64(instrument.order_quantity_lots)
    if side < 0 and not instrument.short_allowed:
        return np.int64(Reason.NONE), _NONE, _NONE
    if size == 0:
        return np.int64(Reason.ORDER_QUANTITY_UNSET), _NONE, _NONE
    scaled = _scaled(state, told, size)
    reason = np.int64(Reason.SIZE_ZERO) if scaled == 0 else np.int64(Reason.NONE)
    return reason, size, scaled


@inner_kernel
def _scaled(state: Any, told: Any, size: Any) -> Any:
    """A size as the risk level leaves it; a signal's own is not scaled."""
    if told.quantity_lots > 0:
        return np.int64(size)
    return ppm_part(np.int64(size), np.int64(scale_ppm(state, np.int64(told.instrument))))


@inner_kernel
def _cancel_working(state: Any, outbox: Any, instrument_number: Any, side: Any) -> Any:
    """Ask for the cancel of working orders against `side`; returns their signed open lots.

    A market order is not cancelled: it is as good as filled, and counts. Legs are not on their way.
    """
    cancelled = np.int64(0)
    slot = state.instruments[instrument_number].first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        following = order.next_slot
        on_its_way = order.order_role <= OrderRole.EXIT
        if on_its_way and order.side != side and order.order_type != OrderType.MARKET:
            cancelled += order.side * (order.quantity_lots - order.filled_lots)
            request_cancel(state, outbox, slot)
        slot = following
    return cancelled


@inner_kernel
def _under_way_for(state: Any, instrument_number: Any, side: Any) -> Any:
    """What is under way as `side` counts it: without the other side's working orders whose cancel was asked for."""
    instrument = state.instruments[instrument_number]
    position = state.positions[instrument.account, instrument_number]
    lots = under_way_lots(position)
    if (position.open_sell_lots if side > 0 else position.open_buy_lots) == 0:
        return lots
    slot = instrument.first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        leaves = order.cancel_asked != 0 and order.order_type != OrderType.MARKET
        if leaves and order.side != side and order.order_role <= OrderRole.EXIT:
            lots -= order.side * (order.quantity_lots - order.filled_lots)
        slot = order.next_slot
    return lots


@inner_kernel
def _open(state: Any, told: Any, outbox: Any, side: Any, bracketed: Any) -> None:
    """One more entry of its own size; what is under way in the other direction is closed even where it is refused."""
    number = np.int64(told.instrument)
    instrument = state.instruments[number]
    under_way = _under_way_for(state, number, side)
    if side * under_way > 0:
        entries_max = max(np.int64(instrument.rules.entries_max), np.int64(1))
        entries = max(np.int64(open_entries(state, number, side)), np.int64(1))
        if entries >= entries_max:
            refuse(state, outbox, told, np.int64(Reason.ENTRIES_MAX), entries_max, entries)
            return
        list_passed(outbox, _SIGNAL, np.int64(Reason.ENTRIES_MAX), entries_max, entries)
    opening = _sized_entry(state, told, outbox, side, bracketed, under_way)
    if side * under_way < 0:
        _close_position(state, told, outbox)
    if opening == 0 or room_is_refused(state, told, outbox, side, opening):
        return
    bracket_slot = np.int64(0)
    if bracketed:
        price = price_of(instrument, told.limit_ticks, side)
        bracket_slot = np.int64(open_bracket(state, told, number, side, price))
    _place(state, told, outbox, side, opening, opening, bracket_slot)


@inner_kernel
def _sized_entry(state: Any, told: Any, outbox: Any, side: Any, bracketed: Any, under_way: Any) -> Any:
    """The lots of an entry with a size of its own, 0 where it is refused."""
    number = np.int64(told.instrument)
    price = price_of(state.instruments[number], told.limit_ticks, side)
    reason, limit, observed = np.int64(Reason.NONE), _NONE, _NONE
    lots = np.int64(told.quantity_lots)
    if bracketed:
        reason, limit, observed = bracket_refusal(state, outbox, told, number, side, price)
    if reason == Reason.NONE and lots == 0:
        reason, limit, observed, lots = wanted_lots(state, outbox, told, number, side, price)
    if reason != Reason.NONE:
        refuse(state, outbox, told, reason, limit, observed)
        return np.int64(0)
    held = max(side * under_way, _NONE)
    against = max(-side * under_way, _NONE)
    return _opening_lots(state, told, outbox, side, lots, _scaled(state, told, lots), held, against, _NONE)


@inner_kernel
def _opening_lots(
    state: Any, told: Any, outbox: Any, side: Any, wanted: Any, scaled: Any, held: Any, against: Any, joined: Any
) -> Any:
    """The lots that an entry opens after its cuts, bounds and checks; 0 where it is refused.

    `against` lots under way in the other direction are closed by the same signal, `joined` of them by the same order.
    """
    number = np.int64(told.instrument)
    instrument = state.instruments[number]
    price = price_of(instrument, told.limit_ticks, side)
    # Of what is under way only what is held already can be taken as gone.
    position = state.positions[instrument.account, number]
    closing = min(against, max(-side * position.quantity_lots, _NONE))
    method = np.int64(instrument.rules.sizing_method)
    lots, size_limit = scaled, np.int64(SizeLimit.NONE)
    list_passed(outbox, _CUT, size_limit, scaled, wanted)
    if told.quantity_lots > 0:
        method = np.int64(SizingMethod.FIXED_QUANTITY)
    else:
        reason, limit, observed, lots, size_limit = cut_lots(state, outbox, number, side, price, scaled, held, closing)
        if reason != Reason.NONE:
            refuse(state, outbox, told, reason, limit, observed)
            return np.int64(0)
    whole = (joined + lots) // instrument.quantity_step_lots * instrument.quantity_step_lots
    opening = whole - joined
    if opening < lots and size_limit == SizeLimit.NONE:
        size_limit = np.int64(SizeLimit.LOT_STEP)
    if opening <= 0:
        refuse(state, outbox, told, np.int64(Reason.SIZE_ZERO), size_limit, wanted)
        return np.int64(0)
    if method != SizingMethod.FIXED_QUANTITY or opening != wanted:
        record_size(state, told, outbox, method, wanted, opening, size_limit, price)
    reason, limit, observed = bounds_refusal(outbox, instrument, whole, price)
    if reason == Reason.NONE:
        strategy = np.int64(told.source)
        limit_ticks = np.int64(told.limit_ticks)
        reason, limit, observed = check_entry(
            state, outbox, number, strategy, side, opening, price, limit_ticks, closing
        )
    if reason != Reason.NONE:
        refuse(state, outbox, told, reason, limit, observed)
        return np.int64(0)
    return opening


@inner_kernel
def _reduce(state: Any, told: Any, outbox: Any, side: Any, quantity: Any) -> None:
    """Order what makes a position smaller, within the instrument's own bounds."""
    instrument = state.instruments[np.int64(told.instrument)]
    price = price_of(instrument, told.limit_ticks, side)
    reason, limit, observed = bounds_refusal(outbox, instrument, quantity, price)
    if reason != Reason.NONE:
        refuse(state, outbox, told, reason, limit, observed)
    elif not room_is_refused(state, told, outbox, side, quantity):
        _place(state, told, outbox, side, quantity, _NONE, _NONE)


@inner_kernel
def _place(state: Any, told: Any, outbox: Any, side: Any, quantity: Any, opening: Any, bracket_slot: Any) -> None:
    """Place a signal's order, for which there is room: an entry where it opens something, else an exit."""
    number = np.int64(told.instrument)
    strategy = np.int64(told.source)
    limit_ticks = np.int64(told.limit_ticks)
    order_type = np.int64(OrderType.LIMIT) if limit_ticks > 0 else np.int64(OrderType.MARKET)
    expire_ts_ns = valid_until_ts_ns(told) if limit_ticks > 0 else _NONE
    role = np.int64(OrderRole.ENTRY) if opening > 0 else np.int64(OrderRole.EXIT)
    slot = place_order(
        state,
        outbox,
        number,
        strategy,
        side,
        quantity,
        order_type,
        limit_ticks,
        _NONE,
        _NONE,
        expire_ts_ns,
        role,
        bracket_slot,
        _NONE,
    )
    if bracket_slot != 0:
        state.brackets[bracket_slot - 1].entry_order = state.orders[slot - 1].order
    if opening > 0:
        note_entry(state, number, strategy, side, opening, limit_ticks)
