"""The reference journals lead where they led when they were written down, in every way of folding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.reference import FOLDER, digests, expected, names, unpack
from tests.support import ROOT

BOUNDS = {"NUMBA_BOUNDSCHECK": "1"}
MODES = ({"NUMBA_DISABLE_JIT": "1"}, {"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"}, BOUNDS)


@pytest.fixture(scope="module")
def journals(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("reference")
    return [unpack(name, folder) for name in names()]


def test_each_is_small_and_written_down() -> None:
    assert set(names()) == set(expected())
    assert all(file.stat().st_size < 300_000 for file in FOLDER.glob("*.xz"))


@pytest.mark.parametrize("name", names())
def test_it_leads_where_it_led(name: str, tmp_path: Path) -> None:
    assert digests(unpack(name, tmp_path)) == expected()[name]


def test_kernels_that_two_processes_compiled_do_not_meet(journals: list[Path]) -> None:
    """A process for each layout of the state, and then one that takes both layouts' kernels from the cache."""
    layouts = ["0.1.0-crash", "crash-2017"]
    one, other = (journals[names().index(name)] for name in layouts)
    found = [*_digests_elsewhere(BOUNDS, [one]), *_digests_elsewhere(BOUNDS, [other])]
    assert found == [expected()[name] for name in layouts]
    assert _digests_elsewhere(BOUNDS, [one, other]) == found
    assert _digests_elsewhere(BOUNDS, [other, one]) == found[::-1]


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "=".join(*mode.items()))
def test_in_another_process_it_leads_there_too(mode: dict[str, str], journals: list[Path]) -> None:
    assert dict(zip(names(), _digests_elsewhere(mode, journals), strict=True)) == expected()


def _digests_elsewhere(mode: dict[str, str], journals: list[Path]) -> list[object]:
    command = [sys.executable, "-m", "tests.golden.reference", *map(str, journals)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | mode, capture_output=True, text=True, timeout=1200, check=False
    )
    assert done.returncode == 0, done.stderr
    digests: list[object] = json.loads(done.stdout)["digests"]
    return digests
