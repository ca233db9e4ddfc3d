"""The exchange's own books: balances, positions at average cost, and what open orders keep reserved.

    balance = what it started with + realised - fees + funding
    cash    = balance - cost of what is held                       (cash accounts)
    equity  = balance + worth of what is held at the mark - cost   (margin accounts)

All exact, in units of the account's currency. The cost that leaves with a part of a position is rounded
towards zero. Fees and margins are rounded up, so always against us.
"""

from typing import Any

import numpy as np

from adapters.simulated.state import NEVER
from engine.arithmetic import MONEY_MAX, money_fits, mul_div, mul_div_up, product_fits, share
from engine.jit import inner_kernel
from engine.kinds import AccountKind, FundingBasis, OrderFlag
from engine.portfolio import funding_payment
from engine.reasons import Reason

PPM = np.int64(1_000_000)  # not an int: see adapters.simulated.state


@inner_kernel
def fee_of(amount: Any, fee_ppm: Any) -> Any:
    """The fee on an amount, rounded up; a rebate where the rate is below zero."""
    return mul_div_up(amount, fee_ppm, PPM) if fee_ppm >= 0 else -mul_div(amount, -fee_ppm, PPM)


@inner_kernel
def _cost_with_fee(row: Any, ticks: Any, lots: Any, fee_ppm: Any) -> Any:
    """The money that buying takes at most; the caller has checked that the product fits."""
    cost = ticks * lots * row.tick_lot_units
    return cost if row.fee_in_base != 0 or fee_ppm <= 0 else cost + mul_div_up(cost, fee_ppm, PPM)


@inner_kernel
def hold(ex: Any, order: Any) -> None:
    """Reserve for what is left of an order: lots of its side, and the money of a cash account's buy."""
    if order.order_flags & OrderFlag.REDUCE_ONLY:
        return
    row = ex.instruments[order.instrument]
    position = ex.positions[order.instrument]
    left = order.quantity_lots - order.filled_lots
    if order.side < 0:
        position.open_sell_lots += left
        return
    position.open_buy_lots += left
    account = ex.accounts[row.account]
    if account.account_kind == AccountKind.CASH:
        fee_ppm = max(row.maker_fee_ppm, row.taker_fee_ppm)
        order.reserved_units = _cost_with_fee(row, order.reserve_ticks, left, fee_ppm)
        account.reserved_units += order.reserved_units


@inner_kernel
def release(ex: Any, order: Any) -> None:
    """Undo `hold`; the order's quantities must still be what they were then."""
    if order.order_flags & OrderFlag.REDUCE_ONLY:
        return
    position = ex.positions[order.instrument]
    left = order.quantity_lots - order.filled_lots
    if order.side < 0:
        position.open_sell_lots -= left
        return
    position.open_buy_lots -= left
    ex.accounts[ex.instruments[order.instrument].account].reserved_units -= order.reserved_units
    order.reserved_units = 0


@inner_kernel
def lacks_funds(ex: Any, order: Any) -> Any:
    """The reason why an account cannot bear an order that is not held yet, 0 where it can."""
    if order.order_flags & OrderFlag.REDUCE_ONLY:
        return np.int64(Reason.NONE)
    row = ex.instruments[order.instrument]
    account = ex.accounts[row.account]
    position = ex.positions[order.instrument]
    left = order.quantity_lots - order.filled_lots
    if max(position.open_buy_lots, position.open_sell_lots) > MONEY_MAX - left:
        return np.int64(Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM)
    if account.account_kind == AccountKind.CASH:
        if order.side < 0:
            enough = position.quantity_lots - position.open_sell_lots >= left
        else:
            need = _cost_with_fee(row, order.reserve_ticks, left, max(row.maker_fee_ppm, row.taker_fee_ppm))
            enough = account.balance_units - account.cost_units - account.reserved_units >= need
        return np.int64(Reason.NONE) if enough else np.int64(Reason.EXCHANGE_BALANCE_INSUFFICIENT)
    if _margin_suffices(ex, row, order, left):
        return np.int64(Reason.NONE)
    return np.int64(Reason.EXCHANGE_MARGIN_INSUFFICIENT)


@inner_kernel
def mark_of(row: Any) -> Any:
    """The exchange's mark price where it states one, else the middle of the book (rounded down), 0 without any."""
    return row.mark_ticks if row.mark_ticks > 0 else (row.touch_ticks[0] + row.touch_ticks[1]) // 2


@inner_kernel
def _margin(row: Any, position: Any, buy_lots: Any, sell_lots: Any, ticks: Any) -> Any:
    """Initial margin of a position and its open orders, whichever side fills, with so many lots added to each."""
    held = position.quantity_lots
    longest = abs(held + position.open_buy_lots + buy_lots)
    shortest = abs(held - position.open_sell_lots - sell_lots)
    lots = max(longest, shortest)
    if not product_fits(lots, ticks, row.tick_lot_units):
        return NEVER
    return mul_div_up(lots * ticks * row.tick_lot_units, row.margin_initial_ppm, PPM)


