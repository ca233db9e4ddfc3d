"""The fold: one event into the state, and what follows from it.

`step` is the whole engine. It reads nothing but the state and the event, and writes nothing but the state and
the outbox. An event that cannot be applied is counted with its reason and leaves everything else as it was.
"""

from typing import Any

import numpy as np

from engine.adopting import adopt_order
from engine.brackets.following import (
    entered_lots,
    on_brackets_due,
    on_order_changed,
    on_position_filled,
    on_price,
    retry_brackets,
)
from engine.brackets.requests import on_order_requested
from engine.breakers.watching import (
    look,
    on_breakers_due,
    on_day_begun,
    on_exchange_time,
    on_filled,
    on_order_reported,
    on_position_reported,
    on_price_invalid,
    on_request_failed,
    on_timer,
)
from engine.decisions import alert
from engine.definitions import (
    change_setting,
    define_account,
    define_instrument,
    define_instrument_terms,
    define_strategy,
    on_operator,
)
from engine.figures import book_strategy_fill, on_day_due
from engine.intents.signals import on_signal
from engine.intents.targets import rebalance, rebalance_all
from engine.jit import inner_kernel, overlay, shared_kernel
from engine.kinds import EventKind, FundingBasis
from engine.market import on_bar, on_mark_price, on_quote, on_trade
from engine.orders import NOT_BOOKED, find_order, is_booked, on_fill, on_no_answer, on_order_report, remember_booked
from engine.portfolio import PPB, apply_funding, move_cash
from engine.reasons import Reason
from engine.records import (
    ACCOUNT_DEFINITION,
    ADOPTION,
    BALANCE,
    BAR,
    CASH,
    CONFIGURATION,
    FILL,
    FUNDING,
    INSTRUMENT,
    INSTRUMENT_TERMS,
    MARK_PRICE,
    NOTICE,
    OPERATOR,
    ORDER_REPORT,
    ORDER_REQUEST,
    POSITION_REPORT,
    QUOTE,
    REQUEST_FAILURE,
    SIGNAL,
    STRATEGY_DEFINITION,
    TRADE,
)

_NOTICES_END = np.int64(800)


@shared_kernel
def step(state: Any, event: Any, outbox: Any) -> None:
    """Apply one event; the decisions are added to `outbox`, which the caller has emptied."""
    state.seq += 1
    if event.ts_ns < state.ts_ns:
        reason = np.int64(Reason.TIME_WENT_BACK)
    else:
        state.ts_ns = event.ts_ns
        if state.ts_ns >= state.due_ts_ns:
            _on_due(state, outbox)
        if state.clock_skew_limit_ns != 0:
            on_exchange_time(state, event)
        kind = event.kind
        if kind <= EventKind.FUNDING:
            reason = _on_market(state, event, outbox)
        elif kind <= EventKind.ORDER_REQUESTED:
            reason = _on_intent(state, event, outbox)
        elif kind <= EventKind.ORDER_TRIGGERED:
            reason = _on_order(state, event, outbox)
        elif kind <= EventKind.OPERATOR_COMMAND:
            reason = _on_stated(state, event, outbox)
        else:
            reason = _on_reported(state, event, outbox)
        if (state.attention_accounts | state.attention_instrument | state.look_conditions) != 0:
            _attend(state, outbox)
    if reason != Reason.NONE:
        state.events_refused += 1
        state.last_refused_seq = state.seq
        state.last_refused_reason = reason


@inner_kernel
def _on_due(state: Any, outbox: Any) -> None:
    """What time alone brings about, before the event that brought the time."""
    if state.ts_ns >= state.day_ends_ts_ns:
        on_day_due(state)
        on_day_begun(state)
    if state.ts_ns >= state.breakers_due_ts_ns:
        on_breakers_due(state, outbox)
    if state.ts_ns >= state.brackets_due_ts_ns:
        on_brackets_due(state, outbox)
    state.due_ts_ns = min(state.day_ends_ts_ns, min(state.breakers_due_ts_ns, state.brackets_due_ts_ns))


@inner_kernel
def _attend(state: Any, outbox: Any) -> None:
    """Look at what the event moved to where something waits: brackets first, then breakers and risk levels."""
    if state.attention_instrument != 0:
        number = state.attention_instrument - 1
        state.attention_instrument = 0
        on_price(state, outbox, number)
    if (state.attention_accounts | state.look_conditions) != 0:
        look(state, outbox)


