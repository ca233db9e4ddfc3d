"""Events by their aggregate: one table, from originator and version to topic and state."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

from eventsourcing.persistence import AggregateRecorder, IntegrityError, StoredEvent

from adapters.eventsourcing.datastore import LmdbDatastore
from adapters.eventsourcing.environment import Transaction
from adapters.eventsourcing.keys import (
    decode_value,
    encode_value,
    event_key,
    event_of_key,
    originator_key,
    version_key,
)
from adapters.eventsourcing.recorders import LmdbRecorder

_LAST_VERSION = (1 << 63) - 1


class LmdbAggregateRecorder(LmdbRecorder, AggregateRecorder):
    """Inserts and selects the events of aggregates.

    A version of an aggregate is stored once: whoever comes second gets an `IntegrityError`, and nothing of what was
    inserted with it is stored.
    """

    def __init__(self, datastore: LmdbDatastore, *, events_table_name: str = "stored_events") -> None:
        super().__init__(datastore)
        self.events_table_name = events_table_name

    def table_names(self) -> list[str]:
        return [*super().table_names(), self.events_table_name]

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        self._open_tables()
        return self.datastore.write(lambda transaction: self._insert_events(transaction, stored_events, **kwargs))

    def _insert_events(
        self, transaction: Transaction, stored_events: Sequence[StoredEvent], **_: Any
    ) -> Sequence[int] | None:
        for event in stored_events:
            self._insert_event(transaction, event)
        return None

    def _insert_event(self, transaction: Transaction, event: StoredEvent) -> bytes:
        """Store one event and return its key."""
        key = event_key(event.originator_id, event.originator_version)
        value = encode_value(event.topic, event.state)
        if not transaction.put(key, value, overwrite=False, db=self.datastore.table(self.events_table_name)):
            what = f"version {event.originator_version} of {event.originator_id}"
            raise IntegrityError(f"{self.datastore.folder}: {what} is stored already, expected a new version")
        return key

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        prefix = originator_key(originator_id)
        first = prefix + (bytes(8) if gt is None else version_key(gt + 1))
        last = prefix + version_key(_LAST_VERSION if lte is None else lte)
        if (gt is not None and gt >= _LAST_VERSION) or first > last:
            return []
        table = self.datastore.table(self.events_table_name)
        with self.datastore.reading() as transaction:
            cursor = transaction.cursor(db=table)
            entries = _downwards(cursor, first, last) if desc else _upwards(cursor, first, last)
            return [_stored_event(key, value) for key, value in islice(entries, limit)]

    def _open_tables(self) -> None:
        """Tables are opened before a transaction: LMDB opens them in one of its own."""
        for name in self.table_names():
            self.datastore.table(name)


def _stored_event(key: bytes, value: bytes) -> StoredEvent:
    originator_id, version = event_of_key(key)
    stored = decode_value(value)
    return StoredEvent(originator_id, version, stored.topic, stored.state)


def _upwards(cursor: Any, first: bytes, last: bytes) -> Iterator[tuple[bytes, bytes]]:
    found = cursor.set_range(first)
    while found and (entry := cursor.item())[0] <= last:
        yield entry
        found = cursor.next()


def _downwards(cursor: Any, first: bytes, last: bytes) -> Iterator[tuple[bytes, bytes]]:
    found = cursor.set_range(last)
    if not found:
        found = cursor.last()
    elif cursor.key() > last:
        found = cursor.prev()
    while found and (entry := cursor.item())[0] >= first:
        yield entry
        found = cursor.prev()
