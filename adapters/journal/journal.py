"""Writing and reading a tape on any store: appending blocks to the hash chain, and walking it."""

import itertools
from collections.abc import Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Self

import msgspec
import numpy as np

from adapters.errors import JournalDamaged, UserError
from adapters.journal.blocks import (
    ALIGNMENT_BYTES,
    BlockBuffer,
    Chain,
    aligned,
    check_records,
    check_sequence,
    decode_block,
    documents_hash,
    seal_block,
)
from adapters.journal.documents import Document, decode_document, encode_document, hash_word
from adapters.journal.older import upcast_manifest, version_of
from adapters.journal.port import (
    DIGEST_BYTES,
    FORMAT_VERSION,
    NO_STATE_DIGEST,
    Block,
    BlockDamaged,
    Bytes,
    Change,
    Malformed,
    Manifest,
    Snapshot,
    Store,
    Table,
    View,
)
from adapters.journal.sealed import (
    HEAD_KEY,
    LAST_KEY,
    MANIFEST_KEY,
    Head,
    key_after,
    key_seq,
    seal,
    seq_key,
    unseal,
)
from adapters.journal.segments import SegmentAbsent
from adapters.journal.spans import Gathering, prepare_to_gather, span_change
from adapters.version import VERSION
from engine.records import DECISION_BYTES, EVENT, EVENT_BYTES

NONE: Mapping[int, Document] = MappingProxyType({})

# How much a reader copies out of one view: enough to make views rare, little enough to keep them short.
BATCH_BYTES = 4 << 20

_encoder = msgspec.msgpack.Encoder(order="deterministic")


class _FormatVersion(msgspec.Struct):
    format_version: int


def create_tape(store: Store, manifest: Manifest) -> "JournalWriter":
    """Start a tape in an empty store."""
    value = seal(_encoder.encode(manifest))
    head = Head(0, 0, 0, value[:DIGEST_BYTES])
    store.write([(Table.MANIFEST, MANIFEST_KEY, value), (Table.MANIFEST, HEAD_KEY, head.encode())])
    return JournalWriter(store, manifest, head)


def read_manifest(store: Store) -> tuple[Manifest, bytes]:
    """The manifest and its hash. Raises `UserError` for another format, `JournalDamaged` for changed bytes."""
    with store.view() as view:
        value = view.get(Table.MANIFEST, MANIFEST_KEY)
        if value is None:
            if any(view.at_or_before(table, LAST_KEY) for table in (Table.BLOCKS, Table.MANIFEST)):
                raise JournalDamaged(f"{store.name}: the manifest is missing; nothing can be read")
            raise UserError(f"{store.name}: holds no journal (it has no manifest), expected a journal's folder")
        try:
            payload = bytes(unseal(value, "manifest"))
            version = msgspec.msgpack.decode(payload, type=_FormatVersion).format_version
            if version != FORMAT_VERSION:
                raise UserError(f"{store.name}: the journal has format {version}, expected format {FORMAT_VERSION}")
            manifest = msgspec.convert(upcast_manifest(msgspec.msgpack.decode(payload)), Manifest)
            _check_version(store, manifest)
            return manifest, bytes(value[:DIGEST_BYTES])
        except (Malformed, msgspec.MsgspecError) as damage:
            raise JournalDamaged(f"{store.name}: manifest: {damage}; nothing can be read") from damage


def _check_version(store: Store, manifest: Manifest) -> None:
    """What a later version means by its records is not known here."""
    begun, own = version_of(manifest.engine_version), tuple(map(int, VERSION.split(".")))
    if begun is not None and begun > own:
        raise UserError(
            f"{store.name}: the journal was begun by version {'.'.join(map(str, begun))}, expected {VERSION} or earlier"
        )


def read_head(view: View) -> Head:
    """Where the tape ends. Raises `Malformed`."""
    return Head.decode(view.get(Table.MANIFEST, HEAD_KEY))


def read_end(journal: str, view: View) -> Head:
    """As `read_head`. Raises `JournalDamaged`."""
    try:
        return read_head(view)
    except Malformed as damage:
        raise JournalDamaged(f"{journal}: {damage}; where the tape ends is unknown") from damage


def check_end(journal: str, chain: Chain, head: Head) -> None:
    """Raises `BlockDamaged` where a walk over all blocks ended elsewhere than the head record says."""
    last_seq = chain.next_seq - 1
    if head.last_seq > last_seq:
        damage = Malformed(f"the last block is missing: the tape ended at event {head.last_seq}")
    elif head.last_seq < last_seq or head.hash != chain.previous_hash:
        damage = Malformed(f"the head record names another end of the tape (event {head.last_seq})")
    else:
        return
    raise BlockDamaged(journal, chain.next_seq, damage, last_seq)


