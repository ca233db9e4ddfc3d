"""What breakers watch: of whom each condition is, which scopes it has, and its figure at this moment.

The conditions and figures are those of docs/risk/breakers.md. `UNKNOWN` is a figure that cannot be computed.
"""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, root
from engine.estimates import jump_ppm, ppm_of, ppm_towards, share_up, spread_ppm, volatility_samples_min
from engine.jit import inner_kernel
from engine.kinds import Condition, Scope

UNKNOWN = np.int64(-1)
# There is nothing to look at.
NO_FIGURE = np.int64(-2)
_ZERO = np.int64(0)
_ONE = np.int64(1)
_MONEY_MOST = np.int64(MONEY_MAX)

# Of whom a figure is: those of accounts first, those of instruments beside them.
OF_ACCOUNT = np.int64(1)
OF_POSITION = np.int64(2)
OF_INSTRUMENT = np.int64(3)
OF_EVENT = np.int64(4)


def bits(*conditions: Condition) -> np.int64:
    """A bit for each of these conditions."""
    return np.int64(sum(1 << condition for condition in conditions))


ON_EQUITY = bits(Condition.ACCOUNT_DRAWDOWN, Condition.DAILY_LOSS, Condition.WEEKLY_LOSS)
ON_PRICES = bits(Condition.POSITION_LOSS, Condition.VOLATILITY, Condition.PRICE_JUMP, Condition.SPREAD)
AT_ANY_TIME = ON_EQUITY | bits(
    Condition.POSITION_LOSS, Condition.LOSING_STREAK, Condition.EXPOSURE, Condition.MARGIN_RATIO
)
AT_A_FILL = AT_ANY_TIME | bits(Condition.FILL_SLIPPAGE)
ON_TIMER = (
    AT_ANY_TIME
    | bits(Condition.VOLATILITY, Condition.PRICE_JUMP, Condition.SPREAD, Condition.STALE_DATA)
    | bits(Condition.REJECTS, Condition.REQUEST_FAILURES)
)
_IN_WINDOW = bits(Condition.PRICE_JUMP, Condition.REJECTS, Condition.REQUEST_FAILURES)
_OF_INSTRUMENT = bits(Condition.VOLATILITY, Condition.PRICE_JUMP, Condition.SPREAD, Condition.STALE_DATA)
# What an event itself measured, of its account and instrument.
OF_THE_EVENT_ALONE = bits(
    Condition.REJECTS, Condition.REQUEST_FAILURES, Condition.FILL_SLIPPAGE, Condition.RECONCILIATION
)
_OF_EVENT = OF_THE_EVENT_ALONE | bits(Condition.CLOCK_SKEW)
# The conditions of each scope but everything, which has them all.
_OF_SCOPE_ACCOUNT = AT_ANY_TIME | bits(
    Condition.REJECTS, Condition.REQUEST_FAILURES, Condition.FILL_SLIPPAGE, Condition.RECONCILIATION
)
_OF_SCOPE_INSTRUMENT = _OF_INSTRUMENT | bits(
    Condition.POSITION_LOSS, Condition.LOSING_STREAK, Condition.FILL_SLIPPAGE, Condition.RECONCILIATION
)
_OF_SCOPE_STRATEGY = bits(
    Condition.DAILY_LOSS,
    Condition.WEEKLY_LOSS,
    Condition.LOSING_STREAK,
    Condition.REJECTS,
    Condition.FILL_SLIPPAGE,
)


@inner_kernel
def has(conditions: Any, condition: Any) -> Any:
    """Whether a condition is among those that have a bit."""
    return ((conditions >> condition) & _ONE) != 0


@inner_kernel
def subject_of(row: Any) -> Any:
    """Of whom the figures of a breaker are."""
    condition = row.condition
    if row.scope == Scope.STRATEGY or has(_OF_EVENT, condition):
        return OF_EVENT
    if condition == Condition.POSITION_LOSS:
        return OF_POSITION
    if condition == Condition.LOSING_STREAK and row.scope == Scope.INSTRUMENT:
        return OF_POSITION
    return OF_INSTRUMENT if has(_OF_INSTRUMENT, condition) else OF_ACCOUNT


@inner_kernel
def makes_sense(state: Any, row: Any) -> Any:
    """Whether a breaker's condition has its scope, the scope names something defined, and limit and window are set."""
    number = row.scope_id
    condition = row.condition
    if condition == 0 or row.limit == 0 or (row.window_ns == 0 and has(_IN_WINDOW, condition)):
        return False
    if row.scope == Scope.ACCOUNT:
        known = number < len(state.accounts) and state.accounts[number].defined != 0
        return known and has(_OF_SCOPE_ACCOUNT, condition)
    if row.scope == Scope.INSTRUMENT:
        known = number < len(state.instruments) and state.instruments[number].defined != 0
        return known and has(_OF_SCOPE_INSTRUMENT, condition)
    if row.scope == Scope.STRATEGY:
        known = number < len(state.strategies) and state.strategies[number].defined != 0
        return known and has(_OF_SCOPE_STRATEGY, condition)
    return True


@inner_kernel
def covers_account(row: Any, account_number: Any) -> Any:
    return row.scope == Scope.EVERYTHING or (row.scope == Scope.ACCOUNT and row.scope_id == account_number)


@inner_kernel
def covers_instrument(row: Any, instrument_number: Any) -> Any:
    return row.scope == Scope.EVERYTHING or (row.scope == Scope.INSTRUMENT and row.scope_id == instrument_number)


