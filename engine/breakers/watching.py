"""When breakers are looked at: every event that can move a figure comes by here and says what it concerns.

The looking itself is done once an event is booked (`look`), in the order of the breakers' rows.
"""

from typing import Any

import numpy as np

from engine.breakers.conditions import (
    ON_EQUITY,
    ON_PRICES,
    ON_TIMER,
    bits,
    covers_event,
    has,
    slippage_ppm,
)
from engine.breakers.states import OF_THIS_EVENT, arm_cooled, look_at
from engine.breakers.thresholds import watch_account, watch_losses
from engine.breakers.transport import answered, end_backoffs, request_failed
from engine.checks.levels import update_account_level, update_instrument_level
from engine.checks.pace import note_execution
from engine.jit import inner_kernel
from engine.kinds import BreakerStatus, Condition, EventKind, OrderType
from engine.portfolio import attend_account, is_watched
from engine.rules import RING_TIMES

ALL = np.int64(-1)
ALL_ACCOUNTS = np.int64((1 << 62) - 1)
_ONE = np.int64(1)
_REJECTS = np.int64(Condition.REJECTS)
_REQUEST_FAILURES = np.int64(Condition.REQUEST_FAILURES)
_ON_SLIPPAGE = bits(Condition.FILL_SLIPPAGE)
_ON_SKEW = bits(Condition.CLOCK_SKEW)
_ON_POSITION_REPORT = bits(Condition.RECONCILIATION)
_ON_SAMPLE = bits(Condition.VOLATILITY)
_ON_POSITION = bits(Condition.POSITION_LOSS)


@inner_kernel
def look(state: Any, outbox: Any) -> None:
    """Look at all breakers that the event concerns, then at the risk levels; set anew what is waited for."""
    conditions = state.look_conditions | (ON_EQUITY if state.attention_accounts != 0 else np.int64(0))
    if (conditions & state.conditions_waiting) != 0:
        _look_at_waiting(state, outbox, conditions)
    moved = state.attention_accounts
    account = np.int64(0)
    while moved != 0:
        if moved & _ONE and account < len(state.accounts) and state.accounts[account].defined:
            update_account_level(state, outbox, account)
        moved = moved >> 1
        account += 1
    if (state.look_conditions & _ON_SAMPLE) != 0 and state.look_instrument > 0 and state.look_invalid == 0:
        update_instrument_level(state, outbox, state.look_instrument - 1)
    _wait_anew(state)


@inner_kernel
def _look_at_waiting(state: Any, outbox: Any, conditions: Any) -> None:
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        waits = row.status == BreakerStatus.ARMED or row.status == BreakerStatus.TRIPPED
        if waits and has(conditions, row.condition):
            look_at(state, outbox, np.int64(number), OF_THIS_EVENT)


@inner_kernel
def _wait_anew(state: Any) -> None:
    moved = ALL_ACCOUNTS if state.look_day != 0 else state.attention_accounts
    number = np.int64(0)
    while moved != 0:
        if moved & _ONE and number < len(state.accounts) and state.accounts[number].defined:
            watch_account(state, number)
        moved = moved >> 1
        number += 1
    if (state.look_conditions & _ON_POSITION) != 0 and state.look_instrument > 0:
        watch_losses(state, state.look_instrument - 1)
    state.attention_accounts = 0
    state.look_conditions = 0
    state.look_account = 0
    state.look_instrument = 0
    state.look_strategy = 0
    state.look_accounts = 0
    state.look_day = 0
    state.look_invalid = 0
    state.look_slippage_ppm = 0
    state.look_skew_ns = 0


@inner_kernel
def on_breakers_due(state: Any, outbox: Any) -> None:
    """Cooldowns that are over, backoffs that end; notes when the next one is."""
    arm_cooled(state, outbox)
    end_backoffs(state, outbox)


@inner_kernel
def on_day_begun(state: Any) -> None:
    """A day began: losses are measured anew."""
    state.look_conditions = state.look_conditions | ON_EQUITY
    state.look_day = 1


@inner_kernel
def _can_slip(order_type: Any) -> Any:
    return order_type == OrderType.MARKET or order_type == OrderType.STOP


