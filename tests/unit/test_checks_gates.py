"""Checks 1 to 8 and 12: the state of trading, the instrument, breakers, the connection, windows and prices."""

from typing import Any

import pytest

from engine.arithmetic import INT64_MAX, MONEY_MAX
from engine.kinds import BreakerAction, BreakerStatus, OrderStatus, Scope, TradingState, TransportStatus
from engine.reasons import Reason
from tests.unit.checks_support import BUY, NOW_NS, PASSED, PRICE, SELL, add_order, ask, new_state

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
# 2024-01-01, a Monday.
MONDAY_NS = 19_723 * DAY_NS


def test_without_a_rule_everything_passes() -> None:
    state = new_state()
    before = state.tobytes()
    assert ask(state) == PASSED
    assert ask(state, lots=MONEY_MAX, side=SELL, limit=INT64_MAX) == PASSED
    assert state.tobytes() == before, "a check only looks"


def test_halted_and_reduce_only() -> None:
    state = new_state()
    state.trading_state = TradingState.REDUCE_ONLY
    assert ask(state) == (Reason.TRADING_REDUCE_ONLY, 0, TradingState.REDUCE_ONLY)
    state.trading_state = TradingState.HALTED
    assert ask(state) == (Reason.TRADING_HALTED, 0, TradingState.HALTED)
    state.trading_state = TradingState.ACTIVE
    state.fault = Reason.MONEY_OVERFLOW
    assert ask(state) == (Reason.TRADING_HALTED, 0, TradingState.ACTIVE)


def test_an_instrument_that_is_not_on_the_list() -> None:
    state = new_state()
    state.instruments[3].rules.blocked = 1
    assert ask(state, instrument=3) == (Reason.INSTRUMENT_NOT_ALLOWED, 0, 3)
    assert ask(state, instrument=1) == PASSED


def breaker(state: Any, number: int, scope: int, scope_id: int = 0, status: int = BreakerStatus.LATCHED) -> Any:
    state.breakers_defined = max(int(state.breakers_defined), number + 1)
    state.blocks += 1
    row = state.breakers[number]
    row.scope, row.scope_id, row.status, row.observed = int(scope), scope_id, int(status), 77 + number
    row.actions = int(BreakerAction.ALERT | BreakerAction.BLOCK_ENTRIES)
    return row


@pytest.mark.parametrize(
    ("scope", "scope_id", "blocks"),
    [
        (Scope.EVERYTHING, 9, True),
        (Scope.ACCOUNT, 1, True),
        (Scope.ACCOUNT, 2, False),
        (Scope.INSTRUMENT, 1, True),
        (Scope.INSTRUMENT, 3, False),
        (Scope.STRATEGY, 1, True),
        (Scope.STRATEGY, 0, False),
    ],
)
def test_a_breaker_blocks_its_scope(scope: int, scope_id: int, blocks: bool) -> None:
    state = new_state()
    breaker(state, 2, scope, scope_id)
    assert ask(state) == ((Reason.BREAKER_TRIPPED, 2, 79) if blocks else PASSED)


@pytest.mark.parametrize("status", list(BreakerStatus))
def test_only_a_breaker_that_is_not_armed_blocks(status: int) -> None:
    state = new_state()
    breaker(state, 0, Scope.EVERYTHING, status=status)
    blocks = status in (BreakerStatus.TRIPPED, BreakerStatus.COOLING, BreakerStatus.LATCHED)
    assert (ask(state) != PASSED) == blocks


def test_the_lowest_breaker_is_named_and_one_that_only_alerts_blocks_nothing() -> None:
    state = new_state()
    breaker(state, 1, Scope.ACCOUNT, 1)
    breaker(state, 3, Scope.EVERYTHING)
    breaker(state, 0, Scope.EVERYTHING).actions = int(BreakerAction.ALERT)
    assert ask(state) == (Reason.BREAKER_TRIPPED, 1, 78)


def test_an_open_connection_breaker_and_one_whose_probe_is_out() -> None:
    state = new_state()
    account = state.accounts[1]
    account.transport_until_ts_ns = NOW_NS + 5
    account.transport_status = TransportStatus.OPEN
    assert ask(state) == (Reason.TRANSPORT_OPEN, NOW_NS + 5, NOW_NS)
    account.transport_status = TransportStatus.HALF_OPEN
    assert ask(state) == PASSED
    account.transport_probe_order = 4
    assert ask(state) == (Reason.TRANSPORT_OPEN, NOW_NS + 5, NOW_NS)
    assert ask(state, instrument=4) == PASSED


@pytest.mark.parametrize(
    ("hours", "zone_hours", "is_open"),
    [
        (9, 0, False),
        (10, 0, True),
        (15, 0, True),
        (16, 0, False),
        (14, 2, False),
        (13, 2, True),
        # Tuesday is open to the end; the zone moves the day on and back.
        (24 + 23, 0, True),
        (24 - 2, 2, True),
        (24, -1, False),
        (2 * 24, 0, False),
        (2 * 24, -1, True),
        (7 * 24 + 10, 0, True),
    ],
)
def test_trading_windows(hours: int, zone_hours: int, is_open: bool) -> None:
    state = new_state()
    state.ts_ns = MONDAY_NS + hours * HOUR_NS
    instrument = state.instruments[1]
    instrument.rules.windows = 2
    instrument.rules.zone_offset_ns = zone_hours * HOUR_NS
    for row, values in enumerate([(1, 10 * HOUR_NS, 16 * HOUR_NS), (2, 0, DAY_NS), (127, 0, DAY_NS)]):
        window = instrument.windows[row]
        window.days, window.starts_ns, window.ends_ns = values
    local_ns = (hours + zone_hours) % 24 * HOUR_NS
    assert ask(state) == (PASSED if is_open else (Reason.OUTSIDE_WINDOW, 0, local_ns))


