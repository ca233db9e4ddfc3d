"""Exposure of an account and of all together, in the worst case: as if everything on one side were filled."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, money_fits
from engine.checks.amounts import (
    BEYOND_UNITS,
    ONE,
    PASSED,
    ZERO,
    allowed_part,
    held_lots,
    lots_towards,
    lots_worth,
    overflow,
    passes,
    worth_towards,
)
from engine.jit import inner_kernel
from engine.reasons import Reason

_EVERY_ACCOUNT = np.int64((1 << 62) - 1)
_BUY = np.int64(1)
_SELL = np.int64(-1)
_ACCOUNT = np.int64(Reason.ACCOUNT_GROSS_MAX)
_TOTAL = np.int64(Reason.TOTAL_GROSS_MAX)


@inner_kernel
def worst_case(instrument: Any, position: Any, closing_lots: Any, side: Any, order_units: Any) -> Any:
    """(long, short) worth of a position with everything on one side filled, and an order of `order_units` with it.

    Either is BEYOND_UNITS where it does not fit.
    """
    long = worth_towards(instrument, _BUY, lots_towards(position, _BUY, closing_lots))
    short = worth_towards(instrument, _SELL, lots_towards(position, _SELL, closing_lots))
    if side > 0:
        long = long + order_units
    else:
        short = short + order_units
    return min(BEYOND_UNITS, max(ZERO, long)), min(BEYOND_UNITS, max(ZERO, short))


@inner_kernel
def _exposures(state: Any, accounts: Any, number_ordered: Any, side: Any, order_units: Any, closing_lots: Any) -> Any:
    """(gross, net, long, short) over the accounts that are bits of `accounts`; gross BEYOND_UNITS: they do not fit."""
    gross = np.int64(0)
    net = np.int64(0)
    long = np.int64(0)
    short = np.int64(0)
    defined = np.int64(0)
    number = np.int64(0)
    while defined < state.instruments_defined and gross <= MONEY_MAX:
        instrument = state.instruments[number]
        if instrument.defined != 0:
            defined += 1
            left = (instrument.holders | (ONE << instrument.account)) & accounts
            account_number = np.int64(0)
            while left != 0 and gross <= MONEY_MAX:
                if left & 1:
                    position = state.positions[account_number, number]
                    ordered = number == number_ordered and account_number == instrument.account
                    added = order_units if ordered else ZERO
                    closing = closing_lots if ordered else ZERO
                    longest, shortest = worst_case(instrument, position, closing, side, added)
                    gross += max(longest, shortest)
                    long += longest
                    short += shortest
                    net += worth_towards(instrument, _BUY, held_lots(position, closing)) + side * added
                left = left >> 1
                account_number += 1
        number += 1
    return min(BEYOND_UNITS, gross), abs(net), long, short


@inner_kernel
def _check_limit(outbox: Any, reason: Any, limit_units: Any, observed_units: Any) -> Any:
    """One limit of an exposure, where it is set."""
    if limit_units != 0:
        if observed_units > limit_units:
            return reason, limit_units, observed_units
        passes(outbox, reason, limit_units, observed_units)
    return PASSED


@inner_kernel
def _check_rules(
    outbox: Any, rules: Any, first_reason: Any, gross: Any, net: Any, long: Any, short: Any, equity: Any
) -> Any:
    """The five rules of an account or of all, in their order."""
    refusal = _check_limit(outbox, first_reason, rules.gross_max_units, gross)
    if refusal[0] == 0:
        refusal = _check_limit(outbox, first_reason + 1, rules.net_max_units, net)
    if refusal[0] == 0:
        refusal = _check_limit(outbox, first_reason + 2, rules.long_max_units, long)
    if refusal[0] == 0:
        refusal = _check_limit(outbox, first_reason + 3, rules.short_max_units, short)
    if refusal[0] != 0 or rules.leverage_max_ppm == 0:
        return refusal
    allowed = allowed_part(equity, rules.leverage_max_ppm)
    if equity <= 0 or gross > allowed:
        return first_reason + 4, allowed, gross
    passes(outbox, first_reason + 4, allowed, gross)
    return PASSED


@inner_kernel
def _has_rules(rules: Any) -> Any:
    units = rules.gross_max_units | rules.net_max_units | rules.long_max_units | rules.short_max_units
    return (units | rules.leverage_max_ppm) != 0


@inner_kernel
def _total_equity(state: Any) -> Any:
    """The equity of all accounts, or BEYOND_UNITS."""
    equity = np.int64(0)
    for number in range(len(state.accounts)):
        equity += state.accounts[number].equity_units
        if not money_fits(equity):
            return BEYOND_UNITS
    return equity


@inner_kernel
def check_exposure(
    state: Any, outbox: Any, instrument_number: Any, side: Any, quantity_lots: Any, price_ticks: Any, closing_lots: Any
) -> Any:
    """Checks 17 to 19."""
    instrument = state.instruments[instrument_number]
    account = state.accounts[instrument.account]
    of_account = _has_rules(account.rules)
    of_all = _has_rules(state.rules)
    if not (of_account or of_all):
        return PASSED
    order_units = lots_worth(quantity_lots, price_ticks, instrument.tick_lot_units)
    if order_units > MONEY_MAX:
        return overflow(quantity_lots)
    if of_account:
        accounts = ONE << instrument.account
        gross, net, long, short = _exposures(state, accounts, instrument_number, side, order_units, closing_lots)
        if gross > MONEY_MAX:
            return overflow(quantity_lots)
        refusal = _check_rules(outbox, account.rules, _ACCOUNT, gross, net, long, short, account.equity_units)
        if refusal[0] != 0:
            return refusal
    if of_all:
        equity = _total_equity(state)
        gross, net, long, short = _exposures(state, _EVERY_ACCOUNT, instrument_number, side, order_units, closing_lots)
        if gross > MONEY_MAX or equity > MONEY_MAX:
            return overflow(quantity_lots)
        return _check_rules(outbox, state.rules, _TOTAL, gross, net, long, short, equity)
    return PASSED
