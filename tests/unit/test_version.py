"""The name of an engine version tells apart what folds differently."""

import shutil
from pathlib import Path

import pytest

from adapters import version
from tests.support import ROOT


def _name() -> str:
    version.engine_version.cache_clear()
    return version.engine_version()


@pytest.mark.parametrize("file", ["fold.py", "brackets/settling.py", "checks/funds.py"])
def test_an_edit_anywhere_in_the_engine_is_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    folder = tmp_path / "engine"
    shutil.copytree(ROOT / "engine", folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = _name()
    monkeypatch.setattr(version, "_ENGINE", folder)
    assert _name() == before, "the folder's own place does not count"
    (folder / file).write_text((folder / file).read_text() + "# another\n")
    edited = _name()
    monkeypatch.undo()
    version.engine_version.cache_clear()
    assert edited != before
    assert edited.partition("+")[0] == before.partition("+")[0] == version.VERSION
