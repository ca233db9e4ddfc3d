"""Fold a recorded tape again, to any point, compared with what was recorded."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from adapters.errors import UserError
from adapters.journal import JournalReader
from engine.entry import Engine, engine_for
from engine.records import DECISION_BYTES
from engine.state import Limits
from replay.ahead import blocks_ahead
from replay.recorded import Recorded
from replay.recorder import state_digest

Bytes = NDArray[np.uint8]
Progress = Callable[[int], None]

_DECISIONS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class Refold:
    """Where a refold led: `state` as bytes of `engine.layout`, digests in hexadecimal."""

    engine: Engine
    state: Bytes
    events: int
    last_seq: int
    last_ts_ns: int
    state_digest: str
    command_digest: str
    wall_s: float


class Folder:
    """Folds blocks of one layout, giving the decisions of each call as bytes."""

    def __init__(self, limits: Limits) -> None:
        self.engine = engine_for(limits)
        self.state = self.engine.new_state()
        self._outbox = self.engine.new_outbox()
        items = len(np.zeros(1, self.engine.outbox_layout)["items"][0])
        self._decisions = np.zeros((_DECISIONS_AT_ONCE + items) * DECISION_BYTES, dtype=np.uint8)

    def fold(self, events: Bytes, count: int) -> bytes:
        """Apply the first `count` events; returns what was decided."""
        decided = []
        first = 0
        while first < count:
            applied, written = self.engine.fold(self.state, events, first, count - first, self._outbox, self._decisions)
            decided.append(self._decisions[: written * DECISION_BYTES].tobytes())
            first += applied
        return b"".join(decided)


def limits_of(reader: JournalReader) -> Limits:
    """The capacities that a journal was written with. Raises UserError for names this engine does not know."""
    try:
        return Limits(**reader.manifest.layout)
    except (TypeError, AssertionError):
        raise UserError(f"the journal's layout {reader.manifest.layout} is not one that this engine knows") from None


def refold(
    reader: JournalReader,
    until_seq: int | None = None,
    compare: bool = False,
    progress: Progress | None = None,
) -> Refold:
    """Fold the tape from its start up to and including `until_seq`, None for all of it.

    Decisions are compared with the recorded ones after every block, and so is the state's digest at the end, or with
    `compare` after every block; the first difference raises Divergence.
    """
    folder = Folder(limits_of(reader))
    recorded = Recorded(reader, folder.engine)
    commands = blake3()
    last_of_tape = reader.last_seq
    started = time.perf_counter()
    events = last_seq = last_ts_ns = 0
    for block in blocks_ahead(reader):
        end = block.last_seq if until_seq is None else min(block.last_seq, until_seq)
        count = max(0, end - block.first_seq + 1)
        decided = recorded.as_recorded(folder.fold(block.events, count))
        commands.update(decided)
        events += count
        if count:
            last_seq = block.first_seq + count - 1
            last_ts_ns = int(folder.engine.view(folder.state).ts_ns)
        recorded.compare(block, decided, folder.state, count, digest=compare or block.last_seq == last_of_tape)
        if progress is not None:
            progress(events)
        if count < block.last_seq - block.first_seq + 1:
            break
    wall_s = time.perf_counter() - started
    digest = state_digest(folder.state).hex()
    return Refold(folder.engine, folder.state, events, last_seq, last_ts_ns, digest, commands.hexdigest(), wall_s)
