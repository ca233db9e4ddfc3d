"""What each breaker watches: it trips where its figure reaches the limit, and says which figure."""

import pytest

from engine.kinds import Action, BreakerStatus, Condition, DecisionKind, EventKind, RearmRule, Scope
from tests.unit.breakers_support import DAY_NS, DEPOSIT_UNITS, SECOND_NS, Desk, of_kind, trips

UNKNOWN = -1


def desk_with_position(lots: int = 10, price: int = 100, instrument: int = 0) -> Desk:
    desk = Desk()
    desk.quote(price, instrument=instrument)
    desk.fill(lots, price, instrument)
    return desk


@pytest.mark.parametrize(("condition"), [Condition.ACCOUNT_DRAWDOWN, Condition.DAILY_LOSS, Condition.WEEKLY_LOSS])
def test_a_loss_of_the_equity_trips_at_its_limit(condition: Condition) -> None:
    """10 lots, 10,000 units: a tick down is 1,000 ppm."""
    desk = desk_with_position()
    desk.breaker(condition, limit=10_000)
    assert trips(desk.quote(91)) == []
    (decision,) = of_kind(desk.quote(90), DecisionKind.BREAKER_TRIPPED)
    assert decision["observed"] == decision["limit"] == 10_000
    assert decision["condition"] == condition
    assert decision["status"] == BreakerStatus.LATCHED
    assert decision.get("account", 0) == 0


def test_a_drawdown_is_from_the_peak_and_a_daily_loss_from_the_first_equity_of_the_day() -> None:
    desk = desk_with_position()
    desk.breaker(Condition.DAILY_LOSS, limit=10_000, row=0)
    desk.breaker(Condition.ACCOUNT_DRAWDOWN, limit=10_000, row=1)
    desk.quote(200)
    assert desk.status(1) == BreakerStatus.ARMED
    assert trips(desk.quote(190)) == []  # 100 of 11,000 units are 9,090 ppm
    (decision,) = of_kind(desk.quote(189), DecisionKind.BREAKER_TRIPPED)
    assert (decision["breaker"], decision["observed"]) == (1, 10_000)
    assert desk.status(0) == BreakerStatus.ARMED
    assert trips(desk.quote(90)) == [10_000]


def test_a_new_peak_raises_the_drawdown_that_trips() -> None:
    """The limit is a share of the peak: what would have tripped before does not any more."""
    desk = desk_with_position(lots=100)
    desk.breaker(Condition.ACCOUNT_DRAWDOWN, limit=100_000)
    desk.quote(200)
    assert trips(desk.quote(181)) == []
    assert trips(desk.quote(180)) == [100_000]


@pytest.mark.parametrize(("lots", "below", "at", "figure"), [(10, 91, 90, 100_000), (-10, 109, 110, 100_000)])
@pytest.mark.parametrize(
    ("scope", "scope_id"), [(Scope.EVERYTHING, 0), (Scope.ACCOUNT, 0), (Scope.INSTRUMENT, 0), (Scope.INSTRUMENT, 1)]
)
def test_a_position_loss_is_a_share_of_its_cost(
    lots: int, below: int, at: int, figure: int, scope: Scope, scope_id: int
) -> None:
    desk = desk_with_position(lots)
    desk.breaker(Condition.POSITION_LOSS, limit=100_000, scope=scope, scope_id=scope_id)
    assert trips(desk.quote(below)) == []
    watched = (scope, scope_id) != (Scope.INSTRUMENT, 1)
    assert trips(desk.quote(at)) == ([figure] if watched else [])


def test_a_position_loss_counts_what_is_bought_later() -> None:
    desk = desk_with_position()
    desk.breaker(Condition.POSITION_LOSS, limit=50_000)
    desk.fill(30, 104)
    assert trips(desk.quote(98)) == []  # cost 4,120, worth 3,920
    assert trips(desk.quote(97)) == [58_252]