def test_a_window_to_the_nanosecond() -> None:
    state = new_state()
    instrument = state.instruments[1]
    instrument.rules.windows = 1
    instrument.windows[0].days = 127
    instrument.windows[0].starts_ns = 5
    instrument.windows[0].ends_ns = 7
    for ns, passes in ((4, False), (5, True), (6, True), (7, False)):
        state.ts_ns = MONDAY_NS + ns
        assert (ask(state) == PASSED) == passes


def test_the_last_time_there_is_has_a_window_too() -> None:
    state = new_state()
    state.ts_ns = INT64_MAX
    state.instruments[1].rules.windows = 1
    state.instruments[1].rules.zone_offset_ns = DAY_NS
    assert ask(state) == (Reason.OUTSIDE_WINDOW, 0, INT64_MAX % DAY_NS)


def test_a_stale_reference() -> None:
    state = new_state()
    state.instruments[1].rules.reference_age_max_ns = 30
    state.ts_ns = NOW_NS + 30
    assert ask(state) == PASSED
    state.ts_ns = NOW_NS + 31
    assert ask(state) == (Reason.REFERENCE_STALE, 30, 31)


def collared(bid: int = 100_000, ask_ticks: int = 100_100) -> Any:
    state = new_state()
    instrument = state.instruments[1]
    instrument.rules.collar_ppm = 20_000
    instrument.long_mark_ticks, instrument.short_mark_ticks = bid, ask_ticks
    return state


@pytest.mark.parametrize(
    ("side", "limit", "expected"),
    [
        (BUY, 0, PASSED),
        (BUY, 102_102, PASSED),
        (BUY, 102_103, (Reason.PRICE_OUTSIDE_COLLAR, 20_000, 20_010)),
        (BUY, 1, PASSED),
        (SELL, 98_000, PASSED),
        (SELL, 97_999, (Reason.PRICE_OUTSIDE_COLLAR, 20_000, 20_010)),
        (SELL, 1_000_000, PASSED),
    ],
)
def test_the_collar(side: int, limit: int, expected: Any) -> None:
    assert ask(collared(), side=side, limit=limit) == expected


def test_a_collar_around_absurd_prices() -> None:
    assert ask(collared(1, 1), limit=INT64_MAX) == (Reason.PRICE_OUTSIDE_COLLAR, 20_000, MONEY_MAX)
    state = collared(INT64_MAX, INT64_MAX)
    assert ask(state, lots=7, side=SELL, limit=1) == (Reason.MONEY_OVERFLOW, MONEY_MAX, 7)
    # Nothing can be said without a mark.
    assert ask(collared(0, 0), lots=7, limit=1) == (Reason.MONEY_OVERFLOW, MONEY_MAX, 7)


def crossing() -> Any:
    state = new_state()
    state.instruments[1].rules.self_cross_refused = 1
    return state


def test_an_order_that_would_trade_with_our_own() -> None:
    state = crossing()
    add_order(state, SELL, PRICE + 2)
    assert ask(state) == PASSED
    assert ask(state, limit=PRICE + 1) == PASSED
    assert ask(state, limit=PRICE + 2) == (Reason.SELF_CROSS, PRICE + 2, PRICE + 2)
    add_order(state, SELL, PRICE)
    add_order(state, SELL, PRICE + 1)
    assert ask(state) == (Reason.SELF_CROSS, PRICE, PRICE)
    assert ask(state, limit=PRICE + 5) == (Reason.SELF_CROSS, PRICE, PRICE + 5)
    assert ask(state, side=SELL, limit=PRICE) == PASSED
    assert ask(state, instrument=3) == PASSED
    state.instruments[1].rules.self_cross_refused = 0
    assert ask(state, limit=PRICE + 5) == PASSED


def test_a_sell_meets_the_highest_of_our_buys() -> None:
    state = crossing()
    add_order(state, BUY, PRICE - 3)
    add_order(state, BUY, PRICE - 1)
    assert ask(state, side=SELL, limit=PRICE) == PASSED
    assert ask(state, side=SELL, limit=PRICE - 4) == (Reason.SELF_CROSS, PRICE - 1, PRICE - 4)


def test_orders_that_wait_or_have_no_limit_are_met_by_nobody() -> None:
    state = crossing()
    add_order(state, SELL, PRICE, trigger_ticks=PRICE - 5)
    add_order(state, SELL, PRICE, status=OrderStatus.HELD)
    add_order(state, SELL, 0)
    assert ask(state) == PASSED
    add_order(state, SELL, PRICE, status=OrderStatus.PENDING_CANCEL)
    assert ask(state) == (Reason.SELF_CROSS, PRICE, PRICE)
