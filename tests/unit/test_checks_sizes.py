"""Checks 13 to 19, 21 and 22: sizes, positions, exposure, counts."""

from typing import Any

import pytest

from engine.arithmetic import MONEY_MAX
from engine.reasons import Reason
from tests.unit.checks_support import (
    BUY,
    EQUITY,
    LOT_UNITS,
    PASSED,
    PRICE,
    SELL,
    add_order,
    ask,
    hold,
    new_state,
    on_order,
)

PPM = 1_000_000


def with_rule(name: str, value: int, scope: str = "instrument") -> Any:
    state = new_state()
    rows = {"instrument": state.instruments[1], "account": state.accounts[1], "book": state}
    setattr(rows[scope].rules, name, value)
    return state


def test_order_quantity() -> None:
    state = with_rule("order_quantity_max_lots", 5)
    assert ask(state, 5) == PASSED
    assert ask(state, 6) == (Reason.ORDER_QUANTITY_MAX, 5, 6)
    assert ask(state, 6, instrument=3) == PASSED


def test_order_notional() -> None:
    state = with_rule("order_notional_max_units", 5_050)
    assert ask(state, 5) == PASSED
    assert ask(state, 5, limit=102) == (Reason.ORDER_NOTIONAL_MAX, 5_050, 5_100)
    assert ask(state, MONEY_MAX) == (Reason.MONEY_OVERFLOW, MONEY_MAX, MONEY_MAX)


@pytest.mark.parametrize(
    ("held", "buys", "sells", "side", "closing", "after"),
    [
        (0, 0, 0, BUY, 0, 5),
        (4, 3, 9, BUY, 0, 12),
        (4, 3, 9, SELL, 0, 10),
        (-4, 0, 0, SELL, 0, 9),
        (-4, 0, 0, BUY, 4, 5),
        (-4, 0, 0, BUY, 3, 4),
        (-4, 0, 0, BUY, 100, 5),
        (20, 0, 0, SELL, 20, 5),
        (-20, 0, 0, BUY, 0, 15),
    ],
)
def test_position_quantity(held: int, buys: int, sells: int, side: int, closing: int, after: int) -> None:
    state = new_state()
    hold(state, held)
    on_order(state, buys, sells)
    state.instruments[1].rules.position_max_lots = after
    assert ask(state, side=side, closing=closing) == PASSED
    state.instruments[1].rules.position_max_lots = after - 1
    assert ask(state, side=side, closing=closing) == (Reason.POSITION_QUANTITY_MAX, after - 1, after)


def test_members_of_groups_are_on_order_and_other_legs_are_not() -> None:
    state = with_rule("position_max_lots", 7)
    position = on_order(state)
    position.leg_buy_lots = 50
    assert ask(state) == PASSED
    position.grouped_buy_lots = 3
    assert ask(state) == (Reason.POSITION_QUANTITY_MAX, 7, 8)
    position.grouped_sell_lots = 2
    assert ask(state, side=SELL) == PASSED


def test_position_weight() -> None:
    state = with_rule("position_weight_max_ppm", 10_000)
    assert ask(state, 10) == PASSED
    assert ask(state, 11) == (Reason.POSITION_WEIGHT_MAX, 10_000, 11_000)
    hold(state, -4)
    state.instruments[1].short_mark_ticks = PRICE + 50
    # Four lots short at the ask, six more at the bid.
    assert ask(state, 6, SELL) == (Reason.POSITION_WEIGHT_MAX, 10_000, 12_000)
    assert ask(state, 4, SELL) == PASSED
    # The position is worth less than the order that turns it.
    assert ask(state, 11, limit=PRICE) == PASSED
    assert ask(state, 17, limit=PRICE) == (Reason.POSITION_WEIGHT_MAX, 10_000, 11_000)


