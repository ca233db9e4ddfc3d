"""Positions that follow a target share of the equity: reduced at once, increased when nothing is being reduced."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, PPM, ppm_part, product_fits
from engine.checks.entry import check_entry, note_entry
from engine.decisions import refuse
from engine.intents.entries import price_of, room_is_refused, under_way_lots
from engine.intents.sizing import bounds_refusal, part_of, worth_fits
from engine.jit import inner_kernel
from engine.kinds import Action, OrderFlag, OrderRole, OrderType, SignalMode, TradingState
from engine.orders import has_free_slot, open_lots_fit
from engine.placing import place_order
from engine.reasons import Reason

_NONE = np.int64(0)
_BUY = np.int64(1)
_SELL = np.int64(-1)
_NOBODY = np.int64(-1)
_MONEY_LIMIT = np.int64(MONEY_MAX)


@inner_kernel
def follow(state: Any, told: Any, outbox: Any, strength_ppm: Any) -> None:
    """Keep the target that a combined signal names, and rebalance its account."""
    number = np.int64(told.instrument)
    instrument = state.instruments[number]
    share_ppm = np.int64(0)
    if told.action != Action.CLOSE:
        if instrument.rules.target_weight_ppm == 0:
            method = np.int64(instrument.rules.sizing_method)
            refuse(state, outbox, told, np.int64(Reason.SIZING_VALUE_UNSET), _NONE, method)
            return
        share_ppm = strength_ppm * instrument.rules.target_weight_ppm // PPM
        if told.action == Action.SELL:
            share_ppm = -share_ppm if instrument.short_allowed else np.int64(0)
    instrument.target_share_ppm = share_ppm
    instrument.target_set = 1
    instrument.target_strategy = np.int64(told.source)
    _rebalance(state, outbox, instrument.account, number)


@inner_kernel
def rebalance(state: Any, outbox: Any, account_number: Any) -> None:
    """Order what an account's instruments with a target are short of it: reductions first, then increases."""
    _rebalance(state, outbox, account_number, _NOBODY)


@inner_kernel
def rebalance_all(state: Any, outbox: Any) -> None:
    """Rebalance every account."""
    accounts = np.int64(0)
    for number in range(len(state.instruments)):
        if state.instruments[number].target_set != 0:
            accounts = accounts | (np.int64(1) << state.instruments[number].account)
    account_number = np.int64(0)
    while accounts != 0:
        if accounts & 1:
            _rebalance(state, outbox, account_number, _NOBODY)
        accounts = accounts >> 1
        account_number += 1


@inner_kernel
def _rebalance(state: Any, outbox: Any, account_number: Any, asked: Any) -> None:
    """Rebalance an account; what leaves the instrument `asked` alone is a refusal of its signal."""
    if state.fault != 0 or state.trading_state == TradingState.HALTED:
        return
    for number in range(len(state.instruments)):
        if _follows(state.instruments[number], account_number):
            _reduce(state, outbox, np.int64(number), asked)
    if _is_reducing(state, account_number):
        return
    for number in range(len(state.instruments)):
        if _follows(state.instruments[number], account_number):
            _increase(state, outbox, np.int64(number))


@inner_kernel
def _follows(instrument: Any, account_number: Any) -> Any:
    return (
        instrument.target_set != 0
        and instrument.account == account_number
        and instrument.rules.signal_mode == SignalMode.TARGETS
    )


@inner_kernel
def _is_reducing(state: Any, account_number: Any) -> Any:
    """Whether lots on order in the other direction of what is held are still to be filled."""
    for number in range(len(state.instruments)):
        position = state.positions[account_number, number]
        if position.quantity_lots > 0 and position.open_sell_lots > 0:
            return True
        if position.quantity_lots < 0 and position.open_buy_lots > 0:
            return True
    return False


