"""The event store on LMDB passes the test cases that the `eventsourcing` library has for persistence modules."""

import os
import tempfile
from pathlib import Path
from typing import ClassVar
from unittest import mock

from eventsourcing.cipher import AESCipher
from eventsourcing.persistence import InfrastructureFactory, Tracking, TrackingRecorder
from eventsourcing.tests import application as application_cases
from eventsourcing.tests import persistence as cases
from eventsourcing.tests import projection as projection_cases
from eventsourcing.utils import Environment

from adapters.eventsourcing import (
    LmdbAggregateRecorder,
    LmdbApplicationRecorder,
    LmdbDatastore,
    LmdbFactory,
    LmdbProcessRecorder,
    LmdbTrackingRecorder,
)
from adapters.eventsourcing.environment import Transaction

MODULE = "adapters.eventsourcing"


class InAFolder(cases.TestCase):
    """A datastore for each test, in a folder of its own, whose map has to grow."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "store"
        self.datastore = LmdbDatastore(self.folder, map_bytes=1 << 17)
        self.addCleanup(self.datastore.close)
        super().setUp()


class TestAggregateRecorder(InAFolder, cases.AggregateRecorderTestCase):
    def create_recorder(self) -> LmdbAggregateRecorder:
        recorder = LmdbAggregateRecorder(self.datastore)
        recorder.create_table()
        return recorder


class TestSnapshotRecorder(InAFolder, cases.AggregateRecorderTestCase):
    def create_recorder(self) -> LmdbAggregateRecorder:
        recorder = LmdbAggregateRecorder(self.datastore, events_table_name="stored_snapshots")
        recorder.create_table()
        return recorder


class TestApplicationRecorder(InAFolder, cases.ApplicationRecorderTestCase[LmdbApplicationRecorder]):
    def create_recorder(self) -> LmdbApplicationRecorder:
        recorder = LmdbApplicationRecorder(self.datastore)
        recorder.create_table()
        return recorder

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestApplicationRecorderOfNamedAggregates(TestApplicationRecorder):
    def new_originator_id(self) -> str:
        return f"thing-{super().new_originator_id()}"


class TestNonInterleaving(InAFolder, cases.NonInterleavingNotificationIDsBaseCase):
    def create_recorder(self) -> LmdbApplicationRecorder:
        recorder = LmdbApplicationRecorder(self.datastore)
        recorder.create_table()
        return recorder


class TestTrackingRecorder(InAFolder, cases.TrackingRecorderTestCase):
    def create_recorder(self) -> LmdbTrackingRecorder:
        recorder = LmdbTrackingRecorder(self.datastore)
        recorder.create_table()
        return recorder


class TestProcessRecorder(InAFolder, cases.ProcessRecorderTestCase):
    def create_recorder(self) -> LmdbProcessRecorder:
        recorder = LmdbProcessRecorder(self.datastore)
        recorder.create_table()
        return recorder


class TestProcessRecorderAsApplicationRecorder(TestApplicationRecorder):
    def create_recorder(self) -> LmdbProcessRecorder:
        recorder = LmdbProcessRecorder(self.datastore)
        recorder.create_table()
        return recorder


class TrackingRecorderOfOnesOwn(LmdbTrackingRecorder):
    pass


class TestInfrastructureFactory(cases.InfrastructureFactoryTestCase[LmdbFactory]):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.env = Environment("TestCase", {InfrastructureFactory.PERSISTENCE_MODULE: MODULE, "LMDB_PATH": folder.name})
        super().setUp()

    def expected_factory_class(self) -> type[LmdbFactory]:
        return LmdbFactory

    def expected_aggregate_recorder_class(self) -> type[LmdbAggregateRecorder]:
        return LmdbAggregateRecorder

    def expected_application_recorder_class(self) -> type[LmdbApplicationRecorder]:
        return LmdbApplicationRecorder

    def expected_tracking_recorder_class(self) -> type[LmdbTrackingRecorder]:
        return LmdbTrackingRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return TrackingRecorderOfOnesOwn

    def expected_process_recorder_class(self) -> type[LmdbProcessRecorder]:
        return LmdbProcessRecorder


class CountersView(LmdbTrackingRecorder, projection_cases.EventCountersView):
    """A view of one's own: counts that change together with the tracking."""

    def table_names(self) -> list[str]:
        return [*super().table_names(), "counters"]

    def get_created_event_counter(self) -> int:
        return self._count(b"created")

    def get_subsequent_event_counter(self) -> int:
        return self._count(b"subsequent")

    def incr_created_event_counter(self, tracking: Tracking) -> None:
        self._increment(b"created", tracking)

    def incr_subsequent_event_counter(self, tracking: Tracking) -> None:
        self._increment(b"subsequent", tracking)

    def _count(self, key: bytes) -> int:
        counters = self.datastore.table("counters")
        with self.datastore.reading() as transaction:
            return int(transaction.get(key, b"0", db=counters))

    def _increment(self, key: bytes, tracking: Tracking) -> None:
        counters = self.datastore.table("counters")

        def work(transaction: Transaction) -> None:
            transaction.put(key, b"%d" % (int(transaction.get(key, b"0", db=counters)) + 1), db=counters)
            self._insert_tracking(transaction, tracking)

        self.datastore.write(work)


class TestCountersView(InAFolder, projection_cases.EventCountersViewTestCase):
    def construct_event_counters_view(self) -> CountersView:
        view = CountersView(self.datastore)
        view.create_table()
        return view


class InFoldersOfTheEnvironment(cases.TestCase):
    """Stores as a user names them: one for the application, one for what follows from it."""

    env: ClassVar[dict[str, str]] = {}

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        settings = {
            "PERSISTENCE_MODULE": MODULE,
            "LMDB_PATH": f"{folder.name}/events",
            "COUNTERS_LMDB_PATH": f"{folder.name}/counters",
        }
        patch = mock.patch.dict(os.environ, settings)
        patch.start()
        self.addCleanup(patch.stop)
        super().setUp()


class TestExampleApplication(InFoldersOfTheEnvironment, application_cases.ExampleApplicationTestCase):
    expected_factory_topic = "adapters.eventsourcing.factory:LmdbFactory"


class TestExampleApplicationEncrypted(TestExampleApplication):
    def setUp(self) -> None:
        super().setUp()
        os.environ["CIPHER_KEY"] = AESCipher.create_key(32)  # taken back with the folders
        os.environ["COMPRESSOR_TOPIC"] = "zlib"


class TestApplication(InFoldersOfTheEnvironment, application_cases.ApplicationTestCase):
    pass


class TestProjection(InFoldersOfTheEnvironment, projection_cases.AggregateEventCountersProjectionTestCase):
    view_class = CountersView


class TestEventSourcedProjection(InFoldersOfTheEnvironment, projection_cases.EventSourcedProjectionTestCase):
    pass
