"""The journal's conformance suite: the LMDB journal, under both durabilities, and its twin in memory pass it."""

import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adapters.journal.journal as journal_module
from adapters.errors import JournalDamaged, UserError
from adapters.journal.blocks import BlockBuffer
from adapters.journal.documents import (
    AccountDocument,
    ConfigurationDocument,
    Document,
    InstrumentDocument,
    StrategyDocument,
    TextDocument,
    document_hash,
)
from adapters.journal.integrity import check
from adapters.journal.port import Durability, Table
from adapters.journal.sealed import seq_key
from adapters.journal.spans import read_spans, stored_spans
from engine.records import EVENT
from replay.ahead import blocks_ahead
from tests.conformance.journal_places import (
    LAST_SEQ,
    LmdbPlace,
    MemoryPlace,
    Place,
    append_some,
    digest_of,
    flipped,
    manifest,
    note,
    small_tape,
    snapshot,
    some_decisions,
    some_events,
    stored,
)

PLACES: dict[str, Callable[[Path], Place]] = {
    "memory": lambda folder: MemoryPlace(),
    "lmdb-every-commit": lambda folder: LmdbPlace(folder / "journal", Durability.EVERY_COMMIT),
    "lmdb-on-close": lambda folder: LmdbPlace(folder / "journal", Durability.ON_CLOSE),
}
NOTHING = np.empty(0, np.uint8)


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return PLACES[request.param](tmp_path)


def test_an_empty_tape_has_a_manifest_and_nothing_else(place: Place) -> None:
    with place.create(manifest()) as writer:
        assert writer.next_seq == 1
        assert writer.notes == ()
    with place.read() as reader:
        assert reader.manifest == manifest()
        assert reader.last_seq == 0
        assert list(reader.blocks()) == []
        assert list(reader.documents()) == []
        assert reader.snapshot_before(1 << 40) is None
        assert check(reader).sound


def test_what_was_appended_is_read(place: Place) -> None:
    events, decisions = some_events(100), some_decisions(7, 1, 100)
    with place.create(manifest()) as writer:
        assert writer.append(events, decisions, digest_of(100)) == 100
        assert writer.next_seq == 101
    with place.read() as reader:
        (block,) = [_copied(block) for block in reader.blocks()]
    assert (block.first_seq, block.last_seq) == (1, 100)
    assert (block.first_ts_ns, block.last_ts_ns) == (1_000, 100_000)
    assert block.state_digest == digest_of(100)
    assert np.array_equal(block.events, events)
    assert np.array_equal(block.decisions, decisions)


def test_a_rehearsal_leaves_nothing_behind(place: Place, tmp_path: Path) -> None:
    def tape(where: Place, rehearsals: int) -> list[bytes]:
        buffer = BlockBuffer(100, 7)
        with where.create(manifest()) as writer:
            for first_seq in (1, 101):
                buffer.events[:] = some_events(100)
                buffer.decisions[:] = some_decisions(7, first_seq, first_seq + 99)
                for _ in range(rehearsals):
                    writer.rehearse(buffer, 50, 0)
                assert writer.next_seq == first_seq
                writer.append_buffer(buffer, 100, 7, digest_of(100))
        with where.read() as reader:
            assert check(reader).sound
            return [block.hash for block in reader.blocks()]

    assert tape(place, rehearsals=3) == tape(MemoryPlace(), rehearsals=0)


def test_arrays_are_flat_aligned_and_writable_like_any_other(place: Place) -> None:
    small_tape(place)
    with place.read() as reader:
        for block in reader.blocks():
            for array in (block.events, block.decisions):
                assert array.dtype == np.uint8 and array.ndim == 1 and array.ctypes.data % 64 == 0
                assert array.flags.c_contiguous and array.flags.writeable


def test_blocks_form_a_chain_that_starts_at_the_manifest(place: Place) -> None:
    small_tape(place)
    with place.read() as reader:
        previous = reader.manifest_hash
        for block in reader.blocks():
            assert block.previous_hash == previous
            previous = block.hash


