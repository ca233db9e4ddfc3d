"""What the benchmarks switch on beside the plain workloads: brackets, or every rule there is.

Every limit is far enough not to refuse anything, so that the same orders are made and only the looking is measured.
"""

# Stop and targets as the other engines are measured with.
BRACKETS = """
[bracket]
stop = "0.5%"
targets = [{ at = "1%" }]
"""

_BREAKERS = {
    "account_drawdown": "0.9",
    "position_loss": "0.9",
    "daily_loss": "0.9",
    "weekly_loss": "0.9",
    "losing_streak": "1000000",
    "volatility": "0.9",
    "price_jump": "0.9",
    "spread": "0.9",
    "stale_data": "1d",
    "exposure": "100",
    "margin_ratio": "100",
    "rejects": "32",
    "request_failures": "32",
    "fill_slippage": "0.9",
    "clock_skew": "1d",
    "reconciliation": "1000000",
}
_WINDOWED = ("price_jump", "rejects", "request_failures")
_COUNTED = ("losing_streak", "rejects", "request_failures")


def _breaker(condition: str) -> str:
    limit = _BREAKERS[condition]
    text = f'[[breakers]]\nname = "{condition}"\ncondition = "{condition}"\nactions = ["close_position"]\n'
    text += f"limit = {limit}\n" if condition in _COUNTED else f'limit = "{limit}"\n'
    return text + ('window = "1m"\n' if condition in _WINDOWED else "")


# Keys of the strategy's own table.
STRATEGY_RULES = """
loss_max = "9000000"
executions_max = 32
executions_window = "1ns"
"""

RULES = """
[accounts.risk]
gross_max = "900000000"
net_max = "900000000"
long_max = "900000000"
short_max = "900000000"
leverage_max = "100"
daily_loss_max = "0.9"
daily_loss_max_amount = "9000000"
drawdown_max = "0.9"

[instruments.risk]
entries_per_day_max = 1000000

[risk]
gross_max = "900000000"
net_max = "900000000"
long_max = "900000000"
short_max = "900000000"
leverage_max = "100"
open_orders_max = 1000
open_positions_max = 10
entries_per_day_max = 1000000
order_rate = "1000000/1s"
cancel_rate = "1000000/1s"
duplicate_window = "1ms"
sample_interval = "1m"
allow = ["BTC/USDT:USDT"]
collar = "0.5"
reference_age_max = "1h"
order_quantity_max = "1000"
order_notional_max = "900000000"
position_max = "1000"
position_weight_max = "10"
cooldown = "1ns"
loss_cooldown = "1ns"
self_cross = "refuse"
check_funds = true

[[risk.windows]]
from = "00:00"
to = "24:00"

[risk.levels]
hysteresis = "0.1"

[[risk.levels.steps]]
drawdown = "0.5"
losing_streak = 1000000
volatility_ratio = "100"
scale = "0.5"

[transport]
failures_max = 5
backoff = "1s"
""" + "".join(_breaker(condition) for condition in _BREAKERS)

_MANY_BRACKETS = """
[signals]
entries_max = 100000
"""

ADDED = {"none": "", "brackets": BRACKETS, "all": RULES, "many_brackets": _MANY_BRACKETS}
