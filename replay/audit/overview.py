"""What a journal is and what is on it, without reading the tape: from its manifest, its head and its spans."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapters.journal import JournalReader, read_spans
from adapters.journal.lmdb_environment import DATA_FILE
from adapters.journal.port import Table
from adapters.journal.sealed import key_seq
from adapters.journal.spans import stored_spans
from adapters.journal.writer_lock import has_writer
from adapters.report.amounts import time_text
from engine.kinds import DecisionKind, EventKind
from replay.audit.wording import kind_word

Json = dict[str, Any]

_SEALS = "seals"
# The versions whose writers left none.
_WITHOUT_SPANS = ("0.1.", "0.2.")


def summary_of(reader: JournalReader, folder: Path) -> Json:
    """What a journal is, how much is on it and how it ended: `running`, `closed`, `cut short` or `unknown`.

    `bytes` is what its files take. Raises JournalDamaged.
    """
    manifest, head = reader.manifest, reader.head
    first = time_text(reader.block_at(1).first_ts_ns) if head.last_seq else ""
    last = time_text(reader.block_at(head.last_seq).last_ts_ns) if head.last_seq else ""
    return {
        "journal_id": manifest.journal_id,
        "mode": manifest.mode,
        "engine_version": manifest.engine_version,
        "format_version": manifest.format_version,
        "layout": manifest.layout,
        "configuration_hash": manifest.configuration_hash,
        "created": time_text(manifest.created_ns) if manifest.created_ns else "",
        "events": head.last_seq,
        "blocks": head.blocks,
        "first_time": first,
        "last_time": last,
        "end": _end(reader, folder, head.last_seq),
        "head_hash": head.hash.hex(),
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file() and _is_ours(file)),
        "seals": sorted(file.name for file in (folder / _SEALS).glob("*.json")),
    }


def counts_of(reader: JournalReader, progress: Callable[[int], None] | None = None) -> Json:
    """How many documents, snapshots, and events and decisions of each kind are on a tape."""
    spans = read_spans(reader, progress)
    events, decisions = (spans[name].sum(axis=0) for name in ("event_counts", "decision_counts"))
    with reader.store.view() as view:
        snapshots = [key_seq(key) for key, _ in view.items(Table.SNAPSHOTS, b"\0")]
    return {
        "documents": int(spans["documents"].sum()),
        "snapshots": len(snapshots),
        "snapshot_seq": max(snapshots, default=0),
        "event_counts": {kind_word(kind): int(events[kind]) for kind in EventKind if events[kind]},
        "decision_counts": {kind_word(kind): int(decisions[kind]) for kind in DecisionKind if decisions[kind]},
    }


def _end(reader: JournalReader, folder: Path, last_seq: int) -> str:
    """A writer that closes leaves spans of all that it wrote; one that was killed does not."""
    if has_writer(folder):
        return "running"
    stored = stored_spans(reader)
    if not stored and reader.manifest.engine_version.startswith(_WITHOUT_SPANS):
        return "unknown"
    return "closed" if last_seq == 0 or (stored and stored[-1]["last_seq"] == last_seq) else "cut short"


def _is_ours(file: Path) -> bool:
    return file.name == DATA_FILE or file.parent.name in (_SEALS, "segments")