def test_another_manifest_makes_another_chain(tmp_path: Path) -> None:
    hashes = []
    for mode in ("backtest", "live"):
        place = MemoryPlace()
        with place.create(manifest(mode=mode)) as writer:
            append_some(writer, 3)
        with place.read() as reader:
            hashes.append(next(reader.blocks()).hash)
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize("batch_bytes", [1, 1_000, 1 << 20])
def test_reading_starts_at_the_block_that_holds_the_event(
    place: Place, monkeypatch: pytest.MonkeyPatch, batch_bytes: int
) -> None:
    monkeypatch.setattr(journal_module, "BATCH_BYTES", batch_bytes)
    small_tape(place)
    starts = [1] * 4 + [5] * 3 + [8] * 5 + [13] * 4
    with place.read() as reader:
        for seq, start in enumerate(starts, 1):
            expected = sorted({first for first in starts if first >= start})
            assert [block.first_seq for block in reader.blocks(seq)] == expected
            assert [block.first_seq for block in reader.blocks(seq, seq)] == [start]
        assert [block.first_seq for block in reader.blocks(2, 8)] == [1, 5, 8]
        assert list(reader.blocks(LAST_SEQ + 1)) == []
        with pytest.raises(ValueError, match="first_seq is 0"):
            next(reader.blocks(0))


@pytest.mark.parametrize("batch_bytes", [1, 1_000, 1 << 20])
def test_blocks_stay_while_the_next_ones_are_read(
    place: Place, monkeypatch: pytest.MonkeyPatch, batch_bytes: int
) -> None:
    monkeypatch.setattr(journal_module, "BATCH_BYTES", batch_bytes)
    small_tape(place)
    with place.read() as reader:
        before: list[journal_module.Block] = []
        kept: list[journal_module.Block] = []
        for blocks in reader.batches():
            for shown, copy in zip(before, kept, strict=True):
                assert shown.events.tobytes() == copy.events.tobytes()
                assert shown.decisions.tobytes() == copy.decisions.tobytes()
            before, kept = blocks, list(map(_copied, blocks))
        assert [block.first_seq for block in blocks_ahead(reader)] == [1, 5, 8, 13]


def test_read_ahead_damage_comes_after_the_blocks_before_it(place: Place) -> None:
    small_tape(place)
    with place.read() as reader:

        class Broken(journal_module.JournalReader):
            def batches(self, *_: object) -> Iterator[list[journal_module.Block]]:  # type: ignore[override]
                yield from super().batches(1, 5)
                raise JournalDamaged("the third")

        blocks = blocks_ahead(Broken(reader.store))
        assert [next(blocks).first_seq for _ in range(2)] == [1, 5]
        with pytest.raises(JournalDamaged, match="the third"):
            next(blocks)


def test_documents_of_every_kind(place: Place) -> None:
    documents: list[Document] = [
        ConfigurationDocument(text="mode = 1", format="toml"),
        InstrumentDocument(
            number=0,
            symbol="BTCUSD",
            base_currency="BTC",
            quote_currency="USD",
            settlement_currency="USD",
            tick_size="0.01",
            lot_size="0.00001",
            multiplier="1",
        ),
        AccountDocument(name="main", currency="USD", account_kind="cash"),
        StrategyDocument(name="ema", form="compiled", entry="ema:kernel", parameters={"fast": 12, "slow": 26.5}),
        TextDocument(text="", author=""),
    ]
    events = some_events(len(documents))
    events.view(EVENT)["ts_exchange_ns"] = [document_hash(document) for document in documents]
    with place.create(manifest()) as writer:
        writer.append(events, NOTHING, digest_of(5), dict(enumerate(documents, 1)))
    with place.read() as reader:
        assert [document for _, document in reader.documents()] == documents
        assert [seq for seq, _ in reader.documents(2, 4)] == [2, 3, 4]
        assert reader.document(3) == documents[2]
        assert reader.document(6) is None
        assert check(reader).documents == 5


