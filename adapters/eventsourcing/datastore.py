"""An event store in a folder, as the recorders use it: what an SQLite or PostgreSQL datastore is to theirs."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import lmdb
from eventsourcing.persistence import InterfaceError

from adapters.eventsourcing.environment import Environment, Transaction, enter, leave

MAP_BYTES_AT_FIRST = 16 << 20

T = TypeVar("T")


class LmdbDatastore:
    """One use of the LMDB environment in `folder`, which is made where it is not there.

    `map_bytes` is how large the map is at first; it doubles when it is full. Where `synced`, a commit returns when it
    is on the disk; else a power cut may cost the last ones, but a killed process none.
    """

    def __init__(self, folder: str | Path, map_bytes: int = MAP_BYTES_AT_FIRST, synced: bool = True) -> None:
        self._environment: Environment | None = None
        self.folder = Path(folder)
        self._environment = enter(self.folder, map_bytes, synced)

    def reading(self) -> AbstractContextManager[Transaction]:
        """The store at this moment. Keep it short: it holds up the growth of the file."""
        return self._opened().reading()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Commit what `work` does, all or nothing, and tell those who listen.

        Raises `OperationalError` where the disk is full.
        """
        environment = self._opened()
        result = environment.write(work)
        environment.ring()
        return result

    def table(self, name: str, create: bool = False) -> "lmdb._Database":
        """A table by its name. Raises `OperationalError` where there is none and none is to be made."""
        return self._opened().table(name, create)

    @contextmanager
    def listening(self, listener: threading.Event) -> Iterator[None]:
        """Set `listener` after each commit of this process."""
        listeners = self._opened().listeners
        listeners.add(listener)
        try:
            yield
        finally:
            listeners.discard(listener)

    def close(self) -> None:
        """Give the environment back. Closing twice does nothing."""
        environment, self._environment = self._environment, None
        if environment is not None and environment.process == os.getpid():
            leave(environment)

    def __del__(self) -> None:
        with suppress(AttributeError):  # where the constructor was left half way, or the interpreter ends
            self.close()

    def _opened(self) -> Environment:
        if self._environment is None:
            raise InterfaceError(f"{self.folder}: the event store is closed")
        if self._environment.process != os.getpid():
            raise InterfaceError(f"{self.folder}: was opened before a fork, expected a process to open it for itself")
        return self._environment
