"""Accounts, instruments, strategies and settings: how the tape tells the engine what it trades and how."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX
from engine.jit import inner_kernel
from engine.kinds import AccountKind, InstrumentKind, OperatorAction, Setting, TradingState
from engine.reasons import Reason

# 10**18 units still fit the ledger: one unit of currency at the least.
MONEY_DECIMALS_MAX = 18


@inner_kernel
def define_account(state: Any, definition: Any) -> Any:
    number = np.int64(definition.account)
    if number >= len(state.accounts):
        return Reason.ACCOUNT_TABLE_FULL
    account = state.accounts[number]
    if account.defined:
        return Reason.DEFINITION_CONFLICT
    if definition.account_kind > AccountKind.MARGIN or not 0 <= definition.money_decimals <= MONEY_DECIMALS_MAX:
        return Reason.VALUE_INVALID
    account.defined = 1
    account.account_kind = np.int64(definition.account_kind)
    account.money_decimals = definition.money_decimals
    state.accounts_defined += 1
    return Reason.NONE


@inner_kernel
def define_strategy(state: Any, definition: Any) -> Any:
    number = np.int64(definition.source)
    if number >= len(state.strategies):
        return Reason.STRATEGY_TABLE_FULL
    strategy = state.strategies[number]
    if strategy.defined:
        return Reason.DEFINITION_CONFLICT
    strategy.defined = 1
    strategy.enabled = 1
    return Reason.NONE


@inner_kernel
def define_instrument(state: Any, definition: Any) -> Any:
    """Take over the sizes of an instrument; what a held position is worth must not change under it."""
    number = np.int64(definition.instrument)
    account_number = np.int64(definition.account)
    if number >= len(state.instruments):
        return Reason.INSTRUMENT_TABLE_FULL
    if account_number >= len(state.accounts) or not state.accounts[account_number].defined:
        return Reason.ACCOUNT_UNKNOWN
    if definition.instrument_kind > InstrumentKind.LINEAR:
        return Reason.VALUE_INVALID
    if definition.tick_lot_units <= 0 or definition.quantity_step_lots <= 0:
        return Reason.VALUE_INVALID
    if definition.quantity_min_lots < 0 or definition.quantity_max_lots < 0 or definition.notional_min_units < 0:
        return Reason.VALUE_INVALID
    instrument = state.instruments[number]
    if instrument.defined:
        same = instrument.tick_lot_units == definition.tick_lot_units and instrument.account == account_number
        if not same:
            return Reason.DEFINITION_CONFLICT
    else:
        state.instruments_defined += 1
    instrument.defined = 1
    instrument.instrument_kind = np.int64(definition.instrument_kind)
    instrument.account = account_number
    instrument.tick_lot_units = definition.tick_lot_units
    instrument.quantity_step_lots = definition.quantity_step_lots
    instrument.quantity_min_lots = definition.quantity_min_lots
    instrument.quantity_max_lots = definition.quantity_max_lots
    instrument.notional_min_units = definition.notional_min_units
    return Reason.NONE


@inner_kernel
def define_instrument_terms(state: Any, terms: Any, number: Any) -> Any:
    if terms.margin_initial_ppm < 0 or terms.margin_maintenance_ppm < 0:
        return Reason.VALUE_INVALID
    instrument = state.instruments[number]
    instrument.margin_initial_ppm = terms.margin_initial_ppm
    instrument.margin_maintenance_ppm = terms.margin_maintenance_ppm
    instrument.maker_fee_ppm = terms.maker_fee_ppm
    instrument.taker_fee_ppm = terms.taker_fee_ppm
    return Reason.NONE


@inner_kernel
def change_setting(state: Any, change: Any) -> Any:
    """Set one value; its scope is the record's instrument or strategy (`source`), or everything."""
    setting = change.setting
    value = change.value
    if setting == Setting.TRADING_STATE:
        if value < TradingState.ACTIVE or value > TradingState.HALTED:
            return Reason.VALUE_INVALID
        state.trading_state = value
        return Reason.NONE
    if setting == Setting.STRATEGY_ENABLED:
        strategy = np.int64(change.source)
        if strategy >= len(state.strategies) or not state.strategies[strategy].defined:
            return Reason.STRATEGY_UNKNOWN
        state.strategies[strategy].enabled = 1 if value != 0 else 0
        return Reason.NONE
    if setting != Setting.ORDER_QUANTITY_LOTS and setting != Setting.SHORT_ALLOWED:
        return Reason.SETTING_UNKNOWN
    number = np.int64(change.instrument)
    if number >= len(state.instruments) or not state.instruments[number].defined:
        return Reason.INSTRUMENT_UNKNOWN
    if value < 0 or value > MONEY_MAX:
        return Reason.VALUE_INVALID
    if setting == Setting.ORDER_QUANTITY_LOTS:
        state.instruments[number].order_quantity_lots = value
    else:
        state.instruments[number].short_allowed = 1 if value != 0 else 0
    return Reason.NONE


@inner_kernel
def on_operator(state: Any, operator: Any) -> Any:
    """The operator's switches of the trading state; a cancel is always allowed whatever the state."""
    action = operator.operator_action
    if action == OperatorAction.KILL:
        state.trading_state = np.int64(TradingState.HALTED)
    elif action == OperatorAction.RESUME:
        state.trading_state = np.int64(TradingState.ACTIVE)
    elif action == OperatorAction.REDUCE_ONLY:
        state.trading_state = np.int64(TradingState.REDUCE_ONLY)
    else:
        return Reason.ACTION_UNKNOWN
    return Reason.NONE
