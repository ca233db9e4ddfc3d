"""Where the journals of the tests lie: one way to create, open and damage each implementation."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from adapters.journal.documents import Document, TextDocument, document_hash
from adapters.journal.journal import JournalReader, JournalWriter
from adapters.journal.lmdb_environment import Access
from adapters.journal.lmdb_journal import LmdbStore, append_journal, create_journal, read_journal
from adapters.journal.memory_journal import MemoryJournal, MemoryStore
from adapters.journal.port import Bytes, Durability, Manifest, Snapshot, Store, Table
from engine.kinds import DecisionKind, EventKind
from engine.records import COMMAND, EVENT

LAYOUT = {"accounts": 8, "orders": 64}


def manifest(**changes: Any) -> Manifest:
    fields = {
        "journal_id": "0123456789abcdef" * 2,
        "engine_version": "0.3.0+abc",
        "state_layout": "0123456789abcdef",
        "layout": LAYOUT,
        "configuration_hash": "ff" * 32,
        "mode": "backtest",
        "created_ns": 1_700_000_000_000_000_000,
    }
    return Manifest(**(fields | changes))


class Place(Protocol):
    def create(self, manifest: Manifest) -> JournalWriter: ...
    def append(self) -> JournalWriter: ...
    def read(self) -> JournalReader: ...
    def raw(self) -> Any: ...


class MemoryPlace:
    """A journal in memory."""

    def __init__(self) -> None:
        self.journal = MemoryJournal()
        self.create = self.journal.create
        self.append = self.journal.append
        self.read = self.journal.read

    @contextmanager
    def raw(self) -> Iterator[Store]:
        yield MemoryStore(self.journal, writable=True)


class LmdbPlace:
    """A journal in a folder."""

    def __init__(self, folder: Path, durability: Durability) -> None:
        self.folder = folder
        self.durability = durability

    def create(self, manifest: Manifest) -> JournalWriter:
        return create_journal(self.folder, manifest, self.durability)

    def append(self) -> JournalWriter:
        return append_journal(self.folder, self.durability)

    def read(self) -> JournalReader:
        return read_journal(self.folder)

    @contextmanager
    def raw(self) -> Iterator[Store]:
        store = LmdbStore(self.folder, Access.WRITE_UNSYNCED)
        try:
            yield store
        finally:
            store.close()


def some_events(count: int, seed: int = 0) -> Bytes:
    """Random quotes, one a microsecond."""
    random = np.random.default_rng(seed)
    events = np.zeros(count, EVENT)
    events["ts_ns"] = 1_000 * np.arange(1, count + 1)
    events["kind"] = EventKind.QUOTE
    events["payload"] = random.integers(1, 1 << 40, (count, 5))
    return events.view(np.uint8)


def some_decisions(count: int, first_seq: int, last_seq: int, seed: int = 0) -> Bytes:
    """Random commands on events of this range, in order."""
    random = np.random.default_rng(seed)
    decisions = np.zeros(count, COMMAND)
    decisions["kind"] = DecisionKind.PLACE_ORDER
    decisions["seq"] = np.sort(random.integers(first_seq, last_seq + 1, count))
    decisions["quantity_lots"] = random.integers(1, 1 << 40, count)
    return decisions.view(np.uint8)


def digest_of(seq: int) -> bytes:
    """A state digest, as far as a journal is concerned."""
    return seq.to_bytes(32, "little")


def note(seq: int) -> TextDocument:
    return TextDocument(text=f"why event {seq}", author="operator")


def append_some(
    writer: JournalWriter, events: int, decisions: int = 0, documents: tuple[int, ...] = (), seed: int = 0
) -> int:
    """Append a block; `documents` are offsets of the events in it that get one."""
    first_seq = writer.next_seq
    last_seq = first_seq + events - 1
    records = some_events(events, seed + first_seq)
    texts: dict[int, Document] = {first_seq + offset: note(first_seq + offset) for offset in documents}
    for seq, text in texts.items():
        records.view(EVENT)["kind"][seq - first_seq] = EventKind.OPERATOR_COMMAND
        records.view(EVENT)["ts_exchange_ns"][seq - first_seq] = document_hash(text)
    commands = some_decisions(decisions, first_seq, last_seq, seed)
    return writer.append(records, commands, digest_of(last_seq), texts)


def small_tape(place: Place) -> None:
    """Four blocks of 4, 3, 5 and 4 events with 2 decisions each, five documents and two snapshots."""
    with place.create(manifest()) as writer:
        append_some(writer, 4, 2, (0, 3))
        append_some(writer, 3, 2)
        append_some(writer, 5, 2, (1, 2))
        append_some(writer, 4, 2, (3,))
        writer.save_snapshot(snapshot(7))
        writer.save_snapshot(snapshot(12))


BLOCK_KEYS = [seq.to_bytes(8, "big") for seq in (1, 5, 8, 13)]
LAST_SEQ = 16


def snapshot(seq: int, **changes: Any) -> Snapshot:
    fields = {
        "seq": seq,
        "state": bytes(range(200)),
        "state_digest": digest_of(seq),
        "layout": LAYOUT,
        "engine_version": "0.3.0+abc",
        "extra": {"strategy-1": b"memory"},
    }
    return Snapshot(**(fields | changes))


def stored(store: Store, table: Table, key: bytes) -> bytes:
    """A copy of a stored value, which must be there."""
    with store.view() as view:
        value = view.get(table, key)
        assert value is not None
        return bytes(value)


def flipped(value: bytes, position: int, bits: int = 0x41) -> bytes:
    return value[:position] + bytes([value[position] ^ bits]) + value[position + 1 :]
