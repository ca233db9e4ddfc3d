"""Accounts, instruments, strategies and settings: how the tape tells the engine what it trades and how."""

from typing import Any

import numpy as np

from engine.arithmetic import INT64_MAX, MONEY_MAX
from engine.brackets.closing import cancel_orders, close_everything, close_position
from engine.breakers.commands import on_breaker_command, on_rules_changed
from engine.jit import inner_kernel, overlay
from engine.kinds import AccountKind, InstrumentKind, OperatorAction, Setting, TradingState
from engine.reasons import Reason
from engine.records import record
from engine.rules import (
    ACCOUNT,
    BOOK,
    BREAKER,
    HIGHEST,
    INSTRUMENT,
    LOWEST,
    PAIR,
    RISK_STEP,
    SETTINGS_MAX,
    STRATEGY,
    TARGET,
    WINDOW,
    words_of,
)
from engine.state import BREAKER as BREAKER_ROW

BOOK_BASE, BOOK_WORDS = BOOK.base, words_of(BOOK)
ACCOUNT_BASE, ACCOUNT_WORDS = ACCOUNT.base, words_of(ACCOUNT)
INSTRUMENT_BASE, INSTRUMENT_WORDS = INSTRUMENT.base, words_of(INSTRUMENT)
STRATEGY_BASE, STRATEGY_WORDS = STRATEGY.base, words_of(STRATEGY)
PAIR_BASE, PAIR_WORDS = PAIR.base, words_of(PAIR)
WINDOW_BASE, WINDOW_WORDS = WINDOW.base, words_of(WINDOW)
TARGET_BASE, TARGET_WORDS = TARGET.base, words_of(TARGET)
RISK_STEP_BASE, RISK_STEP_WORDS = RISK_STEP.base, words_of(RISK_STEP)
# 10**18 units still fit the ledger: one unit of currency at the least.
MONEY_DECIMALS_MAX = 18
_BREAKER_ENABLED = BREAKER.number("enabled")
# A breaker's row begins with its rules.
BREAKER_BASE, BREAKER_WORDS = BREAKER.base, record([("words", "<i8", (BREAKER_ROW.itemsize // 8,))])


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
    state.strategies_defined = max(state.strategies_defined, number + 1)
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
        instrument.watch_high_ticks = INT64_MAX
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
def change_setting(state: Any, change: Any, outbox: Any) -> Any:
    """Set one value; its scope is the record's account, instrument, strategy (`source`) and row, or everything."""
    setting = change.setting
    value = change.value
    if setting == Setting.TRADING_STATE:
        if value < TradingState.ACTIVE or value > TradingState.HALTED:
            return np.int64(Reason.VALUE_INVALID)
        state.trading_state = value
        return np.int64(Reason.NONE)
    if setting == Setting.STRATEGY_ENABLED:
        strategy = np.int64(change.source)
        if strategy >= len(state.strategies) or not state.strategies[strategy].defined:
            return np.int64(Reason.STRATEGY_UNKNOWN)
        state.strategies[strategy].enabled = 1 if value != 0 else 0
        return np.int64(Reason.NONE)
    if setting == Setting.ORDER_QUANTITY_LOTS or setting == Setting.SHORT_ALLOWED:
        return _change_instrument(state, change)
    if setting < 0 or setting >= SETTINGS_MAX or LOWEST[setting] > HIGHEST[setting]:
        return np.int64(Reason.SETTING_UNKNOWN)
    if value < LOWEST[setting] or value > HIGHEST[setting]:
        return np.int64(Reason.VALUE_INVALID)
    says_nothing_new = _is_that_already(state, change)
    reason = _change_rule(state, change)
    if reason == Reason.NONE and not says_nothing_new:
        on_rules_changed(state, outbox, setting, np.int64(change.account), np.int64(change.instrument), change.row)
    return reason


@inner_kernel
def _is_that_already(state: Any, change: Any) -> Any:
    """Whether a breaker has a rule already; enabling it always says something."""
    if change.setting < BREAKER_BASE or change.setting == _BREAKER_ENABLED:
        return False
    if change.row < 0 or change.row >= len(state.breakers):
        return False
    return overlay(state.breakers[change.row], BREAKER_WORDS).words[change.setting - BREAKER_BASE] == change.value


@inner_kernel
def _change_instrument(state: Any, change: Any) -> Any:
    number = np.int64(change.instrument)
    if number >= len(state.instruments) or not state.instruments[number].defined:
        return np.int64(Reason.INSTRUMENT_UNKNOWN)
    if change.value < 0 or change.value > MONEY_MAX:
        return np.int64(Reason.VALUE_INVALID)
    if change.setting == Setting.ORDER_QUANTITY_LOTS:
        state.instruments[number].order_quantity_lots = change.value
    else:
        state.instruments[number].short_allowed = 1 if change.value != 0 else 0
    return np.int64(Reason.NONE)


@inner_kernel
def _change_rule(state: Any, change: Any) -> Any:
    """Write one word of the row of rules that the setting's number and the record's scope name."""
    setting = change.setting
    value = change.value
    row = change.row
    account = np.int64(change.account)
    number = np.int64(change.instrument)
    strategy = np.int64(change.source)
    if setting < ACCOUNT_BASE:
        overlay(state.rules, BOOK_WORDS).words[setting - BOOK_BASE] = value
        return np.int64(Reason.NONE)
    if setting >= BREAKER_BASE:
        if row < 0 or row >= len(state.breakers):
            return np.int64(Reason.BREAKER_TABLE_FULL)
        overlay(state.breakers[row], BREAKER_WORDS).words[setting - BREAKER_BASE] = value
        state.breakers_defined = max(state.breakers_defined, row + 1)
        return np.int64(Reason.NONE)
    if setting < INSTRUMENT_BASE or setting >= RISK_STEP_BASE:
        if account >= len(state.accounts) or not state.accounts[account].defined:
            return np.int64(Reason.ACCOUNT_UNKNOWN)
        if setting < INSTRUMENT_BASE:
            overlay(state.accounts[account].rules, ACCOUNT_WORDS).words[setting - ACCOUNT_BASE] = value
            return np.int64(Reason.NONE)
        if row < 0 or row >= len(state.accounts[account].risk_steps):
            return np.int64(Reason.VALUE_INVALID)
        overlay(state.accounts[account].risk_steps[row], RISK_STEP_WORDS).words[setting - RISK_STEP_BASE] = value
        return np.int64(Reason.NONE)
    if STRATEGY_BASE <= setting < WINDOW_BASE:
        if strategy >= len(state.strategies) or not state.strategies[strategy].defined:
            return np.int64(Reason.STRATEGY_UNKNOWN)
        if setting < PAIR_BASE:
            overlay(state.strategies[strategy].rules, STRATEGY_WORDS).words[setting - STRATEGY_BASE] = value
            return np.int64(Reason.NONE)
    if number >= len(state.instruments) or not state.instruments[number].defined:
        return np.int64(Reason.INSTRUMENT_UNKNOWN)
    instrument = state.instruments[number]
    if setting < STRATEGY_BASE:
        overlay(instrument.rules, INSTRUMENT_WORDS).words[setting - INSTRUMENT_BASE] = value
    elif setting < WINDOW_BASE:
        overlay(state.pairs[strategy, number].rules, PAIR_WORDS).words[setting - PAIR_BASE] = value
    elif row < 0 or row >= len(instrument.windows):
        return np.int64(Reason.VALUE_INVALID)
    elif setting < TARGET_BASE:
        overlay(instrument.windows[row], WINDOW_WORDS).words[setting - WINDOW_BASE] = value
    else:
        overlay(instrument.targets[row], TARGET_WORDS).words[setting - TARGET_BASE] = value
    return np.int64(Reason.NONE)


@inner_kernel
def on_operator(state: Any, operator: Any, outbox: Any) -> Any:
    """What an operator commands; a cancel and a closing are always allowed, whatever the trading state.

    `target` is the breaker or strategy that is meant; CLOSE closes the record's instrument.
    """
    action = operator.operator_action
    if action == OperatorAction.KILL:
        state.trading_state = np.int64(TradingState.HALTED)
    elif action == OperatorAction.RESUME:
        state.trading_state = np.int64(TradingState.ACTIVE)
    elif action == OperatorAction.REDUCE_ONLY:
        state.trading_state = np.int64(TradingState.REDUCE_ONLY)
    elif action == OperatorAction.CANCEL_ALL:
        for number in range(len(state.instruments)):
            if state.instruments[number].open_orders > 0:
                cancel_orders(state, outbox, np.int64(number))
    elif action == OperatorAction.FLATTEN:
        close_everything(state, outbox, np.int64(Reason.OPERATOR_CLOSED))
    elif action == OperatorAction.CLOSE:
        instrument = np.int64(operator.instrument)
        if instrument >= len(state.instruments) or not state.instruments[instrument].defined:
            return np.int64(Reason.INSTRUMENT_UNKNOWN)
        reason = np.int64(Reason.OPERATOR_CLOSED)
        close_position(state, outbox, instrument, np.int64(operator.source), reason, np.int64(0))
    elif action == OperatorAction.RESET_BREAKER or action == OperatorAction.DISABLE_BREAKER:
        return np.int64(on_breaker_command(state, outbox, operator))
    elif action == OperatorAction.ENABLE_STRATEGY:
        return _enable_strategy(state, operator)
    else:
        return np.int64(Reason.ACTION_UNKNOWN)
    return np.int64(Reason.NONE)


@inner_kernel
def _enable_strategy(state: Any, operator: Any) -> Any:
    """End a strategy's throttle; only an operator with a name can."""
    if operator.target < 0 or operator.target >= len(state.strategies):
        return np.int64(Reason.STRATEGY_UNKNOWN)
    strategy = state.strategies[operator.target]
    if not strategy.defined:
        return np.int64(Reason.STRATEGY_UNKNOWN)
    if operator.operator_hash == 0:
        return np.int64(Reason.VALUE_INVALID)
    strategy.enabled = 1
    strategy.throttled = 0
    for place in range(len(strategy.executions_ts_ns)):
        strategy.executions_ts_ns[place] = 0
    strategy.execution_cursor = 0
    return np.int64(Reason.NONE)
