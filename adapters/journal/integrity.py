"""Is the tape what was written? The first damage of a journal by name, and going on with a sound one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from adapters.errors import JournalDamaged
from adapters.journal.blocks import decode_block, documents_hash
from adapters.journal.documents import hash_word
from adapters.journal.journal import JournalReader, JournalWriter, open_snapshot, read_head, snapshot_name
from adapters.journal.port import DIGEST_BYTES, Block, BlockDamaged, Change, Malformed, Store, Table, View
from adapters.journal.sealed import CUT_KEY, HEAD_KEY, LAST_KEY, Head, key_after, key_seq, seq_key, unseal
from adapters.journal.spans import SpansChecked, missing_spans
from engine.records import DECISION_BYTES, EVENT


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """What a check found: how much is sound, and the first damage, if any.

    `damage` is one line with the journal's name, the place, what is wrong and what can be read; `damaged_block` is
    the first sequence number of the block it is in (0 for damage outside of the blocks). `last_good_seq` is the last
    event before it.
    """

    journal: str
    blocks: int
    events: int
    decisions: int
    documents: int
    snapshots: int
    last_good_seq: int
    damage: str | None = None
    damaged_block: int = 0

    @property
    def sound(self) -> bool:
        return self.damage is None


def check(reader: JournalReader) -> IntegrityReport:
    """Walk the whole journal and name its first damage. Raises nothing for what it finds."""
    report = IntegrityReport(reader.store.name, 0, 0, 0, 0, 0, 0)
    try:
        spans = SpansChecked(reader)
        for block in reader.blocks():
            _check_documents(reader, block)
            spans.see(block)
            report = _count(report, block)
        spans.end()
        report = replace(report, snapshots=_check_rest(reader, report))
    except BlockDamaged as damage:
        return replace(report, damage=str(damage), damaged_block=damage.block_seq)
    except JournalDamaged as damage:
        return replace(report, damage=str(damage))
    except Malformed as damage:
        line = f"{reader.store.name}: {damage}; events 1 to {report.last_good_seq} can be read"
        return replace(report, damage=line)
    return report


def continue_tape(store: Store) -> JournalWriter:
    """Check the whole journal and go on at its end.

    An unfinished last block, as a power cut may leave one, is cut off: its bytes are kept in the journal and the
    writer's `notes` say so. Any other damage raises `JournalDamaged`.
    """
    try:
        reader = JournalReader(store)
        report = check(reader)
        notes: tuple[str, ...] = ()
        if report.damage is not None:
            notes = (_cut_unfinished(reader, report),)
        if missing := missing_spans(reader):
            store.write(missing)
        with store.view() as view:
            return JournalWriter(store, reader.manifest, read_head(view), notes)
    except BaseException:
        store.close()
        raise


def _count(report: IntegrityReport, block: Block) -> IntegrityReport:
    return replace(
        report,
        blocks=report.blocks + 1,
        events=block.last_seq,
        decisions=report.decisions + len(block.decisions) // DECISION_BYTES,
        documents=report.documents + block.documents_count,
        last_good_seq=block.last_seq,
    )


def _check_documents(reader: JournalReader, block: Block) -> None:
    try:
        with reader.store.view() as view:
            _compare_documents(view, block)
    except Malformed as damage:
        raise BlockDamaged(reader.store.name, block.first_seq, damage, block.first_seq - 1) from damage


def _compare_documents(view: View, block: Block) -> None:
    words = block.events.view(EVENT)["ts_exchange_ns"]
    hashes = []
    for key, value in view.items(Table.DOCUMENTS, seq_key(block.first_seq)):
        seq = key_seq(key)
        if seq > block.last_seq:
            break
        unseal(value, f"document of event {seq}")
        if hash_word(value) != words[seq - block.first_seq]:
            raise Malformed(f"event {seq} does not name the document that is stored for it")
        hashes.append((seq, bytes(value[:DIGEST_BYTES])))
    if len(hashes) != block.documents_count:
        raise Malformed(f"{len(hashes)} documents belong to the block, it was written with {block.documents_count}")
    if documents_hash(hashes) != block.documents_hash:
        raise Malformed("the documents are not those that the block was written with")


def _check_rest(reader: JournalReader, report: IntegrityReport) -> int:
    """What no block covers: the head's count, documents outside of the blocks, snapshots. Returns their number."""
    with reader.store.view() as view:
        where = "head record"
        try:
            head = read_head(view)
            # A tape that grew meanwhile has a head beyond what was walked.
            if head.last_seq == report.last_good_seq and head.blocks != report.blocks:
                raise Malformed(f"it counts {head.blocks} blocks, there are {report.blocks}")
            where = "documents"
            _check_no_strays(view, head)
            snapshots = 0
            for key, value in view.items(Table.SNAPSHOTS, b"\0"):
                where = f"snapshot {snapshot_name(key)}"
                open_snapshot(view, reader.manifest, key, value)
                snapshots += 1
        except Malformed as damage:
            line = f"{reader.store.name}: {where}: {damage}; events 1 to {report.last_good_seq} can be read"
            raise JournalDamaged(line) from damage
        return snapshots


def _check_no_strays(view: View, head: Head) -> None:
    strays = [view.at_or_before(Table.DOCUMENTS, seq_key(0)), view.at_or_before(Table.DOCUMENTS, LAST_KEY)]
    for stray in strays:
        if stray is not None and not 0 < key_seq(stray[0]) <= head.last_seq:
            raise Malformed(f"the document of event {key_seq(stray[0])} belongs to no block")


def _cut_unfinished(reader: JournalReader, report: IntegrityReport) -> str:
    """Cut off the last block where that is all that is damaged; what was done, as one line. Raises `JournalDamaged`."""
    store = reader.store
    with store.view() as view:
        last = view.at_or_before(Table.BLOCKS, LAST_KEY)
        try:
            head = read_head(view)
            unfinished = last is not None and key_seq(last[0]) == report.damaged_block == head.block_seq
            if last is None or not unfinished or _is_sound(last[1]):
                raise Malformed("damaged elsewhere")
            kept = bytes(last[1])
            before = _head_before(reader, view, head)
            strays = _keys_after(view, before.last_seq)
        except Malformed:
            raise JournalDamaged(f"{report.damage}") from None
    changes: list[Change] = [
        (Table.BLOCKS, last[0], None),
        *((table, key, None) for table, key in strays),
        (Table.MANIFEST, CUT_KEY + last[0], kept),
        (Table.MANIFEST, HEAD_KEY, before.encode()),
    ]
    store.write(changes)
    store.sync()
    return (
        f"{store.name}: cut off an unfinished last block, events {head.block_seq} to {head.last_seq} "
        f"({report.damage}); its {len(kept)} bytes are kept in the journal"
    )


def _is_sound(value: memoryview) -> bool:
    try:
        decode_block(np.asarray(value))
    except Malformed:
        return False
    return True


def _head_before(reader: JournalReader, view: View, head: Head) -> Head:
    entry = view.at_or_before(Table.BLOCKS, seq_key(head.block_seq - 1))
    if entry is None:
        return Head(0, 0, 0, reader.manifest_hash)
    return Head(head.block_seq - 1, head.blocks - 1, key_seq(entry[0]), bytes(entry[1][:DIGEST_BYTES]))


def _keys_after(view: View, last_seq: int) -> Sequence[tuple[Table, bytes]]:
    first = key_after(seq_key(last_seq))
    return [
        (table, key) for table in (Table.DOCUMENTS, Table.SNAPSHOTS, Table.SPANS) for key, _ in view.items(table, first)
    ]
