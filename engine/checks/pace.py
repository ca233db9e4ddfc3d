"""How often: token buckets of orders and cancels, cooldowns, days, repeated intents, the throttle of executions."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, later
from engine.checks.amounts import PASSED, passes
from engine.decisions import alert
from engine.jit import inner_kernel
from engine.kinds import OrderRole, TransportStatus
from engine.reasons import Reason
from engine.rules import RING_TIMES
from engine.state import RECENT_INTENTS


@inner_kernel
def _is_set(rate: Any, window_ns: Any) -> Any:
    """Whether there is a bucket: a rate, and a window in which so many tokens can come."""
    return rate != 0 and window_ns >= rate


@inner_kernel
def _wait_ns(rate: Any, window_ns: Any, full_ts_ns: Any, ts_ns: Any) -> Any:
    """How long until a bucket has a token, 0 where it has one. It gains one every `window_ns // rate`."""
    if not _is_set(rate, window_ns):
        return np.int64(0)
    interval_ns = window_ns // rate
    missing_ns = max(full_ts_ns - ts_ns, np.int64(0))
    return max(missing_ns - (rate - 1) * interval_ns, np.int64(0))


@inner_kernel
def _at_most_empty(rate: Any, window_ns: Any, full_ts_ns: Any, ts_ns: Any) -> Any:
    """When a bucket whose rule was changed is full again: one that is empty now is at the latest."""
    if not _is_set(rate, window_ns):
        return full_ts_ns
    return min(full_ts_ns, later(ts_ns, window_ns // rate * rate))


@inner_kernel
def on_rates_changed(state: Any) -> None:
    """After a rate or its window was set: what was taken under the old rule holds nobody up longer than the new one."""
    rules = state.rules
    full = _at_most_empty(rules.order_rate, rules.order_rate_window_ns, state.order_rate_full_ts_ns, state.ts_ns)
    state.order_rate_full_ts_ns = full
    full = _at_most_empty(rules.cancel_rate, rules.cancel_rate_window_ns, state.cancel_rate_full_ts_ns, state.ts_ns)
    state.cancel_rate_full_ts_ns = full


@inner_kernel
def _full_after(rate: Any, window_ns: Any, full_ts_ns: Any, ts_ns: Any) -> Any:
    """When a bucket is full again after one token was taken; an empty one has none to take."""
    if not _is_set(rate, window_ns) or _wait_ns(rate, window_ns, full_ts_ns, ts_ns) > 0:
        return full_ts_ns
    return later(max(full_ts_ns, ts_ns), window_ns // rate)


@inner_kernel
def take_order_token(state: Any) -> None:
    """Every order placed takes a token, where there is one."""
    rules = state.rules
    full = _full_after(rules.order_rate, rules.order_rate_window_ns, state.order_rate_full_ts_ns, state.ts_ns)
    state.order_rate_full_ts_ns = full


@inner_kernel
def take_cancel_token(state: Any) -> None:
    """Every cancel or amendment sent takes a token, where there is one."""
    rules = state.rules
    full = _full_after(rules.cancel_rate, rules.cancel_rate_window_ns, state.cancel_rate_full_ts_ns, state.ts_ns)
    state.cancel_rate_full_ts_ns = full


@inner_kernel
def check_rates(state: Any, outbox: Any) -> Any:
    """Checks 28 and 29."""
    rules = state.rules
    wait_ns = _wait_ns(rules.order_rate, rules.order_rate_window_ns, state.order_rate_full_ts_ns, state.ts_ns)
    if wait_ns > 0:
        return np.int64(Reason.ORDER_RATE_MAX), rules.order_rate, wait_ns
    if _is_set(rules.order_rate, rules.order_rate_window_ns):
        passes(outbox, np.int64(Reason.ORDER_RATE_MAX), rules.order_rate, wait_ns)
    wait_ns = _wait_ns(rules.cancel_rate, rules.cancel_rate_window_ns, state.cancel_rate_full_ts_ns, state.ts_ns)
    if wait_ns > 0:
        return np.int64(Reason.CANCEL_RATE_MAX), rules.cancel_rate, wait_ns
    if _is_set(rules.cancel_rate, rules.cancel_rate_window_ns):
        passes(outbox, np.int64(Reason.CANCEL_RATE_MAX), rules.cancel_rate, wait_ns)
    return PASSED


@inner_kernel
def check_repetition(
    state: Any,
    outbox: Any,
    instrument_number: Any,
    strategy_number: Any,
    side: Any,
    quantity_lots: Any,
    limit_ticks: Any,
) -> Any:
    """Checks 9 to 11."""
    instrument = state.instruments[instrument_number]
    rules = instrument.rules
    if rules.cooldown_ns != 0 and instrument.last_entry_ts_ns != 0:
        since_ns = state.ts_ns - instrument.last_entry_ts_ns
        if since_ns < rules.cooldown_ns:
            return np.int64(Reason.COOLDOWN), rules.cooldown_ns, since_ns
        passes(outbox, np.int64(Reason.COOLDOWN), rules.cooldown_ns, since_ns)
    if rules.loss_cooldown_ns != 0 and instrument.last_loss_ts_ns != 0:
        since_ns = state.ts_ns - instrument.last_loss_ts_ns
        if since_ns < rules.loss_cooldown_ns:
            return np.int64(Reason.LOSS_COOLDOWN), rules.loss_cooldown_ns, since_ns
        passes(outbox, np.int64(Reason.LOSS_COOLDOWN), rules.loss_cooldown_ns, since_ns)
    window_ns = state.rules.duplicate_window_ns
    if window_ns == 0:
        return PASSED
    newest_ns = np.int64(INT64_MAX)
    for place in range(RECENT_INTENTS):
        intent = state.intents[place]
        if (
            intent.side == side
            and intent.instrument == instrument_number
            and intent.strategy == strategy_number
            and intent.quantity_lots == quantity_lots
            and intent.limit_ticks == limit_ticks
        ):
            newest_ns = min(newest_ns, state.ts_ns - intent.ts_ns)
    if newest_ns < window_ns:
        return np.int64(Reason.DUPLICATE_INTENT), window_ns, newest_ns
    if newest_ns != INT64_MAX:
        passes(outbox, np.int64(Reason.DUPLICATE_INTENT), window_ns, newest_ns)
    return PASSED


@inner_kernel
def check_day(state: Any, outbox: Any, instrument: Any) -> Any:
    """Check 23."""
    limit = state.rules.entries_per_day_max
    if limit != 0:
        if state.entries_today >= limit:
            return np.int64(Reason.ENTRIES_PER_DAY_MAX), limit, state.entries_today
        passes(outbox, np.int64(Reason.ENTRIES_PER_DAY_MAX), limit, state.entries_today)
    limit = instrument.rules.entries_per_day_max
    if limit != 0:
        if instrument.entries_today >= limit:
            return np.int64(Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX), limit, instrument.entries_today
        passes(outbox, np.int64(Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX), limit, instrument.entries_today)
    return PASSED


@inner_kernel
def note_entry(
    state: Any, instrument_number: Any, strategy: Any, side: Any, quantity_lots: Any, limit_ticks: Any
) -> None:
    """Count an entry that was just placed: for cooldowns, days and the rule against doing the same twice.

    The quantity and limit are those that `check_entry` saw. Where the connection is half open, its order is the probe.
    """
    instrument = state.instruments[instrument_number]
    account = state.accounts[instrument.account]
    instrument.last_entry_ts_ns = state.ts_ns
    instrument.entries_today += 1
    account.entries_today += 1
    state.entries_today += 1
    if account.transport_status == TransportStatus.HALF_OPEN:
        account.transport_probe_order = state.orders_placed
    intent = state.intents[state.intent_cursor]
    intent.strategy = strategy
    intent.instrument = instrument_number
    intent.side = side
    intent.quantity_lots = quantity_lots
    intent.limit_ticks = limit_ticks
    intent.ts_ns = state.ts_ns
    state.intent_cursor = (state.intent_cursor + 1) % RECENT_INTENTS


@inner_kernel
def note_execution(state: Any, outbox: Any, order_slot: Any) -> None:
    """Count the first fill of an entry order for its strategy's throttle; may be called at every fill of any order."""
    order = state.orders[order_slot - 1]
    if order.order_role != OrderRole.ENTRY or order.fills != 1:
        return
    strategy = state.strategies[order.strategy]
    strategy.executions_ts_ns[strategy.execution_cursor % RING_TIMES] = state.ts_ns
    strategy.execution_cursor += 1
    limit = strategy.rules.executions_max
    window_ns = strategy.rules.executions_window_ns
    if limit == 0 or window_ns == 0 or strategy.throttled != 0 or strategy.execution_cursor < limit:
        return
    oldest_ts_ns = strategy.executions_ts_ns[(strategy.execution_cursor - limit) % RING_TIMES]
    if state.ts_ns - oldest_ts_ns < window_ns:
        strategy.throttled = 1
        throttled = np.int64(Reason.EXECUTIONS_THROTTLED)
        alert(state, outbox, order.instrument, order.strategy, order.order, throttled, limit)
