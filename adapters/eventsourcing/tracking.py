"""How far each upstream application's notifications have been processed: one table, from its name to a position."""

from typing import Any

from eventsourcing.persistence import IntegrityError, Tracking, TrackingRecorder

from adapters.eventsourcing.datastore import LmdbDatastore
from adapters.eventsourcing.environment import Transaction
from adapters.eventsourcing.keys import key_position, name_key, position_key
from adapters.eventsourcing.recorders import LmdbRecorder

TABLE = "tracking"


class LmdbTrackingRecorder(LmdbRecorder, TrackingRecorder):
    """A position is recorded once, and only forwards: else an `IntegrityError`.

    A view of one's own that keeps state in the same store overrides nothing: it calls `self.datastore.write` with work
    that changes its state and calls `_insert_tracking`.
    """

    def __init__(self, datastore: LmdbDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)

    def table_names(self) -> list[str]:
        return [*super().table_names(), TABLE]

    def insert_tracking(self, tracking: Tracking) -> None:
        self.datastore.table(TABLE)
        self.datastore.write(lambda transaction: self._insert_tracking(transaction, tracking))

    def _insert_tracking(self, transaction: Transaction, tracking: Tracking) -> None:
        table, key = self.datastore.table(TABLE), name_key(tracking.application_name)
        before = transaction.get(key, db=table)
        if before is not None and key_position(before) >= tracking.notification_id:
            raise IntegrityError(
                f"{self.datastore.folder}: {tracking.application_name} is processed up to {key_position(before)}, "
                f"expected a later notification than {tracking.notification_id}"
            )
        transaction.put(key, position_key(tracking.notification_id), db=table)

    def max_tracking_id(self, application_name: str) -> int | None:
        table = self.datastore.table(TABLE)
        with self.datastore.reading() as transaction:
            value = transaction.get(name_key(application_name), db=table)
        return None if value is None else key_position(value)
