"""`tapefold journal project` and the page about it, as a user meets them."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adapters.journal import create_journal, read_journal
from engine.records import EVENT
from engine.state import DEFAULT_LIMITS
from replay.backtest import backtest_manifest
from tests.e2e.test_cli import environment, one_line, tapefold
from tests.golden.runs import demo, demo_market, play
from tests.support import ROOT

RECORDS = 2_600
PAGE = ROOT / "docs" / "eventsourcing.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demonstration up to its first trip of a breaker, at journals/crash-2017."""
    made = tmp_path_factory.mktemp("project")
    settings, market = demo("crash-2017", "compiled"), demo_market("crash-2017", RECORDS)
    with create_journal(made / "journals" / "crash-2017", backtest_manifest(settings, DEFAULT_LIMITS)) as writer:
        play(settings, [market], writer, start_ns=int(market.view(EVENT)["ts_ns"][0]))
    return made


def test_a_tape_becomes_tables_once(folder: Path) -> None:
    arguments = ("journal", "project", "journals/crash-2017", "--to", "sqlite:///crash.db")
    first = tapefold(folder, *arguments, "--output", "json")
    assert (first.returncode, first.stderr) == (0, "")
    result = json.loads(first.stdout)
    with read_journal(folder / "journals" / "crash-2017") as reader:
        assert result["journal_id"] == reader.manifest.journal_id
        assert 0 < result["to_seq"] <= reader.last_seq and result["taken"] > 100
    query = "select symbol, count(*), sum(net_pnl) from tape_trades where closed is not null group by symbol"
    assert query in " ".join(PAGE.read_text().split())
    with closing(sqlite3.connect(folder / "crash.db")) as database:
        trades = database.execute(query).fetchall()
        assert len(trades) == 3 and all(count > 0 for _, count, _ in trades)
    second = tapefold(folder, *arguments)
    assert second.returncode == 0
    assert f"Taken     0 events of orders and fills\nReached   event {result['to_seq']:,} of" in second.stdout
    with closing(sqlite3.connect(folder / "crash.db")) as database:
        assert database.execute(query).fetchall() == trades


@pytest.mark.parametrize(
    ("journal", "target", "line"),
    [
        ("journals/none", "sqlite:///x.db", "journals/none: does not exist, expected a journal's folder"),
        (
            "journals/crash-2017",
            "mysql://me:secret@host/db",
            "--to: expected sqlite:///FILE or postgresql://USER@HOST/DATABASE, found a 'mysql' address",
        ),
        (
            "journals/crash-2017",
            "me:secret@host",
            "--to: expected sqlite:///FILE or postgresql://USER@HOST/DATABASE, found something else",
        ),
        (
            "journals/crash-2017",
            "postgresql://me:secret@[",
            "--to: the address cannot be read, expected sqlite:///FILE or postgresql://USER@HOST/DATABASE",
        ),
        (
            "journals/crash-2017",
            "postgresql://me:secret@127.0.0.1:1/db?sslmode=require",
            "--to: sslmode cannot be set there, expected its variable, such as PGSSLMODE, to be set",
        ),
        (
            "journals/crash-2017",
            "sqlite:///nowhere/x.db",
            "--to sqlite:///nowhere/x.db: unable to open database file, expected a file for SQLite in a folder that "
            "is there",
        ),
    ],
)
def test_what_cannot_be_is_said_in_one_line(folder: Path, journal: str, target: str, line: str) -> None:
    if target.startswith("postgresql"):
        pytest.importorskip("psycopg", reason="psycopg is not installed (the extra `postgres`)")
    done = tapefold(folder, "journal", "project", journal, "--to", target)
    assert (done.returncode, done.stdout) == (2, "")
    assert one_line(done.stderr) == f"tapefold: error: {line}"


def test_a_server_that_is_not_there_is_named_without_the_password(folder: Path) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed (the extra `postgres`)")
    target = "postgresql://me:secret-4711@127.0.0.1:1/db"
    done = tapefold(folder, "journal", "project", "journals/crash-2017", "--to", target)
    line = one_line(done.stderr)
    assert done.returncode == 2 and line.startswith(
        "tapefold: error: --to postgresql://127.0.0.1/db: connection failed"
    )
    assert "secret" not in line


def test_the_page_does_what_it_says(folder: Path) -> None:
    """All of its Python, one block after the other, beside the demonstration's journal."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    (folder / "page.py").write_text("\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "too early"
    assert len(lines) == 5 and all("BreakerChanged(" in line and "'armed'" in line for line in lines[1:4])
    assert lines[4] == "[('crash', 1, '31.78 %')]"
