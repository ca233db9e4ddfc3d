"""The account's own stream is gone for a while: when it is back the daemon asks what happened, and does not wait."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

import pytest

from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Connection
from adapters.venue.orders import PrivateUpdate
from engine.kinds import EventKind
from replay.live import Daemon
from replay.live_setup import Sending, open_daemon
from tests.simulation.daemon_lives import World, agree
from tests.simulation.direct_exchange import DirectExchange

_TICKS_MOST = 200
_SETTLE_LOOPS = 250


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")


class Interrupted(DirectExchange):
    """Its private stream can be gone; the market's is not."""

    gone = False
    questions = 0

    async def ask(self, orders, since_ns):
        self.questions += 1
        return await super().ask(orders, since_ns)

    def lose(self) -> None:
        self.gone = True
        self.lost_ns = self.inbox.latest_ts_ns
        self.inbox.connection(EventKind.CONNECTION_LOST, self.account, stream=0)

    def come_back(self, stream: int = 0) -> None:
        self.gone = False
        self.inbox.connection(EventKind.CONNECTION_RESTORED, self.account, stream, gap_started_ns=self.lost_ns)

    def _on_private(self, update: PrivateUpdate) -> None:
        if not self.gone:
            super()._on_private(update)


async def interrupted(world: World, daemon: Daemon, exchange: Interrupted) -> None:
    """Trades happen in a gap, of which nobody hears before it is over."""
    while not daemon.ready:
        await asyncio.sleep(0)
    asked_first = exchange.questions
    for _ in range(_TICKS_MOST):
        if world.customer.open_orders():
            break
        await traded(world)
    exchange.lose()
    unheard = len(world.customer.trades())
    for _ in range(_TICKS_MOST):
        if len(world.customer.trades()) > unheard:
            break
        await traded(world)
    assert len(world.customer.trades()) > unheard
    exchange.come_back(stream=1)
    await asyncio.sleep(0.1)
    assert exchange.questions == asked_first, "the stream of quotes says nothing of orders"
    exchange.come_back()
    for _ in range(_SETTLE_LOOPS):
        if exchange.questions > asked_first:
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    assert exchange.questions > asked_first


async def traded(world: World) -> None:
    world.tick()
    for _ in range(8):
        await asyncio.sleep(0)


def test_what_happened_in_a_gap_is_asked_for_at_once(tmp_path: Path) -> None:
    world = World(tmp_path / "j", seed=3)
    made: list[Interrupted] = []

    def make(connection: Connection, inbox: Inbox) -> Interrupted:
        made.append(Interrupted(world.core, world.customer, connection.ids, inbox))
        return made[-1]

    async def live() -> Daemon:
        with ExitStack() as opened:
            daemon, _ = open_daemon(
                world.configuration, world.folder, Sending.LIVE, make, opened, clock_ns=world.clock_ns
            )
            assert daemon.inbox.foreign_since_ns == daemon.began_ts_ns > 0
            market = asyncio.create_task(interrupted(world, daemon, made[0]))
            market.add_done_callback(lambda _: daemon.stop())
            await daemon.run()
            await market
            agree(world, daemon)
            return daemon

    asyncio.run(live())
