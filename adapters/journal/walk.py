"""Over all blocks of a journal in order, as they lie in the store: what is checked on the way, and what is counted."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from adapters.errors import JournalDamaged
from adapters.journal.blocks import Chain, documents_hash
from adapters.journal.documents import hash_word
from adapters.journal.journal import JournalReader, check_end, open_snapshot, read_end, read_head, snapshot_name
from adapters.journal.port import DIGEST_BYTES, Block, BlockDamaged, Malformed, Table, View
from adapters.journal.sealed import (
    CUT_KEY,
    HEAD_KEY,
    LAST_KEY,
    MANIFEST_KEY,
    Head,
    key_after,
    key_seq,
    seq_key,
    unseal,
)
from adapters.journal.segments import Segment, SegmentAbsent
from adapters.journal.spans import SpansChecked
from engine.records import DECISION_BYTES, EVENT

# How much is looked at in one view: enough to make views rare, little enough to keep them short.
VIEW_BYTES = 16 << 20
VIEW_BLOCKS = 1_000


@dataclass(frozen=True, slots=True)
class BlockEnd:
    """The tape after a block: its last event, how many blocks and documents there are, the block's two digests."""

    last_seq: int
    blocks: int
    documents: int
    hash: bytes
    state_digest: bytes


class Walk:
    """Call `go_on` until `is_done`, then `check_rest`. Each raises `JournalDamaged` for the first damage.

    `asked` are last events of blocks; `ends` has those that are there. `absent` are the segments that were passed over
    because their files have been moved away: blocks, documents and decisions in them are counted as they are recorded.
    """

    def __init__(self, reader: JournalReader, asked: Collection[int] = ()) -> None:
        self.is_done = False
        self.blocks = self.decisions = self.documents = self.snapshots = self.raw_bytes = 0
        self.ends: dict[int, BlockEnd] = {}
        self.absent: list[Segment] = []
        self._reader = reader
        self.name = reader.store.name
        self._asked = frozenset(asked)
        self._chain = Chain(1, reader.manifest_hash)
        self._key = b"\0"
        self._spans: SpansChecked | None = None

    @property
    def last_seq(self) -> int:
        """The last event that is sound."""
        return self._chain.next_seq - 1

    def go_on(self) -> None:
        """The next blocks; after the last one, whether the tape ends there."""
        try:
            self._spans = self._spans or SpansChecked(self._reader)
            self._some_blocks(self._spans)
        except Malformed as damage:
            self._fail("spans", damage)

    def _some_blocks(self, spans: SpansChecked) -> None:
        blocks, raw_bytes = self.blocks, self.raw_bytes
        with self._reader.store.view() as view:
            documents = _Documents(view, self._chain.next_seq)
            try:
                for key, value in view.items(Table.BLOCKS, self._key):
                    spans.see(self._block(documents, key, value))
                    self._key = key_after(key)
                    if self.blocks - blocks >= VIEW_BLOCKS or self.raw_bytes - raw_bytes >= VIEW_BYTES:
                        return
            except SegmentAbsent as absent:
                self._pass_over(absent.segment, documents)
                spans.pass_over(absent.segment.last_seq)
                return
            check_end(self.name, self._chain, read_end(self.name, view))
            self.is_done = True

    def check_rest(self) -> None:
        """What no block covers: the head's count, documents outside of the blocks, snapshots."""
        where = "head record"
        try:
            with self._reader.store.view() as view:
                head = read_head(view)
                # A tape that grew meanwhile has a head beyond what was walked.
                if head.last_seq == self.last_seq and head.blocks != self.blocks:
                    raise Malformed(f"it counts {head.blocks} blocks, there are {self.blocks}")
                where = "manifest"
                _check_no_others(view)
                where = "documents"
                _check_no_strays(view, head)
            if self._spans is not None:
                where = "spans"
                self._spans.end()
        except Malformed as damage:
            self._fail(where, damage)
        key: bytes | None = b"\0"
        while key is not None:
            key = self._snapshot(key)

    def _block(self, documents: "_Documents", key: bytes, value: memoryview) -> Block:
        seq, previous_hash = self._chain.next_seq, self._chain.previous_hash
        try:
            block = self._chain.link(key, np.asarray(value), verified=True)
            documents.compare(block)
        except Malformed as damage:
            self._chain = Chain(seq, previous_hash)
            raise BlockDamaged(self.name, seq, damage, seq - 1) from damage
        self.blocks += 1
        self.raw_bytes += len(value)
        self.decisions += len(block.decisions) // DECISION_BYTES
        self.documents += block.documents_count
        self._note_end(block.state_digest)
        return block

    def _pass_over(self, segment: Segment, documents: "_Documents") -> None:
        """A segment that has been moved away: the chain must enter it and leave it as the table says."""
        seq = self._chain.next_seq
        try:
            if segment.first_seq != seq or segment.previous_hash != self._chain.previous_hash:
                raise Malformed(f"the segment of {segment.events} does not follow the block before it")
            found = documents.up_to(segment.last_seq)
        except Malformed as damage:
            raise BlockDamaged(self.name, seq, damage, seq - 1) from damage
        self._chain = Chain(segment.last_seq + 1, segment.last_hash)
        self._key = seq_key(segment.last_seq + 1)
        self.blocks += segment.blocks
        self.decisions += segment.decisions
        self.documents += len(found)
        self.absent.append(segment)
        self._note_end(bytes(DIGEST_BYTES))

    def _note_end(self, state_digest: bytes) -> None:
        seq = self.last_seq
        if seq in self._asked:
            self.ends[seq] = BlockEnd(seq, self.blocks, self.documents, self._chain.previous_hash, state_digest)

    def _snapshot(self, first_key: bytes) -> bytes | None:
        """The next snapshot, in a view of its own: all of them together are large. Where to go on, None at the end."""
        with self._reader.store.view() as view:
            entry = next(view.items(Table.SNAPSHOTS, first_key), None)
            if entry is None:
                return None
            try:
                open_snapshot(view, self._reader.manifest, *entry)
                self.snapshots += 1
            except SegmentAbsent:
                pass  # its bytes are sound; the block that states its digest is not here
            except Malformed as damage:
                self._fail(f"snapshot {snapshot_name(entry[0])}", damage)
            return key_after(entry[0])

    def _fail(self, where: str, damage: Malformed) -> NoReturn:
        raise JournalDamaged(f"{self.name}: {where}: {damage}; events 1 to {self.last_seq} can be read") from damage