@inner_kernel
def _on_intent(state: Any, event: Any, outbox: Any) -> Any:
    """Signals, timers and requested orders."""
    kind = event.kind
    if kind == EventKind.SIGNAL:
        on_signal(state, overlay(event, SIGNAL), outbox)
    elif kind == EventKind.TIMER:
        retry_brackets(state, outbox)
        on_timer(state, outbox)
        _attend(state, outbox)
        rebalance_all(state, outbox)
    elif kind == EventKind.ORDER_REQUESTED:
        return np.int64(on_order_requested(state, overlay(event, ORDER_REQUEST), outbox))
    else:
        return np.int64(Reason.EVENT_KIND_UNKNOWN)
    return np.int64(Reason.NONE)


@inner_kernel
def _instrument_is_unknown(state: Any, number: Any) -> Any:
    return number >= len(state.instruments) or not state.instruments[number].defined


@inner_kernel
def _account_is_unknown(state: Any, number: Any) -> Any:
    return number >= len(state.accounts) or not state.accounts[number].defined


@inner_kernel
def _on_market(state: Any, event: Any, outbox: Any) -> Any:
    number = np.int64(event.instrument)
    if _instrument_is_unknown(state, number):
        return np.int64(Reason.INSTRUMENT_UNKNOWN)
    kind = event.kind
    reason = np.int64(Reason.EVENT_KIND_UNKNOWN)
    if kind == EventKind.QUOTE:
        reason = np.int64(on_quote(state, overlay(event, QUOTE), number, outbox))
    elif kind == EventKind.TRADE:
        reason = np.int64(on_trade(state, overlay(event, TRADE), number, outbox))
    elif kind == EventKind.BAR:
        reason = np.int64(on_bar(state, overlay(event, BAR), number, outbox))
    elif kind == EventKind.MARK_PRICE:
        reason = np.int64(on_mark_price(state, overlay(event, MARK_PRICE), number, outbox))
    elif kind == EventKind.FUNDING:
        reason = _on_funding(state, overlay(event, FUNDING), number)
    if reason == Reason.PRICE_INVALID:
        on_price_invalid(state, outbox, number)
    return reason


@inner_kernel
def _on_funding(state: Any, funding: Any, number: Any) -> Any:
    if funding.basis == FundingBasis.AMOUNT and _account_is_unknown(state, np.int64(funding.account)):
        return np.int64(Reason.ACCOUNT_UNKNOWN)
    if funding.basis > FundingBasis.AMOUNT or funding.mark_ticks < 0:
        return np.int64(Reason.VALUE_INVALID)
    if not -PPB <= funding.rate_ppb <= PPB:
        return np.int64(Reason.VALUE_INVALID)
    if funding.basis == FundingBasis.AMOUNT:
        # An exchange is asked again for what it has paid, and a stream may say it too.
        if is_booked(state, funding.payment_id, number, np.int64(0)):
            return np.int64(Reason.NONE)
        remember_booked(state, funding.payment_id, number, np.int64(0))
    apply_funding(state, funding, number)
    return np.int64(Reason.NONE)


@inner_kernel
def _on_order(state: Any, event: Any, outbox: Any) -> Any:
    number = np.int64(event.instrument)
    if event.kind < EventKind.ORDER_SENT:
        return np.int64(Reason.EVENT_KIND_UNKNOWN)
    if _instrument_is_unknown(state, number):
        return np.int64(Reason.INSTRUMENT_UNKNOWN)
    if _account_is_unknown(state, np.int64(event.account)):
        return np.int64(Reason.ACCOUNT_UNKNOWN)
    if event.kind == EventKind.ORDER_FILLED:
        return _on_fill(state, overlay(event, FILL), outbox)
    report = overlay(event, ORDER_REPORT)
    slot = on_order_report(state, report)
    # What was refused is not asked for again at once: an exchange that refuses is not asked in a circle.
    if slot != 0 and state.orders[slot - 1].bracket_slot != 0 and report.kind != EventKind.CANCEL_REJECTED:
        on_order_changed(state, outbox, slot, np.int64(0), np.int64(0))
    on_order_reported(state, outbox, report, slot)
    return np.int64(Reason.NONE)


