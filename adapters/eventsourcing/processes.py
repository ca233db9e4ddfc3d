"""Events that follow from other events: stored together with how far those have been processed, or not at all."""

from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import ProcessRecorder, StoredEvent, Tracking

from adapters.eventsourcing.applications import LmdbApplicationRecorder
from adapters.eventsourcing.environment import Transaction
from adapters.eventsourcing.tracking import LmdbTrackingRecorder


class LmdbProcessRecorder(LmdbTrackingRecorder, LmdbApplicationRecorder, ProcessRecorder):
    """`insert_events(…, tracking=…)` is one transaction."""

    def _insert_events(
        self,
        transaction: Transaction,
        stored_events: Sequence[StoredEvent],
        *,
        tracking: Tracking | None = None,
        **kwargs: Any,
    ) -> Sequence[int] | None:
        positions = super()._insert_events(transaction, stored_events, **kwargs)
        if tracking is not None:
            self._insert_tracking(transaction, tracking)
        return positions
