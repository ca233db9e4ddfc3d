"""Whoever changes a journal is found out: by its hashes, and where those are made anew as well, by a seal."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.errors import JournalDamaged, TapefoldError, UserError
from adapters.journal import retention
from adapters.journal.documents import encode_document
from adapters.journal.integrity import check
from adapters.journal.keys import make_key, public_hex, read_private_key
from adapters.journal.lmdb_journal import append_journal, create_journal, read_journal, writing_store
from adapters.journal.port import Change, Durability, Store, Table
from adapters.journal.retention import compact, restore, segments_of
from adapters.journal.sealed import HEAD_KEY, Head, seq_key
from adapters.journal.seals import SEALS_FOLDER, check_seals, keep_seal, read_seal, seal_journal, seals_of
from adapters.journal.segments import Segment
from tests.conformance.journal_places import append_some, flipped, manifest, note, snapshot, stored
from tests.simulation.forgery import Forged, forge

BLOCKS = 12
NOW_NS = 1_700_000_000_000_000_000


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SEGMENT_BYTES", 2_000)


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal of twelve blocks, sealed after eight and at its end, and the key."""
    folder = tmp_path_factory.mktemp("sealed")
    make_key(folder / "key.pem")
    journal = folder / "journal"
    with create_journal(journal, manifest(), Durability.ON_CLOSE) as writer:
        for number in range(BLOCKS):
            append_some(writer, 2 + number % 4, number % 3, (0, 1) if number % 3 == 0 else (), number)
            if number == 7:
                seal_now(folder)
        writer.save_snapshot(snapshot(writer.next_seq - 1))
    seal_now(folder)
    return folder


@pytest.fixture
def journal(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "copy")) / "journal"


def seal_now(folder: Path) -> None:
    with read_journal(folder / "journal") as reader:
        seal = seal_journal(reader, read_private_key(folder / "key.pem"), "alice", NOW_NS)
    keep_seal(seal, folder / "journal" / SEALS_FOLDER / seal.file_name)


def verdict(journal: Path, keys: tuple[str, ...] = ()) -> str:
    """What a verification of chain and seals says: nothing where all is sound, else the damage in one line."""
    try:
        seals = seals_of(journal)
        with read_journal(journal) as reader:
            report = check(reader, [found.seal.last_seq for found in seals])
            if report.damage is None:
                check_seals(reader, report, seals, keys)
            line = report.damage or ""
    except JournalDamaged as damage:
        line = str(damage)
    assert "\n" not in line
    return line


def chain_alone(journal: Path) -> str | None:
    with read_journal(journal) as reader:
        return check(reader).damage


def test_the_untouched_journal_is_sound_and_its_seals_hold(journal: Path) -> None:
    seals = seals_of(journal)
    assert [found.seal.blocks for found in seals] == [8, 12] and verdict(journal) == ""
    with read_journal(journal) as reader:
        report = check(reader, [found.seal.last_seq for found in seals])
        assert [found.seal.name for found in check_seals(reader, report, seals).held] == ["alice", "alice"]


# With all hashes made anew.

_forgeries: dict[str, Callable[[list[Forged]], None]] = {
    "a changed event": lambda blocks: _change(blocks[3].events),
    "a changed decision": lambda blocks: _change(blocks[4].decisions),
    "an event removed": lambda blocks: blocks[2].events.pop(),
    "an event inserted": lambda blocks: blocks[5].events.insert(1, blocks[1].events[0]),
    "events in another order": lambda blocks: blocks[3].events.reverse(),
    "a block removed": lambda blocks: blocks.pop(4) and None,
    "a block inserted": lambda blocks: blocks.insert(2, blocks[6]),
    "blocks in another order": lambda blocks: blocks.insert(1, blocks.pop(5)),
    "blocks joined": lambda blocks: _join(blocks),
    "a changed document": lambda blocks: blocks[0].documents.update({0: encode_document(note(99))}),
    "a document removed": lambda blocks: blocks[3].documents.pop(1) and None,
    "a document added": lambda blocks: blocks[1].documents.update({0: encode_document(note(99))}),
    "another state digest": lambda blocks: setattr(blocks[6], "state_digest", bytes(32)),
}


