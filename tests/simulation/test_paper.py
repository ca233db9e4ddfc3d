"""Paper trading: the simulated exchange inside of the daemon, over market data that come from outside."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.configuration import Configuration, parse_configuration
from adapters.errors import Divergence
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Connection
from adapters.journal import MemoryJournal, TextDocument, check, read_journal
from engine.kinds import EventKind, OperatorAction
from engine.reasons import Reason
from engine.records import EVENT
from replay.audit.whatif import what_if
from replay.backtest import backtest_manifest
from replay.live import Daemon
from replay.live_setup import Sending, open_daemon
from replay.opening import opening_events
from replay.played_again import inputs_of
from replay.recorder import state_digest
from replay.refold import refold
from replay.setup import build_session
from tests.simulation.daemon_lives import TEXT, World

FORMS = {
    "compiled": ('"compiled"', '"adapters.strategies.ema_cross"'),
    "python": ('"python"', '"adapters.strategies.ema_cross:EmaCross"'),
}
SIMULATED = '\n[exchange]\nlatency_in = "3ms"\nlatency_out = "2ms"\n'


def configuration(form: str) -> Configuration:
    text = TEXT.replace('"compiled"', FORMS[form][0]).replace('"adapters.strategies.ema_cross"', FORMS[form][1])
    return parse_configuration(text + SIMULATED, Path("live.toml"))


class MarketOnly:
    """A client without keys: market data, and nothing else."""

    def __init__(self, world: World, connection: Connection, inbox: Inbox) -> None:
        assert not connection.has_keys, "paper needs no keys"
        self.world, self.inbox = world, inbox

    async def open(self) -> None:
        self.world.core.market_listeners.append(self._on_market)

    async def send(self, command: Command) -> None:
        raise AssertionError("nothing is sent on paper")

    async def ask(self, *_: Any) -> bool:
        return True

    async def stand_down(self) -> bool:
        return True

    async def close(self) -> None:
        self.world.core.market_listeners.clear()

    def _on_market(self, update: Any) -> None:
        self.inbox.quote(update.instrument, update.bid_ticks, update.ask_ticks, update.bid_lots, update.ask_lots)


@pytest.fixture(params=["compiled", "python"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    made = World(tmp_path / "tape", seed=3)
    made.configuration = configuration(request.param)
    return made


def lived(world: World, ticks: int, use: Callable[[Daemon], Awaitable[None]] | None = None) -> Daemon:
    async def steps() -> Daemon:
        with ExitStack() as opened:
            daemon, recovered = open_daemon(
                world.configuration,
                world.folder,
                Sending.PAPER,
                lambda connection, inbox: MarketOnly(world, connection, inbox),
                opened,
                clock_ns=world.clock_ns,
            )
            assert recovered.divergences == 0
            running = asyncio.create_task(daemon.run())
            while not daemon.ready:
                await asyncio.sleep(0)
                assert not running.done(), running.result()
            for _ in range(ticks):
                world.tick()
                await asyncio.sleep(0.001)
            if use is not None:
                await use(daemon)
            daemon.stop()
            await running
            return daemon

    return asyncio.run(steps())


def tape(folder: Path) -> tuple[np.ndarray, bytes]:
    with read_journal(folder) as reader:
        assert check(reader).sound and reader.manifest.mode == "paper"
        refold(reader, compare=True)
        blocks = list(reader.blocks())
        events = b"".join(block.events.tobytes() for block in blocks)
        return np.frombuffer(events, np.uint8), b"".join(block.decisions.tobytes() for block in blocks)


def test_it_trades_stops_and_goes_on_like_one_backtest(world: World) -> None:
    first = lived(world, 100)
    position = first.session.row.fills
    assert position > 5
    assert world.customer.trades() == [], "the exchange knows nothing of it"
    second = lived(world, 100)
    assert second.session.row.fills > position + 5
    events, decisions = tape(world.folder)

    chosen = replace(world.configuration, timer_interval_ns=0)
    journal = MemoryJournal()
    session = build_session(chosen, lambda: journal.create(backtest_manifest(chosen)))
    opening, documents = opening_events(chosen, int(events.view(EVENT)["ts_ns"][0]))
    assert opening.tobytes() == events[: len(opening)].tobytes()
    session.run(opening, documents, iter([inputs_of(events[len(opening) :])]))
    with journal.read() as reader:
        blocks = list(reader.blocks())
        again = b"".join(block.events.tobytes() for block in blocks)
        decided = b"".join(block.decisions.tobytes() for block in blocks)
    # A backtest ends with what was still under way.
    assert again[: len(events)] == events.tobytes()
    assert decided[: len(decisions)] == decisions


def test_what_if_is_asked_of_the_recorded_tape(world: World) -> None:
    """Two sessions of it: played again without an effect they are the tape, with one they are not."""
    lived(world, 100)
    lived(world, 60)
    with read_journal(world.folder) as reader:
        same = what_if(reader, {"risk.open_orders_max": "1000"})
        other = what_if(reader, {"risk.open_orders_max": "1", "risk.entries_per_day_max": "3"})
    assert same.is_exact and same.parted_seq == 0 and same.as_it_was.fills > 5
    assert other.parted_seq > 0 and other.changed.fills < same.as_it_was.fills
    assert other.changed.refusals[Reason.ENTRIES_PER_DAY_MAX] > 0


def test_operators_are_heard_and_their_words_are_at_their_event(world: World) -> None:
    words = TextDocument(text="too wild today", author="ann")

    async def use(daemon: Daemon) -> None:
        for _ in range(120):
            world.tick()
            daemon.inbox.put_stated(EventKind.OPERATOR_COMMAND, words, OperatorAction.FLATTEN)
            await asyncio.sleep(0.001)

    lived(world, 60, use)
    daemon = lived(world, 20)
    events, _ = tape(world.folder)
    with read_journal(world.folder) as reader:
        said = [seq for seq, document in reader.documents() if document == words]
    assert said == (np.flatnonzero(events.view(EVENT)["kind"] == EventKind.OPERATOR_COMMAND) + 1).tolist()
    assert len(said) == 120
    assert daemon.session.row.seq == len(events.view(EVENT))


def test_another_simulated_exchange_is_a_divergence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = lived(world, 100)
    assert before.session.row.fills > 0
    terms = world.configuration.exchange
    slower = replace(world.configuration, exchange=replace(terms, latency_in_ns=terms.latency_in_ns + 7_000_000))
    with pytest.raises(Divergence, match="the simulated exchange comes to another one than is on the tape"):
        lived(World(world.folder, seed=3, configuration=slower), 0)
    assert state_digest(lived(world, 0).session.state), "as it was, it goes on"
