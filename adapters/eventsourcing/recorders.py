"""What all recorders share: a datastore, and the tables that they need in it."""

from eventsourcing.persistence import Recorder

from adapters.eventsourcing.datastore import LmdbDatastore


class LmdbRecorder(Recorder):
    """A recorder on LMDB. `create_table` makes its tables where they are not there."""

    def __init__(self, datastore: LmdbDatastore) -> None:
        self.datastore = datastore

    def table_names(self) -> list[str]:
        return []

    def create_table(self) -> None:
        for name in self.table_names():
            self.datastore.table(name, create=True)
