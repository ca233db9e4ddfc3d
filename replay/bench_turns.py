"""A benchmark's strategy: watches every quote, and every so many of them it buys or sells, in turns."""

from collections.abc import Mapping
from typing import Any

from adapters.strategies.interface import emit
from engine.jit import kernel
from engine.kinds import Action
from engine.records import record

MEMORY = record([("every", "<i8"), ("quotes", "<i8"), ("turns", "<i8")])


def start(memory: Any, parameters: Mapping[str, Any]) -> None:
    """`every`: how many quotes there are to a signal."""
    memory.every = parameters["every"]


@kernel
def on_quote(memory: Any, quote: Any, signals: Any) -> None:
    memory.quotes += 1
    if memory.quotes % memory.every == 0:
        # Each instrument comes round with the other side, so that positions are closed and not piled up.
        emit(signals, quote.instrument, Action.BUY if memory.turns % 2 == 0 else Action.SELL)
        memory.turns += 1
