"""The breaker of each account's connection to its exchange: driven by failed requests and answers on the tape alone."""

from typing import Any

import numpy as np

from engine.arithmetic import later
from engine.breakers.states import wake_at
from engine.decisions import next_command
from engine.jit import inner_kernel, overlay
from engine.kinds import DecisionKind, TransportStatus
from engine.records import TRANSPORT_DECISION

_ZERO = np.int64(0)
_CHANGED = np.int64(DecisionKind.TRANSPORT_CHANGED)
_MILLISECOND_NS = np.int64(1_000_000)
# A hundred years.
_LONGEST_NS = np.int64(100 * 366 * 86_400_000_000_000)


@inner_kernel
def request_failed(state: Any, outbox: Any, account_number: Any, failure: Any) -> None:
    """Count a failed request; enough of them in a row, or one while half open, open the breaker."""
    account = state.accounts[account_number]
    rules = account.rules
    account.transport_failures += 1
    kind = failure.failure
    retry_ms = min(max(failure.retry_after_ms, _ZERO), _LONGEST_NS // _MILLISECOND_NS)
    retry_ts_ns = later(state.ts_ns, retry_ms * _MILLISECOND_NS)
    if account.transport_status == TransportStatus.OPEN:
        if retry_ts_ns > account.transport_until_ts_ns:
            _open(state, outbox, account_number, retry_ts_ns, kind)
        return
    if account.transport_status == TransportStatus.HALF_OPEN:
        most_ns = rules.transport_backoff_max_ns if rules.transport_backoff_max_ns != 0 else _LONGEST_NS
        account.transport_backoff_ns = min(2 * account.transport_backoff_ns, most_ns)
    elif 0 < rules.transport_failures_max <= account.transport_failures:
        account.transport_backoff_ns = rules.transport_backoff_ns
    else:
        return
    until_ts_ns = max(later(state.ts_ns, account.transport_backoff_ns), retry_ts_ns)
    _open(state, outbox, account_number, until_ts_ns, kind)


@inner_kernel
def _open(state: Any, outbox: Any, account_number: Any, until_ts_ns: Any, failure: Any) -> None:
    state.accounts[account_number].transport_until_ts_ns = until_ts_ns
    wake_at(state, until_ts_ns)
    _change_to(state, outbox, account_number, np.int64(TransportStatus.OPEN), failure)


@inner_kernel
def answered(state: Any, outbox: Any, account_number: Any) -> None:
    """The exchange answered about an order: the connection is there."""
    account = state.accounts[account_number]
    account.transport_failures = 0
    if account.transport_status != TransportStatus.CLOSED:
        account.transport_backoff_ns = 0
        account.transport_until_ts_ns = 0
        _change_to(state, outbox, account_number, np.int64(TransportStatus.CLOSED), _ZERO)


@inner_kernel
def end_backoffs(state: Any, outbox: Any) -> None:
    """Half open what has been open long enough, and note when the next has."""
    for number in range(len(state.accounts)):
        account = state.accounts[number]
        if account.transport_status == TransportStatus.OPEN:
            if account.transport_until_ts_ns <= state.ts_ns:
                _change_to(state, outbox, np.int64(number), np.int64(TransportStatus.HALF_OPEN), _ZERO)
            else:
                wake_at(state, account.transport_until_ts_ns)


@inner_kernel
def _change_to(state: Any, outbox: Any, account_number: Any, status: Any, failure: Any) -> None:
    account = state.accounts[account_number]
    account.transport_status = status
    account.transport_probe_order = 0
    command = next_command(state, outbox, _CHANGED)
    command.account = np.uint8(account_number)
    change = overlay(command, TRANSPORT_DECISION)
    change.transport_status = status
    change.failures = account.transport_failures
    change.failure = failure
    change.until_ts_ns = account.transport_until_ts_ns
