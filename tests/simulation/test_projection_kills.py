"""A projection killed at any moment goes on where it was: what it leads to is what one that nobody killed leads to."""

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from msgspec import structs

from adapters.journal import create_journal, read_journal
from adapters.journal.lmdb_environment import Access
from adapters.journal.lmdb_journal import LmdbStore
from adapters.journal.port import Table
from engine.state import DEFAULT_LIMITS
from replay.backtest import backtest_manifest
from replay.notifications import TapeRecorder
from replay.projections.trading import Trading
from tests.conformance.journal_places import flipped, stored
from tests.golden.fixed_runs import EMA_OF_TRADES, LADDER
from tests.golden.runs import LATENCY, configuration, play, three_markets
from tests.postgres_server import PASSWORD, postgres_server
from tests.read_models import Rows, postgres_rows, sqlite_rows
from tests.simulation.daemon_lives import Life, World, live_on
from tests.support import ROOT

POINTS = ("before", "tracked", "written", "committed")
RANDOM_KILLS = 4
TIMEOUT_S = 120

# The command itself, which kills itself at the n-th event: before it, within its transaction twice, or after it.
PROJECT = """
import os, signal, sys
point, left, database, *arguments = sys.argv[1:]
left = int(left)
if database == "sqlite":
    from replay.projections import sqlite_view as module
    view = module.SqliteTradingView
else:
    from replay.projections import postgres_view as module
    view = module.PostgresTradingView

def dying(function, at_start):
    def call(*arguments, **kwargs):
        global left
        left -= at_start
        if at_start and left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = function(*arguments, **kwargs)
        left -= not at_start
        if not at_start and left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return call

if point == "before":
    view.take = dying(view.take, True)
elif point == "tracked":
    module.take = dying(module.take, True)
elif point == "written":
    module.take = dying(module.take, False)
elif point == "committed":
    view.take = dying(view.take, False)
from adapters.cli import main
sys.exit(main(["journal", "project", *arguments]))
"""


@dataclass(frozen=True)
class Database:
    """One to project into: how it is called, what is in it, and how far it has come."""

    kind: str
    address: str
    rows: Callable[[], Rows]
    taken: Callable[[], int]

    def start(self, journal: Path, point: str = "", after: int = 0, follow: bool = False) -> "subprocess.Popen[str]":
        arguments = [point or "never", str(after), self.kind, str(journal), "--to", self.address]
        command = [sys.executable, "-c", PROJECT, *arguments, *(["--follow"] if follow else [])]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, journal: Path) -> Rows:
        with self.start(journal) as done:
            out, said = done.communicate(timeout=TIMEOUT_S)
        assert done.returncode == 0, said
        assert PASSWORD not in out + said
        return self.rows()


def sqlite_database(file: Path) -> Database:
    return Database("sqlite", f"sqlite:///{file}", lambda: sqlite_rows(file), lambda: _sqlite_count(file))


def _sqlite_count(file: Path) -> int:
    try:
        return len(sqlite_rows(file)["tape_fills"])
    except sqlite3.Error:
        return 0


def postgres_database(server: str, name: str) -> Database:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    address = server.replace("/postgres?", f"/{name}?")

    def count() -> int:
        try:
            return len(postgres_rows(address)["tape_fills"])
        except psycopg.Error:
            return 0

    return Database("postgres", address, lambda: postgres_rows(address), count)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tape") / "journal"
    settings = configuration(
        "compiled", EMA_OF_TRADES | LADDER, ("BTC", "ETH", "XRP"), LATENCY, timer_interval="1s", block_events=100
    )
    with create_journal(folder, backtest_manifest(settings, DEFAULT_LIMITS)) as writer:
        play(settings, [three_markets(300)], writer)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as address:
        yield address


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Database]:
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("databases")
        return lambda name: sqlite_database(folder / f"{name}.db")
    server = request.getfixturevalue("server")
    return lambda name: postgres_database(server, name)


@pytest.fixture(scope="module")
def undisturbed(new_database: Callable[[str], Database], journal: Path) -> Rows:
    rows = new_database("undisturbed").finish(journal)
    assert len(rows["tape_orders"]) == 156 and len(rows["tape_fills"]) == 55
    return rows


def test_killed_at_chosen_points(new_database: Callable[[str], Database], journal: Path, undisturbed: Rows) -> None:
    """One after the other on the same database: each comes further than the one before it."""
    database = new_database("points")
    for number, point in enumerate(POINTS):
        for after in (1, 20 + number):
            with database.start(journal, point, after) as dying:
                _, said = dying.communicate(timeout=TIMEOUT_S)
            assert dying.returncode == -signal.SIGKILL, said
    assert 0 < database.taken() < 55
    assert database.finish(journal) == undisturbed


def test_killed_at_random(new_database: Callable[[str], Database], journal: Path, undisturbed: Rows) -> None:
    database = new_database("random")
    rng = random.Random(7)
    for _ in range(RANDOM_KILLS):
        wanted = database.taken() + rng.randrange(1, 10)
        with database.start(journal, follow=True) as running:
            deadline = time.monotonic() + TIMEOUT_S
            while database.taken() < wanted and time.monotonic() < deadline:
                time.sleep(rng.random() / 200)
            running.send_signal(signal.SIGKILL)
        assert running.returncode == -signal.SIGKILL
    assert database.finish(journal) == undisturbed