def _change(records: list[bytes]) -> None:
    records[0] = flipped(records[0], 40)


def _join(blocks: list[Forged]) -> None:
    second = blocks.pop(2)
    blocks[1].events += second.events
    blocks[1].decisions += second.decisions


@pytest.mark.parametrize("what", _forgeries)
def test_only_a_seal_finds_a_tape_whose_hashes_were_made_anew(journal: Path, what: str) -> None:
    forge(journal, _forgeries[what])
    assert chain_alone(journal) is None
    line = verdict(journal)
    assert "the seal of 'alice' at event" in line and ("replaced" in line or "cut off" in line)


def test_a_forgery_that_changes_nothing_is_none(journal: Path) -> None:
    forge(journal, lambda blocks: None)
    assert verdict(journal) == ""


@pytest.mark.parametrize("blocks_left", range(1, BLOCKS))
def test_a_tape_cut_at_a_block_boundary_is_found_by_its_seal(journal: Path, blocks_left: int) -> None:
    forge(journal, lambda blocks: blocks.__delitem__(slice(blocks_left, None)))
    assert chain_alone(journal) is None
    with read_journal(journal) as reader:
        assert f"the tape ends at event {reader.last_seq}: what was behind it was cut off" in verdict(journal)
    # Without the later seal, what came before it still stands as it was.
    (later,) = (found.file for found in seals_of(journal) if found.seal.blocks == BLOCKS)
    later.unlink()
    assert ("cut off" in verdict(journal)) == (blocks_left < 8)


def test_a_tape_that_went_on_after_a_cut_is_found(journal: Path) -> None:
    forge(journal, lambda blocks: blocks.__delitem__(slice(10, None)))
    with append_journal(journal) as writer:
        for number in range(10):
            append_some(writer, 3, 0, (), 1_000 + number)
    assert chain_alone(journal) is None and "replaced" in verdict(journal)


def test_another_journal_in_its_place_is_found(journal: Path, tmp_path: Path) -> None:
    with create_journal(tmp_path / "other", manifest(journal_id="ab" * 16), Durability.ON_CLOSE) as writer:
        for number in range(BLOCKS):
            append_some(writer, 2 + number % 4, number % 3, (), number)
    shutil.copytree(journal / SEALS_FOLDER, tmp_path / "other" / SEALS_FOLDER)
    assert "it is of another journal (0123456789abcdef" in verdict(tmp_path / "other")


# Seals themselves.


def test_every_changed_byte_of_a_seal_is_found(journal: Path) -> None:
    file = seals_of(journal)[0].file
    text = file.read_bytes()
    for position in range(len(text)):
        for bits in (0x01, 0x20):
            file.write_bytes(flipped(text, position, bits))
            assert str(file) in verdict(journal), f"byte {position}"
    for other in [text[:length] for length in range(0, len(text), 40)] + [text + b" ", text + text]:
        file.write_bytes(other)
        assert str(file) in verdict(journal)
    file.write_bytes(text)
    assert verdict(journal) == ""


def test_a_seal_of_another_key_or_none_does_not_do_where_a_key_is_given(journal: Path, tmp_path: Path) -> None:
    mine = public_hex(read_private_key(journal.parent / "key.pem").public_key())
    other = public_hex(make_key(tmp_path / "other.pem"))
    assert verdict(journal, (mine,)) == verdict(journal, (other, mine)) == ""
    assert "it is signed with another key" in verdict(journal, (other,))
    shutil.rmtree(journal / SEALS_FOLDER)
    assert verdict(journal) == "" and "there is no seal" in verdict(journal, (mine,))


