"""Binance USD-M futures over HTTP and websockets: which path does what, what it weighs, and how it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from adapters.venue.binanceusdm.account import AccountAnswers
from adapters.venue.binanceusdm.errors import BinanceError, unsupported
from adapters.venue.binanceusdm.limits import Limits, TooMany
from adapters.venue.binanceusdm.market import MarketAnswers
from adapters.venue.binanceusdm.orders import Orders
from adapters.venue.binanceusdm.requests import (
    Parameters,
    check_signature,
    check_time,
    customer_of,
    read_parameters,
)
from adapters.venue.binanceusdm.streams import PrivateStreams, PublicStreams
from adapters.venue.binanceusdm.symbols import Symbols
from adapters.venue.binanceusdm.trading import Asked, Trading, batch_of, limit_of
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer
from adapters.venue.faults import Requests
from adapters.venue.server import Stream, Streams

# A client id is taken for as long as its order is open, and no longer.
CLIENT_ID_KEPT_NS = 0
_VERSIONS = ("v1", "v2", "v3")
_MS = 1_000_000
_ACCOUNT_CONFIGURATION = {
    "feeTier": 0,
    "canTrade": True,
    "canDeposit": False,
    "canWithdraw": False,
    "dualSidePosition": False,
    "updateTime": 0,
    "multiAssetsMargin": False,
    "tradeGroupId": -1,
}


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """`is_signed` is None for what anybody may ask, False where the key alone is enough."""

    method: str
    path: str
    about: Requests
    weight: int
    is_signed: bool | None
    answer: Callable[[Asked], Any]


class BinanceFace:
    """Answers as Binance USD-M futures does, over a venue's core."""

    def __init__(self, core: VenueCore, streams: Streams) -> None:
        """Raises UserError for instruments that Binance has no way to state."""
        self._core = core
        self._streams = streams
        self._limits = Limits()
        symbols = Symbols(core.accounts, core.instruments)
        orders = Orders(core, symbols)
        self._symbols = symbols
        self._market = MarketAnswers(core, symbols)
        self._account = AccountAnswers(symbols, orders)
        self._trading = Trading(core, symbols, orders, self._account)
        self._public = PublicStreams(core, symbols)
        self._private = PrivateStreams(core, symbols, orders)
        endpoints = [*self._public_endpoints(), *self._order_endpoints(), *self._account_endpoints()]
        self._endpoints = {(one.method, one.path): one for one in endpoints}

    @property
    def subscriptions(self) -> list[str]:
        """The public streams that somebody listens to."""
        return self._public.names

    def listeners(self, name: str) -> list[Stream]:
        """Who listens to a public stream."""
        return self._public.listeners(name)

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        served = [web.route(one.method, one.path, self._served(one)) for one in self._endpoints.values()]
        paths = [f"{part}/ws" for part in ("", "/public", "/market", "/private")]
        sockets = [web.get(path + end, self._socket) for path in paths for end in ("", "/", "/{name:.+}")]
        combined = [web.get(f"{part}/stream", self._socket) for part in ("", "/public", "/market")]
        return [*served, *sockets, *combined]

    async def about(self, request: web.Request) -> Requests | None:
        endpoint = self._endpoints.get((request.method, request.path))
        return endpoint.about if endpoint else None

    def rate_limited(self, retry_after_s: int) -> web.Response:
        return self._error(
            TooMany(-1003, "Too many requests; please use the websocket for live updates.", retry_after_s)
        )

    def server_error(self, status: int) -> web.Response:
        message = "Unknown error, please check your request or try again later."
        return self._error(BinanceError(-1000, message, status))

    def _public_endpoints(self) -> list[_Endpoint]:
        market = self._market

        def get(path: str, weight: int, answer: Callable[[Parameters], Any]) -> _Endpoint:
            return _Endpoint(
                "GET", f"/fapi/{path}", Requests.MARKET, weight, None, lambda asked: answer(asked.parameters)
            )

        return [
            get("v1/ping", 1, lambda p: {}),
            get("v1/time", 1, lambda p: {"serverTime": self._now_ms()}),
            get("v1/exchangeInfo", 1, lambda p: market.exchange_info(self._now_ms())),
            get("v1/depth", 5, lambda p: market.depth(p.required("symbol"))),
            get("v1/trades", 5, lambda p: market.trades(p.required("symbol"), limit_of(p))),
            get("v1/aggTrades", 20, self._aggregate_trades),
            get("v1/klines", 5, self._klines),
            get("v1/premiumIndex", 1, lambda p: market.premium_index(p.text("symbol"))),
            get("v1/ticker/bookTicker", 2, lambda p: market.book_ticker(p.text("symbol"))),
            get("v1/ticker/price", 1, lambda p: market.price(p.text("symbol"))),
            get("v2/ticker/price", 1, lambda p: market.price(p.text("symbol"))),
            get("v1/ticker/24hr", 1, lambda p: market.day_ticker(p.text("symbol"))),
        ]

    def _order_endpoints(self) -> list[_Endpoint]:
        def signed(method: str, path: str, about: Requests, weight: int, answer: Callable[[Asked], Any]) -> _Endpoint:
            return _Endpoint(method, f"/fapi/v1/{path}", about, weight, True, answer)

        do = self._trading
        return [
            signed("POST", "order", Requests.ORDER, 0, do.place),
            signed("POST", "batchOrders", Requests.ORDER, 5, do.place_batch),
            signed("POST", "algoOrder", Requests.ORDER, 0, do.place_conditional),
            signed("PUT", "order", Requests.AMEND, 1, do.amend),
            signed("DELETE", "order", Requests.CANCEL, 1, do.cancel),
            signed("DELETE", "batchOrders", Requests.CANCEL, 1, do.cancel_batch),
            signed("DELETE", "allOpenOrders", Requests.CANCEL, 1, do.cancel_all),
            signed("DELETE", "algoOrder", Requests.CANCEL, 1, do.cancel_conditional),
            signed("DELETE", "algoOpenOrders", Requests.CANCEL, 1, do.cancel_all_conditional),
            signed("POST", "countdownCancelAll", Requests.CANCEL, 10, do.count_down),
            signed("GET", "order", Requests.QUERY, 1, do.order),
            signed("GET", "openOrder", Requests.QUERY, 1, do.open_order),
            signed("GET", "openOrders", Requests.QUERY, 1, do.open_orders),
            signed("GET", "allOrders", Requests.QUERY, 5, do.all_orders),
            signed("GET", "algoOrder", Requests.QUERY, 1, do.conditional_order),
            signed("GET", "openAlgoOrders", Requests.QUERY, 1, do.open_conditional_orders),
            signed("GET", "allAlgoOrders", Requests.QUERY, 5, do.all_conditional_orders),
            signed("GET", "userTrades", Requests.QUERY, 5, do.user_trades),
        ]

    def _account_endpoints(self) -> list[_Endpoint]:
        def signed(path: str, weight: int, answer: Callable[[Asked], Any], method: str = "GET") -> _Endpoint:
            return _Endpoint(method, f"/fapi/{path}", Requests.ACCOUNT, weight, True, answer)

        def keyed(method: str, answer: Callable[[Asked], Any]) -> _Endpoint:
            return _Endpoint(method, "/fapi/v1/listenKey", Requests.ACCOUNT, 1, False, answer)

        account = self._account
        accounts = [signed(f"{v}/account", 5, lambda a: account.account(a.customer, self._now_ms())) for v in _VERSIONS]
        balances = [
            signed(f"{v}/balance", 5, lambda a: account.balances(a.customer, self._now_ms())) for v in _VERSIONS
        ]
        risks = [
            signed(
                f"{v}/positionRisk",
                5,
                lambda a: account.position_risk(a.customer, a.parameters.text("symbol"), self._now_ms()),
            )
            for v in _VERSIONS
        ]
        return [
            *accounts,
            *balances,
            *risks,
            signed("v1/income", 30, self._income),
            signed("v1/leverageBracket", 1, lambda a: account.leverage_brackets(a.parameters.text("symbol"))),
            signed("v1/commissionRate", 20, lambda a: account.commission(a.parameters.required("symbol"))),
            signed("v1/symbolConfig", 5, lambda a: account.symbol_configuration(a.parameters.text("symbol"))),
            signed("v1/accountConfig", 5, lambda a: _ACCOUNT_CONFIGURATION),
            signed("v1/positionSide/dual", 30, lambda a: {"dualSidePosition": False}),
            signed("v1/positionSide/dual", 1, _keep_one_way, "POST"),
            signed("v1/multiAssetsMargin", 30, lambda a: {"multiAssetsMargin": False}),
            signed("v1/marginType", 1, _keep_crossed, "POST"),
            signed("v1/leverage", 1, self._leverage, "POST"),
            keyed("POST", lambda a: {"listenKey": self._private.listen_key(a.customer)}),
            keyed("PUT", lambda a: {"listenKey": self._private.keep_alive(a.customer)}),
            keyed("DELETE", self._end_listening),
        ]

    def _served(self, endpoint: _Endpoint) -> Callable[[web.Request], Any]:
        """A handler that checks limits, key, signature and time before an endpoint answers."""

        async def handler(request: web.Request) -> web.Response:
            customer: Customer | None = None
            try:
                self._limits.add_weight(endpoint.weight, self._now_ms())
                parameters, signed_text = await read_parameters(request)
                if endpoint.is_signed is None:
                    answer = endpoint.answer(Asked(self._core.customers[0], parameters))
                else:
                    customer = customer_of(self._core, request)
                    if endpoint.is_signed:
                        check_signature(customer, signed_text)
                        check_time(parameters, self._now_ms())
                    if endpoint.about == Requests.ORDER:
                        self._limits.add_orders(customer.name, _orders_in(parameters), self._now_ms())
                    answer = endpoint.answer(Asked(customer, parameters))
            except BinanceError as error:
                return self._error(error)
            orders_of = customer.name if customer is not None and endpoint.about == Requests.ORDER else None
            return web.json_response(
                body=msgspec.json.encode(answer),
                headers=self._limits.headers(orders_of),
                content_type="application/json",
            )

        return handler

    def _error(self, error: BinanceError) -> web.Response:
        headers = dict(self._limits.headers(None))
        if isinstance(error, TooMany):
            headers["Retry-After"] = str(error.retry_after_s)
        body = msgspec.json.encode({"code": error.code, "msg": error.message})
        return web.Response(body=body, status=error.status, headers=headers, content_type="application/json")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        """A websocket: a private one where it names a listen key, else a public one, subscribed to what it names."""
        named = request.match_info.get("name", "") or request.query.get("streams", "")
        key = request.query.get("listenKey", "") or named
        is_combined = request.path.endswith("/stream")
        async with self._streams.open(request) as (socket, stream):
            try:
                if not self._private.connect(key, stream) and "/private/" in request.path:
                    return socket
                self._public.subscribe(stream, [name for name in named.split("/") if "@" in name], is_combined)
                await stream.run(lambda text: self._public.on_text(stream, text, is_combined))
            finally:
                self._public.unsubscribe(stream)
                self._private.disconnect(stream)
        return socket

    def _aggregate_trades(self, parameters: Parameters) -> Any:
        from_id, start_ms, end_ms = (parameters.whole(name) for name in ("fromId", "startTime", "endTime"))
        name = parameters.required("symbol")
        return self._market.aggregate_trades(name, from_id, start_ms, end_ms, limit_of(parameters))

    def _klines(self, parameters: Parameters) -> Any:
        start_ms, end_ms = parameters.whole("startTime"), parameters.whole("endTime")
        name, interval = parameters.required("symbol"), parameters.required("interval")
        return self._market.klines(name, interval, start_ms, end_ms, limit_of(parameters))

    def _income(self, asked: Asked) -> Any:
        """Of a type other than funding there is none."""
        parameters = asked.parameters
        if parameters.text("incomeType") not in ("", "FUNDING_FEE"):
            return []
        start_ms, end_ms, page = (parameters.whole(name) for name in ("startTime", "endTime", "page"))
        return self._account.income(asked.customer, start_ms, end_ms, page, limit_of(parameters))

    def _leverage(self, asked: Asked) -> Any:
        """Taken note of, and no more: margins are the configuration's."""
        symbol = self._symbols.named(asked.parameters.required("symbol"))
        asked.parameters.required("leverage")
        leverage = asked.parameters.whole("leverage")
        if not 1 <= leverage <= 125:
            raise BinanceError(-4028, f"Leverage {leverage} is not valid.")
        return {"symbol": symbol.name, "leverage": leverage, "maxNotionalValue": "1000000000"}

    def _end_listening(self, asked: Asked) -> Any:
        self._private.end(asked.customer)
        return {}

    def _now_ms(self) -> int:
        return self._core.clock_ns() // _MS


def _keep_one_way(asked: Asked) -> Any:
    if asked.parameters.flag("dualSidePosition"):
        raise unsupported()
    raise BinanceError(-4059, "No need to change position side.")


def _keep_crossed(asked: Asked) -> Any:
    if asked.parameters.required("marginType") != "CROSSED":
        raise unsupported()
    raise BinanceError(-4046, "No need to change margin type.")


def _orders_in(parameters: Parameters) -> int:
    return len(batch_of(parameters)) if parameters.text("batchOrders") else 1
