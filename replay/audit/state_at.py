"""The state as it was after an event: from the newest snapshot at or before it, and the events since."""

import time
from collections.abc import Callable

import numpy as np

from adapters.errors import UserError
from adapters.journal import JournalReader, Snapshot
from adapters.version import engine_version
from replay.ahead import blocks_ahead
from replay.recorded import Recorded
from replay.recorder import state_digest
from replay.refold import Folder, Refold, limits_of


def state_at(reader: JournalReader, seq: int, progress: Callable[[int], None] | None = None) -> Refold:
    """The state after event `seq`, 0 for the one before the first.

    Snapshots of another engine version are not used. What is decided on the way is compared with what was recorded:
    raises Divergence where it differs, JournalDamaged. `events` of the result are those folded, and it has no digest
    of commands. `progress` is told the sequence number reached.
    """
    if not 0 <= seq <= reader.last_seq:
        raise UserError(f"event {seq}: expected one of the tape, 0 to {reader.last_seq}")
    folder = Folder(limits_of(reader))
    recorded = Recorded(reader, folder.engine)
    started = time.perf_counter()
    first_seq = begin_at_snapshot(reader, folder, seq) + 1
    for block in blocks_ahead(reader, first_seq) if first_seq <= seq else ():
        count = min(block.last_seq, seq) - block.first_seq + 1
        decided = recorded.as_recorded(folder.fold(block.events, count))
        recorded.compare(block, decided, folder.state, count)
        if progress is not None:
            progress(block.first_seq + count - 1)
        if block.last_seq >= seq:
            break
    row = folder.engine.view(folder.state)
    digest = state_digest(folder.state).hex()
    wall_s = time.perf_counter() - started
    return Refold(folder.engine, folder.state, seq - first_seq + 1, seq, int(row.ts_ns), digest, "", wall_s)


def begin_at_snapshot(reader: JournalReader, folder: Folder, seq: int) -> int:
    """Start from the newest usable snapshot at or before event `seq`; its event, 0 where there is none."""
    while (snapshot := reader.snapshot_before(seq)) is not None:
        if _is_usable(snapshot, folder):
            folder.state[:] = np.frombuffer(snapshot.state, np.uint8)
            return snapshot.seq
        seq = snapshot.seq - 1
    return 0


def _is_usable(snapshot: Snapshot, folder: Folder) -> bool:
    if snapshot.engine_version != engine_version() or len(snapshot.state) != len(folder.state):
        return False
    return state_digest(np.frombuffer(snapshot.state, np.uint8)) == snapshot.state_digest