def test_a_losing_streak_counts_closed_trades() -> None:
    desk = Desk()
    desk.quote(100)
    desk.breaker(Condition.LOSING_STREAK, limit=2, row=0, scope=Scope.ACCOUNT)
    desk.breaker(Condition.LOSING_STREAK, limit=2, row=1, scope=Scope.INSTRUMENT, scope_id=1)
    for bought, sold, instrument in ((100, 99, 0), (100, 101, 1), (100, 99, 0)):
        desk.fill(1, bought, instrument)
        assert trips(desk.fill(-1, sold, instrument)) == []
    desk.fill(1, 100, 1)
    assert trips(desk.fill(-1, 100, 1)) == [2]
    assert (desk.status(0), desk.status(1)) == (BreakerStatus.LATCHED, BreakerStatus.ARMED)
    desk.fill(1, 100, 1)
    assert trips(desk.fill(-1, 99, 1)) == [2]


def test_a_losing_streak_of_a_strategy_is_of_its_own_trades() -> None:
    desk = Desk()
    desk.quote(100)
    desk.breaker(Condition.LOSING_STREAK, limit=1, scope=Scope.STRATEGY, scope_id=1)
    for strategy in (0, 1):
        order = desk.order(Action.BUY, 5, strategy=strategy)
        desk.fill(5, 100, order=order)
        order = desk.order(Action.SELL, 5, strategy=strategy)
        assert trips(desk.fill(-5, 90, order=order)) == [1] * strategy
        desk.report(EventKind.ORDER_CANCELED, order)
        desk.after(SECOND_NS)


def test_a_daily_loss_of_a_strategy_is_what_it_realised_less_fees() -> None:
    """Measured by the day's first equity of all accounts, 20,000 units."""
    desk = Desk()
    desk.quote(100)
    desk.breaker(Condition.DAILY_LOSS, limit=5_000, scope=Scope.STRATEGY, scope_id=1)
    order = desk.order(Action.BUY, 10, strategy=1)
    assert trips(desk.fill(10, 100, order=order, fee=99)) == []
    order = desk.order(Action.SELL, 10, strategy=1)
    decided = desk.fill(-10, 100, order=order, fee=1)
    assert trips(decided) == [5_000]
    assert of_kind(decided, DecisionKind.BREAKER_TRIPPED)[0]["strategy"] == 1


def test_volatility_is_looked_at_after_enough_samples() -> None:
    desk = Desk()
    desk.book_rule("sample_interval_ns", SECOND_NS)
    desk.instrument_rule("volatility_samples_min", 3)
    desk.breaker(Condition.VOLATILITY, limit=5_000)
    decided = [trips(desk.after(SECOND_NS).quote(price)) for price in (1000, 1010, 1000, 1010, 1020)]
    assert decided == [[], [], [], [9_994], []]
    # The third sample closes with the fourth price: 0.94 * 10,000,000^2 + 0.06 * 9,900,990^2, in ppb.


@pytest.mark.parametrize(("prices", "figure"), [((1000, 1009, 1010), 10_000), ((1010, 1001, 999), 10_891)])
def test_a_price_jump_is_measured_from_the_extremes(prices: tuple[int, int, int], figure: int) -> None:
    desk = Desk()
    desk.breaker(Condition.PRICE_JUMP, limit=10_000, window_ns=SECOND_NS)
    assert [trips(desk.after(1).quote(price)) for price in prices] == [[], [], [figure]]


def test_a_price_jump_forgets_what_is_older_than_two_windows() -> None:
    desk = Desk().at(10 * SECOND_NS + DAY_NS)
    desk.breaker(Condition.PRICE_JUMP, limit=20_000, window_ns=SECOND_NS)
    desk.quote(1000)
    assert trips(desk.after(SECOND_NS).quote(1010)) == []
    assert trips(desk.after(SECOND_NS).quote(1025)) == []  # the window before has 1010 alone
    assert trips(desk.after(3 * SECOND_NS).quote(2000)) == []  # and the last one nothing
    assert trips(desk.after(1).quote(2040)) == [20_000]


