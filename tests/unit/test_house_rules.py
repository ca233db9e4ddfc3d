"""The rules of the house, kept by the suite. Each breach is named with its file and line."""

import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import records, state
from tests.support import ROOT

FILE_LINES_MAX = 600
FUNCTION_LINES_MAX = 70

FOLDERS = ("engine", "adapters", "replay", "tests", "docs", "journals", "demo")
SOURCES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
ENGINE = [file for file in SOURCES if file.relative_to(ROOT).parts[0] == "engine"]

# The engine knows no clock, chance, file, thread or environment: it can import nothing that has them.
ENGINE_IMPORTS = {"engine", "numpy", "numba", "enum", "dataclasses", "typing", "functools", "collections.abc"}
ENGINE_CALLS_FORBIDDEN = {"open", "print", "input", "set", "frozenset", "hash", "id", "float", "eval", "exec", "vars"}
NUMPY_FORBIDDEN = {"sum", "random", "float32", "float64", "exp", "log", "sqrt", "dot", "mean"}
# Where an estimate in floating point comes before exact arithmetic, and decides nothing that is wrong if it is off.
FLOAT_ESTIMATES = {("arithmetic.py", "product_fits"), ("portfolio.py", "_settle"), ("estimates.py", "ppm_towards")}
FLOAT_LITERALS = {("arithmetic.py", "_MONEY_MAX_ESTIMATE"), ("arithmetic.py", "ALMOST_ONE")}

# Who may import whom, by folder; the command line is the one place that knows everything.
MAY_IMPORT = {
    "engine": {"engine"},
    "adapters": {"engine", "adapters"},
    "adapters/cli": {"engine", "adapters", "replay"},
    "replay": {"engine", "adapters", "replay"},
}
OURS = {"engine", "adapters", "replay", "tests", "docs"}

