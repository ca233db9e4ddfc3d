"""The client of Bitfinex."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from ccxt.pro.bitfinex import bitfinex

from adapters.errors import UserError
from adapters.exchanges.answers import Amended, FoundOrder, Held, Holdings, OwnTrade, Payment, Refused
from adapters.exchanges.batches import check_id, each_of
from adapters.exchanges.bitfinex.errors import meaning, refusal
from adapters.exchanges.bitfinex.messages import BitfinexMessages
from adapters.exchanges.bitfinex.requests import change, is_derivative, submission
from adapters.exchanges.client import ExchangeClient
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.markets import Market, Rules, check_step, steps_at_least, steps_at_most
from adapters.exchanges.messages import NS_PER_MS
from adapters.exchanges.port import Command, Connection, ExchangeInstrument, OrderQuestion
from adapters.exchanges.scales import Scale
from adapters.exchanges.streams import Stream
from adapters.exchanges.transport import Answered, Wire, json_of, point_to, settings
from engine.kinds import RequestFailure
from engine.reasons import Reason

_TIMEOUT_MS = 10_000
_BURST = 40
_PACE_MS = 250
# A venue of this machine sets its own limits.
_PACE_LOCAL_MS = 1
_TRADES_A_PAGE = 1_000
_ORDERS_A_PAGE = 2_500
_LEDGER_A_PAGE = 2_500
# What kind of entry in the ledger the funding of derivatives is.
_FUNDING_ENTRY = 29
# The exchange's clock may be behind ours when it dates an order.
_CLOCKS_APART_NS = 60_000_000_000
_PRICE_DIGITS = 5
_AMOUNT_STEP = "0.00000001"
# Places in an order and in an answer to one.
_ID, _CLIENT_ID = 0, 2
_ORDERS, _STATUS, _TEXT = 4, 6, 7
_CANCEL_ON_CLOSE = 4
_STREAM_OF = {
    "book": Stream.QUOTES,
    "trades": Stream.TRADES,
    "candles": Stream.BARS,
    "status": Stream.MARKS,
}


class _BitfinexWire(Wire, bitfinex):
    order_paths = frozenset(f"auth/w/order/{name}" for name in ("submit", "update", "cancel", "multi"))

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(config)
        self._one_at_a_time = asyncio.Lock()
        self.cancels_on_close = False

    async def authenticate(self, params: Any = None) -> Any:
        """With the dead-man switch the exchange cancels all orders of the account when this connection ends."""
        switch = {"dms": _CANCEL_ON_CLOSE} if self.cancels_on_close else {}
        return await super().authenticate(switch | (params or {}))

    async def fetch2(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = None, config: Any = None
    ) -> Any:
        """Each signed request has a greater number than the last, and must not be overtaken by the next."""
        if api == "private" or (isinstance(api, list) and api[0] == "private"):
            async with self._one_at_a_time:
                return await super().fetch2(path, api, method, params, config)
        return await super().fetch2(path, api, method, params, config)


class Bitfinex(ExchangeClient):
    """One account at Bitfinex: derivatives, or what is bought outright."""

    # A request that was overtaken by a question is refused by its number: it needs no long wait.
    batch_most = 75
    in_flight_ns = 2_000_000_000

    def __init__(self, connection: Connection, inbox: Inbox, clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(connection, inbox, clock_ns)
        keys = connection.keys
        pace_ms = _PACE_LOCAL_MS if connection.endpoint else _PACE_MS
        own = {"rateLimit": pace_ms, "tokenBucket": {"capacity": _BURST}}
        self.wire = _BitfinexWire(settings(keys.key, keys.secret, "", _TIMEOUT_MS, {}) | own)
        self.wire.has["fetchCurrencies"] = False
        self.wire.cancels_on_close = connection.dead_man_switch_ns == 0
        if connection.endpoint:
            point_to(self.wire, connection.endpoint)
        self.wire.on_raw_message = self._on_message
        self.wire.on_connection = self._on_connection
        self.wire.on_unreadable = lambda: self.counts.update(["malformed"])
        self.wire.on_headers = lambda headers: None
        self._by_id: dict[str, Market] = {}
        self._messages = BitfinexMessages(self.known(self._by_id))
        self._subscribed: dict[Stream, int] = {}

    # Markets and streams.

    async def load(self) -> dict[int, Market]:
        listed = await self.wire.load_markets()
        markets = {}
        for instrument in self.connection.instruments:
            if instrument.symbol not in listed:
                raise UserError(f"{instrument.symbol}: bitfinex lists no such instrument")
            market = _market(instrument, listed[instrument.symbol])
            self._by_id[market.market_id] = markets[instrument.number] = market
        # What is asked first of an account says whether the keys are good.
        if self.connection.has_keys:
            await self.wire.privatePostAuthRWallets()
        return markets

    def watches(self) -> dict[Stream, Callable[[], Awaitable[object]]]:
        public: dict[str, tuple[Stream, Callable[[Market], Awaitable[object]]]] = {
            "quotes": (Stream.QUOTES, self._watch_book),
            "trades": (Stream.TRADES, lambda market: self.wire.watch_trades(market.instrument.symbol)),
            "bars": (Stream.BARS, lambda market: self.wire.watch_ohlcv(market.instrument.symbol, "1m")),
            "marks": (Stream.MARKS, self._watch_status),
        }
        wanted = dict(public[name] for name in sorted(self.connection.streams))
        watches = {stream: partial(self._watch_all, watch) for stream, watch in wanted.items()}
        return {Stream.PRIVATE: self.wire.watch_orders, **watches}

    async def _watch_all(self, watch: Callable[[Market], Awaitable[object]]) -> None:
        await asyncio.gather(*[watch(market) for market in self.markets.values()])

    async def _watch_book(self, market: Market) -> None:
        terms = {"prec": "P0", "freq": "F0", "len": "25"}
        await self.wire.subscribe("book", market.instrument.symbol, terms)

    async def _watch_status(self, market: Market) -> None:
        key = f"deriv:{market.market_id}"
        request = {"event": "subscribe", "channel": "status", "key": key}
        await self.wire.watch(self.wire.urls["api"]["ws"]["public"], key, request, key)

    def _on_connection(self, url: str) -> None:
        if url == self.wire.urls["api"]["ws"]["public"]:
            self._messages.forget_channels()
            self._subscribed.clear()

    def _on_message(self, url: str, message: Any) -> bool:
        if self._messages.take(message):
            return True
        if isinstance(message, dict):
            event = message.get("event")
            if event == "subscribed":
                self._count_subscribed(self._messages.subscribed(message))
                return True
            if event == "auth" and message.get("status") == "OK":
                self.in_background(self.private_is_up())
            elif event == "error":
                self.counts[f"subscriptions refused: {message.get('code')}"] += 1
        return False

    def _count_subscribed(self, channel: str | None) -> None:
        """A stream is there when the channels of all its instruments are."""
        if channel is not None:
            stream = _STREAM_OF[channel]
            self._subscribed[stream] = self._subscribed.get(stream, 0) + 1
            if self._subscribed[stream] == len(self.markets):
                self.streams.came_up(stream)

    # Commands.

    async def place(self, market: Market, command: Command) -> int:
        body = await self.order_body(market, command)
        return self._taken(command, await self.wire.privatePostAuthWOrderSubmit(body))

    async def order_body(self, market: Market, command: Command) -> Any:
        return submission(market, command, self._client_id(command))

    def _client_id(self, command: Command) -> int:
        try:
            return self.connection.ids.bitfinex(command.order)
        except OverflowError:
            raise Refused(Reason.EXCHANGE_ORDER_TABLE_FULL) from None

    def _taken(self, command: Command, answer: Any) -> int:
        row = _only_order(answer)
        check_id(self._client_id(command), row[_CLIENT_ID])
        self.orders.remember(command.instrument, int(row[_ID]), command.order)
        return int(row[_ID])

    def batch_of(self, command: Command) -> int | None:
        return 0

    async def place_all(self, commands: Sequence[Command], bodies: Sequence[Any]) -> list[int | Exception]:
        answer = await self.wire.privatePostAuthWOrderMulti({"ops": [["on", body] for body in bodies]})
        return each_of(commands, answer[_ORDERS], self._taken)

    async def cancel_all(self, commands: Sequence[Command]) -> list[Exception | None]:
        operations: dict[int, list[Any]] = {}
        outcomes: dict[int, Exception | None] = {}
        for command in commands:
            try:
                named = await self._exchange_order_id(self.markets[command.instrument], command)
                operations[command.order] = ["oc", {"id": named}]
            except Refused as refused:
                outcomes[command.order] = refused
        if operations:
            sent = [command for command in commands if command.order in operations]
            answer = await self.wire.privatePostAuthWOrderMulti({"ops": list(operations.values())})
            said = each_of(sent, answer[_ORDERS], lambda command, one: _check(one))
            outcomes |= {command.order: one for command, one in zip(sent, said, strict=True)}
        return [outcomes[command.order] for command in commands]

    async def cancel(self, market: Market, command: Command) -> None:
        exchange_order_id = await self._exchange_order_id(market, command)
        _check(await self.wire.privatePostAuthWOrderCancel({"id": exchange_order_id}))

    async def amend(self, market: Market, command: Command) -> Amended:
        exchange_order_id = await self._exchange_order_id(market, command)
        # By how much, and not to what: what is filled in the meantime is filled, and the whole is as it was asked for.
        more_lots = command.quantity_lots - self.whole_quantities.of(command.order)
        body = change(market, command, exchange_order_id, more_lots)
        _check(await self.wire.privatePostAuthWOrderUpdate(body))
        return Amended(command.quantity_lots, command.limit_ticks or command.trigger_ticks)

    async def _exchange_order_id(self, market: Market, command: Command) -> int:
        """The exchange's id: by a client's id an order would be found only with the day it was sent on."""
        known = self.orders.exchange_order_id(command.order)
        if known:
            return known
        for found in await self.read(self.find_open):
            if found.order == command.order and found.instrument == market.number:
                return found.exchange_order_id
        raise Refused(Reason.EXCHANGE_ORDER_UNKNOWN)

    def meaning_of(self, error: Answered) -> Reason | RequestFailure:
        return meaning(error.http_status, json_of(error.answer))

    # Questions.

    async def find_open(self) -> list[FoundOrder]:
        found = [self._messages.found(row) for row in await self.wire.privatePostAuthROrders()]
        return [order for order in found if order is not None]

    async def find(self, market: Market, question: OrderQuestion) -> FoundOrder | None:
        """Among those that have ended; one that has not been there with those that are open is asked for once more."""
        start_ms = (question.placed_ts_ns - _CLOCKS_APART_NS) // NS_PER_MS
        asked = {"symbol": market.market_id, "start": max(start_ms, 0), "limit": _ORDERS_A_PAGE}
        rows = await self.wire.privatePostAuthROrdersSymbolHist(asked)
        rows += await self.wire.privatePostAuthROrders()
        found = [self._messages.found(row) for row in rows]
        ours = [order for order in found if order is not None and order.order == question.order]
        return ours[0] if ours else None

    async def cancel_found(self, market: Market, found: FoundOrder) -> None:
        try:
            _check(await self.wire.privatePostAuthWOrderCancel({"id": found.exchange_order_id}))
        except Answered as error:
            if self.meaning_of(error) != Reason.EXCHANGE_ORDER_UNKNOWN:
                raise

    async def trades_since(self, since_ns: int) -> list[OwnTrade]:
        rows: dict[tuple[int, int], list[Any]] = {}
        start_ms = max(since_ns // NS_PER_MS, 0)
        while True:
            page = await self._trade_page(start_ms)
            new = {(row[0], row[3]): row for row in page if (row[0], row[3]) not in rows}
            rows |= new
            if len(page) < _TRADES_A_PAGE or not new:
                break
            start_ms = max(int(row[2]) for row in page)
        trades = [self._messages.own_trade_of(row) for row in rows.values()]
        return sorted((trade for trade in trades if trade is not None), key=lambda trade: (trade.ts_ns, trade.trade_id))

    async def _trade_page(self, start_ms: int) -> list[list[Any]]:
        # Oldest first, so that the next page begins where this one ends.
        asked = {"start": start_ms, "limit": _TRADES_A_PAGE, "sort": 1}
        page: list[list[Any]] = await self.read(lambda: self.wire.privatePostAuthRTradesHist(asked))
        return page

    async def payments_since(self, since_ns: int) -> list[Payment]:
        """Entries of the ledger, which say in words what instrument they are of."""
        derivatives = [market for market in self.markets.values() if is_derivative(market)]
        if not derivatives:
            return []
        currency = _wallet(derivatives[0])[1]
        asked = {
            "currency": currency,
            "category": _FUNDING_ENTRY,
            "start": max(since_ns // NS_PER_MS, 0),
            "limit": _LEDGER_A_PAGE,
        }
        rows: dict[int, list[Any]] = {}
        while True:
            # The newest first, so that the next page ends where this one begins.
            page = await self.read(lambda: self.wire.privatePostAuthRLedgersCurrencyHist(asked))
            new = [row for row in page if row[0] not in rows]
            rows |= {row[0]: row for row in new}
            if len(page) < _LEDGER_A_PAGE or not new:
                break
            asked["end"] = min(int(row[3]) for row in page)
        return [self._payment(derivatives, row) for row in sorted(rows.values(), key=lambda row: (row[3], row[0]))]

    def _payment(self, derivatives: list[Market], row: list[Any]) -> Payment:
        """An entry that names no instrument of ours is the account's all the same, and booked to the first."""
        words = str(row[8] or "").replace("/", ":").upper()
        named = [market for market in derivatives if market.market_id.removeprefix("t").upper() in words]
        if not named:
            self.counts["funding without an instrument"] += 1
        market = (named or derivatives)[0]
        return Payment(market.number, int(row[0]), market.money.nearest(row[5]), int(row[3]) * NS_PER_MS)

    async def holdings(self) -> Holdings:
        wallets = await self.wire.privatePostAuthRWallets()
        rows = await self.wire.privatePostAuthRPositions()
        first = next(iter(self.markets.values()))
        kind, currency = _wallet(first)
        wallet = next((row for row in wallets if row[0] == kind and row[1] == currency), None)
        total = first.money.nearest(wallet[2]) if wallet else 0
        available = first.money.nearest(wallet[4] if wallet[4] is not None else wallet[2]) if wallet else 0
        held = {}
        for symbol, _, amount, base_price, _, _, profit, *_ in rows:
            market = self._by_id.get(symbol)
            if market is not None:
                entry, unrealized = market.mark.nearest(base_price or 0), market.money.nearest(profit or 0)
                held[market.number] = Held(self.oddities.lots(market, amount), entry, 0, unrealized)
        for market in self.markets.values():
            coins = next((row for row in wallets if row[0] == "exchange" and row[1] == _base(market)), None)
            if not is_derivative(market) and coins is not None:
                held[market.number] = Held(market.size.nearest(coins[2]))
        return Holdings(total, available, held)