def test_a_price_jump_counts_the_extremes_of_a_bar() -> None:
    desk = Desk()
    desk.breaker(Condition.PRICE_JUMP, limit=10_000, window_ns=SECOND_NS)
    prices = {"open_ticks": 1000, "high_ticks": 1005, "low_ticks": 980, "close_ticks": 1000}
    assert trips(desk.tell(EventKind.BAR, **prices)) == [20_408]


def test_a_spread_is_a_share_of_the_middle() -> None:
    desk = Desk()
    desk.breaker(Condition.SPREAD, limit=20_000, scope=Scope.INSTRUMENT)
    assert trips(desk.quote(100, 101)) == []
    assert trips(desk.quote(100, 103, instrument=1)) == []
    assert trips(desk.quote(1000, 1020)) == []  # 19,801
    assert trips(desk.quote(100, 102)) == []
    (decision,) = of_kind(desk.quote(99, 101), DecisionKind.BREAKER_TRIPPED)
    assert decision["observed"] == 20_000


def test_stale_data_trips_at_a_timer() -> None:
    desk = Desk()
    for number in (0, 1, 2):
        desk.quote(100, instrument=number)
    desk.breaker(Condition.STALE_DATA, limit=SECOND_NS)
    desk.after(SECOND_NS // 2).quote(100)
    desk.quote(100, instrument=2)
    assert trips(desk.tell(EventKind.TIMER)) == []
    (decision,) = of_kind(desk.after(SECOND_NS // 2).tell(EventKind.TIMER), DecisionKind.BREAKER_TRIPPED)
    assert (decision["instrument"], decision["observed"]) == (1, SECOND_NS)


@pytest.mark.parametrize("condition", [Condition.EXPOSURE, Condition.MARGIN_RATIO])
def test_exposure_and_margin_trip_at_a_fill_or_a_timer(condition: Condition) -> None:
    desk = Desk()
    terms = {"margin_initial_ppm": 1_000_000, "margin_maintenance_ppm": 1_000_000}
    for number in (0, 1):
        desk.tell(EventKind.INSTRUMENT_TERMS_DEFINED, instrument=number, **terms)
        desk.quote(100, instrument=number)
    desk.breaker(condition, limit=600_000)
    desk.fill(30, 100)
    assert trips(desk.fill(-29, 100, instrument=1)) == []
    desk.quote(102)
    assert trips(desk.quote(104, instrument=1)) == []
    assert trips(desk.tell(EventKind.TIMER)) == [611_021]  # 3,060 + 3,016 of 9,944
    other = Desk()
    other.breaker(Condition.EXPOSURE, limit=600_000)
    other.quote(100)
    assert trips(other.fill(60, 100)) == [600_000]


@pytest.mark.parametrize(("condition", "kind"), [
    (Condition.REJECTS, EventKind.ORDER_REJECTED), (Condition.REQUEST_FAILURES, EventKind.REQUEST_FAILED),
])  # fmt: skip
def test_counts_are_of_a_window(condition: Condition, kind: EventKind) -> None:
    desk = Desk()
    desk.breaker(condition, limit=3, window_ns=10 * SECOND_NS, scope=Scope.ACCOUNT, scope_id=1)
    for instrument in (2, 2, 0, 0, 0):
        assert trips(desk.after(SECOND_NS).report(kind, 0, instrument)) == []
    assert trips(desk.after(6 * SECOND_NS).report(kind, 0, 2)) == []  # the first is 10 s ago
    assert trips(desk.after(1).report(kind, 0, 2)) == [3]


def test_slippage_is_measured_from_the_mark_when_it_was_ordered() -> None:
    desk = Desk()
    desk.quote(99, 100)
    desk.breaker(Condition.FILL_SLIPPAGE, limit=20_000, scope=Scope.STRATEGY, scope_id=0)
    bought = desk.order(Action.BUY, 10)
    limited = desk.order(Action.BUY, 20, limit=100)
    desk.quote(109, 110)
    assert trips(desk.fill(5, 101, order=bought)) == []
    assert trips(desk.fill(10, 120, order=limited)) == []
    assert trips(desk.fill(5, 120)) == []
    assert trips(desk.fill(5, 102, order=bought)) == [20_000]


def test_clock_skew_is_the_distance_to_the_exchanges_time() -> None:
    desk = Desk()
    desk.breaker(Condition.CLOCK_SKEW, limit=SECOND_NS)
    assert trips(desk.quote(100, ts_exchange_ns=desk.ts_ns - SECOND_NS + 1)) == []
    assert trips(desk.quote(100)) == []
    bar = {"open_ticks": 1, "high_ticks": 1, "low_ticks": 1, "close_ticks": 1}
    assert trips(desk.tell(EventKind.BAR, ts_exchange_ns=1, **bar)) == []
    assert trips(desk.quote(100, ts_exchange_ns=desk.ts_ns + SECOND_NS)) == [SECOND_NS]


def test_reconciliation_compares_with_what_is_held() -> None:
    desk = desk_with_position()
    desk.breaker(Condition.RECONCILIATION, limit=2)
    report = {"instrument": 0, "account": 0}
    assert trips(desk.tell(EventKind.POSITION_REPORTED, quantity_lots=9, **report)) == []
    assert trips(desk.tell(EventKind.POSITION_REPORTED, quantity_lots=-2, **report)) == [12]


# What cannot be computed counts as tripped.


@pytest.mark.parametrize("condition", [Condition.ACCOUNT_DRAWDOWN, Condition.DAILY_LOSS, Condition.WEEKLY_LOSS])
def test_an_equity_of_nothing_trips(condition: Condition) -> None:
    desk = desk_with_position(lots=100)
    desk.breaker(condition, limit=10**9)
    assert trips(desk.quote(1)) == []
    assert trips(desk.fill(1, 101)) == [UNKNOWN]
    assert desk.state.accounts[0].equity_units == 0


@pytest.mark.parametrize("condition", [
    Condition.ACCOUNT_DRAWDOWN, Condition.DAILY_LOSS, Condition.EXPOSURE, Condition.MARGIN_RATIO,
    Condition.STALE_DATA, Condition.SPREAD, Condition.PRICE_JUMP, Condition.VOLATILITY,
])  # fmt: skip
def test_a_timer_trips_what_nobody_feeds(condition: Condition) -> None:
    """No equity was ever deposited, no price ever came: a rule without data is not a rule that holds."""
    desk = Desk(deposit_units=0)
    assert trips(desk.breaker(condition, limit=10**9, window_ns=SECOND_NS)) == []
    assert trips(desk.tell(EventKind.TIMER)) == [UNKNOWN]


@pytest.mark.parametrize("condition", [
    Condition.POSITION_LOSS, Condition.SPREAD, Condition.PRICE_JUMP, Condition.VOLATILITY,
])  # fmt: skip
def test_an_invalid_price_trips_what_watches_prices(condition: Condition) -> None:
    desk = desk_with_position()
    desk.breaker(condition, limit=10**9, window_ns=SECOND_NS)
    assert trips(desk.quote(0, instrument=1)) == ([] if condition == Condition.POSITION_LOSS else [UNKNOWN])
    desk = desk_with_position()
    desk.breaker(condition, limit=10**9, window_ns=SECOND_NS)
    assert trips(desk.quote(0)) == [UNKNOWN]


def test_an_invalid_price_does_not_switch_the_daily_limit_off() -> None:
    """The last valid price goes on valuing, and the next one trips."""
    desk = desk_with_position()
    desk.breaker(Condition.DAILY_LOSS, limit=10_000)
    for broken in (0, -5):
        assert trips(desk.quote(broken, 101)) == []
    assert desk.state.accounts[0].equity_units == DEPOSIT_UNITS
    assert trips(desk.quote(90)) == [10_000]


def test_one_row_watches_every_account_and_names_the_one() -> None:
    desk = desk_with_position(instrument=2)
    desk.breaker(Condition.ACCOUNT_DRAWDOWN, limit=10_000, rearm=RearmRule.CLEAR)
    (decision,) = of_kind(desk.quote(80, instrument=2), DecisionKind.BREAKER_TRIPPED)
    assert (decision["account"], decision["observed"]) == (1, 20_000)