def test_a_weight_of_no_equity_allows_nothing() -> None:
    state = with_rule("position_weight_max_ppm", 1_000 * PPM)
    state.accounts[1].equity_units = 0
    assert ask(state, 1) == (Reason.POSITION_WEIGHT_MAX, 0, LOT_UNITS)
    state.accounts[1].equity_units = -5
    assert ask(state, 1) == (Reason.POSITION_WEIGHT_MAX, 0, LOT_UNITS)
    state.accounts[1].equity_units = MONEY_MAX
    assert ask(state, 1) == PASSED
    assert ask(state, MONEY_MAX) == (Reason.MONEY_OVERFLOW, MONEY_MAX, MONEY_MAX)


def exposed() -> Any:
    """Instrument 1: 10 held, 6 buys and 30 sells on order. Instrument 3: 8 short, 2 sells on order."""
    state = new_state()
    hold(state, 10)
    on_order(state, 6, 30)
    hold(state, -8, instrument=3)
    on_order(state, 0, 2, instrument=3)
    return state


# Worst of instrument 1 with a buy of 5: 21 long, 20 short; with a sell of 5: 16 long, 25 short. Instrument 3: 10 short.
@pytest.mark.parametrize(
    ("rule", "side", "expected_lots", "reason"),
    [
        ("gross_max_units", BUY, 31, Reason.ACCOUNT_GROSS_MAX),
        ("gross_max_units", SELL, 35, Reason.ACCOUNT_GROSS_MAX),
        ("net_max_units", BUY, 7, Reason.ACCOUNT_NET_MAX),
        ("net_max_units", SELL, 3, Reason.ACCOUNT_NET_MAX),
        ("long_max_units", BUY, 21, Reason.ACCOUNT_LONG_MAX),
        ("long_max_units", SELL, 16, Reason.ACCOUNT_LONG_MAX),
        ("short_max_units", BUY, 30, Reason.ACCOUNT_SHORT_MAX),
        ("short_max_units", SELL, 35, Reason.ACCOUNT_SHORT_MAX),
    ],
)
def test_exposure_of_an_account_and_of_all(rule: str, side: int, expected_lots: int, reason: Reason) -> None:
    units = expected_lots * LOT_UNITS
    state = exposed()
    rules = state.accounts[1].rules
    setattr(rules, rule, units)
    assert ask(state, side=side) == PASSED
    setattr(rules, rule, units - 1)
    assert ask(state, side=side) == (reason, units - 1, units)
    setattr(rules, rule, 0)
    # Two lots more, held long by another account in its own instrument.
    hold(state, 2, instrument=4)
    more = {"net_max_units": 2 if side == BUY else -2, "short_max_units": 0}.get(rule, 2)
    units = abs(expected_lots + more) * LOT_UNITS
    setattr(state.rules, rule, units)
    assert ask(state, side=side) == PASSED
    setattr(state.rules, rule, units - 1)
    total = Reason(reason - Reason.ACCOUNT_GROSS_MAX + Reason.TOTAL_GROSS_MAX)
    assert ask(state, side=side) == (total, units - 1, units)


def test_what_another_account_holds_of_the_instrument_is_exposure_of_that_account() -> None:
    state = new_state()
    hold(state, 3, account=2)
    state.accounts[1].rules.gross_max_units = 5_000
    assert ask(state, 5) == PASSED
    state.rules.gross_max_units = 7_999
    assert ask(state, 5) == (Reason.TOTAL_GROSS_MAX, 7_999, 8_000)


def test_each_side_is_worth_what_closing_it_would_bring() -> None:
    state = new_state()
    state.instruments[1].long_mark_ticks = 90
    state.instruments[1].short_mark_ticks = 110
    hold(state, 10)
    on_order(state, 0, 30)
    rules = state.accounts[1].rules
    rules.gross_max_units = 1
    # Long 10 at the bid and one at its limit: 10,000; short 20 at the ask: 22,000.
    assert ask(state, 1, limit=100) == (Reason.ACCOUNT_GROSS_MAX, 1, 22_000)
    rules.gross_max_units = 0
    rules.long_max_units = 1
    assert ask(state, 1, limit=100) == (Reason.ACCOUNT_LONG_MAX, 1, 10_000)
    rules.long_max_units = 0
    rules.net_max_units = 1
    assert ask(state, 1, SELL, limit=100) == (Reason.ACCOUNT_NET_MAX, 1, 8_000)


