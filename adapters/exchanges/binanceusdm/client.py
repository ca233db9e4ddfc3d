"""The client of Binance USD-M futures."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ccxt.pro.binanceusdm import binanceusdm

from adapters.errors import UserError
from adapters.exchanges.answers import Amended, FoundOrder, Held, Holdings, OwnTrade, Payment, Refused
from adapters.exchanges.batches import check_id, each_of
from adapters.exchanges.binanceusdm.errors import CLOCK_WRONG, is_unchanged, meaning
from adapters.exchanges.binanceusdm.messages import BinanceMessages, end_of, fill_flags, terms_of
from adapters.exchanges.binanceusdm.requests import conditional, ordinary
from adapters.exchanges.client import SIGNS_OF_LIFE, ExchangeClient
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.markets import CONDITIONAL, Market, Rules, check_lot, check_step, steps_at_least, steps_at_most
from adapters.exchanges.messages import NS_PER_MS
from adapters.exchanges.port import Command, Connection, ExchangeInstrument, OrderQuestion
from adapters.exchanges.scales import Scale
from adapters.exchanges.streams import Stream
from adapters.exchanges.transport import Answered, Wire, json_of, point_to, settings
from engine.kinds import DecisionKind, EventKind, OrderType, RequestFailure
from engine.reasons import Reason

_NS_PER_S = 1_000_000_000
# What one request of the dead-man switch may take, so that they are a quarter of the weight that is allowed.
_SIGN_OF_LIFE_S = 1
_RECEIVE_WINDOW_MS = 5_000
_HTTP_OK = 200
_TIMEOUT_MS = 10_000
# Half of the hour that a listen key lives.
_LISTEN_KEY_REFRESH_S = 1_800
_TRADES_A_PAGE = 1_000
_PAYMENTS_A_PAGE = 1_000
_WEEK_MS = 7 * 24 * 3_600_000
# 2400 a minute are allowed; the rest is for orders and for what else uses the same address.
_WEIGHT_A_MINUTE = 2_400
_WEIGHT_KEPT_BACK = 300
# A unit of ccxt's costs takes so long: 1200 orders or 2400 of weight a minute.
_PACE_MS = 25
_BURST = 40
# A venue of this machine sets its own limits.
_PACE_LOCAL_MS = 1
_STREAM_OF = {"bidask": Stream.QUOTES, "trade": Stream.TRADES, "ohlcv": Stream.BARS, "markPrice": Stream.MARKS}
_OPEN = frozenset(("NEW", "PARTIALLY_FILLED", "TRIGGERING"))


class _BinanceWire(Wire, binanceusdm):
    order_paths = frozenset(("order", "algoOrder", "batchOrders"))

    def watch_multiple(
        self, url: str, message_hashes: Any, message: Any = None, subscribe_hashes: Any = None, subscription: Any = None
    ) -> Any:
        # Every stream has an address of its own: to watch it again is to make its connection again.
        self.drop(url)
        return super().watch_multiple(url, message_hashes, message, subscribe_hashes, subscription)


class BinanceUsdm(ExchangeClient):
    """One account at Binance USD-M futures, in one-way position mode."""

    # Binance refuses a request that arrives later than its receive window.
    batch_most = 5
    in_flight_ns = (_RECEIVE_WINDOW_MS + 1_000) * NS_PER_MS

    def __init__(self, connection: Connection, inbox: Inbox, clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(connection, inbox, clock_ns)
        keys = connection.keys
        options = {"recvWindow": _RECEIVE_WINDOW_MS, "watchPositions": {"fetchPositionsSnapshot": False}}
        own = {"rateLimit": _PACE_LOCAL_MS if connection.endpoint else _PACE_MS, "tokenBucket": {"capacity": _BURST}}
        self.wire = _BinanceWire(settings(keys.key, keys.secret, "", _TIMEOUT_MS, options) | own)
        self.wire.has["fetchCurrencies"] = False
        if connection.endpoint:
            point_to(self.wire, connection.endpoint)
        self.wire.on_raw_message = self._on_message
        self.wire.on_connection = self._on_connection
        self.wire.on_unreadable = lambda: self.counts.update(["malformed"])
        self.wire.on_headers = self._on_headers
        self._by_id: dict[str, Market] = {}
        self._messages = BinanceMessages(self.known(self._by_id))

    # Markets and streams.

    async def load(self) -> dict[int, Market]:
        listed = await self.wire.load_markets()
        markets = {}
        for instrument in self.connection.instruments:
            if instrument.symbol not in listed:
                raise UserError(f"{instrument.symbol}: binanceusdm lists no such instrument")
            market = _market(instrument, listed[instrument.symbol]["info"])
            self._by_id[market.market_id] = markets[instrument.number] = market
        self._check_switch(len(markets))
        # What is asked first of an account says whether the keys are good.
        if self.connection.has_keys:
            await self.wire.fapiPrivateV3GetAccount()
        return markets

    def _check_switch(self, instruments: int) -> None:
        """Every sign of life is a request for each instrument; raise UserError where they would be too many."""
        least_s = SIGNS_OF_LIFE * instruments * _SIGN_OF_LIFE_S
        after_ns = self.connection.dead_man_switch_ns
        if after_ns and not self.connection.endpoint and after_ns < least_s * _NS_PER_S:
            raise UserError(
                f"dead_man_switch: expected at least '{least_s}s' for {instruments} instruments at binanceusdm"
            )

    def watches(self) -> dict[Stream, Callable[[], Awaitable[object]]]:
        symbols = [market.instrument.symbol for market in self.markets.values()]
        minutes = [[symbol, "1m"] for symbol in symbols]
        wire = self.wire
        public: dict[str, tuple[Stream, Callable[[], Awaitable[object]]]] = {
            "quotes": (Stream.QUOTES, lambda: wire.watch_bids_asks(symbols)),
            "trades": (Stream.TRADES, lambda: wire.watch_trades_for_symbols(symbols)),
            "bars": (Stream.BARS, lambda: wire.watch_ohlcv_for_symbols(minutes)),
            "marks": (Stream.MARKS, lambda: wire.watch_mark_prices(symbols)),
        }
        wanted = dict(public[name] for name in sorted(self.connection.streams))
        return {Stream.PRIVATE: self._watch_private, **wanted}

    async def _watch_private(self) -> None:
        """A new listen key each time: an old one may be forgotten, and then its stream says nothing for ever."""
        for url in [url for url in self.wire.clients if "listenKey=" in url]:
            self.wire.drop(url)
        self.wire.options["linear"] = {}
        refresh = asyncio.create_task(self._refresh_listen_key())
        try:
            await self.wire.watch_orders()
        finally:
            refresh.cancel()

    async def _refresh_listen_key(self) -> None:
        while True:
            await asyncio.sleep(_LISTEN_KEY_REFRESH_S)
            await self.read(self.wire.fapiPrivatePutListenKey)

    def _on_connection(self, url: str) -> None:
        if "listenKey=" in url:
            self.in_background(self.private_is_up())

    def _on_message(self, url: str, message: Any) -> bool:
        if self._messages.take(message):
            return True
        if isinstance(message, dict):
            if message.get("e") == "listenKeyExpired":
                self.wire.end(url)
                return True
            if message.get("result", 0) is None and "id" in message:
                self._subscribed(url, message["id"])
        return False

    def _subscribed(self, url: str, request_id: int) -> None:
        for name, subscription in self.wire.clients[url].subscriptions.items():
            if isinstance(subscription, dict) and subscription.get("id") == request_id:
                self.streams.came_up(_STREAM_OF[name.partition(":")[0]])
                return

    def _on_headers(self, headers: dict[str, str]) -> None:
        used = next((value for name, value in headers.items() if name.lower() == "x-mbx-used-weight-1m"), "")
        if used.isdecimal() and int(used) > _WEIGHT_A_MINUTE - _WEIGHT_KEPT_BACK:
            self.hold_reads(60 - time.time() % 60)

    # Commands.

    async def place(self, market: Market, command: Command) -> int:
        client_id = self.connection.ids.binance(command.order)
        if command.order_type in CONDITIONAL:
            answer = await self.wire.fapiPrivatePostAlgoOrder(conditional(market, command, client_id))
            check_id(client_id, answer["clientAlgoId"])
            return int(answer["algoId"])
        return self._taken(command, await self.wire.fapiPrivatePostOrder(ordinary(market, command, client_id)))

    def _taken(self, command: Command, answer: Any) -> int:
        check_id(self.connection.ids.binance(command.order), answer["clientOrderId"])
        exchange_order_id = int(answer["orderId"])
        self.orders.remember(command.instrument, exchange_order_id, command.order)
        return exchange_order_id

    def batch_of(self, command: Command) -> int | None:
        """Conditional orders have no batches; cancels go by instrument."""
        if command.order_type in CONDITIONAL:
            return None
        return command.instrument if command.kind == DecisionKind.CANCEL_ORDER else 0

    async def order_body(self, market: Market, command: Command) -> Any:
        return ordinary(market, command, self.connection.ids.binance(command.order))

    async def place_all(self, commands: Sequence[Command], bodies: Sequence[Any]) -> list[int | Exception]:
        answer = await self.wire.fapiPrivatePostBatchOrders({"batchOrders": list(bodies)})
        return each_of(commands, answer, lambda command, said: self._taken(command, _unless_error(said)))

    async def cancel_all(self, commands: Sequence[Command]) -> list[Exception | None]:
        names = [self.connection.ids.binance(command.order) for command in commands]
        symbol = self.markets[commands[0].instrument].market_id
        answer = await self.wire.fapiPrivateDeleteBatchOrders({"symbol": symbol, "origclientorderidlist": names})
        return each_of(commands, answer, self._cancelled)

    def _cancelled(self, command: Command, said: Any) -> None:
        check_id(self.connection.ids.binance(command.order), _unless_error(said)["clientOrderId"])

    async def cancel(self, market: Market, command: Command) -> None:
        client_id = self.connection.ids.binance(command.order)
        if command.order_type in CONDITIONAL:
            try:
                await self.wire.fapiPrivateDeleteAlgoOrder({"symbol": market.market_id, "clientAlgoId": client_id})
                return
            except Answered as error:
                # It may have been triggered: then an ordinary order of the same name is there.
                if self.meaning_of(error) != Reason.EXCHANGE_ORDER_UNKNOWN:
                    raise
        await self.wire.fapiPrivateDeleteOrder({"symbol": market.market_id, "origClientOrderId": client_id})

    async def amend(self, market: Market, command: Command) -> Amended:
        if command.order_type in CONDITIONAL:
            return await self._replace(market, command)
        # Of its ordinary orders Binance changes nothing but limit orders.
        if command.order_type != OrderType.LIMIT:
            raise Refused(Reason.EXCHANGE_ORDER_INVALID)
        terms = ordinary(market, command, "")
        request = {name: terms[name] for name in ("symbol", "side", "quantity", "price")}
        request["origClientOrderId"] = self.connection.ids.binance(command.order)
        try:
            answer = await self.wire.fapiPrivatePutOrder(request)
        except Answered as error:
            if is_unchanged(json_of(error.answer)):
                return Amended(command.quantity_lots, command.limit_ticks)
            raise
        return Amended(market.size.exact(answer["origQty"]), market.price.nearest(answer["price"]))

    async def _replace(self, market: Market, command: Command) -> Amended:
        """Binance changes no conditional order: it is cancelled and placed anew, under the same name.

        The end of the old one is not told. Where the new one is refused the order has ended, and that is.
        """
        client_id = self.connection.ids.binance(command.order)
        with self._messages.replacing(command.order) as replaced:
            answer = await self.wire.fapiPrivateDeleteAlgoOrder({"symbol": market.market_id, "clientAlgoId": client_id})
            replaced.add(int(answer["algoId"]))
            try:
                await self.place(market, command)
            except Exception as error:
                said = self.meaning(error)
                if isinstance(said, Reason):
                    self.report(EventKind.ORDER_CANCELED, command, reason=said)
                else:
                    # The old one is gone, the new one may be there: that is to be asked.
                    self.report(EventKind.CANCEL_REJECTED, command, reason=Reason.EXCHANGE_ORDER_UNKNOWN)
                raise
        return Amended(command.quantity_lots, command.limit_ticks or command.trigger_ticks)

    async def cancel_all_after(self, after_ms: int) -> None:
        """The exchange counts down for each instrument. Conditional orders are not among those that it cancels."""
        for market in self.markets.values():
            asked = {"symbol": market.market_id, "countdownTime": str(after_ms)}
            await self.wire.fapiPrivatePostCountdownCancelAll(asked)

    def meaning_of(self, error: Answered) -> Reason | RequestFailure:
        said = json_of(error.answer)
        if isinstance(said, dict) and said.get("code") == CLOCK_WRONG:
            self.in_background(self.wire.load_time_difference())
        return meaning(error.http_status, said)

    # Questions.

    async def find_open(self) -> list[FoundOrder]:
        rows = await self.wire.fapiPrivateGetOpenOrders()
        conditional_rows = await self.wire.fapiPrivateGetOpenAlgoOrders()
        found = [self._found(self._by_id[row["symbol"]], row) for row in rows if row["symbol"] in self._by_id]
        for row in conditional_rows:
            if row["symbol"] in self._by_id:
                found.append(self._found_conditional(self._by_id[row["symbol"]], row))
        return found

    async def find(self, market: Market, question: OrderQuestion) -> FoundOrder | None:
        client_id = self.connection.ids.binance(question.order)
        if question.order_type in CONDITIONAL:
            asked = {"symbol": market.market_id, "clientAlgoId": client_id}
            row = await self._unless_unknown(self.wire.fapiPrivateGetAlgoOrder, asked)
            if row is not None:
                check_id(client_id, row["clientAlgoId"])
                found = self._found_conditional(market, row)
                if not row.get("actualOrderId"):
                    return found
        asked = {"symbol": market.market_id, "origClientOrderId": client_id}
        row = await self._unless_unknown(self.wire.fapiPrivateGetOrder, asked)
        if row is None:
            return None
        check_id(client_id, row["clientOrderId"])
        return self._found(market, row)

    async def _unless_unknown(self, request: Callable[[Any], Awaitable[Any]], asked: dict[str, str]) -> Any:
        try:
            return await request(asked)
        except Answered as error:
            if self.meaning_of(error) == Reason.EXCHANGE_ORDER_UNKNOWN:
                return None
            raise

    def _found(self, market: Market, row: dict[str, Any]) -> FoundOrder:
        exchange_order_id, status = int(row["orderId"]), row["status"]
        order = self.connection.ids.order_of_binance(row["clientOrderId"])
        self.orders.remember(market.number, exchange_order_id, order)
        kind, reason = EventKind.ORDER_ACCEPTED, Reason.NONE
        if status == "CANCELED":
            kind, reason = EventKind.ORDER_CANCELED, Reason.EXCHANGE_CANCELED_ON_REQUEST
        elif status in ("EXPIRED", "EXPIRED_IN_MATCH"):
            kind, reason = end_of(row["type"], row["timeInForce"])
        elif status == "REJECTED":
            kind, reason = EventKind.ORDER_REJECTED, Reason.EXCHANGE_OTHER
        ts_ns = int(row.get("updateTime") or 0) * NS_PER_MS
        found = FoundOrder(order, market.number, exchange_order_id, kind, reason, ts_ns, status in _OPEN)
        if order == 0:
            return found
        filled = market.size.exact(row["executedQty"])
        left = market.size.exact(row["origQty"]) - filled if found.is_open else 0
        price = _price_ticks(market, row.get("origType"), row["price"], row.get("stopPrice"))
        terms = terms_of(market, row, row.get("type"), row.get("stopPrice"))
        return found._replace(left_lots=left, price_ticks=price, filled_lots=filled, terms=terms)

    def _found_conditional(self, market: Market, row: dict[str, Any]) -> FoundOrder:
        order = self.connection.ids.order_of_binance(row["clientAlgoId"])
        if row.get("actualOrderId"):
            self.orders.remember(market.number, int(row["actualOrderId"]), order)
        status = row["algoStatus"]
        kind, reason = {
            "CANCELED": (EventKind.ORDER_CANCELED, Reason.EXCHANGE_CANCELED_ON_REQUEST),
            "EXPIRED": (EventKind.ORDER_EXPIRED, Reason.EXCHANGE_EXPIRED),
            "REJECTED": (EventKind.ORDER_CANCELED, Reason.EXCHANGE_OTHER),
        }.get(status, (EventKind.ORDER_ACCEPTED, Reason.NONE))
        ts_ns = int(row.get("updateTime") or 0) * NS_PER_MS
        is_open = status in _OPEN
        found = FoundOrder(
            order, market.number, int(row["algoId"]), kind, reason, ts_ns, is_open, filled_lots=0, is_conditional=True
        )
        if order == 0:
            return found
        price = _price_ticks(market, row["orderType"], row["price"], row["triggerPrice"])
        terms = terms_of(market, row, row["orderType"], row["triggerPrice"])
        return found._replace(left_lots=market.size.exact(row["quantity"]), price_ticks=price, terms=terms)

    async def cancel_found(self, market: Market, found: FoundOrder) -> None:
        asked = {
            "symbol": market.market_id,
            "algoId" if found.is_conditional else "orderId": str(found.exchange_order_id),
        }
        cancel = self.wire.fapiPrivateDeleteAlgoOrder if found.is_conditional else self.wire.fapiPrivateDeleteOrder
        await self._unless_unknown(cancel, asked)

    async def trades_since(self, since_ns: int) -> list[OwnTrade]:
        trades = []
        for market in self.markets.values():
            for row in await self._trade_rows(market, since_ns // NS_PER_MS):
                trades.append(await self._own_trade_of(market, row))
        return sorted(trades, key=lambda trade: (trade.ts_ns, trade.trade_id))

    async def _trade_rows(self, market: Market, since_ms: int) -> list[dict[str, Any]]:
        """An answer spans a week at most and a thousand trades: further ones by the last trade's id."""
        rows: list[dict[str, Any]] = []
        now_ms = self.clock_ns() // NS_PER_MS
        start_ms = max(since_ms, 0)
        while start_ms <= now_ms:
            asked = {"symbol": market.market_id, "startTime": start_ms, "limit": _TRADES_A_PAGE}
            if now_ms - start_ms >= _WEEK_MS:
                asked["endTime"] = start_ms + _WEEK_MS - 1
            page = await self._trade_page(asked)
            rows += page
            while len(page) == _TRADES_A_PAGE:
                asked = {"symbol": market.market_id, "fromId": int(page[-1]["id"]) + 1, "limit": _TRADES_A_PAGE}
                page = await self._trade_page(asked)
                rows += page
            start_ms += _WEEK_MS
        return list({(row["id"], row["orderId"]): row for row in rows}.values())

    async def _trade_page(self, asked: dict[str, Any]) -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = await self.read(lambda: self.wire.fapiPrivateGetUserTrades(asked))
        return page

    async def _own_trade_of(self, market: Market, row: dict[str, Any]) -> OwnTrade:
        exchange_order_id = int(row["orderId"])
        order = self.orders.order(market.number, exchange_order_id)
        if order is None:
            # These rows do not carry the client's id.
            asked = {"symbol": market.market_id, "orderId": str(exchange_order_id)}
            found = await self.read(lambda: self._unless_unknown(self.wire.fapiPrivateGetOrder, asked))
            order = 0 if found is None else self._found(market, found).order
        flags = fill_flags(row["side"] == "SELL", row["maker"])
        fee = self._messages.fee(market, row["commissionAsset"], row["commission"])
        ticks, lots = market.price.nearest(row["price"]), self.oddities.lots(market, row["qty"])
        return OwnTrade(order, market.number, int(row["id"]), ticks, lots, fee, flags, int(row["time"]) * NS_PER_MS)

    async def payments_since(self, since_ns: int) -> list[Payment]:
        asked = {"incomeType": "FUNDING_FEE", "startTime": max(since_ns // NS_PER_MS, 0), "limit": _PAYMENTS_A_PAGE}
        rows: list[dict[str, Any]] = []
        page_number = 1
        while len(rows) == (page_number - 1) * _PAYMENTS_A_PAGE:
            asked["page"] = page_number
            rows += await self.read(lambda: self.wire.fapiPrivateGetIncome(asked))
            page_number += 1
        ours = [(self._by_id[row["symbol"]], row) for row in rows if row["symbol"] in self._by_id]
        return [
            Payment(
                market.number, int(row["tranId"]), market.money.nearest(row["income"]), int(row["time"]) * NS_PER_MS
            )
            for market, row in ours
        ]

    async def holdings(self) -> Holdings:
        account = await self.wire.fapiPrivateV3GetAccount()
        rows = await self.wire.fapiPrivateV3GetPositionRisk()
        first = next(iter(self.markets.values()))
        money, currency = first.money, first.instrument.settlement_currency
        asset = next((asset for asset in account["assets"] if asset["asset"] == currency), None)
        total = 0 if asset is None else money.nearest(asset["walletBalance"])
        available = 0 if asset is None else money.nearest(asset["availableBalance"])
        held = {}
        for row in rows:
            market = self._by_id.get(row["symbol"])
            lots = 0 if market is None else self.oddities.lots(market, row["positionAmt"])
            if market is not None and lots != 0:
                entry, mark = market.mark.nearest(row["entryPrice"]), market.mark.nearest(row["markPrice"])
                held[market.number] = Held(lots, entry, mark, market.money.nearest(row["unRealizedProfit"]))
        return Holdings(total, available, held)


def _unless_error(said: Any) -> Any:
    """What a batch's answer says of one order. Raises Answered for an error."""
    if "code" in said and "orderId" not in said:
        raise Answered(_HTTP_OK, 0, said)
    return said


def _price_ticks(market: Market, order_type: Any, limit: Any, trigger: Any) -> int:
    """The limit, or the trigger where there is none; that of a trailing order moves."""
    if order_type == "TRAILING_STOP_MARKET":
        return 0
    return market.price.nearest(limit or 0) or market.price.nearest(trigger or 0)


def _market(instrument: ExchangeInstrument, info: dict[str, Any]) -> Market:
    filters = {row["filterType"]: row for row in info["filters"]}
    prices, sizes = filters["PRICE_FILTER"], filters["LOT_SIZE"]
    check_step(instrument.symbol, "tick_size", instrument.tick_size, prices["tickSize"], "binanceusdm")
    check_lot(instrument.symbol, instrument.lot_size, sizes["stepSize"], "binanceusdm")
    price, size = Scale(instrument.tick_size), Scale(instrument.lot_size)
    notional = filters.get("MIN_NOTIONAL", {}).get("notional")
    at_market = filters.get("MARKET_LOT_SIZE", sizes)
    rules = Rules(
        quantity_min_lots=steps_at_least(sizes["minQty"], size, 1),
        quantity_max_lots=steps_at_most(sizes["maxQty"], size),
        market_quantity_max_lots=steps_at_most(at_market["maxQty"], size),
        price_min_ticks=steps_at_least(prices["minPrice"], price, 1),
        price_max_ticks=steps_at_most(prices["maxPrice"], price),
        notional_min_tick_lots=steps_at_least(notional, Scale(instrument.tick_size * instrument.lot_size), 0),
    )
    return Market(instrument, info["symbol"], rules)
