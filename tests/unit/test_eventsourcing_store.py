"""The event store on LMDB beyond the library's own cases: an oracle, processes that die or meet, limits, settings."""

import errno
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import lmdb
import pytest
from eventsourcing.persistence import (
    DataError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    StoredEvent,
    Subscription,
    Tracking,
)
from eventsourcing.popo import POPOProcessRecorder

from adapters.eventsourcing import LmdbApplicationRecorder, LmdbDatastore, LmdbFactory, LmdbProcessRecorder
from adapters.journal import create_journal
from tests.conformance.journal_places import manifest
from tests.support import ROOT

SMALL_MAP_BYTES = 1 << 17
WRITTEN_WITHIN_S = 120.0


def recorder_in(folder: Path, **settings: Any) -> LmdbProcessRecorder:
    recorder = LmdbProcessRecorder(LmdbDatastore(folder, **settings))
    recorder.create_table()
    return recorder


def events_of(name: str, versions: range, state: bytes = b"{}") -> list[StoredEvent]:
    return [StoredEvent(name, version, f"topic{version % 3}", state) for version in versions]


def choices(rng: random.Random) -> dict[str, Any]:
    some = [None, -5, 0, 1, 3, 7, 1 << 70]
    return {
        "gt": rng.choice(some),
        "lte": rng.choice(some),
        "desc": rng.random() < 0.5,
        "limit": rng.choice([None, 1, 3]),
    }


