"""All figures of one tape together: they belong to each other, and nothing is a number that is not one."""

import json
import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.names import read_names
from replay.risk import ratios, value_at_risk
from replay.risk.figure import Unknown, plain, reasons
from replay.risk.figures import Question, risk_figures
from replay.sampling import observe
from replay.statistics import summarize
from replay.trades import funding_of, round_trips
from tests.unit.statistics_tape import DAY_NS, HOUR_NS, START_NS, Tape
from tests.unit.test_risk_series import market


def figures_of(tape: Tape, question: Question | None = None, strategies: int = 0) -> dict[str, Any]:
    """The figures of a tape, whose fills are dealt out to so many strategies, if any."""
    reader = tape.reader()
    observation = observe(reader)
    if strategies:
        observation.fills["strategy"] = np.arange(len(observation.fills)) % strategies
    trips = round_trips(observation.fills, funding_of(observation.state))
    return risk_figures(observation, read_names(reader), trips, question or Question())


def wave(days: int = 40) -> Tape:
    """Two prices that go up and down, one held long and one short: 1000 and 400 lots of 0.001 a tick-lot."""
    prices = [(100 + round(9 * math.sin(day)), 200 + round(15 * math.cos(day / 2))) for day in range(days)]
    return market(prices, lots=(1_000, -400))


def test_figures_belong_to_each_other() -> None:
    tape = wave()
    figures = figures_of(tape)
    assert (figures["period"], figures["periods_per_year"]) == ("day", 365)
    (portfolio,) = figures["portfolios"]
    reader = tape.reader()
    observation = observe(reader)
    summary = summarize(observation, read_names(reader), [])
    assert portfolio["returns"] == 40
    assert round(portfolio["sharpe_ratio"], 4) == summary["sharpe_ratio"]
    assert portfolio["equity"] == summary["final_equity"] == figures["accounts"][0]["equity"]
    assert portfolio["calmar_ratio"] == pytest.approx(portfolio["annual_growth"] / -portfolio["max_drawdown"])
    # The account's own is looked at after every event, also between the two bars of a day.
    assert 0 < -portfolio["max_drawdown"] < figures["accounts"][0]["max_drawdown_share"]
    equity = float(portfolio["equity"])
    for basis in portfolio["value_at_risk"].values():
        for level in ("95%", "99%"):
            for entry in basis[level].values():
                for key in ("var", "cvar"):
                    part, amount = entry[key], entry[f"{key}_amount"]
                    assert isinstance(part, Unknown) or float(amount) == pytest.approx(equity * part, abs=1e-3)
            assert isinstance(basis[level]["monte_carlo"]["cvar_amount"], str)
    matrix = figures["correlation"]["matrix"]
    assert figures["correlation"]["instruments"] == ["I0", "I1"]
    assert (matrix[0][0], matrix[0][1]) == (1, matrix[1][0])


def test_what_is_held_is_weighed_by_its_worth_now() -> None:
    """The returns that these positions would have had each day, put together from the prices by hand."""
    tape = wave()
    figures = figures_of(tape)
    (portfolio,) = figures["portfolios"]
    prices = np.array([(row["long_mark"]) for row in _marks(tape)], dtype=np.float64)
    moves = prices[1:] / prices[:-1] - 1
    worth = np.array([1_000, -400]) * prices[-1] / 1_000
    expected = value_at_risk.tails(moves @ worth / float(portfolio["equity"]), 0.95)
    found = portfolio["value_at_risk"]["positions"]
    assert found["returns"] == 39
    for method, tail in expected.items():
        assert found["95%"][method]["var"] == pytest.approx(tail.value_at_risk, rel=1e-9)
        if isinstance(tail.conditional, float):
            assert found["95%"][method]["cvar"] == pytest.approx(tail.conditional, rel=1e-9)


def _marks(tape: Tape) -> Iterator[dict[str, list[int]]]:
    rows = observe(tape.reader()).instruments
    for day in sorted(set(rows["bucket_ts_ns"].tolist())):
        closes = rows[rows["bucket_ts_ns"] == day]["close_ticks"].tolist()
        if all(closes):
            yield {"long_mark": closes}


