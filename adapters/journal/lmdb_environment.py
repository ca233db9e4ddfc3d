"""An LMDB environment as a journal needs it: shared in the process, growing, and flat in memory.

LMDB may be opened once a process and resized only while no transaction runs. So all readers and the writer of one
journal in this process share one `Environment`, and a gate lets resizing wait for the views.
"""

import ctypes
import errno
import mmap
import os
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path

import lmdb
import numpy as np

from adapters.errors import JournalDamaged, UserError
from adapters.journal.port import Change, Table
from adapters.journal.sealed import MANIFEST_KEY
from adapters.journal.writer_lock import opening

DATA_FILE = "data.mdb"
READERS_FILE = "lock.mdb"
SHRUNK_FILE = "data.mdb.shrunk"
PAGE_BYTES = mmap.PAGESIZE

MAP_BYTES_AT_FIRST = 64 << 20
# Tables that journals of earlier versions do not have.
LATER_TABLES = (Table.SEGMENTS, Table.SPANS)
# What a commit may need besides its values: copies of tree pages.
TREE_BYTES = 1 << 20
# Below this, mapped pages are let go later, together with others.
FORGET_BYTES = 256 << 10


class Access(Enum):
    """How the environment is opened."""

    READ = "read"
    WRITE_SYNCED = "write_synced"
    WRITE_UNSYNCED = "write_unsynced"


_FLAGS: dict[Access, dict[str, bool]] = {
    Access.READ: {"readonly": True, "create": False},
    Access.WRITE_SYNCED: {},
    Access.WRITE_UNSYNCED: {"sync": False, "metasync": False},
}

_DAMAGE = (
    lmdb.CorruptedError,
    lmdb.IncompatibleError,
    lmdb.InvalidError,
    lmdb.PageNotFoundError,
    lmdb.PanicError,
    lmdb.VersionMismatchError,
)

_environments: dict[tuple[int, int, int], "Environment"] = {}
_registry = threading.Lock()


