"""Positions and accounts: average cost, realised and unrealised profit, fees, funding, equity, drawdown.

A position of q lots (negative: short) has the signed cost of what it holds; at a mark price it is worth
q * mark * tick_lot_units and has earned that worth less its cost. An account's equity is

    deposits + realised - fees + funding + unrealised

and the cash of a cash account is that without the unrealised part, less the cost of what it holds.
All amounts are exact; when a part of a position is closed, the cost that leaves with it is rounded towards
zero and the remainder leaves with the last lot, so that nothing is ever lost.
"""

from typing import Any

import numpy as np

from engine.arithmetic import ALMOST_ONE, MONEY_MAX, PPM, money_fits, mul_div, mul_div_up, product_fits, share
from engine.jit import inner_kernel
from engine.kinds import FundingBasis
from engine.reasons import Reason

PPB = np.int64(1_000_000_000)
DRAWDOWN_PPM_MAX = PPM * PPM


@inner_kernel
def set_fault(state: Any, reason: Any) -> None:
    """Stop the engine: nothing is placed any more. The first fault is the one that is kept."""
    if state.fault == 0:
        state.fault = np.int64(reason)
        state.fault_seq = state.seq


@inner_kernel
def _settle(state: Any, account: Any, account_number: Any) -> None:
    """Bring equity, its peaks and the drawdowns up to date, and say where something waits for what they came to."""
    equity = (
        account.deposits_units
        + account.realized_units
        - account.fees_units
        + account.funding_units
        + account.unrealized_units
    )
    if equity == account.equity_units:
        return
    if not money_fits(equity):
        set_fault(state, Reason.MONEY_OVERFLOW)
        return
    account.equity_units = equity
    if equity > account.guard_peak_units:
        account.guard_peak_units = equity
    if is_watched(account):
        attend_account(state, account_number)
    peak = account.peak_equity_units
    if equity >= peak:
        account.peak_equity_units = equity
        account.peak_ts_ns = state.ts_ns
        return
    account.max_drawdown_ns = max(account.max_drawdown_ns, state.ts_ns - account.peak_ts_ns)
    drawdown = peak - equity
    if drawdown > account.max_drawdown_units:
        account.max_drawdown_units = drawdown
    # An estimate with room to spare tells whether the exact division can lead to a larger whole number of ppm.
    next_ppm = np.float64(account.max_drawdown_ppm) + 1.0
    if peak > 0 and np.float64(drawdown) * PPM >= next_ppm * np.float64(peak) * ALMOST_ONE:
        _deepen_drawdown(account, drawdown, peak)


@inner_kernel
def is_watched(account: Any) -> Any:
    """Whether something waits for the equity or drawdown that an account has come to."""
    guarded = account.guard_peak_units - account.equity_units
    return (
        guarded >= account.watch_drawdown_units
        or account.equity_units <= account.watch_equity_units
        or guarded <= account.recover_drawdown_units
    )


@inner_kernel
def attend_account(state: Any, account_number: Any) -> None:
    """Have an account looked at before the step ends."""
    state.attention_accounts = state.attention_accounts | (np.int64(1) << account_number)


@inner_kernel
def _deepen_drawdown(account: Any, drawdown: Any, peak: Any) -> None:
    """Take over a drawdown relative to its peak where it is the largest so far.

    Relative to a peak of next to nothing it is a number without meaning: it is kept at DRAWDOWN_PPM_MAX.
    """
    if drawdown // peak >= DRAWDOWN_PPM_MAX // PPM:
        account.max_drawdown_ppm = DRAWDOWN_PPM_MAX
        return
    ppm = mul_div(drawdown, PPM, peak)
    if ppm > account.max_drawdown_ppm:
        account.max_drawdown_ppm = ppm


@inner_kernel
def mark_position(state: Any, account: Any, position: Any, instrument: Any, account_number: Any) -> None:
    """Value a position at what it could be closed for, and its account with it."""
    lots = position.quantity_lots
    mark = instrument.long_mark_ticks if lots > 0 else instrument.short_mark_ticks
    unit = instrument.tick_lot_units
    if not product_fits(lots, mark, unit):
        set_fault(state, Reason.MONEY_OVERFLOW)
        return
    worth = lots * mark * unit
    before = position.worth_units
    unrealized = worth - position.cost_units
    total = account.unrealized_units + unrealized - position.unrealized_units
    long_units = account.long_units + max(worth, 0) - max(before, 0)
    short_units = account.short_units + max(-worth, 0) - max(-before, 0)
    if not (money_fits(total) and long_units <= MONEY_MAX and short_units <= MONEY_MAX):
        set_fault(state, Reason.MONEY_OVERFLOW)
        return
    account.unrealized_units = total
    account.long_units = long_units
    account.short_units = short_units
    position.unrealized_units = unrealized
    position.worth_units = worth
    _settle(state, account, account_number)


