"""Trouble while trading: the daemon stops and says why, sends nothing any more, and its tape is whole."""

import asyncio
import errno
import logging
import mmap
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from prometheus_client import generate_latest

from adapters.configuration import parse_configuration
from adapters.errors import UserError
from adapters.exchanges.client_ids import ClientIds
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Connection
from adapters.journal import check, lmdb_environment, read_journal
from adapters.journal.lmdb_environment import Environment
from adapters.strategies.interface import Signal
from engine.kinds import Action, DecisionKind, EventKind, FundingBasis
from engine.reasons import Reason
from engine.records import EVENT
from replay import live as live_module
from replay.live import Daemon
from replay.live_setup import Sending, open_daemon
from replay.refold import refold
from replay.session import EngineStopped
from tests.golden.strategies.scripted import ENTRY, script
from tests.simulation.daemon_lives import TEXT, Life, World, agree
from tests.simulation.direct_exchange import DirectExchange
from tests.support import ROOT

Use = Callable[[Daemon], Awaitable[None]]
BUY, SELL = Signal(0, Action.BUY), Signal(0, Action.SELL)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    return World(tmp_path / "tape", seed=3)


@pytest.fixture
def scripted(world: World) -> World:
    """The same, with a strategy that does what the test tells it."""
    text = TEXT.replace('"compiled"', '"python"').replace("adapters.strategies.ema_cross", ENTRY)
    text = text[: text.index("[strategies.parameters]")] + text[text.index("[live]") :]
    world.configuration = parse_configuration(text, Path("live.toml"))
    return world


class Witness(DirectExchange):
    """An exchange that knows what was sent to it, and that can raise as a client never should."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sent: list[Command] = []
        self.slow = False
        self.raises: BaseException | None = None
        self.sent_before_failure = 0
        self.stood_down = 0
        self.together: list[list[Command]] = []

    async def send_all(self, commands: Sequence[Command]) -> None:
        self.together.append(list(commands))
        await super().send_all(commands)

    async def stand_down(self) -> bool:
        self.stood_down += 1
        return True

    async def send(self, command: Command) -> None:
        self.sent.append(command)
        if self.slow:
            await asyncio.sleep(0.05)
        if self.raises is not None:
            self.sent_before_failure = self.sent_before_failure or len(self.sent)
            raise self.raises
        await super().send(command)


def lived(world: World, use: Use) -> tuple[Daemon, Witness]:
    """A daemon's life, with `use` while it trades. Raises what ended it."""

    def make(connection: Connection, inbox: Inbox) -> Witness:
        return Witness(world.core, world.customer, connection.ids, inbox)

    async def steps() -> tuple[Daemon, Witness]:
        with ExitStack() as opened:
            daemon, _ = open_daemon(
                world.configuration, world.folder, Sending.LIVE, make, opened, clock_ns=world.clock_ns
            )
            running = asyncio.create_task(daemon.run())
            while not daemon.ready and not running.done():
                await asyncio.sleep(0)
            using = asyncio.ensure_future(use(daemon))
            try:
                await asyncio.wait_for(asyncio.wait((running, using), return_when=asyncio.FIRST_COMPLETED), 60)
                if using.done():
                    using.result()
                    daemon.stop()
                await asyncio.wait_for(running, 60)
            finally:
                using.cancel()
                world.core.market_listeners.clear()
                world.core.private_listeners.clear()
            witness = daemon.exchanges[0]
            assert isinstance(witness, Witness)
            return daemon, witness

    return asyncio.run(steps())


def nowhere(*_: Any) -> Any:
    """A client that is not used."""


async def trade(world: World, ticks: int) -> None:
    for _ in range(ticks):
        world.tick()
        for _ in range(8):
            await asyncio.sleep(0)


def trading(world: World, ticks: int = 300) -> Use:
    return lambda daemon: trade(world, ticks)


def sound_tape(folder: Path) -> list[np.ndarray]:
    """The events of a tape that verifies and folds to what it states."""
    with read_journal(folder) as reader:
        assert check(reader).sound
        refold(reader, compare=True)
        return [block.events.view(EVENT).copy() for block in reader.blocks()]


