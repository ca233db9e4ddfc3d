"""Blocks that a thread reads and verifies while those before are folded: hashing costs half as much as folding."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from adapters.journal import Block, JournalReader


def blocks_ahead(tape: JournalReader, first_seq: int = 1) -> Iterator[Block]:
    """The blocks of a tape from the one that holds `first_seq` to the end, with the next ones always under way.

    Errors come where they would without.
    """
    batches = tape.batches(first_seq)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-reader") as reader:
        coming = reader.submit(next, batches, None)
        while (blocks := coming.result()) is not None:
            coming = reader.submit(next, batches, None)
            yield from blocks