def test_a_forger_who_seals_anew_is_found_by_the_key(journal: Path, tmp_path: Path) -> None:
    mine = public_hex(read_private_key(journal.parent / "key.pem").public_key())
    forge(journal, _forgeries["a changed event"])
    shutil.rmtree(journal / SEALS_FOLDER)
    make_key(tmp_path / "key.pem")
    with read_journal(journal) as reader:
        forged = seal_journal(reader, read_private_key(tmp_path / "key.pem"), "alice", NOW_NS)
    keep_seal(forged, journal / SEALS_FOLDER / forged.file_name)
    assert verdict(journal) == "" and "signed with another key" in verdict(journal, (mine,))


def test_what_is_no_seal_is_refused(tmp_path: Path) -> None:
    for text in (b"", b"{}", b"[1]", b"\xff\xfe", b'{"seal_version":1}'):
        (tmp_path / "seal.json").write_bytes(text)
        with pytest.raises(UserError, match="holds no seal"):
            read_seal(tmp_path / "seal.json")
    with pytest.raises(UserError, match="cannot be read"):
        read_seal(tmp_path / "missing.json")


# Segments.


def segments(journal: Path) -> list[Segment]:
    with read_journal(journal) as reader, reader.store.view() as view:
        return segments_of(view)


def test_every_changed_byte_of_a_segment_is_found(journal: Path) -> None:
    compact(journal, None)
    assert verdict(journal) == "" and len(segments(journal)) > 2
    segment = segments(journal)[1]
    file = journal / segment.file_name
    packed = file.read_bytes()
    for position in range(len(packed)):
        file.write_bytes(flipped(packed, position))
        assert segment.file_name in verdict(journal) and segment.events in verdict(journal)
    for other in (b"", packed[:-1], packed + b"\0", (journal / segments(journal)[0].file_name).read_bytes()):
        file.write_bytes(other)
        assert "is not what was written" in verdict(journal)
        with pytest.raises(JournalDamaged, match="is not what was written"):
            restore(journal)
    file.write_bytes(packed)
    restore(journal)
    assert verdict(journal) == ""


@pytest.mark.parametrize("away", range(3))
def test_a_segment_moved_away_is_no_damage_and_said(journal: Path, away: int) -> None:
    compact(journal, None)
    segment = segments(journal)[away]
    with read_journal(journal) as reader:
        whole = check(reader)
    (journal / segment.file_name).rename(journal / "away")
    with read_journal(journal) as reader:
        report = check(reader, [found.seal.last_seq for found in seals_of(journal)])
        assert report.damage is None and report.absent == (segment,)
        assert (report.blocks, report.decisions, report.documents) == (whole.blocks, whole.decisions, whole.documents)
        assert report.raw_bytes == whole.raw_bytes - segment.raw_bytes
        with pytest.raises(UserError, match=segment.file_name):
            list(reader.blocks())
        assert len(list(reader.blocks(segment.last_seq + 2))) > 0
    assert verdict(journal) == ""
    # It may have been moved away to change what is behind it.
    with writing_store(journal) as store:
        key = seq_key(reader_last_block(store))
        store.write([(Table.BLOCKS, key, flipped(stored(store, Table.BLOCKS, key), 250))])
    assert "is not what was written" in verdict(journal)


def reader_last_block(store: Store) -> int:
    return Head.decode(memoryview(stored(store, Table.MANIFEST, HEAD_KEY))).block_seq


