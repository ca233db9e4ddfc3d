"""The recorders that an environment's settings ask for.

| setting | meaning |
| --- | --- |
| `LMDB_PATH` | the folder; needed |
| `LMDB_MAP_BYTES` | how large the map is at first, 16 MiB where not given; it grows by itself |
| `LMDB_SYNC` | `no`: a commit does not wait for the disk, and a power cut may cost the last ones |
| `CREATE_TABLE` | `no`: tables are there already |
| `APPLICATION_RECORDER_TOPIC` | a subclass of the application recorder; also `TRACKING_…` and `PROCESS_…` |
"""

from typing import TypeVar

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    ProcessRecorder,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool

from adapters.eventsourcing.aggregates import LmdbAggregateRecorder
from adapters.eventsourcing.applications import LmdbApplicationRecorder
from adapters.eventsourcing.datastore import MAP_BYTES_AT_FIRST, LmdbDatastore
from adapters.eventsourcing.processes import LmdbProcessRecorder
from adapters.eventsourcing.recorders import LmdbRecorder
from adapters.eventsourcing.tracking import LmdbTrackingRecorder

R = TypeVar("R", bound=LmdbRecorder)

MAP_BYTES_MIN = 64 << 10


class LmdbFactory(InfrastructureFactory[LmdbTrackingRecorder]):
    """Recorders that share one datastore. Raises `OSError` for settings that are missing or wrong."""

    LMDB_PATH = "LMDB_PATH"
    LMDB_MAP_BYTES = "LMDB_MAP_BYTES"
    LMDB_SYNC = "LMDB_SYNC"
    CREATE_TABLE = "CREATE_TABLE"

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        path = self.env.get(self.LMDB_PATH)
        if not path:
            keys = " or ".join(self.env.create_keys(self.LMDB_PATH))
            raise OSError(f"{keys}: not set, expected the folder of the event store")
        self.datastore = LmdbDatastore(path, self._map_bytes(), self._switch(self.LMDB_SYNC))

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        return self._made(LmdbAggregateRecorder(self.datastore, events_table_name=f"stored_{purpose}"))

    def application_recorder(self) -> ApplicationRecorder:
        return self._made(self._class(self.APPLICATION_RECORDER_TOPIC, LmdbApplicationRecorder)(self.datastore))

    def tracking_recorder(
        self, tracking_recorder_class: type[LmdbTrackingRecorder] | None = None
    ) -> LmdbTrackingRecorder:
        chosen = tracking_recorder_class or self._class(self.TRACKING_RECORDER_TOPIC, LmdbTrackingRecorder)
        return self._made(chosen(self.datastore))

    def process_recorder(self) -> ProcessRecorder:
        return self._made(self._class(self.PROCESS_RECORDER_TOPIC, LmdbProcessRecorder)(self.datastore))

    def close(self) -> None:
        self.datastore.close()

    def _class(self, setting: str, base: type[R]) -> type[R]:
        topic = self.env.get(setting)
        chosen = resolve_topic(topic) if topic else base
        if not (isinstance(chosen, type) and issubclass(chosen, base)):
            raise OSError(f"{setting}: {topic!r} is no {base.__name__}, expected the topic of a subclass")
        return chosen

    def _made(self, recorder: R) -> R:
        if self._switch(self.CREATE_TABLE):
            recorder.create_table()
        return recorder

    def _map_bytes(self) -> int:
        text = (self.env.get(self.LMDB_MAP_BYTES) or "").strip() or str(MAP_BYTES_AT_FIRST)
        if not text.isdecimal() or int(text) < MAP_BYTES_MIN:
            raise OSError(
                f"{self.LMDB_MAP_BYTES}: expected a number of bytes of at least {MAP_BYTES_MIN}, found {text!r}"
            )
        return int(text)

    def _switch(self, setting: str) -> bool:
        text = self.env.get(setting) or "yes"
        try:
            return strtobool(text)
        except ValueError:
            raise OSError(f"{setting}: expected yes or no, found {text!r}") from None
