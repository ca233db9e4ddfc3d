"""Risk levels: up at once by drawdown, losing streak and volatility; down with hysteresis and after a hold."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arithmetic import INT64_MAX, MONEY_MAX
from engine.checks.levels import level_watch, scale_ppm, update_account_level, update_instrument_level
from engine.kinds import DecisionKind
from engine.reasons import Reason
from engine.records import RISK_LEVEL_DECISION
from tests.support import from_python
from tests.unit.checks_support import NOW_NS, new_outbox, new_state

PEAK = 1_000_000
_level_watch = from_python(level_watch)
_scale_ppm = from_python(scale_ppm)
_update_account_level = from_python(update_account_level)
_update_instrument_level = from_python(update_instrument_level)


def stepped(hysteresis_ppm: int = 100_000, hold_ns: int = 0) -> Any:
    """Steps at 5, 10 and 20 % of a million, at 3 and 5 losses, at a volatility 1.5, 2 and 3 times the slow one."""
    state = new_state()
    account = state.accounts[1]
    account.rules.risk_hysteresis_ppm = hysteresis_ppm
    account.rules.risk_hold_ns = hold_ns
    account.guard_peak_units = account.equity_units = PEAK
    steps = [(50_000, 1_500_000, 3, 500_000), (100_000, 2_000_000, 5, 250_000), (200_000, 3_000_000, 0, 0)]
    for step, values in zip(account.risk_steps, steps, strict=True):
        step.drawdown_ppm, step.volatility_ratio_ppm, step.losing_streak, step.scale_ppm = values
    state.instruments[1].samples = 20
    return state


def moves(outbox: Any) -> list[dict[str, int]]:
    rows = outbox.items[: outbox.count].view(RISK_LEVEL_DECISION)
    return [{name: int(row[name]) for name in RISK_LEVEL_DECISION.names or ()} for row in rows]


def after(state: Any, drawdown: int = 0, streak: int = 0) -> tuple[int, ...]:
    """The account's level at this drawdown and streak; with what moved it (reason, limit, observed), if it moved."""
    account = state.accounts[1]
    account.equity_units = account.guard_peak_units - drawdown
    account.losing_streak = streak
    return _moved(state, _update_account_level, account)


def at_ratio(state: Any, fast: int, slow: int = 1000) -> tuple[int, ...]:
    """The instrument's level at these volatilities."""
    instrument = state.instruments[1]
    instrument.variance_ppb2, instrument.slow_variance_ppb2 = fast**2, slow**2
    return _moved(state, _update_instrument_level, instrument)


def _moved(state: Any, update: Any, row: Any) -> tuple[int, ...]:
    before, changes = int(row.risk_level), int(state.risk_level_changes)
    outbox = new_outbox()
    update(state, outbox, 1)
    said = moves(outbox)
    assert len(said) == int(row.risk_level != before) == state.risk_level_changes - changes
    if not said:
        return (int(row.risk_level),)
    (move,) = said
    assert (move["level_before"], move["risk_level"]) == (before, row.risk_level)
    assert row.risk_level_ts_ns == state.ts_ns
    return move["risk_level"], move["reason"], move["limit"], move["observed"]


@pytest.mark.parametrize(
    ("drawdown", "streak", "expected"),
    [
        (0, 0, (0,)),
        (49_999, 2, (0,)),
        (50_000, 0, (1, Reason.RISK_BY_DRAWDOWN, 50_000, 50_000)),
        (0, 3, (1, Reason.RISK_BY_LOSING_STREAK, 3, 3)),
        (60_000, 4, (1, Reason.RISK_BY_DRAWDOWN, 50_000, 60_000)),
        (60_000, 7, (2, Reason.RISK_BY_LOSING_STREAK, 5, 7)),
        (100_000, 7, (2, Reason.RISK_BY_DRAWDOWN, 100_000, 100_000)),
        (199_999, 99, (2, Reason.RISK_BY_DRAWDOWN, 100_000, 199_999)),
        (200_000, 0, (3, Reason.RISK_BY_DRAWDOWN, 200_000, 200_000)),
        (PEAK + 5, 0, (3, Reason.RISK_BY_DRAWDOWN, 200_000, PEAK + 5)),
    ],
)
def test_up_at_once(drawdown: int, streak: int, expected: tuple[int, ...]) -> None:
    assert after(stepped(hold_ns=10**15), drawdown, streak) == expected


