"""Blocks that a thread reads and verifies while those before are folded: hashing costs half as much as folding."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from adapters.journal import Block, JournalReader


def blocks_ahead(tape: JournalReader, first_seq: int = 1, last_seq: int | None = None) -> Iterator[Block]:
    """The blocks of events `first_seq` to `last_seq` (None: to the end), with the next ones always under way.

    Errors come where they would without.
    """
    for blocks in batches_ahead(tape, first_seq, last_seq):
        yield from blocks


def batches_ahead(tape: JournalReader, first_seq: int = 1, last_seq: int | None = None) -> Iterator[list[Block]]:
    """The same blocks, as many at a time as are read together; valid until the next ones are asked for."""
    batches = tape.batches(first_seq, last_seq)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-reader") as reader:
        coming = reader.submit(next, batches, None)
        while (blocks := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield blocks
