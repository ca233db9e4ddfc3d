"""`tapefold risk` as a user meets it: tables, JSON, points of the tape, one-line errors."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_cli import one_line, tapefold, write_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal of 300 hours at journals/small; returns are by day."""
    folder = tmp_path_factory.mktemp("risk")
    write_run(folder, count=300)
    done = tapefold(folder, "backtest", "run.toml")
    assert done.returncode == 0, done.stderr
    return folder


def risk(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return tapefold(folder, "risk", "journals/small", *arguments)


def _refused(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def figures(folder: Path, *arguments: str) -> dict[str, Any]:
    done = risk(folder, *arguments, "--output", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout, parse_constant=_refused)


def test_json_is_one_object_that_agrees_with_the_backtest(run: Path) -> None:
    result = figures(run)
    summary = json.loads((run / "journals" / "small" / "summary.json").read_text())
    (portfolio,) = result["portfolios"]
    assert (result["journal"], result["events"]) == ("journals/small", summary["events"])
    assert result["state_digest"] == summary["state_digest"]
    assert (result["period"], portfolio["returns"]) == ("day", 13)
    assert portfolio["equity"] == result["accounts"][0]["equity"] == summary["final_equity"]
    assert round(portfolio["sharpe_ratio"], 4) == summary["sharpe_ratio"]
    assert result["accounts"][0]["max_drawdown"] == summary["max_drawdown"]
    assert result["instruments"][0]["realized_pnl"] == summary["realized_pnl"]
    assert portfolio["benchmark"] == "AAA/USD"
    tail = portfolio["value_at_risk"]["equity"]
    assert tail["99%"]["historical"]["cvar"] <= tail["95%"]["historical"]["cvar"] < tail["95%"]["historical"]["var"]
    assert portfolio["strategies"][0]["strategy"] == "ema"
    assert portfolio["strategy_correlation"] is None
    reason = "too few strategies that traded: 1, at least 2 needed"
    assert result["unknown"]["portfolios.0.strategy_correlation"] == reason
    assert result == figures(run)


def test_tables_in_a_pipe_are_plain(run: Path) -> None:
    done = risk(run, "--shock", "AAA/USD=-0.25")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert max(len(line) for line in done.stdout.splitlines()) <= 110
    for word in ("Exposure", "Drawdown", "Sharpe ratio", "Kelly fraction", "cornish fisher", "AAA/USD -25%", "ema"):
        assert word in done.stdout
    assert "worst windows of the tape" in done.stdout
    assert "n/a (too few strategies that traded: 1, at least 2 needed)" in done.stdout


def test_a_point_of_the_tape(run: Path) -> None:
    point = figures(run, "--at", "120")
    replayed = tapefold(run, "replay", "journals/small", "--until", "120", "--output", "json")
    state = json.loads(replayed.stdout)
    assert (point["events"], point["state_digest"]) == (120, state["state_digest"])
    assert (point["last_time"], point["accounts"][0]["equity"]) == (state["last_time"], state["accounts"][0]["equity"])
    timed = figures(run, "--at", point["last_time"])
    assert timed["last_time"] == point["last_time"]
    assert timed["events"] >= 120
    first = figures(run, "--at", "1")
    assert (first["accounts"], first["portfolios"]) == ([], [])
    assert risk(run, "--at", "1").returncode == 0


def test_a_year_may_have_other_periods(run: Path) -> None:
    usual, other = figures(run), figures(run, "--periods-per-year", "91.25")
    assert (usual["periods_per_year"], other["periods_per_year"]) == (365, 91.25)
    one, two = usual["portfolios"][0]["sharpe_ratio"], other["portfolios"][0]["sharpe_ratio"]
    assert one == pytest.approx(2 * two)


def test_a_given_shock_is_the_first_scenario(run: Path) -> None:
    result = figures(run, "--shock", "AAA/USD=0.1")
    (portfolio,) = result["portfolios"]
    scenarios = {entry["scenario"]: entry for entry in portfolio["stress"]}
    assert portfolio["stress"][0]["scenario"] == "AAA/USD +10%"
    assert scenarios["AAA/USD +10%"]["profit"] == scenarios["all prices +10%"]["profit"]
    worth = float(result["instruments"][0]["worth"])
    assert float(portfolio["stress"][0]["profit"]) == pytest.approx(worth / 10)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], ["nowhere", "does not exist"]),
        (["."], ["holds no journal"]),
        (["run.toml"], ["run.toml", "is no folder"]),
        ([], ["journal"]),
        (["journals/small", "--at", "0"], ["--at 0", "1 to"]),
        (["journals/small", "--at", "1000000"], ["--at 1000000", "1 to"]),
        (["journals/small", "--at", "soon"], ["--at", "'soon'"]),
        (["journals/small", "--at", "2031-01-01"], ["--at 2031-01-01", "expected a time of the tape, 2017-12-01"]),
        (["journals/small", "--shock", "BBB/USD=-0.2"], ["BBB/USD", "expected one of AAA/USD"]),
        (["journals/small", "--shock", "AAA/USD"], ["--shock AAA/USD", "SYMBOL=FRACTION"]),
        (["journals/small", "--shock", "AAA/USD=much"], ["--shock AAA/USD=much", "fraction", "'much'"]),
        (["journals/small", "--shock", "AAA/USD=nan"], ["--shock AAA/USD=nan", "fraction"]),
        (["journals/small", "--shock", "AAA/USD=-1.01"], ["--shock AAA/USD=-1.01", "from -1 to 100"]),
        (["journals/small", "--shock", "AAA/USD=1", "--shock", "AAA/USD=1"], ["has a shock already"]),
        (["journals/small", "--benchmark", "BBB"], ["--benchmark BBB", "expected one of AAA/USD"]),
        (["journals/small", "--periods-per-year", "many"], ["--periods-per-year", "many"]),
        (["journals/small", "--periods-per-year", "0"], ["--periods-per-year", "above 0"]),
        (["journals/small", "--periods-per-year", "nan"], ["--periods-per-year", "above 0"]),
        (["journals/small", "--periods-per-year", "inf"], ["--periods-per-year", "above 0"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run: Path, arguments: list[str], words: list[str]) -> None:
    done = tapefold(run, "risk", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    line = one_line(done.stderr)
    for word in words:
        assert word.lower() in line.lower()
