"""Are the pages of the file those that LMDB wrote? Asked without LMDB, which may die of damaged ones."""

import os
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
from lmdb import verify

from adapters.compile_cache import cache_base

# Where LMDB 0.9 keeps the page size, and from the start of each of the two root pages, what a commit wrote there.
_PAGE_BYTES = struct.Struct("@I")
_PAGE_BYTES_OFFSET = 40
_ROOT = struct.Struct("@QQ")
_ROOT_OFFSET = 136


# A file that was written less than this ago may be written once more without another time.
_SETTLED_NS = 1_000_000_000


def page_damage(file: Path, always: bool = True) -> str | None:
    """What is wrong with the tree of pages, in words, or None. Raises `OSError` where the file cannot be read.

    Only for a file at rest: the pages change under the walk while a writer is at work. Unless `always`, a file that
    was walked before, found sound and not been touched since is not walked again.
    """
    if not always and _was_sound(file):
        return None
    damage = _damage(file)
    if damage is None:
        _remember(file)
    return damage


def _damage(file: Path) -> str | None:
    try:
        problems = _problems(file)
    except verify.VerifyError as error:
        return str(error)
    except (struct.error, IndexError, OverflowError, MemoryError, RecursionError) as error:
        return f"the walk over its pages fails ({error})"
    if problems:
        return problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
    return _root_damage(file)


def _problems(file: Path) -> list[str]:
    with open(file, "rb") as data:
        found: list[str] = _Walk(data, data.seek(0, 2)).verify()
    return found


_LibraryWalk: Any = verify._Verifier


class _Walk(_LibraryWalk):  # type: ignore[misc]
    """The library's walk; its two loops over every single page, which take a second for some gigabytes, in one step.

    What is not as it should be is left to the library, which says what it is.
    """

    def _bigdata(
        self, ctx: Any, page: int, number: int, buffer: bytes, offset: int, size: int, want_bytes: bool
    ) -> Any:
        count = (self.hdrsz - 1 + size) // self.psize + 1
        first = int.from_bytes(buffer[offset : offset + 8], "little")
        if want_bytes or offset + 8 > self.psize or not self._is_extent(first, count):
            return super()._bigdata(ctx, page, number, buffer, offset, size, want_bytes)
        self.live[first : first + count] = b"\1" * count
        ctx["overflow"] += count
        return None

    def _is_extent(self, first: int, count: int) -> bool:
        """Whether these pages are those of one value, and of no other one."""
        if first < verify.NUM_METAS or first + count > self.next_pgno or any(self.live[first : first + count]):
            return False
        head = None if self.eng["has_txnid"] else self.read_page(first)
        is_first = head is not None and self._pg_pgno(head, 0) == first
        return is_first and self._pg_flags(head, 0) == verify.P_OVERFLOW and self._pg_pages(head, 0) == count

    def _check_cover(self) -> None:
        used = np.frombuffer(self.live, np.uint8) + np.frombuffer(self.free, np.uint8)
        if not (used[verify.NUM_METAS :] == 1).all():
            super()._check_cover()


def _was_sound(file: Path) -> bool:
    try:
        return _note_of(file).read_text(encoding="ascii") == _touched(file)
    except OSError:
        return False


def _remember(file: Path) -> None:
    """That the file is sound as it is now; only so long after it was written that another write would show."""
    status = file.stat()
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED_NS:
        return
    note = _note_of(file)
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(_touched(file), encoding="ascii")
    except OSError:
        return  # then it is walked again


def _note_of(file: Path) -> Path:
    status = file.stat()
    return cache_base() / "walked" / f"{status.st_dev}-{status.st_ino}"


def _touched(file: Path) -> str:
    """What every write to the file, and its replacement, changes."""
    status = os.stat(file)
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _root_damage(file: Path) -> str | None:
    """What the walk leaves open: the file's length, and the numbers by which LMDB finds its last commit.

    The two root pages hold the last two commits in turn: other than neighbours would lead to an older tape.
    """
    roots = []
    with open(file, "rb") as data:
        length = data.seek(0, 2)
        data.seek(_PAGE_BYTES_OFFSET)
        (page_bytes,) = _PAGE_BYTES.unpack(data.read(_PAGE_BYTES.size))
        for page in (0, 1):
            data.seek(page * page_bytes + _ROOT_OFFSET)
            roots.append(_ROOT.unpack(data.read(_ROOT.size)))
    (last_page, commit), (other_page, other_commit) = roots
    if abs(commit - other_commit) != 1 and commit + other_commit > 0:
        return f"its last two commits have the numbers {commit} and {other_commit}, expected neighbours"
    pages = 1 + (last_page if commit > other_commit else other_page)
    if length < pages * page_bytes:
        return f"it has {length} bytes, expected {pages * page_bytes} (truncated)"
    return None
