"""Events by their aggregate and in the order in which they were stored: a second table, from position to key."""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import ApplicationRecorder, Notification, StoredEvent, Subscription

from adapters.eventsourcing.aggregates import LmdbAggregateRecorder
from adapters.eventsourcing.environment import Transaction
from adapters.eventsourcing.keys import decode_value, event_of_key, key_position, position_key
from adapters.eventsourcing.subscriptions import PollingSubscription


class LmdbApplicationRecorder(LmdbAggregateRecorder, ApplicationRecorder):
    """Positions are 1, 2, 3, …, without a gap: each is given within the transaction that stores its event."""

    @property
    def log_table_name(self) -> str:
        return f"{self.events_table_name}_log"

    def table_names(self) -> list[str]:
        return [*super().table_names(), self.log_table_name]

    def _insert_events(
        self, transaction: Transaction, stored_events: Sequence[StoredEvent], **_: Any
    ) -> Sequence[int] | None:
        log = self.datastore.table(self.log_table_name)
        first = _last_position(transaction, log) + 1
        for position, event in enumerate(stored_events, first):
            key = self._insert_event(transaction, event)
            transaction.put(position_key(position), key, append=True, db=log)
        return list(range(first, first + len(stored_events)))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 1 if start is None else start if inclusive_of_start else start + 1
        log, events = self.datastore.table(self.log_table_name), self.datastore.table(self.events_table_name)
        wanted = frozenset(topics)
        found: list[Notification] = []
        with self.datastore.reading() as transaction:
            cursor = transaction.cursor(db=log)
            more = limit > 0 and cursor.set_range(position_key(max(first, 1)))
            while more and len(found) < limit:
                position, key = key_position(cursor.key()), cursor.value()
                if stop is not None and position > stop:
                    break
                value = transaction.get(key, db=events)
                assert value is not None, "an event is stored with its position"
                stored = decode_value(value)
                if not wanted or stored.topic in wanted:
                    found.append(Notification(*event_of_key(key), stored.topic, stored.state, position))
                more = cursor.next()
        return found

    def max_notification_id(self) -> int | None:
        return self.log_end() or None

    def log_end(self) -> int:
        """The position up to which everything is there, 0 of an empty log."""
        log = self.datastore.table(self.log_table_name)
        with self.datastore.reading() as transaction:
            return _last_position(transaction, log)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        return PollingSubscription(self, gt, topics, self.datastore.listening)


def _last_position(transaction: Transaction, log: Any) -> int:
    cursor = transaction.cursor(db=log)
    return key_position(cursor.key()) if cursor.last() else 0
