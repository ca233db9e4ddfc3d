"""Older blocks in compressed files of their own: what such a segment is, and reading its blocks.

A segment's file is one frame of Zstandard; in it are the blocks as they were stored, one behind the other. It is called
by the hash of its bytes, so nobody can change it and keep its name. The table `segments` says which blocks are where.
"""

import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from pathlib import Path
from typing import Self

import numpy as np
import zstandard

from adapters.errors import JournalDamaged, UserError
from adapters.journal.blocks import HEADER_BYTES, decode_block, split_blocks
from adapters.journal.port import Malformed, Table, View
from adapters.journal.sealed import digest, seal, seq_key, unseal
from engine.records import DECISION_BYTES, EVENT_BYTES

SEGMENTS_FOLDER = "segments"
SUFFIX = ".zst"
# Small enough to be unpacked within some hundredths of a second, large enough to be few.
SEGMENT_BYTES = 16 << 20
# Measured on tapes of quotes: a quarter of the size at twice the speed of level 3, which is no smaller.
LEVEL = 1

_SEGMENT = struct.Struct("<qqqqq32s32s32s")
# A block and the one before it may lie in two segments.
_KEPT_UNPACKED = 2
_KEY = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Segment:
    """Which blocks a segment holds, and how they are chained to those before and after.

    `previous_hash` is the hash of the block before the first (of the manifest for the first of all), `last_hash` that
    of the last block; `raw_bytes` is the length of all of them, `file_hash` the hash of the file.
    """

    first_seq: int
    last_seq: int
    blocks: int
    raw_bytes: int
    file_bytes: int
    previous_hash: bytes
    last_hash: bytes
    file_hash: bytes

    @property
    def file_name(self) -> str:
        """The file's place in the journal's folder."""
        return f"{SEGMENTS_FOLDER}/{self.file_hash.hex()}{SUFFIX}"

    @property
    def events(self) -> str:
        return f"events {self.first_seq} to {self.last_seq}"

    @property
    def decisions(self) -> int:
        events = self.last_seq - self.first_seq + 1
        return (self.raw_bytes - self.blocks * HEADER_BYTES - events * EVENT_BYTES) // DECISION_BYTES

    def encode(self) -> bytes:
        return seal(
            _SEGMENT.pack(
                self.first_seq,
                self.last_seq,
                self.blocks,
                self.raw_bytes,
                self.file_bytes,
                self.previous_hash,
                self.last_hash,
                self.file_hash,
            )
        )

    @classmethod
    def decode(cls, key: bytes, value: memoryview) -> Self:
        """Raises `Malformed`."""
        payload = unseal(value, "record of a segment")
        if len(payload) != _SEGMENT.size:
            raise Malformed(f"the record of a segment has {len(payload)} bytes, expected {_SEGMENT.size}")
        segment = cls(*_SEGMENT.unpack(payload))
        if not 0 < segment.first_seq <= segment.last_seq or key != seq_key(segment.first_seq):
            raise Malformed(f"the record of the segment of {segment.events} is stored in its place")
        return segment


def pack(blocks: Sequence[bytes]) -> tuple[Segment, bytes]:
    """The segment of these blocks, and what its file holds. Same blocks, same file."""
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(b"".join(blocks))
    return _record_of(blocks, packed), packed


def unpack(packed: bytes, segment: Segment) -> Sequence[tuple[bytes, memoryview]]:
    """Keys and bytes of a segment's blocks, in order. Raises `Malformed` where the file is not what was written."""
    if digest(packed) != segment.file_hash:
        raise Malformed("the file is not what was written (its hash is not its name)", unreadable=True)
    try:
        raw = zstandard.ZstdDecompressor().decompress(packed, max_output_size=segment.raw_bytes)
    except zstandard.ZstdError as error:
        raise Malformed(f"the file cannot be unpacked ({error})", unreadable=True) from error
    blocks = [(seq_key(first_seq), value) for first_seq, value in split_blocks(memoryview(raw))]
    if not blocks or _record_of([value for _, value in blocks], packed) != segment:
        raise Malformed(f"the file holds other blocks than its record says ({segment.events})", unreadable=True)
    return blocks


