"""Where two tapes part: by the hash chain as far as their blocks agree, then record by record."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.journal import NO_STATE_DIGEST, Block, JournalReader
from engine.records import COMMAND, EVENT, EVENT_BYTES
from replay.ahead import blocks_ahead
from replay.recorded import Recorded, first_difference
from replay.recorder import state_digest
from replay.refold import Folder, limits_of

Bytes = NDArray[np.uint8]
Rows = NDArray[Any]
Progress = Callable[[int], None]


class What(Enum):
    """In what two tapes part."""

    NOTHING = "nothing"
    EVENT = "event"
    DECISION = "decision"
    END = "end"
    STATE = "state"


@dataclass(frozen=True, slots=True)
class Parted:
    """The first event at which two tapes part, 0 where they do not.

    `events` are what each has there (rows of EVENT, None where it has ended), `decisions` what each decided on it.
    `compared` is how many events are known to be the same. Where states part, `seq` is the last event of the block.
    """

    what: What
    seq: int
    compared: int
    events: tuple[Any | None, Any | None] = (None, None)
    decisions: tuple[Rows, Rows] = (np.zeros(0, COMMAND), np.zeros(0, COMMAND))


def part_tapes(one: JournalReader, other: JournalReader, progress: Progress | None = None) -> Parted:
    """The first event at which two tapes part. Raises JournalDamaged.

    Tapes with one manifest have the same hash in a block only where all before it is the same: that is searched.
    """
    seq = _agreed_until(one, other) + 1 if one.manifest_hash == other.manifest_hash else 1
    last_seq = min(one.last_seq, other.last_seq)
    while seq <= last_seq:
        blocks = one.block_at(seq), other.block_at(seq)
        end = min(blocks[0].last_seq, blocks[1].last_seq, last_seq)
        parted = _part_at(seq, end, *blocks)
        if parted is not None:
            return parted
        seq = end + 1
        if progress is not None:
            progress(end)
    if one.last_seq == other.last_seq:
        return Parted(What.NOTHING, 0, last_seq)
    events = tuple(_event(reader, seq) if reader.last_seq >= seq else None for reader in (one, other))
    return Parted(What.END, seq, last_seq, (events[0], events[1]))


def part_from_engine(reader: JournalReader, progress: Progress | None = None) -> Parted:
    """The first event of a tape on which this engine decides something else than is recorded. Raises JournalDamaged.

    The recorded decisions stand first.
    """
    folder = Folder(limits_of(reader))
    recorded = Recorded(reader, folder.engine)
    for block in blocks_ahead(reader):
        decided = recorded.as_recorded(folder.fold(block.events, len(block.events) // EVENT_BYTES))
        seq = first_difference(block.decisions.tobytes(), decided)
        if seq:
            event = block.events.view(EVENT)[seq - block.first_seq].copy()
            ones, others = block.decisions.view(COMMAND), np.frombuffer(decided, COMMAND)
            return Parted(What.DECISION, seq, seq - 1, (event, event), (_on(ones, seq), _on(others, seq)))
        if recorded.has_digests and block.state_digest not in (NO_STATE_DIGEST, state_digest(folder.state)):
            return Parted(What.STATE, block.last_seq, block.first_seq - 1)
        if progress is not None:
            progress(block.last_seq)
    return Parted(What.NOTHING, 0, reader.last_seq)


def _agreed_until(one: JournalReader, other: JournalReader) -> int:
    """Up to which event the chains of two tapes are the same."""
    low, high = 0, min(one.last_seq, other.last_seq)
    while low < high:
        middle = (low + high + 1) // 2
        block, counterpart = one.block_at(middle), other.block_at(middle)
        if block.hash == counterpart.hash:
            low = min(block.last_seq, high)
        else:
            high = max(min(block.first_seq, counterpart.first_seq) - 1, low)
    return low


def _part_at(first_seq: int, last_seq: int, one: Block, other: Block) -> Parted | None:
    """Where these events, or the decisions on them, part."""
    ones, others = (_events(block, first_seq, last_seq) for block in (one, other))
    decided = tuple(_decisions(block, first_seq, last_seq) for block in (one, other))
    same = np.array_equal(ones, others)
    seq = first_difference(decided[0].tobytes(), decided[1].tobytes())
    if same and not seq:
        return None
    by_event = first_seq + _first_place(ones, others) if not same else last_seq + 1
    what = What.EVENT if not seq or by_event <= seq else What.DECISION
    seq = by_event if what == What.EVENT else seq
    at = seq - first_seq
    events = ones.view(EVENT)[at].copy(), others.view(EVENT)[at].copy()
    return Parted(what, seq, seq - 1, events, (_on(decided[0], seq), _on(decided[1], seq)))


def _events(block: Block, first_seq: int, last_seq: int) -> Bytes:
    start = (first_seq - block.first_seq) * EVENT_BYTES
    return block.events[start : start + (last_seq - first_seq + 1) * EVENT_BYTES]


def _decisions(block: Block, first_seq: int, last_seq: int) -> Rows:
    rows = block.decisions.view(COMMAND)
    found: Rows = rows[(rows["seq"] >= first_seq) & (rows["seq"] <= last_seq)]
    return found


def _first_place(ones: Bytes, others: Bytes) -> int:
    """The first of equally many events that is another."""
    return int((ones != others).argmax()) // EVENT_BYTES


def _on(decisions: Rows, seq: int) -> Rows:
    found: Rows = decisions[decisions["seq"] == seq].copy()
    return found


def _event(reader: JournalReader, seq: int) -> Any:
    block = reader.block_at(seq)
    return block.events.view(EVENT)[seq - block.first_seq].copy()