class _Documents:
    """The documents of one view from an event on, taken as the blocks that they belong to come by."""

    def __init__(self, view: View, first_seq: int) -> None:
        self._items = view.items(Table.DOCUMENTS, seq_key(first_seq))
        self._next = next(self._items, None)

    def compare(self, block: Block) -> None:
        """Raises `Malformed` where the block's documents are not those that it was written with."""
        found = self.up_to(block.last_seq)
        if found:
            words = block.events.view(EVENT)["ts_exchange_ns"]
            for seq, document_hash in found:
                if hash_word(document_hash) != words[seq - block.first_seq]:
                    raise Malformed(f"event {seq} does not name the document that is stored for it")
        if len(found) != block.documents_count:
            count = block.documents_count
            raise Malformed(f"{len(found)} documents belong to the block, it was written with {count}")
        if documents_hash(found) != block.documents_hash:
            raise Malformed("the documents are not those that the block was written with")

    def up_to(self, last_seq: int) -> list[tuple[int, bytes]]:
        """Event and hash of the next documents up to an event, each with its bytes compared. Raises `Malformed`."""
        found = []
        end = seq_key(last_seq)
        while self._next is not None and self._next[0] <= end:
            seq = key_seq(self._next[0])
            unseal(self._next[1], f"document of event {seq}")
            found.append((seq, bytes(self._next[1][:DIGEST_BYTES])))
            self._next = next(self._items, None)
        return found


def _check_no_strays(view: View, head: Head) -> None:
    strays = [view.at_or_before(Table.DOCUMENTS, seq_key(0)), view.at_or_before(Table.DOCUMENTS, LAST_KEY)]
    for stray in strays:
        if stray is not None and not 0 < key_seq(stray[0]) <= head.last_seq:
            raise Malformed(f"the document of event {key_seq(stray[0])} belongs to no block")


def _check_no_others(view: View) -> None:
    for key, _ in view.items(Table.MANIFEST, b"\0"):
        if key not in (MANIFEST_KEY, HEAD_KEY) and not key.startswith(CUT_KEY):
            raise Malformed(f"there is an entry {key.hex()}, which no writer makes")
