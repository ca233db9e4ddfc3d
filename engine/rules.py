"""The rules that trading keeps: one number each, set by a configuration event, 0 where it is not set.

A rule's setting number is the base of its table plus its place in the table, and never changes its meaning:
a new rule goes to the end of its table. `LOWEST` and `HIGHEST` say what a rule may be; everything else is
refused with VALUE_INVALID. What each rule does is in docs/risk/.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX
from engine.records import record

WINDOWS_MAX = 4
TARGETS_MAX = 4
RISK_STEPS = 3
RING_TIMES = 32

PPM_ONE = 1_000_000
_PPM_MANY = 1_000 * PPM_ONE
_DAY_NS = 86_400_000_000_000
_YEARS_NS = 100 * 366 * _DAY_NS
_FLAG = (0, 1)
_COUNT = (0, 1 << 31)
_AMOUNT = (0, MONEY_MAX)
_SHARE = (0, PPM_ONE)
_RATIO = (0, _PPM_MANY)
_TIME = (0, _YEARS_NS)
_TICKS = (0, 1 << 53)
_NUMBER = (0, 65_535)


@dataclass(frozen=True, slots=True)
class RuleTable:
    """One kind of row of rules: names and bounds in the order of their numbers, which start at `base`."""

    base: int
    bounds: dict[str, tuple[int, int]]

    @property
    def fields(self) -> list[Any]:
        return [(name, "<i8") for name in self.bounds]

    def number(self, name: str) -> int:
        """The setting number of a rule."""
        return self.base + list(self.bounds).index(name)


# Of everything. Money here is that of all accounts together, which must have one currency.
BOOK = RuleTable(
    100,
    {
        "gross_max_units": _AMOUNT,
        "net_max_units": _AMOUNT,
        "long_max_units": _AMOUNT,
        "short_max_units": _AMOUNT,
        "leverage_max_ppm": _RATIO,
        "open_orders_max": _COUNT,
        "open_positions_max": _COUNT,
        "entries_per_day_max": _COUNT,
        "order_rate": _COUNT,
        "order_rate_window_ns": _TIME,
        "cancel_rate": _COUNT,
        "cancel_rate_window_ns": _TIME,
        "duplicate_window_ns": _TIME,
        "day_offset_ns": (-_DAY_NS, _DAY_NS),
        "sample_interval_ns": _TIME,
    },
)
ACCOUNT = RuleTable(
    200,
    {
        "gross_max_units": _AMOUNT,
        "net_max_units": _AMOUNT,
        "long_max_units": _AMOUNT,
        "short_max_units": _AMOUNT,
        "leverage_max_ppm": _RATIO,
        "daily_loss_max_units": _AMOUNT,
        "daily_loss_max_ppm": _SHARE,
        "drawdown_max_ppm": _SHARE,
        "funds_checked": _FLAG,
        "risk_hysteresis_ppm": _SHARE,
        "risk_hold_ns": _TIME,
        "transport_failures_max": _COUNT,
        "transport_backoff_ns": _TIME,
        "transport_backoff_max_ns": _TIME,
    },
)
INSTRUMENT = RuleTable(
    300,
    {
        "blocked": _FLAG,
        "collar_ppm": _RATIO,
        "reference_age_max_ns": _TIME,
        "order_quantity_max_lots": _AMOUNT,
        "order_notional_max_units": _AMOUNT,
        "position_max_lots": _AMOUNT,
        "position_weight_max_ppm": _RATIO,
        "entries_per_day_max": _COUNT,
        "cooldown_ns": _TIME,
        "loss_cooldown_ns": _TIME,
        "windows": (0, WINDOWS_MAX),
        "zone_offset_ns": (-_DAY_NS, _DAY_NS),
        "self_cross_refused": _FLAG,
        # signals
        "signal_mode": _FLAG,
        "strength_min_ppm": _SHARE,
        "entries_max": _COUNT,
        # sizing
        "sizing_method": (0, 5),
        "amount_units": _AMOUNT,
        "fraction_ppm": _RATIO,
        "risk_ppm": _SHARE,
        "volatility_target_ppm": _RATIO,
        "volatility_samples_min": _COUNT,
        "kelly_fraction_ppm": _SHARE,
        "kelly_win_ppm": _SHARE,
        "kelly_payoff_ppm": _RATIO,
        "kelly_trades_min": _COUNT,
        # targets
        "target_weight_ppm": _RATIO,
        "band_ppm": _SHARE,
        "trade_min_units": _AMOUNT,
        # brackets
        "bracketed": _FLAG,
        "stop_distance": (0, 4),
        "stop_value": _RATIO,
        "trail_distance": (0, 4),
        "trail_value": _RATIO,
        "trail_activation_ppm": _RATIO,
        "trail_step_ticks": _TICKS,
        "break_even_ppm": _RATIO,
        "break_even_offset_ticks": _TICKS,
        "time_limit_ns": _TIME,
        "held_by_engine": _FLAG,
        "leg_policy": _FLAG,
        "leg_replacements_max": _COUNT,
        "stop_optional": _FLAG,
        # estimates
        "variance_weight_ppm": _SHARE,
        "slow_variance_weight_ppm": _SHARE,
        "atr_samples": _COUNT,
    },
)
STRATEGY = RuleTable(
    400,
    {
        "weight_ppm": _RATIO,
        "confidence_min_ppm": _SHARE,
        "loss_max_units": _AMOUNT,
        "executions_max": (0, RING_TIMES),
        "executions_window_ns": _TIME,
    },
)
# Of a strategy on an instrument.
PAIR = RuleTable(450, {"weight_ppm": _RATIO, "confidence_min_ppm": _SHARE, "disabled": _FLAG})

# Tables of rows: the configuration event's `row` says which.
WINDOW = RuleTable(500, {"days": (0, 127), "starts_ns": (0, _DAY_NS), "ends_ns": (0, _DAY_NS)})
TARGET = RuleTable(510, {"target_distance": (0, 4), "target_value": _RATIO, "target_share_ppm": _SHARE})
RISK_STEP = RuleTable(
    520,
    {"drawdown_ppm": _SHARE, "volatility_ratio_ppm": _RATIO, "losing_streak": _COUNT, "scale_ppm": _SHARE},
)
BREAKER = RuleTable(
    530,
    {
        "condition": (0, 16),
        "scope": (0, 3),
        "scope_id": _NUMBER,
        "actions": (0, 127),
        "limit": _AMOUNT,
        "window_ns": _TIME,
        "rearm_rule": (0, 3),
        "cooldown_ns": _TIME,
        "enabled": _FLAG,
    },
)

TABLES = (BOOK, ACCOUNT, INSTRUMENT, STRATEGY, PAIR, WINDOW, TARGET, RISK_STEP, BREAKER)
SETTINGS_MAX = 600

BOOK_RULES = record(BOOK.fields)
ACCOUNT_RULES = record(ACCOUNT.fields)
STRATEGY_RULES = record(STRATEGY.fields)
PAIR_RULES = record(PAIR.fields)
WINDOW_RULES = record(WINDOW.fields)
TARGET_RULES = record(TARGET.fields)
RISK_STEP_RULES = record(RISK_STEP.fields)
INSTRUMENT_RULES = record(INSTRUMENT.fields)


def words_of(table: RuleTable) -> np.dtype[Any]:
    """The same row as numbered words, to set one by its number."""
    return record([("words", "<i8", (len(table.bounds),))])


def _bounds(place: int, unset: int) -> np.ndarray:
    bounds = np.full(SETTINGS_MAX, unset, dtype=np.int64)
    for table in TABLES:
        for name, pair in table.bounds.items():
            bounds[table.number(name)] = pair[place]
    return bounds


# By setting number; where there is no such rule the lowest value is above the highest.
LOWEST = _bounds(0, 1)
HIGHEST = _bounds(1, 0)
