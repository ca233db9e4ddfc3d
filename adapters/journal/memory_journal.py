"""The journal's twin in memory: the same tape on plain dictionaries, for tests and for what needs no file."""

import os
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from adapters.errors import UserError
from adapters.journal.integrity import continue_tape
from adapters.journal.journal import JournalReader, JournalWriter, create_tape
from adapters.journal.port import Change, Manifest, Table


class MemoryJournal:
    """Where a tape lies in memory: create it once, then open it as often as a file."""

    def __init__(self, name: str = "memory") -> None:
        self.name = name
        self.tables: dict[Table, dict[bytes, bytes]] = {table: {} for table in Table}
        self.lock = threading.RLock()
        self.has_writer = False

    def create(self, manifest: Manifest) -> JournalWriter:
        """Start the tape. Raises `UserError` where there is one."""
        if self.tables[Table.MANIFEST]:
            raise UserError(f"{self.name}: holds a journal already, expected an empty or new folder")
        return create_tape(self._writing(), manifest)

    def append(self) -> JournalWriter:
        """Go on with the tape, like `append_journal`."""
        return continue_tape(self._writing())

    def read(self) -> JournalReader:
        """Read the tape, like `read_journal`."""
        return JournalReader(MemoryStore(self, writable=False))

    def _writing(self) -> "MemoryStore":
        with self.lock:
            if self.has_writer:
                raise UserError(f"{self.name}: the journal is being written by process {os.getpid()}; it takes one")
            self.has_writer = True
        return MemoryStore(self, writable=True)


class _MemoryView:
    def __init__(self, tables: dict[Table, dict[bytes, bytes]]) -> None:
        self._tables = tables

    def get(self, table: Table, key: bytes) -> memoryview | None:
        value = self._tables[table].get(key)
        return None if value is None else memoryview(value)

    def at_or_before(self, table: Table, key: bytes) -> tuple[bytes, memoryview] | None:
        keys = sorted(self._tables[table])
        index = bisect_right(keys, key) - 1
        return None if index < 0 else (keys[index], memoryview(self._tables[table][keys[index]]))

    def items(self, table: Table, first_key: bytes) -> Iterator[tuple[bytes, memoryview]]:
        keys = sorted(self._tables[table])
        for key in keys[bisect_left(keys, first_key) :]:
            yield key, memoryview(self._tables[table][key])


class MemoryStore:
    """One opening of a `MemoryJournal`."""

    def __init__(self, journal: MemoryJournal, writable: bool) -> None:
        self.name = journal.name
        self._journal = journal
        self._writing = writable

    @contextmanager
    def view(self) -> Iterator[_MemoryView]:
        with self._journal.lock:
            yield _MemoryView(self._journal.tables)

    def write(self, changes: Sequence[Change]) -> None:
        assert self._writing, "a reader does not write"
        with self._journal.lock:
            for table, key, value in changes:
                if value is None:
                    self._journal.tables[table].pop(key, None)
                else:
                    self._journal.tables[table][key] = bytes(value)

    def rehearse(self, changes: Sequence[Change]) -> None:
        """There is no way to memory."""

    def sync(self) -> None:
        """Memory is as safe as it gets."""

    def close(self) -> None:
        if self._writing:
            self._writing = False
            self._journal.has_writer = False
