"""A compiled strategy that says more on its fifth quote than an event can hold."""

from typing import Any

from adapters.strategies.interface import emit
from engine.jit import kernel
from engine.kinds import Action
from engine.records import record

MEMORY = record([("quotes", "<i8")])


@kernel
def on_quote(memory: Any, quote: Any, signals: Any) -> None:
    memory.quotes += 1
    if memory.quotes == 5:
        for _ in range(65):
            emit(signals, quote.instrument, Action.HOLD)