def _check(answer: list[Any]) -> None:
    """Raise Refused where an order's answer says anything but success."""
    if answer[_STATUS] != "SUCCESS":
        raise Refused(refusal(str(answer[_TEXT])))


def _only_order(answer: list[Any]) -> list[Any]:
    _check(answer)
    orders = answer[_ORDERS]
    row = orders[0] if isinstance(orders[0], list) else orders
    return list(row)


def _base(market: Market) -> str:
    pair = market.market_id.removeprefix("t")
    return pair.partition(":")[0] if ":" in pair else pair[:-3]


def _wallet(market: Market) -> tuple[str, str]:
    """The kind and the currency of the wallet that an instrument's money is in."""
    pair = market.market_id.removeprefix("t")
    if is_derivative(market):
        return "margin", pair.partition(":")[2]
    return "exchange", pair.removeprefix(_base(market)).removeprefix(":")


def _market(instrument: ExchangeInstrument, listed: dict[str, Any]) -> Market:
    check_step(instrument.symbol, "lot_size", instrument.lot_size, _AMOUNT_STEP, "bitfinex")
    size = Scale(instrument.lot_size)
    limits = listed["limits"]["amount"]
    rules = Rules(
        quantity_min_lots=steps_at_least(limits["min"], size, 1),
        quantity_max_lots=steps_at_most(limits["max"], size),
        market_quantity_max_lots=steps_at_most(limits["max"], size),
        price_significant_digits=_PRICE_DIGITS,
    )
    return Market(instrument, listed["id"], rules)
