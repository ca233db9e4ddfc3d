"""A daemon without an exchange: journal, engine, inbox and everything that operates it; `python -m tests.stand_in`.

It takes what arrives as one batch, folds it, commits it and answers the operators, as the real one does.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from adapters import compile_cache

if __name__ == "__main__":
    compile_cache.prepare()

import numpy as np

from adapters.configuration import parse_configuration
from adapters.exchanges.inbox import Inbox
from adapters.journal import Manifest, create_journal
from adapters.version import engine_version
from engine.kinds import EventKind
from engine.records import EVENT_BYTES
from replay.opening import opening_events
from replay.operations import Operations
from replay.recorder import state_digest
from replay.refold import Folder
from tests.twin.machine import SMALL_LIMITS

CONFIGURATION = """
[run]
name = "stand-in"

[[accounts]]
name = "main"
kind = "margin"
currency = "USD"
balance = "10000"
money_decimals = 5

[[instruments]]
symbol = "BTC/USD"
account = "main"
kind = "linear"
tick_size = "0.01"
lot_size = "0.001"
margin_initial = "0.1"
order_quantity = "0.5"
short_allowed = true

[[instruments]]
symbol = "ETH/USD"
account = "main"
kind = "linear"
tick_size = "0.01"
lot_size = "0.01"
margin_initial = "0.1"
order_quantity = "1"

[[strategies]]
name = "ema"
form = "compiled"
entry = "adapters.strategies.ema_cross"

[risk]
cooldown = "1m"

[[breakers]]
name = "bad day"
condition = "daily_loss"
limit = "3%"
actions = ["block_entries"]
"""
_BATCH_EVENTS_MAX = 64


class StandIn:
    """Holds 0.5 BTC at 20,000.00 with an order for more on its way, so that there is something to look at and close."""

    def __init__(self, folder: Path, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.folder = folder
        self.inbox = Inbox(clock_ns)
        self.folded = Folder(SMALL_LIMITS)
        self.state = self.folded.engine.view(self.folded.state)
        configuration = parse_configuration(CONFIGURATION, folder / "stand-in.toml")
        self.journal = create_journal(
            folder,
            Manifest(
                journal_id="0" * 32,
                engine_version=engine_version(),
                layout=asdict(SMALL_LIMITS),
                configuration_hash="",
                mode="live",
                created_ns=1,
            ),
        )
        self.commit(*opening_events(configuration, clock_ns()))
        self.operations = Operations(folder, configuration, configuration.in_force, self.inbox, lambda: self.state)
        self.operations.ready()
        self.desk = self.operations.desk
        self.metrics = self.operations.metrics
        self.health = self.operations.health
        self.port = 0

    def commit(self, events: np.ndarray, documents: dict) -> np.ndarray:
        """Fold and append; returns the decisions."""
        decisions = np.frombuffer(self.folded.fold(events, len(events) // EVENT_BYTES), np.uint8)
        self.journal.append(events, decisions, state_digest(self.folded.state), documents)
        return decisions

    def pump(self) -> None:
        """One turn of the loop: all that has arrived, at most a batch."""
        events, places = self.inbox.take(_BATCH_EVENTS_MAX)
        first_seq = self.journal.next_seq
        started = time.perf_counter()
        decisions = self.commit(events, {first_seq + place: document for place, document in places.items()})
        refused = {int(self.state.last_refused_seq): int(self.state.last_refused_reason)}
        self.operations.written(first_seq, events, decisions, refused, time.perf_counter() - started)

    def trade(self) -> None:
        """Prices, a position, and an entry order that has no answer."""
        self.inbox.quote(0, 2_000_000, 2_000_100, 5_000, 5_000)
        self.inbox.fill(0, 0, 0, 1, 2_000_000, 500, 0, 0)
        self.inbox.quote(0, 1_999_000, 1_999_100, 5_000, 5_000)
        self.inbox.request_failed(0, 1)
        self.inbox.connection(EventKind.CONNECTION_RESTORED, 0, 0)
        self.pump()

    async def open(self) -> None:
        self.port = await self.operations.open(metrics_port=0) or 0

    async def run(self, turns: int = 1_000_000) -> None:
        for _ in range(turns):
            await self.inbox.arrival()
            self.pump()

    async def close(self) -> None:
        await self.operations.close()
        self.journal.close()


async def _main(folder: Path) -> None:
    daemon = StandIn(folder)
    daemon.trade()
    await daemon.open()
    running = asyncio.create_task(daemon.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, running.cancel)
    print(daemon.port, flush=True)
    with suppress(asyncio.CancelledError):
        await running
    await daemon.close()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1])))
