"""One writer a journal: a lock on a file in the journal's folder, which the system releases when its holder dies."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.errors import UserError

LOCK_FILE = "writer.lock"

# A reader that looks for a writer holds the lock for a moment: so a writer asks more than once.
_TRIES = 5
_PAUSE_S = 0.01


class WriterLock:
    """The right to write the journal in `folder`, from its making until `release`.

    Raises `UserError` where another writer holds it or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._file = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise UserError(f"{folder}: cannot be written ({error.strerror}), expected a writable folder") from error
        for attempt in range(_TRIES):
            if _try_lock(self._file, fcntl.LOCK_EX):
                break
            if attempt == _TRIES - 1:
                holder = os.pread(self._file, 32, 0).decode("ascii", "replace").strip() or "unknown"
                os.close(self._file)
                raise UserError(f"{folder}: the journal is being written by process {holder}; it takes one")
            time.sleep(_PAUSE_S)
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        # Unlocking, not only closing: a forked child may still hold the same open file.
        fcntl.flock(self._file, fcntl.LOCK_UN)
        os.close(self._file)


def has_writer(folder: Path) -> bool:
    """Whether a writer is at work in this folder now."""
    try:
        file = os.open(folder / LOCK_FILE, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try_lock(file, fcntl.LOCK_SH)
    finally:
        os.close(file)


@contextmanager
def opening(folder: Path, alone: bool = False) -> Iterator[int]:
    """While the files in `folder` are opened: nobody replaces them meanwhile. `alone` to replace them.

    Gives the open folder. The lock is on the folder itself, so it needs no right to write.
    """
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        except OSError as error:
            # Some network file systems lock no folders. There only one who replaces files needs to know.
            if alone or error.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.EBADF, errno.EINVAL):
                raise
        yield file
    finally:
        os.close(file)


def _try_lock(file: int, operation: int) -> bool:
    try:
        fcntl.flock(file, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
