"""The application whose events a tape holds: what projections of the library are given."""

from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import (
    AggregateRecorder,
    Cipher,
    Compressor,
    InfrastructureFactory,
    JSONTranscoder,
    NotSupportedError,
    ProcessRecorder,
    TrackingRecorder,
    Transcoder,
)
from eventsourcing.utils import Environment, EnvType

from adapters.journal import read_journal
from replay.notifications.recorder import TapeRecorder


class TapeFactory(InfrastructureFactory[TrackingRecorder]):
    """Opens the journal that `TAPEFOLD_JOURNAL` names. Raises `OSError` without it, `UserError`, `JournalDamaged`.

    Events are on the tape as they are: no cipher, compressor or other transcoder applies to them.
    """

    TAPEFOLD_JOURNAL = "TAPEFOLD_JOURNAL"

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        path = self.env.get(self.TAPEFOLD_JOURNAL)
        if not path:
            keys = " or ".join(self.env.create_keys(self.TAPEFOLD_JOURNAL))
            raise OSError(f"{keys}: not set, expected the folder of a journal")
        self._recorder = TapeRecorder(read_journal(path))

    def application_recorder(self) -> TapeRecorder:
        return self._recorder

    def transcoder(self) -> Transcoder:
        return JSONTranscoder()

    def cipher(self) -> Cipher | None:
        return None

    def compressor(self) -> Compressor | None:
        return None

    def is_snapshotting_enabled(self) -> bool:
        return False

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        raise NotSupportedError(f"a tape holds no {purpose} but its own")

    def tracking_recorder(self, tracking_recorder_class: type[TrackingRecorder] | None = None) -> TrackingRecorder:
        raise NotSupportedError("a tape tracks nothing: what follows from it is kept in a store of its own")

    def process_recorder(self) -> ProcessRecorder:
        raise NotSupportedError("a tape is written by its engine alone")

    def close(self) -> None:
        self._recorder.close()


class Tape(Application[UUID]):
    """A journal as an application to subscribe to. Its name holds the journal's id, so that journals are kept apart."""

    recorder: TapeRecorder

    def __init__(self, env: EnvType | None = None) -> None:
        # Under its own name: another module may be set for what follows from it.
        super().__init__({**(env or {}), "TAPE_PERSISTENCE_MODULE": "replay.notifications"})
        self.name: Any = f"tape-{self.recorder.journal_id}"