def test_what_the_signal_closes_is_gone() -> None:
    state = new_state()
    hold(state, -10)
    state.accounts[1].rules.gross_max_units = 5_000
    assert ask(state, 5, closing=10) == PASSED
    assert ask(state, 5) == (Reason.ACCOUNT_GROSS_MAX, 5_000, 10_000)


def test_leverage() -> None:
    state = with_rule("leverage_max_ppm", 2 * PPM, "account")
    state.accounts[1].equity_units = 2_501
    assert ask(state, 5) == PASSED
    assert ask(state, 6) == (Reason.ACCOUNT_LEVERAGE_MAX, 5_002, 6_000)
    state.accounts[1].equity_units = 0
    assert ask(state, 1) == (Reason.ACCOUNT_LEVERAGE_MAX, 0, LOT_UNITS)
    state = with_rule("leverage_max_ppm", 1, "book")
    assert ask(state, 1) == (Reason.TOTAL_LEVERAGE_MAX, 2 * EQUITY // PPM, LOT_UNITS)
    state.accounts[2].equity_units = -EQUITY
    assert ask(state, 1) == (Reason.TOTAL_LEVERAGE_MAX, 0, LOT_UNITS)


@pytest.mark.parametrize("scope", ["account", "book"])
def test_exposure_that_does_not_fit(scope: str) -> None:
    most = 1_149_000_000_000_000
    state = with_rule("gross_max_units", MONEY_MAX, scope)
    assert ask(state, MONEY_MAX) == (Reason.MONEY_OVERFLOW, MONEY_MAX, MONEY_MAX)
    hold(state, most, instrument=3)
    assert ask(state, 1)[0] == Reason.NONE
    assert ask(state, most) == (Reason.MONEY_OVERFLOW, MONEY_MAX, most)
    on_order(state, MONEY_MAX, MONEY_MAX, instrument=3)
    assert ask(state, 1) == (Reason.MONEY_OVERFLOW, MONEY_MAX, 1)
    state.rules.gross_max_units = state.accounts[1].rules.gross_max_units = 0
    assert ask(state, 1) == PASSED


def test_leverage_of_accounts_whose_equities_do_not_fit_together() -> None:
    state = with_rule("leverage_max_ppm", 1000 * PPM, "book")
    state.accounts[1].equity_units = state.accounts[2].equity_units = MONEY_MAX
    assert ask(state, 1) == (Reason.MONEY_OVERFLOW, MONEY_MAX, 1)
    state.accounts[2].equity_units = 0
    assert ask(state, 1) == PASSED


def test_open_orders() -> None:
    state = with_rule("open_orders_max", 2, "book")
    add_order(state, BUY, PRICE, instrument=3)
    assert ask(state) == PASSED
    add_order(state, BUY, PRICE, instrument=4)
    assert ask(state) == (Reason.OPEN_ORDERS_MAX, 2, 2)


def test_open_positions() -> None:
    state = with_rule("open_positions_max", 3, "book")
    hold(state, -4, instrument=3)
    on_order(state, 0, 1, instrument=4)
    assert ask(state) == PASSED
    hold(state, 4, instrument=3, account=2)
    assert ask(state) == (Reason.OPEN_POSITIONS_MAX, 3, 3)
    # One that is held or being entered already is no further position.
    assert ask(state, instrument=3) == PASSED
    assert ask(state, instrument=4) == PASSED
    on_order(state).grouped_buy_lots = 1
    assert ask(state) == PASSED
