"""Older blocks packed into segments and put back: nobody who reads notices, and nothing is ever lost."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from adapters.errors import JournalDamaged, UserError
from adapters.journal import retention, spans
from adapters.journal.documents import AccountDocument, document_hash
from adapters.journal.integrity import check
from adapters.journal.lmdb_environment import DATA_FILE, SHRUNK_FILE
from adapters.journal.lmdb_journal import append_journal, create_journal, read_journal
from adapters.journal.port import Durability, Table
from adapters.journal.retention import compact, restore, segments_of
from adapters.journal.sealed import key_after, seq_key
from adapters.journal.segments import SEGMENTS_FOLDER, Segment, SegmentAbsent
from engine.records import EVENT
from tests.conformance.journal_places import append_some, flipped, manifest, snapshot, some_events
from tests.support import ROOT

BLOCKS = 30
Everything = dict[Table, list[tuple[bytes, bytes]]]


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SEGMENT_BYTES", 4_000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "journal"
    with create_journal(folder, manifest(), Durability.ON_CLOSE) as writer:
        for number in range(BLOCKS):
            append_some(writer, 1 + number % 7, number % 3, (0,) if number % 4 == 0 else (), number)
        writer.save_snapshot(snapshot(writer.next_seq - 1))
        writer.save_snapshot(snapshot(3))
    return folder


def everything(folder: Path) -> Everything:
    """All that a view shows, but what is packed where."""
    with read_journal(folder) as reader, reader.store.view() as view:
        return {
            table: [(key, bytes(value)) for key, value in view.items(table, b"\0")]
            for table in Table
            if table is not Table.SEGMENTS
        }


def segments(folder: Path) -> list[Segment]:
    with read_journal(folder) as reader, reader.store.view() as view:
        return segments_of(view)


def files(folder: Path) -> list[Path]:
    return sorted((folder / SEGMENTS_FOLDER).iterdir())


def first_seqs(all_of_it: Everything) -> list[int]:
    return [int.from_bytes(key, "big") for key, _ in all_of_it[Table.BLOCKS]]


def test_nobody_who_reads_notices(folder: Path) -> None:
    before = everything(folder)
    with read_journal(folder) as reader:
        report = check(reader)
    moved = compact(folder, None)
    assert moved.segments == len(files(folder)) == len(segments(folder)) > 2
    assert everything(folder) == before
    with read_journal(folder) as reader:
        assert check(reader) == report
        assert reader.snapshot_before(1 << 40) is not None
        starts = first_seqs(before)
        for seq in range(1, reader.last_seq + 1):
            first = max(start for start in starts if start <= seq)
            assert [block.first_seq for block in reader.blocks(seq)] == [start for start in starts if start >= first]
            assert [block.first_seq for block in reader.blocks(seq, seq)] == [first]


def test_a_view_answers_as_before_for_any_key(folder: Path) -> None:
    keys = [seq_key(seq) for seq in range(140)] + [key_after(seq_key(9)), b"\0", b"\xff" * 9]

    def answers() -> list[object]:
        with read_journal(folder) as reader, reader.store.view() as view:
            return [
                (value and bytes(value), entry and (entry[0], bytes(entry[1])), [key for key, _ in items])
                for key in keys
                for value in [view.get(Table.BLOCKS, key)]
                for entry in [view.at_or_before(Table.BLOCKS, key)]
                for items in [view.items(Table.BLOCKS, key)]
            ]

    before = answers()
    compact(folder, 60)
    assert answers() == before
    compact(folder, None)
    assert answers() == before


def test_only_what_is_before_is_packed_and_never_the_last_block(folder: Path) -> None:
    before = everything(folder)
    starts = first_seqs(before)
    assert compact(folder, 1).segments == 0
    for seq in (2, 30, 31, 31, 77, 1 << 40):
        compact(folder, seq)
        packed = segments(folder)[-1].last_seq if segments(folder) else 0
        expected = [start for start in starts[1:] if start <= seq]
        assert packed == (expected[-1] - 1 if expected else 0)
        assert everything(folder) == before
    assert compact(folder, None).segments == 0


def test_packed_again_it_is_the_same_file(folder: Path) -> None:
    compact(folder, None)
    names = [file.name for file in files(folder)]
    restore(folder)
    assert files(folder) == []
    compact(folder, None)
    assert [file.name for file in files(folder)] == names


def test_restored_it_is_byte_for_byte_what_it_was(folder: Path, tmp_path: Path) -> None:
    before = everything(folder)
    archive = tmp_path / "archive"
    compact(folder, 50, archive)
    compact(folder, 70)
    with pytest.raises(SegmentAbsent, match="restore with --from"):
        restore(folder)
    assert len(segments(folder)) == len(files(folder)) + len(list(archive.iterdir()))
    kept = sorted(archive.iterdir())
    moved = restore(folder, archive)
    assert segments(folder) == [] and files(folder) == [] and sorted(archive.iterdir()) == kept
    assert everything(folder) == before
    assert moved.raw_bytes == sum(len(value) for key, value in before[Table.BLOCKS] if key <= seq_key(moved.last_seq))
    assert restore(folder).segments == 0


def test_a_packed_journal_grows_on(folder: Path) -> None:
    compact(folder, None)
    with append_journal(folder) as writer:
        assert writer.notes == ()
        for number in range(20):
            append_some(writer, 5, 2, (1,), number)
    compact(folder, None)
    with read_journal(folder) as reader:
        report = check(reader)
        assert report.sound and report.blocks == BLOCKS + 20 and len(list(reader.blocks())) == BLOCKS + 20


def test_the_file_shrinks(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    with create_journal(folder, manifest(), Durability.ON_CLOSE) as writer:
        for number in range(40):
            append_some(writer, 2_000, 0, (), number)
    before = (folder / DATA_FILE).stat().st_size
    compact(folder, None)
    assert (folder / DATA_FILE).stat().st_size < before / 10
    assert not (folder / SHRUNK_FILE).exists()
    with append_journal(folder) as writer:
        append_some(writer, 10)
    with read_journal(folder) as reader:
        assert check(reader).sound


def test_a_writer_at_work_is_left_alone(folder: Path) -> None:
    with append_journal(folder):
        for change in (lambda: compact(folder, None), lambda: restore(folder)):
            with pytest.raises(UserError, match=f"being written by process {os.getpid()}"):
                change()
    assert segments(folder) == []


def test_a_reader_of_this_process_reads_on(folder: Path) -> None:
    with read_journal(folder) as reader:
        blocks = reader.blocks()
        first = next(blocks).first_seq
        compact(folder, None)
        with append_journal(folder) as writer:
            append_some(writer, 5)
        assert [first, *(block.first_seq for block in blocks)][-1] == reader.last_seq - 4
        restore(folder)
        assert len(list(reader.blocks())) == BLOCKS + 1 and check(reader).sound


READ = """
import sys
from adapters.journal.documents import AccountDocument, document_hash
from adapters.journal.integrity import check
from adapters.journal.lmdb_journal import read_journal
with read_journal(sys.argv[1]) as reader:
    for _ in sys.stdin:
        report = check(reader)
        print(report.damage, report.events, flush=True)