def test_a_threshold_is_rounded_up_to_units() -> None:
    state = stepped()
    state.accounts[1].guard_peak_units = 1_001
    assert after(state, 50) == (0,)
    assert after(state, 51) == (1, Reason.RISK_BY_DRAWDOWN, 51, 51)


def test_down_only_below_the_lowered_thresholds() -> None:
    state = stepped()
    after(state, 200_000)
    assert after(state, 180_000) == (3,)
    # Ten per cent lower they are 45,000, 90,000 and 180,000.
    assert after(state, 179_999) == (2, Reason.RISK_BY_DRAWDOWN, 180_000, 179_999)
    assert after(state, 90_000) == (2,)
    assert after(state, 45_000) == (1, Reason.RISK_BY_DRAWDOWN, 90_000, 45_000)
    assert after(state, 44_999) == (0, Reason.RISK_BY_DRAWDOWN, 45_000, 44_999)


def test_down_to_what_the_lowered_thresholds_give() -> None:
    state = stepped()
    after(state, 200_000)
    # 95,000 is below the second step, but not by enough.
    assert after(state, 95_000) == (2, Reason.RISK_BY_DRAWDOWN, 180_000, 95_000)


def test_a_streak_comes_to_an_end() -> None:
    state = stepped()
    after(state, 0, 5)
    # Ten per cent less than five losses are still five.
    assert after(state, 0, 4) == (1, Reason.RISK_BY_DRAWDOWN, 90_000, 0)
    state.accounts[1].risk_steps[0].drawdown_ppm = 0
    assert after(state, 0, 0) == (0, Reason.RISK_BY_LOSING_STREAK, 3, 0)


def test_a_streak_holds_a_level_that_the_drawdown_would_let_go() -> None:
    state = stepped()
    after(state, 100_000, 5)
    assert after(state, 0, 6) == (2,)


def test_down_not_before_the_hold_is_over() -> None:
    state = stepped(hold_ns=100)
    after(state, 60_000)
    state.ts_ns = NOW_NS + 99
    assert after(state) == (1,)
    assert after(state, 100_000)[0] == 2
    state.ts_ns = NOW_NS + 198
    assert after(state) == (2,)
    state.ts_ns = NOW_NS + 199
    assert after(state) == (0, Reason.RISK_BY_DRAWDOWN, 90_000, 0)


def test_steps_that_are_taken_away() -> None:
    state = stepped()
    after(state, 100_000)
    for step in state.accounts[1].risk_steps:
        step.drawdown_ppm = step.losing_streak = 0
    assert after(state, 100_000) == (0, Reason.NONE, 0, 0)
    assert after(state, PEAK, 1000) == (0,)


@pytest.mark.parametrize("peak", [0, -5])
def test_without_a_peak_no_drawdown_is_reached(peak: int) -> None:
    state = stepped()
    state.accounts[1].guard_peak_units = peak
    assert after(state, 10) == (0,)
    assert after(state, 10, 3) == (1, Reason.RISK_BY_LOSING_STREAK, 3, 3)