@inner_kernel
def covers_event(state: Any, row: Any) -> Any:
    """Whether what the present event is about is within the scope of a breaker."""
    number = state.look_account
    if row.scope == Scope.EVERYTHING:
        return True
    if row.scope == Scope.INSTRUMENT:
        number = state.look_instrument
    elif row.scope == Scope.STRATEGY:
        number = state.look_strategy
    return number < 0 or number == row.scope_id + 1


@inner_kernel
def account_figure(state: Any, row: Any, account_number: Any) -> Any:
    account = state.accounts[account_number]
    condition = row.condition
    equity = account.equity_units
    if condition == Condition.LOSING_STREAK:
        return account.losing_streak
    if equity <= 0:
        return UNKNOWN
    if condition == Condition.ACCOUNT_DRAWDOWN:
        return ppm_towards(account.guard_peak_units - equity, account.guard_peak_units, row.limit)
    if condition == Condition.DAILY_LOSS:
        return _loss_ppm(account.day_equity_units, equity, row.limit)
    if condition == Condition.WEEKLY_LOSS:
        return _loss_ppm(account.week_equity_units, equity, row.limit)
    if condition == Condition.EXPOSURE:
        return ppm_towards(account.long_units + account.short_units, equity, row.limit)
    return ppm_towards(_maintenance_units(state, account_number), equity, row.limit)


@inner_kernel
def _loss_ppm(before: Any, now: Any, limit_ppm: Any) -> Any:
    if before <= 0:
        return UNKNOWN
    return ppm_towards(before - now, before, limit_ppm) if now < before else _ZERO


@inner_kernel
def _maintenance_units(state: Any, account_number: Any) -> Any:
    """The maintenance margin of what an account holds, or 2**60 where it is more."""
    units = np.int64(0)
    defined = np.int64(0)
    number = np.int64(0)
    while defined < state.instruments_defined:
        instrument = state.instruments[number]
        defined += np.int64(instrument.defined != 0)
        worth = abs(state.positions[account_number, number].worth_units)
        if worth != 0:
            margin = share_up(worth, instrument.margin_maintenance_ppm)
            units = min(units + min(margin, _MONEY_MOST), _MONEY_MOST)
        number += 1
    return units


@inner_kernel
def position_figure(state: Any, row: Any, account_number: Any, instrument_number: Any) -> Any:
    position = state.positions[account_number, instrument_number]
    if row.condition == Condition.LOSING_STREAK:
        return max(-position.streak, _ZERO)
    if position.quantity_lots == 0:
        return _ZERO
    cost = abs(position.cost_units)
    if state.look_invalid != 0 or cost == 0:
        return UNKNOWN
    return ppm_towards(-position.unrealized_units, cost, row.limit) if position.unrealized_units < 0 else _ZERO


@inner_kernel
def instrument_figure(state: Any, row: Any, instrument_number: Any) -> Any:
    instrument = state.instruments[instrument_number]
    condition = row.condition
    if instrument.market_events == 0 or state.look_invalid != 0:
        return UNKNOWN
    if condition == Condition.STALE_DATA:
        return state.ts_ns - instrument.market_ts_ns
    if state.look_instrument < 0:
        # A timer asks whether there is a price at all.
        return NO_FIGURE
    if condition == Condition.SPREAD:
        return spread_ppm(instrument)
    if condition == Condition.PRICE_JUMP:
        return jump_ppm(instrument)
    if instrument.samples < volatility_samples_min(instrument):
        return NO_FIGURE
    return root(instrument.variance_ppb2) // 1000


@inner_kernel
def event_figure(state: Any, row: Any) -> Any:
    """The figure of a strategy, or of what the event itself measured."""
    condition = row.condition
    if condition == Condition.FILL_SLIPPAGE:
        return state.look_slippage_ppm
    if condition == Condition.CLOCK_SKEW:
        return state.look_skew_ns
    if condition == Condition.RECONCILIATION:
        position = state.positions[state.look_account - 1, state.look_instrument - 1]
        reported = min(max(position.reported_lots, -2 * _MONEY_MOST), 2 * _MONEY_MOST)
        return abs(reported - position.quantity_lots)
    if condition == Condition.REJECTS or condition == Condition.REQUEST_FAILURES:
        return _count_within(state, row)
    strategy = state.strategies[row.scope_id]
    if condition == Condition.LOSING_STREAK:
        return strategy.losing_streak
    daily = condition == Condition.DAILY_LOSS
    realized = strategy.day_realized_units if daily else strategy.week_realized_units
    base = np.int64(0)
    for number in range(len(state.accounts)):
        account = state.accounts[number]
        first = account.day_equity_units if daily else account.week_equity_units
        base = min(base + max(first, _ZERO), _MONEY_MOST)
    if base == 0:
        return UNKNOWN
    return ppm_of(-realized, base) if realized < 0 else _ZERO


@inner_kernel
def _count_within(state: Any, row: Any) -> Any:
    """How many of the times that a breaker remembers are less than its window ago."""
    count = np.int64(0)
    for place in range(len(row.ring_ts_ns)):
        ts_ns = row.ring_ts_ns[place]
        if ts_ns != 0 and state.ts_ns - ts_ns < row.window_ns:
            count += 1
    return count


@inner_kernel
def slippage_ppm(side: Any, price_ticks: Any, reference_ticks: Any) -> Any:
    """How much worse than the reference a fill is."""
    if reference_ticks <= 0:
        return UNKNOWN
    worse = side * (price_ticks - reference_ticks)
    return ppm_of(worse, reference_ticks) if worse > 0 else _ZERO
