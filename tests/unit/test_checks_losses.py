"""Checks 24 to 27: what may be lost before nothing is entered any more"""

from typing import Any

import pytest

from engine.arithmetic import MONEY_MAX
from engine.reasons import Reason
from tests.unit.checks_support import EQUITY, PASSED, PRICE, UNIT, ask, new_state


def with_equity(equity: int, **rules: int) -> Any:
    state = new_state()
    state.accounts[1].equity_units = equity
    for name, value in rules.items():
        setattr(state.accounts[1].rules, name, value)
    return state


def test_daily_loss_in_units() -> None:
    assert ask(with_equity(EQUITY - 499, daily_loss_max_units=500)) == PASSED
    assert ask(with_equity(EQUITY - 500, daily_loss_max_units=500)) == (Reason.DAILY_LOSS_MAX, 500, 500)
    assert ask(with_equity(EQUITY - 500, daily_loss_max_units=500), instrument=4) == PASSED


def test_daily_loss_in_ppm_of_the_first_equity() -> None:
    for loss, passes in ((3, True), (4, False)):
        state = with_equity(1_000 - loss, daily_loss_max_ppm=3_001)
        state.accounts[1].day_equity_units = 1_000
        assert ask(state) == (PASSED if passes else (Reason.DAILY_LOSS_MAX, 4, 4))


def test_the_rule_in_units_comes_before_the_one_in_ppm() -> None:
    state = with_equity(EQUITY - 600, daily_loss_max_units=500, daily_loss_max_ppm=100)
    assert ask(state) == (Reason.DAILY_LOSS_MAX, 500, 600)
    state.accounts[1].rules.daily_loss_max_units = 601
    assert ask(state) == (Reason.DAILY_LOSS_MAX, 100, 600)


def test_drawdown_of_the_guarded_peak() -> None:
    for drawdown, passes in ((100, True), (101, False)):
        state = with_equity(1_001 - drawdown, drawdown_max_ppm=100_000)
        state.accounts[1].guard_peak_units = 1_001
        state.accounts[1].peak_equity_units = 50_000
        assert ask(state) == (PASSED if passes else (Reason.DRAWDOWN_MAX, 101, 101))


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ("daily_loss_max_units", 5_000, (Reason.DAILY_LOSS_MAX, 5_000, 12)),
        ("daily_loss_max_ppm", 1_000_000, (Reason.DAILY_LOSS_MAX, 5, 12)),
        ("drawdown_max_ppm", 1_000_000, (Reason.DRAWDOWN_MAX, 7, 14)),
    ],
)
def test_without_equity_a_loss_rule_fails(rule: str, value: int, expected: Any) -> None:
    state = with_equity(-7, **{rule: value})
    state.accounts[1].day_equity_units = 5
    state.accounts[1].guard_peak_units = 7
    assert ask(state) == expected
    assert ask(with_equity(-7)) == PASSED


def test_nothing_ever_paid_in() -> None:
    state = with_equity(0, daily_loss_max_ppm=1)
    state.accounts[1].day_equity_units = state.accounts[1].guard_peak_units = 0
    assert ask(state) == (Reason.DAILY_LOSS_MAX, 0, 0)
    state.accounts[1].rules.drawdown_max_ppm = 1
    state.accounts[1].rules.daily_loss_max_ppm = 0
    assert ask(state) == (Reason.DRAWDOWN_MAX, 0, 0)


def test_what_a_strategy_has_lost() -> None:
    state = new_state()
    strategy = state.strategies[1]
    strategy.realized_units, strategy.fees_units = -300, 20
    strategy.rules.loss_max_units = 321
    assert ask(state) == PASSED
    strategy.rules.loss_max_units = 320
    assert ask(state) == (Reason.STRATEGY_LOSS_MAX, 320, 320)
    assert ask(state, strategy=2) == PASSED
    # Four lots bought at 130 cost 1,200 more than the bid, three sold at 110 have earned 300 at the ask.
    state.pairs[1, 1].quantity_lots, state.pairs[1, 1].cost_units = 4, 4 * 130 * UNIT
    state.pairs[1, 4].quantity_lots, state.pairs[1, 4].cost_units = -3, -3 * 110 * UNIT
    state.pairs[2, 3].quantity_lots, state.pairs[2, 3].cost_units = 9, 9 * 900 * UNIT
    assert ask(state) == (Reason.STRATEGY_LOSS_MAX, 320, 1_220)
    state.instruments[4].short_mark_ticks = PRICE + 1
    assert ask(state) == (Reason.STRATEGY_LOSS_MAX, 320, 1_250)


def test_a_loss_that_cannot_be_reckoned() -> None:
    state = new_state()
    state.strategies[1].rules.loss_max_units = 1
    state.pairs[1, 3].quantity_lots = MONEY_MAX
    assert ask(state, 7) == (Reason.MONEY_OVERFLOW, MONEY_MAX, 7)
    state.pairs[1, 3].quantity_lots = 0
    state.pairs[1, 3].cost_units = MONEY_MAX
    state.pairs[1, 4].cost_units = MONEY_MAX
    assert ask(state, 7) == (Reason.MONEY_OVERFLOW, MONEY_MAX, 7)


def test_a_risk_level_that_scales_to_nothing() -> None:
    state = new_state()
    for place, scale in enumerate((500_000, 100_000, 0)):
        state.accounts[1].risk_steps[place].scale_ppm = scale
    for level in range(3):
        state.accounts[1].risk_level = level
        assert ask(state) == PASSED
    state.instruments[1].risk_level = 3
    assert ask(state) == (Reason.RISK_STOPPED, 0, 3)
    assert ask(state, instrument=3) == PASSED
