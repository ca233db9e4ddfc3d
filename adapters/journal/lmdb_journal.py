"""A journal in a folder: an LMDB environment, a lock for its writer, and how to create, extend and read it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import lmdb

from adapters.errors import JournalDamaged, UserError
from adapters.journal.integrity import continue_tape
from adapters.journal.journal import JournalReader, JournalWriter, create_tape
from adapters.journal.lmdb_environment import (
    DATA_FILE,
    FORGET_BYTES,
    Access,
    Environment,
    enter,
    extent,
    forget,
    is_entered,
    leave,
    read_failure,
)
from adapters.journal.pages import page_damage
from adapters.journal.port import Change, Durability, Manifest, Table
from adapters.journal.writer_lock import LOCK_FILE, WriterLock, has_writer

_WRITE_ACCESS = {Durability.EVERY_COMMIT: Access.WRITE_SYNCED, Durability.ON_CLOSE: Access.WRITE_UNSYNCED}


def create_journal(
    path: str | Path, manifest: Manifest, durability: Durability = Durability.EVERY_COMMIT
) -> JournalWriter:
    """Start a journal in a new or empty folder; its parents are made. Raises `UserError`."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(entry.name for entry in folder.iterdir() if entry.name != LOCK_FILE)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}), expected a folder for a new journal") from error
    if found:
        raise UserError(f"{folder}: holds {found[0]} already, expected an empty or new folder")
    lock = WriterLock(folder)
    if (folder / DATA_FILE).exists():
        lock.release()
        raise UserError(f"{folder}: another process has just made a journal here, expected an empty or new folder")
    store = LmdbStore(folder, _WRITE_ACCESS[durability], lock)
    try:
        return create_tape(store, manifest)
    except BaseException:
        store.close()
        raise


def append_journal(path: str | Path, durability: Durability = Durability.EVERY_COMMIT) -> JournalWriter:
    """Check the whole journal and go on at its end.

    An unfinished last block is cut off and named in the writer's `notes`. Raises `JournalDamaged` for any other
    damage and `UserError` for a folder that holds no journal, is not writable, or has a writer.
    """
    folder = _journal_folder(path)
    lock = WriterLock(folder)
    if not is_entered(folder) and (damage := _damage(folder)) is not None:
        lock.release()
        raise damage
    return continue_tape(LmdbStore(folder, _WRITE_ACCESS[durability], lock))


def read_journal(path: str | Path, walk_again: bool = False) -> JournalReader:
    """Read a journal, also while it is written. Raises `UserError` or `JournalDamaged`.

    The pages of a file at rest are walked first, with `walk_again` also where they were before and nothing was touched.
    """
    folder = _journal_folder(path)
    at_rest = not has_writer(folder) and not is_entered(folder)
    # A writer that came meanwhile has made the walk worthless, and makes its own.
    if at_rest and (damage := _damage(folder, walk_again)) is not None and not has_writer(folder):
        raise damage
    store = LmdbStore(folder, Access.READ)
    try:
        return JournalReader(store)
    except BaseException:
        store.close()
        raise


class LmdbStore:
    """One opening of the tables in a folder; a writer's holds the folder's lock."""

    def __init__(self, folder: Path, access: Access, lock: WriterLock | None = None) -> None:
        self.name = str(folder)
        self._access = access
        self._lock = lock
        self._environment: Environment | None = None
        try:
            self._environment = enter(folder, access)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def view(self) -> Iterator["LmdbView"]:
        environment = self._opened()
        try:
            with environment.reading() as transaction:
                view = LmdbView(transaction, environment)
                try:
                    yield view
                finally:
                    view.forget()
        except lmdb.Error as error:
            raise read_failure(environment.folder, error) from error

    def write(self, changes: Sequence[Change]) -> None:
        assert self._access is not Access.READ, "a reader does not write"
        self._opened().write(changes)

    def rehearse(self, changes: Sequence[Change]) -> None:
        self._opened().rehearse(changes)

    def sync(self) -> None:
        self._opened().sync()

    def close(self) -> None:
        environment, self._environment = self._environment, None
        lock, self._lock = self._lock, None
        try:
            if environment is not None:
                leave(environment, self._access)
        finally:
            if lock is not None:
                lock.release()

    def _opened(self) -> Environment:
        if self._environment is None:
            raise ValueError(f"{self.name}: the journal is closed")
        return self._environment


class LmdbView:
    """One read transaction. It remembers where the values lay that it handed out, to let go of their pages."""

    def __init__(self, transaction: "lmdb.Transaction[memoryview]", environment: Environment) -> None:
        self._transaction = transaction
        self._tables = environment.tables
        self._low = 0
        self._high = 0
        self._touched_bytes = 0

    def get(self, table: Table, key: bytes) -> memoryview | None:
        if table not in self._tables:
            return None
        value = self._transaction.get(key, db=self._tables[table])
        return None if value is None else self._touch(value)

    def at_or_before(self, table: Table, key: bytes) -> tuple[bytes, memoryview] | None:
        if table not in self._tables:
            return None
        cursor = self._transaction.cursor(db=self._tables[table])
        if cursor.set_range(key) and cursor.key() == key:
            return key, self._touch(cursor.value())
        # The cursor is now behind the key, or nowhere where all keys are below it.
        found = cursor.prev() if cursor.key() else cursor.last()
        return (bytes(cursor.key()), self._touch(cursor.value())) if found else None

    def items(self, table: Table, first_key: bytes) -> Iterator[tuple[bytes, memoryview]]:
        if table not in self._tables:
            return
        cursor = self._transaction.cursor(db=self._tables[table])
        found = cursor.set_range(first_key)
        while found:
            yield bytes(cursor.key()), self._touch(cursor.value())
            found = cursor.next()

    def forget(self) -> None:
        """Let go of the pages seen. Inside of the transaction: the map cannot move meanwhile."""
        if self._touched_bytes >= FORGET_BYTES:
            forget(self._low, self._high - self._low)

    def _touch(self, value: memoryview) -> memoryview:
        address, length = extent(value)
        self._low = min(self._low, address) if self._high else address
        self._high = max(self._high, address + length)
        self._touched_bytes += length
        return value


def _journal_folder(path: str | Path) -> Path:
    folder = Path(path)
    if not folder.is_dir():
        problem = "is no folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder}: {problem}, expected a journal's folder")
    if not (folder / DATA_FILE).is_file():
        raise UserError(f"{folder}: holds no journal ({DATA_FILE} is missing), expected a journal's folder")
    return folder


def _damage(folder: Path, walk_again: bool = True) -> JournalDamaged | None:
    """What the walk over the pages of a file at rest finds."""
    try:
        what = page_damage(folder / DATA_FILE, walk_again)
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror}), expected a readable journal") from error
    if what is None:
        return None
    return JournalDamaged(f"{folder}: {DATA_FILE} is damaged: {what}; nothing can be read safely")
