"""The tape on disk: blocks of events in a hash chain, their documents, and snapshots."""

from adapters.journal.blocks import BlockBuffer
from adapters.journal.documents import (
    AccountDocument,
    BreakerDocument,
    ConfigurationDocument,
    Document,
    InstrumentDocument,
    StrategyDocument,
    TextDocument,
    document_hash,
)
from adapters.journal.integrity import IntegrityReport, check
from adapters.journal.journal import JournalReader, JournalWriter
from adapters.journal.lmdb_journal import append_journal, create_journal, read_journal
from adapters.journal.memory_journal import MemoryJournal
from adapters.journal.port import NO_STATE_DIGEST, Block, Durability, Manifest, Snapshot
from adapters.journal.spans import read_spans

__all__ = [
    "NO_STATE_DIGEST",
    "AccountDocument",
    "Block",
    "BlockBuffer",
    "BreakerDocument",
    "ConfigurationDocument",
    "Document",
    "Durability",
    "InstrumentDocument",
    "IntegrityReport",
    "JournalReader",
    "JournalWriter",
    "Manifest",
    "MemoryJournal",
    "Snapshot",
    "StrategyDocument",
    "TextDocument",
    "append_journal",
    "check",
    "create_journal",
    "document_hash",
    "read_journal",
    "read_spans",
]
