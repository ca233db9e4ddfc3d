"""Journals of earlier versions: read as they were meant, and never folded to another result in silence."""

import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from adapters.errors import Divergence, UserError
from adapters.journal import JournalReader, MemoryJournal, read_journal
from adapters.journal.older import as_decided_by, layout_of_engine, upcast_manifest, version_of
from adapters.journal.port import Table
from adapters.journal.sealed import seal
from adapters.version import VERSION, engine_version, layout_name
from engine.entry import engine_for
from engine.kinds import DecisionKind
from engine.records import COMMAND, record
from engine.state import DEFAULT_LIMITS
from replay.audit.state_at import state_at
from replay.audit.walk import Walk
from replay.recorded import Recorded, first_difference
from replay.refold import refold
from replay.sampling import observe
from replay.sessions import sessions_of
from tests.golden.reference import expected, names, unpack
from tests.simulation.daemon_lives import Life, World
from tests.support import ROOT

OLDER = [name for name in names() if not str(expected()[name]["engine_version"]).startswith(VERSION)]
# Its closings are not reduce-only, as those of this engine are.
PARTED, PARTED_AT = "0.1.0-closings", 62


@cache
def _unpacked(folder: Path, name: str) -> Path:
    return unpack(name, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("older")


def asked(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "adapters.cli", *arguments]
    own = os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=300, check=False)


def test_there_are_journals_of_both_versions() -> None:
    assert {str(expected()[name]["engine_version"])[:5] for name in OLDER} == {"0.1.0", "0.2.0"}


@pytest.mark.parametrize("name", [name for name in OLDER if name != PARTED])
def test_all_decisions_of_an_earlier_version_are_those_of_this_one(name: str, folder: Path) -> None:
    with read_journal(_unpacked(folder, name)) as reader:
        assert not Recorded(reader, engine_for(DEFAULT_LIMITS)).has_digests
        whole = refold(reader, compare=True)
        assert whole.last_seq == reader.last_seq
        # What it led to then is what it leads to now: the decisions on the tape, in the form that they have there.
        assert whole.command_digest == expected()[name]["commands"]
        assert state_at(reader, reader.last_seq).state_digest == whole.state_digest


def test_cancels_of_the_first_version_are_compared_without_their_terms(folder: Path) -> None:
    with read_journal(_unpacked(folder, "0.1.0-resting")) as reader:
        kinds = np.concatenate([block.decisions.view(COMMAND)["kind"].copy() for block in reader.blocks()])
        assert np.count_nonzero(kinds == DecisionKind.CANCEL_ORDER) > 50
        refold(reader)


FOLDS: Mapping[str, Any] = {
    "refold": refold,
    "state_at": lambda reader: state_at(reader, reader.last_seq),
    "observe": observe,
    "sessions": lambda reader: sessions_of(reader, is_written=False),
    "walk": lambda reader: Walk(reader).to(reader.last_seq),
    "decide": lambda reader: Walk(reader).decide(PARTED_AT),
}


@pytest.mark.parametrize("fold", FOLDS)
def test_what_is_decided_otherwise_is_never_folded_in_silence(fold: str, folder: Path) -> None:
    with read_journal(_unpacked(folder, PARTED)) as reader:
        with pytest.raises(Divergence, match=f"event {PARTED_AT}: another decision than the recorded one"):
            FOLDS[fold](reader)
        assert refold(reader, until_seq=PARTED_AT - 1).last_seq == PARTED_AT - 1
        Walk(reader).decide(PARTED_AT - 1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", PARTED),
        ("replay", PARTED),
        ("risk", PARTED),
        ("recover", PARTED),
        ("sessions", PARTED),
        ("audit", "state", PARTED, "--at", "100"),
        ("audit", "explain", PARTED, "20"),
        ("audit", "whatif", PARTED, "--set", "risk.open_positions_max=1"),
    ],
)
def test_every_command_that_folds_says_where_the_engines_part(arguments: tuple[str, ...], folder: Path) -> None:
    _unpacked(folder, PARTED)
    done = asked(folder, *arguments)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr
    told, error = done.stderr.splitlines()
    assert told.startswith("The journal was recorded by engine 0.1.0+") and "other fields" in told
    assert error.startswith("tapefold: error: ")


