"""Older blocks out of the way and back: packing them into segments, and restoring them, byte for byte.

Killed at any step, nothing is lost: a segment is safe on the disk before one commit takes its blocks out of the table,
and its file goes only after one commit has put them back.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.errors import JournalDamaged, UserError
from adapters.journal.blocks import Chain, decode_block
from adapters.journal.documents import TextDocument
from adapters.journal.journal import JournalReader
from adapters.journal.lmdb_journal import LmdbStore, writing_store
from adapters.journal.port import BlockDamaged, Change, Malformed, Table, View
from adapters.journal.sealed import HEAD_KEY, LAST_KEY, seq_key
from adapters.journal.segments import SEGMENT_BYTES, SEGMENTS_FOLDER, Segment, SegmentAbsent, pack, unpack
from adapters.journal.spans import SPAN, Spans, read_spans

UNFINISHED = ".unfinished"

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Moved:
    """What was packed or restored: how many segments, their last event, their blocks' bytes and their files'."""

    segments: int = 0
    last_seq: int = 0
    raw_bytes: int = 0
    file_bytes: int = 0

    def and_(self, segment: Segment) -> "Moved":
        return Moved(
            self.segments + 1,
            max(self.last_seq, segment.last_seq),
            self.raw_bytes + segment.raw_bytes,
            self.file_bytes + segment.file_bytes,
        )


def segments_of(view: View) -> list[Segment]:
    """All segments, the oldest first. Raises `Malformed`."""
    return [Segment.decode(key, value) for key, value in view.items(Table.SEGMENTS, b"\0")]


def compact(
    path: str | Path, before_seq: int | None, to: Path | None = None, progress: Progress = lambda last_seq: None
) -> Moved:
    """Pack the blocks whose events are all before `before_seq` (None: all there are) and shrink the journal's file.

    The last block always stays where it is. The segments' files go into the journal's folder, or into `to`: what is in
    those can only be read once they are in the journal's folder, so what is needed to go on from the newest snapshot
    is not packed then, and segments with definitions stay. Raises `UserError`, and
    `JournalDamaged` where a block is not what was written; then those before it have been packed.
    """
    own = Path(path) / SEGMENTS_FOLDER
    moved = Moved()
    with writing_store(path) as store:
        store.add_later_tables()
        reader = JournalReader(store)
        spans = np.zeros(0, SPAN) if to is None else read_spans(reader)
        if to is not None:
            before_seq = _no_later(before_seq, _newest_snapshots_block(store))
        for folder in (own, to or own):
            _make_folder(folder)
        _remove_unfinished(own)
        while (blocks := _next_blocks(store, reader.manifest_hash, before_seq)) is not None:
            segment, packed = pack([value for _, value in blocks])
            _keep(own if to is None or _defines(reader, spans, segment) else to, segment, packed)
            changes: list[Change] = [(Table.BLOCKS, key, None) for key, _ in blocks]
            store.write([*changes, (Table.SEGMENTS, seq_key(segment.first_seq), segment.encode())])
            moved = moved.and_(segment)
            progress(segment.last_seq)
        _shrink(store)
    return moved


def restore(path: str | Path, source: Path | None = None, progress: Progress = lambda segments: None) -> Moved:
    """Put the blocks of all segments back into the journal's table; `source` is where their files are, if elsewhere.

    Files in the journal's own folder are removed afterwards, others stay. Nothing is changed where a file is missing:
    raises `UserError`; `JournalDamaged` where one is not what was written.
    """
    folder = Path(path)
    moved = Moved()
    with writing_store(path) as store:
        with store.view() as view:
            segments = _decoded(store, view)
        for segment in segments:
            if _file(folder, segment, source) is None:
                raise SegmentAbsent(store.name, segment)
        # The newest first: what is packed is the tape's beginning at any moment.
        for segment in reversed(segments):
            _put_back(store, folder, segment, source)
            moved = moved.and_(segment)
            progress(moved.segments)
    return moved


def _defines(reader: JournalReader, spans: Spans, segment: Segment) -> bool:
    """Whether a segment has part in a span that names something: whoever prints names and amounts reads all of that."""
    near = spans[(spans["first_seq"] <= segment.last_seq) & (spans["last_seq"] >= segment.first_seq)]
    if len(near) == 0:
        return True
    documents = reader.documents(int(near["first_seq"].min()), int(near["last_seq"].max()))
    return any(not isinstance(document, TextDocument) for _, document in documents)


def _newest_snapshots_block(store: LmdbStore) -> int | None:
    """Where the block starts that states what the newest snapshot must be; None where there is no snapshot."""
    with store.view() as view:
        snapshot = view.at_or_before(Table.SNAPSHOTS, LAST_KEY)
        block = None if snapshot is None else view.at_or_before(Table.BLOCKS, snapshot[0])
        return None if block is None else int.from_bytes(block[0], "big")


def _no_later(before_seq: int | None, limit: int | None) -> int | None:
    return min(before_seq, limit) if before_seq is not None and limit is not None else before_seq or limit


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sync_folder(folder.parent)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}), expected a folder for segments") from error


def _remove_unfinished(folder: Path) -> None:
    """What an earlier run left that was killed."""
    for file in folder.glob(f"*{UNFINISHED}"):
        file.unlink()


def _keep(folder: Path, segment: Segment, packed: bytes) -> None:
    """Write a segment's file so that it is safe from a power cut, and read it again."""
    file = folder / Path(segment.file_name).name
    unfinished = file.with_name(file.name + UNFINISHED)
    try:
        with open(unfinished, "wb") as out:
            out.write(packed)
            out.flush()
            os.fsync(out.fileno())
        unpack(unfinished.read_bytes(), segment)
        unfinished.replace(file)
        _sync_folder(folder)
    except (OSError, Malformed) as error:
        unfinished.unlink(missing_ok=True)
        what = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{file}: cannot be written ({what}); the blocks of {segment.events} stay unpacked") from error


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _shrink(store: LmdbStore) -> None:
    """Also commits the head record once more, so that both of LMDB's root pages lead to the whole tape."""
    store.shrink()
    with store.view() as view:
        head = view.get(Table.MANIFEST, HEAD_KEY)
        value = None if head is None else bytes(head)
    if value is not None:
        store.write([(Table.MANIFEST, HEAD_KEY, value)])


