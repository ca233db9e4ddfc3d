"""A live session that much happens to, recorded by real processes: a venue with faults, a daemon, an operator.

It is another tape each time, because time and the network are real. What can be said of each is in
`journals/reference/README.md`.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from adapters.journal import JournalReader, read_journal
from engine.kinds import DecisionKind, EventKind
from replay.audit.seek import Question, find
from tests.e2e.live_processes import Trial, venue
from tests.support import ROOT

# A bar of half an hour takes 150 ms.
_SPEED = 12_000
_PATIENCE_S = 90.0

_FAULTS = """
seed = 20171222

# The second order is carried out and not answered, the fifth never arrives.
[[faults]]
kind = "hang"
on = "order"
at = [2]
duration_ms = 4000

[[faults]]
kind = "lose_request"
on = "order"
at = [5]

# The account's stream ends while the second order is in doubt.
[[faults]]
kind = "disconnect"
on = "orders"
at = [4, 30]

[[faults]]
kind = "duplicate_message"
on = "fills"
every = 3

[[faults]]
kind = "lose_message"
on = "fills"
at = [5]

[[faults]]
kind = "server_error_after"
on = "cancel"
at = [2]
"""

# An exchange that leaves requests without an answer is not traded at until a person says that it may go on.
_BREAKER = """
[[breakers]]
name = "silence"
condition = "request_failures"
limit = 2
window = "1m"
actions = ["block_entries"]
"""


def live_with_faults(journal: Path) -> None:
    """Trade through faults, a breaker that an operator arms again, and a kill."""
    text = (ROOT / "demo" / "live-demo.toml").read_text() + _BREAKER
    text = text.replace('name = "live-demo"', 'name = "live-with-faults"').replace("= 1000\n", "= 1_000_000\n")
    text = text.replace("fast = 12", "fast = 4").replace("slow = 48", "slow = 12")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        faults = folder / "faults.toml"
        faults.write_text(_FAULTS)
        with venue("binanceusdm", folder / "venue.log", _SPEED, faults, ROOT / "demo" / "live-venue.toml") as place:
            trial = Trial(place, folder, text)
            try:
                _trade(trial)
            finally:
                trial.end()
        shutil.move(trial.journal, journal)


def _trade(trial: Trial) -> None:
    trial.begin()
    trial.wait_for_ready()
    _wait(trial, _has_tripped)
    time.sleep(2)
    reason = "the exchange says it has fixed its gateway"
    _ctl(trial, "breaker", "reset", "silence", "--reason", reason, "--operator", "alice")
    time.sleep(8)
    trial.end()
    trial.begin()
    trial.wait_for_ready()
    time.sleep(5)
    trial.venue.hold()
    trial.settle(quiet_s=3, within_s=30)
    _ctl(trial, "flatten", "--reason", "end of the session", "--operator", "bob")
    trial.settle(quiet_s=3, within_s=30)
    trial.stop()


def _has_tripped(reader: JournalReader) -> bool:
    """After an order that was in doubt."""
    failed = any(find(reader, Question(kinds=frozenset({EventKind.REQUEST_FAILED}), limit=1)))
    return failed and any(find(reader, Question(decision_kinds=frozenset({DecisionKind.BREAKER_TRIPPED}), limit=1)))


def _wait(trial: Trial, until: Callable[[JournalReader], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        with read_journal(trial.journal) as reader:
            if until(reader):
                return
        assert trial.process is not None and trial.process.poll() is None, f"see {trial.log}"
        time.sleep(0.5)
    raise AssertionError(f"it did not come to that in {_PATIENCE_S:g} s")


def _ctl(trial: Trial, *words: str) -> None:
    command = [sys.executable, "-m", "adapters.cli", "ctl", str(trial.journal), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=_PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
