"""Where two tapes part: found wherever they do, with few blocks read where their chain says where to look."""

from typing import Any

import numpy as np
import pytest

from adapters.journal import JournalReader, MemoryJournal
from engine.kinds import DecisionKind
from engine.records import COMMAND, EVENT
from replay.audit.bisect import What, part_from_engine, part_tapes
from tests.simulation.told_tapes import ToldTape, tell, write


@pytest.fixture(scope="module")
def tape() -> ToldTape:
    return tell("engine", 3, 220)


def copy_of(
    tape: ToldTape, block_events: int = 16, events: Any = None, decisions: Any = None, journal_id: str = "0" * 32
) -> MemoryJournal:
    """The tape once more, in other blocks or with other records."""
    journal = MemoryJournal()
    rows = tape.events if events is None else events
    decided = tape.decisions if decisions is None else decisions
    write(journal, rows.view(np.uint8), np.ascontiguousarray(decided).view(np.uint8), block_events, None, journal_id)
    return journal


def part(one: MemoryJournal, other: MemoryJournal) -> Any:
    with one.read() as first, other.read() as second:
        return part_tapes(first, second)


@pytest.mark.parametrize(("block_events", "journal_id"), [(16, "0" * 32), (7, "0" * 32), (16, "1" * 32), (1, "1" * 32)])
def test_the_same_tape_is_the_same_in_any_blocks_and_under_any_name(
    tape: ToldTape, block_events: int, journal_id: str
) -> None:
    parted = part(tape.journal, copy_of(tape, block_events, journal_id=journal_id))
    assert parted.what == What.NOTHING and parted.seq == 0 and parted.compared == len(tape.events)


@pytest.mark.parametrize(("block_events", "journal_id"), [(16, "0" * 32), (7, "0" * 32), (16, "1" * 32)])
def test_every_other_event_is_found(tape: ToldTape, block_events: int, journal_id: str) -> None:
    for seq in range(1, len(tape.events) + 1, 7):
        events = tape.events.copy()
        events["payload"][seq - 1][4] += 1
        parted = part(tape.journal, copy_of(tape, block_events, events, journal_id=journal_id))
        assert (parted.what, parted.seq, parted.compared) == (What.EVENT, seq, seq - 1)
        assert parted.events[0].tobytes() == tape.events[seq - 1].tobytes()
        assert parted.events[1].tobytes() == events[seq - 1].tobytes()


@pytest.mark.parametrize("block_events", [16, 7])
def test_every_other_decision_is_found(tape: ToldTape, block_events: int) -> None:
    for place in range(0, len(tape.decisions), 3):
        decisions = tape.decisions.copy()
        decisions["limit_ticks"][place] += 1
        parted = part(tape.journal, copy_of(tape, block_events, decisions=decisions))
        assert (parted.what, parted.seq) == (What.DECISION, tape.decisions["seq"][place])
        assert len(parted.decisions[0]) == len(parted.decisions[1]) > 0


def test_every_decision_that_is_missing_is_found(tape: ToldTape) -> None:
    for place in range(0, len(tape.decisions), 3):
        parted = part(copy_of(tape, decisions=np.delete(tape.decisions, place)), tape.journal)
        assert (parted.what, parted.seq) == (What.DECISION, tape.decisions["seq"][place])
        assert len(parted.decisions[0]) == len(parted.decisions[1]) - 1


def test_a_tape_that_goes_on_parts_where_the_other_ends(tape: ToldTape) -> None:
    shorter = copy_of(tape, 16, tape.events[:100], tape.decisions[tape.decisions["seq"] <= 100])
    for one, other, ended in ((shorter, tape.journal, 0), (tape.journal, shorter, 1)):
        parted = part(one, other)
        assert (parted.what, parted.seq, parted.compared) == (What.END, 101, 100)
        assert parted.events[ended] is None and parted.events[1 - ended] is not None


def test_where_the_chain_agrees_only_a_few_blocks_are_read(tape: ToldTape, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tapes of one manifest in blocks of one event: the place is searched, not walked to."""
    events = tape.events.copy()
    events["payload"][-2][4] += 1
    one, other = copy_of(tape, 1), copy_of(tape, 1, events)
    read = 0
    block_at = JournalReader.block_at

    def counting(reader: JournalReader, seq: int) -> Any:
        nonlocal read
        read += 1
        return block_at(reader, seq)

    monkeypatch.setattr(JournalReader, "block_at", counting)
    assert part(one, other).seq == len(events) - 1
    assert read <= 2 * (len(events).bit_length() + 2)


def test_this_engine_decides_as_its_own_tape_says(tape: ToldTape) -> None:
    with tape.journal.read() as reader:
        parted = part_from_engine(reader)
    assert parted.what == What.NOTHING and parted.compared == len(tape.events)


def test_a_tape_that_says_another_decision_parts_from_this_engine(tape: ToldTape) -> None:
    """As that of another engine would."""
    place = int(np.flatnonzero(tape.decisions["kind"] == DecisionKind.PLACE_ORDER)[2])
    decisions = tape.decisions.copy()
    decisions["quantity_lots"][place] += 1
    with copy_of(tape, decisions=decisions).read() as reader:
        parted = part_from_engine(reader)
    seq = int(decisions["seq"][place])
    assert (parted.what, parted.seq, parted.compared) == (What.DECISION, seq, seq - 1)
    recorded, decided = parted.decisions
    assert recorded.tobytes() == decisions[decisions["seq"] == seq].tobytes()
    assert decided.tobytes() == tape.decisions[tape.decisions["seq"] == seq].tobytes()
    assert parted.events[0].tobytes() == tape.events[seq - 1].tobytes()
    assert COMMAND.itemsize == EVENT.itemsize
