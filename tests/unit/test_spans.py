"""Spans say of a tape what a naive look at each record says; what is missing is made, what is wrong is found."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adapters.journal.spans as spans_module
from adapters.errors import JournalDamaged
from adapters.journal import check, read_spans
from adapters.journal.memory_journal import MemoryJournal, MemoryStore
from adapters.journal.port import Table
from adapters.journal.sealed import seal, seq_key
from adapters.journal.spans import SPAN, Gathering, stored_spans
from engine.kinds import DecisionKind, EventKind
from tests.conformance.journal_places import digest_of, manifest
from tests.unit.random_tapes import random_block

_ORDER_EVENTS = [
    *range(EventKind.ORDER_SENT, EventKind.ORDER_TRIGGERED + 1),
    EventKind.REQUEST_FAILED,
    EventKind.ORDER_ADOPTED,
]
_ORDER_DECISIONS = [kind for kind in DecisionKind if kind <= DecisionKind.ALERT]


def naive(first_seq: int, blocks: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """The figures of a span, record by record."""
    events = np.concatenate([events for events, _ in blocks])
    decisions = np.concatenate([decisions for _, decisions in blocks])
    placed, named, trades = [], [], []
    instruments, strategies = set(), set()
    for event in events:
        instruments.add(int(event["instrument"]) % 64)
        if event["kind"] in (EventKind.SIGNAL, EventKind.ORDER_REQUESTED, EventKind.STRATEGY_DEFINED):
            strategies.add(int(event["source"]) % 64)
        if event["kind"] in _ORDER_EVENTS:
            named.append(int(event["payload"][0]))
        if event["kind"] == EventKind.ORDER_FILLED:
            trades.append(int(event["payload"][1]))
    for decision in decisions:
        instruments.add(int(decision["instrument"]) % 64)
        strategies.add(int(decision["strategy"]) % 64)
        if decision["kind"] in _ORDER_DECISIONS:
            named.append(int(decision["order"]))
        if decision["kind"] == DecisionKind.BRACKET_CHANGED:
            named.append(int(decision["trail_ticks"]))
        if decision["kind"] == DecisionKind.PLACE_ORDER:
            placed.append(int(decision["order"]))
    found: dict[str, Any] = {
        "first_seq": first_seq,
        "last_seq": first_seq + len(events) - 1,
        "first_ts_ns": int(events["ts_ns"][0]),
        "last_ts_ns": int(events["ts_ns"][-1]),
        "highest_ts_ns": max(events["ts_ns"].tolist()),
        "blocks": len(blocks),
        "documents": 0,
        "instruments": bits(instruments),
        "strategies": bits(strategies),
        "event_counts": [int(np.count_nonzero(events["kind"] == kind)) for kind in range(64)],
        "decision_counts": [int(np.count_nonzero(decisions["kind"] == kind)) for kind in range(32)],
    }
    for name, numbers in (("placed", placed), ("named", named), ("trade", trades)):
        given = [number for number in numbers if number]
        found[f"{name}_low"], found[f"{name}_high"] = min(given, default=0), max(given, default=0)
    return found


def bits(numbers: set[int]) -> int:
    mask = sum(1 << number for number in numbers)
    return mask - (1 << 64) if mask >> 63 else mask


def shown(row: Any) -> dict[str, Any]:
    return {name: row[name].tolist() for name in SPAN.names if name != "reserved0"}


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 60), min_size=1, max_size=6), st.sampled_from([1, 64, 5_000]))
def test_a_span_says_what_a_look_at_each_record_says(seed: int, sizes: list[int], waiting: int) -> None:
    random = np.random.default_rng(seed)
    blocks, first_seq = [], 1
    gathering = Gathering()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spans_module, "_WAITING_BYTES", waiting)
        for size in sizes:
            events, decisions = random_block(random, first_seq, size)
            blocks.append((events, decisions))
            own = events.copy().view(np.uint8), decisions.copy().view(np.uint8)
            gathering.add(first_seq, *own, 0)
            for array in own:
                array.fill(0xFF)  # the caller's again
            first_seq += size
        row = gathering.close()
    assert shown(row) == naive(1, blocks)
    assert gathering.count == 0


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> MemoryJournal:
    """Twelve blocks of 10 events, two of them a span."""
    monkeypatch.setattr(spans_module, "SPAN_EVENTS", 20)
    journal, random = MemoryJournal(), np.random.default_rng(7)
    with journal.create(manifest()) as writer:
        for number in range(12):
            events, decisions = random_block(random, 10 * number + 1, 10)
            writer.append(events.view(np.uint8), decisions.view(np.uint8), digest_of(number))
    return journal


def borders(rows: Any) -> list[tuple[int, int]]:
    return [(int(row["first_seq"]), int(row["last_seq"])) for row in rows]


def test_a_writer_leaves_spans_of_all_that_it_wrote(tape: MemoryJournal) -> None:
    with tape.read() as reader:
        assert borders(stored_spans(reader)) == [(20 * n + 1, 20 * n + 20) for n in range(6)]
        assert check(reader).sound


def test_a_part_of_a_span_is_stored_when_the_writer_closes(tape: MemoryJournal) -> None:
    events, decisions = random_block(np.random.default_rng(1), 121, 5)
    with tape.append() as writer:
        writer.append(events.view(np.uint8), decisions.view(np.uint8), digest_of(1))
        with tape.read() as reader:
            assert borders(stored_spans(reader))[-1] == (101, 120)
            assert borders(read_spans(reader))[-1] == (121, 125)
    with tape.read() as reader:
        assert borders(stored_spans(reader))[-1] == (121, 125)
        assert check(reader).sound


@pytest.mark.parametrize("lost", [[], [0], [5], [1, 2], [0, 5], [0, 1, 2, 3, 4, 5]])
def test_what_is_missing_is_made_by_reading_and_stored_by_the_next_writer(tape: MemoryJournal, lost: list[int]) -> None:
    with tape.read() as reader:
        whole = [shown(row) for row in read_spans(reader)]
    for number in lost:
        del tape.tables[Table.SPANS][seq_key(20 * number + 20)]
    with tape.read() as reader:
        assert [shown(row) for row in read_spans(reader)] == whole
        assert check(reader).sound
    tape.append().close()
    with tape.read() as reader:
        assert [shown(row) for row in stored_spans(reader)] == whole


def test_a_damaged_span_is_not_used_and_the_check_names_it(tape: MemoryJournal) -> None:
    with tape.read() as reader:
        whole = [shown(row) for row in read_spans(reader)]
    value = tape.tables[Table.SPANS][seq_key(40)]
    tape.tables[Table.SPANS][seq_key(40)] = value[:50] + bytes([value[50] ^ 1]) + value[51:]
    with tape.read() as reader:
        assert [shown(row) for row in read_spans(reader)] == whole
        assert any("hash does not match" in note for note in reader.notes)
        damage = check(reader).damage
    assert damage is not None and "span" in damage and "\n" not in damage
    with pytest.raises(JournalDamaged):
        tape.append()


@pytest.mark.parametrize("field", ["highest_ts_ns", "named_high", "documents", "instruments"])
def test_a_span_that_was_made_otherwise_is_found(tape: MemoryJournal, field: str) -> None:
    row = np.frombuffer(tape.tables[Table.SPANS][seq_key(60)][32:], SPAN).copy()
    row[field] += 1
    tape.tables[Table.SPANS][seq_key(60)] = seal(row.tobytes())
    with tape.read() as reader:
        assert "the span of events 41 to 60 is not what its events say" in str(check(reader).damage)


def test_a_span_that_fits_no_blocks_is_found_and_not_used(tape: MemoryJournal) -> None:
    with tape.read() as reader:
        whole = [shown(row) for row in read_spans(reader)]
    row = np.frombuffer(tape.tables[Table.SPANS].pop(seq_key(60))[32:], SPAN).copy()
    row["last_seq"] = 55
    tape.tables[Table.SPANS][seq_key(55)] = seal(row.tobytes())
    with tape.read() as reader:
        assert [shown(row) for row in read_spans(reader)] == whole
        assert any("its spans are not used" in note for note in reader.notes)
        assert "span of events 41 to 55" in str(check(reader).damage)


def test_a_cut_last_block_takes_its_span_with_it(tape: MemoryJournal) -> None:
    store = MemoryStore(tape, writable=True)
    last = tape.tables[Table.BLOCKS][seq_key(111)]
    store.write([(Table.BLOCKS, seq_key(111), last[:-1])])
    with tape.append() as writer:
        assert writer.next_seq == 111
        assert writer.notes
    with tape.read() as reader:
        assert check(reader).sound
        assert borders(read_spans(reader))[-1] == (101, 110)


def test_spans_of_an_empty_tape_are_none(tmp_path: Path) -> None:
    journal = MemoryJournal()
    journal.create(manifest()).close()
    with journal.read() as reader:
        assert len(read_spans(reader)) == 0
