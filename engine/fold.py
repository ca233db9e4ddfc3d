"""The fold: one event into the state, and what follows from it.

`step` is the whole engine. It reads nothing but the state and the event, and writes nothing but the state and
the outbox. An event that cannot be applied is counted with its reason and leaves everything else as it was.
"""

from typing import Any

import numpy as np

from engine.definitions import (
    change_setting,
    define_account,
    define_instrument,
    define_instrument_terms,
    define_strategy,
    on_operator,
)
from engine.jit import inner_kernel, overlay
from engine.kinds import EventKind, FundingBasis
from engine.market import on_bar, on_mark_price, on_quote, on_trade
from engine.orders import REQUEST_HAD_NO_ANSWER, change_status, find_order, on_fill, on_order_report
from engine.portfolio import PPB, apply_funding, move_cash
from engine.reasons import Reason
from engine.records import (
    ACCOUNT_DEFINITION,
    BALANCE,
    BAR,
    CASH,
    CONFIGURATION,
    FILL,
    FUNDING,
    INSTRUMENT,
    INSTRUMENT_TERMS,
    MARK_PRICE,
    OPERATOR,
    ORDER_REPORT,
    POSITION_REPORT,
    QUOTE,
    REQUEST_FAILURE,
    SIGNAL,
    STRATEGY_DEFINITION,
    TRADE,
)
from engine.signals import on_signal


@inner_kernel
def step(state: Any, event: Any, outbox: Any) -> None:
    """Apply one event; the decisions are added to `outbox`, which the caller has emptied."""
    state.seq += 1
    if event.ts_ns < state.ts_ns:
        reason = np.int64(Reason.TIME_WENT_BACK)
    else:
        state.ts_ns = event.ts_ns
        kind = event.kind
        if kind <= EventKind.FUNDING:
            reason = _on_market(state, event)
        elif kind == EventKind.SIGNAL:
            on_signal(state, overlay(event, SIGNAL), outbox)
            return
        elif kind == EventKind.TIMER:
            return
        elif EventKind.ORDER_SENT <= kind <= EventKind.ORDER_TRIGGERED:
            reason = _on_order(state, event)
        elif EventKind.CONFIGURATION_CHANGED <= kind <= EventKind.OPERATOR_COMMAND:
            reason = _on_stated(state, event)
        else:
            reason = _on_reported(state, event)
    if reason != Reason.NONE:
        state.events_refused += 1
        state.last_refused_seq = state.seq
        state.last_refused_reason = reason


@inner_kernel
def _instrument_is_unknown(state: Any, number: Any) -> Any:
    return number >= len(state.instruments) or not state.instruments[number].defined


@inner_kernel
def _account_is_unknown(state: Any, number: Any) -> Any:
    return number >= len(state.accounts) or not state.accounts[number].defined


@inner_kernel
def _on_market(state: Any, event: Any) -> Any:
    number = np.int64(event.instrument)
    if _instrument_is_unknown(state, number):
        return np.int64(Reason.INSTRUMENT_UNKNOWN)
    kind = event.kind
    reason = np.int64(Reason.EVENT_KIND_UNKNOWN)
    if kind == EventKind.QUOTE:
        reason = np.int64(on_quote(state, overlay(event, QUOTE), number))
    elif kind == EventKind.TRADE:
        reason = np.int64(on_trade(state, overlay(event, TRADE), number))
    elif kind == EventKind.BAR:
        reason = np.int64(on_bar(state, overlay(event, BAR), number))
    elif kind == EventKind.MARK_PRICE:
        reason = np.int64(on_mark_price(state, overlay(event, MARK_PRICE), number))
    elif kind == EventKind.FUNDING:
        reason = _on_funding(state, overlay(event, FUNDING), number)
    return reason


@inner_kernel
def _on_funding(state: Any, funding: Any, number: Any) -> Any:
    if funding.basis == FundingBasis.AMOUNT and _account_is_unknown(state, np.int64(funding.account)):
        return np.int64(Reason.ACCOUNT_UNKNOWN)
    if funding.basis > FundingBasis.AMOUNT or funding.mark_ticks < 0:
        return np.int64(Reason.VALUE_INVALID)
    if not -PPB <= funding.rate_ppb <= PPB:
        return np.int64(Reason.VALUE_INVALID)
    apply_funding(state, funding, number)
    return np.int64(Reason.NONE)


@inner_kernel
def _on_order(state: Any, event: Any) -> Any:
    number = np.int64(event.instrument)
    if _instrument_is_unknown(state, number):
        return np.int64(Reason.INSTRUMENT_UNKNOWN)
    if _account_is_unknown(state, np.int64(event.account)):
        return np.int64(Reason.ACCOUNT_UNKNOWN)
    if event.kind != EventKind.ORDER_FILLED:
        on_order_report(state, overlay(event, ORDER_REPORT))
        return np.int64(Reason.NONE)
    fill = overlay(event, FILL)
    if fill.quantity_lots <= 0:
        return np.int64(Reason.QUANTITY_INVALID)
    if fill.price_ticks <= 0:
        return np.int64(Reason.PRICE_INVALID)
    on_fill(state, fill)
    return np.int64(Reason.NONE)


@inner_kernel
def _on_stated(state: Any, event: Any) -> Any:
    kind = event.kind
    reason = np.int64(Reason.EVENT_KIND_UNKNOWN)
    if kind == EventKind.CONFIGURATION_CHANGED:
        reason = np.int64(change_setting(state, overlay(event, CONFIGURATION)))
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
        reason = np.int64(on_operator(state, overlay(event, OPERATOR)))
    return reason


@inner_kernel
def _on_reported(state: Any, event: Any) -> Any:
    """Transport and reconciliation: what an exchange or a connection reports beside orders."""
    kind = event.kind
    if kind == EventKind.CONNECTION_LOST:
        state.connections_lost += 1
        return np.int64(Reason.NONE)
    if kind == EventKind.CONNECTION_RESTORED:
        return np.int64(Reason.NONE)
    if kind == EventKind.REQUEST_FAILED:
        return _on_request_failed(state, overlay(event, REQUEST_FAILURE))
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
        state.positions[account, number].reported_lots = overlay(event, POSITION_REPORT).quantity_lots
    else:
        return np.int64(Reason.EVENT_KIND_UNKNOWN)
    return np.int64(Reason.NONE)


@inner_kernel
def _on_request_failed(state: Any, failure: Any) -> Any:
    """A request without an answer leaves its order unknown: neither accepted nor rejected."""
    state.requests_failed += 1
    if failure.order != 0:
        slot = find_order(state, failure.order)
        if slot != 0:
            change_status(state, slot, REQUEST_HAD_NO_ANSWER)
    return np.int64(Reason.NONE)
