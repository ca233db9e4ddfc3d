"""What only a journal in a folder has: a file that grows, a disk that fills up, other processes, wrong folders."""

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

import adapters.journal.lmdb_environment as environment_module
from adapters.errors import UserError
from adapters.journal.integrity import check
from adapters.journal.journal import JournalWriter
from adapters.journal.lmdb_environment import DATA_FILE, Environment, is_entered
from adapters.journal.lmdb_journal import append_journal, create_journal, read_journal
from adapters.journal.port import Durability
from adapters.journal.writer_lock import LOCK_FILE, has_writer
from tests.conformance.journal_places import append_some, manifest
from tests.support import ROOT

DURABILITIES = list(Durability)


@pytest.fixture(autouse=True)
def small_map(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment_module, "MAP_BYTES_AT_FIRST", 256 << 10)


def in_another_process(code: str, *arguments: str) -> str:
    """What this Python code prints, run in a process of its own."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


@pytest.mark.parametrize("durability", DURABILITIES)
def test_the_file_grows_while_it_is_read(tmp_path: Path, durability: Durability) -> None:
    folder = tmp_path / "journal"
    with create_journal(folder, manifest(), durability) as writer, read_journal(folder) as reader:
        blocks = None
        for count in range(40):
            append_some(writer, 1_000, 3, (7,))
            if blocks is None:
                blocks = reader.blocks()
                next(blocks)
            assert reader.last_seq == 1_000 * (count + 1)
        assert len(list(blocks or ())) == 39
        assert check(reader).sound
    assert (folder / DATA_FILE).stat().st_size > 10 * environment_module.MAP_BYTES_AT_FIRST


def test_a_forked_process_is_told_to_be_a_fresh_one(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    code = """
import os, sys
from adapters.journal.lmdb_journal import read_journal
with read_journal(sys.argv[1]):
    if os.fork() == 0:
        try:
            read_journal(sys.argv[1])
        except Exception as error:
            print(type(error).__name__, error, flush=True)
        os._exit(0)
    os.wait()
"""
    create_journal(folder, manifest()).close()
    assert in_another_process(code, str(folder)).startswith(f"UserError {folder}: is open in the process that this one")


READ = """
import sys
from adapters.journal.lmdb_journal import read_journal
with read_journal(sys.argv[1]) as reader:
    print("ready", flush=True)
    for line in sys.stdin:
        print(reader.last_seq, sum(block.last_seq + 1 - block.first_seq for block in reader.blocks()), flush=True)
"""


@pytest.mark.parametrize("durability", DURABILITIES)
def test_another_process_reads_along_while_the_map_grows(tmp_path: Path, durability: Durability) -> None:
    folder = tmp_path / "journal"
    with create_journal(folder, manifest(), durability) as writer:
        command = [sys.executable, "-c", READ, str(folder)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
            assert reader.stdin and reader.stdout
            assert reader.stdout.readline() == "ready\n"
            for count in range(1, 21):
                append_some(writer, 1_000)
                reader.stdin.write("read\n")
                reader.stdin.flush()
                assert reader.stdout.readline() == f"{1_000 * count} {1_000 * count}\n"
            reader.stdin.close()


def test_a_writer_of_another_process_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    code = """
import sys
from adapters.journal.lmdb_journal import append_journal
try:
    append_journal(sys.argv[1])
except Exception as error:
    print(type(error).__name__, error)
