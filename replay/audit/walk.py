"""The state along a tape, and one event of it decided again with all that was compared on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.journal import Document, JournalReader
from engine.records import COMMAND, DECISION_BYTES
from replay.audit.seek import event_at
from replay.audit.state_at import state_at
from replay.recorded import Recorded

Bytes = NDArray[np.uint8]
Rows = NDArray[Any]

# Going on is cheaper than starting at a snapshot while no more events lie between.
_GOES_ON_EVENTS = 2 << 20


@dataclass(frozen=True, slots=True)
class Decided:
    """Event `seq` (a row of EVENT) decided again: its decisions, and what was compared and passed before them.

    `decisions` are rows of COMMAND, `passed` rows of `engine.decisions.COMPARED`; `before` and `after` are records of
    `engine.state`, which stay as they are.
    """

    seq: int
    event: Any
    document: Document | None
    decisions: Rows
    passed: Rows
    before: Any
    after: Any


class Walk:
    """Goes from event to event of a tape, best in their order. What is decided is compared with what is recorded."""

    def __init__(self, reader: JournalReader, progress: Callable[[int], None] | None = None) -> None:
        self._reader = reader
        self._progress = progress
        self._folded = state_at(reader, 0)
        self._engine = self._folded.engine
        self._recorded = Recorded(reader, self._engine)
        self._state, self._seq = self._folded.state, 0
        self._outbox = self._engine.new_outbox()
        self._asked: Any = self._outbox.view(self._engine.outbox_layout)[0]
        self._room = np.zeros((len(self._asked["items"]) + 4096) * DECISION_BYTES, dtype=np.uint8)

    def to(self, seq: int) -> Any:
        """The state after event `seq`, a record of `engine.state`; it stays as it is. Raises Divergence."""
        if not self._seq <= seq <= self._seq + _GOES_ON_EVENTS:
            self._state, self._seq = state_at(self._reader, seq, self._progress).state, seq
        while self._seq < seq:
            block = self._reader.block_at(self._seq + 1)
            first = self._seq + 1 - block.first_seq
            count = min(block.last_seq, seq) - self._seq
            decided = self._recorded.as_recorded(self._fold(block.events, first, count))
            rows = block.decisions.view(COMMAND)
            own = rows[(rows["seq"] > self._seq) & (rows["seq"] <= self._seq + count)]
            self._recorded.compare_decisions(own.tobytes(), decided)
            self._seq += count
        return self._engine.view(self._state.copy())

    def decide(self, seq: int) -> Decided:
        """Decide event `seq` again, listing what passes. Raises Divergence where other decisions come of it."""
        before = self.to(seq - 1)
        found = event_at(self._reader, seq)
        self._asked["listing"], self._asked["listed"] = 1, 0
        decided = self._fold(np.frombuffer(found.event.tobytes(), np.uint8).copy(), 0, 1)
        self._asked["listing"] = 0
        self._recorded.compare_decisions(found.decisions.tobytes(), self._recorded.as_recorded(decided))
        self._seq = seq
        return Decided(
            seq=seq,
            event=found.event,
            document=self._reader.document(seq),
            decisions=found.decisions,
            passed=self._asked["compared"][: int(self._asked["listed"])].copy(),
            before=before,
            after=self._engine.view(self._state.copy()),
        )

    def _fold(self, events: Bytes, first: int, count: int) -> bytes:
        decided = []
        end = first + count
        while first < end:
            applied, written = self._engine.fold(self._state, events, first, end - first, self._outbox, self._room)
            decided.append(self._room[: written * DECISION_BYTES].tobytes())
            first += applied
        return b"".join(decided)
