"""What is found on a tape is what a look at each record finds; and little is read for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adapters.journal.spans as spans_module
import replay.audit.seek as seek_module
from adapters.errors import UserError
from adapters.journal import JournalReader
from adapters.journal.memory_journal import MemoryJournal, MemoryStore
from adapters.journal.port import Store, Table
from adapters.report.amounts import time_text
from engine.kinds import DecisionKind, EventKind
from engine.records import BRACKET_DECISION, COMMAND, EVENT
from replay.audit.seek import Question, event_at, find, placed_at
from replay.point import first_seq_at, seq_at
from tests.conformance.journal_places import digest_of, manifest
from tests.unit.random_tapes import ORDERS, random_block

_REPORTS = [*range(EventKind.ORDER_SENT, EventKind.ORDER_TRIGGERED + 1), EventKind.REQUEST_FAILED]
_SAYS_STRATEGY = (EventKind.SIGNAL, EventKind.ORDER_REQUESTED, EventKind.STRATEGY_DEFINED)
_START_NS = 1_700_000_000 * 10**9


@pytest.fixture(autouse=True, scope="module")
def _spans_are_asked() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seek_module, "_FEW_EVENTS", 3)
        yield


def written(seed: int, blocks: list[int], span_events: int = 20) -> MemoryJournal:
    """A tape of random blocks of these sizes."""
    journal, random = MemoryJournal(), np.random.default_rng(seed)
    with pytest.MonkeyPatch.context() as patch, journal.create(manifest()) as writer:
        patch.setattr(spans_module, "SPAN_EVENTS", span_events)
        for size in blocks:
            events, decisions = random_block(random, writer.next_seq, size)
            events["ts_ns"] += _START_NS
            writer.append(events.view(np.uint8), decisions.view(np.uint8), digest_of(1))
    return journal


@cache
def some_tape() -> MemoryJournal:
    return written(3, [7, 1, 30, 4, 4, 11, 20, 2, 41, 5, 9, 13])


def records(reader: JournalReader) -> list[tuple[int, Any, list[Any]]]:
    """Every event with its decisions."""
    found = []
    for block in reader.blocks():
        events, decisions = block.events.view(EVENT).copy(), block.decisions.view(COMMAND).copy()
        for place, event in enumerate(events):
            seq = block.first_seq + place
            found.append((seq, event, [decision for decision in decisions if decision["seq"] == seq]))
    return found


def naive(reader: JournalReader, question: Question) -> list[tuple[int, bool, list[bool]]]:
    rows = records(reader)
    owners = {int(d["order"]): int(d["strategy"]) for _, _, ds in rows for d in ds if d["kind"] == 1}
    found = []
    for seq, event, decisions in rows:
        if seq < question.from_seq or seq > (question.to_seq or seq):
            continue
        event_asked = asks_event(question, event, owners)
        asked = [asks_decision(question, decision) for decision in decisions]
        if event_asked or any(asked):
            found.append((seq, event_asked, asked))
    found = found[::-1] if question.newest_first else found
    return found[: question.limit]


def asks_event(question: Question, event: Any, owners: dict[int, int]) -> bool:
    kind, order = int(event["kind"]), int(event["payload"][0])
    of_strategy = kind in _SAYS_STRATEGY and event["source"] == question.strategy
    of_strategy |= kind in _REPORTS and order != 0 and owners.get(order) == question.strategy
    return all(
        (
            question.kinds is None or kind in question.kinds,
            question.decision_kinds is None or question.kinds is not None,
            question.instrument is None or event["instrument"] == question.instrument,
            question.strategy is None or of_strategy,
            question.order is None or (kind in _REPORTS and order == question.order),
            question.trade_id is None or (kind == EventKind.ORDER_FILLED and event["payload"][1] == question.trade_id),
        )
    )


def asks_decision(question: Question, decision: Any) -> bool:
    kind = int(decision["kind"])
    order = int(decision["order"]) if kind <= DecisionKind.ALERT else 0
    if kind == DecisionKind.BRACKET_CHANGED:
        order = int(np.frombuffer(decision.tobytes(), BRACKET_DECISION)["order"][0])
    has_strategy = kind <= DecisionKind.ORDER_SIZED or kind == DecisionKind.BRACKET_CHANGED
    return all(
        (
            question.decision_kinds is None or kind in question.decision_kinds,
            question.kinds is None or question.decision_kinds is not None,
            question.instrument is None or decision["instrument"] == question.instrument,
            question.strategy is None or (has_strategy and decision["strategy"] == question.strategy),
            question.order is None or order == question.order,
            question.trade_id is None,
        )
    )


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


QUESTIONS = st.builds(
    Question,
    from_seq=st.integers(1, 160),
    to_seq=maybe(st.integers(1, 160)),
    kinds=maybe(st.frozensets(st.sampled_from(EventKind), max_size=6)),
    decision_kinds=maybe(st.frozensets(st.sampled_from(DecisionKind), max_size=4)),
    instrument=maybe(st.sampled_from([0, 1, 6, 70])),
    strategy=maybe(st.integers(0, 3)),
    order=maybe(st.integers(1, ORDERS)),
    trade_id=maybe(st.integers(1, 50)),
    newest_first=st.booleans(),
    limit=maybe(st.integers(1, 5)),
)


@settings(max_examples=150)
@given(QUESTIONS)
def test_what_is_found_is_what_a_look_at_each_record_finds(question: Question) -> None:
    with some_tape().read() as reader:
        found = [(f.seq, f.event_asked, f.decisions_asked.tolist()) for f in find(reader, question)]
        assert found == naive(reader, question)


def test_an_answer_holds_the_event_and_all_decisions_on_it() -> None:
    with some_tape().read() as reader:
        rows = {seq: (event, decisions) for seq, event, decisions in records(reader)}
        for found in find(reader, Question()):
            event, decisions = rows[found.seq]
            assert found.event.tobytes() == event.tobytes()
            assert found.decisions.tobytes() == b"".join(decision.tobytes() for decision in decisions)
            assert event_at(reader, found.seq).event.tobytes() == event.tobytes()
        assert len(rows) == reader.last_seq
        with pytest.raises(ValueError, match="event 148"):
            event_at(reader, reader.last_seq + 1)


def test_other_reading_on_the_way_changes_no_answer() -> None:
    with some_tape().read() as reader:
        expected = [found.event.tobytes() for found in find(reader, Question())]
        seen = []
        for found in find(reader, Question()):
            list(reader.blocks())
            seen.append(found.event.tobytes())
        assert seen == expected


def test_where_an_order_was_placed() -> None:
    with some_tape().read() as reader:
        placed = {
            int(decision["order"]): seq
            for seq, _, decisions in records(reader)
            for decision in decisions
            if decision["kind"] == DecisionKind.PLACE_ORDER
        }
        assert len(placed) > 5
        for order, seq in placed.items():
            assert placed_at(reader, order) == seq
        for order in (0, max(placed) + 1):
            assert placed_at(reader, order) == 0


class CountingStore:
    """A store that counts the bytes of blocks that are read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.name = store.name
        self.block_reads = 0

    @contextmanager
    def view(self) -> Iterator[Any]:
        with self._store.view() as view:
            yield _CountingView(view, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _CountingView:
    def __init__(self, view: Any, counter: CountingStore) -> None:
        self._view = view
        self._counter = counter

    def get(self, table: Table, key: bytes) -> Any:
        self._counter.block_reads += table is Table.BLOCKS
        return self._view.get(table, key)

    def at_or_before(self, table: Table, key: bytes) -> Any:
        self._counter.block_reads += table is Table.BLOCKS
        return self._view.at_or_before(table, key)

    def items(self, table: Table, first_key: bytes) -> Iterator[Any]:
        for entry in self._view.items(table, first_key):
            self._counter.block_reads += table is Table.BLOCKS
            yield entry


@cache
def long_tape() -> MemoryJournal:
    """400 blocks of 25 events, four of them a span; one fill of trade 1,000 in the middle of it."""
    journal = MemoryJournal()
    with pytest.MonkeyPatch.context() as patch, journal.create(manifest()) as writer:
        patch.setattr(spans_module, "SPAN_EVENTS", 100)
        for number in range(400):
            events, decisions = np.zeros(25, EVENT), np.zeros(1, COMMAND)
            events["ts_ns"] = _START_NS + 10**9 * np.arange(writer.next_seq, writer.next_seq + 25)
            events["kind"] = EventKind.QUOTE
            decisions["kind"], decisions["order"], decisions["seq"] = 1, number + 1, writer.next_seq + 3
            if number == 200:
                events["kind"][7] = EventKind.ORDER_FILLED
                events["payload"][7, :2] = 150, 1_000
            writer.append(events.view(np.uint8), decisions.view(np.uint8), digest_of(1))
    return journal


@pytest.fixture
def counted() -> Iterator[tuple[JournalReader, CountingStore]]:
    store = CountingStore(MemoryStore(long_tape(), writable=False))
    with JournalReader(store) as reader:
        yield reader, store


@pytest.mark.parametrize(
    ("question", "seqs", "most"),
    [
        (Question(order=150), [3_729, 5_008], 8),
        (Question(trade_id=1_000), [5_008], 4),
        (Question(kinds=frozenset({EventKind.ORDER_FILLED}), newest_first=True), [5_008], 4),
        (Question(newest_first=True, limit=3), [10_000, 9_999, 9_998], 1),
        (Question(from_seq=7_000, to_seq=7_002), [7_000, 7_001, 7_002], 2),
        (Question(kinds=frozenset({EventKind.SIGNAL})), [], 0),
    ],
)
def test_only_blocks_that_may_hold_an_answer_are_read(
    counted: tuple[JournalReader, CountingStore], question: Question, seqs: list[int], most: int
) -> None:
    reader, store = counted
    assert [found.seq for found in find(reader, question)] == seqs
    assert store.block_reads <= most


def test_a_placed_order_and_a_time_are_found_by_few_reads(counted: tuple[JournalReader, CountingStore]) -> None:
    reader, store = counted
    assert placed_at(reader, 387) == 386 * 25 + 4
    assert store.block_reads <= 4
    store.block_reads = 0
    assert seq_at(reader, time_text(_START_NS + 6_543 * 10**9 + 5), "--at") == 6_543
    assert store.block_reads <= 4


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 30), min_size=1, max_size=8), st.data())
def test_a_time_is_found_as_a_scan_finds_it(seed: int, sizes: list[int], data: st.DataObject) -> None:
    """Also where events came from the past: an event counts from the latest time before it on."""
    with written(seed, sizes).read() as reader:
        times = np.maximum.accumulate([int(event["ts_ns"]) for _, event, _ in records(reader)])
        first = int(records(reader)[0][1]["ts_ns"])
        asked = data.draw(st.integers(first - 3_000, int(times[-1]) + 3_000))
        text = time_text(asked)
        if not first <= asked <= times[-1]:
            with pytest.raises(UserError, match="expected a time of the tape"):
                seq_at(reader, text, "--at")
            return
        assert seq_at(reader, text, "--at") == int(np.count_nonzero(times <= asked))
        assert first_seq_at(reader, text, "--from") == int(np.count_nonzero(times < asked)) + 1
