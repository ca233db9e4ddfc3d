"""The rows of a table as Arrow batches, read block by block: no more of the tape in memory than one batch."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from adapters.journal import Block, JournalReader, read_spans
from engine.records import COMMAND, EVENT
from replay.ahead import batches_ahead
from replay.audit.tables.catalogue import RecordTable, Table, schema_of
from replay.audit.tables.columns import Chunk, Tape

Progress = Callable[[int], None]


def batches_of(
    reader: JournalReader,
    table: Table,
    tape: Tape,
    names: Sequence[str],
    first_seq: int,
    last_seq: int,
    progress: Progress | None = None,
) -> Iterator[Any]:
    """The columns of these names as record batches, of events `first_seq` to `last_seq`. Raises JournalDamaged.

    `progress` is told up to which event is read.
    """
    columns = [column for name in names for column in table.columns if column.name == name]
    schema = pa.schema([schema_of(table, tape.scales).field(name) for name in names])
    for chunk in _chunks(reader, table, tape, first_seq, last_seq, progress):
        if len(chunk.rows):
            yield pa.record_batch([column.values(chunk) for column in columns], schema=schema)


def _chunks(
    reader: JournalReader, table: Table, tape: Tape, first_seq: int, last_seq: int, progress: Progress | None
) -> Iterator[Chunk]:
    if not isinstance(table, RecordTable):
        yield from table.gather(reader, tape, first_seq, last_seq, progress)
        return
    read = _decisions_of if table.is_of_decisions else _events_of
    wanted = np.array([not table.kinds or kind in table.kinds for kind in range(256)])
    for first, last in _ranges(reader, table, first_seq, last_seq):
        for blocks in batches_ahead(reader, first, last):
            if blocks:
                yield read(blocks, table, tape, wanted, first, last)
            if progress is not None:
                progress(blocks[-1].last_seq if blocks else last)


def _ranges(reader: JournalReader, table: RecordTable, first_seq: int, last_seq: int) -> list[tuple[int, int]]:
    """What has to be read, by the spans that have any of the kinds; those that follow one another are one range."""
    if not table.kinds:
        return [(first_seq, last_seq)]
    spans = read_spans(reader)
    counts = spans["decision_counts" if table.is_of_decisions else "event_counts"]
    chosen = counts[:, sorted(table.kinds)].any(axis=1)
    chosen &= (spans["last_seq"] >= first_seq) & (spans["first_seq"] <= last_seq)
    ranges: list[tuple[int, int]] = []
    for span in spans[chosen]:
        first, last = max(int(span["first_seq"]), first_seq), min(int(span["last_seq"]), last_seq)
        if ranges and ranges[-1][1] == first - 1:
            ranges[-1] = (ranges[-1][0], last)
        else:
            ranges.append((first, last))
    return ranges


def _events_of(
    blocks: list[Block], table: RecordTable, tape: Tape, wanted: NDArray[np.bool_], first_seq: int, last_seq: int
) -> Chunk:
    events, seqs = _joined(blocks), np.arange(blocks[0].first_seq, blocks[-1].last_seq + 1)
    inside = slice(max(0, first_seq - blocks[0].first_seq), last_seq - blocks[0].first_seq + 1)
    rows, seqs = events.view(table.layout)[inside], seqs[inside]
    if table.kinds:
        chosen = wanted[rows["kind"]]
        if not chosen.all():
            rows, seqs = rows[chosen], seqs[chosen]
    return Chunk(tape, seqs, rows["ts_ns"], rows)


def _decisions_of(
    blocks: list[Block], table: RecordTable, tape: Tape, wanted: NDArray[np.bool_], first_seq: int, last_seq: int
) -> Chunk:
    decisions = np.concatenate([block.decisions for block in blocks]).view(COMMAND)
    seqs = decisions["seq"]
    chosen = wanted[decisions["kind"]] & (seqs >= first_seq) & (seqs <= last_seq)
    rows, seqs = decisions[chosen].view(table.layout), seqs[chosen]
    return Chunk(tape, seqs, _joined(blocks).view(EVENT)["ts_ns"][seqs - blocks[0].first_seq], rows)


def _joined(blocks: list[Block]) -> NDArray[np.uint8]:
    return blocks[0].events if len(blocks) == 1 else np.concatenate([block.events for block in blocks])