@inner_kernel
def on_filled(state: Any, outbox: Any, fill: Any, order_slot: Any) -> None:
    """A fill was booked: slippage, exposure, margin, what the strategy and the position came to."""
    if order_slot != 0:
        note_execution(state, outbox, order_slot)
    account = np.int64(fill.account)
    answered(state, outbox, account)
    if is_watched(state.accounts[account]):
        attend_account(state, account)
    conditions = state.conditions_on_fill
    if order_slot == 0 or not _can_slip(state.orders[order_slot - 1].order_type):
        conditions = conditions & ~_ON_SLIPPAGE
    if conditions == 0:
        return
    state.look_conditions = state.look_conditions | conditions
    state.look_account = account + 1
    state.look_accounts = _ONE << account
    state.look_instrument = np.int64(fill.instrument) + 1
    if order_slot == 0:
        return
    order = state.orders[order_slot - 1]
    state.look_strategy = order.strategy + 1
    if (conditions & _ON_SLIPPAGE) != 0:
        stops = order.order_type == OrderType.STOP
        reference = order.trigger_ticks if stops else order.reference_ticks
        state.look_slippage_ppm = slippage_ppm(order.side, fill.price_ticks, reference)


@inner_kernel
def on_order_reported(state: Any, outbox: Any, report: Any, order_slot: Any) -> None:
    """The exchange answered about an order: rejections, and the connection lives."""
    if report.kind == EventKind.ORDER_SENT:
        return
    answered(state, outbox, np.int64(report.account))
    if report.kind != EventKind.ORDER_REJECTED:
        return
    state.look_account = np.int64(report.account) + 1
    if order_slot != 0:
        order = state.orders[order_slot - 1]
        state.look_account = order.account + 1
        state.look_instrument = order.instrument + 1
        state.look_strategy = order.strategy + 1
    _remember(state, _REJECTS)


@inner_kernel
def on_request_failed(state: Any, outbox: Any, failure: Any) -> None:
    """A request to an exchange failed: counts, and the connection's breaker."""
    account = np.int64(failure.account)
    if account < len(state.accounts) and state.accounts[account].defined:
        request_failed(state, outbox, account, failure)
        state.look_account = account + 1
    _remember(state, _REQUEST_FAILURES)


@inner_kernel
def _remember(state: Any, condition: Any) -> None:
    """Count an event with every breaker of the condition that has it in its scope."""
    state.look_conditions = state.look_conditions | (_ONE << condition)
    for number in range(state.breakers_defined):
        row = state.breakers[number]
        if row.condition == condition and covers_event(state, row):
            # A time of 0 would be none.
            row.ring_ts_ns[row.ring_cursor] = max(state.ts_ns, _ONE)
            row.ring_cursor = (row.ring_cursor + 1) % RING_TIMES


@inner_kernel
def on_position_reported(state: Any, outbox: Any, report: Any) -> None:
    """The exchange says what is held: reconciliation."""
    state.look_conditions = state.look_conditions | _ON_POSITION_REPORT
    state.look_account = np.int64(report.account) + 1
    state.look_instrument = np.int64(report.instrument) + 1


@inner_kernel
def on_price_invalid(state: Any, outbox: Any, instrument_number: Any) -> None:
    """A market event of the instrument had an invalid price: what watches prices cannot be computed."""
    state.look_conditions = state.look_conditions | ON_PRICES
    state.look_instrument = instrument_number + 1
    state.look_invalid = 1


@inner_kernel
def on_timer(state: Any, outbox: Any) -> None:
    """A timer: everything that has a figure at any time, and what has never had one."""
    state.look_conditions = state.look_conditions | ON_TIMER
    state.look_account = ALL
    state.look_instrument = ALL
    state.look_strategy = ALL
    state.look_accounts = ALL_ACCOUNTS


@inner_kernel
def on_exchange_time(state: Any, event: Any) -> None:
    """Compare the engine's time with the exchange's own, where an event has one: bars have the time they opened."""
    kind = event.kind
    stated = kind >= EventKind.SIGNAL and kind <= EventKind.ORDER_REQUESTED
    stated = stated or (kind >= EventKind.CONFIGURATION_CHANGED and kind <= EventKind.OPERATOR_COMMAND)
    if kind == EventKind.BAR or kind >= EventKind.CASH_MOVED or stated or event.ts_exchange_ns <= 0:
        return
    skew_ns = abs(state.ts_ns - event.ts_exchange_ns)
    if skew_ns >= state.clock_skew_limit_ns - 1:
        state.look_conditions = state.look_conditions | _ON_SKEW
        state.look_skew_ns = skew_ns