def test_stress_by_hand() -> None:
    """I0 is held for 1000 lots at 120, I1 short for 400 at 50: 120.00 and -20.00 of money."""
    tape = market([(100, 50), (120, 50)], lots=(1_000, -400))
    (portfolio,) = figures_of(tape, Question(shocks={0: Decimal("-0.5"), 1: Decimal("0.1")}))["portfolios"]
    assert portfolio["equity"] == "120.00"
    given_, down = portfolio["stress"][:2]
    assert given_ == {
        "scenario": "I0 -50%, I1 +10%",
        "profit": "-62.00",
        "equity_share": pytest.approx(-62 / 120),
        "equity_after": "58.00",
    }
    assert (down["scenario"], down["profit"]) == ("all prices -5%", "-5.00")
    assert len(portfolio["stress"]) == 9
    assert len(figures_of(tape)["portfolios"][0]["stress"]) == 8


def test_the_worst_windows_are_told_with_their_moves() -> None:
    tape = market([(100,), (90,), (99,), (110,)], step_ns=HOUR_NS, lots=(1_000,))
    (portfolio,) = figures_of(tape)["portfolios"]
    assert portfolio["worst_windows"] == [
        {
            "length": "1h",
            "start": "2017-12-01T01:00:00Z",
            "end": "2017-12-01T02:00:00Z",
            "moves": {"I0": pytest.approx(-0.1)},
            "profit": "-11.00",
            "equity_share": pytest.approx(-0.1),
            "equity_after": "99.00",
        }
    ]


def test_beta_is_of_the_benchmark_that_is_asked_for() -> None:
    """Held long for all the money, the first is what the equity moves with."""
    prices = [(100 + round(9 * math.sin(day)), 200 + round(15 * math.cos(day / 2))) for day in range(40)]
    tape = market(prices, lots=(1_000, 0))
    (portfolio,) = figures_of(tape)["portfolios"]
    assert portfolio["benchmark"] == "I0"
    assert portfolio["beta"] == pytest.approx(1)
    (other,) = figures_of(tape, Question(benchmark=1))["portfolios"]
    assert other["benchmark"] == "I1"
    first, second = np.array(prices, dtype=np.float64).T
    expected = ratios.beta(first[1:] / first[:-1] - 1, second[1:] / second[:-1] - 1)
    assert other["beta"] == pytest.approx(expected)


def test_kelly_is_of_the_closed_trades() -> None:
    tape = market([(100,)])
    for step, (entry, exit_) in enumerate([(100, 120), (100, 110), (100, 95), (100, 130)]):
        tape.ts_ns = START_NS + (step + 2) * DAY_NS
        tape.fill(0, 10, entry)
        tape.fill(0, -10, exit_)
    tape.fill(0, 10, 100)
    (portfolio,) = figures_of(tape)["portfolios"]
    assert portfolio["kelly_fraction"] == pytest.approx(0.75 - 0.25 * 5 / 20)


def test_currencies_are_kept_apart_and_accounts_of_one_are_added() -> None:
    tape = Tape(deposits=(50_000, 70_000, 90_000), currencies=("USD", "EUR", "USD"))
    for number in range(3):
        tape.instrument(number, f"I{number}", account=number)
        tape.fill(number, 100 * (number + 1), 100, account=number)
    tape.ts_ns += DAY_NS
    for number in range(3):
        tape.bar(number, 110)
    dollars, euros = figures_of(tape)["portfolios"]
    assert (dollars["currency"], dollars["accounts"]) == ("USD", ["account-0", "account-2"])
    assert (euros["currency"], euros["accounts"]) == ("EUR", ["account-1"])
    # A tenth of 10.00 + 30.00 and of 20.00.
    assert (dollars["equity"], euros["equity"]) == ("144.00", "72.00")
    assert dollars["stress"][1]["profit"] == "-4.40"
    assert euros["stress"][1]["profit"] == "-2.20"


def test_an_empty_book_has_reasons_and_no_numbers() -> None:
    tape = Tape(deposits=(1_000,))
    figures = figures_of(tape)
    (portfolio,) = figures["portfolios"]
    assert portfolio["beta"] == Unknown("there is no instrument")
    assert portfolio["stress"] == Unknown("no position is held")
    found = dict(reasons(figures))
    assert found["portfolios.0.sharpe_ratio"] == "too few returns: 1, at least 3 needed"
    assert found["portfolios.0.value_at_risk.positions.99%.historical.var"] == "no position is held"
    assert found["portfolios.0.kelly_fraction"].startswith("trades won: 0")
    assert figures["correlation"] == {"instruments": [], "matrix": []}


