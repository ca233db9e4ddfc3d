"""`tapefold live` as a user meets it when something is wrong: one line, an exit code, and a tape that verifies."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.outcome import exit_code_of
from adapters.errors import UserError
from adapters.journal import check, read_journal
from replay.refold import refold
from tests.support import ROOT

PATIENCE_S = 120
TEXT = """
[run]
name = "trouble"
timer_interval = "100ms"

[[accounts]]
name = "main"
kind = "margin"
currency = "USDT"
balance = "100000"

[[instruments]]
symbol = "BTC/USDT:USDT"
account = "main"
kind = "linear"
tick_size = "0.1"
lot_size = "0.001"
taker_fee_bps = 5
margin_initial = "0.05"
order_quantity = "0.01"

[bracket]
stop = "0.1%"
targets = [{{ at = "0.1%" }}]

[[strategies]]
name = "ema"
form = "compiled"
entry = "adapters.strategies.ema_cross"
[strategies.parameters]
fast = 2
slow = 4
price = "quote"

[live]
[[live.connections]]
account = "main"
exchange = "binanceusdm"
endpoint = "{endpoint}"
keys_env = "VENUE"
"""


def start(*arguments: str, before: Callable[[], None] | None = None, **variables: str) -> "subprocess.Popen[str]":
    """A process that runs interpreted, so that it starts at once."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-m", "adapters.cli", *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, cwd=ROOT, preexec_fn=before)


@pytest.fixture(scope="module")
def venue() -> Iterator[dict[str, Any]]:
    process = start("venue", "--exchange", "binanceusdm", "--speed", "10", "--output", "json")
    assert process.stdout is not None
    yield json.loads(process.stdout.readline())
    process.kill()
    process.communicate(timeout=PATIENCE_S)


class Daemon:
    def __init__(
        self, folder: Path, venue: dict[str, Any], *more: str, before: Callable[[], None] | None = None
    ) -> None:
        self.tape = folder / "tape"
        path = folder / "live.toml"
        path.write_text(TEXT.format(endpoint=venue["address"]), encoding="utf-8")
        keys = venue["customers"][0]
        secrets = {} if "--paper" in more else {"VENUE_KEY": keys["key"], "VENUE_SECRET": keys["secret"]}
        self.process = start("live", str(path), "--journal", str(self.tape), *more, before=before, **secrets)

    def reaches(self, events: int) -> None:
        """Wait until so many events are on the tape."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.process.communicate()
            if _events(self.tape) >= events:
                return
            time.sleep(0.1)
        raise AssertionError(f"no {events} events in {PATIENCE_S} s")

    def ended(self, number: signal.Signals | None = None) -> tuple[int, str]:
        """Its exit code and the last line that it said; nothing that it says is a traceback."""
        if number is not None:
            self.process.send_signal(number)
        out, err = self.process.communicate(timeout=PATIENCE_S)
        assert out == "" and "Traceback" not in err
        return self.process.returncode, err.splitlines()[-1]


def _events(tape: Path) -> int:
    """How many are on the tape; none where it is not made yet."""
    try:
        with read_journal(tape) as reader:
            return reader.last_seq
    except UserError:
        return 0


@pytest.fixture
def daemons() -> Iterator[list[Daemon]]:
    started: list[Daemon] = []
    yield started
    for daemon in started:
        daemon.process.kill()
        daemon.process.communicate(timeout=PATIENCE_S)


def events_of_sound(tape: Path) -> int:
    with read_journal(tape) as reader:
        assert check(reader).sound
        return refold(reader, compare=True).events


def test_a_tape_that_may_not_grow_ends_it_with_one_line(
    tmp_path: Path, venue: dict[str, Any], daemons: list[Daemon]
) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, 1 << 17))

    daemon = Daemon(tmp_path, venue, before=little_room)
    daemons.append(daemon)
    code, line = daemon.ended()
    assert code == 2, line
    assert line.startswith(f"tapefold: error: {daemon.tape}: ") and "cannot be written" in line
    before = events_of_sound(daemon.tape)
    assert before > 0
    again = Daemon(tmp_path, venue)
    daemons.append(again)
    again.reaches(before + 20)
    assert again.ended(signal.SIGTERM)[0] == 0
    assert events_of_sound(daemon.tape) > before


def test_a_second_daemon_is_refused_and_the_first_trades_on(
    tmp_path: Path, venue: dict[str, Any], daemons: list[Daemon]
) -> None:
    first = Daemon(tmp_path, venue)
    daemons.append(first)
    first.reaches(50)
    second = Daemon(tmp_path, venue)
    daemons.append(second)
    code, line = second.ended()
    assert (code, line) == (
        2,
        f"tapefold: error: {first.tape}: the journal is being written by process {first.process.pid}; it takes one",
    )
    assert first.ended(signal.SIGINT)[0] == 0


def test_paper_needs_no_keys_and_goes_on(
    tmp_path: Path, venue: dict[str, Any], daemons: list[Daemon], capsys: pytest.CaptureFixture[str]
) -> None:
    events = 0
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        daemon = Daemon(tmp_path, venue, "--paper")
        daemons.append(daemon)
        daemon.reaches(events + 150)
        if number == signal.SIGKILL:
            daemon.process.kill()
            daemon.process.communicate(timeout=PATIENCE_S)
        else:
            assert daemon.ended(number)[0] == 0
        events = events_of_sound(daemon.tape)
    assert exit_code_of(["verify", str(daemon.tape), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["strategies_asked"]
    assert exit_code_of(["sessions", str(daemon.tape), "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["mode"]) == ("trouble", "paper")
    assert [session["end"] for session in found["sessions"]] == ["stopped", "killed", "stopped"]


def test_it_is_interrupted_while_it_goes_through_its_tape(
    tmp_path: Path, venue: dict[str, Any], daemons: list[Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Daemon(tmp_path, venue)
    daemons.append(first)
    first.reaches(50)
    assert first.ended(signal.SIGTERM)[0] == 0
    events = events_of_sound(first.tape)
    keys = venue["customers"][0]
    monkeypatch.setenv("VENUE_KEY", keys["key"])
    monkeypatch.setenv("VENUE_SECRET", keys["secret"])
    terminate = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("replay.live_session.LiveSession._go_through", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        assert exit_code_of(["live", str(tmp_path / "live.toml"), "--journal", str(first.tape)]) == 130
    finally:
        signal.signal(signal.SIGTERM, terminate)
    assert events_of_sound(first.tape) == events
