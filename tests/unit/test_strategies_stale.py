"""An edit of what a compiled strategy imports is run, not what the compile cache holds of before."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.jit import INTERPRETED
from tests.support import ROOT

pytestmark = pytest.mark.skipif(INTERPRETED, reason="plain Python has no compile cache")

STRATEGY = """
from adapters.strategies.interface import emit
from engine.jit import kernel
from engine.kinds import Action
from engine.records import record
from traders.common import every

MEMORY = record([("quotes", "<i8")])


@kernel
def on_quote(memory, quote, signals):
    memory.quotes += 1
    if memory.quotes % every() == 0:
        emit(signals, quote.instrument, Action.HOLD)
"""
COMMON = "from engine.jit import kernel\n\n\n@kernel\ndef every():\n    return {every}\n"
RUN = """
from adapters import compile_cache
compile_cache.prepare()
from replay.workloads import ticks
from tests.golden import runs
runs.ENTRIES["mine"] = ("traders.mine", "")
print(runs.play(runs.configuration("compiled", {"mine": {}}), [ticks(700)]).signals)
"""


def test_an_edit_in_an_imported_module_is_run(tmp_path: Path) -> None:
    package = tmp_path / "traders"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "mine.py").write_text(STRATEGY)
    for every in (7, 70, 100):
        (package / "common.py").write_text(COMMON.format(every=every))
        path = os.pathsep.join((str(ROOT), str(tmp_path)))
        done = subprocess.run(
            [sys.executable, "-c", RUN],
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) == 700 // every
