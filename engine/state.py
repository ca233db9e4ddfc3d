"""The one state record: everything the engine knows, as bytes that can be copied, hashed and compared.

Every field is int64, so that compiled and interpreted arithmetic are the same. Capacities are named limits;
another set of limits is another layout of the same engine (`state_layout`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.records import record

# A fill's trade id is looked for in one bucket; the oldest of a bucket makes room for the newest.
TRADE_BUCKETS = 1024
TRADES_PER_BUCKET = 8

TARGETS_MAX = 4


@dataclass(frozen=True, slots=True)
class Limits:
    """How many of each thing a state can hold at once. `orders` counts open orders."""

    accounts: int = 8
    instruments: int = 64
    orders: int = 4096
    brackets: int = 1024
    strategies: int = 64
    breakers: int = 64

    def __post_init__(self) -> None:
        assert 0 < self.accounts <= 62, "accounts are bits of an int64 and a byte of a decision"
        assert 0 < self.instruments <= 65_535
        assert 0 < self.strategies <= 255, "a strategy is one byte of a decision"
        assert self.orders > 0 and self.orders & (self.orders - 1) == 0, "orders: a power of two"


DEFAULT_LIMITS = Limits()
LARGE_LIMITS = Limits(accounts=32, instruments=512, orders=16_384, brackets=4096, strategies=128, breakers=256)


def _i8(*names: str) -> list[Any]:
    return [(name, "<i8") for name in names]


# A fill that is already booked: a trade has one buyer and one seller, so with the side its id is one fill.
TRADE_SEEN = record(_i8("trade_id", "instrument", "side"))

ACCOUNT = record(
    _i8(
        "defined",
        "account_kind",
        "money_decimals",
        "deposits_units",
        "realized_units",
        "fees_units",
        "funding_units",
        "unrealized_units",
        "cost_units",
        "equity_units",
        "peak_equity_units",
        "max_drawdown_units",
        "max_drawdown_ppm",
        "reported_total_units",
        "reported_available_units",
    )
)

INSTRUMENT = record(
    _i8(
        "defined",
        "instrument_kind",
        "account",
        "tick_lot_units",
        "quantity_step_lots",
        "quantity_min_lots",
        "quantity_max_lots",
        "notional_min_units",
        "margin_initial_ppm",
        "margin_maintenance_ppm",
        "maker_fee_ppm",
        "taker_fee_ppm",
        "order_quantity_lots",
        "short_allowed",
        "bid_ticks",
        "ask_ticks",
        "bid_lots",
        "ask_lots",
        "last_ticks",
        "mark_ticks",
        "mark_source",
        "long_mark_ticks",
        "short_mark_ticks",
        "market_ts_ns",
        "market_events",
        "holders",
        "open_orders",
        "first_order_slot",
    )
)

POSITION = record(
    _i8(
        "quantity_lots",
        "cost_units",
        "realized_units",
        "fees_units",
        "funding_units",
        "unrealized_units",
        "open_buy_lots",
        "open_sell_lots",
        "bought_lots",
        "sold_lots",
        "fills",
        "trades",
        "trades_won",
        "trade_units",
        "opened_ts_ns",
        "reported_lots",
    )
)

ORDER = record(
    _i8(
        "order",
        "status",
        "instrument",
        "account",
        "strategy",
        "side",
        "order_type",
        "time_in_force",
        "order_flags",
        "quantity_lots",
        "filled_lots",
        "limit_ticks",
        "trigger_ticks",
        "trail_ticks",
        "expire_ts_ns",
        "exchange_order_id",
        "fills",
        "filled_units",
        "placed_seq",
        "placed_ts_ns",
        "updated_ts_ns",
        "reason",
        "next_slot",
        "previous_slot",
    )
)

BRACKET = record(
    _i8("status", "instrument", "account", "strategy", "entry_order", "stop_order", "stop_ticks", "filled_lots")
    + [("target_orders", "<i8", (TARGETS_MAX,)), ("target_ticks", "<i8", (TARGETS_MAX,))]
)

BREAKER = record(_i8("status", "condition", "scope", "scope_id", "limit", "observed", "tripped_seq", "tripped_ts_ns"))

STRATEGY = record(
    _i8("defined", "enabled", "signals", "orders", "refusals", "last_signal_seq", "last_action", "orders_open", "fills")
)


def state_layout(limits: Limits) -> np.dtype[Any]:
    """The state record for these capacities.

    `seq` is the sequence number of the last event applied (the first is 1), `ts_ns` the engine's time (of that
    event), `fault` the reason that stopped the engine or 0. Slots of linked lists count from 1, so that a state
    of zeros is the empty state.
    """
    return record(
        _i8(
            "seq",
            "ts_ns",
            "fault",
            "fault_seq",
            "trading_state",
            "orders_placed",
            "orders_open",
            "refusals",
            "events_refused",
            "last_refused_seq",
            "last_refused_reason",
            "fills",
            "fills_early",
            "fills_late",
            "fills_duplicate",
            "fills_excess",
            "fills_orphan",
            "transitions_refused",
            "connections_lost",
            "requests_failed",
            "instruments_defined",
            "accounts_defined",
            "reports_orphan",
            "slots_used",
            "free_head",
            "free_count",
        )
        + [
            ("free_slots", "<i8", (limits.orders,)),
            ("order_slots", "<i8", (2 * limits.orders,)),
            ("trades_seen", TRADE_SEEN, (TRADE_BUCKETS, TRADES_PER_BUCKET)),
            ("trades_cursor", "<i8", (TRADE_BUCKETS,)),
            ("accounts", ACCOUNT, (limits.accounts,)),
            ("instruments", INSTRUMENT, (limits.instruments,)),
            ("positions", POSITION, (limits.accounts, limits.instruments)),
            ("orders", ORDER, (limits.orders,)),
            ("brackets", BRACKET, (limits.brackets,)),
            ("breakers", BREAKER, (limits.breakers,)),
            ("strategies", STRATEGY, (limits.strategies,)),
        ]
    )


STATE = state_layout(DEFAULT_LIMITS)
