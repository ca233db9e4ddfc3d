"""The order of the checks: of two that fail, the first in the table of docs/risk/checks.md is the refusal."""

from typing import Any

from engine.kinds import BreakerAction, BreakerStatus, TradingState, TransportStatus
from engine.reasons import Reason
from engine.rules import ACCOUNT, BOOK, INSTRUMENT
from tests.unit.checks_support import EQUITY, NOW_NS, PASSED, PRICE, SELL, add_order, ask, hold, new_state

LIMIT = PRICE + 1
NO_CHECKS = {"zone_offset_ns", "day_offset_ns", "sample_interval_ns", "risk_hysteresis_ppm", "risk_hold_ns"}
EXPOSURES = ("gross_max_units", "net_max_units", "long_max_units", "short_max_units", "leverage_max_ppm")


def first_rules(table: Any, last: str) -> list[str]:
    """The names of a table's rules up to this one that checks look at."""
    names = list(table.bounds)
    return [name for name in names[: names.index(last) + 1] if name not in NO_CHECKS]


def where_everything_fails() -> Any:
    """A state in which an order of five lots at LIMIT fails each check there is."""
    state = new_state()
    account, instrument = state.accounts[1], state.instruments[1]
    state.trading_state = TradingState.HALTED
    state.blocks = state.breakers_defined = 1
    state.breakers[0].status, state.breakers[0].actions = BreakerStatus.LATCHED, BreakerAction.BLOCK_ENTRIES
    account.transport_status = TransportStatus.OPEN
    instrument.market_ts_ns = NOW_NS - 2
    instrument.last_entry_ts_ns = instrument.last_loss_ts_ns = NOW_NS
    intent = state.intents[0]
    intent.strategy = intent.instrument = intent.side = 1
    intent.quantity_lots, intent.limit_ticks, intent.ts_ns = 5, LIMIT, NOW_NS
    add_order(state, SELL, PRICE)
    hold(state, 40, instrument=3).open_sell_lots = 41
    instrument.margin_initial_ppm = 1_000_000
    account.equity_units = 1
    account.guard_peak_units = account.day_equity_units = 2 * EQUITY
    state.entries_today = instrument.entries_today = 1
    state.strategies[1].fees_units = 5
    account.risk_level = 1
    state.order_rate_full_ts_ns = state.cancel_rate_full_ts_ns = NOW_NS + 1_000
    for row, names in (
        (instrument, first_rules(INSTRUMENT, "self_cross_refused")),
        (account, first_rules(ACCOUNT, "funds_checked")),
        (state, first_rules(BOOK, "duplicate_window_ns")),
        (state.strategies[1], ["loss_max_units"]),
    ):
        for name in names:
            setattr(row.rules, name, 1)
    return state


def refusals_in_order(state: Any) -> list[tuple[Reason, Any, str]]:
    """Each refusal, and the field that takes its cause away when it is 0."""
    account, instrument, book = state.accounts[1], state.instruments[1], state.rules
    account_rules, rules, strategy_rules = account.rules, instrument.rules, state.strategies[1].rules
    accounts = [(Reason(Reason.ACCOUNT_GROSS_MAX + i), account_rules, name) for i, name in enumerate(EXPOSURES)]
    totals = [(Reason(Reason.TOTAL_GROSS_MAX + i), book, name) for i, name in enumerate(EXPOSURES)]
    return [
        (Reason.TRADING_HALTED, state, "trading_state"),
        (Reason.INSTRUMENT_NOT_ALLOWED, rules, "blocked"),
        (Reason.BREAKER_TRIPPED, state, "blocks"),
        (Reason.TRANSPORT_OPEN, account, "transport_status"),
        (Reason.OUTSIDE_WINDOW, rules, "windows"),
        (Reason.REFERENCE_STALE, rules, "reference_age_max_ns"),
        (Reason.PRICE_OUTSIDE_COLLAR, rules, "collar_ppm"),
        (Reason.COOLDOWN, rules, "cooldown_ns"),
        (Reason.LOSS_COOLDOWN, rules, "loss_cooldown_ns"),
        (Reason.DUPLICATE_INTENT, book, "duplicate_window_ns"),
        (Reason.SELF_CROSS, rules, "self_cross_refused"),
        (Reason.ORDER_QUANTITY_MAX, rules, "order_quantity_max_lots"),
        (Reason.ORDER_NOTIONAL_MAX, rules, "order_notional_max_units"),
        (Reason.POSITION_QUANTITY_MAX, rules, "position_max_lots"),
        (Reason.POSITION_WEIGHT_MAX, rules, "position_weight_max_ppm"),
        *accounts,
        *totals,
        (Reason.FUNDS_INSUFFICIENT, account_rules, "funds_checked"),
        (Reason.OPEN_ORDERS_MAX, book, "open_orders_max"),
        (Reason.OPEN_POSITIONS_MAX, book, "open_positions_max"),
        (Reason.ENTRIES_PER_DAY_MAX, book, "entries_per_day_max"),
        (Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX, rules, "entries_per_day_max"),
        (Reason.DAILY_LOSS_MAX, account_rules, "daily_loss_max_units"),
        (Reason.DAILY_LOSS_MAX, account_rules, "daily_loss_max_ppm"),
        (Reason.DRAWDOWN_MAX, account_rules, "drawdown_max_ppm"),
        (Reason.STRATEGY_LOSS_MAX, strategy_rules, "loss_max_units"),
        (Reason.RISK_STOPPED, account, "risk_level"),
        (Reason.ORDER_RATE_MAX, book, "order_rate"),
        (Reason.CANCEL_RATE_MAX, book, "cancel_rate"),
    ]


def test_the_first_check_that_fails_is_the_refusal() -> None:
    state = where_everything_fails()
    for reason, row, name in refusals_in_order(state):
        assert ask(state, limit=LIMIT)[0] == reason, name
        setattr(row, name, 0)
    assert ask(state, limit=LIMIT) == PASSED


def test_reduce_only_comes_second() -> None:
    state = where_everything_fails()
    state.trading_state = TradingState.REDUCE_ONLY
    assert ask(state, limit=LIMIT)[0] == Reason.TRADING_REDUCE_ONLY