def test_a_snapshot_is_found_by_sequence_number(place: Place) -> None:
    small_tape(place)
    with place.read() as reader:
        found = [reader.snapshot_before(seq) for seq in (6, 7, 11, 12, 1 << 40)]
        assert reader.notes == []
    assert found == [None, snapshot(7), snapshot(7), snapshot(12), snapshot(12)]


@pytest.mark.parametrize("seq", [0, 6, 17])
def test_a_snapshot_belongs_to_the_end_of_a_block(place: Place, seq: int) -> None:
    small_tape(place)
    with place.append() as writer:
        with pytest.raises(ValueError, match=f"no block that ends at event {seq}"):
            writer.save_snapshot(snapshot(seq))
        with pytest.raises(ValueError, match="state digest"):
            writer.save_snapshot(snapshot(7, state_digest=digest_of(8)))
        with pytest.raises(ValueError, match="layout"):
            writer.save_snapshot(snapshot(7, layout={"accounts": 1}))


def test_an_invalid_snapshot_is_passed_over_and_named(place: Place) -> None:
    small_tape(place)
    with place.raw() as store:
        value = stored(store, Table.SNAPSHOTS, seq_key(12))
        store.write([(Table.SNAPSHOTS, seq_key(12), flipped(value, 100))])
    with place.read() as reader:
        assert reader.snapshot_before(16) == snapshot(7)
        assert len(reader.notes) == 1 and "snapshot 12" in reader.notes[0]


def test_a_second_writer_is_refused(place: Place) -> None:
    with place.create(manifest()) as writer:
        with pytest.raises(UserError, match=f"being written by process {os.getpid()}"):
            place.append()
        append_some(writer, 3)
    with place.append() as writer:
        assert writer.next_seq == 4


def test_a_journal_is_created_once(place: Place) -> None:
    small_tape(place)
    with pytest.raises(UserError, match="expected an empty or new folder"):
        place.create(manifest())
    with place.read() as reader:
        assert check(reader).sound


def test_appending_goes_on_after_a_reopening(place: Place) -> None:
    small_tape(place)
    with place.append() as writer:
        assert writer.manifest == manifest()
        assert writer.next_seq == LAST_SEQ + 1
        append_some(writer, 2, 1, (1,))
    with place.read() as reader:
        report = check(reader)
        assert (report.damage, report.last_good_seq, report.blocks) == (None, LAST_SEQ + 2, 5)
        assert reader.document(LAST_SEQ + 2) == note(LAST_SEQ + 2)


def test_a_reader_sees_the_tape_grow(place: Place) -> None:
    with place.create(manifest()) as writer, place.read() as reader:
        for count in range(1, 6):
            append_some(writer, count)
            assert reader.last_seq == writer.next_seq - 1
            assert len(list(reader.blocks())) == count
        blocks = reader.blocks()
        assert next(blocks).first_seq == 1
        append_some(writer, 10)
        assert [block.first_seq for block in blocks] == [2, 4, 7, 11, 16]


def test_readers_in_other_threads_always_see_a_sound_tape(place: Place) -> None:
    failures: list[str] = []
    done = threading.Event()

    def read() -> None:
        with place.read() as reader:
            while not done.is_set():
                report = check(reader)
                if not report.sound:
                    failures.append(str(report.damage))
                    return

    with place.create(manifest()) as writer:
        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        for count in range(60):
            append_some(writer, 1 + count % 7, 1, (0,))
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []


