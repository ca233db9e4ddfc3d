"""Documents as rows: what people and strategies wrote, and what things are called."""

from collections.abc import Callable, Iterator
from itertools import islice

import msgspec
import numpy as np
import pyarrow as pa

from adapters.journal import Document, JournalReader
from replay.audit.tables.columns import INTEGER, Chunk, Column, Tape, fixed

_AT_ONCE = 4_096
_ROW = np.dtype([(name, object) for name in ("type", "name", "author", "text", "content")])


def _texts(name: str, meaning: str) -> Column:
    return Column(name, meaning, fixed(pa.string()), lambda chunk: pa.array(chunk.rows[name].tolist(), pa.string()))


DOCUMENT_COLUMNS = (
    Column("seq", "sequence number of the event that it belongs to", fixed(INTEGER), lambda c: pa.array(c.seqs)),
    _texts("type", "configuration, instrument, account, strategy, breaker or text"),
    _texts("name", "what it names; null for texts and configurations"),
    _texts("author", "who wrote a text; null for others"),
    _texts("text", "the text, or the configuration's; null for others"),
    _texts("content", "all of it as JSON"),
)


def document_chunks(
    reader: JournalReader, tape: Tape, first_seq: int, last_seq: int, progress: Callable[[int], None] | None
) -> Iterator[Chunk]:
    """The documents of these events, some thousands at a time."""
    documents = reader.documents(first_seq, last_seq)
    while some := list(islice(documents, _AT_ONCE)):
        rows = np.array([_row(document) for _, document in some], _ROW)
        seqs = np.array([seq for seq, _ in some], np.int64)
        yield Chunk(tape, seqs, np.zeros(len(seqs), np.int64), rows)
        if progress is not None:
            progress(int(seqs[-1]))


def _row(document: Document) -> tuple[str | None, ...]:
    content = msgspec.to_builtins(document)
    return (
        content["type"],
        content.get("name", content.get("symbol")),
        content.get("author"),
        content.get("text"),
        msgspec.json.encode(document, order="deterministic").decode(),
    )
