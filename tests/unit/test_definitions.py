"""Definitions and settings: what is taken over, and with which reason the rest is refused."""

import numpy as np
import pytest

from engine.kinds import EventKind, OperatorAction, Setting, TradingState
from engine.reasons import Reason
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, Machine

ACCOUNT = event(EventKind.ACCOUNT_DEFINED, account=1, account_kind=1, money_decimals=8)
STRATEGY = event(EventKind.STRATEGY_DEFINED, source=1)
INSTRUMENT = event(
    EventKind.INSTRUMENT_DEFINED,
    instrument=1,
    account=1,
    instrument_kind=1,
    tick_lot_units=5,
    quantity_step_lots=2,
    quantity_min_lots=3,
    quantity_max_lots=400,
    notional_min_units=50,
)
TERMS = event(
    EventKind.INSTRUMENT_TERMS_DEFINED,
    instrument=1,
    margin_initial_ppm=100,
    margin_maintenance_ppm=50,
    maker_fee_ppm=-10,
    taker_fee_ppm=20,
)


def change(setting: int, value: int, **scope: int) -> dict[str, int]:
    return event(EventKind.CONFIGURATION_CHANGED, setting=setting, value=value, **scope)


def machine_defined() -> Machine:
    machine = Machine(SMALL_LIMITS)
    machine.tell(ACCOUNT, STRATEGY, INSTRUMENT, TERMS)
    assert machine.state.events_refused == 0
    return machine


def test_definitions_are_taken_over() -> None:
    machine = machine_defined()
    account, instrument, strategy = (
        machine.rows(table)[1] for table in ("accounts", "instruments", "strategies")
    )  # fmt: skip
    assert (account["defined"], account["account_kind"], account["money_decimals"]) == (1, 1, 8)
    assert (strategy["defined"], strategy["enabled"]) == (1, 1)
    stated = {**INSTRUMENT, **TERMS}
    for name in instrument.keys() & stated.keys() - {"account"}:
        assert instrument[name] == stated[name], name
    assert instrument["account"] == 1
    assert (machine.state.accounts_defined, machine.state.instruments_defined) == (1, 1)


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        (ACCOUNT | {"account": 3}, Reason.ACCOUNT_TABLE_FULL),
        (ACCOUNT | {"account": 65_535}, Reason.ACCOUNT_TABLE_FULL),
        (ACCOUNT, Reason.DEFINITION_CONFLICT),
        (ACCOUNT | {"account": 2, "account_kind": 2}, Reason.VALUE_INVALID),
        (ACCOUNT | {"account": 2, "money_decimals": -1}, Reason.VALUE_INVALID),
        (ACCOUNT | {"account": 2, "money_decimals": 19}, Reason.VALUE_INVALID),
        (STRATEGY | {"source": 4}, Reason.STRATEGY_TABLE_FULL),
        (STRATEGY, Reason.DEFINITION_CONFLICT),
        (INSTRUMENT | {"instrument": 3}, Reason.INSTRUMENT_TABLE_FULL),
        (INSTRUMENT | {"account": 0}, Reason.ACCOUNT_UNKNOWN),
        (INSTRUMENT | {"account": 65_535}, Reason.ACCOUNT_UNKNOWN),
        (INSTRUMENT | {"tick_lot_units": 6}, Reason.DEFINITION_CONFLICT),
        (INSTRUMENT | {"instrument": 2, "instrument_kind": 2}, Reason.VALUE_INVALID),
        (INSTRUMENT | {"instrument": 2, "tick_lot_units": 0}, Reason.VALUE_INVALID),
        (INSTRUMENT | {"instrument": 2, "quantity_step_lots": 0}, Reason.VALUE_INVALID),
        (INSTRUMENT | {"instrument": 2, "quantity_min_lots": -1}, Reason.VALUE_INVALID),
        (INSTRUMENT | {"instrument": 2, "quantity_max_lots": -1}, Reason.VALUE_INVALID),
        (INSTRUMENT | {"instrument": 2, "notional_min_units": -1}, Reason.VALUE_INVALID),
        (TERMS | {"instrument": 2}, Reason.INSTRUMENT_UNKNOWN),
        (TERMS | {"margin_initial_ppm": -1}, Reason.VALUE_INVALID),
        (TERMS | {"margin_maintenance_ppm": -1}, Reason.VALUE_INVALID),
        (change(Setting.TRADING_STATE, 3), Reason.VALUE_INVALID),
        (change(Setting.TRADING_STATE, -1), Reason.VALUE_INVALID),
        (change(Setting.STRATEGY_ENABLED, 1, source=0), Reason.STRATEGY_UNKNOWN),
        (change(Setting.STRATEGY_ENABLED, 1, source=65_535), Reason.STRATEGY_UNKNOWN),
        (change(Setting.ORDER_QUANTITY_LOTS, -1, instrument=1), Reason.VALUE_INVALID),
        (change(Setting.ORDER_QUANTITY_LOTS, 2**60 + 1, instrument=1), Reason.VALUE_INVALID),
        (change(Setting.ORDER_QUANTITY_LOTS, 1, instrument=2), Reason.INSTRUMENT_UNKNOWN),
        (change(Setting.SHORT_ALLOWED, 1, instrument=65_535), Reason.INSTRUMENT_UNKNOWN),
        (change(0, 1, instrument=1), Reason.SETTING_UNKNOWN),
        (change(-(2**63), 1, instrument=1), Reason.SETTING_UNKNOWN),
        (event(EventKind.OPERATOR_COMMAND, operator_action=0), Reason.ACTION_UNKNOWN),
        (event(0, instrument=1), Reason.EVENT_KIND_UNKNOWN),
        (event(99, account=1), Reason.EVENT_KIND_UNKNOWN),
        (event(EventKind.QUOTE, instrument=2), Reason.INSTRUMENT_UNKNOWN),
        (event(EventKind.CASH_MOVED, account=2), Reason.ACCOUNT_UNKNOWN),
        (event(EventKind.POSITION_REPORTED, account=1, instrument=2), Reason.INSTRUMENT_UNKNOWN),
        (event(EventKind.ORDER_FILLED, instrument=1, account=0), Reason.ACCOUNT_UNKNOWN),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(stated: dict[str, int], reason: Reason) -> None:
    machine = machine_defined()
    before = machine.bytes.copy()
    machine.tell(stated)
    state = machine.state
    assert (state.events_refused, state.last_refused_reason, state.last_refused_seq) == (1, reason, 5)
    state.events_refused = state.last_refused_reason = state.last_refused_seq = 0
    state.seq = 4
    assert np.array_equal(machine.bytes, before)


