"""The one loop: takes what happens next, puts it on the tape, folds it, passes the commands on, asks the strategies.

Live, backtest and a restart are the same code; what differs is where answers to commands come from (`Gateway`).

It is written as a machine that can stop after any event and go on, so that the same code serves a compiled
strategy (asked inside), a Python strategy (the loop returns after each event that it must see), full output
buffers, and market data that comes in chunks; none of these changes what happens.

What happens next is the earliest of: a report of the exchange that is due, a command that reaches the exchange,
a timer, the next market record. At equal times a report comes first, then a command, then the timer, then the
market record. A market record happens at the exchange before it is told to the engine: what it filled there is
reported first. Signals follow at once on the event that a strategy saw.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np

from adapters.simulated import (
    begin_market,
    continue_market,
    exchange_layout,
    execute_arrival,
    is_idle,
    next_arrival_ns,
    next_report_ns,
    submit,
    take_report,
)
from adapters.strategies.compiled import ALL_STRATEGIES, MEMORY, call
from adapters.strategies.interface import SIGNALS
from engine.arithmetic import INT64_MAX
from engine.decisions import outbox_layout
from engine.fold import step
from engine.jit import inner_kernel, kernel, overlay
from engine.kinds import DecisionKind, EventKind, OrderFlag
from engine.orders import find_order
from engine.records import COMMAND, EVENT, FILL, TIMER, record
from engine.state import DEFAULT_LIMITS, Limits, state_layout


class Status(IntEnum):
    """Why the loop returned."""

    NEEDS_MARKET = 1
    BLOCK_IS_FULL = 2
    STRATEGY_IS_ASKED = 3
    STRATEGY_MAY_LOOK_AHEAD = 4
    FINISHED = 5
    FAULT = 6
    TOO_MANY_SIGNALS = 7


class _Stage(IntEnum):
    """Where the current market record stands."""

    WAITING = 0
    AT_EXCHANGE = 1
    TO_BE_TOLD = 2


class StrategyForm(IntEnum):
    COMPILED = 0
    PYTHON = 1


class Gateway(IntEnum):
    """Where commands go, and where their answers come from."""

    SIMULATED = 0
    # Answers arrive among the records, and whoever runs the loop sends the decided commands.
    OUTSIDE = 1
    # The records are a tape's own events, signals and all: what strategies say is compared with what they said.
    RECORDED = 2


# The loop's own place: indices into the chunk of market records and into the block that is being written.
# `shown_kinds` has a bit for every kind of event that some strategy handles. Python strategies have been shown the
# market records before `shown_until`, and spoke at the one at `spoke_at` (-1: at none). Of a tape that is gone
# through again: how many signals differed from the recorded ones, and the first event at which they did.
LOOP = record(
    [
        (name, "<i8")
        for name in (
            "stage",
            "market_index",
            "market_count",
            "market_is_complete",
            "events",
            "decisions",
            "signals_told",
            "strategy_form",
            "shown_kinds",
            "shown_until",
            "spoke_at",
            "owner",
            "timer_interval_ns",
            "timer_next_ns",
            "timers",
            "market_events",
            "orders",
            "signals",
            "gateway",
            "divergences",
            "diverged_seq",
        )
    ]
    + [("scratch", EVENT, (1,))]
)

# What the loop found to be next; a status to return with is added to _RETURN.
_NOTHING = 0
_SIGNAL = 1
_MARKET = 2
_IN_SCRATCH = 3
_RETURN = 100


@inner_kernel
def _next_horizon(loop: Any, market_ts_ns: int) -> Any:
    """Up to which time the exchange may act before the next market record or timer is looked at."""
    if loop.stage == _Stage.WAITING and loop.timer_interval_ns > 0 and loop.timer_next_ns < market_ts_ns:
        return loop.timer_next_ns
    return market_ts_ns


@inner_kernel
def _make_timer(loop: Any, event: Any) -> None:
    timer = overlay(event, TIMER)
    timer.ts_ns = loop.timer_next_ns
    timer.document_hash = 0
    timer.kind = np.uint8(EventKind.TIMER)
    timer.reserved = np.uint8(0)
    timer.source = np.uint16(0)
    timer.instrument = np.uint16(0)
    timer.account = np.uint16(0)
    timer.timer = loop.timers
    timer.due_ts_ns = loop.timer_next_ns
    timer.reserved0 = 0
    timer.reserved1 = 0
    timer.reserved2 = 0
    loop.timers += 1
    loop.timer_next_ns += loop.timer_interval_ns


@inner_kernel
def _advance_exchange(exchange: Any, loop: Any, horizon_ns: int) -> int:
    """Let the exchange do one thing that is due; _IN_SCRATCH where that is a report to be told."""
    report_ns = next_report_ns(exchange)
    arrival_ns = next_arrival_ns(exchange)
    if report_ns <= horizon_ns and report_ns <= arrival_ns:
        take_report(exchange, loop.scratch[0])
        return _IN_SCRATCH
    execute_arrival(exchange)
    return _NOTHING


@inner_kernel
def _take_signal(state: Any, loop: Any, signal: Any) -> int:
    loop.signals_told += 1
    loop.signals += 1
    signal.ts_ns = state.ts_ns
    signal.kind = np.uint8(EventKind.SIGNAL)
    return _SIGNAL


@inner_kernel
def _shows_fills(loop: Any) -> Any:
    """Whether strategies are shown fills, or whoever runs the loop waits for one."""
    return (loop.shown_kinds >> np.int64(EventKind.ORDER_FILLED)) & 1 != 0


@inner_kernel
def _tell_record(loop: Any, record: Any) -> int:
    loop.market_index += 1
    loop.stage = np.int64(_Stage.WAITING)
    if record.kind <= EventKind.FUNDING:
        loop.market_events += 1
    return _MARKET


@inner_kernel
def _find_next(state: Any, loop: Any, exchange: Any, signals: Any, record: Any, has_record: bool) -> Any:
    """What happens next, made ready to be told; `record` is the next market record where there is one."""
    if loop.signals_told < signals.count and loop.gateway != Gateway.RECORDED:
        return _take_signal(state, loop, signals.items[loop.signals_told])
    if loop.gateway != Gateway.SIMULATED:
        return _take_record(state, loop, signals, record, has_record)
    if has_record:
        if record.kind == EventKind.SIGNAL and not _shows_fills(loop):
            # Of a tape that is played again: it follows at once on the record that it was said on.
            return _tell_record(loop, record)
        horizon_ns = _next_horizon(loop, record.ts_ns)
    elif loop.market_is_complete:
        horizon_ns = np.int64(INT64_MAX - 1)
    else:
        return _RETURN + Status.NEEDS_MARKET
    if next_report_ns(exchange) <= horizon_ns or next_arrival_ns(exchange) <= horizon_ns:
        return _advance_exchange(exchange, loop, horizon_ns)
    if not has_record:
        return _RETURN + Status.FINISHED
    return _advance_market(loop, exchange, record)


@inner_kernel
def _take_record(state: Any, loop: Any, signals: Any, record: Any, has_record: bool) -> Any:
    """Take a record as it came, where there is no exchange within the loop."""
    if loop.gateway == Gateway.RECORDED:
        _compare_signals(state, loop, signals, record, has_record)
    if not has_record:
        return _RETURN + (Status.FINISHED if loop.market_is_complete else Status.NEEDS_MARKET)
    return _tell_record(loop, record)


@inner_kernel
def _compare_signals(state: Any, loop: Any, signals: Any, record: Any, has_record: bool) -> None:
    """A recorded signal must be the next of those just made, and all that were made must be on the tape.

    Where a tape ends the rest of them may be missing: it ended between an event and what was said of it.
    """
    if not has_record:
        return
    left = signals.count - loop.signals_told
    if record.kind == EventKind.SIGNAL:
        if left > 0 and _is_same_signal(signals.items[loop.signals_told], record):
            loop.signals_told += 1
            return
        _note_divergence(state, loop)
        loop.signals_told = signals.count
    elif left > 0:
        _note_divergence(state, loop)
        loop.signals_told = signals.count


@inner_kernel
def _note_divergence(state: Any, loop: Any) -> None:
    if loop.divergences == 0:
        loop.diverged_seq = state.seq + 1
    loop.divergences += 1


@inner_kernel
def _is_same_signal(signal: Any, record: Any) -> Any:
    """Whether a signal is the recorded one in all but its time, which the loop gives."""
    made = overlay(signal, EVENT)
    same = made.ts_exchange_ns == record.ts_exchange_ns and made.detail == record.detail
    same = same and made.source == record.source and made.instrument == record.instrument
    for word in range(5):
        same = same and made.payload[word] == record.payload[word]
    return same


@inner_kernel
def _may_look_ahead(loop: Any, exchange: Any) -> Any:
    """Whether Python strategies can be shown what comes: no fill that they would see can come between."""
    if loop.strategy_form != StrategyForm.PYTHON or loop.market_index < loop.shown_until:
        return False
    return not _shows_fills(loop) or is_idle(exchange)


@inner_kernel
def _advance_market(loop: Any, exchange: Any, record: Any) -> Any:
    """Take a market record a step further: a timer before it, to the exchange, or on to be told."""
    if loop.stage == _Stage.AT_EXCHANGE:
        if continue_market(exchange) == 0:
            loop.stage = np.int64(_Stage.TO_BE_TOLD)
        return _NOTHING
    if loop.stage == _Stage.WAITING:
        if loop.timer_interval_ns > 0 and loop.timer_next_ns <= record.ts_ns:
            _make_timer(loop, loop.scratch[0])
            return _IN_SCRATCH
        if _may_look_ahead(loop, exchange):
            return _RETURN + Status.STRATEGY_MAY_LOOK_AHEAD
        more = begin_market(exchange, record)
        if more or next_report_ns(exchange) <= record.ts_ns:
            loop.stage = np.int64(_Stage.AT_EXCHANGE) if more else np.int64(_Stage.TO_BE_TOLD)
            return _NOTHING
    return _tell_record(loop, record)


@inner_kernel
def _must_ask(loop: Any, kind: int) -> Any:
    """Whether to stop for Python strategies after an event: they have not seen it yet, or spoke when they did."""
    if kind > EventKind.BAR:
        return True
    index = loop.market_index - 1
    return index >= loop.shown_until or index == loop.spoke_at


@inner_kernel
def _owner(state: Any, event: Any) -> int:
    """The strategy whose order was filled, or all of them for what concerns everyone."""
    if event.kind != EventKind.ORDER_FILLED:
        return ALL_STRATEGIES
    slot = find_order(state, overlay(event, FILL).order)
    return state.orders[slot - 1].strategy if slot != 0 else ALL_STRATEGIES


@inner_kernel
def _send(exchange: Any, loop: Any, command: Any, now_ns: int) -> None:
    """Pass a command on to the exchange, unless it is about an order that the engine holds."""
    if command.kind > DecisionKind.RELEASE_ORDER:
        return
    if command.kind == DecisionKind.PLACE_ORDER:
        loop.orders += 1
    if loop.gateway != Gateway.SIMULATED:
        return
    if np.int64(command.order_flags) & OrderFlag.HELD_BY_ENGINE == 0:
        submit(exchange, command, now_ns)


@dataclass(frozen=True, slots=True)
class Loop:
    """The loop for one layout: `run(state, exchange, memory, loop, market, signals, events, decisions, outbox,
    on_event)`, all uint8 arrays but the last, which is a bound function or its address, returns a `Status`.
    """

    run: Callable[..., int]
    exchange_layout: np.dtype[Any]
    outbox_items: int

    def new_loop(self) -> np.ndarray:
        return np.zeros(LOOP.itemsize, dtype=np.uint8)


def loop_for(limits: Limits = DEFAULT_LIMITS) -> Loop:
    """The loop for these capacities; it is compiled at its first call."""
    return _loop_for(limits)


@cache
def _loop_for(limits: Limits) -> Loop:
    state_type = state_layout(limits)
    exchange_type = exchange_layout(limits)
    outbox_type = outbox_layout(limits)

    def run(  # type: ignore[no-untyped-def]
        state_bytes,
        exchange_bytes,
        memory_bytes,
        loop_bytes,
        market_bytes,
        signal_bytes,
        event_bytes,
        decision_bytes,
        outbox_bytes,
        on_event,
    ):
        state = state_bytes.view(state_type)[0]
        exchange = exchange_bytes.view(exchange_type)[0]
        memory = memory_bytes.view(MEMORY)[0]
        loop = loop_bytes.view(LOOP)[0]
        market = market_bytes.view(EVENT)
        signals = signal_bytes.view(SIGNALS)[0]
        events = event_bytes.view(EVENT)
        decisions = decision_bytes.view(COMMAND)
        outbox = outbox_bytes.view(outbox_type)[0]
        decision_room = len(decisions) - len(outbox.items)
        while loop.events < len(events) and loop.decisions <= decision_room:
            has_record = loop.market_index < loop.market_count
            record = market[loop.market_index] if has_record else loop.scratch[0]
            found = _find_next(state, loop, exchange, signals, record, has_record)
            if found == _NOTHING:
                continue
            if found >= _RETURN:
                return found - _RETURN
            event = record if found == _MARKET else loop.scratch[0]
            if found == _SIGNAL:
                event = overlay(signals.items[loop.signals_told - 1], EVENT)
            events[loop.events] = event
            loop.events += 1
            outbox.count = 0
            step(state, event, outbox)
            for i in range(outbox.count):
                decisions[loop.decisions] = outbox.items[i]
                loop.decisions += 1
                _send(exchange, loop, outbox.items[i], state.ts_ns)
            if state.fault != 0 or exchange.fault != 0:
                return np.int64(Status.FAULT)
            if not (loop.shown_kinds >> np.int64(event.kind)) & 1:
                continue
            loop.owner = _owner(state, event)
            if loop.strategy_form == StrategyForm.COMPILED:
                signals.count = 0
                loop.signals_told = 0
                call(on_event, memory, event, loop.owner, signals)
                if signals.count > len(signals.items):
                    return np.int64(Status.TOO_MANY_SIGNALS)
            elif _must_ask(loop, event.kind):
                return np.int64(Status.STRATEGY_IS_ASKED)
        return np.int64(Status.BLOCK_IS_FULL)

    return Loop(kernel(run), exchange_type, len(np.zeros(1, outbox_type)["items"][0]))
