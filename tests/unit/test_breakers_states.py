"""How breakers are armed, tripped and armed again, and what people can do about it."""

import pytest

from adapters.configuration.breakers import SCOPES
from engine.kinds import (
    Action,
    BreakerAction,
    BreakerStatus,
    Condition,
    DecisionKind,
    EventKind,
    OperatorAction,
    RearmRule,
    Scope,
    TradingState,
)
from engine.reasons import Reason
from replay.incidents import OF_INSTRUMENT
from tests.unit.breakers_support import DAY_NS, OPERATOR, SECOND_NS, Desk, of_kind, trips

HOUR_NS = 3600 * SECOND_NS
ARMED, TRIPPED, COOLING = BreakerStatus.ARMED, BreakerStatus.TRIPPED, BreakerStatus.COOLING
LATCHED, DISABLED = BreakerStatus.LATCHED, BreakerStatus.DISABLED


def losing_desk(rearm: RearmRule, cooldown_ns: int = 0, condition: Condition = Condition.DAILY_LOSS) -> Desk:
    """100 lots at 100: a tick down is a loss of 10,000 ppm, 20,000 trip."""
    desk = Desk()
    desk.quote(100)
    desk.fill(100, 100)
    desk.breaker(condition, limit=20_000, rearm=rearm, cooldown_ns=cooldown_ns)
    return desk


def changes(decided: list[dict[str, int]]) -> list[int]:
    """The statuses that breakers came to, in order."""
    kinds = (DecisionKind.BREAKER_TRIPPED, DecisionKind.BREAKER_CHANGED)
    return [item["status"] for item in decided if item["kind"] in kinds]


def entry_is_refused(desk: Desk, instrument: int = 0, strategy: int = 0) -> bool:
    desk.quote(98, instrument=instrument)
    decided = desk.after(SECOND_NS).signal(
        Action.BUY, 1000 + strategy, limit=1, instrument=instrument, strategy=strategy
    )
    return any(item.get("reason") == Reason.BREAKER_TRIPPED for item in decided)


def test_an_operator_has_to_reset_what_is_latched() -> None:
    desk = losing_desk(RearmRule.OPERATOR)
    desk.quote(98)
    assert desk.status() == LATCHED
    desk.at(3 * DAY_NS).quote(150)
    assert desk.status() == LATCHED
    assert changes(desk.reset()) == [ARMED]


def test_a_cooldown_arms_again_and_looks_at_once() -> None:
    desk = losing_desk(RearmRule.COOLDOWN, HOUR_NS)
    assert changes(desk.quote(98)) == [COOLING]
    assert changes(desk.after(HOUR_NS - 1).quote(97)) == []
    assert changes(desk.after(1).tell(EventKind.TIMER)) == [ARMED, COOLING]
    assert desk.row().observed == 30_000
    desk.quote(99)
    assert changes(desk.after(HOUR_NS).tell(EventKind.TIMER)) == [ARMED]
    assert desk.status() == ARMED


def test_arming_comes_before_the_event_that_brings_the_time() -> None:
    """A signal at the end of the cooldown finds the breaker tripped again, not a gap to slip through."""
    desk = losing_desk(RearmRule.COOLDOWN, HOUR_NS)
    desk.quote(98)
    decided = desk.after(HOUR_NS).signal(Action.BUY, 1000)
    assert changes(decided) == [ARMED, COOLING]
    assert [item["reason"] for item in of_kind(decided, DecisionKind.REFUSAL)] == [Reason.BREAKER_TRIPPED]


def test_a_price_concerns_what_is_held_and_a_timer_everything() -> None:
    """A row without a limit trips; once it has one, and nothing is held, a price says nothing about a position."""
    desk = Desk()
    desk.quote(100)
    desk.breaker(Condition.POSITION_LOSS, limit=0, rearm=RearmRule.CLEAR, cooldown_ns=HOUR_NS)
    assert (desk.status(), desk.row().observed) == (TRIPPED, -1)
    desk.breaker_rule("limit", 20_000)
    assert changes(desk.quote(99)) == []
    assert changes(desk.tell(EventKind.TIMER)) == [COOLING]


