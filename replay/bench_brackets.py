"""A benchmark's strategy: opens positions with stops and targets far away, one a quote, until there are enough."""

from collections.abc import Mapping
from typing import Any

from adapters.strategies.interface import emit
from engine.jit import kernel
from engine.kinds import Action
from engine.records import record

FAR_TICKS = 100_000

MEMORY = record([("wanted", "<i8"), ("opened", "<i8")])


def start(memory: Any, parameters: Mapping[str, Any]) -> None:
    """`brackets`: how many to open."""
    memory.wanted = parameters["brackets"]


@kernel
def on_quote(memory: Any, quote: Any, signals: Any) -> None:
    if memory.opened < memory.wanted:
        memory.opened += 1
        signal = emit(signals, quote.instrument, Action.BUY)
        signal.quantity_lots = 1
        signal.stop_ticks = quote.bid_ticks - FAR_TICKS - memory.opened
        signal.target_ticks = quote.bid_ticks + FAR_TICKS + memory.opened
