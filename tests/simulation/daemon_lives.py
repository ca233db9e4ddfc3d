"""Lives of a daemon against the venue's core without a network: killed at any point, begun again, and then compared."""

import asyncio
import random
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adapters.configuration import Configuration, parse_configuration
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Connection
from adapters.journal import check, read_journal
from adapters.venue.core import VenueCore
from engine.kinds import EventKind, OrderStatus
from engine.records import FUNDING, QUOTE
from replay.crash_points import CrashPoints
from replay.live import Daemon
from replay.live_setup import Sending, open_daemon
from replay.recorder import state_digest
from replay.refold import refold
from replay.standing import are_open
from tests.protection import unprotected
from tests.simulation.direct_exchange import ARRIVES_AND_ANSWERS, DirectExchange

TEXT = """
[run]
name = "live"
timer_interval = "50ms"

[journal]
snapshot_every_events = 40

[[accounts]]
name = "main"
kind = "margin"
currency = "USDT"
balance = "100000"

[[instruments]]
symbol = "BTC/USDT:USDT"
account = "main"
kind = "linear"
tick_size = "0.1"
lot_size = "0.001"
taker_fee_bps = 5
margin_initial = "0.05"
order_quantity = "0.01"

[bracket]
stop = "0.4%"
targets = [{ at = "0.3%", share = "0.5" }, { at = "0.6%", share = "0.5" }]

[[strategies]]
name = "ema"
form = "compiled"
entry = "adapters.strategies.ema_cross"
[strategies.parameters]
fast = 2
slow = 5
price = "quote"

[live]
reconcile_interval = "1h"
[[live.connections]]
account = "main"
exchange = "binanceusdm"
keys_env = "TEST"
"""


_SETTLE_LOOPS = 250
_QUIET_LOOPS = 8
_FUNDING_EVERY_TICKS = 5


class Killed(BaseException):
    """The process is gone."""


@dataclass
class World:
    """What survives a daemon: the exchange, the market, the journal's folder."""

    folder: Path
    seed: int
    configuration: Configuration = field(default_factory=lambda: parse_configuration(TEXT, Path("live.toml")))
    now_ns: int = 1_700_000_000_000_000_000
    price_ticks: int = 500_000

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.core = VenueCore(self.configuration, self.clock_ns)
        self.customer = self.core.customers[0]
        self.placed_ids: list[str] = []
        self.ticks = 0

    def clock_ns(self) -> int:
        self.now_ns += 1_000_000
        return self.now_ns

    def tick(self) -> None:
        self.price_ticks += self.random.randint(-900, 900)
        row = np.zeros(64, np.uint8)
        quote = row.view(QUOTE)[0]
        quote.kind, quote.bid_ticks, quote.ask_ticks = EventKind.QUOTE, self.price_ticks, self.price_ticks + 1
        # Little is shown, so that orders are filled in parts.
        quote.bid_lots, quote.ask_lots = self.random.randint(1, 12), self.random.randint(1, 12)
        self.core.apply(row)
        self.ticks += 1
        if self.ticks % _FUNDING_EVERY_TICKS == 0:
            self.pay_funding()

    def pay_funding(self) -> None:
        """What is held is paid for, by whoever is long."""
        row = np.zeros(64, np.uint8)
        row.view(FUNDING)[0].kind, row.view(FUNDING)[0].rate_ppb = EventKind.FUNDING, 123_457
        self.core.apply(row)