def test_what_was_recorded_can_be_asked_for_all_the_same(folder: Path) -> None:
    _unpacked(folder, PARTED)
    before = asked(folder, "replay", PARTED, "--until", str(PARTED_AT - 1))
    assert before.returncode == 0 and "The journal was recorded by engine 0.1.0+" in before.stderr
    timeline = asked(folder, "audit", "timeline", PARTED, "--order", "8")
    assert (timeline.returncode, timeline.stderr) == (0, "")
    assert "order 8 placed for ladder: buy 2 BTC/USD market" in timeline.stdout
    parted = asked(folder, "audit", "bisect", PARTED)
    assert parted.returncode == 1 and "event 62 at 2017-12-19T04:00:00.050Z" in parted.stdout
    assert asked(folder, "journal", "tail", PARTED).returncode == 0


def test_a_manifest_without_the_name_of_its_states_fields_has_those_of_its_engine() -> None:
    written = {"engine_version": "0.2.0+1f23", "format_version": 1}
    assert upcast_manifest(written) == written | {"state_layout": layout_of_engine("0.2.0+1f23")}
    named = written | {"state_layout": "abc"}
    assert upcast_manifest(named) == named
    assert version_of("0.2.0+1f23") == (0, 2, 0) and version_of("mine") is None


def test_only_what_changed_since_is_taken_back() -> None:
    rows = np.zeros(2, COMMAND)
    rows["kind"] = [DecisionKind.CANCEL_ORDER, DecisionKind.PLACE_ORDER]
    rows["order_type"] = rows["time_in_force"] = rows["order_flags"] = 1
    found = np.frombuffer(as_decided_by("0.1.0+00", rows.tobytes()), COMMAND)
    assert found["order_type"].tolist() == found["order_flags"].tolist() == found["time_in_force"].tolist() == [0, 1]
    for same in ("0.2.0+00", engine_version(), "mine"):
        assert as_decided_by(same, rows.tobytes()) == rows.tobytes()


def test_the_first_difference_is_found() -> None:
    rows = np.zeros(3, COMMAND)
    rows["seq"] = [4, 7, 9]
    other = rows.copy()
    other["order"][1] = 1
    assert first_difference(rows.tobytes(), rows.tobytes()) == 0
    assert first_difference(rows.tobytes(), other.tobytes()) == 7
    assert first_difference(rows[:2].tobytes(), rows.tobytes()) == 9
    assert first_difference(rows.tobytes(), rows[1:].tobytes()) == 4


def test_a_layouts_name_is_that_of_its_fields() -> None:
    one = [("a", "<i8"), ("b", "<i8", (2,))]
    others = [[one[0], ("c", "<i8", (2,))], [one[0], ("b", "<i8", (3,))], [("a", "<f8"), one[1]]]
    assert layout_name(record(one)) == layout_name(record(one))
    assert len({layout_name(record(fields)) for fields in (one, *others)}) == 4


def _with_manifest(source: JournalReader, **changes: Any) -> MemoryJournal:
    manifest = msgspec.structs.asdict(source.manifest) | changes
    journal = MemoryJournal()
    journal.tables[Table.MANIFEST][b"manifest"] = seal(msgspec.msgpack.encode(manifest, order="deterministic"))
    return journal


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format_version": 2}, "format 2"),
        ({"engine_version": "9.0.0+00"}, "version 9.0.0"),
        ({"engine_version": "0.99.1+00"}, f"expected {VERSION} or earlier"),
    ],
)
def test_a_journal_of_the_future_is_refused(changes: dict[str, Any], words: str, folder: Path) -> None:
    with read_journal(_unpacked(folder, OLDER[0])) as reader:
        journal = _with_manifest(reader, **changes)
    with pytest.raises(UserError, match=words):
        journal.read()


def test_a_daemon_does_not_go_on_with_a_tape_of_other_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    with monkeypatch.context() as another:
        another.setattr("replay.live_setup.layout_name", lambda layout: "0123456789abcdef")
        Life(World(tmp_path, seed=1), ticks=3).live()
    with pytest.raises(UserError, match="whose state has other fields than that of this engine"):
        Life(World(tmp_path, seed=1), ticks=3).live()
