"""Commands as they arrive: place, cancel, amend."""

from typing import Any

import numpy as np

from adapters.simulated.book import find_order, index_order, link_expiry, link_reduce_only, new_slot, unlink
from adapters.simulated.checks import objection
from adapters.simulated.ledger import hold, release
from adapters.simulated.matching import cut_reduce_only, end_order, expire_due
from adapters.simulated.rings import report_refusal, report_terms
from adapters.simulated.state import BUYS, LIMITS, NEVER, SELLS
from adapters.simulated.triggers import activate
from engine.jit import inner_kernel, overlay
from engine.kinds import DecisionKind, EventKind, OrderFlag, OrderType, TimeInForce
from engine.reasons import Reason
from engine.records import COMMAND


@inner_kernel
def execute_arrival(ex: Any) -> None:
    """Let the next command act at its due time; there must be one."""
    arrival = ex.arrivals[ex.arrival_head]
    command = overlay(arrival.command, COMMAND)
    ex.arrival_head = (ex.arrival_head + 1) % len(ex.arrivals)
    ex.arrival_count -= 1
    ex.arrival_due_ns = ex.arrivals[ex.arrival_head].due_ts_ns if ex.arrival_count > 0 else NEVER
    if arrival.due_ts_ns > ex.time_ns:
        ex.time_ns = arrival.due_ts_ns
    expire_due(ex)
    number = np.int64(command.instrument)
    if command.kind == DecisionKind.PLACE_ORDER or command.kind == DecisionKind.RELEASE_ORDER:
        _place(ex, command, number, arrival.sent_ts_ns)
    elif command.kind == DecisionKind.CANCEL_ORDER or command.kind == DecisionKind.AMEND_ORDER:
        slot = find_order(ex, command.order)
        if slot == 0:
            code = np.int64(EventKind.CANCEL_REJECTED)
            report_refusal(ex, code, command, np.int64(Reason.EXCHANGE_ORDER_UNKNOWN))
        elif command.kind == DecisionKind.CANCEL_ORDER:
            end_order(ex, slot, np.int64(Reason.EXCHANGE_CANCELED_ON_REQUEST))
        else:
            _amend(ex, command, slot)
    if number < ex.instruments_defined:
        cut_reduce_only(ex, number)


@inner_kernel
def _place(ex: Any, command: Any, number: Any, sent_ts_ns: Any) -> None:
    """Check an order and take it in, or reject it."""
    slot = new_slot(ex)
    reason = np.int64(Reason.NONE)
    if number >= ex.instruments_defined:
        reason = np.int64(Reason.EXCHANGE_INSTRUMENT_UNKNOWN)
    elif np.int64(command.account) != ex.instruments[number].account or find_order(ex, command.order) != 0:
        reason = np.int64(Reason.EXCHANGE_ORDER_INVALID)
    elif slot == 0:
        reason = np.int64(Reason.EXCHANGE_ORDER_TABLE_FULL)
    else:
        _write_order(ex, command, slot, number, sent_ts_ns)
        reason = objection(ex, ex.orders[slot - 1], number)
    if reason != 0:
        report_refusal(ex, np.int64(EventKind.ORDER_REJECTED), command, reason)
        return
    order = ex.orders[slot - 1]
    index_order(ex, slot)
    ex.orders_accepted += 1
    order.exchange_order_id = ex.orders_accepted
    hold(ex, order)
    if order.time_in_force == TimeInForce.GTD:
        link_expiry(ex, slot)
    if order.order_flags & OrderFlag.REDUCE_ONLY:
        link_reduce_only(ex, slot)
    report_terms(ex, order, EventKind.ORDER_ACCEPTED, np.int64(0))
    cut_reduce_only(ex, number)
    activate(ex, ex.instruments[number], slot, number)