"""


@pytest.fixture
def another_reader(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-c", READ, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        yield reader
        assert reader.stdin
        reader.stdin.close()


def test_a_reader_of_another_process_follows_into_the_new_file(
    folder: Path, another_reader: "subprocess.Popen[str]"
) -> None:
    def said() -> str:
        assert another_reader.stdin and another_reader.stdout
        another_reader.stdin.write("?\n")
        another_reader.stdin.flush()
        return another_reader.stdout.readline().strip()

    with append_journal(folder) as writer:
        for number in range(40):
            append_some(writer, 2_000, 0, (), number)
        last_seq = writer.next_seq - 1
    assert said() == f"None {last_seq}"
    inode = (folder / DATA_FILE).stat().st_ino
    compact(folder, None)
    assert (folder / DATA_FILE).stat().st_ino != inode
    assert said() == f"None {last_seq}"
    with append_journal(folder) as writer:
        append_some(writer, 5)
    assert said() == f"None {last_seq + 5}"


def test_a_reader_is_told_that_another_journal_has_taken_the_place_of_its_own(folder: Path, tmp_path: Path) -> None:
    with create_journal(tmp_path / "other", manifest(journal_id="ab" * 16), Durability.ON_CLOSE) as writer:
        append_some(writer, 5)
    with read_journal(folder) as reader:
        last_seq = reader.last_seq
        (folder / DATA_FILE).unlink()
        assert reader.last_seq == last_seq
        shutil.copy(tmp_path / "other" / DATA_FILE, folder / DATA_FILE)
        with pytest.raises(UserError, match="another journal has taken the place"):
            _ = reader.last_seq


def test_a_journal_of_an_earlier_version_is_packed_too(folder: Path, another_reader: "subprocess.Popen[str]") -> None:
    before = everything(folder)
    with lmdb.open(str(folder), max_dbs=8, map_size=1 << 26) as environment:
        table = environment.open_db(Table.SEGMENTS.value, create=False)
        with environment.begin(write=True) as transaction:
            transaction.drop(table)
    assert everything(folder) == before and segments(folder) == []
    compact(folder, None)
    assert everything(folder) == before and len(segments(folder)) > 2


def test_damaged_blocks_are_not_packed(folder: Path) -> None:
    with read_journal(folder) as reader, reader.store.view() as view:
        value = bytes(view.get(Table.BLOCKS, seq_key(44)) or b"")
    data = (folder / DATA_FILE).read_bytes()
    (folder / DATA_FILE).write_bytes(data.replace(value, flipped(value, 300)))
    with pytest.raises(JournalDamaged, match="block 44: the block is not what was written"):
        compact(folder, None)
    assert all(segment.last_seq < 44 for segment in segments(folder))
    with read_journal(folder) as reader:
        assert check(reader).damaged_block == 44


# Kills itself before the step of this number: each time that something on the disk is changed or made safe.
KILLED = """
import os, signal, sys
from adapters.journal import lmdb_environment, lmdb_journal, retention
steps = int(sys.argv[3])