@inner_kernel
def _target_lots(state: Any, instrument: Any) -> Any:
    """(target, whether it could be computed): the target share of the present equity, in whole steps."""
    share_ppm = np.int64(instrument.target_share_ppm)
    equity_units = np.int64(state.accounts[instrument.account].equity_units)
    if share_ppm == 0 or equity_units <= 0:
        return _NONE, True
    side = _BUY if share_ppm > 0 else _SELL
    price = price_of(instrument, _NONE, side)
    worth_units = part_of(equity_units, abs(share_ppm), PPM)
    if worth_units < 0 or not worth_fits(price, instrument.tick_lot_units):
        return _NONE, False
    step = np.int64(instrument.quantity_step_lots)
    return side * (worth_units // (price * instrument.tick_lot_units) // step * step), True


@inner_kernel
def _left_alone(instrument: Any, equity_units: Any, target: Any, under_way: Any, price_ticks: Any) -> Any:
    """(reason, limit, observed) why what is missing is too little to be ordered, or (NONE, 0, 0)."""
    missing = abs(target - under_way)
    if missing < instrument.quantity_step_lots:
        return np.int64(Reason.ALREADY_AT_TARGET), target, under_way
    if not product_fits(missing, price_ticks, instrument.tick_lot_units):
        return np.int64(Reason.MONEY_OVERFLOW), _MONEY_LIMIT, _NONE
    worth_units = missing * price_ticks * instrument.tick_lot_units
    if target != 0:
        rules = instrument.rules
        if worth_units < rules.trade_min_units:
            return np.int64(Reason.TRADE_BELOW_MINIMUM), np.int64(rules.trade_min_units), worth_units
        band_units = ppm_part(equity_units, np.int64(rules.band_ppm))
        if worth_units < band_units:
            return np.int64(Reason.WITHIN_BAND), band_units, worth_units
    return np.int64(Reason.NONE), _NONE, _NONE


@inner_kernel
def _missing(state: Any, outbox: Any, number: Any) -> Any:
    """(reason, limit, observed, side, quantity, reduces): the order that an instrument's target asks for now.

    A reduction of nothing waits for fills that are on their way.
    """
    instrument = state.instruments[number]
    position = state.positions[instrument.account, number]
    target, fits = _target_lots(state, instrument)
    if not fits:
        return np.int64(Reason.MONEY_OVERFLOW), _MONEY_LIMIT, _NONE, _BUY, _NONE, False
    instrument.target_lots = target
    under_way = under_way_lots(position)
    side = _BUY if target > under_way else _SELL
    against = -side * under_way
    price = price_of(instrument, _NONE, side)
    equity_units = np.int64(state.accounts[instrument.account].equity_units)
    reason, limit, observed = _left_alone(instrument, equity_units, target, under_way, price)
    quantity = abs(target - under_way)
    if against > 0:
        quantity = min(min(quantity, against), _reducible_lots(instrument, position, side))
    quantity = max(quantity, _NONE) // instrument.quantity_step_lots * instrument.quantity_step_lots
    if reason == Reason.NONE and quantity > 0:
        reason, limit, observed = bounds_refusal(outbox, instrument, quantity, price)
    return reason, limit, observed, side, quantity, against > 0


@inner_kernel
def _reducible_lots(instrument: Any, position: Any, side: Any) -> Any:
    """What an order of `side` can close now: what is held and not on order already, in one order of the instrument."""
    on_order = position.open_buy_lots if side > 0 else position.open_sell_lots
    lots = -side * position.quantity_lots - on_order
    return min(lots, instrument.quantity_max_lots) if instrument.quantity_max_lots > 0 else lots


@inner_kernel
def _reduce(state: Any, outbox: Any, number: Any, asked: Any) -> None:
    """Order a reduction; what leaves the instrument alone is a refusal where its signal is just being decided.

    Without room for one more order it waits.
    """
    position = state.positions[state.instruments[number].account, number]
    reason, limit, observed, side, quantity, reduces = _missing(state, outbox, number)
    told = _told(state, outbox, number)
    if reason != Reason.NONE:
        if asked == number:
            refuse(state, outbox, told, reason, limit, observed)
    elif reduces and quantity > 0 and has_free_slot(state) and open_lots_fit(position, side, quantity):
        _place(state, told, outbox, side, quantity, np.int64(OrderFlag.REDUCE_ONLY), np.int64(OrderRole.EXIT))


@inner_kernel
def _increase(state: Any, outbox: Any, number: Any) -> None:
    """Order an increase that passes the checks of an entry."""
    reason, limit, observed, side, quantity, reduces = _missing(state, outbox, number)
    if reason != Reason.NONE or reduces:
        return
    told = _told(state, outbox, number)
    strategy = np.int64(told.source)
    price = price_of(state.instruments[number], _NONE, side)
    reason, limit, observed = check_entry(state, outbox, number, strategy, side, quantity, price, _NONE, _NONE)
    if reason != Reason.NONE:
        refuse(state, outbox, told, reason, limit, observed)
    elif not room_is_refused(state, told, outbox, side, quantity):
        _place(state, told, outbox, side, quantity, _NONE, np.int64(OrderRole.ENTRY))
        note_entry(state, number, strategy, side, quantity, _NONE)


@inner_kernel
def _told(state: Any, outbox: Any, number: Any) -> Any:
    """The instrument and strategy of a target, in the place of the signal that set it."""
    told = outbox.told[0]
    told.instrument = np.uint16(number)
    told.source = np.uint16(state.instruments[number].target_strategy)
    return told


@inner_kernel
def _place(state: Any, told: Any, outbox: Any, side: Any, quantity: Any, flags: Any, role: Any) -> None:
    number = np.int64(told.instrument)
    strategy = np.int64(told.source)
    market = np.int64(OrderType.MARKET)
    place_order(state, outbox, number, strategy, side, quantity, market, _NONE, _NONE, flags, _NONE, role, _NONE, _NONE)
