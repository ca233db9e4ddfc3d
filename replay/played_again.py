"""A tape that a simulated exchange has part in, made once more from what came from outside."""

import numpy as np
from numpy.typing import NDArray

from adapters.errors import Divergence
from adapters.journal import Block
from engine.kinds import EventKind
from engine.records import DECISION_BYTES, EVENT, EVENT_BYTES

Bytes = NDArray[np.uint8]

# What strategies and the simulated exchange make themselves.
MADE_KINDS = [int(EventKind.SIGNAL), *range(EventKind.ORDER_SENT, EventKind.ORDER_TRIGGERED + 1)]


def inputs_of(events: Bytes) -> Bytes:
    """Market data, time, people, settings, connections: what neither strategies nor the simulated exchange made."""
    rows = events.view(EVENT)
    return np.ascontiguousarray(rows[~np.isin(rows["kind"], MADE_KINDS)]).view(np.uint8)


class Comparison:
    """Of what was made with what is on the tape, in pieces that need not end at the same events.

    What a record filled at the exchange is told before the record, so a block may end between the two.
    """

    def __init__(self) -> None:
        self._made = _Stream("event", EVENT_BYTES)
        self._decided = _Stream("decision", DECISION_BYTES)

    def add(self, events: bytes, decisions: bytes) -> None:
        self._made.made += events
        self._decided.made += decisions

    def compare(self, block: Block) -> None:
        """Raises Divergence at the first event or decision that is another."""
        self._made.compare(block.events.tobytes())
        self._decided.compare(block.decisions.tobytes())

    @property
    def is_behind(self) -> bool:
        """Whether the tape has events that were not made yet."""
        return self._made.is_behind

    def end(self) -> None:
        """Nothing may be left on either side. Raises Divergence."""
        self._made.end()
        self._decided.end()


class _Stream:
    def __init__(self, name: str, item_bytes: int) -> None:
        self.made = bytearray()
        self._recorded = bytearray()
        self._name = name
        self._item_bytes = item_bytes
        self._compared = 0

    def compare(self, recorded: bytes) -> None:
        self._recorded += recorded
        length = min(len(self.made), len(self._recorded))
        if self.made[:length] != self._recorded[:length]:
            pairs = enumerate(zip(self.made, self._recorded, strict=False))
            place = next(place for place, (one, other) in pairs if one != other)
            self._differ(place)
        del self.made[:length], self._recorded[:length]
        self._compared += length // self._item_bytes

    @property
    def is_behind(self) -> bool:
        return len(self._recorded) > len(self.made)

    def end(self) -> None:
        self.compare(b"")
        if self.made or self._recorded:
            self._differ(0)

    def _differ(self, place: int) -> None:
        number = self._compared + place // self._item_bytes + 1
        raise Divergence(f"{self._name} {number}: the simulated exchange comes to another one than is on the tape")
