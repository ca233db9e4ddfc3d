"""How large an entry is: what the method gives, cut by every limit that holds. The table is in docs/risk/sizing.md."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, PPM, mul_div, ppm_part, product_fits, root
from engine.brackets.opening import stop_distance_ticks
from engine.checks.entry import affordable_lots
from engine.checks.levels import scale_ppm
from engine.decisions import Stage, list_passed, next_command
from engine.estimates import volatility_samples_min
from engine.jit import inner_kernel, overlay
from engine.kinds import DecisionKind, SizeLimit, SizingMethod
from engine.reasons import Reason
from engine.records import SIZED

_NONE = np.int64(0)
_MONEY_LIMIT = np.int64(MONEY_MAX)
_TOO_MUCH = np.int64(-1)
_METHOD = np.int64(Stage.METHOD)
_CUT = np.int64(Stage.CUT)
_BOUNDS = np.int64(Stage.BOUNDS)

# Where a rule is not set.
_FRACTION_PPM = np.int64(50_000)
_KELLY_FRACTION_PPM = np.int64(500_000)
_KELLY_TRADES = np.int64(30)
# A reward of a thousand times the risk: also what it is where nothing was ever lost.
_PAYOFF_MAX_PPM = 1_000 * PPM
# A volatility is kept in parts of 10**9, and told in parts of 10**6.
_PPB_IN_PPM = np.int64(1_000)


@inner_kernel
def _or_default(value: Any, default: Any) -> Any:
    """A rule, or what stands for it where it is not set."""
    return np.int64(value) if value != 0 else default


@inner_kernel
def part_of(amount_units: Any, part: Any, whole: Any) -> Any:
    """amount * part // whole of an amount of money from 0, or -1 where that does not fit the ledger."""
    times = part // whole
    if times > 0 and amount_units > MONEY_MAX // times:
        return _TOO_MUCH
    found = mul_div(amount_units, part, whole)
    return found if found <= MONEY_MAX else _TOO_MUCH


@inner_kernel
def worth_fits(price_ticks: Any, tick_lot_units: Any) -> Any:
    """Whether one lot at a price, or a distance, is an amount that fits the ledger."""
    return price_ticks <= MONEY_MAX // tick_lot_units


@inner_kernel
def bounds_refusal(outbox: Any, instrument: Any, quantity_lots: Any, price_ticks: Any) -> Any:
    """(reason, limit, observed) where an order is not within the instrument's own bounds, or (NONE, 0, 0)."""
    if quantity_lots < instrument.quantity_min_lots:
        return np.int64(Reason.QUANTITY_BELOW_MINIMUM), np.int64(instrument.quantity_min_lots), quantity_lots
    list_passed(outbox, _BOUNDS, np.int64(Reason.QUANTITY_BELOW_MINIMUM), instrument.quantity_min_lots, quantity_lots)
    if instrument.quantity_max_lots > 0 and quantity_lots > instrument.quantity_max_lots:
        return np.int64(Reason.QUANTITY_ABOVE_MAXIMUM), np.int64(instrument.quantity_max_lots), quantity_lots
    if instrument.quantity_max_lots > 0:
        most_lots = instrument.quantity_max_lots
        list_passed(outbox, _BOUNDS, np.int64(Reason.QUANTITY_ABOVE_MAXIMUM), most_lots, quantity_lots)
    if not product_fits(quantity_lots, price_ticks, instrument.tick_lot_units):
        return np.int64(Reason.MONEY_OVERFLOW), _NONE, quantity_lots
    notional_units = quantity_lots * price_ticks * instrument.tick_lot_units
    if notional_units < instrument.notional_min_units:
        return np.int64(Reason.NOTIONAL_BELOW_MINIMUM), np.int64(instrument.notional_min_units), notional_units
    least_units = instrument.notional_min_units
    list_passed(outbox, _BOUNDS, np.int64(Reason.NOTIONAL_BELOW_MINIMUM), least_units, notional_units)
    return np.int64(Reason.NONE), _NONE, _NONE


