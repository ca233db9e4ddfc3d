"""Orders requested as they are, alone or in groups of one-cancels-other and one-triggers-other."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX
from engine.brackets.groups import filled_together, settle_group
from engine.brackets.legs import is_reduce_only
from engine.brackets.rows import has_free_row, take_row
from engine.checks.entry import check_entry, note_entry
from engine.decisions import refuse
from engine.jit import inner_kernel
from engine.kinds import BracketStatus, GroupKind, OrderFlag, OrderRole, OrderType, TimeInForce
from engine.orders import has_free_slot, open_lots_fit
from engine.placing import place_order
from engine.reasons import Reason

_ZERO = np.int64(0)
_NONE = np.int64(Reason.NONE)
_LOTS_MAX = np.int64(MONEY_MAX)
_FLAGS = np.int64(OrderFlag.SELL | OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY)


@inner_kernel
def on_order_requested(state: Any, request: Any, outbox: Any) -> Any:
    """Check and place a requested order; a refusal goes to the outbox. Returns a Reason where the record is invalid."""
    strategy = np.int64(request.source)
    number = np.int64(request.instrument)
    if strategy >= len(state.strategies) or not state.strategies[strategy].defined:
        return np.int64(Reason.STRATEGY_UNKNOWN)
    if number >= len(state.instruments) or not state.instruments[number].defined:
        return np.int64(Reason.INSTRUMENT_UNKNOWN)
    slot = _find_group(state, strategy, np.int64(request.group)) if request.group_kind != GroupKind.NONE else _ZERO
    reason, limit, observed = _record_refusal(state, request, slot)
    if reason == _NONE:
        reason, limit, observed = _trading_refusal(state, outbox, request, strategy, slot)
    if reason == _NONE:
        reason, limit, observed = _room_refusal(state, request, slot)
    if reason != _NONE:
        refuse(state, outbox, request, reason, limit, observed)
    elif request.group_kind == GroupKind.NONE:
        _place_alone(state, outbox, request)
    else:
        _join(state, outbox, request, slot)
    return _NONE


@inner_kernel
def _side(request: Any) -> Any:
    return np.int64(-1) if np.int64(request.order_flags) & OrderFlag.SELL else np.int64(1)


@inner_kernel
def _find_group(state: Any, strategy: Any, group: Any) -> Any:
    """The slot of a live group of a strategy, 0 where there is none."""
    for place in range(state.bracket_slots_used):
        row = state.brackets[place]
        is_live_group = row.group_kind > GroupKind.BRACKET and row.status != BracketStatus.CLOSED
        if is_live_group and row.group == group and row.strategy == strategy:
            return np.int64(place + 1)
    return _ZERO


@inner_kernel
def _members(row: Any) -> Any:
    count = np.int64(0)
    for place in range(len(row.legs)):
        if row.legs[place].order_role != 0:
            count += 1
    return count


@inner_kernel
def _terms_fit(request: Any) -> Any:
    """Whether type, prices, flags and end of an order go together."""
    kind = np.int64(request.order_type)
    if kind < OrderType.MARKET or kind > OrderType.TAKE_PROFIT_LIMIT:
        return False
    has_limit = kind == OrderType.LIMIT or kind == OrderType.STOP_LIMIT or kind == OrderType.TAKE_PROFIT_LIMIT
    if request.limit_ticks < 0 or (request.limit_ticks > 0) != has_limit:
        return False
    if request.trigger_ticks < 0 or (request.trigger_ticks > 0) != (kind >= OrderType.STOP):
        return False
    flags = np.int64(request.order_flags)
    if (flags & ~_FLAGS) != 0 or ((flags & OrderFlag.POST_ONLY) != 0 and not has_limit):
        return False
    if request.time_in_force == TimeInForce.GTD:
        return request.expire_ts_ns > 0
    return request.time_in_force <= TimeInForce.GTC and request.expire_ts_ns == 0


@inner_kernel
def _record_refusal(state: Any, request: Any, slot: Any) -> Any:
    """(reason, limit, observed) where the order's terms or its group make no sense, or (NONE, 0, 0)."""
    if request.quantity_lots <= 0 or request.quantity_lots > _LOTS_MAX or not _terms_fit(request):
        return np.int64(Reason.ORDER_INVALID), _ZERO, np.int64(request.order_type)
    kind = np.int64(request.group_kind)
    invalid = np.int64(Reason.GROUP_INVALID)
    if kind == GroupKind.NONE:
        return _NONE, _ZERO, _ZERO
    if kind != GroupKind.OCO and kind != GroupKind.OTO:
        return invalid, _ZERO, kind
    if slot == 0:
        last = np.int64(state.strategies[np.int64(request.source)].last_group)
        group = np.int64(request.group)
        if group <= last:
            return invalid, last, group
        return _NONE, _ZERO, _ZERO
    row = state.brackets[slot - 1]
    members = _members(row)
    members_max = np.int64(len(row.legs))
    alike = row.group_kind == kind and row.instrument == np.int64(request.instrument)
    is_over = kind == GroupKind.OCO and request.quantity_lots <= filled_together(row)
    if not alike or members == members_max or row.status == BracketStatus.CLOSING or is_over:
        return invalid, members_max, members
    return _NONE, _ZERO, _ZERO


