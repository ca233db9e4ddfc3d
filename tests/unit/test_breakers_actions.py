"""What a tripped breaker does: cancels, closings, the kill switch, each within its scope."""

import pytest

from engine.kinds import (
    Action,
    BreakerAction,
    Condition,
    DecisionKind,
    EventKind,
    OperatorAction,
    OrderFlag,
    OrderStatus,
    RearmRule,
    Scope,
    TradingState,
)
from engine.reasons import Reason
from tests.unit.breakers_support import SECOND_NS, Desk, of_kind, trips

ALL_SCOPES = [(Scope.EVERYTHING, 0), (Scope.ACCOUNT, 0), (Scope.INSTRUMENT, 1), (Scope.STRATEGY, 1)]


def desk_with_orders() -> tuple[Desk, dict[tuple[int, int], int]]:
    """Working entries by instrument and strategy: 0 by both, 1 by the second, 2 by the first."""
    desk = Desk()
    orders = {}
    for number in (0, 1, 2):
        desk.quote(100, instrument=number)
    for number, strategy, lots in ((0, 0, 10), (0, 1, 20), (1, 1, 10), (2, 0, 10)):
        orders[number, strategy] = desk.after(SECOND_NS).order(Action.BUY, lots, 50, number, strategy)
    return desk, orders


def trip(desk: Desk, actions: int, scope: Scope, scope_id: int) -> list[dict[str, int]]:
    """Let a rejected order, with no part in anything else, trip a breaker of this scope."""
    if scope == Scope.STRATEGY:
        desk.breaker(Condition.REJECTS, 1, 0, scope, scope_id, actions, window_ns=SECOND_NS)
        order = desk.order(Action.BUY, 100, 50, 1, scope_id)
        return desk.report(EventKind.ORDER_REJECTED, order, 1)
    condition = Condition.RECONCILIATION
    desk.breaker(condition, 1, 0, scope, scope_id, actions)
    return desk.tell(EventKind.POSITION_REPORTED, instrument=1, account=0, quantity_lots=10**6)


@pytest.mark.parametrize("action", [BreakerAction.CANCEL_ORDERS, BreakerAction.REDUCE_ONLY])
@pytest.mark.parametrize(("scope", "scope_id"), ALL_SCOPES)
def test_working_entries_of_the_scope_are_cancelled(action: BreakerAction, scope: Scope, scope_id: int) -> None:
    desk, orders = desk_with_orders()
    expected = {
        Scope.EVERYTHING: {(0, 0), (0, 1), (1, 1), (2, 0)},
        Scope.ACCOUNT: {(0, 0), (0, 1), (1, 1)},
        Scope.INSTRUMENT: {(1, 1)},
        Scope.STRATEGY: {(0, 1), (1, 1)},
    }[scope]
    decided = trip(desk, action, scope, scope_id)
    canceled = {item["order"] for item in of_kind(decided, DecisionKind.CANCEL_ORDER)}
    assert canceled == {orders[key] for key in expected}
    kept = [orders[key] for key in orders.keys() - expected]
    assert all(desk.machine.order(order).status == OrderStatus.PENDING for order in kept)


def test_the_kill_switch_halts_until_an_operator_resumes() -> None:
    desk = Desk()
    desk.quote(100)
    desk.breaker(Condition.SPREAD, 1000, actions=BreakerAction.KILL_SWITCH, rearm=RearmRule.COOLDOWN)
    desk.quote(50, 100)
    desk.after(SECOND_NS).quote(100)
    assert desk.state.trading_state == TradingState.HALTED
    (refusal,) = of_kind(desk.signal(Action.BUY, 10), DecisionKind.REFUSAL)
    assert refusal["reason"] == Reason.TRADING_HALTED
    desk.operator(OperatorAction.RESUME)
    assert desk.order(Action.BUY, 10, limit=50) > 0


def positions_closed(desk: Desk, decided: list[dict[str, int]]) -> set[tuple[int, int]]:
    """Instruments and lots of the closing orders."""
    placed = of_kind(decided, DecisionKind.PLACE_ORDER)
    assert all(item["order_flags"] & OrderFlag.REDUCE_ONLY for item in placed)
    sides = [-1 if item["order_flags"] & OrderFlag.SELL else 1 for item in placed]
    return {(item.get("instrument", 0), side * item["quantity_lots"]) for item, side in zip(placed, sides, strict=True)}


@pytest.mark.parametrize(("scope", "scope_id", "expected"), [
    (Scope.EVERYTHING, 0, {(0, -10), (1, 5), (2, -7)}),
    (Scope.ACCOUNT, 0, {(0, -10), (1, 5)}),
    (Scope.INSTRUMENT, 1, {(1, 5)}),
])  # fmt: skip
def test_positions_of_the_scope_are_closed(scope: Scope, scope_id: int, expected: set[tuple[int, int]]) -> None:
    desk = Desk()
    for number, lots in ((0, 10), (1, -5), (2, 7)):
        desk.quote(100, instrument=number)
        desk.fill(lots, 100, number)
    decided = trip(desk, BreakerAction.CLOSE_POSITION, scope, scope_id)
    assert positions_closed(desk, decided) == expected


def test_a_breaker_of_an_instrument_can_close_everything() -> None:
    desk = Desk()
    for number, lots in ((0, 10), (1, -5), (2, 7)):
        desk.quote(100, instrument=number)
        desk.fill(lots, 100, number)
    decided = trip(desk, BreakerAction.CLOSE_EVERYTHING, Scope.INSTRUMENT, 1)
    assert positions_closed(desk, decided) == {(0, -10), (1, 5), (2, -7)}


def test_a_breaker_of_a_strategy_closes_where_the_strategy_has_a_part() -> None:
    desk = Desk()
    for number, strategy in ((0, 0), (1, 1)):
        desk.quote(100, instrument=number)
        order = desk.order(Action.BUY, 10, 0, number, strategy)
        desk.fill(10, 100, number, order)
    decided = trip(desk.after(SECOND_NS), BreakerAction.CLOSE_POSITION, Scope.STRATEGY, 1)
    assert positions_closed(desk, decided) == {(1, -10)}


def test_a_limit_does_not_leave_the_bleeding_position() -> None:
    """The daily limit closes what loses, and closing is allowed though entries are blocked and trading is halted."""
    desk = Desk()
    desk.quote(100)
    desk.fill(100, 100)
    actions = BreakerAction.CLOSE_EVERYTHING | BreakerAction.KILL_SWITCH | BreakerAction.BLOCK_ENTRIES
    desk.breaker(Condition.DAILY_LOSS, 20_000, actions=actions)
    decided = desk.quote(98)
    assert trips(decided) == [20_000]
    assert positions_closed(desk, decided) == {(0, -100)}
    assert desk.state.trading_state == TradingState.HALTED


def test_two_breakers_that_close_do_not_close_twice() -> None:
    desk = Desk()
    desk.quote(100)
    desk.fill(100, 100)
    for row, condition in enumerate((Condition.DAILY_LOSS, Condition.POSITION_LOSS)):
        desk.breaker(condition, 20_000, row, actions=BreakerAction.CLOSE_EVERYTHING)
    decided = desk.quote(98)
    assert trips(decided) == [20_000, 20_000]
    assert len(of_kind(decided, DecisionKind.PLACE_ORDER)) == 1
