"""Operators command the real daemon through its socket, while it trades and after it was begun again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from adapters.cli.explaining import print_explanation
from adapters.journal import read_journal
from adapters.operating.requests import Answer, Request
from adapters.operating.socket import ask
from engine.kinds import TradingState
from engine.reasons import Reason
from replay.audit.explain import explain_event, explain_order
from replay.audit.whatif import what_if
from replay.live import Daemon
from replay.live_setup import Sending, open_daemon
from tests.simulation.daemon_lives import Life, World, the_tape_is_sound


def lived(world: World, use: Callable[[Daemon], Awaitable[Any]]) -> tuple[Daemon, Any]:
    """A daemon's life, what `use` gives of it while it trades, and then its end."""

    async def steps() -> tuple[Daemon, Any]:
        with ExitStack() as opened:
            make = Life(world)._exchange
            daemon, _ = open_daemon(
                world.configuration, world.folder, Sending.LIVE, make, opened, clock_ns=world.clock_ns
            )
            running = asyncio.create_task(daemon.run())
            while not daemon.ready:
                await asyncio.sleep(0)
                assert not running.done(), running.result()
            try:
                found = await asyncio.wait_for(use(daemon), 60)
            finally:
                daemon.stop()
                await running
            return daemon, found

    return asyncio.run(steps())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    return World(tmp_path / "tape", seed=3)


def request(action: str, target: str = "", value: str = "") -> Request:
    return Request(action=action, target=target, value=value, reason="because")


def test_commands_in_a_trading_daemon_and_after_a_restart(world: World) -> None:
    async def ask_all(*requests: Request) -> list[Answer]:
        return [await asyncio.to_thread(ask, world.folder, each) for each in requests]

    async def first(daemon: Daemon) -> list[Answer]:
        for _ in range(40):
            world.tick()
            await asyncio.sleep(0)
        setting = request("set", "risk.cooldown", "5m")
        return await ask_all(
            request("status"), setting, request("kill"), request("flatten"), request("strategy_enable", "x")
        )

    daemon, (status, changed, killed, flattened, unknown) = lived(world, first)
    assert status["status"]["ready"]
    assert changed["ok"] and killed["ok"] and flattened["ok"]
    assert changed["seq"] < killed["seq"] < flattened["seq"]
    assert unknown["error"]["code"] == "strategy_unknown"
    assert daemon.session.row.trading_state == TradingState.HALTED
    the_tape_is_sound(world.folder, daemon)

    async def second(daemon: Daemon) -> list[Answer]:
        return await ask_all(request("status"), request("set", "risk.cooldown", "5m"), request("resume"))

    daemon, (status, as_before, resumed) = lived(world, second)
    assert status["status"]["trading_state"] == "halted"
    assert as_before["error"]["line"] == "risk.cooldown: expected a rule that changes, everything is as before"
    assert resumed["ok"]
    assert daemon.session.row.trading_state == TradingState.ACTIVE
    the_tape_is_sound(world.folder, daemon)


def test_its_tape_can_be_asked_why_and_what_if(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a live tape both playings are simulated; what really happened stands beside."""

    async def trade_and_flatten(daemon: Daemon) -> Answer:
        for _ in range(100):
            world.tick()
            await asyncio.sleep(0)
        answer = await asyncio.to_thread(ask, world.folder, request("flatten"))
        for _ in range(10):
            world.tick()
            await asyncio.sleep(0)
        return answer

    daemon, flattened = lived(world, trade_and_flatten)
    with read_journal(world.folder) as reader:
        same = what_if(reader, {"risk.open_orders_max": "1000"})
        other = what_if(reader, {"risk.entries_per_day_max": "2"})
        print_explanation(explain_event(reader, flattened["seq"]))
        first = explain_order(reader, 1)
    assert not same.is_exact and same.parted_seq == 0
    assert same.real.orders == daemon.session.row.orders_placed and same.real.fills == daemon.session.row.fills
    assert 0 < other.changed.fills < same.as_it_was.fills
    assert other.changed.refusals[Reason.ENTRIES_PER_DAY_MAX] > 0
    text = capsys.readouterr().out
    assert "operator's command: flatten" in text and '"because"' in text
    assert first["result"]["fills"] > 0 and first["happened"][1]["text"].endswith("sent")
