"""Are the pages of the file those that LMDB wrote? Asked without LMDB, which may die of damaged ones."""

import struct
from pathlib import Path

from lmdb import verify

# Where LMDB 0.9 keeps the page size, and from the start of each of the two root pages, what a commit wrote there.
_PAGE_BYTES = struct.Struct("@I")
_PAGE_BYTES_OFFSET = 40
_ROOT = struct.Struct("@QQ")
_ROOT_OFFSET = 136


def page_damage(file: Path) -> str | None:
    """What is wrong with the tree of pages, in words, or None. Raises `OSError` where the file cannot be read.

    Only for a file at rest: the pages change under the walk while a writer is at work.
    """
    try:
        problems: list[str] = verify.verify(file, subdir=False)  # type: ignore[no-untyped-call]
    except verify.VerifyError as error:
        return str(error)
    except (struct.error, IndexError, OverflowError, MemoryError, RecursionError) as error:
        return f"the walk over its pages fails ({error})"
    if problems:
        return problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else "")
    return _root_damage(file)


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