def counted(function):
    def call(*arguments, **options):
        global steps
        steps -= 1
        if steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*arguments, **options)
    return call

for name in ("fsync", "replace", "unlink"):
    setattr(os, name, counted(getattr(os, name)))
for name in ("_commit", "shrink", "_open_file"):
    setattr(lmdb_environment.Environment, name, counted(getattr(lmdb_environment.Environment, name)))
retention.SEGMENT_BYTES = 8_000
lmdb_journal._UNUSED_BYTES = -1
getattr(retention, sys.argv[1])(sys.argv[2], *([None] if sys.argv[1] == "compact" else []))
"""


@pytest.mark.parametrize("what", ["compact", "restore"])
def test_killed_at_any_step_nothing_is_lost(folder: Path, tmp_path: Path, what: str) -> None:
    before = everything(folder)
    if what == "restore":
        compact(folder, None)
    killed = 0
    for step in range(1, 60):
        copy = tmp_path / f"step-{step}"
        shutil.copytree(folder, copy)
        command = [sys.executable, "-c", KILLED, what, str(copy), str(step)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        assert everything(copy) == before, f"step {step}"
        with read_journal(copy) as reader:
            assert check(reader).sound, f"step {step}"
        with append_journal(copy) as writer:
            append_some(writer, 3)
        compact(copy, None)
        assert not list(copy.rglob("*.unfinished")) and not (copy / SHRUNK_FILE).exists()
        restore(copy)
        with read_journal(copy) as reader:
            assert check(reader).sound and reader.last_seq == first_seqs(everything(copy))[-1] + 2
        if done.returncode == 0:
            break
        killed += 1
    assert killed > 5 and done.returncode == 0


def test_what_cannot_be_written_is_said_in_one_line(folder: Path, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("x")
    before = everything(folder)
    with pytest.raises(UserError, match="expected a folder for segments") as refusal:
        compact(folder, None, in_the_way)
    assert "\n" not in str(refusal.value)
    assert everything(folder) == before


def test_an_archived_journal_goes_on_from_its_newest_snapshot_without_the_archive(folder: Path, tmp_path: Path) -> None:
    with append_journal(folder) as writer:
        for number in range(10):
            append_some(writer, 5, 2, (1,), number)
    compact(folder, None, tmp_path / "archive")
    assert files(folder) == [] and len(list((tmp_path / "archive").iterdir())) == len(segments(folder)) > 2
    with append_journal(folder) as writer:
        assert writer.notes == ()
        append_some(writer, 5, 2, (1,))
    with read_journal(folder) as reader:
        found = reader.snapshot_before(reader.last_seq)
        assert found is not None and found.seq == reader.last_seq - 55
        assert segments(folder)[-1].last_seq < found.seq
        assert len(list(reader.blocks(found.seq + 1))) == 11
        with pytest.raises(UserError, match="which is not there"):
            list(reader.blocks(40))
        report = check(reader)
        assert report.damage is None and len(report.absent) == len(segments(folder))


def test_what_names_accounts_and_strategies_is_not_archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spans, "SPAN_EVENTS", 30)
    folder = tmp_path / "journal"
    account = AccountDocument(name="main", currency="USD", account_kind="margin")
    with create_journal(folder, manifest(), Durability.ON_CLOSE) as writer:
        for number in range(40):
            events = some_events(10, number)
            documents = {writer.next_seq: account} if number == 17 else {}
            if documents:
                events.view(EVENT)["ts_exchange_ns"][0] = document_hash(account)
            writer.append(events, events[:0], bytes(32), documents)
    compact(folder, None, tmp_path / "archive")
    with read_journal(folder) as reader:
        (near,) = (row for row in spans.read_spans(reader) if row["first_seq"] <= 171 <= row["last_seq"])
        kept = [s for s in segments(folder) if s.first_seq <= near["last_seq"] and s.last_seq >= near["first_seq"]]
        assert sorted(Path(segment.file_name).name for segment in kept) == [file.name for file in files(folder)]
        assert len(list(reader.blocks(int(near["first_seq"]), int(near["last_seq"])))) == 3
        assert len(check(reader).absent) == len(segments(folder)) - len(kept) > 2