@inner_kernel
def mark_holders(state: Any, instrument_number: Any) -> None:
    """Value every account's position in an instrument whose mark has moved."""
    instrument = state.instruments[instrument_number]
    holders = instrument.holders
    number = np.int64(0)
    while holders != 0:
        if holders & 1:
            position = state.positions[number, instrument_number]
            mark_position(state, state.accounts[number], position, instrument, number)
        holders = holders >> 1
        number += 1


@inner_kernel
def count_trade(row: Any, units: Any) -> None:
    """Count a finished trade that left `units` after fees and funding: of a position, account, strategy or pair.

    One that left nothing is lost. `streak` is the run of trades won, or below 0 of those lost.
    """
    row.trades += 1
    if units > 0:
        row.trades_won += 1
        row.profit_units += units
        row.streak = max(row.streak, 0) + 1
    else:
        row.loss_units -= units
        row.streak = min(row.streak, 0) - 1


@inner_kernel
def count_trade_of_many(row: Any, units: Any) -> None:
    """As `count_trade`, of an account or strategy: `losing_streak` is what a breaker's reset sets back to 0."""
    count_trade(row, units)
    row.losing_streak = 0 if units > 0 else row.losing_streak + 1


@inner_kernel
def _reduce(position: Any, closing_lots: Any, price_ticks: Any, unit: Any) -> Any:
    """Take `closing_lots` (> 0) out of a position at a price; returns the profit realised."""
    held = position.quantity_lots
    sign = 1 if held > 0 else -1
    if closing_lots == abs(held):
        cost = position.cost_units
    else:
        cost = share(position.cost_units, closing_lots, abs(held))
    position.cost_units -= cost
    position.quantity_lots -= sign * closing_lots
    return sign * closing_lots * price_ticks * unit - cost


@inner_kernel
def trade_position(position: Any, delta_lots: Any, price_ticks: Any, fee_units: Any, unit: Any, ts_ns: Any) -> Any:
    """Buy (delta > 0) or sell lots at a price: returns the profit realised, before fees.

    The caller has checked that the amounts fit. A fee is shared between the trip that a flip ends and
    the one that it starts, by quantity.
    """
    held = position.quantity_lots
    closing = np.int64(0)
    if held > 0 and delta_lots < 0:
        closing = min(held, -delta_lots)
    elif held < 0 and delta_lots > 0:
        closing = min(-held, delta_lots)
    realized = np.int64(0)
    fee_left = fee_units
    if closing > 0:
        realized = _reduce(position, closing, price_ticks, unit)
        fee_closing = share(fee_units, closing, abs(delta_lots))
        fee_left = fee_units - fee_closing
        position.realized_units += realized
        position.trade_units += realized - fee_closing
        if position.quantity_lots == 0:
            count_trade(position, position.trade_units)
            position.trade_units = 0
    opening = delta_lots + closing if delta_lots < 0 else delta_lots - closing
    if opening != 0:
        if position.quantity_lots == 0:
            position.opened_ts_ns = ts_ns
        position.quantity_lots += opening
        position.cost_units += opening * price_ticks * unit
        position.trade_units -= fee_left
    position.fees_units += fee_units
    return realized


@inner_kernel
def apply_fill(
    state: Any,
    account_number: Any,
    instrument_number: Any,
    side: Any,
    quantity_lots: Any,
    price_ticks: Any,
    fee: Any,
    fee_in_base: Any,
) -> None:
    """Book a fill that `fill_fits`. `fee` is in units of the account's currency, or lots of the base."""
    account = state.accounts[account_number]
    instrument = state.instruments[instrument_number]
    position = state.positions[account_number, instrument_number]
    unit = instrument.tick_lot_units
    delta_lots = side * quantity_lots
    fee_units = fee
    if fee_in_base:
        delta_lots -= fee
        fee_units = fee * price_ticks * unit
    cost_before = position.cost_units
    trades = position.trades
    gained_units = position.profit_units - position.loss_units
    realized = trade_position(position, delta_lots, price_ticks, fee_units, unit, state.ts_ns)
    if position.trades != trades:
        count_trade_of_many(account, position.profit_units - position.loss_units - gained_units)
        if account.watch_losing_streak != 0 and account.losing_streak >= account.watch_losing_streak:
            attend_account(state, account_number)
        if position.streak < 0:
            instrument.last_loss_ts_ns = state.ts_ns
    position.fills += 1
    if side > 0:
        position.bought_lots += quantity_lots
    else:
        position.sold_lots += quantity_lots
    account.cost_units += position.cost_units - cost_before
    account.realized_units += realized
    account.fees_units += fee_units
    if not (money_fits(account.cost_units) and money_fits(account.realized_units) and money_fits(account.fees_units)):
        set_fault(state, Reason.MONEY_OVERFLOW)
    bit = np.int64(1) << account_number
    instrument.holders = instrument.holders | bit if position.quantity_lots != 0 else instrument.holders & ~bit
    if instrument.mark_source == 0:
        instrument.long_mark_ticks = price_ticks
        instrument.short_mark_ticks = price_ticks
        if price_ticks <= instrument.watch_low_ticks or price_ticks >= instrument.watch_high_ticks:
            state.attention_instrument = instrument_number + 1
        mark_holders(state, instrument_number)
    mark_position(state, account, position, instrument, account_number)


