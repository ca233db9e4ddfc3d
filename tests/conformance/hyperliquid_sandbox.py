"""A venue that speaks Hyperliquid on loopback, with a market that the test moves, and ccxt's client for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import ccxt.pro
import numpy as np

from adapters.venue.core import VenueCore
from adapters.venue.faults import FaultFile, Faults
from adapters.venue.hyperliquid import HyperliquidFace, default_configuration, wallets
from adapters.venue.hyperliquid.signatures import action_hash, sign
from adapters.venue.server import VenueServer
from engine.kinds import Aggressor, EventKind
from engine.records import BAR, QUOTE, TRADE

BTC, ETH = "BTC/USDC:USDC", "ETH/USDC:USDC"
PATIENCE_S = 5.0

Json = dict[str, Any]


def client_id(number: int) -> str:
    return f"0x{number:032x}"


class Sandbox:
    """BTC stands at 50,000 to 50,001 and ETH at 3,000.0 to 3,000.1."""

    def __init__(self, faults: list[Json] | None = None) -> None:
        configuration = default_configuration()
        self.core = VenueCore(configuration, time.time_ns, wallets(2), client_id_kept_ns=0)
        self.faults = Faults(FaultFile.model_validate({"faults": faults or []}))
        self.face = HyperliquidFace(self.core, configuration, self.faults)
        self.server = VenueServer(self.face, self.faults)
        self.address = ""
        self.clients: list[Any] = []
        self.session: aiohttp.ClientSession
        self.quote(50_000)
        self.quote(30_000, instrument=1)

    def quote(self, bid_ticks: int, lots: int = 1_000_000, instrument: int = 0) -> None:
        prices = {"bid_ticks": bid_ticks, "ask_ticks": bid_ticks + 1, "bid_lots": lots, "ask_lots": lots}
        self._apply(QUOTE, EventKind.QUOTE, instrument, **prices)

    def trade(self, price_ticks: int, lots: int, trade_id: int) -> None:
        fields = {"price_ticks": price_ticks, "quantity_lots": lots, "trade_id": trade_id}
        self._apply(TRADE, EventKind.TRADE, 0, aggressor=Aggressor.SELLER, **fields)

    def bar(self, opened_ns: int, prices_ticks: tuple[int, int, int, int], volume_lots: int) -> None:
        names = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
        fields = dict(zip(names, prices_ticks, strict=True))
        self._apply(BAR, EventKind.BAR, 0, ts_exchange_ns=opened_ns, volume_lots=volume_lots, source=1, **fields)

    def client(self, number: int = 0, **settings: Any) -> Any:
        """ccxt's client of a customer, with every address of the exchange turned to the venue."""
        address, key = wallets(2)[number]
        wanted = {"walletAddress": address, "privateKey": key, "enableRateLimit": False, "newUpdates": True}
        client = ccxt.pro.hyperliquid(wanted | settings)
        local = {"ws": {"public": self.address.replace("http", "ws") + "/ws"}}
        client.urls["api"] = {name: local.get(name, self.address) for name in client.urls["api"]}
        assert all("127.0.0.1" in address for address in leaves(client.urls["api"]))
        self.clients.append(client)
        return client

    async def listened_to(self, *kinds: str) -> None:
        """Wait until there are subscriptions of these types."""
        listeners = self.face._subscriptions._listeners

        def all_there() -> bool:
            return {topic[0] for topic, streams in listeners.items() if streams} >= set(kinds)

        await eventually(all_there)

    async def ask(self, question: Any) -> Any:
        """The answer to a plain question."""
        return await self._post("/info", question)

    async def act(self, action: Json, nonce_ms: int | None = None, number: int = 0, **more: Any) -> Any:
        """The answer to an action that a customer signs."""
        nonce = time.time_ns() // 1_000_000 if nonce_ms is None else nonce_ms
        hashed = action_hash(action, nonce, expires_after_ms=more.get("expiresAfter"))
        signature = sign(hashed, bytes.fromhex(wallets(2)[number][1][2:]))
        return await self._post("/exchange", {"action": action, "nonce": nonce, "signature": signature, **more})

    async def _post(self, path: str, body: Any) -> Any:
        async with self.session.post(self.address + path, json=body) as answer:
            return await answer.json() if answer.status == 200 else answer.status

    def _apply(self, dtype: np.dtype, kind: EventKind, instrument: int, **fields: int) -> None:
        row = np.zeros(1, dtype)
        row["kind"], row["instrument"] = kind, instrument
        for name, value in fields.items():
            row[name] = value
        self.core.apply(row.view(np.uint8))


@asynccontextmanager
async def sandbox(faults: list[Json] | None = None) -> AsyncIterator[Sandbox]:
    place = Sandbox(faults)
    place.address = await place.server.start()
    try:
        async with aiohttp.ClientSession() as place.session:
            yield place
    finally:
        for client in place.clients:
            await client.close()
        place.face.stop()
        await place.server.stop()


def run(scenario: Callable[[Sandbox], Awaitable[None]], faults: list[Json] | None = None) -> None:
    """Play a scenario in a sandbox of its own."""

    async def play() -> None:
        async with sandbox(faults) as place:
            await scenario(place)

    asyncio.run(play())


async def eventually(holds: Callable[[], bool]) -> None:
    """Wait until something holds; fails after a while."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.01)


def leaves(tree: Any) -> list[str]:
    return [leaf for branch in tree.values() for leaf in leaves(branch)] if isinstance(tree, dict) else [tree]