@dataclass
class Life:
    """One daemon from its start to its end: stopped, or killed at a point."""

    world: World
    chosen: str = ""
    ticks: int = 60
    faults: bool = False
    settles: bool = False

    def __post_init__(self) -> None:
        self.points = CrashPoints(self.chosen, self._kill)
        self.killed = False
        self.daemon: Daemon | None = None

    def live(self) -> "Life":
        asyncio.run(self._live())
        return self

    async def _live(self) -> None:
        world = self.world
        with ExitStack() as opened:
            daemon, recovered = open_daemon(
                world.configuration, world.folder, Sending.LIVE, self._exchange, opened, clock_ns=world.clock_ns
            )
            self.daemon = daemon
            daemon.points = self.points
            assert recovered.divergences == 0
            market = asyncio.create_task(self._market(daemon))
            # What is wrong in there ends the life, and is shown when it is over.
            market.add_done_callback(lambda done: None if done.cancelled() or not done.exception() else daemon.stop())
            try:
                await daemon.run()
            except Killed:
                pass
            finally:
                market.cancel()
                (found,) = await asyncio.gather(market, return_exceptions=True)
                world.core.market_listeners.clear()
                world.core.private_listeners.clear()
                if daemon.operations is not None:
                    await daemon.operations.close()
                if self.killed:
                    # What closing a journal adds must not be there.
                    daemon.journal._has_grown = False
            if isinstance(found, Exception):
                raise found

    def _exchange(self, connection: Connection, inbox: Inbox) -> DirectExchange:
        world = self.world
        exchange = DirectExchange(world.core, world.customer, connection.ids, inbox)
        exchange.placed_ids = world.placed_ids
        exchange.adopts_unknown = connection.adopts_unknown
        if self.faults:
            exchange.fate = self._fate
        return exchange

    def _fate(self, command: Command) -> tuple[bool, bool]:
        if self.world.random.random() < 0.7:
            return ARRIVES_AND_ANSWERS
        return self.world.random.choice([(False, False), (True, False)])

    async def _market(self, daemon: Daemon) -> None:
        while not daemon.ready:
            await asyncio.sleep(0)
        for _ in range(self.ticks):
            self.world.tick()
            for _ in range(8):
                await asyncio.sleep(0)
        # What is on its way comes to its end, without another price; what was refused is tried again at the timers.
        quiet = 0
        for _ in range(_SETTLE_LOOPS if self.settles else 0):
            await asyncio.sleep(0.02)
            quiet = 0 if differences(self.world, daemon) else quiet + 1
            if quiet == _QUIET_LOOPS:
                break
        daemon.stop()

    def _kill(self) -> None:
        self.killed = True
        assert self.daemon is not None
        self.daemon._broken = True
        raise Killed


def agree(world: World, daemon: Daemon) -> None:
    """Exchange and engine agree on orders, fills, position and cash, and nothing was doubled or is unprotected."""
    assert len(world.placed_ids) == len(set(world.placed_ids)), "no intent has two orders"
    found = differences(world, daemon)
    assert not found, "; ".join(found)


def differences(world: World, daemon: Daemon) -> list[str]:
    """In what the engine is not the exchange's, or what is held without protection."""
    state = daemon.session.engine.view(daemon.session.state)
    customer = world.customer
    position, account = state.positions[0, 0], state.accounts[0]
    held = customer.position(0)
    cash = int(account["deposits_units"] + account["realized_units"] - account["fees_units"] + account["funding_units"])
    open_ones = state.orders[are_open(state.orders)]
    at_exchange = open_ones[open_ones["status"] != OrderStatus.HELD]
    exchange = next(iter(daemon.exchanges.values()))
    assert isinstance(exchange, DirectExchange)
    ours = {int(order["order"]): int(order["quantity_lots"] - order["filled_lots"]) for order in at_exchange}
    theirs = {exchange.ids.order_of_binance(order.client_id): order.left_lots for order in customer.open_orders()}
    on_its_way = {int(status) for status in at_exchange["status"]} & {OrderStatus.UNKNOWN, OrderStatus.PENDING}
    compared = {
        "position": (int(position["quantity_lots"]), held.quantity_lots),
        # A fill that was learned of late is booked after later ones: what is realized and what is cost may part
        # otherwise, the two together not.
        "cash": (cash - int(position["cost_units"]), customer.balance(0).wallet_units - held.cost_units),
        "funding": (int(account["funding_units"]), sum(paid.amount_units for paid in customer.payments())),
        "fills": (int(state.fills), len(customer.trades())),
        "orders": (ours, theirs),
        "without an answer": (on_its_way, set()),
    }
    found = [f"{name}: {here}, at the exchange {there}" for name, (here, there) in compared.items() if here != there]
    return found + unprotected(state)


def the_tape_is_sound(folder: Path, daemon: Daemon) -> None:
    with read_journal(folder) as reader:
        assert check(reader).sound
        assert refold(reader, compare=True).state_digest == state_digest(daemon.session.state).hex()


def live_on(world: World, chosen: Iterable[str], faults: bool = False) -> Daemon:
    """Lives that end at these points, and a last one that ends well; everything is compared after it."""
    for point in chosen:
        Life(world, point, faults=faults).live()
    last = Life(world, ticks=0, settles=True).live()
    assert last.daemon is not None and not last.killed
    agree(world, last.daemon)
    the_tape_is_sound(world.folder, last.daemon)
    return last.daemon