"""
    with create_journal(folder, manifest()):
        said = in_another_process(code, str(folder))
        assert has_writer(folder)
    assert said == f"UserError {folder}: the journal is being written by process {os.getpid()}; it takes one"
    assert not has_writer(folder)


def test_readers_go_on_when_a_writer_comes_and_goes(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    create_journal(folder, manifest()).close()
    with read_journal(folder) as reader:
        for durability in (Durability.ON_CLOSE, Durability.EVERY_COMMIT):
            blocks = reader.blocks()
            with append_journal(folder, durability) as writer:
                append_some(writer, 10)
                append_some(writer, 10)
                next(blocks)
            assert [block.first_seq for block in blocks][-1] == reader.last_seq - 9
    assert not is_entered(folder)
    with pytest.raises(ValueError, match="is closed"):
        _ = reader.last_seq


def _no_space_in_lmdb(*arguments: Any) -> None:
    error = lmdb.DiskError("mdb_txn_commit")
    error.code = errno.ENOSPC
    raise error


@pytest.mark.parametrize("durability", DURABILITIES)
def test_a_full_disk_is_an_error_and_the_tape_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durability: Durability
) -> None:
    folder = tmp_path / "journal"
    with create_journal(folder, manifest(), durability) as writer:
        append_some(writer, 1_000)
        with monkeypatch.context() as patch:
            patch.setattr(Environment, "_commit", _no_space_in_lmdb)
            with pytest.raises(UserError, match="the disk is full; everything committed so far is intact"):
                append_until_it_fails(writer)
        last_seq = writer.next_seq - 1
    with read_journal(folder) as reader:
        assert check(reader).sound and reader.last_seq == last_seq
    with append_journal(folder, durability) as writer:
        assert append_some(writer, 1_000) == last_seq + 1_000


def append_until_it_fails(writer: JournalWriter) -> None:
    for _ in range(100):
        append_some(writer, 1_000)


def _missing(folder: Path) -> Path:
    return folder / "nowhere"


def _file(folder: Path) -> Path:
    (folder / "file").write_text("x")
    return folder / "file"


def _empty(folder: Path) -> Path:
    return folder


def _other_database(folder: Path) -> Path:
    with lmdb.open(str(folder), max_dbs=1) as other:
        other.open_db(b"other")
    return folder


def _broken_off(folder: Path) -> Path:
    """What a creation leaves that died before its first commit."""
    lmdb.open(str(folder)).close()
    return folder


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_missing, "does not exist"),
        (_file, "is no folder"),
        (_empty, "data.mdb is missing"),
        (_other_database, "no table of one"),
        (_broken_off, "no table of one"),
    ],
)
def test_a_folder_without_a_journal_is_refused_in_one_line(tmp_path: Path, make: Any, problem: str) -> None:
    folder = make(tmp_path)
    for opening in (read_journal, append_journal):
        with pytest.raises(UserError, match=problem) as refusal:
            opening(folder)
        assert str(folder) in str(refusal.value) and "expected a journal's folder" in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert not has_writer(tmp_path) and not (folder.exists() and (folder / DATA_FILE).exists() and is_entered(folder))


def test_a_folder_with_other_things_is_not_made_a_journal(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(UserError, match=r"holds thesis.txt already, expected an empty or new folder"):
        create_journal(tmp_path, manifest())
    assert os.listdir(tmp_path) == ["thesis.txt"]
    with pytest.raises(UserError, match="cannot be made"):
        create_journal(tmp_path / "thesis.txt" / "journal", manifest())


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "journal"
    create_journal(folder, manifest()).close()
    real = os.open

    def read_only(path: Any, flags: int, *more: Any) -> int:
        if flags & os.O_RDWR and str(path).endswith(LOCK_FILE):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(UserError, match=r"cannot be written \(Permission denied\), expected a writable folder"):
        append_journal(folder)
    read_journal(folder).close()


MEMORY = """
import resource, sys
from adapters.journal.lmdb_journal import read_journal
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
with read_journal(sys.argv[1]) as reader:
    next(reader.blocks())
    before = peak()
    total = sum(len(block.events) for block in reader.blocks())
    print(total >> 20, peak() - before)
"""


@pytest.mark.parametrize("block_events", [65_536, 300])
def test_memory_stays_flat_however_long_the_tape(tmp_path: Path, block_events: int) -> None:
    folder = tmp_path / "journal"
    events = np.zeros(64 * block_events, np.uint8)
    with create_journal(folder, manifest(), Durability.ON_CLOSE) as writer:
        for _ in range((96 << 20) // len(events)):
            writer.append(events, events[:0], bytes(32))
    total_mib, growth_mib = map(int, in_another_process(MEMORY, str(folder)).split())
    assert total_mib >= 95
    assert growth_mib < 24
