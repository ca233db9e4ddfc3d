"""A configuration in which every rule is set, and what its rules come to in the engine's integers."""

from pathlib import Path
from typing import Any

from engine.kinds import BreakerAction, Condition, RearmRule, Scope

PATH = Path("folder/full.toml")

FULL = """\
[run]
name = "full"
timer_interval = "1s"

[[accounts]]
name = "spot"
kind = "cash"
currency = "USD"
balance = "1000"
money_decimals = 8
[accounts.risk]
gross_max = "900"
net_max = "800"
long_max = "700"
short_max = "600"
leverage_max = "1.5"
daily_loss_max = "4%"
check_funds = false

[[accounts]]
name = "futures"
kind = "margin"
currency = "USD"
balance = "100000"
money_decimals = 8
[accounts.transport]
failures_max = 3
backoff = "2s"
[accounts.risk.levels]
[[accounts.risk.levels.steps]]
losing_streak = 4
scale = "0.5"

[[instruments]]
symbol = "BTC/USD"
account = "spot"
kind = "spot"
tick_size = "0.01"
lot_size = "0.0001"
order_quantity = "0.01"

[[instruments]]
symbol = "ES"
account = "futures"
kind = "linear"
tick_size = "0.25"
lot_size = "1"
multiplier = 50
order_quantity = "2"
[instruments.risk]
collar = "1%"
entries_per_day_max = 6
cooldown = "90s"
[[instruments.risk.windows]]
days = ["sun"]
from = "17:00"
to = "16:00"
zone = "America/Chicago"
[instruments.signals]
mode = "targets"
strength_min = "0.2"
target_weight = "1.2"
band = "0.02"
trade_min = "100"
[instruments.sizing]
method = "kelly"
kelly_fraction = "0.3"
win_rate = "0.55"
payoff = "1.5"
[instruments.bracket]
stop = "40 ticks"
targets = [{at = "2.5 ATR"}]
held_by = "engine"

[[strategies]]
name = "ema"
form = "compiled"
entry = "adapters.strategies.ema_cross"
enabled = true
weight = "2"
confidence_min = "0.6"
loss_max = "250"
executions_max = 32
executions_window = "1h"
[strategies.instruments."ES"]
weight = "0.5"
confidence_min = "0.7"
enabled = false

[[strategies]]
name = "other"
form = "compiled"
entry = "adapters.strategies.ema_cross"

[risk]
trading_state = "reduce_only"
gross_max = "50000"
net_max = "40000"
long_max = "30000"
short_max = "20000"
leverage_max = "3"
open_orders_max = 20
open_positions_max = 5
entries_per_day_max = 50
order_rate = "10/1s"
cancel_rate = "20/2s"
duplicate_window = "5s"
day_starts = "17:00"
sample_interval = "1m"
allow = ["BTC/USD"]
collar = "0.02"
reference_age_max = "30s"
order_quantity_max = "10"
order_notional_max = "5000"
position_max = "20"
position_weight_max = "0.5"
cooldown = "1m"
loss_cooldown = "5m"
self_cross = "refuse"
volatility_samples_min = 30
variance_weight = "0.1"
slow_variance_weight = "0.01"
atr_samples = 20
daily_loss_max = "0.03"
daily_loss_max_amount = "500"
drawdown_max = "0.2"

[risk.levels]
hysteresis = "0.1"
hold = "1h"
[[risk.levels.steps]]
drawdown = "0.05"
losing_streak = 3
volatility_ratio = "2"
scale = "0.5"
[[risk.levels.steps]]
drawdown = "0.1"
scale = "0.25"
[[risk.levels.steps]]
drawdown = "0.15"
losing_streak = 6
volatility_ratio = "3.5"
scale = 0

[[risk.windows]]
days = ["mon", "fri"]
from = "09:30"
to = "16:00"
zone = "America/New_York"
[[risk.windows]]
days = ["sat", "sun"]
from = "22:00"
to = "02:00:30"
zone = "America/New_York"

[signals]
strength_min = "0.3"
entries_max = 2

[sizing]
method = "risk_based"
risk = "1%"

[bracket]
stop = "2%"
targets = [{at = "1%", share = "0.5"}, {at = "3%", share = "0.5"}]
trailing = "3 ATR"
trailing_activation = "1%"
trailing_step = 10
break_even = "1.5%"
break_even_offset = 2
time_limit = "4h"
on_leg_rejected = "close"
replacements_max = 5
stop_required = false

[transport]
failures_max = 5
backoff = "1s"
backoff_max = "1m"

[[breakers]]
name = "crash"
condition = "price_jump"
instrument = "BTC/USD"
limit = "5%"
window = "1m"
actions = ["close_position", "block_entries"]
rearm = "clear"
cooldown = "10m"

[[breakers]]
name = "rejections"
condition = "rejects"
strategy = "other"
limit = 32
window = "10s"
actions = ["alert"]
enabled = false

[[breakers]]
name = "drift"
condition = "reconciliation"
instrument = "BTC/USD"
limit = "0.0003"
actions = ["kill_switch"]
rearm = "next_day"

[[breakers]]
name = "silence"
condition = "stale_data"
limit = "30s"
actions = ["reduce_only"]
rearm = "cooldown"
cooldown = "1m"

[[breakers]]
name = "margin"
condition = "margin_ratio"
account = "futures"
limit = "0.8"
actions = ["cancel_orders", "close_everything"]

[[changes]]
at = "2018-01-02T12:00:00Z"
set = {"risk.daily_loss_max" = "0.01", "breakers.rejections.enabled" = true}

[[changes]]
at = "2018-01-02T18:00:00Z"
unset = ["risk.duplicate_window"]
[changes.set]
risk.trading_state = "active"
"strategies.ema.enabled" = false
"instruments.ES.order_quantity" = "3"
"""

