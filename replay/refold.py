"""Fold a recorded tape again: to any point, compared with what was recorded, or watched as it goes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from adapters.errors import Divergence, UserError
from adapters.journal import NO_STATE_DIGEST, Block, JournalReader
from engine.entry import Engine, engine_for
from engine.records import COMMAND, DECISION_BYTES
from engine.state import Limits
from replay.ahead import blocks_ahead
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

    With `compare`, decisions and the state's digest are compared with the recorded ones after every block;
    the first difference raises Divergence.
    """
    folder = Folder(limits_of(reader))
    commands = blake3()
    started = time.perf_counter()
    events = last_seq = last_ts_ns = 0
    for block in blocks_ahead(reader):
        end = block.last_seq if until_seq is None else min(block.last_seq, until_seq)
        count = max(0, end - block.first_seq + 1)
        decided = folder.fold(block.events, count)
        commands.update(decided)
        events += count
        if count:
            last_seq = block.first_seq + count - 1
            last_ts_ns = int(folder.engine.view(folder.state).ts_ns)
        if compare:
            compare_block(block, decided, folder.state, count)
        if progress is not None:
            progress(events)
        if count < block.last_seq - block.first_seq + 1:
            break
    wall_s = time.perf_counter() - started
    digest = state_digest(folder.state).hex()
    return Refold(folder.engine, folder.state, events, last_seq, last_ts_ns, digest, commands.hexdigest(), wall_s)


def compare_block(block: Block, decided: bytes, state: Bytes, count: int | None = None) -> None:
    """Compare what was decided on a block, or on its first `count` events, with what is recorded. Raises Divergence."""
    where = f"block {block.first_seq} to {block.last_seq}"
    whole = count is None or block.first_seq + count > block.last_seq
    recorded = block.decisions if whole else block.decisions[: _decided_until(block, block.first_seq + (count or 0))]
    if decided != recorded.tobytes():
        _differ(where, recorded.tobytes(), decided)
    if not whole:
        return
    found = state_digest(state)
    if block.state_digest not in (found, NO_STATE_DIGEST):
        raise Divergence(f"{where}: state digest {found.hex()[:16]} after it, recorded {block.state_digest.hex()[:16]}")


def _decided_until(block: Block, next_seq: int) -> int:
    """How many bytes of a block's decisions are on events before `next_seq`."""
    return int(np.searchsorted(block.decisions.view(COMMAND)["seq"], next_seq)) * DECISION_BYTES


def _differ(where: str, recorded: bytes, decided: bytes) -> None:
    pairs = zip(range(0, len(recorded), DECISION_BYTES), range(0, len(decided), DECISION_BYTES), strict=False)
    same = next(
        (i for i, _ in pairs if recorded[i : i + DECISION_BYTES] != decided[i : i + DECISION_BYTES]),
        min(len(recorded), len(decided)),
    )
    raise Divergence(
        f"{where}: decision {same // DECISION_BYTES + 1} of the block differs from the recorded one "
        f"({len(decided) // DECISION_BYTES} decided, {len(recorded) // DECISION_BYTES} recorded)"
    )