def test_a_second_time_changes_nothing_and_two_journals_share_a_database(
    new_database: Callable[[str], Database], journal: Path, undisturbed: Rows, tmp_path: Path
) -> None:
    database = new_database("shared")
    assert database.finish(journal) == undisturbed == database.finish(journal)
    with read_journal(journal) as source:
        other = structs.replace(source.manifest, journal_id="ab" * 16)
        with create_journal(tmp_path / "other", other) as writer:
            for block in source.blocks():
                documents = dict(source.documents(block.first_seq, block.last_seq))
                writer.append(block.events, block.decisions, block.state_digest, documents)
    both = database.finish(tmp_path / "other")
    for table, rows in undisturbed.items():
        assert len(both[table]) == 2 * len(rows)
        assert [row for row in both[table] if row["journal"] == source.manifest.journal_id] == rows


def test_it_follows_a_journal_while_that_is_written(
    new_database: Callable[[str], Database], journal: Path, undisturbed: Rows, tmp_path: Path
) -> None:
    """Block by block; interrupted at the end, it has said so and kept everything."""
    database = new_database("followed")
    with read_journal(journal) as source, create_journal(tmp_path / "growing", source.manifest) as writer:
        running = None
        for block in source.blocks():
            documents = dict(source.documents(block.first_seq, block.last_seq))
            writer.append(block.events, block.decisions, block.state_digest, documents)
            running = running or database.start(tmp_path / "growing", follow=True)
            time.sleep(0.02)
        assert running is not None
        deadline = time.monotonic() + TIMEOUT_S
        recorder = TapeRecorder(read_journal(journal))
        fills = len(undisturbed["tape_fills"])
        assert recorder.last_notification_id(Trading.topics)
        while (database.taken() < fills or database.rows() != undisturbed) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert running.poll() is None
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=TIMEOUT_S)
    assert database.rows() == undisturbed
    assert (running.returncode, said) == (130, "tapefold: interrupted; what was recorded is kept\n")
    recorder.close()


def test_it_follows_a_daemon_through_its_lives(
    new_database: Callable[[str], Database], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed twice and begun again, with requests lost, the daemon writes on; the follower does not mind."""
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    world = World(tmp_path / "live", seed=3)
    Life(world, "after_commit:5", faults=True).live()
    followed = new_database("daemon")
    with followed.start(world.folder, follow=True) as running:
        deadline = time.monotonic() + TIMEOUT_S
        while followed.taken() == 0 and not running.poll() and time.monotonic() < deadline:
            Life(world, "after_commit:15", faults=True).live()
        live_on(world, ["after_send:4"], faults=True)
        expected = new_database("at_once").finish(world.folder)
        while followed.rows() != expected and not running.poll() and time.monotonic() < deadline:
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 130, said
    assert followed.rows() == expected and len(expected["tape_fills"]) > 3


def test_a_damaged_tape_is_said_in_one_line_and_what_is_sound_is_kept(
    new_database: Callable[[str], Database], journal: Path, undisturbed: Rows, tmp_path: Path
) -> None:
    database = new_database("damaged")
    with read_journal(journal) as source, create_journal(tmp_path / "damaged", source.manifest) as writer:
        for block in source.blocks():
            documents = dict(source.documents(block.first_seq, block.last_seq))
            writer.append(block.events, block.decisions, block.state_digest, documents)
    store = LmdbStore(tmp_path / "damaged", Access.WRITE_UNSYNCED)
    key = (1_401).to_bytes(8, "big")
    store.write([(Table.BLOCKS, key, flipped(stored(store, Table.BLOCKS, key), 5_000))])
    store.close()
    with database.start(tmp_path / "damaged") as running:
        _, said = running.communicate(timeout=TIMEOUT_S)
    assert (running.returncode, said.count("\n")) == (4, 1)
    assert "block 1401: the block is not what was written" in said
    for table, rows in database.rows().items():
        assert len(rows) <= len(undisturbed[table])


def test_two_at_once_lose_and_double_nothing(
    new_database: Callable[[str], Database], journal: Path, undisturbed: Rows
) -> None:
    """The tracking lets one of them take an event; the other says so in a line, or finds everything done."""
    database = new_database("contested")
    database_ready = database.start(journal, "committed", 1)
    database_ready.communicate(timeout=TIMEOUT_S)
    both = [database.start(journal) for _ in range(2)]
    ended = [one.communicate(timeout=TIMEOUT_S)[1] for one in both]
    codes = sorted(one.returncode for one in both)
    assert codes in ([0, 0], [0, 2], [2, 2]), ended
    for said in ended:
        assert not said or ("tapefold: error: " in said and said.count("\n") == 1 and PASSWORD not in said)
    assert database.finish(journal) == undisturbed


@pytest.mark.parametrize("where", ["PGPASSWORD", "PGPASSFILE"])
def test_a_password_need_not_be_in_the_address(
    server: str, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    database = postgres_database(server, where.lower())
    address = database.address.replace(f":{PASSWORD}@", "@")
    assert PASSWORD not in address
    (tmp_path / "pgpass").write_text(f"*:*:*:*:{PASSWORD}\n")
    (tmp_path / "pgpass").chmod(0o600)
    monkeypatch.setenv(where, PASSWORD if where == "PGPASSWORD" else str(tmp_path / "pgpass"))
    done = replace(database, address=address).finish(journal)
    assert done and len(database.rows()["tape_fills"]) == 55


def test_a_server_that_goes_away_is_said_in_one_line(journal: Path) -> None:
    with postgres_server() as server:
        database = postgres_database(server, "leaving")
        running = database.start(journal, follow=True)
        deadline = time.monotonic() + TIMEOUT_S
        while database.taken() < 5 and running.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
    out, said = running.communicate(timeout=TIMEOUT_S)
    assert running.returncode == 2 and out == ""
    assert said.startswith("tapefold: error: postgresql:///") and said.count("\n") == 1
    assert said.endswith("; what was committed is kept\n") and PASSWORD not in said
