"""The host of compiled strategies: binds their kernels into one function that the loop calls for each event.

The loop is compiled once for all strategies and calls this function through a pointer. Its source is written
to the compile cache, so that it is loaded and not compiled again at the next start.
"""

import importlib.util
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from adapters.compile_cache import cache_folder, digest_of
from adapters.errors import UserError
from adapters.strategies.interface import SIGNALS
from adapters.strategies.loading import load_module, source_files
from engine.jit import INTERPRETED
from engine.kinds import EventKind
from engine.records import EVENT, record

MEMORY_BYTES_MAX = 65_536
HANDLERS = {"on_quote": "QUOTE", "on_trade": "TRADE", "on_bar": "BAR", "on_fill": "FILL", "on_timer": "TIMER"}
HANDLED_KINDS = {
    "on_quote": EventKind.QUOTE,
    "on_trade": EventKind.TRADE,
    "on_bar": EventKind.BAR,
    "on_fill": EventKind.ORDER_FILLED,
    "on_timer": EventKind.TIMER,
}
ALL_STRATEGIES = -1
_WORDS_MAX = 200

MEMORY = record([("words", "<i8", (MEMORY_BYTES_MAX // 8,))])
SIGNATURE = numba.types.void(
    numba.from_dtype(MEMORY), numba.from_dtype(EVENT), numba.types.int64, numba.from_dtype(SIGNALS)
)

if INTERPRETED:

    def section(memory: Any, first_word: int, words: int, dtype: np.dtype[Any]) -> Any:
        """The part of the memory record that one strategy owns, as its own record type; a view."""
        return memory.words[first_word : first_word + words].view(dtype)[0]

    def call(function: Any, memory: Any, event: Any, owner: int, signals: Any) -> None:
        """Call a bound function, which the loop knows by itself or, compiled, by its address."""
        function(memory, event, owner, signals)

else:

    @intrinsic
    def section(typing_context, memory, first_word, words, dtype):  # type: ignore[no-untyped-def]
        """The part of the memory record that one strategy owns, as its own record type; a view."""

        def pointer_at(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            byte = builder.mul(arguments[1], arguments[1].type(8))
            address = builder.ptrtoint(arguments[0], byte.type)
            return builder.inttoptr(builder.add(address, byte), context.get_value_type(signature.return_type))

        return dtype.dtype(memory, numba.types.int64, numba.types.int64, dtype), pointer_at

    @intrinsic
    def call(typing_context, function, memory, event, owner, signals):  # type: ignore[no-untyped-def]
        """Call a bound function, which the loop knows by itself or, compiled, by its address."""

        def call_address(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
            types = [argument.type for argument in arguments[1:]]
            pointer: Any = ir.FunctionType(ir.VoidType(), types).as_pointer()  # type: ignore[no-untyped-call]
            builder.call(builder.inttoptr(arguments[0], pointer), arguments[1:])
            return context.get_dummy_value()

        return numba.types.void(numba.types.int64, memory, event, numba.types.int64, signals), call_address


@dataclass(frozen=True, slots=True)
class CompiledStrategy:
    """One compiled strategy: its number on the tape, its module and its parameters."""

    number: int
    name: str
    entry: str
    parameters: Mapping[str, Any]


def _module(strategy: CompiledStrategy, folder: Path) -> ModuleType:
    module = load_module(strategy.entry, folder)
    if not isinstance(getattr(module, "MEMORY", None), np.dtype):
        raise UserError(f"strategy {strategy.name}: {strategy.entry} has no record type MEMORY, expected a numpy dtype")
    if not any(hasattr(module, handler) for handler in HANDLERS):
        raise UserError(f"strategy {strategy.name}: {strategy.entry} has none of {', '.join(HANDLERS)}")
    if module.MEMORY.itemsize % 8:
        raise UserError(
            f"strategy {strategy.name}: MEMORY has {module.MEMORY.itemsize} bytes, expected a multiple of 8"
        )
    return module


def _binding_source(strategies: Sequence[CompiledStrategy], modules: Sequence[ModuleType], folder: Path) -> str:
    """The text of a module whose `on_event` hands an event to the handlers of every strategy, in their order."""
    lines = [
        "from pathlib import Path",
        "from adapters.strategies.compiled import section",
        "from adapters.strategies.loading import load_module",
        "from engine.jit import overlay",
        "from engine.kinds import EventKind",
        f"from engine.records import {', '.join(HANDLERS.values())}",
    ]
    body: dict[str, list[str]] = {handler: [] for handler in HANDLERS}
    first_word = 0
    for strategy, module in zip(strategies, modules, strict=True):
        number, words = strategy.number, module.MEMORY.itemsize // 8
        lines.append(f"strategy_{number} = load_module({strategy.entry!r}, Path({str(folder)!r}))")
        lines.append(f"MEMORY_{number} = strategy_{number}.MEMORY")
        for handler, overlay_name in HANDLERS.items():
            if not hasattr(module, handler):
                continue
            lines.append(f"{handler}_{number} = strategy_{number}.{handler}")
            body[handler] += [
                f"        if owner < 0 or owner == {number}:",
                "            first = signals.count",
                f"            {handler}_{number}(section(memory, {first_word}, {words}, MEMORY_{number}), "
                f"overlay(event, {overlay_name}), signals)",
                "            for i in range(first, min(signals.count, len(signals.items))):",
                f"                signals.items[i].source = {number}",
            ]
        first_word += words
    lines += ["", "", "def on_event(memory, event, owner, signals):", "    kind = event.kind"]
    for handler, block in body.items():
        if block:
            lines += [f"    if kind == EventKind.{HANDLED_KINDS[handler].name}:", *block]
    return "\n".join(lines) + "\n"


def _compiled_function(source: str, files: Sequence[Path]) -> Any:
    """`on_event` of the binding module, compiled or taken from the cache that belongs to exactly these sources."""
    folder = cache_folder()
    if folder is None or INTERPRETED:
        namespace: dict[str, Any] = {}
        exec(compile(source, "<strategies>", "exec"), namespace)
        function = namespace["on_event"]
        return function if INTERPRETED else numba.cfunc(SIGNATURE, error_model="numpy")(function)
    name = "strategies_" + digest_of([source.encode(), *(file.read_bytes() for file in files)])
    path = folder / f"{name}.py"
    if not path.exists():
        path.write_text(source)
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module  # where numba looks for the globals of a function that it has cached
    specification.loader.exec_module(module)
    return numba.cfunc(SIGNATURE, cache=True, error_model="numpy")(module.on_event)


@dataclass(frozen=True, slots=True)
class Binding:
    """The function for the loop, the strategies' memory (uint8) after their `start`, and the kinds they handle."""

    on_event: Any
    memory: np.ndarray
    shown_kinds: int


def _start(strategy: CompiledStrategy, module: ModuleType, row: Any) -> None:
    try:
        module.start(row, strategy.parameters)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"strategy {strategy.name}: start failed: {type(error).__name__}: {error}") from error


def _not_compiled(strategies: Sequence[CompiledStrategy], error: Exception) -> str:
    """What numba says is long and rarely names the line; plain Python does."""
    said = [line for line in str(error).splitlines() if line.strip() and not line.startswith("Failed in nopython")]
    cause = re.search(r'due to "(.+?)"', str(error))
    words = cause[1] if cause else " ".join(said[0].split()) if said else ""
    return (
        f"strategy {', '.join(strategy.entry for strategy in strategies)}: cannot be compiled: "
        f"{type(error).__name__}: {words[:_WORDS_MAX]}; NUMBA_DISABLE_JIT=1 TAPEFOLD_TRACEBACK=1 names the line"
    )


def bind(strategies: Sequence[CompiledStrategy], folder: Path) -> Binding:
    """Bind compiled strategies; `folder` is where relative paths of strategy files start. Raises UserError."""
    modules = [_module(strategy, folder) for strategy in strategies]
    used = sum(module.MEMORY.itemsize for module in modules)
    if used > MEMORY_BYTES_MAX:
        raise UserError(f"strategies need {used} bytes of memory together, expected at most {MEMORY_BYTES_MAX}")
    memory = np.zeros(MEMORY.itemsize, dtype=np.uint8)
    first = 0
    for strategy, module in zip(strategies, modules, strict=True):
        size = module.MEMORY.itemsize
        row = memory[first : first + size].view(module.MEMORY)[0]
        if hasattr(module, "start"):
            _start(strategy, module, row)
        first += size
    files = [file for module in modules for file in source_files(module)]
    shown = {kind for module in modules for name, kind in HANDLED_KINDS.items() if hasattr(module, name)}
    source = _binding_source(strategies, modules, folder)
    try:
        on_event = _compiled_function(source, files)
    except Exception as error:
        raise UserError(_not_compiled(strategies, error)) from error
    return Binding(on_event, memory, sum(1 << kind for kind in shown))
