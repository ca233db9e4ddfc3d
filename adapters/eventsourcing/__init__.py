"""The persistence module of the `eventsourcing` library on LMDB: `PERSISTENCE_MODULE=adapters.eventsourcing`.

It stores anybody's aggregates, in an environment of its own; the trading tape is another thing (`adapters.journal`).
"""

from adapters.eventsourcing.aggregates import LmdbAggregateRecorder
from adapters.eventsourcing.applications import LmdbApplicationRecorder
from adapters.eventsourcing.datastore import LmdbDatastore
from adapters.eventsourcing.factory import LmdbFactory
from adapters.eventsourcing.processes import LmdbProcessRecorder
from adapters.eventsourcing.tracking import LmdbTrackingRecorder

Factory = LmdbFactory

__all__ = [
    "Factory",
    "LmdbAggregateRecorder",
    "LmdbApplicationRecorder",
    "LmdbDatastore",
    "LmdbFactory",
    "LmdbProcessRecorder",
    "LmdbTrackingRecorder",
]
