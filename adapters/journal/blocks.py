"""A block as bytes: a fixed little-endian header, the events, the decisions, and the hash that chains them.

The layout is the table in `docs/journal-format.md`. The first 32 bytes are the hash of all others, among them the
previous block's hash; the first block's previous hash is the manifest's.
"""

import struct
from dataclasses import dataclass

import numpy as np

from adapters.journal.port import DIGEST_BYTES, FORMAT_VERSION, Block, Bytes, Malformed
from adapters.journal.sealed import digest, key_seq
from engine.records import COMMAND, DECISION_BYTES, EVENT, EVENT_BYTES

MAGIC = b"TAPEFOLD"
NO_DOCUMENTS = bytes(DIGEST_BYTES)

_HEADER = struct.Struct("<32s8sIIqqqqqq32s32s32s")
HEADER_BYTES = _HEADER.size
ALIGNMENT_BYTES = 64
# A live block is made within some microseconds, and views of records take one each: these read plain words.
assert EVENT.fields is not None and COMMAND.fields is not None
_TIME, _TIME_BYTE = struct.Struct("<q"), EVENT.fields["ts_ns"][1]
_SEQ_WORD, _SEQ_REST = divmod(COMMAND.fields["seq"][1], 8)
assert _SEQ_REST == 0
assert HEADER_BYTES % ALIGNMENT_BYTES == 0, "events stay aligned behind the header"


class BlockBuffer:
    """Memory for one block while it is made: `events` and `decisions` lie where the block has them, after its header.

    Both are flat uint8 arrays, 64 bytes a record, to be filled from their start. A block that is made in a buffer is
    stored without being copied together first.
    """

    def __init__(self, events_max: int, decisions_max: int) -> None:
        self._bytes = aligned(HEADER_BYTES + events_max * EVENT_BYTES + decisions_max * DECISION_BYTES)
        self._bytes.fill(0)  # touched now, so that the first block does not wait for the system's memory
        self.events = self._bytes[HEADER_BYTES : HEADER_BYTES + events_max * EVENT_BYTES]
        self.decisions = self._bytes[HEADER_BYTES + events_max * EVENT_BYTES :]

    def close_up(self, events: int, decisions: int) -> Bytes:
        """The bytes of a block of so many records, its header still to be written; decisions follow the events."""
        first = HEADER_BYTES + events * EVENT_BYTES
        last = first + decisions * DECISION_BYTES
        if events * EVENT_BYTES < len(self.events):
            self._bytes[first:last] = self.decisions[: decisions * DECISION_BYTES].copy()
        return self._bytes[:last]

    def block(self, events: int, decisions: int) -> tuple[Bytes, Bytes]:
        """The events and the decisions of a block that was closed up; they are there until the next is begun."""
        first = HEADER_BYTES + events * EVENT_BYTES
        return self._bytes[HEADER_BYTES:first], self._bytes[first : first + decisions * DECISION_BYTES]


def aligned(size: int) -> Bytes:
    """An array of bytes that starts at a multiple of the alignment."""
    room = np.empty(size + ALIGNMENT_BYTES, np.uint8)
    start = -room.ctypes.data % ALIGNMENT_BYTES
    return room[start : start + size]


def seal_block(
    value: Bytes,
    first_seq: int,
    events: int,
    state_digest: bytes,
    previous_hash: bytes,
    documents_count: int,
    documents_hash: bytes,
) -> memoryview:
    """Write the header of a block of so many events before its records, with its hash; the view of its bytes."""
    data = value.data
    _HEADER.pack_into(
        data,
        0,
        bytes(DIGEST_BYTES),
        MAGIC,
        FORMAT_VERSION,
        HEADER_BYTES,
        events,
        (len(value) - HEADER_BYTES) // DECISION_BYTES - events,
        first_seq,
        documents_count,
        *_TIME.unpack_from(data, HEADER_BYTES + _TIME_BYTE),
        *_TIME.unpack_from(data, HEADER_BYTES + (events - 1) * EVENT_BYTES + _TIME_BYTE),
        previous_hash,
        documents_hash,
        state_digest,
    )
    data[:DIGEST_BYTES] = digest(data[DIGEST_BYTES:])
    return data