def _wrong_appends() -> dict[str, tuple[np.ndarray, np.ndarray, bytes, dict[int, Document]]]:
    good, digest = some_events(4), digest_of(4)
    back = np.concatenate([some_decisions(1, 3, 3), some_decisions(1, 2, 2)])
    return {
        "at least one event": (NOTHING, NOTHING, digest, {}),
        "events: expected a contiguous": (good[:-1], NOTHING, digest, {}),
        "decisions: expected a contiguous": (good, NOTHING.astype(np.int64), digest, {}),
        "events: expected a contiguous flat": (some_events(8)[::2], NOTHING, digest, {}),
        "32": (good, NOTHING, b"short", {}),
        "their sequence numbers go back": (good, back, digest, {}),
        "on events 0 to 0": (good, some_decisions(1, 0, 0), digest, {}),
        "expected within the block's 1 to 4": (good, some_decisions(1, 5, 5), digest, {}),
        "one of event 5": (good, NOTHING, digest, {5: note(5)}),
        "event 2 does not carry": (good, NOTHING, digest, {2: note(2)}),
    }


@pytest.mark.parametrize("message", _wrong_appends())
def test_what_cannot_be_a_block_is_refused_and_nothing_written(place: Place, message: str) -> None:
    with place.create(manifest()) as writer:
        with pytest.raises(ValueError, match=message):
            writer.append(*_wrong_appends()[message])
        assert writer.next_seq == 1
        append_some(writer, 4)
    with place.read() as reader:
        assert check(reader).events == 4


