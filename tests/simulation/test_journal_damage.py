"""Whatever byte of a journal is lost or changed: the check names it, and nothing crashes or is repaired in silence."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.errors import JournalDamaged, TapefoldError
from adapters.journal.integrity import IntegrityReport, check
from adapters.journal.lmdb_environment import DATA_FILE
from adapters.journal.port import Change, Durability, Store, Table
from adapters.journal.sealed import HEAD_KEY, MANIFEST_KEY, Head, seal, seq_key
from tests.conformance.journal_places import (
    BLOCK_KEYS,
    LAST_SEQ,
    LmdbPlace,
    MemoryPlace,
    Place,
    append_some,
    flipped,
    manifest,
    note,
    small_tape,
    snapshot,
    stored,
)

PLACES: dict[str, Callable[[Path], Place]] = {
    "memory": lambda folder: MemoryPlace(),
    "lmdb": lambda folder: LmdbPlace(folder / "journal", Durability.ON_CLOSE),
}
BLOCK_BYTES = {key: 192 + 64 * (events + 2) for key, events in zip(BLOCK_KEYS, (4, 3, 5, 4), strict=True)}
LAST_GOOD = {BLOCK_KEYS[0]: 0, BLOCK_KEYS[1]: 4, BLOCK_KEYS[2]: 7, BLOCK_KEYS[3]: 12}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    place = PLACES[request.param](tmp_path)
    small_tape(place)
    return place


@contextmanager
def changed(store: Store, changes: list[Change]) -> Iterator[None]:
    """These changes, undone afterwards."""
    with store.view() as view:
        before: list[Change] = []
        for table, key, _ in changes:
            value = view.get(table, key)
            before.append((table, key, None if value is None else bytes(value)))
    store.write(changes)
    yield
    store.write(before)


def report_of(place: Place, changes: Callable[[Store], list[Change]]) -> IntegrityReport:
    """What the check says of the small tape after these changes, which stay."""
    with place.raw() as store:
        store.write(changes(store))
    with place.read() as reader:
        return check(reader)


@pytest.mark.parametrize("key", BLOCK_KEYS)
def test_every_byte_of_a_block_counts(place: Place, key: bytes) -> None:
    with place.raw() as store, place.read() as reader:
        value = stored(store, Table.BLOCKS, key)
        assert len(value) == BLOCK_BYTES[key]
        for position in range(len(value)):
            with changed(store, [(Table.BLOCKS, key, flipped(value, position))]):
                report = check(reader)
            assert report.damaged_block == int.from_bytes(key, "big"), f"byte {position}: {report.damage}"
            assert report.last_good_seq == LAST_GOOD[key]
        assert check(reader).sound


@pytest.mark.parametrize("key", [BLOCK_KEYS[1], BLOCK_KEYS[-1]])
def test_every_truncation_and_an_extension_of_a_block_is_named(place: Place, key: bytes) -> None:
    with place.raw() as store, place.read() as reader:
        value = stored(store, Table.BLOCKS, key)
        for other in [value[:length] for length in range(len(value))] + [value + b"\0", value + value]:
            with changed(store, [(Table.BLOCKS, key, other)]):
                report = check(reader)
            assert report.damaged_block == int.from_bytes(key, "big"), f"{len(other)} bytes: {report.damage}"
            assert report.last_good_seq == LAST_GOOD[key]


def test_swapped_blocks_are_named(place: Place) -> None:
    def swap(store: Store) -> list[Change]:
        first, second = (stored(store, Table.BLOCKS, key) for key in (BLOCK_KEYS[1], BLOCK_KEYS[2]))
        return [(Table.BLOCKS, BLOCK_KEYS[1], second), (Table.BLOCKS, BLOCK_KEYS[2], first)]

    report = report_of(place, swap)
    assert (report.damaged_block, report.last_good_seq) == (5, 4)
    assert "block of events 8 to 12 is stored in its place" in str(report.damage)


@pytest.mark.parametrize("key", BLOCK_KEYS)
def test_a_removed_block_is_named(place: Place, key: bytes) -> None:
    report = report_of(place, lambda store: [(Table.BLOCKS, key, None)])
    assert (report.damaged_block, report.last_good_seq) == (int.from_bytes(key, "big"), LAST_GOOD[key])
    assert "missing" in str(report.damage)


def test_a_tape_without_any_block_is_named(place: Place) -> None:
    report = report_of(place, lambda store: [(Table.BLOCKS, key, None) for key in BLOCK_KEYS])
    assert (report.damaged_block, report.last_good_seq) == (1, 0)


def test_a_block_of_another_tape_is_named(place: Place) -> None:
    other = MemoryPlace()
    with other.create(manifest(mode="live")) as writer:
        append_some(writer, 4, 2, (0, 3))
    with other.raw() as store:
        value = stored(store, Table.BLOCKS, BLOCK_KEYS[0])
    report = report_of(place, lambda store: [(Table.BLOCKS, BLOCK_KEYS[0], value)])
    assert "does not follow the manifest" in str(report.damage)


@pytest.mark.parametrize("key", [seq_key(0), seq_key(2), seq_key(LAST_SEQ + 1), b"\xff" * 8, b"short"])
def test_a_block_too_many_is_named(place: Place, key: bytes) -> None:
    report = report_of(place, lambda store: [(Table.BLOCKS, key, stored(store, Table.BLOCKS, BLOCK_KEYS[0]))])
    assert not report.sound


_documents: dict[str, Callable[[Store], list[Change]]] = {
    "document of event 4 is not what was written": lambda store: [
        (Table.DOCUMENTS, seq_key(4), flipped(stored(store, Table.DOCUMENTS, seq_key(4)), 40))
    ],
    "1 documents belong to the block, it was written with 2": lambda store: [(Table.DOCUMENTS, seq_key(4), None)],
    "event 2 does not name the document": lambda store: [
        (Table.DOCUMENTS, seq_key(2), stored(store, Table.DOCUMENTS, seq_key(1)))
    ],
    "event 1 does not name the document": lambda store: [
        (Table.DOCUMENTS, seq_key(1), stored(store, Table.DOCUMENTS, seq_key(4))),
        (Table.DOCUMENTS, seq_key(4), stored(store, Table.DOCUMENTS, seq_key(1))),
    ],
}


@pytest.mark.parametrize("message", _documents)
def test_changed_documents_are_named(place: Place, message: str) -> None:
    report = report_of(place, _documents[message])
    assert message in str(report.damage)
    assert (report.damaged_block, report.last_good_seq) == (1, 0)


@pytest.mark.parametrize("seq", [0, LAST_SEQ + 1])
def test_a_document_that_no_block_covers_is_named(place: Place, seq: int) -> None:
    document = seal(b"x")
    report = report_of(place, lambda store: [(Table.DOCUMENTS, seq_key(seq), document)])
    assert f"the document of event {seq} belongs to no block" in str(report.damage)
    assert report.last_good_seq == LAST_SEQ


def test_a_reader_refuses_a_changed_document(place: Place) -> None:
    with place.raw() as store:
        value = stored(store, Table.DOCUMENTS, seq_key(4))
        for other in (flipped(value, 40), seal(b"none of the kinds"), b""):
            store.write([(Table.DOCUMENTS, seq_key(4), other)])
            with place.read() as reader:
                with pytest.raises(JournalDamaged, match="document of event 4"):
                    reader.document(4)
                with pytest.raises(JournalDamaged, match="document of event 4"):
                    list(reader.documents())
                assert reader.document(1) == note(1)


def test_changed_snapshots_are_named(place: Place) -> None:
    with place.raw() as store, place.read() as reader:
        value = stored(store, Table.SNAPSHOTS, seq_key(12))
        others = [flipped(value, position) for position in range(0, len(value), 7)]
        for other in [*others, value[:-1], value[:10], b""]:
            with changed(store, [(Table.SNAPSHOTS, seq_key(12), other)]):
                report = check(reader)
                assert reader.snapshot_before(LAST_SEQ) == snapshot(7)
            assert "snapshot 12" in str(report.damage) and report.last_good_seq == LAST_SEQ
        with changed(store, [(Table.SNAPSHOTS, seq_key(16), value)]):
            assert "says that it is the state after event 12" in str(check(reader).damage)
        for key in (seq_key(0), b"short", b"\xff" * 8, b"a longer key"):
            with changed(store, [(Table.SNAPSHOTS, key, value)]):
                assert not check(reader).sound
                assert reader.snapshot_before((1 << 64) - 1) == snapshot(12)


def test_a_changed_head_is_named(place: Place) -> None:
    with place.raw() as store, place.read() as reader:
        value = stored(store, Table.MANIFEST, HEAD_KEY)
        head = Head.decode(memoryview(value))
        others = [flipped(value, position) for position in range(len(value))]
        others += [value[:-1], b"", Head(head.last_seq, 3, head.block_seq, head.hash).encode()]
        others += [Head(12, 3, 8, head.hash).encode(), Head(head.last_seq, 4, 13, bytes(32)).encode()]
        for other in others:
            with changed(store, [(Table.MANIFEST, HEAD_KEY, other)]):
                report = check(reader)
            assert "head" in str(report.damage) and report.last_good_seq == LAST_SEQ
        with changed(store, [(Table.MANIFEST, HEAD_KEY, None)]):
            assert "the head record is missing" in str(check(reader).damage)


def test_an_unfinished_last_block_is_cut_off_and_said_so(place: Place) -> None:
    with place.raw() as store:
        value = stored(store, Table.BLOCKS, BLOCK_KEYS[-1])
        torn = value[:200] + bytes(len(value) - 200)
        store.write([(Table.BLOCKS, BLOCK_KEYS[-1], torn)])
    with place.append() as writer:
        (line,) = writer.notes
        assert "cut off an unfinished last block, events 13 to 16" in line and "\n" not in line
        assert writer.next_seq == 13
        append_some(writer, 2)
    with place.raw() as store:
        assert stored(store, Table.MANIFEST, b"cut-" + BLOCK_KEYS[-1]) == torn
    with place.read() as reader:
        report = check(reader)
        assert (report.damage, report.events, report.documents) == (None, 14, 4)
    with place.append() as writer:
        assert writer.notes == ()


def test_the_only_block_can_be_cut_off(tmp_path: Path) -> None:
    for name, make in PLACES.items():
        place = make(tmp_path / name)
        with place.create(manifest()) as writer:
            append_some(writer, 4, 2, (1,))
        with place.raw() as store:
            store.write([(Table.BLOCKS, seq_key(1), b"")])
        with place.append() as writer:
            assert writer.next_seq == 1 and len(writer.notes) == 1
        with place.read() as reader:
            assert check(reader).sound and reader.last_seq == 0


_refused: dict[str, Callable[[Store], list[Change]]] = {
    "a block in the middle": lambda store: [
        (Table.BLOCKS, BLOCK_KEYS[1], flipped(stored(store, Table.BLOCKS, BLOCK_KEYS[1]), 300))
    ],
    "the last block missing": lambda store: [(Table.BLOCKS, BLOCK_KEYS[-1], None)],
    "a sound block in the wrong place": lambda store: [
        (Table.BLOCKS, BLOCK_KEYS[-1], stored(store, Table.BLOCKS, BLOCK_KEYS[0]))
    ],
    "a document of the last block": lambda store: [(Table.DOCUMENTS, seq_key(16), None)],
    "the head": lambda store: [(Table.MANIFEST, HEAD_KEY, b"x")],
    "the head and the last block": lambda store: [
        (Table.MANIFEST, HEAD_KEY, Head(12, 3, 8, stored(store, Table.BLOCKS, BLOCK_KEYS[2])[:32]).encode()),
        (Table.BLOCKS, BLOCK_KEYS[-1], b""),
    ],
    "a snapshot": lambda store: [(Table.SNAPSHOTS, seq_key(12), b"x")],
    "the manifest": lambda store: [(Table.MANIFEST, MANIFEST_KEY, seal(b"x"))],
}


@pytest.mark.parametrize("where", _refused)
def test_any_other_damage_is_refused_and_left_alone(place: Place, where: str) -> None:
    with place.raw() as store:
        store.write(_refused[where](store))
        before = _everything(store)
    for _ in range(2):
        with pytest.raises(JournalDamaged) as refusal:
            place.append()
        assert "\n" not in str(refusal.value)
    with place.raw() as store:
        assert _everything(store) == before


def _everything(store: Store) -> dict[tuple[Table, bytes], bytes]:
    with store.view() as view:
        return {(table, key): bytes(value) for table in Table for key, value in view.items(table, b"\0")}


def _fate(folder: Path) -> str:
    """Open and check the journal: `sound`, or the damage in one line."""
    try:
        with LmdbPlace(folder, Durability.ON_CLOSE).read() as reader:
            report = check(reader)
            list(reader.documents())
            reader.snapshot_before(1 << 40)
            return str(report.damage or "sound")
    except JournalDamaged as damage:
        return str(damage)


def _tape_in(folder: Path) -> bytes:
    """A small tape with blocks in tree pages and on pages of their own; the bytes of its file."""
    place = LmdbPlace(folder, Durability.ON_CLOSE)
    small_tape(place)
    with place.append() as writer:
        append_some(writer, 200, 3, (5,))
        append_some(writer, 1)
    return (folder / DATA_FILE).read_bytes()


@pytest.mark.parametrize("seed", range(4))
def test_no_flipped_byte_of_the_file_crashes_or_passes_for_other_data(tmp_path: Path, seed: int) -> None:
    good = _tape_in(tmp_path / "good")
    used = [position for position in range(len(good)) if good[position]]
    chosen = random.Random(seed)
    positions = [*chosen.sample(range(len(good)), 40), *chosen.sample(used, 80), *range(seed, 16 + 160, 4)]
    folder = tmp_path / "damaged"
    folder.mkdir()
    digests = _contents(tmp_path / "good")
    for position in positions + [4096 + position for position in range(seed, 16 + 160, 4)]:
        (folder / DATA_FILE).write_bytes(flipped(good, position, 1 << chosen.randrange(8)))
        fate = _fate(folder)
        assert "\n" not in fate
        # A flip in bytes that hold nothing changes nothing; the older of two meta pages may also be such bytes.
        assert fate != "sound" or _contents(folder) == digests, f"byte {position}: read as other data"


def test_no_truncation_of_the_file_crashes(tmp_path: Path) -> None:
    good = _tape_in(tmp_path / "good")
    folder = tmp_path / "damaged"
    folder.mkdir()
    for length in [*range(0, len(good), 4096), *range(100, len(good), 9_999), len(good) - 1]:
        (folder / DATA_FILE).write_bytes(good[:length])
        fate = _fate(folder)
        assert fate != "sound" or _contents(folder) == _contents(tmp_path / "good")
        with pytest.raises(TapefoldError) if fate != "sound" else _no_error():
            LmdbPlace(folder, Durability.ON_CLOSE).append().close()


def _contents(folder: Path) -> list[bytes]:
    with LmdbPlace(folder, Durability.ON_CLOSE).read() as reader:
        return [block.hash for block in reader.blocks()]


@contextmanager
def _no_error() -> Iterator[None]:
    yield


def test_the_check_of_a_damaged_file_leaves_it_alone(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    good = _tape_in(folder)
    with LmdbPlace(folder, Durability.ON_CLOSE).read() as reader:
        large = next(reader.blocks(LAST_SEQ + 1))
    damaged = flipped(good, good.index(large.hash + b"TAPEFOLD") + 40)
    (folder / DATA_FILE).write_bytes(damaged)
    before = os.stat(folder / DATA_FILE).st_mtime_ns
    assert _fate(folder) != "sound"
    assert (folder / DATA_FILE).read_bytes() == damaged
    assert os.stat(folder / DATA_FILE).st_mtime_ns == before