@inner_kernel
def wanted_lots(state: Any, outbox: Any, told: Any, instrument_number: Any, side: Any, price_ticks: Any) -> Any:
    """(reason, limit, observed, lots): what the instrument's method gives, or why it gives nothing."""
    instrument = state.instruments[instrument_number]
    rules = instrument.rules
    method = np.int64(rules.sizing_method)
    if method == SizingMethod.FIXED_QUANTITY:
        if instrument.order_quantity_lots <= 0:
            return np.int64(Reason.ORDER_QUANTITY_UNSET), _NONE, method, _NONE
        return np.int64(Reason.NONE), _NONE, _NONE, np.int64(instrument.order_quantity_lots)
    price = price_ticks
    amount_units = np.int64(rules.amount_units)
    if method == SizingMethod.FIXED_AMOUNT:
        if amount_units <= 0:
            return np.int64(Reason.SIZING_VALUE_UNSET), _NONE, method, _NONE
    else:
        reason, limit, observed, part, whole = _share_of_equity(state, told, instrument, method)
        if reason == Reason.NONE and method == SizingMethod.RISK_BASED:
            price = np.int64(stop_distance_ticks(state, told, instrument_number, side, price_ticks))
            if price <= 0:
                reason = np.int64(Reason.STOP_MISSING)
        if reason != Reason.NONE:
            return reason, limit, observed, _NONE
        equity_units = np.int64(state.accounts[instrument.account].equity_units)
        if equity_units <= 0:
            return np.int64(Reason.EQUITY_NOT_POSITIVE), _NONE, equity_units, _NONE
        amount_units = part_of(equity_units, part, whole)
    if amount_units < 0 or not worth_fits(price, instrument.tick_lot_units):
        return np.int64(Reason.MONEY_OVERFLOW), _MONEY_LIMIT, _NONE, _NONE
    list_passed(outbox, _METHOD, method, amount_units, price)
    return np.int64(Reason.NONE), _NONE, _NONE, amount_units // (price * instrument.tick_lot_units)


@inner_kernel
def _share_of_equity(state: Any, told: Any, instrument: Any, method: Any) -> Any:
    """(reason, limit, observed, part, whole): the part of the equity that a method spends, or risks."""
    rules = instrument.rules
    part = np.int64(0)
    whole = PPM
    if method == SizingMethod.FIXED_FRACTION:
        part = _or_default(rules.fraction_ppm, _FRACTION_PPM)
    elif method == SizingMethod.RISK_BASED:
        part = np.int64(rules.risk_ppm)
    elif method == SizingMethod.VOLATILITY_BASED:
        part = np.int64(rules.volatility_target_ppm)
        whole = root(instrument.variance_ppb2) // _PPB_IN_PPM
    else:
        reason, limit, observed, part = _kelly_ppm(state.strategies[np.int64(told.source)], rules)
        return reason, limit, observed, part, whole
    if part == 0:
        return np.int64(Reason.SIZING_VALUE_UNSET), _NONE, method, part, whole
    if method == SizingMethod.VOLATILITY_BASED:
        needed = volatility_samples_min(instrument)
        if whole == 0 or instrument.samples < needed:
            return np.int64(Reason.NO_VOLATILITY), needed, np.int64(instrument.samples), part, whole
    return np.int64(Reason.NONE), _NONE, _NONE, part, whole


@inner_kernel
def _kelly_ppm(strategy: Any, rules: Any) -> Any:
    """(reason, limit, observed, part in ppm) by p - (1 - p) / b, Kelly (1956), times the fraction used of it."""
    win_ppm = np.int64(rules.kelly_win_ppm)
    payoff_ppm = np.int64(rules.kelly_payoff_ppm)
    if win_ppm == 0:
        needed = _or_default(rules.kelly_trades_min, _KELLY_TRADES)
        trades = np.int64(strategy.trades)
        if trades < needed:
            return np.int64(Reason.KELLY_TRADES_TOO_FEW), needed, trades, _NONE
        win_ppm = PPM * strategy.trades_won // trades
        payoff_ppm = _own_payoff_ppm(strategy)
    if win_ppm == 0 or payoff_ppm == 0:
        return np.int64(Reason.KELLY_NOT_POSITIVE), _NONE, _NONE, _NONE
    whole_ppm = win_ppm - (PPM - win_ppm) * PPM // payoff_ppm
    part_ppm = whole_ppm * _or_default(rules.kelly_fraction_ppm, _KELLY_FRACTION_PPM) // PPM
    if part_ppm <= 0:
        return np.int64(Reason.KELLY_NOT_POSITIVE), _NONE, part_ppm, _NONE
    return np.int64(Reason.NONE), _NONE, _NONE, part_ppm


@inner_kernel
def _own_payoff_ppm(strategy: Any) -> Any:
    """The mean profit of a strategy's trades that won over the mean loss of the others."""
    won = np.int64(strategy.trades_won)
    lost = np.int64(strategy.trades) - won
    profit_units = strategy.profit_units // won if won > 0 else np.int64(0)
    loss_units = strategy.loss_units // lost if lost > 0 else np.int64(0)
    if profit_units <= 0:
        return np.int64(0)
    if loss_units <= 0 or profit_units // loss_units >= _PAYOFF_MAX_PPM // PPM:
        return _PAYOFF_MAX_PPM
    return mul_div(profit_units, PPM, loss_units)