def test_the_largest_peak() -> None:
    state = stepped()
    state.accounts[1].guard_peak_units = MONEY_MAX
    fifth = -(-MONEY_MAX // 5)
    assert after(state, fifth - 1)[0] == 2
    assert after(state, fifth) == (3, Reason.RISK_BY_DRAWDOWN, fifth, fifth)
    assert after(state, 2 * MONEY_MAX) == (3,)


def test_volatility_moves_an_instrument() -> None:
    state = stepped(hold_ns=10)
    assert at_ratio(state, 1499) == (0,)
    assert at_ratio(state, 1500) == (1, Reason.RISK_BY_VOLATILITY, 1_500_000, 1_500_000)
    assert at_ratio(state, 3001) == (3, Reason.RISK_BY_VOLATILITY, 3_000_000, 3_001_000)
    state.ts_ns += 9
    assert at_ratio(state, 0) == (3,)
    state.ts_ns += 1
    assert at_ratio(state, 2700) == (3,)
    assert at_ratio(state, 2699) == (2, Reason.RISK_BY_VOLATILITY, 2_700_000, 2_699_000)
    assert state.accounts[1].risk_level == state.instruments[3].risk_level == 0


def test_volatility_needs_samples() -> None:
    state = stepped()
    instrument = state.instruments[1]
    instrument.samples = 19
    assert at_ratio(state, 5000) == (0,)
    instrument.rules.volatility_samples_min = 19
    assert at_ratio(state, 5000)[0] == 3
    instrument.rules.volatility_samples_min = 21
    instrument.samples = 20
    # Too few again: nothing is reached.
    assert at_ratio(state, 5000) == (0, Reason.RISK_BY_VOLATILITY, 2_700_000, 0)


def test_a_slow_volatility_of_nothing_and_the_largest_ratio() -> None:
    state = stepped()
    assert at_ratio(state, 5000, 0) == (0,)
    assert at_ratio(state, 3_037_000_499, 1) == (3, Reason.RISK_BY_VOLATILITY, 3_000_000, 3_037_000_499 * 10**6)


def test_an_order_feels_the_higher_level() -> None:
    state = stepped()
    assert int(_scale_ppm(state, 1)) == 1_000_000
    state.accounts[1].risk_level = 1
    assert int(_scale_ppm(state, 1)) == 500_000
    state.instruments[1].risk_level = 2
    assert int(_scale_ppm(state, 1)) == 250_000
    assert int(_scale_ppm(state, 3)) == 500_000
    assert int(_scale_ppm(state, 4)) == 1_000_000


def test_a_move_says_whose_level_it_is() -> None:
    state, outbox = stepped(), new_outbox()
    state.seq = 7
    state.accounts[1].equity_units = 0
    _update_account_level(state, outbox, 1)
    state.instruments[3].samples, state.instruments[3].variance_ppb2, state.instruments[3].slow_variance_ppb2 = 20, 4, 1
    _update_instrument_level(state, outbox, 3)
    account, instrument = moves(outbox)
    assert (account["kind"], account["seq"]) == (DecisionKind.RISK_LEVEL_CHANGED, 7)
    assert (account["account"], account["instrument"], account["scale_ppm"]) == (1, 65_535, 0)
    assert (instrument["account"], instrument["instrument"], instrument["scale_ppm"]) == (1, 3, 250_000)


def watch(state: Any) -> tuple[int, int]:
    rise, fall = _level_watch(state, 1)
    return int(rise), int(fall)


def test_what_to_watch_for() -> None:
    state = stepped()
    assert watch(state) == (50_000, -1)
    after(state, 60_000)
    assert watch(state) == (100_000, 44_999)
    after(state, 60_000, 3)
    assert watch(state) == (100_000, -1)
    after(state, 250_000)
    assert watch(state) == (INT64_MAX, 179_999)
    for step in state.accounts[1].risk_steps:
        step.drawdown_ppm = 0
    assert watch(state) == (INT64_MAX, INT64_MAX - 1)
    assert _level_watch(new_state(), 1) == (INT64_MAX, -1)


def test_a_step_that_the_streak_already_reaches_is_looked_at_with_any_drawdown() -> None:
    state = stepped()
    after(state, 0, 2)
    state.accounts[1].risk_steps[0].losing_streak = 2
    assert watch(state) == (0, -1)


def test_without_a_peak_every_drawdown_is_looked_at() -> None:
    state = stepped()
    state.accounts[1].guard_peak_units = 0
    assert watch(state) == (0, -1)


@given(
    steps=st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 4)), min_size=3, max_size=3),
    hysteresis_ppm=st.sampled_from([0, 1, 100_000, 900_000, 1_000_000]),
    peak=st.integers(1, 2000),
    figures=st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 5)), min_size=1, max_size=20),
)
def test_a_level_moves_only_where_it_is_watched(
    steps: list[tuple[int, int]], hysteresis_ppm: int, peak: int, figures: list[tuple[int, int]]
) -> None:
    state = stepped(hysteresis_ppm)
    state.accounts[1].guard_peak_units = peak
    for step, (drawdown_ppm, streak) in zip(state.accounts[1].risk_steps, steps, strict=True):
        step.drawdown_ppm, step.losing_streak = drawdown_ppm, streak
    for drawdown, streak in figures:
        after(state, drawdown, streak)
        before = int(state.accounts[1].risk_level)
        rise, fall = watch(state)
        for other in {0, 1, rise - 1, rise, fall, fall + 1, peak}:
            if 0 <= other <= 10**6:
                state.accounts[1].risk_level = before
                level = after(state, other, streak)[0]
                assert level == before or other >= rise or other <= fall
                assert other < rise or level > before
                assert other > fall or level < before
        state.accounts[1].risk_level = before