def _record_of(blocks: Sequence[bytes | memoryview], packed: bytes) -> Segment:
    first, last = (decode_block(np.asarray(memoryview(value)), verified=False) for value in (blocks[0], blocks[-1]))
    return Segment(
        first_seq=first.first_seq,
        last_seq=last.last_seq,
        blocks=len(blocks),
        raw_bytes=sum(map(len, blocks)),
        file_bytes=len(packed),
        previous_hash=first.previous_hash,
        last_hash=last.hash,
        file_hash=digest(packed),
    )


class SegmentAbsent(UserError):
    """A question needs blocks of a segment whose file has been moved away."""

    def __init__(self, journal: str, segment: Segment) -> None:
        super().__init__(
            f"{journal}: {segment.events} are in the file {segment.file_name}, which is not there; expected it back in "
            "its place, or tapefold journal restore with --from"
        )
        self.segment = segment


class SegmentFiles:
    """The files of a journal's segments; the last ones that were read stay unpacked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.name = str(folder)
        self.unpacked = lru_cache(_KEPT_UNPACKED)(self._unpacked)

    def forget(self) -> None:
        """Let go of what is unpacked."""
        self.unpacked.cache_clear()

    def _unpacked(self, segment: Segment) -> Sequence[tuple[bytes, memoryview]]:
        """Keys and bytes of its blocks, in order. Raises `SegmentAbsent` or `JournalDamaged`."""
        try:
            packed = (self._folder / segment.file_name).read_bytes()
        except FileNotFoundError:
            raise SegmentAbsent(self.name, segment) from None
        except OSError as error:
            raise UserError(f"{self.name}: {segment.file_name}: cannot be read ({error.strerror})") from error
        try:
            return unpack(packed, segment)
        except Malformed as damage:
            where = f"{self.name}: {segment.file_name}"
            raise JournalDamaged(f"{where}: {damage}; {segment.events} cannot be read") from damage


class SegmentedView:
    """A view of a store whose older blocks are in segments: to those who read it they lie in the table of blocks."""

    def __init__(self, view: View, files: SegmentFiles) -> None:
        self._view = view
        self._files = files

    def get(self, table: Table, key: bytes) -> memoryview | None:
        value = self._view.get(table, key)
        if value is not None or table is not Table.BLOCKS:
            return value
        found = self._packed_at_or_before(key)
        return found[1] if found is not None and found[0] == key else None

    def at_or_before(self, table: Table, key: bytes) -> tuple[bytes, memoryview] | None:
        found = self._view.at_or_before(table, key)
        return self._packed_at_or_before(key) if found is None and table is Table.BLOCKS else found

    def items(self, table: Table, first_key: bytes) -> Iterator[tuple[bytes, memoryview]]:
        if table is Table.BLOCKS:
            yield from self._packed_items(first_key)
        yield from self._view.items(table, first_key)

    def _packed_at_or_before(self, key: bytes) -> tuple[bytes, memoryview] | None:
        entry = self._view.at_or_before(Table.SEGMENTS, key)
        if entry is None:
            return None
        blocks = self._files.unpacked(self._decoded(*entry))
        index = bisect_right(blocks, key, key=_KEY) - 1
        return None if index < 0 else blocks[index]

    def _packed_items(self, first_key: bytes) -> Iterator[tuple[bytes, memoryview]]:
        start = self._view.at_or_before(Table.SEGMENTS, first_key)
        for entry in self._view.items(Table.SEGMENTS, first_key if start is None else start[0]):
            segment = self._decoded(*entry)
            if seq_key(segment.last_seq) >= first_key:
                blocks = self._files.unpacked(segment)
                yield from blocks[bisect_left(blocks, first_key, key=_KEY) :]

    def _decoded(self, key: bytes, value: memoryview) -> Segment:
        try:
            return Segment.decode(key, value)
        except Malformed as damage:
            where = f"{self._files.name}: segment {int.from_bytes(key, 'big')}"
            raise JournalDamaged(f"{where}: {damage}; its blocks cannot be read") from damage