def _other(segment: Segment, **changes: object) -> bytes:
    fields = {name: getattr(segment, name) for name in Segment.__dataclass_fields__}
    return Segment(**(fields | changes)).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"last_hash": bytes(32)},
        {"previous_hash": bytes(32)},
        {"last_seq": 1 << 40},
        {"blocks": 7},
        {"raw_bytes": 100},
        {"raw_bytes": 1 << 40},
        {"file_hash": bytes(32)},
        {"first_seq": 1},
        {"first_seq": -5},
    ],
)
@pytest.mark.parametrize("is_away", [False, True])
def test_a_changed_record_of_a_segment_is_found(journal: Path, changes: dict[str, object], is_away: bool) -> None:
    compact(journal, None)
    segment = segments(journal)[1]
    if is_away:
        (journal / segment.file_name).unlink()
    with writing_store(journal) as store:
        store.write([(Table.SEGMENTS, seq_key(segment.first_seq), _other(segment, **changes))])
    if is_away and changes.keys() & {"blocks", "raw_bytes", "file_hash"}:
        # Nothing can tell what is in a file that nobody has; a count that is wrong shows at the head.
        assert ("blocks" in changes) == (verdict(journal) != "")
    elif "file_hash" in changes:
        with read_journal(journal) as reader:
            assert len(check(reader).absent) == 1
    else:
        assert verdict(journal) != ""


def test_every_changed_byte_of_a_record_of_a_segment_is_found(journal: Path) -> None:
    compact(journal, None)
    key = seq_key(segments(journal)[1].first_seq)
    with writing_store(journal) as store:
        value = stored(store, Table.SEGMENTS, key)
        for position in range(len(value)):
            store.write([(Table.SEGMENTS, key, flipped(value, position))])
            assert "segment" in verdict(journal), f"byte {position}"
        store.write([(Table.SEGMENTS, key, None)])
        assert "missing" in verdict(journal)


# Anything at all.

_targets = (Table.BLOCKS, Table.DOCUMENTS, Table.SNAPSHOTS, Table.SPANS, Table.SEGMENTS, Table.MANIFEST)


def _tamper(store: Store, chosen: random.Random) -> str:
    """Change, remove, insert, copy or swap some stored value; what was done."""
    with store.view() as view:
        entries = [(table, key, bytes(value)) for table in _targets for key, value in view.items(table, b"\0")]
        packed = {key for key, _ in view.items(Table.SEGMENTS, b"\0")}
    # Blocks of segments are not in the table.
    entries = [e for e in entries if e[0] is not Table.BLOCKS or not packed or e[1] > max(packed)]
    table, key, value = chosen.choice(entries)
    _, other_key, other = chosen.choice([entry for entry in entries if entry[0] is table])
    position, what = chosen.randrange(len(value)), chosen.choice(["flip", "cut", "grow", "remove", "insert", "swap"])
    changes: dict[str, list[Change]] = {
        "flip": [(table, key, flipped(value, position, 1 << chosen.randrange(8)))],
        "cut": [(table, key, value[:position])],
        "grow": [(table, key, value + b"\0")],
        "remove": [(table, key, None)],
        "insert": [(table, seq_key(int.from_bytes(key, "big") % (1 << 40) + 1), value)],
        "swap": [(table, key, other), (table, other_key, value)],
    }
    before = {(table, key): value for table, key, value in entries}
    store.write(changes[what])
    after = before | {(t, k): v for t, k, v in changes[what]}
    is_changed = any(before.get(place) != value for place, value in after.items())
    # Snapshots and spans are made from the tape: one that is gone is not missed.
    return f"{what} {table} {key.hex()} {position}" if is_changed and (what, table) not in _UNMISSED else ""


_UNMISSED = {("remove", Table.SNAPSHOTS), ("remove", Table.SPANS)}


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 1 << 32), is_packed=st.booleans())
def test_nothing_stored_is_changed_unnoticed(
    sealed: Path, tmp_path_factory: pytest.TempPathFactory, seed: int, is_packed: bool
) -> None:
    folder = tmp_path_factory.mktemp("any")
    journal = Path(shutil.copytree(sealed / "journal", folder / "journal"))
    if is_packed:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(retention, "SEGMENT_BYTES", 2_000)
            compact(journal, None)
    with writing_store(journal) as store:
        done = _tamper(store, random.Random(seed))
    try:
        found = verdict(journal)
    except TapefoldError as error:
        found = str(error)
    shutil.rmtree(folder)
    assert bool(found) == bool(done), f"{done}: {found}"