def test_time_that_goes_back_is_refused() -> None:
    machine = machine_defined()
    machine.tell(event(EventKind.TIMER, 100), event(EventKind.CASH_MOVED, 99, account=1, amount_units=5))
    assert machine.state.ts_ns == 100
    assert machine.state.last_refused_reason == Reason.TIME_WENT_BACK
    assert machine.state.accounts[1].deposits_units == 0


def test_an_instrument_takes_over_new_sizes() -> None:
    machine = machine_defined()
    machine.tell(INSTRUMENT | {"quantity_step_lots": 7, "notional_min_units": 1})
    assert machine.state.events_refused == 0
    assert machine.state.instruments[1].quantity_step_lots == 7
    assert machine.state.instruments_defined == 1


def test_settings_and_operators_change_what_they_name() -> None:
    machine = machine_defined()
    machine.tell(
        change(Setting.ORDER_QUANTITY_LOTS, 12, instrument=1),
        change(Setting.SHORT_ALLOWED, 5, instrument=1),
        change(Setting.STRATEGY_ENABLED, 0, source=1),
        change(Setting.TRADING_STATE, TradingState.REDUCE_ONLY),
    )
    state = machine.state
    assert (state.instruments[1].order_quantity_lots, state.instruments[1].short_allowed) == (12, 1)
    assert state.strategies[1].enabled == 0
    assert state.trading_state == TradingState.REDUCE_ONLY
    for action, expected in (
        (OperatorAction.KILL, TradingState.HALTED),
        (OperatorAction.REDUCE_ONLY, TradingState.REDUCE_ONLY),
        (OperatorAction.RESUME, TradingState.ACTIVE),
    ):
        machine.tell(event(EventKind.OPERATOR_COMMAND, operator_action=action))
        assert state.trading_state == expected


def test_reports_of_the_exchange_are_kept_beside_the_engines_own_figures() -> None:
    machine = machine_defined()
    machine.tell(
        event(EventKind.BALANCE_REPORTED, account=1, total_units=900, available_units=800),
        event(EventKind.POSITION_REPORTED, account=1, instrument=1, quantity_lots=-4),
        event(EventKind.CONNECTION_LOST),
        event(EventKind.CONNECTION_RESTORED),
    )
    account = machine.state.accounts[1]
    assert (account.reported_total_units, account.reported_available_units, account.equity_units) == (900, 800, 0)
    assert (machine.position(1, 1).reported_lots, machine.position(1, 1).quantity_lots) == (-4, 0)
    assert (machine.state.connections_lost, machine.state.events_refused) == (1, 0)


@pytest.mark.parametrize(
    ("market", "reason"),
    [
        (event(EventKind.QUOTE, bid_ticks=0, ask_ticks=5), Reason.PRICE_INVALID),
        (event(EventKind.QUOTE, bid_ticks=6, ask_ticks=5), Reason.PRICE_INVALID),
        (event(EventKind.QUOTE, bid_ticks=5, ask_ticks=5, bid_lots=-1), Reason.QUANTITY_INVALID),
        (event(EventKind.QUOTE, bid_ticks=5, ask_ticks=5, ask_lots=-1), Reason.QUANTITY_INVALID),
        (event(EventKind.TRADE, price_ticks=0), Reason.PRICE_INVALID),
        (event(EventKind.TRADE, price_ticks=1, quantity_lots=-1), Reason.QUANTITY_INVALID),
        (event(EventKind.BAR, open_ticks=5, high_ticks=6, low_ticks=0, close_ticks=5), Reason.PRICE_INVALID),
        (event(EventKind.BAR, open_ticks=5, high_ticks=6, low_ticks=6, close_ticks=6), Reason.PRICE_INVALID),
        (event(EventKind.BAR, open_ticks=6, high_ticks=5, low_ticks=5, close_ticks=5), Reason.PRICE_INVALID),
        (event(EventKind.BAR, open_ticks=5, high_ticks=4, low_ticks=4, close_ticks=4), Reason.PRICE_INVALID),
        (
            event(EventKind.BAR, open_ticks=5, high_ticks=5, low_ticks=5, close_ticks=5, volume_lots=-1),
            Reason.QUANTITY_INVALID,
        ),
        (event(EventKind.MARK_PRICE, mark_ticks=0), Reason.PRICE_INVALID),
    ],
)
def test_market_data_that_makes_no_sense_is_refused(market: dict[str, int], reason: Reason) -> None:
    machine = machine_defined()
    machine.tell(market | {"instrument": 1})
    assert machine.state.last_refused_reason == reason
    assert machine.state.instruments[1].market_events == 0
