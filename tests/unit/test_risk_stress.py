"""Stress: shocks by hand, the worst windows against a search of all of them, and where a tape is cut."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.errors import UserError
from engine.records import EVENT
from replay.point import seq_at
from replay.recorder import state_digest
from replay.refold import refold
from replay.risk.cut import CutTape
from replay.risk.returns import HOUR_NS, Closes
from replay.risk.stress import STANDARD_SHOCKS, WINDOWS_SHOWN, Window, shocked, worst_windows
from replay.sampling import observe
from tests.unit.statistics_tape import DAY_NS, START_NS, Tape
from tests.unit.test_risk_ratios import reason
from tests.unit.test_risk_series import market

WORTHS = {0: Decimal(1_000), 2: Decimal(-400)}


def test_shocks_by_hand() -> None:
    assert shocked(WORTHS, {0: Decimal("-0.2"), 2: Decimal("0.5"), 1: Decimal(-1)}) == Decimal(-400)
    assert shocked(WORTHS, {2: Decimal("-0.05")}) == Decimal(20)
    assert shocked(WORTHS, {}) == 0
    assert [float(shock) for shock in STANDARD_SHOCKS] == [-0.05, -0.1, -0.2, -0.4, 0.05, 0.1, 0.2, 0.4]


def test_the_worst_windows_by_hand() -> None:
    """Hours of one instrument: it falls by a fifth in the third, then by a tenth in the fifth; one day is no longer."""
    closes = Closes(HOUR_NS, 1_000, np.array([[100, 110, 88, 100, 90, 95.0]]).T)
    windows = worst_windows(closes, {0: Decimal(500)})
    assert isinstance(windows, list)
    assert [(window.length_ns, round(window.profit, 6)) for window in windows] == [(HOUR_NS, -100), (HOUR_NS, -50)]
    # The closes of the second and third hour are at the end of each.
    assert windows[0].start_ts_ns == 1_002 * HOUR_NS
    assert windows[0].end_ts_ns == 1_003 * HOUR_NS
    assert windows[0].moves == pytest.approx({0: -0.2})
    short = worst_windows(closes, {0: Decimal(-500)})
    assert isinstance(short, list)
    assert short[0].moves == pytest.approx({0: 100 / 88 - 1})


def test_windows_that_bring_no_loss_are_none() -> None:
    closes = Closes(HOUR_NS, 0, np.array([[100, 110, 120.0]]).T)
    assert "no window" in reason(worst_windows(closes, {0: Decimal(1)}))
    assert reason(worst_windows(closes, {})) == "no position is held"
    unpriced = Closes(HOUR_NS, 0, np.full((3, 1), np.nan))
    assert reason(worst_windows(unpriced, {0: Decimal(1)})) == "no price of all that is held"


@given(
    st.lists(st.tuples(st.integers(50, 150), st.integers(50, 150)), min_size=30, max_size=80),
    st.tuples(st.integers(-5, 5).filter(bool), st.integers(-5, 5).filter(bool)),
    st.integers(0, 10),
)
def test_the_worst_windows_are_those_of_a_search(prices: list, amounts: tuple[int, int], unpriced: int) -> None:
    ticks = np.array(prices, dtype=np.float64)
    ticks[:unpriced, 1] = np.nan
    worths = {0: Decimal(amounts[0]), 1: Decimal(amounts[1])}
    windows = worst_windows(Closes(HOUR_NS, 0, ticks), worths)
    found: list[Window] = windows if isinstance(windows, list) else []
    for steps in (1, 24):
        left = sorted(
            (sum(amount * (ticks[start + steps, n] / ticks[start, n] - 1) for n, amount in enumerate(amounts)), start)
            for start in range(unpriced, len(prices) - steps)
        )
        taken: list[tuple[float, int]] = []
        for profit, start in left:
            clear = all(abs(start - other) >= steps for _, other in taken)
            if profit < -1e-9 and clear and len(taken) < WINDOWS_SHOWN:
                taken.append((profit, start))
        mine = [window for window in found if window.length_ns == steps * HOUR_NS and window.profit < -1e-9]
        assert [window.profit for window in mine[:1]] == pytest.approx([profit for profit, _ in taken[:1]])
        starts = [window.start_ts_ns // HOUR_NS - 1 for window in mine]
        assert all(abs(one - other) >= steps for one in starts for other in starts if one != other)
        assert len(starts) <= WINDOWS_SHOWN


def long_tape() -> Tape:
    return market([(100 + step % 7,) for step in range(40)], HOUR_NS, lots=(10,))


def test_a_cut_tape_is_that_which_ended_there() -> None:
    whole = long_tape()
    for last_seq in (5, 8, 16, 17, 30, len(whole.rows)):
        shorter = long_tape()
        del shorter.rows[last_seq:]
        shorter.documents = {seq: text for seq, text in shorter.documents.items() if seq <= last_seq}
        one = observe(CutTape(whole.reader(block_events=8), last_seq))
        other = observe(shorter.reader(block_events=8))
        assert one.state_digest == other.state_digest
        assert (one.events, one.first_ts_ns, one.last_ts_ns) == (last_seq, other.first_ts_ns, other.last_ts_ns)
        assert one.bucket_ns == other.bucket_ns
        for rows in ("accounts", "instruments", "fills"):
            np.testing.assert_array_equal(getattr(one, rows), getattr(other, rows))
        folded = refold(whole.reader(), until_seq=last_seq)
        assert state_digest(folded.state).hex() == one.state_digest


@pytest.mark.parametrize("block_events", [3, 8, 64])
def test_a_time_is_the_last_event_that_is_not_later(block_events: int) -> None:
    tape = long_tape()
    # Time goes back on the tape: the engine's does not.
    tape.ts_ns -= 5 * HOUR_NS
    tape.bar(0, 99)
    tape.ts_ns += 9 * HOUR_NS
    tape.bar(0, 98)
    reached = np.maximum.accumulate(np.concatenate(tape.rows).view(EVENT)["ts_ns"]).tolist()
    reader = tape.reader(block_events)
    for hours in (1, 2, 20, 39, 40, 41, 44):
        at = f"{np.datetime64(START_NS + hours * HOUR_NS, 'ns')}Z"
        assert seq_at(reader, at, "--at") == sum(time <= START_NS + hours * HOUR_NS for time in reached)
    assert seq_at(reader, None, "--at") == seq_at(reader, str(len(tape.rows)), "--at") == len(tape.rows)
    assert seq_at(reader, "1", "--at") == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "--at 0: expected a sequence number of the tape, 1 to"),
        ("1000", "--at 1000: expected a sequence number of the tape, 1 to"),
        ("soon", "found 'soon'"),
        ("-3", "found '-3'"),
        ("1.5", "found '1.5'"),
        ("2017-11-30", "--at 2017-11-30: expected a time of the tape, 2017-12-01"),
        ("2017-12-09T00:00:00.000000001Z", "expected a time of the tape, 2017-12-01T00:00:00.000000001Z to 2017-12-02"),
    ],
)
def test_a_point_beyond_the_tape_is_refused(text: str, words: str) -> None:
    with pytest.raises(UserError) as refusal:
        seq_at(long_tape().reader(), text, "--at")
    assert words in str(refusal.value)


def test_days_are_windows_too() -> None:
    closes = Closes(DAY_NS, 0, np.array([[100, 90, 80, 70, 60, 50, 40, 30, 20.0]]).T)
    windows = worst_windows(closes, {0: Decimal(100)})
    assert isinstance(windows, list)
    assert [window.length_ns // DAY_NS for window in windows] == [1, 1, 1, 7]
    assert windows[3].moves == pytest.approx({0: 20 / 90 - 1})
