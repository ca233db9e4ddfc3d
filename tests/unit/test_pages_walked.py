"""The walk over a file's pages: what was sound and is untouched is not walked again, all else is."""

import os
import time
from pathlib import Path

import pytest

from adapters.errors import JournalDamaged
from adapters.journal import create_journal, pages, read_journal
from adapters.journal.lmdb_environment import DATA_FILE
from tests.conformance.journal_places import append_some, flipped, manifest


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A journal that was written a while ago."""
    monkeypatch.setenv("TAPEFOLD_CACHE", str(tmp_path / "cache"))
    with create_journal(tmp_path / "journal", manifest()) as writer:
        append_some(writer, 400, 3)
        append_some(writer, 2)
    monkeypatch.setattr(pages, "_SETTLED_NS", 0)
    return tmp_path / "journal"


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    walked: list[Path] = []
    walk = pages._problems
    monkeypatch.setattr(pages, "_problems", lambda file: walked.append(file) or walk(file))
    return walked


def test_an_untouched_file_is_walked_once(folder: Path, walks: list[Path]) -> None:
    for _ in range(3):
        read_journal(folder).close()
    assert len(walks) == 1
    read_journal(folder, walk_again=True).close()
    assert len(walks) == 2


def test_a_file_that_was_touched_is_walked_again(folder: Path, walks: list[Path]) -> None:
    read_journal(folder).close()
    good = (folder / DATA_FILE).read_bytes()
    time.sleep(0.02)
    (folder / DATA_FILE).write_bytes(flipped(good, len(good) - 4096 + 11))
    damages = []
    for _ in range(2):
        with pytest.raises(JournalDamaged) as damage:
            read_journal(folder)
        damages.append(str(damage.value))
    assert len(walks) == 3
    assert "nothing can be read safely" in damages[0] and damages[0] == damages[1]


def test_another_file_in_its_place_is_walked(folder: Path, walks: list[Path]) -> None:
    read_journal(folder).close()
    status = (folder / DATA_FILE).stat()
    (folder / "copy").write_bytes((folder / DATA_FILE).read_bytes())
    os.utime(folder / "copy", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder / "copy").replace(folder / DATA_FILE)
    read_journal(folder).close()
    assert len(walks) == 2


def test_what_was_just_written_is_not_remembered(
    folder: Path, walks: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_SETTLED_NS", 3_600 * 10**9)
    for _ in range(2):
        read_journal(folder).close()
    assert len(walks) == 2


def test_without_a_folder_to_remember_in_it_is_walked(
    folder: Path, walks: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TAPEFOLD_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        read_journal(folder).close()
    assert len(walks) == 2


def test_the_quick_walk_finds_what_the_library_finds(folder: Path) -> None:
    """On every byte of the heads of values that have pages of their own, and of the pages that point to them."""
    file = folder / DATA_FILE
    good = file.read_bytes()
    places = [
        place
        for page in range(2, len(good) // 4096)
        for place in (*range(0, 24, 3), 4096 - 20, 4096 - 12)
        for place in (page * 4096 + place,)
    ]
    differing = 0
    for place in places:
        file.write_bytes(flipped(good, place))
        quick = pages._problems(file)
        assert quick == pages.verify.verify(file, subdir=False)
        differing += bool(quick)
    assert differing > 10