@inner_kernel
def _trading_refusal(state: Any, outbox: Any, request: Any, strategy_number: Any, slot: Any) -> Any:
    """(reason, limit, observed) where the order may not be placed now, or (NONE, 0, 0)."""
    number = np.int64(request.instrument)
    instrument = state.instruments[number]
    side = _side(request)
    lots = np.int64(request.quantity_lots)
    if state.fault != 0:
        return np.int64(Reason.TRADING_HALTED), _ZERO, np.int64(state.trading_state)
    if is_reduce_only(np.int64(request.order_flags)):
        held = -side * state.positions[instrument.account, number].quantity_lots
        comes_later = slot != 0 and request.group_kind == GroupKind.OTO
        if held < lots and not comes_later:
            return np.int64(Reason.REDUCE_ONLY_WOULD_INCREASE), max(held, _ZERO), lots
        return _NONE, _ZERO, _ZERO
    strategy = state.strategies[strategy_number]
    if not strategy.enabled or state.pairs[strategy_number, number].rules.disabled:
        return np.int64(Reason.STRATEGY_DISABLED), _ZERO, np.int64(request.order_type)
    if strategy.throttled:
        executions = np.int64(strategy.rules.executions_max)
        return np.int64(Reason.EXECUTIONS_THROTTLED), executions, executions
    limit = np.int64(request.limit_ticks)
    mark = np.int64(instrument.short_mark_ticks) if side > 0 else np.int64(instrument.long_mark_ticks)
    if mark <= 0:
        return np.int64(Reason.NO_REFERENCE_PRICE), _ZERO, _ZERO
    price = limit if limit > 0 else mark
    return check_entry(state, outbox, number, strategy_number, side, lots, price, limit, _ZERO)


@inner_kernel
def _room_refusal(state: Any, request: Any, slot: Any) -> Any:
    """(reason, limit, observed) where a table is full, or (NONE, 0, 0)."""
    number = np.int64(request.instrument)
    lots = np.int64(request.quantity_lots)
    if request.group_kind != GroupKind.NONE and slot == 0 and not has_free_row(state):
        return np.int64(Reason.BRACKET_TABLE_FULL), np.int64(len(state.brackets)), np.int64(state.brackets_open)
    if not open_lots_fit(state.positions[state.instruments[number].account, number], _side(request), lots):
        return np.int64(Reason.MONEY_OVERFLOW), _LOTS_MAX, lots
    if not has_free_slot(state):
        return np.int64(Reason.ORDER_TABLE_FULL), np.int64(len(state.orders)), np.int64(state.orders_open)
    return _NONE, _ZERO, _ZERO


@inner_kernel
def _place(state: Any, outbox: Any, request: Any, lots: Any, role: Any, slot: Any, place: Any) -> Any:
    """Place a requested order, and count it as an entry where it is one; returns its number."""
    number = np.int64(request.instrument)
    strategy = np.int64(request.source)
    side = _side(request)
    flags = np.int64(request.order_flags) & ~np.int64(OrderFlag.SELL)
    order_slot = place_order(
        state,
        outbox,
        number,
        strategy,
        side,
        lots,
        np.int64(request.order_type),
        np.int64(request.limit_ticks),
        np.int64(request.trigger_ticks),
        flags,
        np.int64(request.expire_ts_ns),
        role,
        slot,
        place,
    )
    if not is_reduce_only(flags):
        note_entry(state, number, strategy, side, np.int64(request.quantity_lots), np.int64(request.limit_ticks))
    return np.int64(state.orders[order_slot - 1].order)


@inner_kernel
def _place_alone(state: Any, outbox: Any, request: Any) -> None:
    role = np.int64(OrderRole.ENTRY)
    if request.trigger_ticks > 0:
        role = np.int64(OrderRole.GROUPED)
    elif is_reduce_only(np.int64(request.order_flags)):
        role = np.int64(OrderRole.EXIT)
    _place(state, outbox, request, np.int64(request.quantity_lots), role, _ZERO, _ZERO)


@inner_kernel
def _join(state: Any, outbox: Any, request: Any, group_slot: Any) -> None:
    """Make an order a member of its group, the first of a new one where there is none."""
    slot = group_slot
    if slot == 0:
        strategy = np.int64(request.source)
        slot = take_row(state, np.int64(request.instrument), strategy, np.int64(request.group_kind))
        state.strategies[strategy].last_group = np.int64(request.group)
        state.brackets[slot - 1].group = np.int64(request.group)
        state.brackets[slot - 1].status = np.int64(BracketStatus.OPEN)
    row = state.brackets[slot - 1]
    place = _members(row)
    leg = row.legs[place]
    leg.order_role = np.int64(OrderRole.GROUPED)
    leg.order_type = np.int64(request.order_type)
    leg.side = _side(request)
    leg.limit_ticks = np.int64(request.limit_ticks)
    leg.trigger_ticks = np.int64(request.trigger_ticks)
    leg.order_flags = np.int64(request.order_flags) & ~np.int64(OrderFlag.SELL)
    leg.expire_ts_ns = np.int64(request.expire_ts_ns)
    leg.quantity_lots = np.int64(request.quantity_lots)
    if place == 0 or row.group_kind == GroupKind.OCO:
        lots = leg.quantity_lots - filled_together(row)
        leg.order = _place(state, outbox, request, lots, np.int64(OrderRole.GROUPED), slot, place)
        if place == 0:
            row.entry_order = leg.order
    settle_group(state, outbox, slot)
