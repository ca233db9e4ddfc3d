"""The breaker of an account's connection: open after failures, half open after the backoff, closed by an answer."""

import pytest

from engine.kinds import Action, DecisionKind, EventKind, RequestFailure, TransportStatus
from engine.reasons import Reason
from tests.unit.breakers_support import SECOND_NS, Desk, of_kind

CLOSED, OPEN, HALF_OPEN = TransportStatus.CLOSED, TransportStatus.OPEN, TransportStatus.HALF_OPEN


def desk_with_transport(failures_max: int = 2, backoff_max_ns: int = 6 * SECOND_NS) -> Desk:
    """Two failures open for 2 s, doubled up to 6 s."""
    desk = Desk()
    desk.quote(100)
    desk.account_rule("transport_failures_max", failures_max)
    desk.account_rule("transport_backoff_ns", 2 * SECOND_NS)
    desk.account_rule("transport_backoff_max_ns", backoff_max_ns)
    return desk


def fail(desk: Desk, retry_after_ms: int = 0, account: int = 0) -> list[dict[str, int]]:
    return desk.tell(
        EventKind.REQUEST_FAILED, account=account, failure=RequestFailure.TIMEOUT, retry_after_ms=retry_after_ms
    )


def status(desk: Desk, account: int = 0) -> int:
    return int(desk.state.accounts[account].transport_status)


def changed(decided: list[dict[str, int]]) -> list[dict[str, int]]:
    return of_kind(decided, DecisionKind.TRANSPORT_CHANGED)


def open_until(desk: Desk) -> int:
    return int(desk.state.accounts[0].transport_until_ts_ns) - desk.ts_ns


def test_failures_in_a_row_open_it() -> None:
    desk = desk_with_transport()
    assert changed(fail(desk)) == []
    assert changed(fail(desk, account=1)) == []
    (change,) = changed(fail(desk))
    assert (change["transport_status"], change["failures"], change["failure"]) == (OPEN, 2, RequestFailure.TIMEOUT)
    assert change["until_ts_ns"] == desk.ts_ns + 2 * SECOND_NS
    assert status(desk, 1) == CLOSED


def test_an_answer_in_between_begins_the_count_anew() -> None:
    desk = desk_with_transport()
    order = desk.order(Action.BUY, 10, limit=90)
    fail(desk)
    assert changed(desk.report(EventKind.ORDER_SENT, order)) == []
    assert desk.state.accounts[0].transport_failures == 1
    assert changed(desk.report(EventKind.ORDER_ACCEPTED, order)) == []
    fail(desk)
    assert status(desk) == CLOSED


def test_without_a_rule_nothing_opens() -> None:
    desk = desk_with_transport(failures_max=0)
    for _ in range(100):
        assert changed(fail(desk)) == []


def test_open_refuses_entries_and_lets_cancels_and_closings_out() -> None:
    desk = desk_with_transport()
    working = desk.order(Action.BUY, 10, limit=90)
    desk.fill(5, 100)
    for _ in range(2):
        fail(desk)
    (refusal,) = of_kind(desk.after(SECOND_NS).signal(Action.BUY, 100), DecisionKind.REFUSAL)
    assert refusal["reason"] == Reason.TRANSPORT_OPEN
    assert (refusal["limit"], refusal["observed"]) == (desk.ts_ns + SECOND_NS, desk.ts_ns)
    decided = desk.signal(Action.CLOSE, 0)
    assert [item["order"] for item in of_kind(decided, DecisionKind.CANCEL_ORDER)] == [working]
    assert len(of_kind(decided, DecisionKind.PLACE_ORDER)) == 1


def test_half_open_lets_one_probe_out() -> None:
    desk = desk_with_transport()
    for _ in range(2):
        fail(desk)
    assert changed(desk.after(2 * SECOND_NS - 1).quote(100)) == []
    (change,) = changed(desk.after(1).quote(100))
    assert change["transport_status"] == HALF_OPEN
    probe = desk.order(Action.BUY, 10, limit=90)
    assert desk.state.accounts[0].transport_probe_order == probe
    (refusal,) = of_kind(desk.after(SECOND_NS).signal(Action.BUY, 50, limit=90), DecisionKind.REFUSAL)
    assert refusal["reason"] == Reason.TRANSPORT_OPEN
    (change,) = changed(desk.report(EventKind.ORDER_ACCEPTED, probe))
    assert change.get("transport_status", CLOSED) == CLOSED
    assert desk.state.accounts[0].transport_probe_order == 0
    assert desk.after(SECOND_NS).order(Action.BUY, 50, limit=90) == probe + 1


@pytest.mark.parametrize("kind", [
    EventKind.ORDER_ACCEPTED, EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELED, EventKind.ORDER_FILLED,
])  # fmt: skip
def test_any_answer_closes_it_and_resets_the_backoff(kind: EventKind) -> None:
    desk = desk_with_transport()
    order = desk.order(Action.BUY, 10, limit=90)
    for _ in range(2):
        fail(desk)
    desk.after(2 * SECOND_NS)
    fail(desk)
    assert desk.state.accounts[0].transport_backoff_ns == 4 * SECOND_NS
    sizes = {"quantity_lots": 1, "price_ticks": 90} if kind == EventKind.ORDER_FILLED else {}
    assert len(changed(desk.report(kind, order, **sizes))) == 1
    account = desk.state.accounts[0]
    assert (account.transport_status, account.transport_failures, account.transport_backoff_ns) == (CLOSED, 0, 0)
    for _ in range(2):
        fail(desk)
    assert open_until(desk) == 2 * SECOND_NS


def test_the_backoff_doubles_up_to_its_maximum() -> None:
    desk = desk_with_transport()
    fail(desk)
    seen = []
    for _ in range(4):
        fail(desk)
        seen.append(open_until(desk))
        desk.at(int(desk.state.accounts[0].transport_until_ts_ns))
    assert seen == [2 * SECOND_NS, 4 * SECOND_NS, 6 * SECOND_NS, 6 * SECOND_NS]


def test_a_backoff_without_a_maximum_never_overflows() -> None:
    desk = desk_with_transport(backoff_max_ns=0)
    fail(desk)
    for _ in range(80):
        fail(desk)
        desk.at(int(desk.state.accounts[0].transport_until_ts_ns))
    assert status(desk) == OPEN
    assert desk.state.accounts[0].transport_backoff_ns > 0


@pytest.mark.parametrize("retry_after_ms", [10_000, 2**62, 500, -5])
def test_the_exchanges_own_wish_counts_where_it_is_longer(retry_after_ms: int) -> None:
    desk = desk_with_transport()
    fail(desk)
    fail(desk, retry_after_ms)
    assert open_until(desk) >= 2 * SECOND_NS
    if retry_after_ms == 10_000:
        assert open_until(desk) == 10 * SECOND_NS
        assert changed(fail(desk, 9_000)) == []
        assert len(changed(fail(desk, 11_000))) == 1
        assert open_until(desk) == 11 * SECOND_NS


def test_a_failure_of_an_unknown_account_opens_nothing() -> None:
    desk = desk_with_transport(failures_max=1)
    assert changed(fail(desk, account=2)) == []
    assert changed(fail(desk, account=60_000)) == []
    assert desk.state.requests_failed == 2
