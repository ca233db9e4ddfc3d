"""Hyperliquid's paths: `/info`, `/exchange` and `/ws`."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from aiohttp import web

from adapters.venue.core import VenueCore
from adapters.venue.faults import Requests
from adapters.venue.hyperliquid.actions import Actions, Unreadable
from adapters.venue.hyperliquid.coins import coins_of
from adapters.venue.hyperliquid.outbox import Outbox
from adapters.venue.hyperliquid.questions import Questions, QuestionUnreadable
from adapters.venue.hyperliquid.records import CustomerRecord
from adapters.venue.hyperliquid.signatures import address_of
from adapters.venue.hyperliquid.subscriptions import Subscriptions
from adapters.venue.server import Streams

# A client id is taken for as long as its order is open, and no longer.
CLIENT_ID_KEPT_NS = 0

_UNREADABLE = "Failed to deserialize the JSON body into the target type"
_ACTIONS_ABOUT: Mapping[str, Requests] = {
    "order": Requests.ORDER,
    "cancel": Requests.CANCEL,
    "cancelByCloid": Requests.CANCEL,
    "modify": Requests.AMEND,
    "batchModify": Requests.AMEND,
}
_QUESTIONS_ABOUT: Mapping[str, Requests] = {
    **dict.fromkeys(("openOrders", "frontendOpenOrders", "orderStatus", "historicalOrders"), Requests.QUERY),
    **dict.fromkeys(("userFills", "userFillsByTime", "userFunding"), Requests.QUERY),
    **dict.fromkeys(("clearinghouseState", "spotClearinghouseState", "userFees"), Requests.ACCOUNT),
}


def wallets(count: int) -> list[tuple[str, str]]:
    """Addresses and private keys of a venue's customers, always the same: they open nothing but a local sandbox."""
    keys = [hashlib.sha256(f"venue wallet {number}".encode()).digest() for number in range(1, count + 1)]
    return [(address_of(key), f"0x{key.hex()}") for key in keys]


class HyperliquidFace:
    """Speaks Hyperliquid's protocol for a core whose customers' keys are addresses, as `wallets` makes them."""

    def __init__(self, core: VenueCore, streams: Streams) -> None:
        """Raises UserError for accounts and instruments that Hyperliquid has no way to state."""
        coins = coins_of(core.accounts, core.instruments)
        records = {customer.name: CustomerRecord(customer) for customer in core.customers}
        outbox = Outbox(coins, records, lambda number: core.views[number].mark_ticks, self._tell, self._tell_funding)
        self._questions = Questions(core, coins, records)
        self._actions = Actions(core, coins, records, outbox)
        self._subscriptions = Subscriptions(core, coins, self._questions, self._actions)
        self._streams = streams
        core.market_listeners.append(self._subscriptions.on_market)
        core.private_listeners.append(outbox.take)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [
            web.post("/info", self._info),
            web.post("/exchange", self._exchange),
            web.get("/ws", self._ws),
        ]

    async def about(self, request: web.Request) -> Requests | None:
        """What a request is about; it says so in its body."""
        if request.path == "/ws":
            return None
        try:
            body = msgspec.json.decode(await request.read(), type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Requests.ACCOUNT
        if request.path == "/info":
            return _QUESTIONS_ABOUT.get(str(body.get("type")), Requests.MARKET)
        action = body.get("action")
        kind = action.get("type") if isinstance(action, dict) else None
        return _ACTIONS_ABOUT.get(str(kind), Requests.ACCOUNT)

    def rate_limited(self, retry_after_s: int) -> web.Response:
        return web.json_response(None, status=429, headers={"Retry-After": str(retry_after_s)})

    def server_error(self, status: int) -> web.Response:
        return web.Response(status=status, text="upstream request failed")

    async def _info(self, request: web.Request) -> web.Response:
        try:
            return _json(self._questions.answer(await request.read()))
        except QuestionUnreadable:
            return web.Response(status=422, text=_UNREADABLE)

    async def _exchange(self, request: web.Request) -> web.Response:
        try:
            return _json(self._actions.answer(await request.read()))
        except Unreadable:
            return web.Response(status=422, text=_UNREADABLE)

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        async with self._streams.open(request) as (socket, stream):
            try:
                await stream.run(lambda text: self._subscriptions.on_text(stream, text))
            finally:
                self._subscriptions.leave(stream)
        return socket

    def _tell(self, customer: str, orders: list[dict[str, Any]], fills: list[dict[str, Any]]) -> None:
        self._subscriptions.on_private(customer, orders, fills)

    def _tell_funding(self, customer: str, paid: dict[str, Any]) -> None:
        self._subscriptions.on_funding(customer, paid)


def _json(value: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
