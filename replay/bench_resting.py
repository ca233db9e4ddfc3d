"""A benchmark's strategy: rests limit orders far below the market, one a quote, until there are enough."""

from collections.abc import Mapping
from typing import Any

from adapters.strategies.interface import emit
from engine.jit import kernel
from engine.kinds import Action
from engine.records import record

FAR_BELOW_TICKS = 100_000

MEMORY = record([("wanted", "<i8"), ("placed", "<i8")])


def start(memory: Any, parameters: Mapping[str, Any]) -> None:
    """`orders`: how many to rest."""
    memory.wanted = parameters["orders"]


@kernel
def on_quote(memory: Any, quote: Any, signals: Any) -> None:
    if memory.placed < memory.wanted:
        memory.placed += 1
        signal = emit(signals, quote.instrument, Action.BUY)
        signal.quantity_lots = memory.placed
        signal.limit_ticks = quote.bid_ticks - FAR_BELOW_TICKS - memory.placed