def decode_block(value: Bytes, verified: bool = True) -> Block:
    """The block in these bytes, as views of them. Raises `Malformed`; the hash is compared only if `verified`."""
    if len(value) < HEADER_BYTES:
        raise Malformed(f"the block has {len(value)} bytes, fewer than its header's {HEADER_BYTES}", unreadable=True)
    own_hash, magic, version, header_bytes, events, decisions, first_seq, documents, *rest = _HEADER.unpack_from(
        value.data
    )
    first_ts_ns, last_ts_ns, previous_hash, documents_hash, state_digest = rest
    if magic != MAGIC:
        raise Malformed("the bytes do not start as a block does (unknown magic)", unreadable=True)
    if version != FORMAT_VERSION or header_bytes != HEADER_BYTES:
        raise Malformed(f"the block has format {version}, expected {FORMAT_VERSION}", unreadable=True)
    sound = 0 < events < 1 << 40 and 0 <= decisions < 1 << 40 and first_seq > 0 and documents >= 0
    size = HEADER_BYTES + events * EVENT_BYTES + decisions * DECISION_BYTES
    if not sound or len(value) != size:
        raise Malformed(f"the block has {len(value)} bytes, its header says {size} (truncated?)", unreadable=True)
    if verified and digest(value[DIGEST_BYTES:].data) != own_hash:
        raise Malformed("the block is not what was written (its hash does not match)", unreadable=True)
    split = HEADER_BYTES + events * EVENT_BYTES
    return Block(
        first_seq=first_seq,
        last_seq=first_seq + events - 1,
        events=value[HEADER_BYTES:split],
        decisions=value[split:],
        first_ts_ns=first_ts_ns,
        last_ts_ns=last_ts_ns,
        state_digest=state_digest,
        documents_count=documents,
        documents_hash=documents_hash,
        previous_hash=previous_hash,
        hash=own_hash,
    )


@dataclass(slots=True)
class Chain:
    """Where a walk over the blocks stands: what the next one must be."""

    next_seq: int
    previous_hash: bytes

    def link(self, key: bytes, value: Bytes, verified: bool) -> Block:
        """The next block of the walk. Raises `Malformed` where it is not the one that must follow."""
        seq = key_seq(key)
        if seq != self.next_seq:
            raise Malformed(f"a block is missing: the next one starts at event {seq}, expected {self.next_seq}")
        block = decode_block(value, verified)
        if block.first_seq != seq:
            raise Malformed(f"the block of events {block.first_seq} to {block.last_seq} is stored in its place")
        if block.previous_hash != self.previous_hash:
            before = "the block before it" if seq > 1 else "the manifest"
            raise Malformed(f"wrong previous hash: this block does not follow {before}")
        self.next_seq = block.last_seq + 1
        self.previous_hash = block.hash
        return block


def documents_hash(hashes: list[tuple[int, bytes]]) -> bytes:
    """The hash of a block's documents: of every sequence number (int64) and document hash, in order; zeros for none."""
    if not hashes:
        return NO_DOCUMENTS
    return digest(b"".join(seq.to_bytes(8, "little") + value for seq, value in hashes))


def check_records(events: Bytes, decisions: Bytes) -> None:
    """Raises `ValueError` for arrays that cannot be a block."""
    for name, records, size in (("events", events, EVENT_BYTES), ("decisions", decisions, DECISION_BYTES)):
        if records.dtype != np.uint8 or records.ndim != 1 or not records.flags.c_contiguous or len(records) % size:
            raise ValueError(f"{name}: expected a contiguous flat uint8 array of {size} bytes a record")


def check_sequence(first_seq: int, events: int, decisions: Bytes) -> int:
    """The last sequence number of so many events. Raises `ValueError` where they and the decisions cannot be a block.

    Without numpy, whose functions take a dozen microseconds where they have not been called for a while.
    """
    if events < 1:
        raise ValueError("events: a block has at least one event")
    last_seq = first_seq + events - 1
    decided = decisions.data.cast("q")[_SEQ_WORD :: DECISION_BYTES // 8].tolist() if len(decisions) else []
    if decided != sorted(decided):
        raise ValueError("decisions: their sequence numbers go back, expected the order of the events")
    if decided and (decided[0] < first_seq or decided[-1] > last_seq):
        found, expected = f"{decided[0]} to {decided[-1]}", f"{first_seq} to {last_seq}"
        raise ValueError(f"decisions: on events {found}, expected within the block's {expected}")
    return last_seq
