"""Is the tape what was written? The first damage of a journal by name, and going on with a sound one."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from adapters.errors import JournalDamaged
from adapters.journal.blocks import decode_block
from adapters.journal.journal import JournalReader, JournalWriter, read_head
from adapters.journal.port import DIGEST_BYTES, BlockDamaged, Change, Malformed, Store, Table, View
from adapters.journal.sealed import CUT_KEY, HEAD_KEY, LAST_KEY, Head, key_after, key_seq, seq_key
from adapters.journal.segments import Segment
from adapters.journal.spans import missing_spans
from adapters.journal.walk import BlockEnd, Walk

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """What a check found: how much is sound, and the first damage, if any.

    `damage` is one line with the journal's name, the place, what is wrong and what can be read; `damaged_block` is
    the first sequence number of the block it is in (0 for damage outside of the blocks). `last_good_seq` is the last
    event before it. `absent` are the segments whose files have been moved away: what is in them was not checked, the
    chain before and behind them was. `ends` are the ends of blocks that were asked for, where they are there.
    `raw_bytes` is how many bytes of blocks were checked.
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
    absent: tuple[Segment, ...] = ()
    ends: Mapping[int, BlockEnd] = field(default_factory=dict)
    raw_bytes: int = 0

    @property
    def sound(self) -> bool:
        return self.damage is None


def check(
    reader: JournalReader, ends: Collection[int] = (), progress: Progress = lambda last_seq: None
) -> IntegrityReport:
    """Walk the whole journal and name its first damage. Raises nothing for what it finds.

    `ends` are last events of blocks that the report is to tell of; `progress` is told the last event walked.
    """
    walk = Walk(reader, ends)
    try:
        while not walk.is_done:
            walk.go_on()
            progress(walk.last_seq)
        walk.check_rest()
    except BlockDamaged as damage:
        return replace(_report(walk), damage=str(damage), damaged_block=damage.block_seq)
    except JournalDamaged as damage:
        return replace(_report(walk), damage=str(damage))
    return _report(walk)


def _report(walk: Walk) -> IntegrityReport:
    return IntegrityReport(
        journal=walk.name,
        blocks=walk.blocks,
        events=walk.last_seq,
        decisions=walk.decisions,
        documents=walk.documents,
        snapshots=walk.snapshots,
        last_good_seq=walk.last_seq,
        absent=tuple(walk.absent),
        ends=walk.ends,
        raw_bytes=walk.raw_bytes,
    )


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
