"""What a tape says was decided, beside what this engine decides: they are compared wherever a tape is folded."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import Divergence
from adapters.journal import NO_STATE_DIGEST, Block, JournalReader
from adapters.journal.older import as_decided_by, layout_of_engine
from adapters.version import engine_version, layout_name
from engine.entry import Engine
from engine.records import COMMAND, DECISION_BYTES
from replay.recorder import state_digest

Bytes = NDArray[np.uint8]
Rows = NDArray[Any]


class Recorded:
    """The decisions and digests of one tape.

    An engine of another version may decide otherwise on the same events. Then the state that it comes to is not the
    tape's: a fold ends there, with the first event and what both decide on it.
    """

    def __init__(self, reader: JournalReader, engine: Engine) -> None:
        self._reader = reader
        self._then, self._now = reader.manifest.engine_version, engine_version()
        own = (layout_name(engine.layout), layout_of_engine(self._now))
        # Of another layout, the same state has other bytes.
        self.has_digests = reader.manifest.state_layout in own

    def as_recorded(self, decided: bytes) -> bytes:
        """Decisions of this engine in the form that the tape's engine gave them."""
        return as_decided_by(self._then, decided)

    def compare(
        self, block: Block, decided: bytes, state: Bytes, count: int | None = None, digest: bool = True
    ) -> None:
        """Compare what this engine decided on a block, or on its first `count` events. Raises Divergence.

        `decided` is in the recorded form. The state is compared too after a whole block, where `digest` asks for it,
        the block states one and this engine's states have the same layout.
        """
        whole = count is None or block.first_seq + count > block.last_seq
        recorded = block.decisions if whole else block.decisions[: _until(block, block.first_seq + (count or 0))]
        self.compare_decisions(recorded.tobytes(), decided)
        if whole and digest:
            self._compare_digest(block, state)

    def compare_decisions(self, recorded: bytes, decided: bytes) -> None:
        """Compare decisions on the same events. Raises Divergence."""
        if recorded != decided:
            self._differ(recorded, decided)

    def _compare_digest(self, block: Block, state: Bytes) -> None:
        if not self.has_digests or block.state_digest == NO_STATE_DIGEST:
            return
        found = state_digest(state)
        if found != block.state_digest:
            raise Divergence(
                f"block {block.first_seq} to {block.last_seq}: state digest {found.hex()[:16]} after it, recorded "
                f"{block.state_digest.hex()[:16]}{self._engines()}"
            )

    def _differ(self, recorded: bytes, decided: bytes) -> None:
        from replay.audit.wording import decision_text
        from replay.names import read_names

        seq = first_difference(recorded, decided)
        names = read_names(self._reader, seq)
        ones, others = (only_in(seq, *pair) for pair in ((recorded, decided), (decided, recorded)))
        texts = ["; ".join(decision_text(row, names) for row in rows) or "nothing more" for rows in (ones, others)]
        if texts[0] == texts[1]:  # they differ in what is not said in words
            texts = [str(rows.tolist()) for rows in (ones, others)]
        raise Divergence(
            f"event {seq}: another decision than the recorded one: recorded is {texts[0]}, this engine decides "
            f"{texts[1]}; up to event {seq - 1} all decisions are the same{self._engines()}"
        )

    def _engines(self) -> str:
        """Say with a difference that another engine recorded the tape, where that is so."""
        return (
            "" if self._then == self._now else f"; it was recorded by engine {self._then}, this is engine {self._now}"
        )


def first_difference(one: bytes, other: bytes) -> int:
    """The event of the first decision that one list has and the other has not, 0 where they are the same."""
    if one == other:
        return 0
    ones, others = (np.frombuffer(decisions, "V64") for decisions in (one, other))
    length = min(len(ones), len(others))
    unlike = np.flatnonzero(ones[:length] != others[:length])
    same = int(unlike[0]) if len(unlike) else length
    return min(int(rows.view(COMMAND)["seq"][same]) for rows in (ones, others) if same < len(rows))


def only_in(seq: int, one: bytes, other: bytes) -> Rows:
    """The decisions on an event that one list has and the other has not, or has less often."""
    own, others = (np.frombuffer(decisions, COMMAND) for decisions in (one, other))
    left = Counter(row.tobytes() for row in others[others["seq"] == seq])
    rows = []
    for row in own[own["seq"] == seq]:
        if left[row.tobytes()] == 0:
            rows.append(row)
        left[row.tobytes()] -= 1
    return np.array(rows, COMMAND)


def _until(block: Block, next_seq: int) -> int:
    """How many bytes of a block's decisions are on events before `next_seq`."""
    return int(np.searchsorted(block.decisions.view(COMMAND)["seq"], next_seq)) * DECISION_BYTES