@inner_kernel
def _on_fill(state: Any, fill: Any, outbox: Any) -> Any:
    if fill.quantity_lots <= 0:
        return np.int64(Reason.QUANTITY_INVALID)
    if fill.price_ticks <= 0:
        return np.int64(Reason.PRICE_INVALID)
    account = np.int64(fill.account)
    number = np.int64(fill.instrument)
    slot = on_fill(state, fill)
    if slot == NOT_BOOKED or state.fault != 0:
        return np.int64(Reason.NONE)
    book_strategy_fill(state, fill, slot)
    # Before brackets: a new order may take the slot of one that this fill closes.
    on_filled(state, outbox, fill, slot)
    if slot != 0 and state.orders[slot - 1].bracket_slot != 0:
        own_account = np.int64(state.orders[slot - 1].account)
        own_number = np.int64(state.orders[slot - 1].instrument)
        on_order_changed(state, outbox, slot, entered_lots(fill, state.orders[slot - 1]), fill.price_ticks)
        if own_account != account or own_number != number:
            # Booked elsewhere than where its bracket is: that has no more of a position than before.
            on_position_filled(state, outbox, own_account, own_number)
    on_position_filled(state, outbox, account, number)
    if state.instruments[number].target_set != 0:
        _attend(state, outbox)
        rebalance(state, outbox, account)
    return np.int64(Reason.NONE)


@inner_kernel
def _on_stated(state: Any, event: Any, outbox: Any) -> Any:
    kind = event.kind
    reason = np.int64(Reason.EVENT_KIND_UNKNOWN)
    if kind == EventKind.CONFIGURATION_CHANGED:
        reason = np.int64(change_setting(state, overlay(event, CONFIGURATION), outbox))
    elif kind == EventKind.INSTRUMENT_DEFINED:
        reason = np.int64(define_instrument(state, overlay(event, INSTRUMENT)))
    elif kind == EventKind.INSTRUMENT_TERMS_DEFINED:
        number = np.int64(event.instrument)
        reason = np.int64(Reason.INSTRUMENT_UNKNOWN)
        if not _instrument_is_unknown(state, number):
            reason = np.int64(define_instrument_terms(state, overlay(event, INSTRUMENT_TERMS), number))
    elif kind == EventKind.ACCOUNT_DEFINED:
        reason = np.int64(define_account(state, overlay(event, ACCOUNT_DEFINITION)))
    elif kind == EventKind.STRATEGY_DEFINED:
        reason = np.int64(define_strategy(state, overlay(event, STRATEGY_DEFINITION)))
    elif kind == EventKind.OPERATOR_COMMAND:
        reason = np.int64(on_operator(state, overlay(event, OPERATOR), outbox))
    return reason


@inner_kernel
def _on_reported(state: Any, event: Any, outbox: Any) -> Any:
    """Transport and reconciliation: what an exchange or a connection reports beside orders."""
    kind = event.kind
    if kind == EventKind.CONNECTION_LOST:
        state.connections_lost += 1
        return np.int64(Reason.NONE)
    if kind == EventKind.CONNECTION_RESTORED:
        return np.int64(Reason.NONE)
    if kind == EventKind.REQUEST_FAILED:
        return _on_request_failed(state, overlay(event, REQUEST_FAILURE), outbox)
    account = np.int64(event.account)
    if _account_is_unknown(state, account):
        return np.int64(Reason.ACCOUNT_UNKNOWN)
    if kind == EventKind.CASH_MOVED:
        move_cash(state, account, overlay(event, CASH).amount_units)
    elif kind == EventKind.BALANCE_REPORTED:
        balance = overlay(event, BALANCE)
        state.accounts[account].reported_total_units = balance.total_units
        state.accounts[account].reported_available_units = balance.available_units
    elif kind == EventKind.POSITION_REPORTED:
        number = np.int64(event.instrument)
        if _instrument_is_unknown(state, number):
            return np.int64(Reason.INSTRUMENT_UNKNOWN)
        report = overlay(event, POSITION_REPORT)
        state.positions[account, number].reported_lots = report.quantity_lots
        on_position_reported(state, outbox, report)
    elif kind == EventKind.ORDER_ADOPTED:
        if _instrument_is_unknown(state, np.int64(event.instrument)):
            return np.int64(Reason.INSTRUMENT_UNKNOWN)
        return np.int64(adopt_order(state, overlay(event, ADOPTION), outbox))
    elif kind == EventKind.NOTICE:
        notice = overlay(event, NOTICE)
        if not Reason.FEE_CURRENCY_UNKNOWN <= notice.reason < _NOTICES_END:
            return np.int64(Reason.VALUE_INVALID)
        alert(state, outbox, np.int64(event.instrument), np.int64(0), notice.order, notice.reason, notice.observed)
    else:
        return np.int64(Reason.EVENT_KIND_UNKNOWN)
    return np.int64(Reason.NONE)


@inner_kernel
def _on_request_failed(state: Any, failure: Any, outbox: Any) -> Any:
    """A request without an answer leaves its order unknown: neither accepted nor rejected."""
    state.requests_failed += 1
    if failure.order != 0:
        slot = find_order(state, failure.order)
        if slot != 0:
            on_no_answer(state, slot)
    on_request_failed(state, outbox, failure)
    return np.int64(Reason.NONE)