# What a figure is measured in stands last in its name; these are no figures with a unit.
UNITS = ("_ticks", "_lots", "_units", "_ns", "_ms", "_ppm", "_ppb", "_bytes", "_decimals", "_microticks", "_ppb2")
IDENTITIES = ("_id", "_seq", "_sequence", "_hash", "_kind", "_type", "_slot", "_slots", "_reason", "_source", "_status")
COUNTS = (
    ("defined", "holders", "signals", "orders", "refusals", "fills", "trades", "trades_won", "market_events")
    + ("open_orders", "orders_open", "orders_placed", "events_refused", "fills_early", "fills_late", "fills_duplicate")
    + ("fills_excess", "fills_orphan", "transitions_refused", "connections_lost", "requests_failed")
    + ("instruments_defined", "accounts_defined", "reports_orphan", "slots_used", "free_head", "free_count")
    + ("trades_cursor",)
)
NAMES_WITHOUT_UNIT = {
    *COUNTS,
    # numbers of things, members of an enum, switches
    *("kind", "detail", "source", "instrument", "account", "strategy", "order", "seq", "timer", "side", "status"),
    *("action", "aggressor", "basis", "reason", "failure", "setting", "stream", "endpoint", "condition", "scope"),
    *("enabled", "short_allowed", "trading_state", "last_action", "fault", "time_in_force", "order_flags"),
    *("fill_flags", "operator_action", "entry_order", "stop_order", "target_orders", "http_status"),
    *("contributors", "sizing_method", "size_limit", "target_set", "target_strategy"),
    # measured in what another field of the record says
    *("fee", "value", "limit", "observed", "target"),
    # rules, brackets, breakers and levels: counts, flags, kinds and bits
    *("actions", "amending", "amendments_refused", "atr_samples", "attention_accounts", "attention_instrument"),
    *(
        "blocked",
        "blocks",
        "bracket",
        "bracket_change",
        "bracket_free_count",
        "bracket_free_head",
        "bracket_slots_used",
    ),
    *(
        "bracketed",
        "brackets_open",
        "brackets_opened",
        "brackets_retry",
        "breaker",
        "breaker_trips",
        "breakers_defined",
    ),
    *("broke_even", "cancel_asked", "cancel_rate", "days", "disabled", "distance", "distance_value", "entries_max"),
    *("entries_per_day_max", "entries_today", "execution_cursor", "executions_max", "exit_order", "exit_refusals"),
    *("exits_overfilled", "failures", "funds_checked", "group", "held_by_engine", "intent_cursor", "kelly_trades_min"),
    *("last_group", "leftover_refusals", "leftover_strategy", "leg", "leg_policy", "leg_replacements_max"),
    *("legs_lost", "level_before", "look_account"),
    *(
        "look_accounts",
        "look_conditions",
        "conditions_on_fill",
        "conditions_waiting",
        "watch_losing_streak",
        "watch_volatility",
        "look_day",
        "look_instrument",
        "look_invalid",
        "look_strategy",
    ),
    *("losing_streak", "number", "open_brackets", "open_orders_max", "open_positions_max", "order_rate"),
    *("order_role", "rearm_rule", "replacements", "ring_cursor", "risk_level", "risk_level_changes", "row"),
    *("samples", "self_cross_refused", "signal_mode", "stop_distance", "stop_optional", "stop_value"),
    *("strategies_defined", "streak", "target_distance", "target_value", "throttled", "trail_active"),
    *("trail_distance", "trail_value", "transport_failures", "transport_failures_max", "transport_probe_order"),
    *("tripped_account", "tripped_instrument", "trips", "uncovered_events", "volatility_samples_min"),
    *("windows",),
    # rooms
    "payload",
}


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def at(file: Path, node: ast.AST) -> str:
    return f"{file.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def imported(file: Path) -> Iterator[tuple[ast.AST, str]]:
    """The modules that a file imports, with where."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, "." * node.level + (node.module or "")


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_there_is_something_to_look_at() -> None:
    assert len(ENGINE) > 10
    assert len(SOURCES) > 50


def test_engine_imports_nothing_that_knows_the_world() -> None:
    breaches = [
        f"{at(file, node)}: engine imports {name}"
        for file in ENGINE
        for node, name in imported(file)
        if name not in ENGINE_IMPORTS and name.split(".")[0] not in {"engine", "numpy", "numba"}
    ]
    assert not breaches, "\n".join(breaches)


def test_engine_calls_nothing_whose_result_may_differ() -> None:
    breaches = []
    for file in ENGINE:
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Set | ast.SetComp):
                breaches.append(f"{at(file, node)}: a set has no order that can be relied upon")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ENGINE_CALLS_FORBIDDEN:
                    breaches.append(f"{at(file, node)}: {node.func.id}() in the engine")
            elif isinstance(node, ast.Global | ast.Nonlocal | ast.Try | ast.Raise | ast.Await | ast.Yield):
                breaches.append(f"{at(file, node)}: {type(node).__name__.lower()} in the engine")
    assert not breaches, "\n".join(breaches)


def test_engine_keeps_floats_away_from_money() -> None:
    """True division and float literals too."""
    breaches = []
    for file in ENGINE:
        allowed = _float_lines(file)
        for node in ast.walk(tree(file)):
            if getattr(node, "lineno", None) in allowed:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                breaches.append(f"{at(file, node)}: the float {node.value}")
            elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
                breaches.append(f"{at(file, node)}: true division")
            elif _is_forbidden_numpy(node):
                breaches.append(f"{at(file, node)}: {ast.unparse(node)}")
    assert not breaches, "\n".join(breaches)


def _is_forbidden_numpy(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node.value) == "np" and node.attr in NUMPY_FORBIDDEN


def _float_lines(file: Path) -> set[int]:
    """The lines on which an estimate may be made in floating point."""
    lines: set[int] = set()
    for node in tree(file).body:
        if isinstance(node, ast.FunctionDef) and (file.name, node.name) in FLOAT_ESTIMATES:
            lines |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.Assign) and (file.name, ast.unparse(node.targets[0])) in FLOAT_LITERALS:
            lines.add(node.lineno)
    return lines


def test_imports_run_one_way() -> None:
    breaches = []
    for file in SOURCES:
        parts = file.relative_to(ROOT).parts
        folder = "adapters/cli" if parts[:2] == ("adapters", "cli") or parts[:2] == ("adapters", "cli.py") else parts[0]
        if folder not in MAY_IMPORT:
            continue
        for node, name in imported(file):
            top = name.split(".")[0]
            if name.startswith("."):
                breaches.append(f"{at(file, node)}: a relative import, where names say from whom")
            elif top in OURS and top not in MAY_IMPORT[folder]:
                breaches.append(f"{at(file, node)}: {folder} imports {name}")
            elif name.startswith("adapters.cli") and folder != "adapters/cli":
                breaches.append(f"{at(file, node)}: {folder} imports the command line")
    assert not breaches, "\n".join(breaches)


def test_files_and_functions_are_short() -> None:
    breaches = []
    for file in SOURCES:
        lines = len(file.read_text(encoding="utf-8").splitlines())
        if lines > FILE_LINES_MAX:
            breaches.append(f"{file.relative_to(ROOT)}: {lines} lines, at most {FILE_LINES_MAX}")
        for node in functions(file):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                breaches.append(f"{at(file, node)}: {node.name} has {length} lines, at most {FUNCTION_LINES_MAX}")
    assert not breaches, "\n".join(breaches)


def test_every_module_says_what_it_is() -> None:
    breaches = [
        f"{file.relative_to(ROOT)}:1: no docstring"
        for file in SOURCES
        if file.read_text(encoding="utf-8").strip() and not ast.get_docstring(tree(file))
    ]
    assert not breaches, "\n".join(breaches)


def test_nothing_is_left_to_do() -> None:
    marks = ("TO" + "DO", "FIX" + "ME")
    breaches = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in SOURCES
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if any(mark in line for mark in marks)
    ]
    assert not breaches, "\n".join(breaches)


def _fields(dtype: np.dtype) -> Iterator[str]:
    for name in dtype.names or ():
        inner = dtype.fields[name][0].base  # type: ignore[index]
        if inner.names:
            yield from _fields(inner)
        else:
            yield name


@pytest.mark.parametrize("module", [records, state])
def test_units_stand_last_in_the_names_of_figures(module: object) -> None:
    types = {name: item for name, item in vars(module).items() if isinstance(item, np.dtype)}
    assert types
    breaches = sorted(
        f"{type_name}.{name}: neither a unit at its end nor in the list of names that have none"
        for type_name, dtype in types.items()
        for name in _fields(dtype)
        if not name.endswith(UNITS + IDENTITIES) and name not in NAMES_WITHOUT_UNIT and not name.startswith("reserved")
    )
    assert not breaches, "\n".join(breaches)
