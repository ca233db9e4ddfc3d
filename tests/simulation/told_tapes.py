"""Random tapes of the twin on a journal in memory, with what the twin says passed on every event."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from adapters.journal import NO_STATE_DIGEST, Document, Manifest, MemoryJournal
from engine.records import COMMAND, EVENT, EVENT_BYTES
from tests.twin import tapes
from tests.twin.machine import SMALL_LIMITS
from tests.twin.together import KINDS, Together

Passed = list[tuple[int, int, int]]


@dataclass
class ToldTape:
    """A tape with its events and decisions, and by sequence number (reason, limit, observed) of what passed."""

    events: Any
    decisions: Any
    passed: dict[int, Passed]
    journal: MemoryJournal = field(default_factory=MemoryJournal)

    def seqs(self, kind: int) -> list[int]:
        """The events on which a decision of this kind was made, each once."""
        rows = self.decisions[self.decisions["kind"] == kind]
        return sorted(set(rows["seq"].tolist()))


def tell(kind: str, seed: int, events: int, block_events: int = 16) -> ToldTape:
    """The tape of a seed, told to the engine and to its twin, which agree on it."""
    both, choose = Together(), tapes.seeded_choices(seed)
    flavour = KINDS[kind][seed % len(KINDS[kind])]
    passed: dict[int, Passed] = {}
    for event in flavour.prologue():
        both.tell(event)
    for _ in range(events):
        both.tell(flavour.following(both.twin, choose))
        passed[both.twin.seq] = list(both.twin.passed)
    told, decided = np.concatenate(both.told), np.concatenate([*both.decided, np.zeros(0, np.uint8)])
    tape = ToldTape(told.view(EVENT), decided.view(COMMAND), passed)
    write(tape.journal, told, decided, block_events)
    return tape


def write(
    journal: MemoryJournal,
    events: np.ndarray,
    decisions: np.ndarray,
    block_events: int,
    documents: dict[int, Document] | None = None,
    journal_id: str = "0" * 32,
) -> None:
    """Put events and the decisions on them onto a new tape, so many a block."""
    manifest = Manifest(
        journal_id=journal_id,
        engine_version="0.0.0",
        layout=asdict(SMALL_LIMITS),
        configuration_hash="",
        mode="backtest",
        created_ns=0,
    )
    rows = decisions.view(COMMAND)
    with journal.create(manifest) as writer:
        for first in range(0, len(events) // EVENT_BYTES, block_events):
            part = events[first * EVENT_BYTES : (first + block_events) * EVENT_BYTES]
            last = first + len(part) // EVENT_BYTES
            own = rows[(rows["seq"] > first) & (rows["seq"] <= last)]
            said = {seq: text for seq, text in (documents or {}).items() if first < seq <= last}
            writer.append(part, np.ascontiguousarray(own).view(np.uint8), NO_STATE_DIGEST, said)
