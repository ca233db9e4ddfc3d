"""`tapefold ctl` as an operator meets it: a process that asks another one, which stands in for the daemon."""

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.journal import TextDocument, read_journal
from replay.refold import refold
from tests.support import ROOT

REASON = ("--reason", "the market is gone")


def run(journal: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "adapters.cli", "ctl", str(journal), *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Daemon:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.stand_in", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(30)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    standing = Daemon(tmp_path)
    yield standing
    standing.process.kill()
    standing.process.wait(30)


def test_a_position_is_closed_and_the_tape_says_by_whom(daemon: Daemon) -> None:
    done = run(daemon.folder, "flatten", *REASON, "--operator", "alice")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1:] == ["  place order 1 at BTC/USD"]
    killed = json.loads(run(daemon.folder, "kill", *REASON, "--output", "json").stdout)
    assert killed["ok"]
    assert killed["seq"] == int(done.stdout.split()[2]) + 1
    assert daemon.stop(signal.SIGINT) == 0
    with read_journal(daemon.folder) as reader:
        document = dict(reader.documents())[killed["seq"] - 1]
        assert isinstance(document, TextDocument)
        assert document.text == REASON[1]
        assert document.author.startswith("alice (")
        refold(reader, compare=True)


def test_status_for_people_and_for_programs(daemon: Daemon) -> None:
    table = run(daemon.folder, "status").stdout
    for text in ("Ready", "yes", "Trading state", "9,995.00", "0.05 %", "BTC/USD", "0.5", "bad day", "armed", "quote"):
        assert text in table
    status = json.loads(run(daemon.folder, "status", "--output", "json").stdout)
    assert status["ready"] is True
    assert status["trading_state"] == "active"
    assert status["accounts"][0]["equity"] == "9995.00"
    assert status["accounts"][0]["drawdown_percent"] == 0.05
    assert status["accounts"][0]["transport"] == "closed"
    assert [position["symbol"] for position in status["positions"]] == ["BTC/USD"]
    assert {stream["stream"] for stream in status["streams"]} >= {"quote", "order_filled"}
    assert all(0 <= stream["age_s"] < 120 for stream in status["streams"])


def test_every_command_in_its_words(daemon: Daemon) -> None:
    for words in (
        ("reduce-only",),
        ("resume",),
        ("cancel-all",),
        ("close", "BTC/USD"),
        ("breaker", "disable", "bad day"),
        ("breaker", "reset", "bad day"),
        ("strategy", "enable", "ema"),
        ("set", "risk.cooldown=5m"),
        ("set", "breakers.bad day.limit=2%"),
    ):
        done = run(daemon.folder, *words, *REASON)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert " of the tape, " in done.stdout
    status = json.loads(run(daemon.folder, "status", "--output", "json").stdout)
    assert status["breakers"][0]["limit"] == "2.00 %"
    assert len(status["open_orders"]) == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("close", "BTC/EUR", *REASON), "there is no symbol 'BTC/EUR'; did you mean 'BTC/USD'?"),
        (("close", *REASON), "ctl: expected close SYMBOL; found 'close'"),
        (("breaker", "reset", "x", *REASON), "there is no breaker 'x'; expected one of bad day"),
        (("breaker", "explode", "x", *REASON), "ctl: expected breaker reset NAME, or breaker disable NAME; found"),
        (("strategy", "enable", "x", *REASON), "there is no strategy 'x'; expected one of ema"),
        (("set", "risk.cooldwn=1m", *REASON), "risk.cooldwn: unknown key; did you mean 'cooldown'?"),
        (("set", "risk.cooldown", *REASON), "ctl: expected set KEY=VALUE; found 'risk.cooldown'"),
        (("kill",), 'ctl kill: expected --reason "TEXT"'),
        (("kill", "BTC/USD", *REASON), "ctl kill: expected nothing after it, found 'BTC/USD'"),
        (("explode", *REASON), 'invalid value "explode" for ACTION'),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(shared_daemon: Daemon, words: tuple[str, ...], line: str) -> None:
    done = run(shared_daemon.folder, *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"tapefold: error: {line}")
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    standing = Daemon(tmp_path_factory.mktemp("mistakes"))
    yield standing
    standing.process.kill()
    standing.process.wait(30)


def test_no_daemon_and_a_dead_one(daemon: Daemon, tmp_path: Path) -> None:
    daemon.stop(signal.SIGKILL)
    for folder in (daemon.folder, tmp_path / "nowhere"):
        done = run(folder, "status")
        assert done.returncode == 2
        assert done.stderr == (
            f"tapefold: error: {folder}: no daemon is running there; expected one that writes this journal\n"
        )


def test_health_is_there_for_machines(shared_daemon: Daemon) -> None:
    address = f"http://127.0.0.1:{shared_daemon.port}"
    with urllib.request.urlopen(f"{address}/readyz", timeout=10) as answer:
        assert json.load(answer) == {"ready": True, "not_ready": []}
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        assert b"tapefold_ready 1.0\n" in answer.read()
