"""The recorder: blocks in their order, digests, snapshots, and failures that reach the loop."""

import threading
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

from adapters.errors import UserError
from adapters.journal import JournalWriter, MemoryJournal, TextDocument, document_hash
from engine.kinds import DecisionKind, EventKind
from engine.records import COMMAND, DECISION_BYTES, EVENT, EVENT_BYTES
from replay.recorder import Recorder, state_digest
from tests.conformance.journal_places import LAYOUT, manifest

BLOCK = 4
STATE = np.arange(256, dtype=np.uint8)


def _recorder(journal: JournalWriter | None, snapshot_every_events: int = 0) -> Recorder:
    return Recorder(
        journal, block_events=BLOCK, outbox_items=2, layout=LAYOUT, snapshot_every_events=snapshot_every_events
    )


def _record(recorder: Recorder, count: int = BLOCK, decided: int = 1, state: Any = STATE, **given: Any) -> bytes:
    """Fill the next buffer with timers, decide something on the first of them, hand it over."""
    buffer = recorder.next_buffer()
    events = buffer.events.view(EVENT)
    events[:count] = np.zeros(count, EVENT)
    events["kind"][:count] = EventKind.TIMER
    events["ts_ns"][:count] = recorder.recorded + np.arange(count)
    for place, word in given.pop("hashes", {}).items():
        events["ts_exchange_ns"][place] = word
    decisions = buffer.decisions.view(COMMAND)
    decisions[:decided] = np.zeros(decided, COMMAND)
    decisions["kind"][:decided] = DecisionKind.ALERT
    decisions["seq"][:decided] = recorder.recorded + 1
    said = buffer.decisions[: decided * DECISION_BYTES].tobytes()
    recorder.record(buffer, count, decided, state, given.get("extra", {}), given.get("documents", {}))
    return said


def test_blocks_are_committed_in_their_order_with_the_digests() -> None:
    journal = MemoryJournal()
    said = b""
    with journal.create(manifest()) as writer:
        recorder = _recorder(writer)
        states = [np.full(64, number, np.uint8) for number in range(10)]
        for number, state in enumerate(states):
            said += _record(recorder, count=1 + number % BLOCK, decided=number % 3, state=state)
        recorder.close()
    assert recorder.recorded == 23
    assert recorder.command_digest == blake3(said).hexdigest()
    with journal.read() as reader:
        blocks = [(block.first_seq, block.last_seq, block.state_digest) for block in reader.blocks()]
        times = np.concatenate([block.events.view(EVENT)["ts_ns"].copy() for block in reader.blocks()])
    assert [digest for _, _, digest in blocks] == [state_digest(state) for state in states]
    assert [first for first, _, _ in blocks[1:]] == [last + 1 for _, last, _ in blocks[:-1]]
    assert times.tolist() == list(range(23))


def test_without_a_journal_only_the_digest_is_kept() -> None:
    recorder = _recorder(None)
    said = b"".join(_record(recorder, decided=2) for _ in range(5))
    recorder.close()
    assert recorder.command_digest == blake3(said).hexdigest()
    assert recorder.recorded == 5 * BLOCK


def test_documents_go_with_their_block() -> None:
    document = TextDocument(text="why", author="strategy 0")
    journal = MemoryJournal()
    with journal.create(manifest()) as writer:
        recorder = _recorder(writer)
        _record(recorder)
        _record(recorder, documents={6: document}, hashes={1: document_hash(document)})
        recorder.close()
    with journal.read() as reader:
        assert dict(reader.documents()) == {6: document}


def test_a_snapshot_is_taken_at_the_end_of_the_block_that_is_due() -> None:
    journal = MemoryJournal()
    with journal.create(manifest()) as writer:
        recorder = _recorder(writer, snapshot_every_events=6)
        for number in range(4):
            _record(recorder, state=np.full(64, number, np.uint8), extra={"strategies": bytes([number])})
        recorder.close()
    with journal.read() as reader:
        last = reader.snapshot_before(16)
        assert last is not None
        assert (last.seq, last.state, last.extra) == (16, bytes([3]) * 64, {"strategies": b"\3"})
        before = reader.snapshot_before(15)
        assert before is not None
        assert before.seq == 8
        assert reader.snapshot_before(7) is None


def test_a_state_that_changes_later_does_not_change_what_was_recorded() -> None:
    journal = MemoryJournal()
    state = STATE.copy()
    with journal.create(manifest()) as writer:
        recorder = _recorder(writer, snapshot_every_events=1)
        _record(recorder, state=state)
        state[:] = 0
        recorder.close()
    with journal.read() as reader:
        snapshot = reader.snapshot_before(BLOCK)
    assert snapshot is not None
    assert snapshot.state == STATE.tobytes()


class _Gate:
    """A journal that holds every append until it is let through, and then fails where told."""

    def __init__(self, fails: bool = False) -> None:
        self.opened = threading.Event()
        self.appended = 0
        self._fails = fails

    def append_buffer(self, *arguments: Any) -> int:
        assert self.opened.wait(timeout=60)
        if self._fails:
            raise UserError("no space left")
        self.appended += 1
        return 0


def test_the_loop_does_not_wait_for_the_writer_before_it_must() -> None:
    gate: Any = _Gate()
    recorder = _recorder(gate)
    for _ in range(3):
        _record(recorder)
    assert (recorder.recorded, gate.appended) == (3 * BLOCK, 0)
    gate.opened.set()
    _record(recorder)
    recorder.close()
    assert gate.appended == 4


def test_what_the_writer_ran_into_reaches_the_loop() -> None:
    gate: Any = _Gate(fails=True)
    recorder = _recorder(gate)
    _record(recorder)
    gate.opened.set()
    with pytest.raises(UserError, match="no space left"):
        recorder.close()
    with pytest.raises(UserError, match="no space left"):
        recorder.next_buffer()


def test_close_ends_the_thread_and_may_be_repeated() -> None:
    recorder = _recorder(_gate := _Gate())  # type: ignore[arg-type]
    _gate.opened.set()
    threads = threading.active_count()
    recorder.close()
    recorder.close()
    assert threading.active_count() == threads - 1
    assert EVENT_BYTES == DECISION_BYTES == 64
