"""Check 20 and the size that the free funds pay for."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.arithmetic import INT64_MAX, MONEY_MAX
from engine.checks.entry import affordable_lots
from engine.reasons import Reason
from tests.support import from_python
from tests.unit.checks_support import BUY, LOT_UNITS, PASSED, PRICE, SELL, ask, hold, new_state, on_order

CASH_INSTRUMENT = 4
_affordable_lots = from_python(affordable_lots)


def checked(margin_ppm: int = 100_000, taker_fee_ppm: int = 1_001) -> Any:
    state = new_state()
    for number in (1, 3, CASH_INSTRUMENT):
        state.instruments[number].margin_initial_ppm = margin_ppm
        state.instruments[number].taker_fee_ppm = taker_fee_ppm
    for number in (1, 2):
        state.accounts[number].rules.funds_checked = 1
    return state


def affordable(state: Any, side: int = BUY, instrument: int = 1, price: int = PRICE, closing: int = 0) -> int:
    return int(_affordable_lots(state, instrument, side, price, closing, MONEY_MAX))


def test_margin_and_fee_are_needed_and_rounded_up() -> None:
    state = checked(margin_ppm=100_001)
    # 5 lots: 5,000 units, a margin of 500.005 and a fee of 5.005.
    state.accounts[1].equity_units = 507
    assert ask(state, 5) == PASSED
    state.accounts[1].equity_units = 506
    assert ask(state, 5) == (Reason.FUNDS_INSUFFICIENT, 506, 507)
    assert ask(state, 5, SELL) == (Reason.FUNDS_INSUFFICIENT, 506, 507)
    state.accounts[1].rules.funds_checked = 0
    assert ask(state, 5) == PASSED


def test_other_instruments_take_up_margin_in_their_worst_case() -> None:
    state = checked(taker_fee_ppm=0)
    hold(state, 10, instrument=3)
    on_order(state, 5, 30, instrument=3)
    state.instruments[3].margin_initial_ppm = 100_001
    # Worst is 20 short: 2,000.02 units.
    state.accounts[1].equity_units = 2_501
    assert ask(state, 5) == PASSED
    assert ask(state, 6) == (Reason.FUNDS_INSUFFICIENT, 500, 600)


def test_what_is_there_of_the_instrument_needs_margin_with_the_order() -> None:
    state = checked()
    hold(state, 10)
    on_order(state, 5, 3)
    state.accounts[1].equity_units = 1_000
    # 15 lots and 5 more, and a fee for the five.
    assert ask(state, 5) == (Reason.FUNDS_INSUFFICIENT, 1_000, 2_006)
    assert ask(state, 5, SELL) == PASSED
    assert ask(state, 5, SELL, closing=10) == PASSED
    hold(state, -10)
    assert ask(state, 5, closing=10) == (Reason.FUNDS_INSUFFICIENT, 1_000, 1_006)


def test_a_negative_taker_fee_lends_nothing() -> None:
    state = checked(taker_fee_ppm=-500)
    state.accounts[1].equity_units = 499
    assert ask(state, 5) == (Reason.FUNDS_INSUFFICIENT, 499, 500)


def test_cash_pays_for_a_buy_and_for_the_buys_on_order() -> None:
    state = checked()
    account = state.accounts[2]
    # Of the equity 4,000 are in what is held (bought for 3,500), 500 are promised to an open buy at the ask.
    account.cost_units, account.unrealized_units = 3_500, 500
    state.instruments[CASH_INSTRUMENT].short_mark_ticks = 50
    on_order(state, buys=1, sells=9, instrument=CASH_INSTRUMENT)
    account.equity_units = 4_000 + 500 + 6_007
    assert ask(state, 6, limit=100, instrument=CASH_INSTRUMENT) == PASSED
    account.equity_units -= 1
    assert ask(state, 6, limit=100, instrument=CASH_INSTRUMENT) == (Reason.FUNDS_INSUFFICIENT, 6_006, 6_007)
    assert ask(state, 600, SELL, instrument=CASH_INSTRUMENT) == PASSED


def test_funds_that_cannot_be_reckoned() -> None:
    state = checked()
    assert ask(state, MONEY_MAX) == (Reason.MONEY_OVERFLOW, MONEY_MAX, MONEY_MAX)
    assert ask(state, MONEY_MAX, instrument=CASH_INSTRUMENT) == (Reason.MONEY_OVERFLOW, MONEY_MAX, MONEY_MAX)
    state.instruments[1].margin_initial_ppm = INT64_MAX
    assert ask(state, 1_000_000) == (Reason.MONEY_OVERFLOW, MONEY_MAX, 1_000_000)
    on_order(state, buys=MONEY_MAX)
    assert ask(state, 1, instrument=3) == (Reason.MONEY_OVERFLOW, MONEY_MAX, 1)
    assert affordable(state) == affordable(state, instrument=3) == 0


def test_affordable_lots_by_hand() -> None:
    state = checked(taker_fee_ppm=0)
    assert affordable(state) == 10_000
    assert affordable(state, price=PRICE - 1) == 10_101
    hold(state, 10)
    on_order(state, 5)
    assert affordable(state) == 9_985
    hold(state, -10)
    assert affordable(state, closing=10) == 9_995
    assert affordable(state, instrument=CASH_INSTRUMENT) == 1_000
    assert affordable(state, SELL, instrument=CASH_INSTRUMENT) == MONEY_MAX
    state.accounts[1].equity_units = -1
    assert affordable(state) == 0
    state.accounts[1].rules.funds_checked = 0
    assert affordable(state) == MONEY_MAX


def test_where_a_lot_takes_nothing_only_the_ledger_bounds_it() -> None:
    state = checked(margin_ppm=0, taker_fee_ppm=0)
    assert affordable(state) == MONEY_MAX // LOT_UNITS
    state.accounts[1].equity_units = -1
    assert affordable(state) == 0


@given(
    equity=st.integers(-10, 10**7) | st.integers(10**15, 10**17),
    price=st.integers(1, 10**6),
    unit=st.integers(1, 1000),
    margin_ppm=st.sampled_from([0, 1, 333, 100_000, 333_333, 1_000_000, 5_000_000]),
    fee_ppm=st.sampled_from([-100, 0, 1, 999, 250_000]),
    held=st.integers(-50, 50),
    on_the_way=st.integers(0, 20),
    instrument=st.sampled_from([1, CASH_INSTRUMENT]),
    side=st.sampled_from([BUY, SELL]),
)
def test_affordable_is_the_most_that_the_check_lets_pass(
    equity: int,
    price: int,
    unit: int,
    margin_ppm: int,
    fee_ppm: int,
    held: int,
    on_the_way: int,
    instrument: int,
    side: int,
) -> None:
    state = checked(margin_ppm, fee_ppm)
    row = state.instruments[instrument]
    row.tick_lot_units, row.long_mark_ticks, row.short_mark_ticks = unit, price, price + 3
    state.accounts[row.account].equity_units = equity
    hold(state, held, instrument)
    on_order(state, on_the_way, on_the_way, instrument)
    closing = abs(held) if held * side < 0 else 0
    lots = affordable(state, side, instrument, price, closing)
    if lots == MONEY_MAX or lots >= MONEY_MAX // (price * unit) // 2:
        return
    if lots > 0:
        assert ask(state, lots, side, price, instrument, closing=closing) == PASSED
    assert ask(state, lots + 1, side, price, instrument, closing=closing)[0] == Reason.FUNDS_INSUFFICIENT
