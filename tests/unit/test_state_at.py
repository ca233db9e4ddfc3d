"""The state at any event is that of a fold from the start; snapshots are used, and a difference is said."""

from functools import cache

import msgspec
import numpy as np
import pytest

from adapters.errors import Divergence, UserError
from adapters.journal import JournalReader, MemoryJournal, Snapshot
from adapters.journal.port import Table
from adapters.journal.sealed import seal
from engine.records import COMMAND
from replay.audit.differences import differences_of, fields_differing
from replay.audit.state_at import state_at
from replay.names import read_names
from replay.refold import refold
from tests.golden.runs import Tape, configuration, record, ticks
from tests.unit.statistics_tape import Tape as HandTape

EVENTS = 1_200
EVERY = 300
POINTS = (0, 1, 17, 100, 299, 300, 301, 350, 700, 1_100, 1_199)


@cache
def recorded() -> Tape:
    settings = configuration(
        "compiled", {"ema": {"fast": 10, "slow": 20, "price": "quote"}}, block_events=100, snapshot_every_events=EVERY
    )
    return record(settings, [ticks(EVENTS)])


def copied(**changes: str) -> MemoryJournal:
    """The tape with other snapshots: their engine's version, or one byte of their state."""
    journal = MemoryJournal()
    for table, values in recorded().journal.tables.items():
        journal.tables[table] = dict(values)
    for key, value in journal.tables[Table.SNAPSHOTS].items():
        snapshot = msgspec.structs.replace(msgspec.msgpack.decode(value[32:], type=Snapshot), **changes)
        journal.tables[Table.SNAPSHOTS][key] = seal(msgspec.msgpack.encode(snapshot, order="deterministic"))
    return journal


def from_start(reader: JournalReader, seq: int) -> str:
    return refold(reader, until_seq=seq).state_digest


def test_the_state_at_an_event_is_that_of_a_fold_from_the_start() -> None:
    with recorded().journal.read() as reader:
        for seq in (*POINTS, reader.last_seq):
            found = state_at(reader, seq)
            assert found.last_seq == seq
            assert found.state_digest == from_start(reader, seq)
            assert found.last_ts_ns == int(found.engine.view(found.state).ts_ns)
            assert found.events <= min(seq, EVERY + 100)
        told: list[int] = []
        state_at(reader, 750, told.append)
        assert told == [700, 750]


def test_snapshots_of_another_engine_are_not_used() -> None:
    with copied(engine_version="0.0.1+other").read() as reader:
        for seq in (299, 700):
            found = state_at(reader, seq)
            assert (found.state_digest, found.events) == (from_start(reader, seq), seq)


def test_snapshots_whose_state_is_another_are_not_used() -> None:
    journal = copied()
    for key, value in journal.tables[Table.SNAPSHOTS].items():
        snapshot = msgspec.msgpack.decode(value[32:], type=Snapshot)
        wrong = msgspec.structs.replace(snapshot, state=b"\x01" + snapshot.state[1:])
        journal.tables[Table.SNAPSHOTS][key] = seal(msgspec.msgpack.encode(wrong, order="deterministic"))
    with journal.read() as reader:
        found = state_at(reader, 700)
        assert (found.state_digest, found.events) == (from_start(reader, 700), 700)


def test_what_was_recorded_otherwise_is_said() -> None:
    """From the event of the other decision on, and not before."""
    decisions = recorded().decisions
    changed = int(decisions["seq"][-1])
    journal = MemoryJournal()
    with recorded().journal.read() as reader, journal.create(reader.manifest) as writer:
        for block in reader.blocks():
            rows = block.decisions.copy()
            rows.view(COMMAND)["quantity_lots"][rows.view(COMMAND)["seq"] == changed] += 1
            documents = dict(reader.documents(block.first_seq, block.last_seq))
            writer.append(block.events.copy(), rows, block.state_digest, documents)
    with journal.read() as reader:
        assert state_at(reader, changed - 1).last_seq == changed - 1
        for seq in (changed, reader.last_seq):
            with pytest.raises(Divergence, match="than the recorded one"):
                state_at(reader, seq)


def test_there_is_no_state_beyond_the_tape() -> None:
    with recorded().journal.read() as reader:
        for seq in (-1, reader.last_seq + 1):
            with pytest.raises(UserError, match=f"event {seq}: expected one of the tape"):
                state_at(reader, seq)


def test_what_differs_is_told_by_names_and_amounts() -> None:
    tape = HandTape()
    tape.instrument(0, "A/USD")
    tape.quote(0, 1_000, 1_002)
    tape.fill(0, 20, 1_002, fee=1_500)
    with tape.reader().__class__(tape.reader().store) as reader:
        names = read_names(reader)
        before, after = state_at(reader, reader.last_seq - 1), state_at(reader, reader.last_seq)
    one, other = before.engine.view(before.state), after.engine.view(after.state)
    found = {
        (entry["what"], entry["field"]): (entry["before"], entry["after"])
        for entry in differences_of(one, other, names)
    }
    assert found["account account-0", "fees"] == ("0.00", "1.50")
    assert found["position A/USD account-0", "quantity"] == (None, "2")
    assert found["position A/USD account-0", "entry price"] == (None, "10.02")
    assert differences_of(other, other, names) == []
    raw = {
        (entry["what"], entry["field"]): (entry["before"], entry["after"]) for entry in fields_differing(one, other, 99)
    }
    assert raw["positions[0,0]", "quantity_lots"] == (0, 20)
    assert raw["", "fills"] == (0, 1)
    assert len(fields_differing(one, other, 3)) == 3
    assert np.array_equal(before.state, before.state) and fields_differing(one, one, 9) == []
