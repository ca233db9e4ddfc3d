"""The strategies that docs/strategies.md shows run as they stand there, and both forms make the same tape."""

from pathlib import Path

import pytest

from adapters.configuration import parse_configuration
from engine.kinds import DecisionKind
from replay.workloads import bars
from tests.golden.runs import Tape, record, without_form
from tests.support import ROOT
from tests.unit.test_pages import blocks

BARS = 2_000
_CONFIGURATION = """
[run]
name = "documented"

[[accounts]]
name = "main"
kind = "margin"
currency = "USDT"
balance = "10000000"

[[instruments]]
symbol = "BTC/USDT:USDT"
account = "main"
kind = "linear"
tick_size = "0.1"
lot_size = "0.001"
margin_initial = "0.05"
order_quantity = "1"
"""


def _record(folder: Path, strategy: str, form: str, entry: str) -> Tape:
    (folder / "breakout.py").write_text(strategy)
    text = f'{_CONFIGURATION}\n[[strategies]]\nname = "breakout"\nform = "{form}"\nentry = "{entry}"\n'
    return record(parse_configuration(text, folder / "run.toml"), [bars(BARS)])


@pytest.fixture(scope="module")
def tapes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tape, Tape]:
    python, compiled = blocks(ROOT / "docs" / "strategies.md", "python")
    return (
        _record(tmp_path_factory.mktemp("python"), python, "python", "breakout.py:Breakout"),
        _record(tmp_path_factory.mktemp("compiled"), compiled, "compiled", "breakout.py"),
    )


def test_both_forms_make_the_same_tape(tapes: tuple[Tape, Tape]) -> None:
    python, compiled = tapes
    assert without_form(python) == without_form(compiled)
    assert python.digests == compiled.digests


def test_positions_have_their_brackets(tapes: tuple[Tape, Tape]) -> None:
    tape, _ = tapes
    kinds = tape.decisions["kind"].tolist()
    assert tape.outcome.fills > 10
    assert kinds.count(DecisionKind.BRACKET_CHANGED) > 10


def test_the_strategy_of_the_readme_trades(tmp_path: Path) -> None:
    (strategy,) = blocks(ROOT / "README.md", "python")
    tape = _record(tmp_path, strategy, "python", "breakout.py:Breakout")
    assert tape.outcome.fills > 0