@inner_kernel
def _write_order(ex: Any, command: Any, slot: Any, number: Any, sent_ts_ns: Any) -> None:
    """Write a command into a free slot, whose link to the next free one stays."""
    order = ex.orders[slot - 1]
    ex.priorities += 1
    order.order = command.order
    order.exchange_order_id = 0
    order.instrument = number
    order.order_type = np.int64(command.order_type)
    order.time_in_force = np.int64(command.time_in_force)
    order.order_flags = np.int64(command.order_flags)
    order.side = -1 if order.order_flags & OrderFlag.SELL else 1
    order.book_side = SELLS if order.side < 0 else BUYS
    kind = order.order_type
    after_trigger = kind == OrderType.STOP_LIMIT or kind == OrderType.TAKE_PROFIT_LIMIT
    order.limited = 1 if kind == OrderType.LIMIT or after_trigger else 0
    order.waits = 1 if OrderType.STOP <= kind <= OrderType.TAKE_PROFIT_LIMIT else 0
    order.quantity_lots = command.quantity_lots
    order.filled_lots = 0
    order.limit_ticks = command.limit_ticks
    order.trigger_ticks = command.trigger_ticks
    order.trail_ticks = command.trail_ticks
    order.expire_ts_ns = command.expire_ts_ns
    order.sent_ts_ns = sent_ts_ns
    order.triggered = 0
    order.priority = ex.priorities
    order.list_number = 0
    order.previous_slot = 0
    order.market_record = 0
    order.reserved_units = 0


@inner_kernel
def _amendment_invalid(order: Any, quantity_lots: Any, limit_ticks: Any, trigger_ticks: Any) -> Any:
    if quantity_lots <= order.filled_lots:
        return np.int64(Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM)
    if limit_ticks != order.limit_ticks and order.limited == 0:
        return np.int64(Reason.EXCHANGE_PRICE_OFF_TICK)
    if trigger_ticks != order.trigger_ticks and (order.triggered != 0 or order.waits == 0):
        return np.int64(Reason.EXCHANGE_TRIGGER_INVALID)
    return np.int64(Reason.NONE)


@inner_kernel
def _amend(ex: Any, command: Any, slot: Any) -> None:
    """Change quantity, limit or trigger; 0 leaves one as it is.

    A new price loses the order its place; so does a larger quantity that of a resting limit.
    """
    order = ex.orders[slot - 1]
    row = ex.instruments[order.instrument]
    quantity = order.quantity_lots
    limit = order.limit_ticks
    stop = order.trigger_ticks
    reserve = order.reserve_ticks
    new_quantity = command.quantity_lots if command.quantity_lots != 0 else quantity
    new_limit = command.limit_ticks if command.limit_ticks != 0 else limit
    new_stop = command.trigger_ticks if command.trigger_ticks != 0 else stop
    reason = _amendment_invalid(order, new_quantity, new_limit, new_stop)
    if reason == 0:
        release(ex, order)
        order.quantity_lots = new_quantity
        order.limit_ticks = new_limit
        order.trigger_ticks = new_stop
        reason = objection(ex, order, order.instrument)
        if reason != 0:
            order.quantity_lots = quantity
            order.limit_ticks = limit
            order.trigger_ticks = stop
            order.reserve_ticks = reserve
        hold(ex, order)
    if reason != 0:
        report_terms(ex, order, EventKind.CANCEL_REJECTED, reason)
        return
    report_terms(ex, order, EventKind.ORDER_AMENDED, np.int64(0))
    position = ex.positions[order.instrument]
    if order.order_flags & OrderFlag.REDUCE_ONLY:
        position.reduce_lots_max = max(position.reduce_lots_max, order.quantity_lots - order.filled_lots)
    rests = order.list_number == LIMITS + order.book_side + 1
    if new_limit == limit and new_stop == stop and (new_quantity <= quantity or not rests):
        return
    unlink(ex, row, slot)
    ex.priorities += 1
    order.priority = ex.priorities
    cut_reduce_only(ex, order.instrument)
    activate(ex, row, slot, order.instrument)
