"""A tape up to a point, read as if it ended there."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from adapters.journal import NO_STATE_DIGEST, Block, JournalReader
from engine.records import COMMAND, DECISION_BYTES, EVENT, EVENT_BYTES


class CutTape(JournalReader):
    """A reader of the first `last_seq` events of another reader's tape."""

    def __init__(self, whole: JournalReader, last_seq: int) -> None:
        super().__init__(whole.store)
        self._last_seq = last_seq

    @property
    def last_seq(self) -> int:
        return self._last_seq

    def batches(self, first_seq: int = 1, last_seq: int | None = None, verified: bool = True) -> Iterator[list[Block]]:
        end = self._last_seq if last_seq is None else min(last_seq, self._last_seq)
        for blocks in super().batches(first_seq, end, verified):
            yield [block if block.last_seq <= self._last_seq else _cut(block, self._last_seq) for block in blocks]


def _cut(block: Block, last_seq: int) -> Block:
    events = block.events[: (last_seq - block.first_seq + 1) * EVENT_BYTES]
    decided = np.searchsorted(block.decisions.view(COMMAND)["seq"], last_seq, side="right")
    return replace(
        block,
        last_seq=last_seq,
        events=events,
        decisions=block.decisions[: int(decided) * DECISION_BYTES],
        last_ts_ns=int(events.view(EVENT)["ts_ns"].max()),
        state_digest=NO_STATE_DIGEST,
    )
