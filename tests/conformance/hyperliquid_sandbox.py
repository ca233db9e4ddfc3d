"""A venue that speaks Hyperliquid, with a market that the test moves, ccxt's client for it, and plain requests."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from adapters.venue.hyperliquid.signatures import action_hash, sign
from tests.conformance.local_venue import SCENARIO_S, Json, Place, eventually

BTC, ETH = "BTC/USDC:USDC", "ETH/USDC:USDC"


def client_id(number: int) -> str:
    return f"0x{number:032x}"


class Sandbox(Place):
    """BTC stands at 50,000 to 50,001 and ETH at 3,000.0 to 3,000.1."""

    session: aiohttp.ClientSession

    def __init__(self, faults: list[Json] | None = None) -> None:
        super().__init__("hyperliquid", faults or [])
        self.quote(50_000)
        self.quote(30_000, instrument=1)

    def client(self, number: int = 0, **settings: Any) -> Any:
        address, key = self.venue.keys[number]
        return super().client(number, **{"walletAddress": address, "privateKey": key} | settings)

    async def listened_to(self, *kinds: str) -> None:
        """Wait until there are subscriptions of these types."""
        listeners = self.venue._server._face._subscriptions._listeners
        await eventually(lambda: {topic[0] for topic, streams in listeners.items() if streams} >= set(kinds))

    def socket(self) -> Any:
        return self.session.ws_connect(self.venue.address + "/ws")

    async def ask(self, question: Any) -> Any:
        """The answer to a plain question, its HTTP status where that is not 200."""
        return await self._post("/info", question)

    async def act(self, action: Json, nonce_ms: int | None = None, number: int = 0, **more: Any) -> Any:
        """The answer to an action that a customer signs."""
        nonce = time.time_ns() // 1_000_000 if nonce_ms is None else nonce_ms
        hashed = action_hash(action, nonce, expires_after_ms=more.get("expiresAfter"))
        signature = sign(hashed, bytes.fromhex(self.venue.keys[number][1][2:]))
        return await self._post("/exchange", {"action": action, "nonce": nonce, "signature": signature, **more})

    async def _post(self, path: str, body: Any) -> Any:
        async with self.session.post(self.venue.address + path, json=body) as answer:
            return await answer.json() if answer.status == 200 else answer.status


def run(scenario: Callable[[Sandbox], Awaitable[None]], faults: list[Json] | None = None) -> None:
    """Play a scenario in a sandbox of its own, for a bounded time."""

    async def play() -> None:
        sandbox = Sandbox(faults)
        await sandbox.venue.start()
        try:
            async with aiohttp.ClientSession() as sandbox.session:
                await asyncio.wait_for(scenario(sandbox), SCENARIO_S)
        finally:
            await sandbox.close()

    asyncio.run(play())