@inner_kernel
def fill_fits(
    state: Any,
    account_number: Any,
    instrument_number: Any,
    quantity_lots: Any,
    price_ticks: Any,
    fee: Any,
    fee_in_base: Any,
) -> Any:
    """Whether booking a fill stays within int64: what it adds fits, and what it is added to has room for it.

    The largest sum, an account's equity, stays below 7.5 * 2**60 even where the fill takes it over the limit.
    """
    account = state.accounts[account_number]
    position = state.positions[account_number, instrument_number]
    if quantity_lots > MONEY_MAX or not money_fits(fee):
        return False
    lots = abs(position.quantity_lots) + quantity_lots + (abs(fee) if fee_in_base else 0)
    return (
        product_fits(lots, price_ticks, state.instruments[instrument_number].tick_lot_units)
        and abs(position.cost_units) <= MONEY_MAX // 2
        and money_fits(position.realized_units)
        and money_fits(position.fees_units)
        and money_fits(position.trade_units)
        and money_fits(position.profit_units)
        and money_fits(position.loss_units)
        and money_fits(position.bought_lots)
        and money_fits(position.sold_lots)
        and money_fits(account.cost_units)
        and money_fits(account.realized_units)
        and money_fits(account.fees_units)
        and money_fits(account.profit_units)
        and money_fits(account.loss_units)
    )


@inner_kernel
def move_cash(state: Any, account_number: Any, amount_units: Any) -> None:
    """A deposit, or a withdrawal where negative; neither is a profit: what gains are measured from moves along."""
    account = state.accounts[account_number]
    fits = (
        money_fits(amount_units)
        and money_fits(account.deposits_units + amount_units)
        and money_fits(account.peak_equity_units + amount_units)
        and money_fits(account.guard_peak_units + amount_units)
        and money_fits(account.day_equity_units + amount_units)
        and money_fits(account.week_equity_units + amount_units)
    )
    if not fits:
        set_fault(state, Reason.MONEY_OVERFLOW)
        return
    account.deposits_units += amount_units
    account.peak_equity_units += amount_units
    account.guard_peak_units += amount_units
    account.day_equity_units += amount_units
    account.week_equity_units += amount_units
    _settle(state, account, account_number)
    if amount_units != 0:
        attend_account(state, account_number)


@inner_kernel
def funding_payment(quantity_lots: Any, mark_ticks: Any, unit: Any, rate_ppb: Any) -> Any:
    """What a holder receives (negative: pays): -(quantity * mark * unit * rate), rounded against the holder.

    The rate is at most 1 (10**9 ppb) either way.
    """
    worth = abs(quantity_lots * mark_ticks * unit)
    pays = (quantity_lots > 0) == (rate_ppb > 0)
    return -mul_div_up(worth, abs(rate_ppb), PPB) if pays else mul_div(worth, abs(rate_ppb), PPB)


@inner_kernel
def _pay_funding(state: Any, account_number: Any, instrument_number: Any, amount_units: Any) -> None:
    account = state.accounts[account_number]
    position = state.positions[account_number, instrument_number]
    fits = (
        money_fits(amount_units)
        and money_fits(account.funding_units + amount_units)
        and money_fits(position.funding_units + amount_units)
        and money_fits(position.trade_units + amount_units)
    )
    if not fits:
        set_fault(state, Reason.MONEY_OVERFLOW)
        return
    position.funding_units += amount_units
    position.trade_units += amount_units
    account.funding_units += amount_units
    _settle(state, account, account_number)


@inner_kernel
def apply_funding(state: Any, funding: Any, instrument_number: Any) -> None:
    """Pay or collect funding: the stated amount to one account, or a rate on every position held.

    Without a stated mark price the worth is that at the middle of what positions are valued at, rounded down.
    """
    instrument = state.instruments[instrument_number]
    if funding.basis == FundingBasis.AMOUNT:
        _pay_funding(state, np.int64(funding.account), instrument_number, funding.amount_units)
        return
    if instrument.holders == 0 or funding.rate_ppb == 0:
        return
    mark = funding.mark_ticks
    if mark <= 0:
        mark = instrument.long_mark_ticks + (instrument.short_mark_ticks - instrument.long_mark_ticks) // 2
    assert mark > 0
    unit = instrument.tick_lot_units
    for number in range(len(state.accounts)):
        if (instrument.holders >> number) & 1:
            lots = state.positions[number, instrument_number].quantity_lots
            if not product_fits(lots, mark, unit):
                set_fault(state, Reason.MONEY_OVERFLOW)
                return
            _pay_funding(state, number, instrument_number, funding_payment(lots, mark, unit, funding.rate_ppb))