def goes_on(world: World) -> None:
    """A restart finds out what is true, and agrees with the exchange."""
    life = Life(world, ticks=0, settles=True).live()
    assert life.daemon is not None
    agree(world, life.daemon)


# The journal


def test_a_full_disk_stops_it_and_the_tape_stays_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, sent = Environment._commit, []

    def no_space(self: Environment, changes: Any) -> None:
        error: Any = lmdb.DiskError("mdb_txn_commit")
        error.code = errno.ENOSPC
        raise error

    async def use(daemon: Daemon) -> None:
        witness = daemon.exchanges[0]
        assert isinstance(witness, Witness)
        await trade(world, 60)
        assert witness.sent
        monkeypatch.setattr(Environment, "_commit", no_space)
        before = len(witness.sent)
        await trade(world, 200)
        sent.append(len(witness.sent) - before)

    with pytest.raises(UserError, match="the disk is full; everything committed so far is intact"):
        lived(world, use)
    monkeypatch.setattr(Environment, "_commit", commit)
    assert sent == [] or sent == [0], "what is not on the tape is not sent"
    sound_tape(world.folder)
    goes_on(world)


def test_a_map_that_cannot_grow_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmdb_environment, "MAP_BYTES_AT_FIRST", 1 << 20)
    map_memory = mmap.mmap

    def no_room(fileno: int, length: int, **how: Any) -> mmap.mmap:
        if length > 4 << 20:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return map_memory(fileno, length, **how)

    monkeypatch.setattr(mmap, "mmap", no_room)
    with pytest.raises(
        UserError, match=r"the journal's map is full and cannot grow to 8 MiB.*committed so far is intact"
    ):
        lived(world, trading(world, 5_000))
    monkeypatch.undo()
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    sound_tape(world.folder)


def test_one_journal_has_one_daemon(world: World) -> None:
    async def use(daemon: Daemon) -> None:
        await trade(world, 20)
        with ExitStack() as opened, pytest.raises(UserError, match="the journal is being written by process"):
            open_daemon(world.configuration, world.folder, Sending.LIVE, lambda *_: daemon.exchanges[0], opened)
        await trade(world, 20)

    lived(world, use)
    sound_tape(world.folder)


def test_a_snapshot_that_cannot_be_kept_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Any, snapshot: Any) -> None:
        raise UserError("the disk is full; everything committed so far is intact")

    async def use(daemon: Daemon) -> None:
        monkeypatch.setattr(type(daemon.journal), "save_snapshot", full)
        await trade(world, 300)

    with pytest.raises(UserError, match="the disk is full"):
        lived(world, use)
    monkeypatch.undo()
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    goes_on(world)


# Strategies and the engine


