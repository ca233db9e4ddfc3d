"""Commands on their way in and reports on their way out: two rings, each in the order of its due times.

Latency is the same for every message of a direction and time never goes back, so what was sent first is due
first and a ring is all it takes.
"""

from typing import Any

import numpy as np

from adapters.simulated.state import NEVER, WORDS, ExchangeFault
from engine.jit import inner_kernel, overlay
from engine.kinds import EventKind, FillFlag
from engine.records import FILL, ORDER_REPORT


@inner_kernel
def _copy(target: Any, source: Any) -> None:
    for i in range(8):
        target.words[i] = source.words[i]


@inner_kernel
def submit(ex: Any, command: Any, now_ns: Any) -> None:
    """Send a command (a COMMAND row) to the exchange; it arrives `latency_in_ns` after `now_ns`."""
    capacity = len(ex.arrivals)
    if ex.arrival_count == capacity:
        ex.fault = np.int64(ExchangeFault.ARRIVALS_FULL)
        return
    arrival = ex.arrivals[(ex.arrival_head + ex.arrival_count) % capacity]
    arrival.due_ts_ns = now_ns + ex.latency_in_ns
    arrival.sent_ts_ns = now_ns
    _copy(arrival.command, overlay(command, WORDS))
    if ex.arrival_count == 0:
        ex.arrival_due_ns = arrival.due_ts_ns
    ex.arrival_count += 1


@inner_kernel
def next_arrival_ns(ex: Any) -> Any:
    """When the next command arrives, the largest int64 where none is on its way."""
    return ex.arrival_due_ns


@inner_kernel
def next_report_ns(ex: Any) -> Any:
    """When the next report is delivered, the largest int64 where none is on its way."""
    return ex.report_due_ns


@inner_kernel
def is_idle(ex: Any) -> Any:
    """Whether nothing is alive at the exchange: no order, no command on its way in, no report on its way out."""
    return ex.live_orders == 0 and ex.arrival_count == 0 and ex.report_count == 0


@inner_kernel
def take_report(ex: Any, out_event: Any) -> None:
    """Move the head report into `out_event`, an EVENT row; there must be one."""
    _copy(overlay(out_event, WORDS), ex.reports[ex.report_head])
    ex.report_head = (ex.report_head + 1) % len(ex.reports)
    ex.report_count -= 1
    ex.report_due_ns = ex.reports[ex.report_head].words[0] if ex.report_count > 0 else NEVER


@inner_kernel
def _new_report(ex: Any, kind: Any, instrument: Any, order: Any) -> Any:
    """The row of a new report, due in `latency_out_ns`; a row that nobody reads where the ring is full."""
    capacity = len(ex.reports)
    words = ex.report_spilled
    if ex.report_count == capacity:
        ex.fault = np.int64(ExchangeFault.REPORTS_FULL)
    else:
        words = ex.reports[(ex.report_head + ex.report_count) % capacity]
        if ex.report_count == 0:
            ex.report_due_ns = ex.time_ns + ex.latency_out_ns
        ex.report_count += 1
    report = overlay(words, ORDER_REPORT)
    report.ts_ns = ex.time_ns + ex.latency_out_ns
    report.ts_exchange_ns = ex.time_ns
    report.kind = np.uint8(kind)
    report.reserved = np.uint8(0)
    report.source = np.uint16(0)
    report.instrument = np.uint16(instrument)
    report.order = order
    return report


@inner_kernel
def report_refusal(ex: Any, kind: Any, command: Any, reason: Any) -> None:
    """Refuse a command for which there is no order."""
    report = _new_report(ex, kind, np.int64(command.instrument), command.order)
    report.account = np.uint16(command.account)
    report.exchange_order_id = 0
    report.reason = reason
    report.quantity_lots = command.quantity_lots
    report.price_ticks = command.limit_ticks if command.limit_ticks > 0 else command.trigger_ticks


@inner_kernel
def report_order(ex: Any, order: Any, kind: Any, reason: Any, quantity_lots: Any, price_ticks: Any) -> None:
    """Say what happened to an order."""
    report = _new_report(ex, kind, order.instrument, order.order)
    report.account = np.uint16(ex.instruments[order.instrument].account)
    report.exchange_order_id = order.exchange_order_id
    report.reason = reason
    report.quantity_lots = quantity_lots
    report.price_ticks = price_ticks


@inner_kernel
def report_terms(ex: Any, order: Any, kind: Any, reason: Any) -> None:
    """Say what an order is now: its whole quantity and its limit, without one its trigger."""
    price = order.limit_ticks if order.limited != 0 else order.trigger_ticks
    report_order(ex, order, np.int64(kind), reason, order.quantity_lots, price)


@inner_kernel
def report_fill(ex: Any, order: Any, price_ticks: Any, quantity_lots: Any, fee: Any, is_maker: Any) -> None:
    """Report a fill under the next trade id."""
    ex.trades += 1
    row = ex.instruments[order.instrument]
    report = overlay(_new_report(ex, np.int64(EventKind.ORDER_FILLED), order.instrument, order.order), FILL)
    fill_flags = np.int64(0)
    if order.side < 0:
        fill_flags |= FillFlag.SELL
    elif row.fee_in_base != 0:
        fill_flags |= FillFlag.FEE_IN_BASE
    if is_maker:
        fill_flags |= FillFlag.MAKER
    report.fill_flags = np.uint8(fill_flags)
    report.account = np.uint16(row.account)
    report.trade_id = ex.trades
    report.price_ticks = price_ticks
    report.quantity_lots = quantity_lots
    report.fee = fee