_S = 10**9
_H = 3_600 * _S
_USD = 10**8

Words = dict[str, int]

BOOK: Words = {
    "gross_max_units": 50_000 * _USD,
    "net_max_units": 40_000 * _USD,
    "long_max_units": 30_000 * _USD,
    "short_max_units": 20_000 * _USD,
    "leverage_max_ppm": 3_000_000,
    "open_orders_max": 20,
    "open_positions_max": 5,
    "entries_per_day_max": 50,
    "order_rate": 10,
    "order_rate_window_ns": _S,
    "cancel_rate": 20,
    "cancel_rate_window_ns": 2 * _S,
    "duplicate_window_ns": 5 * _S,
    "day_offset_ns": 17 * _H,
    "sample_interval_ns": 60 * _S,
}
_ACCOUNT_DEFAULTS: Words = {
    "daily_loss_max_units": 500 * _USD,
    "daily_loss_max_ppm": 30_000,
    "drawdown_max_ppm": 200_000,
}
ACCOUNTS: list[Words] = [
    {
        **_ACCOUNT_DEFAULTS,
        "gross_max_units": 900 * _USD,
        "net_max_units": 800 * _USD,
        "long_max_units": 700 * _USD,
        "short_max_units": 600 * _USD,
        "leverage_max_ppm": 1_500_000,
        "daily_loss_max_ppm": 40_000,
        "risk_hysteresis_ppm": 100_000,
        "risk_hold_ns": _H,
        "transport_failures_max": 5,
        "transport_backoff_ns": _S,
        "transport_backoff_max_ns": 60 * _S,
    },
    {
        **_ACCOUNT_DEFAULTS,
        "funds_checked": 1,
        "transport_failures_max": 3,
        "transport_backoff_ns": 2 * _S,
    },
]
RISK_STEPS: list[list[Words]] = [
    [
        {"drawdown_ppm": 50_000, "losing_streak": 3, "volatility_ratio_ppm": 2_000_000, "scale_ppm": 500_000},
        {"drawdown_ppm": 100_000, "scale_ppm": 250_000},
        {"drawdown_ppm": 150_000, "losing_streak": 6, "volatility_ratio_ppm": 3_500_000},
    ],
    [{"losing_streak": 4, "scale_ppm": 500_000}],
]
_INSTRUMENT_DEFAULTS: Words = {
    "reference_age_max_ns": 30 * _S,
    "order_notional_max_units": 5_000 * _USD,
    "position_weight_max_ppm": 500_000,
    "loss_cooldown_ns": 300 * _S,
    "self_cross_refused": 1,
    "volatility_samples_min": 30,
    "variance_weight_ppm": 100_000,
    "slow_variance_weight_ppm": 10_000,
    "atr_samples": 20,
    "bracketed": 1,
}
INSTRUMENTS: list[Words] = [
    {
        **_INSTRUMENT_DEFAULTS,
        "collar_ppm": 20_000,
        "order_quantity_max_lots": 100_000,
        "position_max_lots": 200_000,
        "cooldown_ns": 60 * _S,
        "windows": 3,
        "zone_offset_ns": -5 * _H,
        "strength_min_ppm": 300_000,
        "entries_max": 2,
        "sizing_method": 3,
        "risk_ppm": 10_000,
        "stop_distance": 3,
        "stop_value": 20_000,
        "trail_distance": 4,
        "trail_value": 3_000_000,
        "trail_activation_ppm": 10_000,
        "trail_step_ticks": 10,
        "break_even_ppm": 15_000,
        "break_even_offset_ticks": 2,
        "time_limit_ns": 4 * _H,
        "leg_policy": 1,
        "leg_replacements_max": 5,
        "stop_optional": 1,
    },
    {
        **_INSTRUMENT_DEFAULTS,
        "blocked": 1,
        "collar_ppm": 10_000,
        "order_quantity_max_lots": 10,
        "position_max_lots": 20,
        "entries_per_day_max": 6,
        "cooldown_ns": 90 * _S,
        "windows": 2,
        "zone_offset_ns": -6 * _H,
        "signal_mode": 1,
        "strength_min_ppm": 200_000,
        "target_weight_ppm": 1_200_000,
        "band_ppm": 20_000,
        "trade_min_units": 100 * _USD,
        "sizing_method": 5,
        "kelly_fraction_ppm": 300_000,
        "kelly_win_ppm": 550_000,
        "kelly_payoff_ppm": 1_500_000,
        "stop_distance": 2,
        "stop_value": 40,
        "held_by_engine": 1,
    },
]
_LATE = {"days": 0b110_0000, "starts_ns": 22 * _H, "ends_ns": 24 * _H}
_EARLY = {"days": 0b100_0001, "ends_ns": 2 * _H + 30 * _S}
WINDOWS: list[list[Words]] = [
    [{"days": 0b001_0001, "starts_ns": 34_200 * _S, "ends_ns": 16 * _H}, _LATE, _EARLY],
    [{"days": 0b100_0000, "starts_ns": 17 * _H, "ends_ns": 24 * _H}, {"days": 1, "ends_ns": 16 * _H}],
]
TARGETS: list[list[Words]] = [
    [
        {"target_distance": 3, "target_value": 10_000, "target_share_ppm": 500_000},
        {"target_distance": 3, "target_value": 30_000, "target_share_ppm": 500_000},
    ],
    [{"target_distance": 4, "target_value": 2_500_000, "target_share_ppm": 1_000_000}],
]
STRATEGIES: list[Words] = [
    {
        "weight_ppm": 2_000_000,
        "confidence_min_ppm": 600_000,
        "loss_max_units": 250 * _USD,
        "executions_max": 32,
        "executions_window_ns": _H,
    },
    {},
]
PAIR: Words = {"weight_ppm": 500_000, "confidence_min_ppm": 700_000, "disabled": 1}
BREAKERS: list[Words] = [
    {
        "condition": Condition.PRICE_JUMP,
        "scope": Scope.INSTRUMENT,
        "actions": BreakerAction.CLOSE_POSITION | BreakerAction.BLOCK_ENTRIES,
        "limit": 50_000,
        "window_ns": 60 * _S,
        "rearm_rule": RearmRule.CLEAR,
        "cooldown_ns": 600 * _S,
        "enabled": 1,
    },
    {
        "condition": Condition.REJECTS,
        "scope": Scope.STRATEGY,
        "scope_id": 1,
        "actions": BreakerAction.ALERT,
        "limit": 32,
        "window_ns": 10 * _S,
    },
    {
        "condition": Condition.RECONCILIATION,
        "scope": Scope.INSTRUMENT,
        "actions": BreakerAction.KILL_SWITCH,
        "limit": 3,
        "rearm_rule": RearmRule.NEXT_DAY,
        "enabled": 1,
    },
    {
        "condition": Condition.STALE_DATA,
        "actions": BreakerAction.REDUCE_ONLY,
        "limit": 30 * _S,
        "rearm_rule": RearmRule.COOLDOWN,
        "cooldown_ns": 60 * _S,
        "enabled": 1,
    },
    {
        "condition": Condition.MARGIN_RATIO,
        "scope": Scope.ACCOUNT,
        "scope_id": 1,
        "actions": BreakerAction.CANCEL_ORDERS | BreakerAction.CLOSE_EVERYTHING,
        "limit": 800_000,
        "enabled": 1,
    },
]


def rules_of(row: Any, names: Any) -> Words:
    """The words of a row of rules that are not 0."""
    return {name: int(row[name]) for name in names if int(row[name])}