def test_a_tape_without_money_or_names_is_told_all_the_same() -> None:
    tape = Tape(deposits=(0,))
    tape.instrument(0, "A")
    tape.fill(0, -10, 100, fee=3)
    tape.documents.clear()
    (portfolio,) = figures_of(tape)["portfolios"]
    assert portfolio["accounts"] == ["account 0"]
    assert "equity is not positive" in dict(reasons(portfolio))["stress.0.equity_share"]
    assert portfolio["value_at_risk"]["equity"]["returns"] == 0


def test_strategies_that_hold_the_same_are_one_and_the_opposite_is_not() -> None:
    prices = [(100 + round(9 * math.sin(day)),) for day in range(20)]
    tape = market(prices[:1])
    for lots in (10, 30, -20):
        tape.fill(0, lots, prices[0][0])
    for day, (close,) in enumerate(prices[1:]):
        tape.ts_ns = START_NS + (day + 2) * DAY_NS
        tape.bar(0, close)
    (portfolio,) = figures_of(tape, strategies=3)["portfolios"]
    assert portfolio["strategy_correlation"]["strategies"] == ["by hand", "strategy 1", "strategy 2"]
    expected = [[1, 1, -1], [1, 1, -1], [-1, -1, 1]]
    np.testing.assert_allclose(portfolio["strategy_correlation"]["matrix"], expected, atol=1e-9)


def test_the_fold_holds_what_a_reader_works_out() -> None:
    """Trades, exposure and the time below the peak: the engine's own figures against those from the fills."""
    tape = market([(100, 200)])
    marks = (110, 90, 95, 120, 80, 85)
    for step, close in enumerate(marks):
        tape.ts_ns = START_NS + (step + 2) * DAY_NS
        tape.fill(0, (20, -20)[step % 2], close, fee=3)
        tape.fill(1, (-5, 4, 1)[step % 3], close * 2, fee=1)
        tape.bar(0, close)
        tape.bar(1, close * 2)
    tape.fill(0, -7, 85)
    tape.fill(1, 2, 170)
    reader = tape.reader()
    observation = observe(reader)
    summary = summarize(observation, read_names(reader), round_trips(observation.fills))
    (account,) = figures_of(tape)["accounts"]
    for key in ("trades", "trades_won", "realized_pnl", "unrealized_pnl", "fees"):
        assert account[key] == summary[key]
    assert round(account["profit_factor"], 4) == summary["profit_factor"]
    assert round(100 * account["win_rate"], 4) == summary["win_rate"]
    row = observation.state.accounts[0]
    assert (Decimal(account["long"]), Decimal(account["short"])) == (
        Decimal(int(row["long_units"])) / 1_000,
        Decimal(abs(int(row["short_units"]))) / 1_000,
    )
    assert 0 < account["drawdown_ns"] <= account["longest_drawdown_ns"] <= tape.ts_ns - START_NS
    for entry, own in zip(figures_of(tape)["instruments"], summary["instruments"], strict=True):
        assert (entry["trades"], entry["trades_won"]) == (own["trades"], own["trades_won"])


def test_the_same_tape_gives_the_same_figures() -> None:
    assert figures_of(wave()) == figures_of(wave())


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(0, 1), st.integers(-30, 30), st.integers(1, 400), st.integers(0, 40)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([HOUR_NS // 60, 7 * HOUR_NS, 29 * HOUR_NS]),
    st.sampled_from([0, 2_000, 1_000_000]),
)
def test_every_number_is_one_whatever_is_on_the_tape(moves: list, step_ns: int, deposit: int) -> None:
    """JSON that a strict reader takes: no NaN, no infinity."""
    tape = Tape(deposits=(deposit,))
    for number in (0, 1):
        tape.instrument(number, f"I{number}")
    for number, lots, price, fee in moves:
        tape.ts_ns += step_ns
        tape.bar(number, price)
        if lots:
            tape.fill(number, lots, price, fee=fee)
    figures = figures_of(tape, Question(shocks={0: Decimal("-0.3")}), strategies=3)
    text = json.dumps(plain(figures), allow_nan=False)
    assert json.loads(text)["portfolios"][0]["equity"] == figures["accounts"][0]["equity"]