@pytest.mark.parametrize(("name", "value", "then"), [
    ("condition", Condition.STALE_DATA, COOLING), ("scope", Scope.ACCOUNT, COOLING), ("scope_id", 1, COOLING),
    ("condition", Condition.DAILY_LOSS, TRIPPED), ("limit", 90_000, TRIPPED), ("actions", BreakerAction.ALERT, TRIPPED),
])  # fmt: skip
def test_another_condition_or_scope_lets_it_cool(name: str, value: int, then: BreakerStatus) -> None:
    desk = losing_desk(RearmRule.CLEAR, HOUR_NS)
    desk.quote(98)
    assert desk.status() == TRIPPED
    desk.breaker_rule(name, value)
    assert desk.status() == then


@pytest.mark.parametrize("condition", [
    Condition.ACCOUNT_DRAWDOWN, Condition.DAILY_LOSS, Condition.WEEKLY_LOSS, Condition.POSITION_LOSS,
])  # fmt: skip
def test_clear_waits_until_the_figure_is_below_the_limit(condition: Condition) -> None:
    desk = losing_desk(RearmRule.CLEAR, HOUR_NS, condition)
    assert changes(desk.quote(98)) == [TRIPPED]
    assert changes(desk.after(DAY_NS // 2).quote(97)) == []
    assert changes(desk.quote(98)) == []
    assert changes(desk.quote(99)) == [COOLING]
    assert changes(desk.quote(50)) == []
    desk.quote(99)
    assert changes(desk.after(HOUR_NS).quote(99)) == [ARMED]
    assert changes(desk.quote(98)) == [TRIPPED]


def test_clear_of_a_short_position() -> None:
    desk = Desk()
    desk.quote(100)
    desk.fill(-10, 100)
    desk.breaker(Condition.POSITION_LOSS, limit=20_000, rearm=RearmRule.CLEAR)
    assert [changes(desk.quote(price)) for price in (101, 102, 103, 102, 101)] == [[], [TRIPPED], [], [], [COOLING]]


@pytest.mark.parametrize(("condition", "bad", "still_bad", "good"), [
    (Condition.SPREAD, (95, 105), (95, 106), (98, 102)),
    (Condition.PRICE_JUMP, (110, 110), (111, 111), (105, 105)),
    (Condition.POSITION_LOSS, (90, 90), (89, 89), (91, 91)),
])  # fmt: skip
def test_clear_goes_by_the_one_that_tripped(
    condition: Condition, bad: tuple[int, int], still_bad: tuple[int, int], good: tuple[int, int]
) -> None:
    """Prices of the other instrument, which was never near the limit, make nothing clear."""
    desk = Desk()
    desk.breaker(condition, limit=100_000, window_ns=HOUR_NS, rearm=RearmRule.CLEAR)
    for number in (0, 1):
        desk.quote(100, instrument=number)
        desk.fill(1, 100, number)
    assert changes(desk.quote(*bad, instrument=1)) == [TRIPPED]
    assert (desk.row().tripped_account, desk.row().tripped_instrument) == (0, 1)
    assert changes(desk.quote(101)) == []
    assert changes(desk.quote(*still_bad, instrument=1)) == []
    assert changes(desk.quote(*good, instrument=1)) == [COOLING]


def test_clear_of_a_count_is_looked_at_by_a_timer() -> None:
    desk = Desk()
    desk.breaker(Condition.REJECTS, limit=2, window_ns=SECOND_NS, rearm=RearmRule.CLEAR)
    desk.report(EventKind.ORDER_REJECTED, 0)
    assert changes(desk.report(EventKind.ORDER_REJECTED, 0)) == [TRIPPED]
    assert changes(desk.after(SECOND_NS - 1).tell(EventKind.TIMER)) == []
    assert changes(desk.after(1).tell(EventKind.TIMER)) == [COOLING]


def test_next_day_is_not_minutes_after_the_loss() -> None:
    """A loss at 23:50, a day that begins at 0:00, and at least an hour in between."""
    desk = losing_desk(RearmRule.NEXT_DAY, HOUR_NS).at(2 * DAY_NS - 600 * SECOND_NS)
    assert changes(desk.quote(98)) == [COOLING]
    assert changes(desk.at(2 * DAY_NS).quote(98)) == []
    assert entry_is_refused(desk)
    assert changes(desk.at(2 * DAY_NS + 50 * 60 * SECOND_NS - 1).quote(97)) == []
    assert changes(desk.after(1).quote(97)) == [ARMED]
    assert desk.state.blocks == 0


def test_next_day_waits_for_the_day() -> None:
    desk = losing_desk(RearmRule.NEXT_DAY, HOUR_NS)
    desk.quote(98)
    assert changes(desk.at(2 * DAY_NS - 1).quote(98)) == []
    assert changes(desk.at(2 * DAY_NS).quote(98)) == [ARMED]
    assert desk.state.accounts[0].day_equity_units == 9_800


def test_a_new_day_does_not_arm_what_only_time_arms() -> None:
    """The loss of the day is 0 again at midnight, the cooldown is not over."""
    desk = losing_desk(RearmRule.CLEAR, HOUR_NS).at(2 * DAY_NS - SECOND_NS)
    assert changes(desk.quote(98)) == [TRIPPED]
    assert changes(desk.at(2 * DAY_NS).quote(98)) == [COOLING]
    assert entry_is_refused(desk)


# Resets


def test_a_reset_of_a_drawdown_moves_the_peak() -> None:
    desk = losing_desk(RearmRule.OPERATOR, condition=Condition.ACCOUNT_DRAWDOWN)
    desk.quote(90)
    assert changes(desk.reset()) == [ARMED]
    assert desk.state.accounts[0].guard_peak_units == 9_000
    assert desk.state.accounts[0].peak_equity_units == 10_000
    assert changes(desk.quote(89)) == []
    assert trips(desk.quote(88)) == [22_222]


@pytest.mark.parametrize("condition", [Condition.DAILY_LOSS, Condition.WEEKLY_LOSS])
def test_a_reset_of_a_loss_begins_with_the_present_equity(condition: Condition) -> None:
    desk = losing_desk(RearmRule.OPERATOR, condition=condition)
    desk.quote(90)
    desk.reset()
    assert desk.status() == ARMED
    assert trips(desk.quote(88)) == [22_222]


def test_a_reset_of_a_streak_and_a_count() -> None:
    desk = Desk()
    desk.quote(100)
    desk.breaker(Condition.LOSING_STREAK, limit=2, row=0)
    desk.breaker(Condition.LOSING_STREAK, limit=2, row=1, scope=Scope.INSTRUMENT)
    desk.breaker(Condition.REJECTS, limit=2, row=2, window_ns=DAY_NS)
    for _ in range(2):
        desk.fill(1, 100)
        desk.fill(-1, 99)
        desk.report(EventKind.ORDER_REJECTED, 0)
    assert [desk.status(row) for row in (0, 1, 2)] == [LATCHED] * 3
    for row in (0, 1, 2):
        assert changes(desk.reset(row)) == [ARMED]
    desk.fill(1, 100)
    assert trips(desk.fill(-1, 99)) == []
    assert trips(desk.report(EventKind.ORDER_REJECTED, 0)) == []
    assert desk.state.accounts[0].losing_streak == 1


def test_a_streak_counts_anew_after_a_cooldown() -> None:
    """Nothing can be won while nothing is entered: a streak that stayed would trip at every arming."""
    desk = Desk()
    desk.quote(100)
    desk.breaker(Condition.LOSING_STREAK, limit=2, rearm=RearmRule.COOLDOWN, cooldown_ns=1000)
    for _ in range(2):
        desk.fill(10, 100)
        decided = desk.fill(-10, 90)
    assert trips(decided) == [2]
    desk.after(1000)
    assert trips(desk.quote(100)) == []
    assert desk.status() == ARMED
    desk.fill(10, 100)
    assert trips(desk.fill(-10, 90)) == []
    desk.fill(10, 100)
    assert trips(desk.fill(-10, 90)) == [2]


def test_a_reset_of_a_jump_begins_with_the_present_price() -> None:
    desk = Desk()
    desk.breaker(Condition.PRICE_JUMP, limit=100_000, window_ns=HOUR_NS)
    desk.quote(100)
    assert trips(desk.quote(110)) == [100_000]
    desk.reset()
    assert trips(desk.quote(120)) == []
    assert trips(desk.quote(121)) == [100_000]


def test_a_position_that_still_loses_trips_again_at_the_reset() -> None:
    desk = losing_desk(RearmRule.OPERATOR, condition=Condition.POSITION_LOSS)
    desk.quote(98)
    assert changes(desk.reset()) == [ARMED, LATCHED]


@pytest.mark.parametrize("action", [OperatorAction.RESET_BREAKER, OperatorAction.DISABLE_BREAKER])
def test_a_command_needs_a_name_and_a_breaker(action: OperatorAction) -> None:
    desk = losing_desk(RearmRule.OPERATOR)
    desk.quote(98)
    for target, name in ((0, 0), (1, OPERATOR), (-1, OPERATOR), (2**40, OPERATOR)):
        refused = int(desk.state.events_refused)
        assert desk.operator(action, target, name) == []
        assert desk.state.last_refused_reason == Reason.VALUE_INVALID
        assert desk.state.events_refused == refused + 1
    assert desk.status() == LATCHED


# Switching on and off


def test_a_breaker_is_armed_by_its_last_word_and_disabled_by_it() -> None:
    desk = Desk()
    assert changes(desk.breaker(Condition.SPREAD, limit=1000)) == [ARMED]
    assert changes(desk.breaker_rule("enabled", 0)) == [DISABLED]
    assert changes(desk.quote(50, 100)) == []
    assert changes(desk.breaker_rule("limit", 2000)) == []
    assert changes(desk.breaker_rule("enabled", 1)) == [ARMED]
    assert changes(desk.operator(OperatorAction.DISABLE_BREAKER)) == [DISABLED]
    assert changes(desk.breaker_rule("limit", 1000)) == []
    assert changes(desk.reset()) == [ARMED]
    assert trips(desk.quote(50, 100)) == [666_666]


def test_disabling_lets_entries_pass_again() -> None:
    desk = losing_desk(RearmRule.OPERATOR)
    desk.quote(98)
    assert entry_is_refused(desk)
    desk.operator(OperatorAction.DISABLE_BREAKER)
    assert desk.state.blocks == 0
    assert not entry_is_refused(desk)


def test_a_lower_limit_is_looked_at_when_it_is_set() -> None:
    desk = losing_desk(RearmRule.OPERATOR)
    desk.quote(99)
    assert trips(desk.breaker_rule("limit", 10_000)) == [10_000]


def test_arming_looks_at_what_has_a_figure_already() -> None:
    desk = Desk()
    desk.quote(100)
    desk.fill(100, 100)
    desk.quote(90)
    assert trips(desk.breaker(Condition.ACCOUNT_DRAWDOWN, limit=100_000, row=0)) == [100_000]
    assert trips(desk.breaker(Condition.EXPOSURE, limit=100_000, row=1)) == [1_000_000]
    assert trips(desk.breaker(Condition.SPREAD, limit=1, row=2)) == []


@pytest.mark.parametrize("wrong", [
    {"condition": Condition.SPREAD, "scope": Scope.STRATEGY},
    {"condition": Condition.CLOCK_SKEW, "scope": Scope.ACCOUNT},
    {"condition": Condition.DAILY_LOSS, "scope": Scope.INSTRUMENT},
    {"condition": Condition.SPREAD, "scope": Scope.INSTRUMENT, "scope_id": 60_000},
    {"condition": Condition.DAILY_LOSS, "scope": Scope.ACCOUNT, "scope_id": 2},
    {"condition": Condition.DAILY_LOSS, "scope": Scope.STRATEGY, "scope_id": 2},
    {"condition": Condition.DAILY_LOSS, "limit": 0},
    {"condition": Condition.REJECTS, "window_ns": 0},
    {"condition": Condition.PRICE_JUMP, "window_ns": 0},
    {"condition": 0},
])  # fmt: skip
def test_a_row_that_makes_no_sense_trips(wrong: dict[str, int]) -> None:
    """A protection that nobody can compute is not one that holds."""
    desk = Desk()
    row = {"limit": 10, "window_ns": SECOND_NS} | wrong
    assert trips(desk.breaker(**row)) == [-1]  # type: ignore[arg-type]
    assert desk.status() == LATCHED


@pytest.mark.parametrize("condition", Condition)
def test_the_configuration_allows_each_condition_the_scopes_that_make_sense(condition: Condition) -> None:
    desk = Desk()
    makes_sense = [
        scope
        for row, scope in enumerate((Scope.ACCOUNT, Scope.INSTRUMENT, Scope.STRATEGY))
        if trips(desk.breaker(condition, limit=10, row=row, scope=scope, window_ns=SECOND_NS)) == []
    ]
    assert list(SCOPES[condition]) == makes_sense


def test_what_a_trip_names_the_instrument_of_can_be_watched_at_one() -> None:
    """A losing streak can be an instrument's too, but is as often an account's or a strategy's."""
    at_one = {condition for condition, scopes in SCOPES.items() if Scope.INSTRUMENT in scopes}
    assert set(OF_INSTRUMENT) == at_one - {Condition.LOSING_STREAK}


# What blocks whom


@pytest.mark.parametrize(("scope", "scope_id", "blocked"), [
    (Scope.EVERYTHING, 0, [True, True, True, True]),
    (Scope.ACCOUNT, 0, [True, True, False, True]),
    (Scope.INSTRUMENT, 1, [False, True, False, False]),
    (Scope.STRATEGY, 1, [False, False, False, True]),
])  # fmt: skip
def test_a_tripped_breaker_blocks_its_scope(scope: Scope, scope_id: int, blocked: list[bool]) -> None:
    """Instruments 0, 1, 2 with strategy 0, and instrument 0 with strategy 1."""
    desk = Desk()
    desk.breaker(Condition.LOSING_STREAK, limit=1, scope=scope, scope_id=scope_id)
    for number in (0, 1, 2):
        desk.quote(100, instrument=number)
    order = desk.order(Action.BUY, 5, instrument=1, strategy=1)
    desk.fill(5, 100, instrument=1, order=order)
    order = desk.after(SECOND_NS).order(Action.SELL, 5, instrument=1, strategy=1)
    desk.fill(-5, 90, instrument=1, order=order)
    desk.report(EventKind.ORDER_CANCELED, order, instrument=1)
    assert desk.status() == LATCHED
    seen = [entry_is_refused(desk, number) for number in (0, 1, 2)]
    assert [*seen, entry_is_refused(desk, 0, strategy=1)] == blocked


def test_an_alert_blocks_nothing() -> None:
    desk = Desk()
    desk.breaker(Condition.SPREAD, limit=1000, actions=BreakerAction.ALERT)
    assert trips(desk.quote(50, 100)) == [666_666]
    assert desk.state.blocks == 0
    assert not entry_is_refused(desk)


def test_the_refusal_names_the_lowest_breaker_and_its_figure() -> None:
    desk = Desk()
    for row in (2, 1):
        desk.breaker(Condition.SPREAD, limit=1000 * row, row=row)
    desk.quote(50, 100)
    (refusal,) = of_kind(desk.signal(Action.BUY, 10), DecisionKind.REFUSAL)
    assert (refusal["limit"], refusal["observed"]) == (1, 666_666)


def test_breakers_are_looked_at_in_the_order_of_their_rows() -> None:
    desk = Desk()
    desk.quote(100)
    desk.fill(100, 100)
    desk.breaker(Condition.SPREAD, limit=1000, row=1)
    desk.breaker(Condition.DAILY_LOSS, limit=1000, row=0)
    desk.breaker(Condition.POSITION_LOSS, limit=1000, row=2)
    decided = of_kind(desk.quote(90, 110), DecisionKind.BREAKER_TRIPPED)
    assert [item.get("breaker", 0) for item in decided] == [0, 1, 2]
    assert desk.state.breaker_trips == 3
    assert desk.state.trading_state == TradingState.ACTIVE
