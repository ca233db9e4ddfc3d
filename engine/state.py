"""The one state record: everything the engine knows, as bytes that can be copied, hashed and compared.

Every field is int64, so that compiled and interpreted arithmetic are the same. Capacities are named limits;
another set of limits is another layout of the same engine (`state_layout`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.records import record
from engine.rules import (
    ACCOUNT_RULES,
    BOOK_RULES,
    INSTRUMENT_RULES,
    PAIR_RULES,
    RING_TIMES,
    RISK_STEP_RULES,
    RISK_STEPS,
    STRATEGY_RULES,
    TARGET_RULES,
    TARGETS_MAX,
    WINDOW_RULES,
    WINDOWS_MAX,
)
from engine.rules import (
    BREAKER as BREAKER_TABLE,
)

# A fill's trade id is looked for in one bucket; the oldest of a bucket makes room for the newest.
TRADE_BUCKETS = 1024
TRADES_PER_BUCKET = 8

# The legs of a group: of a bracket the stop and then its targets.
LEGS_MAX = 1 + TARGETS_MAX
RECENT_INTENTS = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """How many of each thing a state can hold at once. `orders` counts open orders."""

    accounts: int = 8
    instruments: int = 64
    orders: int = 4096
    brackets: int = 1024
    strategies: int = 32
    breakers: int = 64

    def __post_init__(self) -> None:
        assert 0 < self.accounts <= 62, "accounts are bits of an int64 and a byte of a decision"
        assert 0 < self.instruments <= 65_535
        assert 0 < self.strategies <= 255, "a strategy is one byte of a decision"
        assert self.orders > 0 and self.orders & (self.orders - 1) == 0, "orders: a power of two"


DEFAULT_LIMITS = Limits()
LARGE_LIMITS = Limits(accounts=32, instruments=512, orders=16_384, brackets=4096, strategies=64, breakers=256)


def _i8(*names: str) -> list[Any]:
    return [(name, "<i8") for name in names]


# A fill that is already booked: a trade has one buyer and one seller, so with the side its id is one fill. A payment
# of funding has no side.
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
        # exposure, drawdown, days
        "long_units",
        "short_units",
        "peak_ts_ns",
        "max_drawdown_ns",
        "guard_peak_units",
        "day_equity_units",
        "week_equity_units",
        "entries_today",
        # what equity or drawdown must come to before any rule of this account has to be looked at
        "watch_equity_units",
        "watch_drawdown_units",
        "recover_drawdown_units",
        # the losing streak from which on the end of a trade can move the risk level; 0: none can, -1: any
        "watch_losing_streak",
        # whether the volatility of an instrument can move its risk level
        "watch_volatility",
        # trades, in the order they were closed
        "trades",
        "trades_won",
        "profit_units",
        "loss_units",
        "streak",
        "losing_streak",
        # dynamic risk
        "risk_level",
        "risk_level_ts_ns",
        "blocks",
        # the connection to its exchange
        "transport_status",
        "transport_failures",
        "transport_backoff_ns",
        "transport_until_ts_ns",
        "transport_probe_order",
    )
    + [("rules", ACCOUNT_RULES), ("risk_steps", RISK_STEP_RULES, (RISK_STEPS,))]
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
        "first_bracket_slot",
        "open_brackets",
        # prices at which something of this instrument has to be looked at: at or below, at or above
        "watch_low_ticks",
        "watch_high_ticks",
        "spread_limit_ppm",
        # the estimates, one sample an interval or bar
        "sample_high_ticks",
        "sample_low_ticks",
        "sample_close_ticks",
        "sample_due_ts_ns",
        "samples",
        "variance_ppb2",
        "slow_variance_ppb2",
        "atr_microticks",
        # the extremes of the price in the running and the last window of the price jump breakers
        "jump_window_ns",
        "jump_started_ts_ns",
        "jump_high_ticks",
        "jump_low_ticks",
        "jump_before_high_ticks",
        "jump_before_low_ticks",
        # pace
        "entries_today",
        "last_entry_ts_ns",
        "last_loss_ts_ns",
        "target_lots",
        "target_set",
        "target_strategy",
        "target_share_ppm",
        "risk_level",
        "risk_level_ts_ns",
        "blocks",
        # the price of the last market event, beyond which prices and from when on the next has to be looked at
        "price_ticks",
        "price_above_ticks",
        "price_below_ticks",
        "price_due_ts_ns",
        # what breakers wait for: the spread; marks at which a position's loss counts (at or below, at or above)
        "spread_look_ticks",
        "jump_limit_ppm",
        "loss_low_ticks",
        "loss_high_ticks",
        # something of a bracket was refused or found no room: to be tried again
        "brackets_retry",
        # what gone brackets left, with its sign, for whom it is closed, and how that goes
        "leftover_lots",
        "leftover_strategy",
        "leftover_refusals",
        "leftover_due_ts_ns",
    )
    + [
        ("rules", INSTRUMENT_RULES),
        ("windows", WINDOW_RULES, (WINDOWS_MAX,)),
        ("targets", TARGET_RULES, (TARGETS_MAX,)),
    ]
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
        "worth_units",
        "leg_buy_lots",
        "leg_sell_lots",
        "bracket_lots",
        "profit_units",
        "loss_units",
        "streak",
        # the part of the legs' lots that is of requested groups
        "grouped_buy_lots",
        "grouped_sell_lots",
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
        "order_role",
        "bracket_slot",
        "leg",
        "reference_ticks",
        # the terms last asked for, where an amendment has no answer yet
        "amending",
        "asked_lots",
        "asked_limit_ticks",
        "asked_trigger_ticks",
        "cancel_asked",
        # what of an exit its bracket, or the leftovers, count as on its way
        "exiting_lots",
    )
)

# A leg of a group. Its order is 0 until it is placed. `share_ppm` is its part of what was entered (a stop has all).
LEG = record(
    _i8(
        "order",
        "order_role",
        "order_type",
        "side",
        "limit_ticks",
        "trigger_ticks",
        "distance",
        "distance_value",
        "share_ppm",
        "quantity_lots",
        "filled_lots",
        "replacements",
        # of a requested order that is not placed yet
        "order_flags",
        "expire_ts_ns",
    )
)

# Orders that belong together: a bracket, or a group of requested ones. `side` is that of the entry.
BRACKET = record(
    _i8(
        "status",
        "number",
        "group_kind",
        "group",
        "instrument",
        "account",
        "strategy",
        "side",
        "entry_order",
        "exit_order",
        "entered_lots",
        "exited_lots",
        "entry_units",
        "entry_ticks",
        "best_ticks",
        "stop_ticks",
        "trail_distance",
        "trail_value",
        "trail_active",
        "broke_even",
        "opened_ts_ns",
        "expire_ts_ns",
        "close_reason",
        "uncovered_events",
        "uncovered_seq",
        "next_slot",
        "previous_slot",
        # what is on order to close it, and to undo that too much was closed
        "exiting_lots",
        "repairing_lots",
        "exit_limit_ticks",
        # exits refused in a row, and when the next may be placed
        "exit_refusals",
        "exit_due_ts_ns",
        # the rules that held when the entry was ordered
        "trail_step_ticks",
        "trail_activation_ppm",
        "break_even_ppm",
        "break_even_offset_ticks",
        "time_limit_ns",
        "held_by_engine",
        "leg_policy",
        "leg_replacements_max",
        "stop_optional",
        # the prices at which it has to be looked at again: at or below, at or above
        "watch_low_ticks",
        "watch_high_ticks",
    )
    + [("legs", LEG, (LEGS_MAX,))]
)

BREAKER = record(
    [(name, "<i8") for name in BREAKER_TABLE.bounds]
    + _i8("status", "observed", "trips", "tripped_seq", "tripped_ts_ns", "due_ts_ns", "ring_cursor")
    # whose figure tripped it
    + _i8("tripped_account", "tripped_instrument")
    + [("ring_ts_ns", "<i8", (RING_TIMES,))]
)

STRATEGY = record(
    _i8(
        "defined",
        "enabled",
        "signals",
        "orders",
        "refusals",
        "last_signal_seq",
        "last_action",
        "orders_open",
        "fills",
        "realized_units",
        "fees_units",
        "trades",
        "trades_won",
        "profit_units",
        "loss_units",
        "streak",
        "losing_streak",
        "day_realized_units",
        "week_realized_units",
        "throttled",
        "blocks",
        "execution_cursor",
        "last_group",
    )
    + [("executions_ts_ns", "<i8", (RING_TIMES,)), ("rules", STRATEGY_RULES)]
)

# A strategy on an instrument: its last signal, and its own part of what was traded, at average cost.
PAIR = record(
    _i8(
        "action",
        "confidence_ppm",
        "signal_seq",
        "valid_until_ts_ns",
        "quantity_lots",
        "cost_units",
        "realized_units",
        "fees_units",
        "trade_units",
        "opened_ts_ns",
        "trades",
        "trades_won",
        "profit_units",
        "loss_units",
        "streak",
    )
    + [("rules", PAIR_RULES)]
)

# An intent that led to an order, for the rule against doing the same twice.
INTENT = record(_i8("strategy", "instrument", "side", "quantity_lots", "limit_ticks", "ts_ns"))


# The numbers of the state beside its tables; what each is stands in `state_layout`.
_SCALARS = _i8(
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
    # when something has to be looked at next although nothing else happens
    "due_ts_ns",
    "day_ends_ts_ns",
    "week_ends_ts_ns",
    # what has to be looked at before the step ends: a bit for each account, and the instrument or 0 from 1
    "attention_accounts",
    "attention_instrument",
    "strategies_defined",
    "entries_today",
    "blocks",
    # when the buckets of the rates are full again
    "order_rate_full_ts_ns",
    "cancel_rate_full_ts_ns",
    "intent_cursor",
    "brackets_opened",
    "brackets_open",
    "bracket_slots_used",
    "bracket_free_head",
    "bracket_free_count",
    "brackets_due_ts_ns",
    "breakers_defined",
    "breakers_due_ts_ns",
    "breaker_trips",
    "clock_skew_limit_ns",
    "uncovered_events",
    "exits_overfilled",
    "legs_lost",
    "risk_level_changes",
    "amendments_refused",
    # what breakers have to look at before the step ends: a bit for each condition; whose figures (numbers from
    # 1, -1 all of them); a bit for each account; what the event itself measured
    "look_conditions",
    # a bit for each condition that some breaker waits for, and for those of them that any fill may bring about
    "conditions_waiting",
    "conditions_on_fill",
    "look_account",
    "look_instrument",
    "look_strategy",
    "look_accounts",
    "look_day",
    "look_invalid",
    "look_slippage_ppm",
    "look_skew_ns",
)


def state_layout(limits: Limits) -> np.dtype[Any]:
    """The state record for these capacities.

    `seq` is the sequence number of the last event applied (the first is 1), `ts_ns` the engine's time (of that
    event), `fault` the reason that stopped the engine or 0. Slots of linked lists count from 1, so that a state
    of zeros is the empty state.
    """
    return record(
        _SCALARS
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
            ("bracket_free_slots", "<i8", (limits.brackets,)),
            ("breakers", BREAKER, (limits.breakers,)),
            ("strategies", STRATEGY, (limits.strategies,)),
            ("pairs", PAIR, (limits.strategies, limits.instruments)),
            ("intents", INTENT, (RECENT_INTENTS,)),
            ("rules", BOOK_RULES),
        ]
    )


STATE = state_layout(DEFAULT_LIMITS)