@inner_kernel
def _margin_suffices(ex: Any, row: Any, order: Any, left: Any) -> Any:
    """Whether equity covers the margin of everything held and open; what demands no more margin always may."""
    ticks = max(mark_of(row), order.reserve_ticks)
    position = ex.positions[order.instrument]
    buys = left if order.side > 0 else np.int64(0)
    after = _margin(row, position, buys, left - buys, ticks)
    if after > MONEY_MAX:
        return False
    if after <= _margin(row, position, np.int64(0), np.int64(0), ticks):
        return True
    account = ex.accounts[row.account]
    fee = fee_of(order.reserve_ticks * left * row.tick_lot_units, max(row.taker_fee_ppm, 0))
    room = account.balance_units - after - fee
    for number in range(ex.instruments_defined):
        other = ex.instruments[number]
        holding = ex.positions[number]
        if other.account != row.account:
            continue
        mark = mark_of(other)
        if not product_fits(holding.quantity_lots, mark, other.tick_lot_units):
            return False
        room += holding.quantity_lots * mark * other.tick_lot_units - holding.cost_units
        if number != order.instrument:
            needed = _margin(other, holding, np.int64(0), np.int64(0), mark)
            if needed > MONEY_MAX:
                return False
            room -= needed
        if not money_fits(room // 4):
            return False
    return room >= 0


@inner_kernel
def cannot_book(ex: Any, order: Any, price_ticks: Any, quantity_lots: Any, fee_ppm: Any) -> Any:
    """The reason why a fill cannot be booked, 0 where it can: amounts out of range, or more than there is cash."""
    row = ex.instruments[order.instrument]
    position = ex.positions[order.instrument]
    account = ex.accounts[row.account]
    lots = abs(position.quantity_lots) + 2 * quantity_lots
    fits = (
        product_fits(lots, price_ticks, row.tick_lot_units)
        and money_fits(account.balance_units)
        and money_fits(account.cost_units)
        and money_fits(2 * position.cost_units)
    )
    if not fits:
        return np.int64(Reason.EXCHANGE_OTHER)
    if order.side > 0 and account.account_kind == AccountKind.CASH:
        free = account.balance_units - account.cost_units - account.reserved_units + order.reserved_units
        if free < _cost_with_fee(row, price_ticks, quantity_lots, fee_ppm):
            return np.int64(Reason.EXCHANGE_BALANCE_INSUFFICIENT)
    return np.int64(Reason.NONE)


@inner_kernel
def book_fill(ex: Any, order: Any, price_ticks: Any, quantity_lots: Any, fee_ppm: Any) -> Any:
    """Book a fill that `cannot_book` let pass; returns its fee, in lots where it is taken in the base.

    What it trades against the position closes that at its average cost, the rest is new.
    """
    row = ex.instruments[order.instrument]
    account = ex.accounts[row.account]
    position = ex.positions[order.instrument]
    lot_units = price_ticks * row.tick_lot_units
    delta = order.side * quantity_lots
    if order.side > 0 and row.fee_in_base != 0:
        fee = fee_of(quantity_lots, fee_ppm)
        delta -= fee
        account.balance_units -= fee * lot_units
    else:
        fee = fee_of(quantity_lots * lot_units, fee_ppm)
        account.balance_units -= fee
    held = position.quantity_lots
    closing = np.int64(0)
    if held > 0 and delta < 0:
        closing = max(-held, delta)
    elif held < 0 and delta > 0:
        closing = min(-held, delta)
    cost = np.int64(0)
    if closing != 0:
        cost = position.cost_units
        if closing != -held:
            cost = share(cost, abs(closing), abs(held))
        account.balance_units += -closing * lot_units - cost
    cost_added = (delta - closing) * lot_units - cost
    account.cost_units += cost_added
    position.cost_units += cost_added
    position.quantity_lots += delta
    return fee


@inner_kernel
def apply_funding(ex: Any, funding: Any, number: Any) -> None:
    """Pay or collect funding: a stated amount, or a rate on the worth of what is held at the mark."""
    row = ex.instruments[number]
    account = ex.accounts[row.account]
    position = ex.positions[number]
    amount = np.int64(0)
    if funding.basis == FundingBasis.AMOUNT:
        amount = funding.amount_units
    else:
        mark = funding.mark_ticks if funding.mark_ticks > 0 else mark_of(row)
        if position.quantity_lots == 0 or not product_fits(position.quantity_lots, mark, row.tick_lot_units):
            return
        amount = funding_payment(position.quantity_lots, mark, row.tick_lot_units, funding.rate_ppb)
    if money_fits(amount) and money_fits(account.balance_units):
        account.balance_units += amount