class Gate:
    """Many may pass at once, or one alone."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._inside = 0
        self._alone = False

    @contextmanager
    def shared(self) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: not self._alone)
            self._inside += 1
        try:
            yield
        finally:
            with self._condition:
                self._inside -= 1
                self._condition.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._condition:
            self._condition.wait_for(lambda: not self._alone)
            self._alone = True
            self._condition.wait_for(lambda: self._inside == 0)
        try:
            yield
        finally:
            with self._condition:
                self._alone = False
                self._condition.notify_all()


class Environment:
    """The one LMDB environment of a journal in this process. Use `enter` and `leave`, not the constructor."""

    _lmdb: lmdb.Environment

    def __init__(self, folder: Path, access: Access) -> None:
        self.folder = folder
        self.users = 0
        self._gate = Gate()
        self._open(access)
        self.key = file_key(folder)

    @contextmanager
    def reading(self) -> Iterator["lmdb.Transaction[memoryview]"]:
        """A read transaction; a map that another process grew, or a file that it shrank, is adopted first."""
        while True:
            if self._access is Access.READ and self._is_replaced():
                self._follow()
            with self._gate.shared():
                try:
                    transaction = self._lmdb.begin(buffers=True)
                except lmdb.MapResizedError:
                    transaction = None
                if transaction is not None:
                    with transaction:
                        yield transaction
                    return
            with self._gate.alone():
                self._lmdb.set_mapsize(0)

    def write(self, changes: Sequence[Change]) -> None:
        """Commit all changes or none, growing the map as it takes. Raises `UserError` where the disk is full."""
        while True:
            try:
                self._commit(changes)
            except lmdb.MapFullError:
                self._grow()
                continue
            except (OSError, lmdb.Error) as error:
                size = TREE_BYTES + sum(len(value) + PAGE_BYTES for _, _, value in changes if value is not None)
                raise self._write_failure(error, size) from error
            return

    def rehearse(self, changes: Sequence[Change]) -> None:
        """Write all changes and take them back. Raises nothing: what is wrong will be told by the next `write`."""
        with suppress(OSError, lmdb.Error):
            transaction = self._lmdb.begin(write=True, buffers=True)
            try:
                self._put(transaction, changes)
            finally:
                transaction.abort()

    def sync(self) -> None:
        try:
            self._lmdb.sync(True)
        except lmdb.Error as error:
            raise self._write_failure(error, 0) from error

    @property
    def unused_bytes(self) -> int:
        """What the file holds of room that deleted values left."""
        with self._lmdb.begin() as transaction:
            stats = [transaction.stat(table) for table in self.tables.values()] + [self._lmdb.stat()]
        used = 2 + sum(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] for stat in stats)
        return (int(self._lmdb.info()["last_pgno"]) + 1 - used) * PAGE_BYTES

    def shrink(self) -> None:
        """Put a copy without unused room in the place of the file. Readers of other processes follow by themselves.

        Killed meanwhile, the one file or the other is there, and both hold all of the journal.
        """
        shrunk = self.folder / SHRUNK_FILE
        with _registry, self._gate.alone():
            try:
                with open(shrunk, "wb") as copy:
                    self._lmdb.copyfd(copy.fileno(), compact=True)
                    os.fsync(copy.fileno())
            except (OSError, lmdb.Error) as error:
                shrunk.unlink(missing_ok=True)
                raise self._write_failure(error, file_bytes(self.folder)) from error
            self._lmdb.close()
            _environments.pop(self.key)
            with opening(self.folder, alone=True) as folder:
                # The table of readers belongs to the old file: with it, LMDB would look for the old file's last commit.
                (self.folder / READERS_FILE).unlink(missing_ok=True)
                shrunk.replace(self.folder / DATA_FILE)
                os.fsync(folder)
            self._open_again(self._access)

    def start_writing(self, access: Access) -> None:
        """Open again with the right to write; readers of this process go on in the new environment."""
        with self._gate.alone():
            self._lmdb.close()
            self._open(access)

    def stop_writing(self) -> None:
        """Make everything safe, and go on for other readers."""
        with self._gate.alone():
            self.sync()
            self._lmdb.close()
            if self.users > 1:
                self._open(Access.READ)

    def close(self) -> None:
        with self._gate.alone():
            self._lmdb.close()

    def _follow(self) -> None:
        """Go on in the file that another process has put in the place of this one."""
        with _registry, self._gate.alone():
            if file_key(self.folder) == self.key:
                return
            if file_key(self.folder) in _environments:
                raise UserError(f"{self.folder}: the journal's file was replaced meanwhile; expected it opened again")
            manifest = self._manifest()
            _environments.pop(self.key)
            self._lmdb.close()
            self._open_again(Access.READ)
            if self._manifest() != manifest:
                raise UserError(f"{self.folder}: another journal has taken the place of the one that was read")

    def _is_replaced(self) -> bool:
        try:
            return file_key(self.folder) != self.key
        except FileNotFoundError:
            return False  # removed: what was opened can still be read

    def _manifest(self) -> bytes | None:
        with self._lmdb.begin() as transaction:
            value: bytes | None = transaction.get(MANIFEST_KEY, db=self.tables[Table.MANIFEST])
            return value

    def _open_again(self, access: Access) -> None:
        self._open(access)
        self.key = file_key(self.folder)
        _environments[self.key] = self

    def _open(self, access: Access) -> None:
        self._access = access
        with opening(self.folder):
            self._open_file(access)

    def _open_file(self, access: Access) -> None:
        size = file_bytes(self.folder)
        flags = _FLAGS[access]
        if access is Access.READ and not os.access(self.folder, os.W_OK):
            # Without the right to enter itself in the lock file a reader can only trust that nobody writes.
            flags = flags | {"lock": False}
        try:
            map_bytes = max(size, MAP_BYTES_AT_FIRST)
            self._lmdb = lmdb.open(
                str(self.folder), map_size=map_bytes, max_dbs=len(Table), mode=0o644, lib_version=0, **flags
            )
        except lmdb.Error as error:
            raise read_failure(self.folder, error) from error
        try:
            self.tables = self._open_tables(size == 0, access is not Access.READ)
        except lmdb.Error as error:
            self._lmdb.close()
            raise read_failure(self.folder, error) from error
        except BaseException:
            self._lmdb.close()
            raise

    def _open_tables(self, is_new: bool, may_write: bool) -> "dict[Table, lmdb._Database]":
        if is_new and may_write:
            with self._lmdb.begin(write=True) as transaction:
                return {table: self._lmdb.open_db(table.value, transaction) for table in Table}
        tables = {}
        for table in Table:
            try:
                tables[table] = self._lmdb.open_db(table.value, create=False)
            except lmdb.NotFoundError:
                continue
        missing = [table for table in Table if table not in tables and table not in LATER_TABLES]
        if not tables:
            raise UserError(f"{self.folder}: holds no journal (no table of one), expected a journal's folder")
        if missing:
            name = missing[0].value.decode()
            raise JournalDamaged(f"{self.folder}: the table {name} is missing; nothing can be read safely")
        return tables

    def add_later_tables(self) -> bool:
        """Make the tables that a journal of an earlier version lacks, and say whether there were such."""
        if len(self.tables) == len(Table):
            return False
        with self._lmdb.begin(write=True) as transaction:
            self.tables = {table: self._lmdb.open_db(table.value, transaction) for table in Table}
        return True

    def _grow(self) -> None:
        map_bytes = 2 * self._lmdb.info()["map_size"]
        if not has_address_space(map_bytes):
            raise UserError(
                f"{self.folder}: the journal's map is full and cannot grow to {map_bytes >> 20} MiB; expected as much "
                "address space; everything committed so far is intact"
            )
        with self._gate.alone():
            self._lmdb.set_mapsize(map_bytes)

    def _commit(self, changes: Sequence[Change]) -> None:
        for table in {table for table, _, _ in changes if table not in self.tables}:
            with self._lmdb.begin(write=True) as transaction:
                handle = self._lmdb.open_db(table.value, transaction)
            self.tables[table] = handle
        with self._lmdb.begin(write=True, buffers=True) as transaction:
            self._put(transaction, changes)

    def _put(self, transaction: "lmdb.Transaction[memoryview]", changes: Sequence[Change]) -> None:
        for table, key, value in changes:
            if value is None:
                transaction.delete(key, db=self.tables[table])
            else:
                transaction.put(key, value, db=self.tables[table])

    def _write_failure(self, error: OSError | lmdb.Error, size: int) -> UserError:
        number = error.errno if isinstance(error, OSError) else error.code
        # Where a write goes through only in part, LMDB calls it an input/output error.
        is_full = number in (errno.ENOSPC, errno.EDQUOT) or shutil.disk_usage(self.folder).free < size
        if is_full:
            return UserError(f"{self.folder}: the disk is full; everything committed so far is intact")
        return UserError(f"{self.folder}: cannot be written: {error}; everything committed so far is intact")


def enter(folder: Path, access: Access) -> Environment:
    """The environment of this journal, opened or shared. Every `enter` needs a `leave`."""
    with _registry:
        environment = _environments.get(file_key(folder)) if (folder / DATA_FILE).exists() else None
        if environment is None:
            environment = Environment(folder, access)
            _environments[environment.key] = environment
        elif access is not Access.READ:
            environment.start_writing(access)
        environment.users += 1
        return environment


def leave(environment: Environment, access: Access) -> None:
    """Give the environment back; the last one closes it."""
    with _registry:
        try:
            if access is not Access.READ:
                environment.stop_writing()
        finally:
            environment.users -= 1
            if environment.users == 0:
                environment.close()
                _environments.pop(environment.key, None)


def is_entered(folder: Path) -> bool:
    """Whether this process has the journal open."""
    with _registry:
        return file_key(folder) in _environments


def has_address_space(map_bytes: int) -> bool:
    """Whether a map may be as large: LMDB gives its own up before it asks, and cannot go on where it gets none."""
    try:
        mmap.mmap(-1, map_bytes, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ).close()
    except (OSError, OverflowError):
        return False
    return True


def file_bytes(folder: Path) -> int:
    """The size of an environment's file, 0 where there is none."""
    file = folder / DATA_FILE
    return file.stat().st_size if file.exists() else 0


