"""A venue on loopback whose market a test moves, and ccxt's real client for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import ccxt.pro
import numpy as np

from adapters.venue.faults import FaultFile, Faults
from adapters.venue.local import LocalVenue
from engine.kinds import Aggressor, EventKind
from engine.records import BAR, EVENT, FUNDING, MARK_PRICE, QUOTE, TRADE

PATIENCE_S = 5.0
SCENARIO_S = 20.0

Json = dict[str, Any]


class Place:
    """A venue and its clients."""

    def __init__(self, exchange: str, faults: list[Json], seed: int = 1, data: Path | None = None) -> None:
        rules = Faults(FaultFile.model_validate({"seed": seed, "faults": faults}))
        self.venue = LocalVenue(exchange, data, faults=rules, plays=False)
        self.core = self.venue.core
        self._clients: list[Any] = []

    def quote(self, bid_ticks: int, lots: int = 1_000_000, instrument: int = 0, spread: int = 1) -> None:
        prices = {"bid_ticks": bid_ticks, "ask_ticks": bid_ticks + spread, "bid_lots": lots, "ask_lots": lots}
        self._apply(QUOTE, EventKind.QUOTE, instrument, **prices)

    def trade(self, price_ticks: int, lots: int, trade_id: int, instrument: int = 0) -> None:
        fields = {"price_ticks": price_ticks, "quantity_lots": lots, "trade_id": trade_id}
        self._apply(TRADE, EventKind.TRADE, instrument, aggressor=Aggressor.SELLER, **fields)

    def bar(self, prices_ticks: tuple[int, int, int, int], volume_lots: int, instrument: int = 0) -> None:
        names = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
        fields = dict(zip(names, prices_ticks, strict=True))
        self._apply(BAR, EventKind.BAR, instrument, volume_lots=volume_lots, source=1, **fields)

    def mark(self, mark_ticks: int, instrument: int = 0) -> None:
        self._apply(MARK_PRICE, EventKind.MARK_PRICE, instrument, mark_ticks=mark_ticks)

    def funding(self, rate_ppb: int, instrument: int = 0) -> None:
        self._apply(FUNDING, EventKind.FUNDING, instrument, rate_ppb=rate_ppb)

    def client(self, number: int = 0, **settings: Any) -> Any:
        """ccxt's client of a customer, with every address of the exchange turned to the venue."""
        key, secret = self.venue.keys[number]
        wanted = {"apiKey": key, "secret": secret, "enableRateLimit": False, "newUpdates": True, "timeout": 3_000}
        client = getattr(ccxt.pro, self.venue.exchange)(wanted | settings)
        client.urls["api"] = _turned(client.urls["api"], self.venue.address)
        for address in _leaves(client.urls["api"]):
            assert address.partition("://")[2].startswith("127.0.0.1:"), address
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.close()
        await self.venue.stop()

    def _apply(self, dtype: np.dtype, kind: EventKind, instrument: int, **fields: int) -> None:
        row = np.zeros(1, dtype)
        row["kind"], row["instrument"] = kind, instrument
        for name, value in fields.items():
            row[name] = value
        self.core.apply(row.view(EVENT).view(np.uint8))


def _turned(tree: Any, address: str) -> Any:
    """The same paths of every address, at the venue."""
    if isinstance(tree, dict):
        return {name: _turned(branch, address) for name, branch in tree.items()}
    scheme, _, rest = tree.partition("://")
    path = "".join(rest.partition("/")[1:])
    host = address.partition("://")[2]
    return f"{scheme.rstrip('s') if scheme.startswith('http') else 'ws'}://{host}{path}"


def _leaves(tree: Any) -> list[str]:
    return [leaf for branch in tree.values() for leaf in _leaves(branch)] if isinstance(tree, dict) else [tree]


@asynccontextmanager
async def place(
    exchange: str, faults: list[Json] | None = None, seed: int = 1, data: Path | None = None
) -> AsyncIterator[Place]:
    opened = Place(exchange, faults or [], seed, data)
    await opened.venue.start()
    try:
        yield opened
    finally:
        await opened.close()


def run(
    exchange: str,
    scenario: Callable[[Place], Awaitable[None]],
    faults: list[Json] | None = None,
    seed: int = 1,
    data: Path | None = None,
) -> None:
    """Play a scenario at a venue of its own, for a bounded time."""

    async def play() -> None:
        async with place(exchange, faults, seed, data) as opened:
            await asyncio.wait_for(scenario(opened), SCENARIO_S)

    asyncio.run(play())


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fails after a while."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)