def test_a_failed_write_leaves_the_tape_as_it_was(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.create(manifest()) as writer:
        append_some(writer, 4)
        with monkeypatch.context() as patch:
            patch.setattr(type(writer._store), "write", _full_disk)
            with pytest.raises(UserError):
                append_some(writer, 4)
        assert writer.next_seq == 5
        append_some(writer, 2)
    with place.read() as reader:
        assert check(reader).events == 6


def test_closing_twice_does_nothing(place: Place) -> None:
    writer = place.create(manifest())
    writer.sync()
    writer.close()
    writer.close()
    reader = place.read()
    reader.close()
    reader.close()


@pytest.mark.parametrize("journal_id", ["", "0" * 31, "G" * 32, "A" * 32])
def test_a_journal_id_is_32_hexadecimal_digits(journal_id: str) -> None:
    with pytest.raises(ValueError, match="32 lower-case hexadecimal digits"):
        manifest(journal_id=journal_id)


def test_another_format_is_the_users_matter_and_no_damage(place: Place) -> None:
    with place.create(manifest(format_version=2)) as writer:
        append_some(writer, 1)
    for opening in (place.read, place.append):
        with pytest.raises(UserError, match="has format 2, expected format 1"):
            opening()


def test_a_changed_manifest_is_damage(place: Place) -> None:
    small_tape(place)
    with place.raw() as store:
        value = stored(store, Table.MANIFEST, b"manifest")
        store.write([(Table.MANIFEST, b"manifest", flipped(value, 60))])
    for opening in (place.read, place.append):
        with pytest.raises(JournalDamaged, match="manifest"):
            opening()


def test_a_lost_manifest_is_damage(place: Place) -> None:
    small_tape(place)
    with place.raw() as store:
        store.write([(Table.MANIFEST, b"manifest", None)])
    for opening in (place.read, place.append):
        with pytest.raises(JournalDamaged, match="the manifest is missing"):
            opening()


_blocks = st.lists(st.tuples(st.integers(1, 70), st.integers(0, 5), st.booleans()), min_size=1, max_size=12)


@settings(max_examples=30, deadline=None)
@given(blocks=_blocks, batch_bytes=st.sampled_from([1, 4_096, 1 << 20]), reopened=st.booleans())
@pytest.mark.parametrize("name", PLACES)
def test_any_blocks_survive_the_round_trip(
    name: str,
    tmp_path_factory: pytest.TempPathFactory,
    blocks: list[tuple[int, int, bool]],
    batch_bytes: int,
    reopened: bool,
) -> None:
    place = PLACES[name](tmp_path_factory.mktemp("round"))
    writer = place.create(manifest())
    expected = []
    for seed, (events, decisions, documented) in enumerate(blocks):
        first_seq = writer.next_seq
        append_some(writer, events, decisions, (events - 1,) if documented else (), seed)
        expected.append((first_seq, writer.next_seq - 1, decisions))
        if reopened:
            writer.close()
            writer = place.append()
    writer.close()
    with pytest.MonkeyPatch.context() as patch, place.read() as reader:
        patch.setattr(journal_module, "BATCH_BYTES", batch_bytes)
        found = [(block.first_seq, block.last_seq, len(block.decisions) // 64) for block in reader.blocks()]
        report = check(reader)
    assert found == expected
    assert report.sound and report.documents == sum(documented for *_, documented in blocks)


def _full_disk(store: object, changes: object) -> None:
    raise UserError("the disk is full")


def _copied(block: journal_module.Block) -> journal_module.Block:
    return replace(block, events=block.events.copy(), decisions=block.decisions.copy())


def test_the_twins_make_the_same_chain(tmp_path: Path) -> None:
    ends = set()
    for name, make in PLACES.items():
        place = make(tmp_path / name)
        small_tape(place)
        with place.read() as reader:
            ends.add([block.hash for block in reader.blocks()][-1])
    assert len(ends) == 1


def test_a_block_by_itself_stays_whatever_is_read(place: Place) -> None:
    small_tape(place)
    with place.read() as reader:
        expected = [_copied(block) for block in reader.blocks()]
        starts = [0] * 4 + [1] * 3 + [2] * 5 + [3] * 4
        found = [reader.block_at(seq) for seq in range(1, LAST_SEQ + 1)]
        list(reader.blocks())
        for block, number in zip(found, starts, strict=True):
            other = expected[number]
            assert (block.first_seq, block.last_seq, block.hash) == (other.first_seq, other.last_seq, other.hash)
            assert np.array_equal(block.events, other.events) and np.array_equal(block.decisions, other.decisions)
            assert block.events.ctypes.data % 64 == 0 and block.events.flags.writeable
        for seq in (0, LAST_SEQ + 1):
            with pytest.raises(ValueError, match=f"event {seq}: expected one of the tape"):
                reader.block_at(seq)


def test_a_damaged_block_by_itself_is_named(place: Place) -> None:
    small_tape(place)
    with place.raw() as store:
        store.write([(Table.BLOCKS, seq_key(5), flipped(stored(store, Table.BLOCKS, seq_key(5)), 300))])
    with place.read() as reader:
        assert reader.block_at(3).last_seq == 4
        with pytest.raises(JournalDamaged, match="block 5"):
            reader.block_at(6)


def test_spans_are_stored_and_made(place: Place) -> None:
    small_tape(place)
    with place.read() as reader:
        (span,) = read_spans(reader)
        assert (span["first_seq"], span["last_seq"], span["blocks"], span["documents"]) == (1, LAST_SEQ, 4, 5)
        assert len(stored_spans(reader)) == 1
        assert check(reader).sound
    with place.append() as writer:
        append_some(writer, 3)
        with place.read() as reader:
            assert [int(span["last_seq"]) for span in read_spans(reader)] == [LAST_SEQ, LAST_SEQ + 3]
            assert len(stored_spans(reader)) == 1
    with place.read() as reader:
        assert len(stored_spans(reader)) == 2


def test_a_journal_of_an_earlier_version_has_no_spans_until_it_is_written(tmp_path: Path) -> None:
    place = LmdbPlace(tmp_path / "journal", Durability.EVERY_COMMIT)
    small_tape(place)
    environment = lmdb.open(str(place.folder), max_dbs=8)
    with environment.begin(write=True) as transaction:
        transaction.drop(environment.open_db(Table.SPANS.value, transaction))
    environment.close()
    with place.read() as reader:
        assert check(reader).sound
        assert stored_spans(reader) == []
        (span,) = read_spans(reader)
        assert span["last_seq"] == LAST_SEQ
    place.append().close()
    with place.read() as reader:
        assert len(stored_spans(reader)) == 1
        assert check(reader).sound