def file_key(folder: Path) -> tuple[int, int, int]:
    """The same for the same file in the same process."""
    # The process belongs to the key: a forked child cannot use what its parent opened.
    status = (folder / DATA_FILE).stat()
    return os.getpid(), status.st_dev, status.st_ino


def read_failure(folder: Path, error: lmdb.Error) -> JournalDamaged | UserError:
    """What LMDB says at opening or reading: damage where the bytes are to blame."""
    if isinstance(error, _DAMAGE):
        return JournalDamaged(f"{folder}: {DATA_FILE} is damaged: {error}; nothing can be read safely")
    if "already open in this process" in str(error):
        return UserError(f"{folder}: is open in the process that this one was forked from, expected a spawned process")
    return UserError(f"{folder}: cannot be opened: {error}")


_libc = ctypes.CDLL(None)
_libc.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def extent(value: memoryview) -> tuple[int, int]:
    """Where a value lies in memory: address and length in bytes."""
    return int(np.asarray(value).__array_interface__["data"][0]), len(value)


def forget(address: int, length: int) -> None:
    """Let go of mapped pages of the file: they stay in the system's cache, but no longer count as this process's."""
    start = address // PAGE_BYTES * PAGE_BYTES
    _libc.madvise(start, address + length - start, mmap.MADV_DONTNEED)
