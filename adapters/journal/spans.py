"""What lies where on a tape: one fixed record for some 64 Ki events, so that a question reads only what it needs.

Spans are made from blocks and can be made again: they belong to no hash chain, and where one is missing it is derived
by reading. A span covers whole blocks.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from adapters.journal.port import Block, Bytes, Change, Malformed, Table
from adapters.journal.sealed import key_seq, seal, seq_key, unseal
from engine.records import DECISION_BYTES, EVENT, EVENT_BYTES, record

if TYPE_CHECKING:
    from adapters.journal.journal import JournalReader

Spans = NDArray[Any]
Progress = Callable[[int], None]

SPAN_EVENTS = 65_536
# Room for every kind there may be, so that a new kind needs no new format.
EVENT_KINDS = 64
DECISION_KINDS = 32
# Records of small blocks wait until there are so many bytes: one pass over them costs next to nothing a block.
_WAITING_BYTES = 4_096 * EVENT_BYTES

# `highest_ts_ns` is the latest time, which is not the last event's where one came from the past. `instruments` and
# `strategies` have a bit for every number, modulo 64, that an event or a decision names. `placed_*` are the orders
# placed, `named_*` all orders that events and decisions are about, `trade_*` the trade ids of fills: the lowest and the
# highest number, 0 for none. Counts are by kind.
SPAN = record(
    [
        (name, "<i8")
        for name in (
            *("first_seq", "last_seq", "first_ts_ns", "last_ts_ns", "highest_ts_ns"),
            *("blocks", "documents", "instruments", "strategies"),
            *("placed_low", "placed_high", "named_low", "named_high", "trade_low", "trade_high"),
            "reserved0",
        )
    ]
    + [("event_counts", "<i8", (EVENT_KINDS,)), ("decision_counts", "<i8", (DECISION_KINDS,))]
)
assert EVENT.fields is not None
_TIME, _TIME_BYTE = struct.Struct("<q"), EVENT.fields["ts_ns"][1]


class Gathering:
    """One span while it grows, block by block."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._words = np.zeros(SPAN.itemsize // 8, np.int64)
        self._row = self._words.view(SPAN)[0]
        self._events, self._decisions = bytearray(), bytearray()
        self._blocks = self._documents = 0
        self.count = 0
        self.first_seq = 0

    @property
    def is_full(self) -> bool:
        return self.count >= SPAN_EVENTS

    def add(self, first_seq: int, events: Bytes, decisions: Bytes, documents: int) -> None:
        """The next block's records, which are the caller's again afterwards."""
        if self.count == 0:
            self.first_seq = first_seq
            self._row["first_ts_ns"] = _TIME.unpack_from(events.data, _TIME_BYTE)[0]
        self.count += len(events) // EVENT_BYTES
        self._blocks += 1
        self._documents += documents
        if len(events) + len(self._events) < _WAITING_BYTES:
            self._events += events.data
            self._decisions += decisions.data
            return
        self._take_waiting()
        self._take(events, decisions)

    def close(self) -> Any:
        """The span as a row of SPAN, complete; the next one begins empty."""
        self._take_waiting()
        row = self._row
        row["first_seq"], row["last_seq"] = self.first_seq, self.first_seq + self.count - 1
        row["blocks"], row["documents"] = self._blocks, self._documents
        self._begin()
        return row

    def _take_waiting(self) -> None:
        if self._events:
            self._take(np.frombuffer(self._events, np.uint8), np.frombuffer(self._decisions, np.uint8))
            self._events, self._decisions = bytearray(), bytearray()

    def _take(self, events: Bytes, decisions: Bytes) -> None:
        # Only who makes spans waits for the compiler.
        from adapters.journal.summary import summarise

        summarise(self._words, events.view(np.int64), decisions.view(np.int64))
        self._row["last_ts_ns"] = _TIME.unpack_from(events.data, len(events) - EVENT_BYTES + _TIME_BYTE)[0]


def prepare_to_gather() -> None:
    """Load, or compile, what looks at records, before there is anything that waits for it."""
    gathering = Gathering()
    gathering.add(1, np.zeros(EVENT_BYTES, np.uint8), np.zeros(DECISION_BYTES, np.uint8), 0)
    gathering.close()


def span_change(row: Any) -> Change:
    """What writes a span: its key is its last sequence number."""
    return Table.SPANS, seq_key(int(row["last_seq"])), seal(row.tobytes())


