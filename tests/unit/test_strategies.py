"""Strategies: the crossing of averages by hand, and how code is found, bound and refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.configuration import parse_configuration
from adapters.errors import UserError
from adapters.strategies import ema_cross
from adapters.strategies.compiled import MEMORY_BYTES_MAX, CompiledStrategy, bind
from adapters.strategies.ema_cross import EmaCross
from adapters.strategies.interface import SIGNALS, Bar, Signal, Strategy, emit
from adapters.strategies.loading import load_module
from adapters.strategies.python_host import PythonHost, load_strategy
from engine.jit import INTERPRETED
from engine.kinds import Action, EventKind
from engine.records import BAR
from replay.setup import bind_strategies

DECLARES = "import numpy as np\nfrom engine.jit import kernel\nfrom engine.records import record\n"
HANDLES = "@kernel\ndef on_bar(memory, bar, signals):\n    memory.n += 1\n"


def _bar(close: int, instrument: int = 0) -> Any:
    return Bar(**dict.fromkeys(Bar._fields, 0) | {"instrument": instrument, "close_ticks": close})


def _actions(parameters: Mapping[str, Any], closes: list[int]) -> list[Action | None]:
    strategy = EmaCross(parameters, [])
    said: list[Any] = [strategy.on_bar(_bar(close)) for close in closes]
    return [signal and Action(signal.action) for signal in said]


def _compiled_actions(parameters: Mapping[str, Any], closes: list[int]) -> list[Action | None]:
    memory = np.zeros(1, dtype=ema_cross.MEMORY)[0]
    ema_cross.start(memory, parameters)
    signals = np.zeros(1, dtype=SIGNALS)[0]
    row = np.zeros(1, dtype=BAR)[0]
    found: list[Action | None] = []
    for close in closes:
        signals.count = 0
        row.close_ticks = close
        ema_cross.on_bar(memory, row, signals)
        found.append(Action(int(signals["items"][0].action)) if signals.count else None)
    return found


@pytest.mark.parametrize("actions", [_actions, _compiled_actions])
def test_the_crossing_by_hand(actions: Any) -> None:
    """Weights 1 and 1/2: the fast average is the price itself, so a cross is a price beyond the slow average.

    Slow: 100, 105, 102.5, 101.25, 105.625, 102.8125 for the prices below.
    """
    closes = [100, 110, 100, 100, 110, 100]
    assert actions({"fast": 1, "slow": 3}, closes) == [None, None, None, None, Action.BUY, Action.SELL]
    # The first sign counts from the first price that completes the slow average, and says nothing by itself.
    assert actions({"fast": 1, "slow": 3}, [100, 90, 80, 80, 100]) == [None, None, None, None, Action.BUY]


def _naive(closes: list[int], fast: int, slow: int) -> list[Action | None]:
    averages, side, found = [float(closes[0])] * 2, 0, []
    for count, close in enumerate(closes, start=1):
        averages = [a + 2.0 / (n + 1) * (close - a) for a, n in zip(averages, (fast, slow), strict=True)]
        before, side = side, 0 if count < slow else (1 if averages[0] >= averages[1] else -1)
        turned = before != 0 and side != before
        found.append((Action.BUY if side > 0 else Action.SELL) if turned else None)
    return found


@pytest.mark.parametrize("actions", [_actions, _compiled_actions])
def test_the_crossing_agrees_with_a_naive_one(actions: Any) -> None:
    closes = (10_000 + np.cumsum(np.random.default_rng(3).integers(-20, 21, 500))).tolist()
    expected = _naive(closes, 5, 12)
    assert len([action for action in expected if action]) > 20
    assert actions({"fast": 5, "slow": 12}, closes) == expected


def test_each_instrument_has_its_own_averages() -> None:
    strategy = EmaCross({"fast": 1, "slow": 3}, [])
    said = [strategy.on_bar(_bar(close, instrument)) for close in (100, 110, 100, 110) for instrument in (4, 5)]
    assert [signal for signal in said if signal] == [Signal(4, Action.BUY), Signal(5, Action.BUY)]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"fats": 3}, "unknown parameter 'fats', expected fast, slow or price"),
        ({"fast": 0}, "parameter fast is 0, expected a whole number of at least 1"),
        ({"slow": 2.5}, "parameter slow is 2.5"),
        ({"price": "mid"}, "parameter price is 'mid', expected one of bar, quote, trade"),
    ],
)
def test_wrong_parameters_are_refused_in_both_forms(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        EmaCross(parameters, [])
    with pytest.raises(UserError, match=message):
        ema_cross.start(np.zeros(1, dtype=ema_cross.MEMORY)[0], parameters)


def test_emit_clears_what_an_earlier_signal_left() -> None:
    signals = np.zeros(1, dtype=SIGNALS)[0]
    for fields in signals["items"].dtype.names:
        signals["items"][fields] = 77
    emit(signals, 3, Action.SELL)
    row = signals["items"][0]
    assert (row.instrument, row.action, row.confidence_ppm) == (3, Action.SELL, 1_000_000)
    rest = ("document_hash", "account", "valid_for_ms", "quantity_lots", "limit_ticks", "stop_ticks", "target_ticks")
    assert [int(row[name]) for name in rest] == [0] * len(rest)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("no.such.module", "no module named no, expected an importable module"),
        ("adapters.strategies.no_such", "no module named adapters.strategies.no_such"),
        ("no_such.py", "no such file .*no_such.py"),
        ("", "cannot be loaded"),
    ],
)
def test_code_that_is_not_there_is_said_so(entry: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        load_module(entry, tmp_path)


def test_code_that_does_not_run_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("def on_bar(:\n")
    with pytest.raises(UserError, match=r"broken.py cannot be loaded: SyntaxError"):
        load_module("broken.py", tmp_path)


def test_a_file_is_loaded_once(tmp_path: Path) -> None:
    (tmp_path / "once.py").write_text("value = []\n")
    assert load_module("once.py", tmp_path) is load_module("once.py", tmp_path)


def _bound(tmp_path: Path, text: str, name: str) -> Any:
    (tmp_path / f"{name}.py").write_text(text)
    return bind([CompiledStrategy(0, "mine", f"{name}.py", {})], tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HANDLES, "has no record type MEMORY, expected a numpy dtype"),
        ("MEMORY = record([('n', '<i8')])\n", "has none of on_quote, on_trade, on_bar, on_fill, on_timer"),
        ("MEMORY = record([('n', '<i4')])\n" + HANDLES, "MEMORY has 4 bytes, expected a multiple of 8"),
        (f"MEMORY = record([('n', '<i8', ({MEMORY_BYTES_MAX // 8 + 1},))])\n" + HANDLES, "bytes of memory together"),
    ],
)
def test_modules_that_are_no_strategies_are_refused(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        _bound(tmp_path, DECLARES + text, "refused")


def test_a_start_that_fails_is_the_strategys_fault(tmp_path: Path) -> None:
    start = "MEMORY = record([('n', '<i8')])\ndef start(memory, parameters):\n    memory.n = parameters['length']\n"
    with pytest.raises(UserError, match="strategy mine: start failed: KeyError: 'length'"):
        _bound(tmp_path, DECLARES + start + HANDLES, "starting")


@pytest.mark.skipif(INTERPRETED, reason="plain Python finds it when the handler runs")
@pytest.mark.parametrize(
    ("handler", "message"),
    [
        ("def on_bar(memory, bar, signals):\n    memory.n = bar.close\n", "KeyError: 'close'"),
        ("def on_bar(memory, bar):\n    memory.n = 1\n", "TypingError: TypeError: too many positional arguments"),
    ],
)
def test_a_handler_that_cannot_be_compiled_is_said_in_one_line(tmp_path: Path, handler: str, message: str) -> None:
    text = f"{DECLARES}MEMORY = record([('n', '<i8')])\n@kernel\n{handler}"
    with pytest.raises(UserError, match=f"strategy .*py: cannot be compiled: {message}") as caught:
        _bound(tmp_path, text, "not_compiled_" + str(len(handler)))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_binding_knows_what_its_strategies_handle(tmp_path: Path) -> None:
    memory = "MEMORY = record([('n', '<i8')])\ndef start(memory, parameters):\n    memory.n = 5\n"
    binding = _bound(tmp_path, DECLARES + memory + HANDLES, "counting")
    assert binding.shown_kinds == 1 << EventKind.BAR
    assert binding.memory[:8].view(np.int64)[0] == 5


def test_a_python_host_shows_only_what_is_overridden() -> None:
    class OnBars(Strategy):
        def on_bar(self, bar: Any) -> None:
            return None

    assert PythonHost([("bars", OnBars({}, []))]).shown_kinds == 1 << EventKind.BAR
    assert PythonHost([("none", Strategy({}, []))]).shown_kinds == 0
    assigned: Any = Strategy({}, [])
    assigned.on_timer = print
    assert PythonHost([("assigned", assigned)]).shown_kinds == 1 << EventKind.TIMER


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("strategy.py", "entry is 'strategy.py', expected module:Class or file.py:Class"),
        ("strategy.py:Missing", "strategy.py:Missing is not a subclass"),
        ("strategy.py:NotOne", "strategy.py:NotOne is not a subclass"),
        ("strategy.py:Raises", "strategy mine: strategy.py:Raises cannot be made: KeyError: 'length'"),
    ],
)
def test_classes_that_are_no_strategies_are_refused(entry: str, message: str, tmp_path: Path) -> None:
    text = "from adapters.strategies.interface import Strategy\nclass NotOne:\n    pass\n"
    text += "class Raises(Strategy):\n    def __init__(self, parameters, instruments):\n        parameters['length']\n"
    (tmp_path / "strategy.py").write_text(text)
    with pytest.raises(UserError, match=message):
        load_strategy("mine", entry, {}, [], tmp_path)


def test_all_strategies_of_a_run_have_one_form() -> None:
    text = """
[run]
name = "mixed"
[[accounts]]
name = "a"
kind = "margin"
currency = "USD"
balance = 1
[[instruments]]
symbol = "BTC/USD"
account = "a"
kind = "spot"
tick_size = 1
lot_size = 1
[[strategies]]
name = "one"
form = "compiled"
entry = "adapters.strategies.ema_cross"
[[strategies]]
name = "two"
form = "python"
entry = "adapters.strategies.ema_cross:EmaCross"
"""
    with pytest.raises(UserError, match=r"mixed.toml:21: strategies\[1\].form: expected all strategies of one form"):
        bind_strategies(parse_configuration(text, Path("mixed.toml")))
