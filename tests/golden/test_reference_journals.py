"""The reference journals lead where they led when they were written down, in every way of folding."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.golden.reference import FOLDER, digests, expected, names, unpack
from tests.support import ROOT

MODES = (
    {"NUMBA_DISABLE_JIT": "1"},
    {"PYTHONHASHSEED": "1"},
    {"PYTHONHASHSEED": "2"},
    {"NUMBA_BOUNDSCHECK": "1"},
)


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


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "=".join(*mode.items()))
def test_in_another_process_it_leads_there_too(mode: dict[str, str], journals: list[Path]) -> None:
    """A process each: with bounds checks, kernels of two layouts of the state are mixed up in one process."""
    assert {
        name: _digests_elsewhere(mode, journal) for name, journal in zip(names(), journals, strict=True)
    } == expected()


def _digests_elsewhere(mode: dict[str, str], journal: Path) -> object:
    command = [sys.executable, "-m", "tests.golden.reference", str(journal)]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | mode, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["digests"][0]