def _put_back(store: LmdbStore, folder: Path, segment: Segment, source: Path | None) -> None:
    file = _file(folder, segment, source)
    if file is None:
        raise SegmentAbsent(store.name, segment)
    try:
        blocks = unpack(file.read_bytes(), segment)
    except Malformed as damage:
        raise JournalDamaged(f"{file}: {damage}; {segment.events} stay packed") from damage
    changes: list[Change] = [(Table.BLOCKS, key, value) for key, value in blocks]
    store.write([*changes, (Table.SEGMENTS, seq_key(segment.first_seq), None)])
    if file == folder / segment.file_name:
        file.unlink()


def _file(folder: Path, segment: Segment, source: Path | None) -> Path | None:
    """Where the file of a segment is: in `source` if it is there, else in the journal's folder."""
    places = [folder / segment.file_name]
    if source is not None:
        places.insert(0, source / Path(segment.file_name).name)
    return next((place for place in places if place.is_file()), None)


def _decoded(store: LmdbStore, view: View) -> list[Segment]:
    try:
        return segments_of(view)
    except Malformed as damage:
        raise JournalDamaged(f"{store.name}: segments: {damage}; nothing is restored") from damage


def _next_blocks(store: LmdbStore, manifest_hash: bytes, before_seq: int | None) -> list[tuple[bytes, bytes]] | None:
    """Keys and bytes of the oldest blocks that are to be packed, each verified; None where none is left."""
    with store.view() as view:
        chain = _chain_behind_segments(store, view, manifest_hash)
        last = view.at_or_before(Table.BLOCKS, LAST_KEY)
        found: list[tuple[bytes, bytes]] = []
        room = 0
        for key, value in view.items(Table.BLOCKS, seq_key(chain.next_seq)):
            stored = bytes(value)
            is_kept = last is None or key == last[0]
            if is_kept or room >= SEGMENT_BYTES or not _ends_before(store, chain, stored, before_seq):
                break
            _link(store, chain, key, stored)
            found.append((key, stored))
            room += len(stored)
    return found or None


def _chain_behind_segments(store: LmdbStore, view: View, manifest_hash: bytes) -> Chain:
    newest = view.at_or_before(Table.SEGMENTS, LAST_KEY)
    if newest is None:
        return Chain(1, manifest_hash)
    try:
        segment = Segment.decode(*newest)
    except Malformed as damage:
        raise JournalDamaged(f"{store.name}: segments: {damage}; nothing more is packed") from damage
    return Chain(segment.last_seq + 1, segment.last_hash)


def _ends_before(store: LmdbStore, chain: Chain, stored: bytes, before_seq: int | None) -> bool:
    if before_seq is None:
        return True
    try:
        return decode_block(np.frombuffer(stored, np.uint8), verified=False).last_seq < before_seq
    except Malformed as damage:
        raise BlockDamaged(store.name, chain.next_seq, damage, chain.next_seq - 1) from damage


def _link(store: LmdbStore, chain: Chain, key: bytes, stored: bytes) -> None:
    try:
        chain.link(key, np.frombuffer(stored, np.uint8), verified=True)
    except Malformed as damage:
        raise BlockDamaged(store.name, chain.next_seq, damage, chain.next_seq - 1) from damage