@inner_kernel
def _at_most(outbox: Any, lots: Any, size_limit: Any, allowed_lots: Any, this_limit: Any) -> Any:
    """(lots, size_limit) after one more cut: the last one that took something away is the one that binds."""
    allowed = max(allowed_lots, _NONE)
    list_passed(outbox, _CUT, this_limit, allowed, lots)
    if allowed >= lots:
        return lots, size_limit
    return allowed, this_limit


@inner_kernel
def _scaled(limit: Any, scale: Any) -> Any:
    return ppm_part(np.int64(limit), scale)


@inner_kernel
def cut_lots(
    state: Any,
    outbox: Any,
    instrument_number: Any,
    side: Any,
    price_ticks: Any,
    lots: Any,
    held_lots: Any,
    closing_lots: Any,
) -> Any:
    """(reason, limit, observed, lots, size_limit): a size cut by every rule of sizes but whole steps.

    `held_lots` are under way in the direction of `side`; `closing_lots` of the position in the other one are taken
    as gone. Rules are scaled by the risk level.
    """
    instrument = state.instruments[instrument_number]
    rules = instrument.rules
    account = state.accounts[instrument.account]
    scale = np.int64(scale_ppm(state, instrument_number))
    reason = np.int64(Reason.NONE)
    size_limit = np.int64(SizeLimit.NONE)
    by_worth = rules.position_weight_max_ppm > 0 or rules.order_notional_max_units > 0
    if by_worth and not worth_fits(price_ticks, instrument.tick_lot_units):
        return np.int64(Reason.MONEY_OVERFLOW), _MONEY_LIMIT, _NONE, lots, size_limit
    if rules.position_weight_max_ppm > 0:
        equity_units = np.int64(account.equity_units)
        if equity_units <= 0:
            return np.int64(Reason.EQUITY_NOT_POSITIVE), _NONE, equity_units, lots, size_limit
        worth_units = part_of(equity_units, _scaled(rules.position_weight_max_ppm, scale), PPM)
        # A worth beyond the ledger is no limit to what is within it.
        if worth_units >= 0:
            allowed = worth_units // (price_ticks * instrument.tick_lot_units) - held_lots
            lots, size_limit = _at_most(outbox, lots, size_limit, allowed, np.int64(SizeLimit.POSITION_WEIGHT))
    if rules.position_max_lots > 0:
        allowed = _scaled(rules.position_max_lots, scale) - held_lots
        lots, size_limit = _at_most(outbox, lots, size_limit, allowed, np.int64(SizeLimit.POSITION_QUANTITY))
    if rules.order_quantity_max_lots > 0:
        allowed = _scaled(rules.order_quantity_max_lots, scale)
        lots, size_limit = _at_most(outbox, lots, size_limit, allowed, np.int64(SizeLimit.ORDER_QUANTITY))
    if instrument.quantity_max_lots > 0:
        allowed = np.int64(instrument.quantity_max_lots)
        lots, size_limit = _at_most(outbox, lots, size_limit, allowed, np.int64(SizeLimit.ORDER_QUANTITY))
    if rules.order_notional_max_units > 0:
        worth_units = _scaled(rules.order_notional_max_units, scale)
        allowed = worth_units // (price_ticks * instrument.tick_lot_units)
        lots, size_limit = _at_most(outbox, lots, size_limit, allowed, np.int64(SizeLimit.ORDER_NOTIONAL))
    if account.rules.funds_checked != 0:
        allowed = np.int64(affordable_lots(state, instrument_number, side, price_ticks, closing_lots, lots))
        lots, size_limit = _at_most(outbox, lots, size_limit, allowed, np.int64(SizeLimit.FUNDS))
    return reason, _NONE, _NONE, lots, size_limit


@inner_kernel
def record_size(
    state: Any, told: Any, outbox: Any, method: Any, wanted: Any, quantity_lots: Any, size_limit: Any, price_ticks: Any
) -> None:
    """Say how large an entry is, what was wanted, and what bound it."""
    number = np.int64(told.instrument)
    account_number = state.instruments[number].account
    sized = overlay(next_command(state, outbox, np.int64(DecisionKind.ORDER_SIZED)), SIZED)
    sized.instrument = told.instrument
    sized.account = np.uint8(account_number)
    sized.strategy = np.uint8(told.source)
    sized.sizing_method = method
    sized.wanted_lots = wanted
    sized.quantity_lots = quantity_lots
    sized.size_limit = size_limit
    sized.equity_units = state.accounts[account_number].equity_units
    sized.reference_ticks = price_ticks