@pytest.mark.parametrize("seed", range(20))
def test_it_answers_as_the_librarys_plain_objects_do(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    ours, theirs = recorder_in(tmp_path, map_bytes=SMALL_MAP_BYTES, synced=False), POPOProcessRecorder()
    names: list[UUID | str] = ["a", "ab", "b\0", UUID(int=rng.getrandbits(128)), UUID(int=7)]
    next_versions = dict.fromkeys(names, 1)
    for _ in range(60):
        name = rng.choice(names)
        first = next_versions[name] - (rng.random() < 0.2)
        count = rng.randrange(4)
        events = [StoredEvent(name, first + i, f"topic{rng.randrange(3)}", rng.randbytes(50)) for i in range(count)]
        kwargs = {"tracking": Tracking("up", rng.randrange(40))} if rng.random() < 0.3 else {}
        outcomes = []
        for recorder in (ours, theirs):
            try:
                outcomes.append(recorder.insert_events(events, **kwargs))
            except IntegrityError:
                outcomes.append(None)
        assert outcomes[0] == outcomes[1]
        if outcomes[0] is not None:
            next_versions[name] = max(next_versions[name], first + count)
        asked = rng.choice(names)
        chosen = choices(rng)
        assert ours.select_events(asked, **chosen) == theirs.select_events(asked, **chosen), chosen
        start, stop = rng.choice([None, 0, 1, 5, 90]), rng.choice([None, 1, 8])
        topics = rng.choice([(), ("topic1",), ("topic0", "topic2")])
        window = {
            "limit": rng.randrange(1, 9),
            "stop": stop,
            "topics": topics,
            "inclusive_of_start": rng.random() < 0.5,
        }
        assert ours.select_notifications(start, **window) == theirs.select_notifications(start, **window)
        assert ours.max_notification_id() == theirs.max_notification_id()
        assert ours.max_tracking_id("up") == theirs.max_tracking_id("up")
    ours.datastore.close()


def test_what_was_inserted_is_there_in_another_process_and_after_a_close(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path)
    recorder.insert_events(events_of("a", range(1, 4)))
    recorder.datastore.close()
    again = LmdbApplicationRecorder(LmdbDatastore(tmp_path))
    assert again.select_events("a") == events_of("a", range(1, 4))
    with pytest.raises(InterfaceError, match="the event store is closed"):
        recorder.max_notification_id()


WRITE = """
import sys
from eventsourcing.persistence import IntegrityError, StoredEvent
from adapters.eventsourcing import LmdbApplicationRecorder, LmdbDatastore
recorder = LmdbApplicationRecorder(LmdbDatastore(sys.argv[1], map_bytes=1 << 17))
recorder.create_table()
name, rounds = sys.argv[2], int(sys.argv[3])
version = len(recorder.select_events(name))
while version < rounds:
    version += 1
    positions = recorder.insert_events([StoredEvent(name, version, "topic", bytes(1000))])
    print(version, positions[0], flush=True)
"""


def start_writer(folder: Path, name: str, rounds: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", WRITE, str(folder), name, str(rounds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@contextmanager
def stopped_after(subscription: Subscription[Any], seconds: float) -> Iterator[None]:
    """What never comes is not waited for."""
    timer = threading.Timer(seconds, subscription.stop)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def test_several_processes_may_find_it_empty(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, str(number), 20) for number in range(4)]
    assert [writer.communicate(timeout=WRITTEN_WITHIN_S) and writer.returncode for writer in writers] == [0] * 4


def test_processes_that_write_at_once_lose_nothing_and_share_one_order(tmp_path: Path) -> None:
    """The map has to grow in both, and the one adopts what the other grew."""
    rounds = 300
    writers = [start_writer(tmp_path, name, rounds) for name in ("one", "two")]
    recorder = recorder_in(tmp_path, map_bytes=SMALL_MAP_BYTES)
    seen = []
    with recorder.subscribe() as subscription, stopped_after(subscription, WRITTEN_WITHIN_S):
        for notification in subscription:
            seen.append((notification.originator_id, notification.originator_version))
            if len(seen) == 2 * rounds:
                break
    for writer in writers:
        with writer:
            assert writer.wait() == 0
    assert [version for name, version in seen if name == "one"] == list(range(1, rounds + 1))
    assert [version for name, version in seen if name == "two"] == list(range(1, rounds + 1))
    positions = [notification.id for notification in recorder.select_notifications(None, 10 * rounds)]
    assert positions == list(range(1, 2 * rounds + 1))


def test_a_killed_process_leaves_all_it_reported(tmp_path: Path) -> None:
    for seed in range(5):
        lines_before = random.Random(seed).randrange(1, 40)
        with start_writer(tmp_path, "one", 1_000_000) as writer:
            assert writer.stdout
            lines = [writer.stdout.readline() for _ in range(lines_before)]
            writer.send_signal(signal.SIGKILL)
            lines += [line for line in writer.stdout.readlines() if line.endswith("\n")]
        reported = int(lines[-1].split()[0])
        recorder = LmdbApplicationRecorder(LmdbDatastore(tmp_path))
        versions = [event.originator_version for event in recorder.select_events("one")]
        assert versions == list(range(1, len(versions) + 1)) and reported <= len(versions) <= reported + 1
        assert recorder.max_notification_id() == len(versions)
        recorder.datastore.close()


FILL = """
import resource, sys
from eventsourcing.persistence import OperationalError, StoredEvent
from adapters.eventsourcing import LmdbApplicationRecorder, LmdbDatastore
recorder = LmdbApplicationRecorder(LmdbDatastore(sys.argv[1], map_bytes=1 << 17))
recorder.create_table()
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 19, 1 << 19))
version = 0
try:
    while True:
        version += 1
        recorder.insert_events([StoredEvent("a", version, "topic", bytes(5000))])
except OperationalError as error:
    print(error)
assert len(recorder.select_events("a")) == version - 1 == recorder.max_notification_id()
print(version - 1)
"""


def test_where_no_more_fits_it_says_so_once_and_keeps_what_is_there(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", FILL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line, count = done.stdout.splitlines()
    assert line.startswith(f"{tmp_path}: cannot be written") and line.endswith("everything committed so far is intact")
    recorder = recorder_in(tmp_path)
    assert len(recorder.select_events("a")) == int(count) > 10
    recorder.insert_events(events_of("b", range(1, 3)))


def test_a_full_disk_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = recorder_in(tmp_path)
    error = lmdb.Error("no room")
    error.code = errno.ENOSPC

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(recorder, "_insert_event", fail)
    with pytest.raises(OperationalError, match="the disk is full; everything committed so far is intact"):
        recorder.insert_events(events_of("a", range(1, 2)))
    monkeypatch.undo()
    assert recorder.insert_events(events_of("a", range(1, 2))) == [1]


def test_a_trading_tape_is_no_event_store(tmp_path: Path) -> None:
    create_journal(tmp_path / "tape", manifest()).close()
    before = (tmp_path / "tape" / "data.mdb").read_bytes()
    with pytest.raises(InterfaceError, match="is another LMDB environment, expected an event store"):
        LmdbDatastore(tmp_path / "tape")
    assert (tmp_path / "tape" / "data.mdb").read_bytes() == before


def test_names_too_long_for_a_key_are_refused(tmp_path: Path) -> None:
    recorder = recorder_in(tmp_path)
    longest = "x" * 500
    recorder.insert_events(events_of(longest, range(1, 2)))
    assert len(recorder.select_events(longest)) == 1
    for name in ("x" * 501, "é" * 300, "x" * 70_000):
        with pytest.raises(DataError, match="expected at most 500"):
            recorder.insert_events(events_of(name, range(1, 2)))
    with pytest.raises(DataError, match="expected at most 510"):
        recorder.insert_tracking(Tracking("x" * 511, 1))
    recorder.insert_tracking(Tracking("", 1))
    assert recorder.max_tracking_id("") == 1


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, "APP_LMDB_PATH or LMDB_PATH: not set, expected the folder of the event store"),
        ({"LMDB_MAP_BYTES": "much"}, "LMDB_MAP_BYTES: expected a number of bytes of at least 65536, found 'much'"),
        ({"LMDB_MAP_BYTES": "10"}, "LMDB_MAP_BYTES: expected a number of bytes of at least 65536, found '10'"),
        ({"LMDB_SYNC": "perhaps"}, "LMDB_SYNC: expected yes or no, found 'perhaps'"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    from eventsourcing.utils import Environment

    path = {"LMDB_PATH": str(tmp_path)} if settings else {}
    with pytest.raises(OSError, match=line):
        LmdbFactory(Environment("App", path | settings))


def test_a_recorder_of_another_kind_is_refused(tmp_path: Path) -> None:
    factory = LmdbFactory(
        {"LMDB_PATH": str(tmp_path), "PROCESS_RECORDER_TOPIC": "eventsourcing.popo:POPOProcessRecorder"}
    )
    with pytest.raises(OSError, match="is no LmdbProcessRecorder, expected the topic of a subclass"):
        factory.process_recorder()
    factory.close()


def test_tables_that_are_not_to_be_made_are_missed(tmp_path: Path) -> None:
    factory = LmdbFactory({"LMDB_PATH": str(tmp_path), "CREATE_TABLE": "no"})
    with pytest.raises(OperationalError, match="has no table stored_events"):
        factory.application_recorder().select_events("a")
    factory.close()


def test_a_forked_child_is_told_to_open_it_for_itself(tmp_path: Path) -> None:
    """And what it does with its copy leaves the parent's alone."""
    recorder = recorder_in(tmp_path)
    recorder.insert_events(events_of("a", range(1, 3)))
    child = os.fork()
    if child == 0:
        try:
            recorder.insert_events(events_of("a", range(3, 4)))
        except InterfaceError as error:
            recorder.datastore.close()
            os._exit(7 if "was opened before a fork" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert recorder.insert_events(events_of("a", range(3, 4))) == [3]