def read_spans(reader: "JournalReader", progress: Progress | None = None) -> Spans:
    """The spans of the whole tape in order, without gaps: those that are stored, and the others made by reading.

    A stored one that is damaged counts as missing and is named in the reader's `notes`. `progress` is told up to which
    event is read. Raises JournalDamaged.
    """
    stored = stored_spans(reader)
    last_seq = reader.last_seq
    try:
        rows = list(_filled(reader, stored, last_seq, progress))
    except Malformed as wrong:
        reader.notes.append(f"{reader.store.name}: {wrong}; its spans are not used")
        rows = list(_derived(reader, 1, last_seq, progress))
    return np.array(rows, dtype=SPAN) if rows else np.zeros(0, SPAN)


def missing_spans(reader: "JournalReader") -> list[Change]:
    """What a writer stores to have spans for all of the tape."""
    there = {int(row["last_seq"]) for row in stored_spans(reader)}
    return [span_change(row) for row in read_spans(reader) if int(row["last_seq"]) not in there]


def stored_spans(reader: "JournalReader") -> list[Any]:
    """The spans that are stored and whole, in order."""
    rows = []
    with reader.store.view() as view:
        for key, value in view.items(Table.SPANS, b"\0"):
            try:
                rows.append(open_span(key, value))
            except Malformed as wrong:
                reader.notes.append(f"{reader.store.name}: span {key.hex()}: {wrong}; it is not used")
    return rows


def open_span(key: bytes, value: memoryview) -> Any:
    """The span in a stored value, a row of SPAN. Raises Malformed."""
    payload = unseal(value, "span")
    if len(payload) != SPAN.itemsize:
        raise Malformed(f"the span has {len(payload)} bytes, expected {SPAN.itemsize}")
    row = np.frombuffer(bytes(payload), SPAN)[0]
    if row["last_seq"] != key_seq(key) or not 0 < row["first_seq"] <= row["last_seq"]:
        raise Malformed("the span is stored in another one's place")
    return row


def _filled(reader: "JournalReader", stored: Sequence[Any], last_seq: int, progress: Progress | None) -> Iterator[Any]:
    next_seq = 1
    for row in stored:
        first, last = int(row["first_seq"]), int(row["last_seq"])
        if first < next_seq or last > last_seq:
            raise Malformed(f"the span of events {first} to {last} does not follow the one before it")
        if first > next_seq:
            yield from _derived(reader, next_seq, first - 1, progress)
        yield row
        next_seq = last + 1
    yield from _derived(reader, next_seq, last_seq, progress)


def _derived(reader: "JournalReader", first_seq: int, last_seq: int, progress: Progress | None) -> Iterator[Any]:
    """Spans made of the blocks from `first_seq` to `last_seq`, which must begin and end with a block."""
    if first_seq > last_seq:
        return
    gathering = Gathering()
    for block in reader.blocks(first_seq, last_seq):
        if block.first_seq < first_seq or block.last_seq > last_seq:
            raise Malformed(f"a span ends within the block of events {block.first_seq} to {block.last_seq}")
        gathering.add(block.first_seq, block.events, block.decisions, block.documents_count)
        if gathering.is_full:
            yield gathering.close()
        if progress is not None:
            progress(block.last_seq)
    if gathering.count:
        yield gathering.close()


class SpansChecked:
    """Compares the stored spans with the blocks, as these go by in order. Both raise Malformed."""

    def __init__(self, reader: "JournalReader") -> None:
        with reader.store.view() as view:
            rows = [open_span(key, value) for key, value in view.items(Table.SPANS, b"\0")]
        self._stored = {int(row["first_seq"]): row for row in rows}
        self._gathering = Gathering()
        self._row: Any = None

    def see(self, block: Block) -> None:
        """The next block; where a span ends with it, that must be what its blocks say."""
        if self._row is None:
            self._row = self._stored.pop(block.first_seq, None)
            if self._row is None:
                return
        self._gathering.add(block.first_seq, block.events, block.decisions, block.documents_count)
        if block.last_seq < self._row["last_seq"]:
            return
        made, row, self._row = self._gathering.close(), self._row, None
        if made.tobytes() != row.tobytes():
            raise Malformed(f"the span of events {row['first_seq']} to {row['last_seq']} is not what its events say")

    def end(self) -> None:
        """No span may lie outside of the blocks."""
        left = [self._row] if self._row is not None else list(self._stored.values())
        if left:
            raise Malformed(f"the span of events {left[0]['first_seq']} to {left[0]['last_seq']} fits no blocks")