class JournalWriter:
    """The one writer of a tape. `notes` says what had to be cut off to open it."""

    def __init__(self, store: Store, manifest: Manifest, head: Head, notes: tuple[str, ...] = ()) -> None:
        self.manifest = manifest
        self.notes = notes
        self._store = store
        self._head = head
        self._has_grown = False
        prepare_to_gather()
        self._span = Gathering()
        self._span_made: list[Change] = []

    @property
    def next_seq(self) -> int:
        """The sequence number that the next event gets; the first is 1."""
        return self._head.last_seq + 1

    def append(
        self, events: Bytes, decisions: Bytes, state_digest: bytes, documents: Mapping[int, Document] = NONE
    ) -> int:
        """Commit one block and return its last sequence number; on an error nothing is written.

        `events` and `decisions` are flat uint8 arrays, 64 bytes a record; the decisions' `seq` lie in the block and
        do not go back. `state_digest` is the 32-byte digest after the block. `documents` are by the sequence number
        of the event that carries their `document_hash`. Raises `ValueError` for records that cannot be a block and
        `UserError` where the disk is full.
        """
        check_records(events, decisions)
        events_count, decisions_count = len(events) // EVENT_BYTES, len(decisions) // DECISION_BYTES
        buffer = BlockBuffer(events_count, decisions_count)
        buffer.events[:] = events
        buffer.decisions[:] = decisions
        return self.append_buffer(buffer, events_count, decisions_count, state_digest, documents)

    def append_buffer(
        self,
        buffer: BlockBuffer,
        events: int,
        decisions: int,
        state_digest: bytes,
        documents: Mapping[int, Document] = NONE,
    ) -> int:
        """As `append`, for the first so many records of a buffer, which are stored as they lie there."""
        head, changes = self._block(buffer, events, decisions, state_digest, documents)
        self._store.write(changes)
        first_seq = self.next_seq
        self._head = head
        self._has_grown = True
        # After the commit: a span is written with the next one, and what it lacks until then can be read.
        self._span_made = []
        self._span.add(first_seq, *buffer.block(events, decisions), len(documents))
        if self._span.is_full:
            self._span_made = [span_change(self._span.close())]
        return head.last_seq

    def rehearse(self, buffer: BlockBuffer, events: int, decisions: int) -> None:
        """Do what `append_buffer` does up to the commit, and leave the tape as it is."""
        self._store.rehearse(self._block(buffer, events, decisions, NO_STATE_DIGEST, NONE)[1])

    def _block(
        self,
        buffer: BlockBuffer,
        events: int,
        decisions: int,
        state_digest: bytes,
        documents: Mapping[int, Document],
    ) -> tuple[Head, list[Change]]:
        """The next block: where the tape ends with it, and what is to be written."""
        first_seq = self.next_seq
        last_seq = check_sequence(first_seq, events, buffer.decisions[: decisions * DECISION_BYTES])
        if len(state_digest) != DIGEST_BYTES:
            raise ValueError(f"state_digest: has {len(state_digest)} bytes, expected {DIGEST_BYTES}")
        sealed: list[tuple[int, bytes]] = []
        if documents:
            sealed = _sealed_documents(first_seq, buffer.events[: events * EVENT_BYTES], documents)
        hashes = documents_hash([(seq, value[:DIGEST_BYTES]) for seq, value in sealed])
        value = seal_block(
            buffer.close_up(events, decisions), first_seq, events, state_digest, self._head.hash, len(sealed), hashes
        )
        head = Head(last_seq, self._head.blocks + 1, first_seq, bytes(value[:DIGEST_BYTES]))
        changes: list[Change] = [(Table.BLOCKS, seq_key(first_seq), value)]
        changes += [(Table.DOCUMENTS, seq_key(seq), document) for seq, document in sealed]
        changes += [(Table.MANIFEST, HEAD_KEY, head.encode()), *self._span_made]
        return head, changes

    def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot of the state after a block that is already on the tape. Raises `ValueError` for another."""
        payload = _encoder.encode(snapshot)
        with self._store.view() as view:
            try:
                _check_snapshot(view, self.manifest, snapshot)
            except Malformed as wrong:
                raise ValueError(str(wrong)) from wrong
        self._store.write([(Table.SNAPSHOTS, seq_key(snapshot.seq), seal(payload))])

    def sync(self) -> None:
        """Return when everything appended is safe from a power cut."""
        self._store.sync()

    def close(self) -> None:
        """Make everything safe and release the journal."""
        try:
            if self._has_grown:
                # LMDB finds its last commit by one number. Committed twice, the tape's end is the same without it.
                self._has_grown = False
                if self._span.count:
                    self._span_made += [span_change(self._span.close())]
                self._store.write([(Table.MANIFEST, HEAD_KEY, self._head.encode()), *self._span_made])
        finally:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class JournalReader:
    """A reader of a tape, also while it grows. `notes` says what it had to pass over. One thread, one reader."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.manifest, self.manifest_hash = read_manifest(store)
        self.notes: list[str] = []
        self._buffer = self._buffer_before = np.empty(0, np.uint8)

    @property
    def last_seq(self) -> int:
        """The last sequence number on the tape now, 0 of an empty one."""
        with self.store.view() as view:
            return read_end(self.store.name, view).last_seq

    @property
    def head(self) -> Head:
        """Where the tape ends now."""
        with self.store.view() as view:
            return read_end(self.store.name, view)

    def blocks(self, first_seq: int = 1, last_seq: int | None = None, verified: bool = True) -> Iterator[Block]:
        """The blocks from the one that holds `first_seq` to the one that holds `last_seq` (None: to the end).

        The first is found by its key. Each is checked to follow the one before it and, if `verified`, to have its
        hash; a walk to the end also checks that it ends where the head record says. A block's arrays are valid until
        the next one is asked for. Raises `BlockDamaged`.
        """
        return itertools.chain.from_iterable(self.batches(first_seq, last_seq, verified))

    def batches(self, first_seq: int = 1, last_seq: int | None = None, verified: bool = True) -> Iterator[list[Block]]:
        """The same blocks, as many at a time as are read together; valid until the next but one batch is asked for."""
        if first_seq < 1:
            raise ValueError(f"first_seq is {first_seq}, expected 1 or more")
        key, links = self._start(first_seq)
        while True:
            batch, head = self._batch(key, last_seq)
            blocks: list[Block] = []
            for key, value in batch:
                try:
                    blocks.append(self._link(links, key, value, verified))
                except BlockDamaged:
                    yield blocks
                    raise
            yield [block for block in blocks if block.last_seq >= first_seq]
            if last_seq is not None and links.next_seq > last_seq:
                return
            if head is not None:
                check_end(self.store.name, links, head)
                return
            key = key_after(key)

    def block_at(self, seq: int) -> Block:
        """The block that holds event `seq`, in memory of its own: it stays, whatever is read meanwhile.

        Its own hash is checked, not that of the block before it. Raises `BlockDamaged`, and `ValueError` where there
        is no such event.
        """
        with self.store.view() as view:
            entry = view.at_or_before(Table.BLOCKS, seq_key(seq)) if seq > 0 else None
            if entry is None:
                raise ValueError(f"event {seq}: expected one of the tape")
            first_seq, value = self._seq(entry[0]), aligned(len(entry[1]))
            value[:] = np.asarray(entry[1])
        try:
            block = decode_block(value)
            if block.first_seq != first_seq:
                raise Malformed(f"the block of events {block.first_seq} to {block.last_seq} is stored in its place")
        except Malformed as damage:
            raise BlockDamaged(self.store.name, first_seq, damage, first_seq - 1) from damage
        if block.last_seq < seq:
            raise ValueError(f"event {seq}: expected one of the tape")
        return block

    def document(self, seq: int) -> Document | None:
        """The document that belongs to event `seq`, None where it has none. Raises `JournalDamaged`."""
        with self.store.view() as view:
            value = view.get(Table.DOCUMENTS, seq_key(seq))
            return None if value is None else self._document(seq, value)

    def documents(self, first_seq: int = 1, last_seq: int | None = None) -> Iterator[tuple[int, Document]]:
        """The documents of events `first_seq` to `last_seq` (None: to the end), in order. Raises `JournalDamaged`."""
        key = seq_key(first_seq)
        while True:
            with self.store.view() as view:
                entry = next(view.items(Table.DOCUMENTS, key), None)
                if entry is None or (last_seq is not None and entry[0] > seq_key(last_seq)):
                    return
                key, seq = key_after(entry[0]), self._seq(entry[0])
                document = self._document(seq, entry[1])
            yield seq, document

    def snapshot_before(self, seq: int) -> Snapshot | None:
        """The newest valid snapshot at or before event `seq`; those passed over are named in `notes`."""
        with self.store.view() as view:
            entries = [entry for entry in view.items(Table.SNAPSHOTS, b"\0") if entry[0] <= seq_key(seq)]
            for key, value in reversed(entries):
                try:
                    return open_snapshot(view, self.manifest, key, value)
                except Malformed as wrong:
                    self.notes.append(f"{self.store.name}: snapshot {snapshot_name(key)}: {wrong}; it is not used")
        return None

    def close(self) -> None:
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, first_seq: int) -> tuple[bytes, Chain]:
        """The key to start at and what the block there must be."""
        with self.store.view() as view:
            start = view.at_or_before(Table.BLOCKS, seq_key(first_seq))
            previous_hash = None
            if start is not None and start[0] > seq_key(1):
                previous_hash = _hash_before(view, self._seq(start[0]))
            if start is None or previous_hash is None:
                return seq_key(0), Chain(1, self.manifest_hash)
            return start[0], Chain(self._seq(start[0]), previous_hash)

    def _batch(self, first_key: bytes, last_seq: int | None) -> tuple[list[tuple[bytes, Bytes]], Head | None]:
        """Copies of the next blocks out of one view; the head record as well where no block is left."""
        found: list[tuple[bytes, memoryview]] = []
        room = 0
        end = LAST_KEY if last_seq is None else seq_key(last_seq)
        with self.store.view() as view:
            for key, value in view.items(Table.BLOCKS, first_key):
                if key > end:
                    break
                found.append((key, value))
                room += -(-len(value) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
                if room >= BATCH_BYTES:
                    break
            if not found:
                return [], read_end(self.store.name, view)
            # The batch before stays as it is: its last block may still be in use.
            self._buffer, self._buffer_before = self._buffer_before, self._buffer
            if len(self._buffer) < room:
                self._buffer = aligned(room)
            return self._copies(found), None

    def _copies(self, found: list[tuple[bytes, memoryview]]) -> list[tuple[bytes, Bytes]]:
        copies = []
        offset = 0
        for key, value in found:
            copy = self._buffer[offset : offset + len(value)]
            copy[:] = np.asarray(value)
            copies.append((key, copy))
            offset += -(-len(value) // ALIGNMENT_BYTES) * ALIGNMENT_BYTES
        return copies

    def _link(self, chain: Chain, key: bytes, value: Bytes, verified: bool) -> Block:
        expected = chain.next_seq
        try:
            return chain.link(key, value, verified)
        except Malformed as damage:
            raise BlockDamaged(self.store.name, expected, damage, expected - 1) from damage

    def _seq(self, key: bytes) -> int:
        try:
            return key_seq(key)
        except Malformed as damage:
            raise JournalDamaged(f"{self.store.name}: {damage}") from damage

    def _document(self, seq: int, value: memoryview) -> Document:
        try:
            return decode_document(unseal(value, "document"))
        except (Malformed, msgspec.MsgspecError) as damage:
            raise JournalDamaged(f"{self.store.name}: document of event {seq}: {damage}") from damage


def _hash_before(view: View, seq: int) -> bytes | None:
    """The hash of the block that ends before the one that starts at event `seq`, also where it has been moved away."""
    try:
        before = view.at_or_before(Table.BLOCKS, seq_key(seq - 1))
    except SegmentAbsent as absent:
        return absent.segment.last_hash
    return None if before is None else bytes(before[1][:DIGEST_BYTES])


def open_snapshot(view: View, manifest: Manifest, key: bytes, value: memoryview) -> Snapshot:
    """The snapshot in a stored value. Raises `Malformed` where it is not what was written or not of this tape."""
    try:
        snapshot = msgspec.msgpack.decode(unseal(value, "snapshot"), type=Snapshot)
    except msgspec.MsgspecError as error:
        raise Malformed(f"the snapshot cannot be read: {error}") from error
    if snapshot.seq != key_seq(key):
        raise Malformed(f"it says that it is the state after event {snapshot.seq}")
    _check_snapshot(view, manifest, snapshot)
    return snapshot


def snapshot_name(key: bytes) -> str:
    """What to call a snapshot in a message, also where its key is damaged."""
    return str(int.from_bytes(key, "big")) if len(key) == 8 else key.hex()


def _check_snapshot(view: View, manifest: Manifest, snapshot: Snapshot) -> None:
    if snapshot.layout != manifest.layout:
        raise Malformed(f"its layout is {snapshot.layout}, the tape's is {manifest.layout}")
    entry = view.at_or_before(Table.BLOCKS, seq_key(snapshot.seq)) if snapshot.seq > 0 else None
    if entry is None:
        raise Malformed(f"there is no block that ends at event {snapshot.seq}")
    block = decode_block(np.asarray(entry[1]), verified=False)
    if block.last_seq != snapshot.seq:
        raise Malformed(f"there is no block that ends at event {snapshot.seq}")
    if block.state_digest != snapshot.state_digest:
        raise Malformed("its state digest is not the block's")


def _sealed_documents(first_seq: int, events: Bytes, documents: Mapping[int, Document]) -> list[tuple[int, bytes]]:
    """The documents as stored, in order. Raises `ValueError` for one that its event does not name."""
    sealed = []
    words = events.view(EVENT)["ts_exchange_ns"]
    for seq in sorted(documents):
        if not 0 <= seq - first_seq < len(words):
            last_seq = first_seq + len(words) - 1
            raise ValueError(f"documents: one of event {seq}, expected within the block's {first_seq} to {last_seq}")
        value = encode_document(documents[seq])
        if hash_word(value) != words[seq - first_seq]:
            raise ValueError(f"documents: event {seq} does not carry the document_hash of its document")
        sealed.append((seq, value))
    return sealed
