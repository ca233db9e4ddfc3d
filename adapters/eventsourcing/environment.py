"""One LMDB environment a folder and process, shared by all who use it: transactions, and a map that grows.

LMDB may be opened once a process and resized only while no transaction of the process runs. Any number of processes
may read and write; LMDB lets one write at a time.
"""

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

import lmdb
from eventsourcing.persistence import InterfaceError, OperationalError

from adapters.journal.lmdb_environment import DATA_FILE, Gate, file_bytes, file_key, has_address_space

FORMAT_TABLE = b"eventstore"
FORMAT_KEY = b"format"
FORMAT = b"1"
TABLES_MAX = 64
READERS_MAX = 512
# Below this much room a write that fails has failed for want of room, whatever LMDB calls it.
ROOM_BYTES = 4 << 20

T = TypeVar("T")
Transaction: TypeAlias = "lmdb.Transaction[bytes]"

_environments: dict[tuple[int, int, int], "Environment"] = {}
_registry = threading.Lock()


class Environment:
    """The one LMDB environment of a folder in this process. Use `enter` and `leave`, not the constructor."""

    def __init__(self, folder: Path, map_bytes: int, synced: bool) -> None:
        self.folder = folder
        self.users = 0
        self.process = os.getpid()
        self.listeners: set[threading.Event] = set()
        self._gate = Gate()
        self._tables: dict[str, lmdb._Database] = {}
        self._opening = threading.Lock()
        size = file_bytes(folder)
        try:
            self._lmdb = lmdb.open(
                str(folder),
                map_size=max(map_bytes, size),
                max_dbs=TABLES_MAX,
                max_readers=READERS_MAX,
                mode=0o644,
                lib_version=0,
                sync=synced,
                metasync=synced,
            )
        except lmdb.Error as error:
            raise InterfaceError(f"{folder}: cannot be opened as an event store: {error}") from error
        try:
            # A killed reader keeps its place, and with it old pages, until somebody looks.
            self._lmdb.reader_check()
            self._mark()
        except BaseException:
            self._lmdb.close()
            raise
        self.key = file_key(folder)

    def _mark(self) -> None:
        """Say in an empty file what it is, and refuse a file that is something else."""

        def mark(transaction: Transaction) -> "lmdb._Database":
            # Under the lock of the one writer: of several processes that find it empty, one marks it.
            is_new = self._lmdb.stat()["entries"] == 0
            try:
                table = self._lmdb.open_db(FORMAT_TABLE, txn=transaction, create=is_new)
            except lmdb.NotFoundError:
                raise InterfaceError(f"{self.folder}: is another LMDB environment, expected an event store") from None
            if is_new:
                transaction.put(FORMAT_KEY, FORMAT, db=table)
            return table

        table = self.write(mark)
        with self.reading() as transaction:
            found = transaction.get(FORMAT_KEY, b"none", db=table)
        if found != FORMAT:
            name = found.decode("ascii", "replace")
            raise InterfaceError(f"{self.folder}: the event store has format {name}, expected {FORMAT.decode()}")

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A read transaction; a map that another process grew is adopted first. Raises `InterfaceError`."""
        try:
            with self._reading() as transaction:
                yield transaction
        except lmdb.Error as error:
            raise InterfaceError(f"{self.folder}: cannot be read: {error}") from error

    @contextmanager
    def _reading(self) -> Iterator[Transaction]:
        while True:
            with self._gate.shared():
                try:
                    transaction = self._lmdb.begin()
                except lmdb.MapResizedError:
                    transaction = None
                if transaction is not None:
                    with transaction:
                        yield transaction
                    return
            self._adopt()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Commit what `work` does, all or nothing; it may be called again where the map has to grow.

        Raises `OperationalError` where the disk is full or cannot be written; what `work` raises undoes it.
        """
        while True:
            try:
                with self._gate.shared(), self._lmdb.begin(write=True) as transaction:
                    return work(transaction)
            except lmdb.MapResizedError:
                self._adopt()
            except lmdb.MapFullError:
                self._grow()
            except (OSError, lmdb.Error) as error:
                raise self._failure(error) from error

    def table(self, name: str, create: bool = False) -> "lmdb._Database":
        """A table by its name. Raises `OperationalError` where there is none and none is to be made."""
        with self._opening:
            if name in self._tables:
                return self._tables[name]
            while True:
                try:
                    with self._gate.shared():
                        self._tables[name] = self._lmdb.open_db(name.encode(), create=create)
                    return self._tables[name]
                except lmdb.MapResizedError:
                    self._adopt()
                except lmdb.MapFullError:
                    self._grow()
                except lmdb.NotFoundError:
                    raise OperationalError(f"{self.folder}: has no table {name} (CREATE_TABLE is off)") from None
                except (OSError, lmdb.Error) as error:
                    raise self._failure(error) from error

    def ring(self) -> None:
        """Wake whoever listens in this process."""
        for listener in tuple(self.listeners):
            listener.set()

    def close(self) -> None:
        with self._gate.alone():
            self._lmdb.close()

    def _adopt(self) -> None:
        with self._gate.alone():
            self._lmdb.set_mapsize(0)

    def _grow(self) -> None:
        with self._gate.alone():
            map_bytes = 2 * self._lmdb.info()["map_size"]
            if not has_address_space(map_bytes):
                raise OperationalError(
                    f"{self.folder}: the map is full and cannot grow to {map_bytes >> 20} MiB, expected as much "
                    "address space; everything committed so far is intact"
                )
            self._lmdb.set_mapsize(map_bytes)

    def _failure(self, error: OSError | lmdb.Error) -> OperationalError:
        number = error.errno if isinstance(error, OSError) else error.code
        if number in (errno.ENOSPC, errno.EDQUOT) or shutil.disk_usage(self.folder).free < ROOM_BYTES:
            return OperationalError(f"{self.folder}: the disk is full; everything committed so far is intact")
        return OperationalError(f"{self.folder}: cannot be written: {error}; everything committed so far is intact")


def enter(folder: Path, map_bytes: int, synced: bool) -> Environment:
    """The environment of this folder, opened or shared; the folder is made. Every `enter` needs a `leave`.

    The first to enter decides on `map_bytes` and `synced`. Raises `InterfaceError`.
    """
    with _registry:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InterfaceError(f"{folder}: cannot be made ({error.strerror}), expected a folder") from error
        environment = _environments.get(file_key(folder)) if (folder / DATA_FILE).exists() else None
        if environment is None:
            environment = Environment(folder, map_bytes, synced)
            _environments[environment.key] = environment
        environment.users += 1
        return environment


def leave(environment: Environment) -> None:
    """Give the environment back; the last one closes it."""
    with _registry:
        environment.users -= 1
        if environment.users == 0:
            environment.close()
            _environments.pop(environment.key, None)
