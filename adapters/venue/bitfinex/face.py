"""Bitfinex's paths, who may ask for what at each of them, and its stream."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import count
from typing import Any

from aiohttp import web

from adapters.venue.bitfinex.authentication import Gate
from adapters.venue.bitfinex.desk import Desk
from adapters.venue.bitfinex.errors import RATE_LIMIT, Refused, invalid
from adapters.venue.bitfinex.limits import REQUESTS_A_MINUTE, Limits, TooMany
from adapters.venue.bitfinex.market import Day, Listing
from adapters.venue.bitfinex.names import market_of
from adapters.venue.bitfinex.numbers import decode, encode, milliseconds
from adapters.venue.bitfinex.private import Private
from adapters.venue.bitfinex.public import Public
from adapters.venue.bitfinex.statement import Notice, Statement
from adapters.venue.bitfinex.stream import Session
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer
from adapters.venue.faults import Requests
from adapters.venue.market import MarketUpdate
from adapters.venue.orders import PrivateUpdate
from adapters.venue.server import Streams

HEARTBEAT_S = 15.0

_MANY = "/v2/auth/w/order/multi"
_ABOUT = {
    "/v2/auth/w/order/submit": Requests.ORDER,
    _MANY: Requests.ORDER,
    "/v2/auth/w/order/update": Requests.AMEND,
    "/v2/auth/w/order/cancel": Requests.CANCEL,
    "/v2/auth/w/order/cancel/multi": Requests.CANCEL,
    "/v2/auth/r/wallets": Requests.ACCOUNT,
    "/v2/auth/r/positions": Requests.ACCOUNT,
    "/v2/auth/r/summary": Requests.ACCOUNT,
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BitfinexFace:
    """Bitfinex's v2 protocol over a venue: REST below /v2 and streams at /ws/2."""

    def __init__(self, core: VenueCore, streams: Streams) -> None:
        self._core = core
        self._streams = streams
        markets = [market_of(instrument, core.accounts[instrument.account]) for instrument in core.instruments]
        self._listings = {
            market.symbol: Listing(market, view, Day()) for market, view in zip(markets, core.views, strict=True)
        }
        self._days = [listing.day for listing in self._listings.values()]
        self._public = Public(self._listings, core.clock_ns)
        self._private = Private(markets, core.clock_ns)
        self._gate = Gate(self._secret_of)
        self._limits = Limits(REQUESTS_A_MINUTE)
        self._sessions: list[Session] = []
        self._channel_numbers = count(1)
        by_symbol = {market.symbol: market for market in markets}
        self._statements = {c.name: Statement(core, c, markets) for c in core.customers}
        self._desks = {
            c.name: Desk(core, c, by_symbol, self._statements[c.name], self._publisher(c)) for c in core.customers
        }
        core.market_listeners.append(self._on_market)
        core.private_listeners.append(self._on_private)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        return [*self._public_routes(), *self._private_routes(), web.get("/ws/2", self._serve_stream)]

    async def about(self, request: web.Request) -> Requests | None:
        if request.path == "/ws/2":
            return None
        if not request.path.startswith("/v2/auth/"):
            return Requests.MARKET
        if request.path == _MANY and await _only_cancels(request):
            return Requests.CANCEL
        return _ABOUT.get(request.path, Requests.QUERY)

    def rate_limited(self, retry_after_s: int) -> web.Response:
        return _answer(["error", RATE_LIMIT, "ratelimit: error"], 429, {"Retry-After": str(retry_after_s)})

    def server_error(self, status: int) -> web.Response:
        text = "Sorry, the service is temporarily unavailable. See https://www.bitfinex.com/ for more info."
        return _answer({"code": status, "error": "temporarily_unavailable", "error_description": text}, status)

    def _public_routes(self) -> list[web.RouteDef]:
        public = self._public
        answers: dict[str, Callable[[web.Request, Mapping[str, str]], object]] = {
            "platform/status": lambda request, path: [1],
            "conf/{labels}": lambda request, path: public.catalogue(path["labels"]),
            "tickers": lambda request, path: public.tickers(request.query),
            "ticker/{symbol}": lambda request, path: public.ticker(path["symbol"]),
            "trades/{symbol}/hist": lambda request, path: public.trades(path["symbol"], request.query),
            "book/{symbol}/{precision}": lambda request, path: public.book(path["symbol"], path["precision"]),
            "candles/trade:{interval:[^:]+}:{symbol}/{section:last|hist}": lambda request, path: public.candles(
                path["interval"], path["symbol"], path["section"], request.query
            ),
            "status/deriv": lambda request, path: public.derivatives(request.query),
        }
        return [web.get(f"/v2/{path}", self._open(answer)) for path, answer in answers.items()]

    def _private_routes(self) -> list[web.RouteDef]:
        private = self._private
        answers: dict[str, Callable[[Desk, Any, Mapping[str, str]], object]] = {
            "r/wallets": lambda desk, form, path: private.wallets(desk, form),
            "r/positions": lambda desk, form, path: private.positions(desk, form),
            "r/ledgers/{currency}/hist": lambda desk, form, path: private.ledger(desk, form, path["currency"]),
            "r/summary": lambda desk, form, path: private.summary(desk, form),
            "r/orders": lambda desk, form, path: private.orders(desk, form),
            "r/orders/hist": lambda desk, form, path: private.closed_orders(desk, form),
            "r/orders/{symbol}": lambda desk, form, path: private.orders(desk, form, path["symbol"]),
            "r/orders/{symbol}/hist": lambda desk, form, path: private.closed_orders(desk, form, path["symbol"]),
            "r/order/{symbol}:{id:[0-9]+}/trades": lambda desk, form, path: private.order_trades(
                desk, path["symbol"], path["id"]
            ),
            "r/trades/hist": lambda desk, form, path: private.trades(desk, form),
            "r/trades/{symbol}/hist": lambda desk, form, path: private.trades(desk, form, path["symbol"]),
            "w/order/submit": lambda desk, form, path: private.submit(desk, form),
            "w/order/update": lambda desk, form, path: private.update(desk, form),
            "w/order/cancel": lambda desk, form, path: private.cancel(desk, form),
            "w/order/cancel/multi": lambda desk, form, path: private.cancel_many(desk, form),
            "w/order/multi": lambda desk, form, path: private.operate(desk, form),
        }
        return [web.post(f"/v2/auth/{path}", self._signed(answer)) for path, answer in answers.items()]

    def _open(self, answer: Callable[[web.Request, Mapping[str, str]], object]) -> Handler:
        """A path that anybody may ask."""

        async def handle(request: web.Request) -> web.Response:
            try:
                self._count("", request)
                return _answer(answer(request, request.match_info))
            except Refused as refused:
                return _refusal(refused)

        return handle

    def _signed(self, answer: Callable[[Desk, Any, Mapping[str, str]], object]) -> Handler:
        """A path that needs a signature."""

        async def handle(request: web.Request) -> web.Response:
            body = await request.text()
            try:
                key = self._gate.check_request(f"/api{request.path}", request.headers, body)
                self._count(key, request)
                return _answer(answer(self._desk_of(key), _form(body), request.match_info))
            except Refused as refused:
                return _refusal(refused)

        return handle

    async def _serve_stream(self, request: web.Request) -> web.StreamResponse:
        async with self._streams.open(request) as (socket, stream):
            session = Session(stream, self._listings, self._channel_numbers, self._sign_in, self._core.clock_ns)
            self._sessions.append(session)
            heart = asyncio.create_task(_beat(session))
            try:
                await stream.run(session.on_text)
            finally:
                heart.cancel()
                self._sessions.remove(session)
                session.close()
        return socket

    def _sign_in(self, message: Mapping[str, Any]) -> Desk:
        return self._desk_of(self._gate.check_stream(message))

    def _desk_of(self, key: str) -> Desk:
        customer = self._core.customer_of(key)
        assert customer is not None, "the gate lets nobody else in"
        return self._desks[customer.name]

    def _secret_of(self, key: str) -> str | None:
        customer = self._core.customer_of(key)
        return customer.secret if customer is not None else None

    def _count(self, who: str, request: web.Request) -> None:
        resource = request.match_info.route.resource
        assert resource is not None, "every path has been routed"
        self._limits.count(who, resource.canonical, milliseconds(self._core.clock_ns()))

    def _on_market(self, update: MarketUpdate) -> None:
        self._days[update.instrument].take(update)
        for session in self._sessions:
            session.market(update)

    def _on_private(self, update: PrivateUpdate) -> None:
        for notice in self._statements[update.customer].notices(update):
            self._publish(update.customer, notice)

    def _publisher(self, customer: Customer) -> Callable[[Notice], None]:
        return lambda notice: self._publish(customer.name, notice)

    def _publish(self, customer: str, notice: Notice) -> None:
        for session in self._sessions:
            if session.desk is not None and session.desk.customer.name == customer:
                session.account(notice)


async def _only_cancels(request: web.Request) -> bool:
    """Whether several operations are nothing but cancels."""
    try:
        operations = decode(await request.text())["ops"]
        return all(operation[0].startswith("oc") for operation in operations)
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


async def _beat(session: Session) -> None:
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        session.beat()


def _form(body: str) -> Mapping[str, Any]:
    """The body of a request; one that has nothing to say may be empty. Raises Refused."""
    try:
        form = decode(body or "{}")
    except ValueError:
        raise invalid("json") from None
    # An empty question comes as a list from some clients.
    if form == []:
        return {}
    if not isinstance(form, dict):
        raise invalid("json")
    return form


def _refusal(refused: Refused) -> web.Response:
    headers = {"Retry-After": str(refused.retry_after_s)} if isinstance(refused, TooMany) else {}
    return _answer(refused.answer(), refused.status, headers)


def _answer(data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(body=encode(data), status=status, headers=headers, content_type="application/json")
