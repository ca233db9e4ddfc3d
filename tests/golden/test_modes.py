"""One tape, folded in every way there is: the same state and the same decisions, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

from engine.kinds import DecisionKind, EventKind
from engine.records import COMMAND, EVENT, EVENT_BYTES
from tests.golden.folding import digests
from tests.support import ROOT
from tests.twin.events import encode
from tests.twin.large import OVERFLOWS, large_events, setup
from tests.twin.machine import Machine
from tests.twin.tapes import seeded_choices, seeded_tape

EVENTS = 4000
# What the tape of this seed led to when it was written down. A change of the engine's behaviour changes these
# figures: put the new ones here only where that change is meant.
EXPECTED = {
    "decisions": "fbcd7fab0dfa0c54ef67b73418939648d9775d8a86ef20783c71398b4f8f2c38",
    "state": "2d095c09efe4f9437f5a68e7345277b1283ae1a74518aef324f1a31e96e9fa42",
}


@pytest.fixture(scope="module")
def tape() -> np.ndarray:
    return seeded_tape(seed=20_171_223, count=EVENTS)


@pytest.fixture(scope="module")
def expected(tape: np.ndarray) -> dict[str, str]:
    return digests(tape)


def folded_elsewhere(tmp_path: Path, *tapes: np.ndarray, **variables: str) -> dict[str, Any]:
    """The digests that another process with these environment variables comes to."""
    files = []
    for number, tape in enumerate(tapes):
        files.append(str(tmp_path / f"{number}.tape"))
        Path(files[-1]).write_bytes(tape.tobytes())
    command = [sys.executable, "-m", "tests.golden.folding", *files]
    environment = os.environ | variables
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_tape_has_something_of_everything(tape: np.ndarray) -> None:
    kinds, counts = np.unique(tape.view(EVENT)["kind"], return_counts=True)
    # What only exchanges are asked for came later; the tapes of `tests.twin` have it.
    assert set(EventKind) - {EventKind.ORDER_ADOPTED, EventKind.NOTICE} <= set(kinds.tolist())
    assert counts.sum() == EVENTS
    machine = Machine()
    decided = machine.fold(tape).view(COMMAND)["kind"]
    assert set(DecisionKind) <= set(decided.tolist())
    state = machine.state
    for name in ("fills", "fills_early", "fills_late", "fills_duplicate", "fills_excess", "fills_orphan"):
        assert state[name] > 10, name
    assert state.orders_placed > 100
    assert state.refusals > 100
    assert state.fault == 0


def test_digests_are_those_written_down(expected: dict[str, str]) -> None:
    assert expected == EXPECTED


def test_interpreted_kernels_come_to_the_same(tmp_path: Path, tape: np.ndarray, expected: dict[str, str]) -> None:
    found = folded_elsewhere(tmp_path, tape, NUMBA_DISABLE_JIT="1")
    assert found["interpreted"]
    assert found["digests"] == [expected]


def test_interpreted_kernels_never_wrap_near_the_limits(tmp_path: Path) -> None:
    """An interpreted overflow is a warning, and there a warning is an error."""
    choose = seeded_choices(7)
    tapes = [encode(*setup(), *events) for events in OVERFLOWS.values()]
    tapes += [encode(*setup(units=(unit, 1, 1)), *large_events(choose, 30)) for unit in (1, 1000, 2**40) * 10]
    found = folded_elsewhere(tmp_path, *tapes, NUMBA_DISABLE_JIT="1")
    assert found["interpreted"]
    assert found["digests"] == [digests(tape) for tape in tapes]


def test_another_process_with_another_hash_seed_comes_to_the_same(
    tmp_path: Path, tape: np.ndarray, expected: dict[str, str]
) -> None:
    found = [folded_elsewhere(tmp_path, tape, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert found[0]["hashed"] != found[1]["hashed"]
    assert [item["digests"] for item in found] == [[expected], [expected]]


def test_with_bounds_checks_it_comes_to_the_same(tmp_path: Path, tape: np.ndarray, expected: dict[str, str]) -> None:
    found = folded_elsewhere(tmp_path, tape, NUMBA_BOUNDSCHECK="1")
    assert found["digests"] == [expected]


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_in_batches_of_any_size_it_comes_to_the_same(batch: int, tape: np.ndarray, expected: dict[str, str]) -> None:
    machine = Machine()
    size = batch * EVENT_BYTES
    decisions = [machine.fold(tape[start : start + size]).tobytes() for start in range(0, len(tape), size)]
    found = {"state": blake3(machine.bytes.data).hexdigest(), "decisions": blake3(b"".join(decisions)).hexdigest()}
    assert found == expected


@pytest.mark.parametrize("cut", [0, 1, 13, 14, 999, 2000, EVENTS - 1, EVENTS])
def test_snapshot_and_tail_come_to_the_same(cut: int, tape: np.ndarray, expected: dict[str, str]) -> None:
    """The snapshot is nothing but the bytes of the state."""
    first, second = tape[: cut * EVENT_BYTES], tape[cut * EVENT_BYTES :]
    before = Machine()
    decisions = before.fold(first).tobytes()
    after = Machine(state=np.frombuffer(before.bytes.tobytes(), dtype=np.uint8).copy())
    decisions += after.fold(second).tobytes()
    assert blake3(after.bytes.data).hexdigest() == expected["state"]
    assert blake3(decisions).hexdigest() == expected["decisions"]
