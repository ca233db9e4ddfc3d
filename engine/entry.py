"""The doors into the compiled engine: byte arrays in, byte arrays out, one call a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from engine.decisions import outbox_layout
from engine.fold import step
from engine.jit import kernel
from engine.records import COMMAND, EVENT
from engine.state import DEFAULT_LIMITS, Limits, state_layout


@dataclass(frozen=True, slots=True)
class Engine:
    """The kernels for one layout of the state.

    `fold(state, events, first, count, outbox, decisions)` applies `count` events from `first` on and writes
    what was decided to `decisions`, all of them uint8 arrays; it returns (events applied, decisions written)
    and stops early where the decisions of one more event might not fit.
    """

    limits: Limits
    layout: np.dtype
    outbox_layout: np.dtype
    fold: Callable[..., tuple[int, int]]

    def new_state(self) -> np.ndarray:
        """The empty state, as bytes."""
        return np.zeros(self.layout.itemsize, dtype=np.uint8)

    def new_outbox(self) -> np.ndarray:
        return np.zeros(self.outbox_layout.itemsize, dtype=np.uint8)

    def view(self, state: np.ndarray) -> Any:
        """The state's bytes as a record, for reading by name."""
        return state.view(self.layout)[0]


def engine_for(limits: Limits = DEFAULT_LIMITS) -> Engine:
    """The engine for these capacities; the kernels are compiled at their first call."""
    return _engine_for(limits)


@cache
def _engine_for(limits: Limits) -> Engine:
    layout = state_layout(limits)
    outbox_type = outbox_layout(limits)

    def fold(state_bytes, event_bytes, first, count, outbox_bytes, decision_bytes):  # type: ignore[no-untyped-def]
        state = state_bytes.view(layout)[0]
        outbox = outbox_bytes.view(outbox_type)[0]
        events = event_bytes.view(EVENT)
        decisions = decision_bytes.view(COMMAND)
        room = len(decisions) - len(outbox.items)
        written = 0
        applied = 0
        while applied < count and written <= room:
            outbox.count = 0
            step(state, events[first + applied], outbox)
            for i in range(outbox.count):
                decisions[written] = outbox.items[i]
                written += 1
            applied += 1
        return applied, written

    return Engine(limits, layout, outbox_type, kernel(fold))
