"""A benchmark's strategy: watches every quote, and every so many of them it buys or sells, in turns."""

from collections.abc import Mapping
from typing import Any

from adapters.strategies.interface import emit
from engine.jit import kernel
from engine.kinds import Action
from engine.records import record

INSTRUMENTS_MAX = 128

MEMORY = record([("every", "<i8"), ("quotes", "<i8"), ("bought", "<i8", (INSTRUMENTS_MAX,))])


def start(memory: Any, parameters: Mapping[str, Any]) -> None:
    """`every`: how many quotes there are to a signal."""
    memory.every = parameters["every"]


@kernel
def on_quote(memory: Any, quote: Any, signals: Any) -> None:
    memory.quotes += 1
    if memory.quotes % memory.every == 0:
        bought = memory.bought[quote.instrument]
        emit(signals, quote.instrument, Action.SELL if bought else Action.BUY)
        memory.bought[quote.instrument] = 1 - bought
