"""The digests of fixed runs are those that are written down: in this process, in others, interpreted, checked."""

import json
import os
import subprocess
import sys

import pytest

from engine.jit import INTERPRETED
from tests.golden.fixed_runs import EVERY_ORDER_TYPE, RUNS, SMALL
from tests.golden.make_digests import FILE
from tests.support import ROOT

GOLDEN = json.loads(FILE.read_text())
TIMEOUT_S = 600

needs_compiler = pytest.mark.skipif(INTERPRETED, reason="too long for plain Python; the small runs are compared there")


def test_every_run_has_its_digests_and_no_others_are_there() -> None:
    assert list(GOLDEN) == list(RUNS)


@pytest.mark.parametrize("name", [SMALL, EVERY_ORDER_TYPE])
def test_small_runs_lead_to_their_digests(name: str) -> None:
    assert RUNS[name]() == GOLDEN[name]


@needs_compiler
@pytest.mark.parametrize("name", [name for name in RUNS if name not in (SMALL, EVERY_ORDER_TYPE)])
def test_runs_lead_to_their_digests(name: str) -> None:
    assert RUNS[name]() == GOLDEN[name]


def _elsewhere(names: list[str], **environment: str) -> dict[str, dict[str, str]]:
    """The digests that another process makes."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.golden.make_digests", "--print", *names],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("seed", ["0", "4711"])
@needs_compiler
def test_another_process_with_another_hash_seed_agrees(seed: str) -> None:
    names = [SMALL, "ladder on ticks", "demonstration crash-2017"]
    assert _elsewhere(names, PYTHONHASHSEED=seed) == {name: GOLDEN[name] for name in names}


@needs_compiler
def test_plain_python_agrees() -> None:
    assert _elsewhere([SMALL], NUMBA_DISABLE_JIT="1") == {SMALL: GOLDEN[SMALL]}


@needs_compiler
def test_kernels_with_bounds_checks_agree() -> None:
    names = [SMALL, "ladder on bars"]
    assert _elsewhere(names, NUMBA_BOUNDSCHECK="1") == {name: GOLDEN[name] for name in names}