def test_a_strategy_that_raises_is_named_and_the_last_answers_are_kept(scripted: World) -> None:
    world, seen = scripted, 0

    def speak(quote: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == 40:
            raise ValueError("no such thing")
        return BUY if seen % 10 == 5 else SELL if seen % 10 == 0 else None

    message = "strategy ema: on_quote raised ValueError: no such thing at the event of ts_ns"
    with script(on_quote=speak), pytest.raises(UserError, match=message):
        lived(world, trading(world))
    assert seen == 40, "it is not asked again"
    events = np.concatenate(sound_tape(world.folder))
    assert events["kind"][-1] == EventKind.CONNECTION_LOST
    assert np.count_nonzero(events["kind"] == EventKind.ORDER_FILLED) > 2
    # The same strategy raises when it is shown the tape; one that was put right goes on.
    seen = 0
    with script(on_quote=speak), pytest.raises(UserError, match="no such thing"):
        Life(world, ticks=0).live()
    with script():
        with ExitStack() as opened:
            _, recovered = open_daemon(
                world.configuration, world.folder, Sending.LIVE, nowhere, opened, clock_ns=world.clock_ns
            )
        assert recovered.divergences > 0, "it said something then"


@pytest.mark.parametrize("said", ["BUY", BUY._replace(rationale="\ud800"), [SELL._replace(rationale="x"), 5]])
def test_what_is_no_signal_stops_it_and_leaves_no_words_behind(scripted: World, said: Any) -> None:
    with script(on_quote=lambda quote: said), pytest.raises(UserError, match="strategy ema"):
        lived(scripted, trading(scripted))
    sound_tape(scripted.folder)


def test_a_fault_of_the_engine_stops_it_and_is_the_last_on_its_tape(world: World) -> None:
    async def use(daemon: Daemon) -> None:
        await trade(world, 30)
        daemon.inbox.put(EventKind.FUNDING, FundingBasis.AMOUNT, words=(0, 0, 2**61, 0, 0))
        await trade(world, 100)

    with pytest.raises(EngineStopped, match=f"{Reason.MONEY_OVERFLOW.name}; its tape is kept") as stopped:
        lived(world, use)
    unit = (ROOT / "deploy" / "tapefold@.service").read_text()
    (left_alone,) = [line.partition("=")[2].split() for line in unit.splitlines() if line.startswith("RestartPrevent")]
    assert str(stopped.value.exit_code) in left_alone and "1" not in left_alone
    events = np.concatenate(sound_tape(world.folder))
    assert events["kind"][-1] == EventKind.FUNDING
    with pytest.raises(EngineStopped, match=f"the engine stopped at event {len(events)}: {Reason.MONEY_OVERFLOW.name}"):
        Life(world, ticks=0).live()


# Exchanges, people, the clock


@pytest.mark.parametrize("failure", [ValueError("no such thing"), UserError("no such thing")])
def test_a_client_that_raises_stops_it_and_nothing_more_is_sent(world: World, failure: Exception) -> None:
    witnesses = []

    async def use(daemon: Daemon) -> None:
        witness = daemon.exchanges[0]
        assert isinstance(witness, Witness)
        witnesses.append(witness)
        await trade(world, 60)
        witness.slow, witness.raises = True, failure
        witness.sent.clear()
        await asyncio.gather(trade(world, 400), asyncio.sleep(1))

    with pytest.raises(type(failure), match="no such thing"):
        lived(world, use)
    assert len(witnesses[0].sent) == witnesses[0].sent_before_failure >= 1
    assert witnesses[0].stood_down == 0, "the dead-man switch cancels what is left of a daemon in trouble"
    events = np.concatenate(sound_tape(world.folder))
    assert events["kind"][-1] == EventKind.CONNECTION_LOST
    goes_on(world)


def test_orders_of_one_commit_leave_together(world: World) -> None:
    _, witness = lived(world, trading(world, 80))
    batches = [[DecisionKind(command.kind) for command in commands] for commands in witness.together]
    assert batches and all(len(kinds) > 1 for kinds in batches)
    assert {DecisionKind.PLACE_ORDER, DecisionKind.CANCEL_ORDER} <= {kind for kinds in batches for kind in kinds}
    cancels = [{kind == DecisionKind.CANCEL_ORDER for kind in kinds} for kinds in batches]
    assert all(len(kinds) == 1 for kinds in cancels), "never both in one"


def test_one_that_is_stopped_ends_the_dead_man_switch(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(daemon: Daemon) -> None:
        async def stand_down() -> bool:
            return False

        daemon.exchanges[0].stand_down = stand_down  # type: ignore[method-assign]

    _, witness = lived(world, trading(world, 20))
    assert witness.stood_down == 1 and not caplog.records
    with caplog.at_level(logging.WARNING, "tapefold.live"):
        lived(world, refuse)
    (record,) = caplog.records
    assert "account 0: its dead-man switch has not been ended: its orders will be cancelled" in record.getMessage()


def test_a_question_that_raises_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(daemon: Daemon) -> None:
        async def ask(*_: Any) -> bool:
            raise ValueError("no such thing")

        monkeypatch.setattr(daemon.exchanges[0], "ask", ask)
        daemon.reconcile_interval_s = 0.01
        await trade(world, 400)
        await asyncio.sleep(5)

    world.configuration = parse_configuration(TEXT.replace('"1h"', '"1s"'), Path("live.toml"))
    with pytest.raises(ValueError, match="no such thing"):
        lived(world, use)
    assert np.concatenate(sound_tape(world.folder))["kind"][-1] == EventKind.CONNECTION_LOST


def test_what_is_doubted_is_asked_about_until_it_is_answered(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_UNKNOWN_ASKED_EVERY_S", 0.01)
    asked: list[list[int]] = []

    async def use(daemon: Daemon) -> None:
        while not (open_orders := daemon.questions(0)):
            await trade(world, 1)

        async def ask(orders: Any, since_ns: int) -> bool:
            asked.append([question.order for question in orders])
            return len(asked) == 3

        monkeypatch.setattr(daemon.exchanges[0], "ask", ask)
        doubted = open_orders[0].order
        daemon.inbox.order_report(EventKind.CANCEL_REJECTED, 0, 0, doubted, reason=Reason.EXCHANGE_ORDER_UNKNOWN)
        await asyncio.sleep(0.5)
        assert asked == [[doubted]] * 3, "twice there was no answer, and then there was one"

    lived(world, use)


def test_stopping_while_a_question_after_a_gap_has_no_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(daemon: Daemon) -> None:
        async def ask(orders: Any, since_ns: int) -> bool:
            # At once, and over and over: whoever asks without a pause never lets anybody else in.
            questions.append(since_ns)
            assert len(questions) < 100
            return False

        monkeypatch.setattr(daemon.exchanges[0], "ask", ask)
        daemon.inbox.connection(EventKind.CONNECTION_RESTORED, 0, stream=0)
        while not questions:
            await trade(world, 1)

    questions: list[int] = []
    lived(world, use)
    assert len(questions) <= 2


def test_told_to_stop_twice_it_does_not_wait_for_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "_LAST_ANSWERS_WITHIN_S", 1_000)

    async def use(daemon: Daemon) -> None:
        never = asyncio.Event()

        async def silent(command: Command) -> None:
            await never.wait()

        monkeypatch.setattr(daemon.exchanges[0], "send", silent)
        while not daemon._requests:
            await trade(world, 1)
        daemon.stop()
        await asyncio.sleep(0.05)
        assert daemon._requests, "the first time it waits"

    # `lived` tells it the second time.
    daemon, _ = lived(world, use)
    assert not daemon._requests
    assert np.concatenate(sound_tape(world.folder))["kind"][-1] == EventKind.CONNECTION_LOST
    goes_on(world)


@pytest.mark.parametrize("waits_for", ["open", "ask"])
def test_it_can_be_stopped_before_the_exchange_has_answered(world: World, waits_for: str) -> None:
    async def steps() -> Daemon:
        with ExitStack() as opened:
            inbox, ids = Inbox(world.clock_ns), ClientIds("0" * 32)
            exchange = Witness(world.core, world.customer, ids, inbox)

            async def silent(*_: Any) -> bool:
                await asyncio.Event().wait()
                return True

            setattr(exchange, waits_for, silent)
            daemon, _ = open_daemon(
                world.configuration, world.folder, Sending.LIVE, lambda *_: exchange, opened, clock_ns=world.clock_ns
            )
            running = asyncio.create_task(daemon.run())
            await asyncio.sleep(0.1)
            daemon.stop()
            await asyncio.wait_for(running, 5)
            return daemon

    daemon = asyncio.run(steps())
    assert not daemon.ready
    world.core.market_listeners.clear()
    world.core.private_listeners.clear()
    goes_on(world)


def test_a_clock_that_steps_back_is_told_once_and_counted(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def use(daemon: Daemon) -> None:
        await trade(world, 30)
        world.now_ns -= 3_600_000_000_000
        await trade(world, 60)
        world.now_ns += 3_600_000_000_000
        await trade(world, 5)
        world.now_ns -= 60_000_000_000
        await trade(world, 5)
        assert daemon.operations is not None
        shown = generate_latest(daemon.operations.metrics.registry).decode()
        (count,) = [
            line.split()[1] for line in shown.splitlines() if line.startswith("tapefold_clock_steps_back_total")
        ]
        assert float(count) == daemon.inbox.clock_steps_back == 2

    with caplog.at_level(logging.WARNING, "tapefold.live"):
        lived(world, use)
    assert [record.getMessage() for record in caplog.records if "clock" in record.getMessage()] == [
        "the clock of this machine went back: events keep the time before it until it has caught up"
    ]
    times = np.concatenate(sound_tape(world.folder))["ts_ns"]
    assert np.all(np.diff(times) >= 0)
