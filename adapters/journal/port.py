"""What a journal is made of, and the small store that it needs underneath.

A journal is a few ordered tables of bytes. `JournalWriter` and `JournalReader` (`adapters.journal.journal`) know
what the bytes mean; a `Store` only keeps them, one atomic write at a time, for one writer and many readers.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from adapters.errors import JournalDamaged

FORMAT_VERSION = 1
DIGEST_BYTES = 32
# The state digest of a block that states none: live, hashing the state takes longer than all else of a small block.
NO_STATE_DIGEST = bytes(DIGEST_BYTES)

Bytes = NDArray[np.uint8]


class Table(Enum):
    """The tables of a journal; the value is the table's name in the file."""

    BLOCKS = b"blocks"
    DOCUMENTS = b"documents"
    SNAPSHOTS = b"snapshots"
    MANIFEST = b"manifest"
    SEGMENTS = b"segments"
    SPANS = b"spans"


class Durability(Enum):
    """When what was appended is safe from a power cut. A killed process loses no append under either."""

    EVERY_COMMIT = "every_commit"
    ON_CLOSE = "on_close"


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the whole tape is for: written once, covered by the hash of the first block.

    `engine_version` is the engine that began it. `layout` has the capacities of its states, `state_layout` names their
    fields (`adapters.version.layout_name`): only where both are the same can states be compared by their digests.
    """

    journal_id: str
    engine_version: str
    layout: dict[str, int]
    configuration_hash: str
    mode: str
    created_ns: int
    state_layout: str = ""
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if len(self.journal_id) != 32 or not set(self.journal_id) <= set("0123456789abcdef"):
            raise ValueError(f"journal_id is {self.journal_id!r}, expected 32 lower-case hexadecimal digits")


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state after event `seq`, which must be the last of a block with the same state digest.

    `extra` holds what lies beside the state record, such as a strategy's memory, by name. `layout` names the
    capacities of the state record as in the manifest.
    """

    seq: int
    state: bytes
    state_digest: bytes
    layout: dict[str, int]
    engine_version: str
    extra: dict[str, bytes] = {}


@dataclass(frozen=True, slots=True)
class Block:
    """One commit of the tape: events `first_seq` to `last_seq`, and what was decided on them.

    `events` and `decisions` are flat uint8 arrays, 64 bytes a record, aligned to 64 bytes. They lie in the
    reader's buffer: valid until the next one is asked for. `state_digest` is the digest after the block.
    """

    first_seq: int
    last_seq: int
    events: Bytes
    decisions: Bytes
    first_ts_ns: int
    last_ts_ns: int
    state_digest: bytes
    documents_count: int
    documents_hash: bytes
    previous_hash: bytes
    hash: bytes


class Malformed(ValueError):
    """Stored bytes are not what was written; the text says what is wrong with them.

    `unreadable` tells bytes that fail by themselves from sound bytes in the wrong place.
    """

    def __init__(self, what: str, unreadable: bool = False) -> None:
        super().__init__(what)
        self.unreadable = unreadable


class BlockDamaged(JournalDamaged):
    """The first damage of a tape: at which block, what, and the last event before it that can be read."""

    def __init__(self, journal: str, block_seq: int, damage: Malformed, last_good_seq: int) -> None:
        readable = f"events 1 to {last_good_seq} can be read" if last_good_seq else "no event before it can be read"
        super().__init__(f"{journal}: block {block_seq}: {damage}; {readable}")
        self.block_seq = block_seq
        self.what = str(damage)
        self.unreadable = damage.unreadable
        self.last_good_seq = last_good_seq


class View(Protocol):
    """One moment of a store. What it hands out is valid until it is left."""

    def get(self, table: Table, key: bytes) -> memoryview | None:
        """The value of `key`, or None."""
        ...

    def at_or_before(self, table: Table, key: bytes) -> tuple[bytes, memoryview] | None:
        """The entry with the largest key that is not above `key`, or None."""
        ...

    def items(self, table: Table, first_key: bytes) -> Iterator[tuple[bytes, memoryview]]:
        """The entries from `first_key` on, in order of their keys."""
        ...


Change = tuple[Table, bytes, bytes | memoryview | None]


class Store(Protocol):
    """Ordered tables of bytes: one writer at a time, any number of readers while it writes."""

    @property
    def name(self) -> str:
        """What to call the journal in a message: its path."""
        ...

    def view(self) -> AbstractContextManager[View]:
        """The store at this moment. Keep it short: a view holds up the growth of the file."""
        ...

    def write(self, changes: Sequence[Change]) -> None:
        """Commit all changes or none; a value of None deletes. Raises `UserError` where the disk is full."""
        ...

    def rehearse(self, changes: Sequence[Change]) -> None:
        """Go the way of `write` as far as it leads without a commit, and take everything back."""
        ...

    def sync(self) -> None:
        """Return when everything written is safe from a power cut."""
        ...

    def close(self) -> None:
        """Release the store; a writer syncs first. Closing twice does nothing."""
        ...
