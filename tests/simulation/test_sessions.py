"""The sessions of a live tape, as the tape alone tells them."""

import json
from decimal import Decimal
from itertools import pairwise

import pytest

from adapters.cli.outcome import exit_code_of
from adapters.journal import read_journal
from replay.sessions import sessions_of
from tests.simulation.daemon_lives import Life, World


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    return World(tmp_path / "tape", seed=3)


def test_sessions_add_up_to_the_account(world, capsys):
    Life(world, "after_commit:40", ticks=60).live()
    Life(world, ticks=60).live()
    last = Life(world, ticks=0, settles=True).live()
    with read_journal(world.folder) as reader:
        found = sessions_of(reader, is_written=True)
    assert (found["name"], found["mode"]) == ("live", "live")
    assert found["limits"]["bracket"]["stop"] == "0.4%"
    sessions = found["sessions"]
    assert [session["end"] for session in sessions] == ["killed", "stopped", "stopped"]
    assert [session["session"] for session in sessions] == [1, 2, 3]
    for one, other in pairwise(sessions):
        assert one["last_seq"] + 1 == other["first_seq"]

    row = last.daemon.session.engine.view(last.daemon.session.state).accounts[0]
    accounts = [session["accounts"][0] for session in sessions]
    assert sum(account["trades"] for account in accounts) == row["trades"] > 2
    assert sum(session["fills"] for session in sessions) == last.daemon.session.row.fills
    scale = Decimal(10) ** int(row["money_decimals"])
    assert sum(Decimal(account["fees"]) for account in accounts) == Decimal(int(row["fees_units"])) / scale
    profit = Decimal(int(row["equity_units"]) - int(row["deposits_units"])) / scale
    assert sum(Decimal(account["net_pnl"]) for account in accounts) == profit
    for account in accounts[:2]:
        assert Decimal(account["max_drawdown"]) >= max(Decimal(0), -Decimal(account["net_pnl"]))

    assert exit_code_of(["sessions", str(world.folder), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["sessions"] == sessions
    assert exit_code_of(["sessions", str(world.folder)]) == 0
    table = capsys.readouterr().out
    assert table.count("stopped") == 2 and table.count("killed") == 1


def test_a_session_that_has_not_ended_runs_or_was_killed(world):
    Life(world, "after_commit:40", ticks=60).live()
    with read_journal(world.folder) as reader:
        assert [one["end"] for one in sessions_of(reader, is_written=True)["sessions"]] == ["running"]
        assert [one["end"] for one in sessions_of(reader, is_written=False)["sessions"]] == ["killed"]
