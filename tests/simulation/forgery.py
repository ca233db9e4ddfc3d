"""Somebody who changes a journal and makes all of its hashes anew: what the chain alone cannot tell from the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.journal.blocks import HEADER_BYTES, NO_DOCUMENTS, decode_block, documents_hash, seal_block
from adapters.journal.journal import read_manifest
from adapters.journal.lmdb_journal import writing_store
from adapters.journal.port import Change, Store, Table
from adapters.journal.sealed import HEAD_KEY, Head, key_seq, seq_key
from engine.records import DECISION_BYTES, EVENT, EVENT_BYTES


@dataclass
class Forged:
    """A block to be written anew: its events and decisions as lists of records, its documents by place in the block."""

    events: list[bytes]
    decisions: list[bytes]
    state_digest: bytes
    documents: dict[int, bytes]


def forge(folder: Path, change: Callable[[list[Forged]], None]) -> None:
    """Rewrite the tape so that every hash, number and chain is right for the changed blocks."""
    with writing_store(folder) as store:
        blocks = _read(store)
        change(blocks)
        with store.view() as view:
            removed: list[Change] = [
                (table, key, None)
                for table in (Table.BLOCKS, Table.DOCUMENTS, Table.SNAPSHOTS, Table.SPANS)
                for key, _ in view.items(table, b"\0")
            ]
        store.write([*removed, *_write(blocks, read_manifest(store)[1])])


def _read(store: Store) -> list[Forged]:
    forged = []
    with store.view() as view:
        for _, value in view.items(Table.BLOCKS, b"\0"):
            block = decode_block(np.frombuffer(bytes(value), np.uint8))
            documents = {
                key_seq(key) - block.first_seq: bytes(document)
                for key, document in view.items(Table.DOCUMENTS, seq_key(block.first_seq))
                if key_seq(key) <= block.last_seq
            }
            events, decisions = block.events.tobytes(), block.decisions.tobytes()
            forged.append(
                Forged(_split(events, EVENT_BYTES), _split(decisions, DECISION_BYTES), block.state_digest, documents)
            )
    return forged


def _split(records: bytes, size: int) -> list[bytes]:
    return [records[start : start + size] for start in range(0, len(records), size)]


def _write(blocks: list[Forged], previous_hash: bytes) -> list[Change]:
    changes: list[Change] = []
    first_seq, last_first_seq = 1, 0
    for block in blocks:
        documents = [(first_seq + place, value) for place, value in sorted(block.documents.items())]
        hashes = documents_hash([(seq, value[:32]) for seq, value in documents]) if documents else NO_DOCUMENTS
        joined = np.frombuffer(b"".join([*block.events, *block.decisions]), np.uint8)
        value = np.zeros(HEADER_BYTES + len(joined), np.uint8)
        value[HEADER_BYTES:] = joined
        rows = value[HEADER_BYTES : HEADER_BYTES + EVENT_BYTES * len(block.events)].view(EVENT)
        for seq, document in documents:
            rows["ts_exchange_ns"][seq - first_seq] = int.from_bytes(document[:8], "little", signed=True)
        sealed = seal_block(
            value, first_seq, len(block.events), block.state_digest, previous_hash, len(documents), hashes
        )
        changes.append((Table.BLOCKS, seq_key(first_seq), bytes(sealed)))
        changes += [(Table.DOCUMENTS, seq_key(seq), document) for seq, document in documents]
        previous_hash, last_first_seq = bytes(sealed[:32]), first_seq
        first_seq += len(block.events)
    head = Head(first_seq - 1, len(blocks), last_first_seq, previous_hash)
    return [*changes, (Table.MANIFEST, HEAD_KEY, head.encode())]
