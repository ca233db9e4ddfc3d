"""The client of Hyperliquid's perpetual futures."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from ccxt.pro.hyperliquid import hyperliquid

from adapters.errors import UserError
from adapters.exchanges.answers import Amended, FoundOrder, Held, Holdings, OwnTrade, Payment, Refused
from adapters.exchanges.batches import check_id, each_of
from adapters.exchanges.client import ExchangeClient
from adapters.exchanges.hyperliquid.errors import check, only_status, state, status_of, statuses
from adapters.exchanges.hyperliquid.messages import Change, HyperliquidMessages
from adapters.exchanges.hyperliquid.requests import SIGNIFICANT_DIGITS, wire_order
from adapters.exchanges.hyperliquid.signing import QuickSigning
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.markets import Market, Rules, check_lot, check_step, steps_at_least
from adapters.exchanges.messages import NS_PER_MS
from adapters.exchanges.port import Command, Connection, ExchangeInstrument, OrderQuestion
from adapters.exchanges.scales import Scale
from adapters.exchanges.streams import Stream
from adapters.exchanges.transport import Answered, Unreadable, Wire, point_to, settings
from engine.kinds import EventKind, OrderFlag, OrderType, RequestFailure
from engine.reasons import Reason

_TIMEOUT_MS = 10_000
# After so long the exchange refuses an action that it had not got yet.
_EXPIRES_MS = 5_000
_PACE_MS = 50
_PACE_LOCAL_MS = 1
_BURST = 40
_FILLS_A_PAGE = 2_000
_PAYMENTS_A_PAGE = 500
_PRICE_PLACES = 6
_NOTIONAL_MIN = 10
_STREAM_OF = {
    "bbo": Stream.QUOTES,
    "trades": Stream.TRADES,
    "candle": Stream.BARS,
    "activeAssetCtx": Stream.MARKS,
}
_READINGS_MOST = 10
_READ_AGAIN_S = 0.2
# What is not filled of these when they are triggered is cancelled.
_FILLED_AT_ONCE = frozenset((OrderType.STOP, OrderType.TAKE_PROFIT))
_PRIVATE = frozenset(("orderUpdates", "userFills", "userFundings"))


class _HyperliquidWire(Wire, QuickSigning, hyperliquid):
    order_paths = frozenset(("exchange",))


class Hyperliquid(ExchangeClient):
    """One wallet's perpetual futures. Orders go out as plain actions: no builder or referrer, and no fee to them."""

    batch_most = 40
    ids_change = True
    in_flight_ns = (_EXPIRES_MS + 1_000) * NS_PER_MS

    def __init__(self, connection: Connection, inbox: Inbox, clock_ns: Callable[[], int] = time.time_ns) -> None:
        super().__init__(connection, inbox, clock_ns)
        keys = connection.keys
        pace_ms = _PACE_LOCAL_MS if connection.endpoint else _PACE_MS
        options = {"fetchMarkets": {"types": ["swap"]}}
        own = {"rateLimit": pace_ms, "tokenBucket": {"capacity": _BURST}}
        self.wire = _HyperliquidWire(settings("", keys.secret, keys.wallet, _TIMEOUT_MS, options) | own)
        self.wire.has["fetchCurrencies"] = False
        if connection.endpoint:
            point_to(self.wire, connection.endpoint)
        self.wire.on_raw_message = self._on_message
        self.wire.on_connection = self._on_connection
        self.wire.on_unreadable = lambda: self.counts.update(["malformed"])
        self.wire.on_headers = lambda headers: None
        self._by_coin: dict[str, Market] = {}
        self._assets: dict[int, int] = {}
        self._messages = HyperliquidMessages(
            self.known(self._by_coin), lambda said: self.in_background(self._find_order_of(said))
        )
        self._subscribed: dict[Stream, int] = {}
        self._private: set[str] = set()

    # Markets and streams.

    async def load(self) -> dict[int, Market]:
        if self.connection.has_keys and not self.connection.keys.wallet:
            raise UserError("hyperliquid: the wallet's address is missing: it names the account")
        listed = await self.wire.load_markets()
        markets = {}
        for instrument in self.connection.instruments:
            if instrument.symbol not in listed:
                raise UserError(f"{instrument.symbol}: hyperliquid lists no such instrument")
            row = listed[instrument.symbol]
            market = _market(instrument, row)
            self._by_coin[market.market_id] = markets[instrument.number] = market
            self._assets[instrument.number] = int(row["baseId"])
        return markets

    def watches(self) -> dict[Stream, Callable[[], Awaitable[object]]]:
        wire = self.wire
        public: dict[str, tuple[Stream, Callable[[Market], Awaitable[object]]]] = {
            "quotes": (Stream.QUOTES, self._watch_best),
            "trades": (Stream.TRADES, lambda market: wire.watch_trades(market.instrument.symbol)),
            "bars": (Stream.BARS, lambda market: wire.watch_ohlcv(market.instrument.symbol, "1m")),
            "marks": (Stream.MARKS, lambda market: wire.watch_ticker(market.instrument.symbol)),
        }
        wanted = dict(public[name] for name in sorted(self.connection.streams))
        watches = {stream: partial(self._watch_all, watch) for stream, watch in wanted.items()}
        return {Stream.PRIVATE: self._watch_private, **watches}

    async def _watch_private(self) -> None:
        await asyncio.gather(self.wire.watch_orders(), self.wire.watch_my_trades(), self._watch_fundings())

    async def _watch_fundings(self) -> None:
        subscription = {"type": "userFundings", "user": self.connection.keys.wallet}
        await self._watch_plain("userFundings", subscription)

    async def _watch_all(self, watch: Callable[[Market], Awaitable[object]]) -> None:
        await asyncio.gather(*[watch(market) for market in self.markets.values()])

    async def _watch_best(self, market: Market) -> None:
        await self._watch_plain(f"bbo:{market.market_id}", {"type": "bbo", "coin": market.market_id})

    async def _watch_plain(self, name: str, subscription: dict[str, str]) -> None:
        request = {"method": "subscribe", "subscription": subscription}
        await self.wire.watch(self.wire.urls["api"]["ws"]["public"], name, request, name)

    def _on_connection(self, url: str) -> None:
        self._subscribed.clear()
        self._private.clear()
        self._messages.forget()

    def _on_message(self, url: str, message: Any) -> bool:
        if self._messages.take(message):
            return True
        if isinstance(message, dict) and message.get("channel") == "subscriptionResponse":
            said = message["data"]
            if said.get("method") == "subscribe":
                self._confirmed(said["subscription"]["type"])
            return True
        if isinstance(message, dict) and message.get("channel") == "error":
            # It does not say what it is about: only a new connection gives all streams a new start.
            self.counts["subscriptions refused"] += 1
            if "Already subscribed" not in str(message.get("data")):
                self.wire.end(url)
            return True
        return False

    def _confirmed(self, name: str) -> None:
        if name in _PRIVATE:
            self._private.add(name)
            if self._private == _PRIVATE:
                self.in_background(self.private_is_up())
        elif name in _STREAM_OF:
            stream = _STREAM_OF[name]
            self._subscribed[stream] = self._subscribed.get(stream, 0) + 1
            if self._subscribed[stream] == len(self.markets):
                self.streams.came_up(stream)

    async def _find_order_of(self, said: dict[str, Any]) -> None:
        """An own trade came before anything that names its order: ask whose it is."""
        market = self._by_coin[said["coin"]]
        order = await self._order_of(market, int(said["oid"]))
        trade = self._messages.own_trade_of(market, said, order)
        if trade is not None:
            self.own_trade(trade)

    # Commands.

    async def place(self, market: Market, command: Command) -> int:
        order = await self.order_body(market, command)
        answer = await self._act({"type": "order", "orders": [order], "grouping": "na"})
        return self._took(command, only_status(answer))

    async def order_body(self, market: Market, command: Command) -> Any:
        return self._wire_order(market, command, await self._touch_ticks(market, command))

    def batch_of(self, command: Command) -> int | None:
        return 0

    async def place_all(self, commands: Sequence[Command], bodies: Sequence[Any]) -> list[int | Exception]:
        answer = await self._act({"type": "order", "orders": list(bodies), "grouping": "na"})
        return each_of(
            commands, statuses(answer, len(commands)), lambda command, said: self._took(command, status_of(said))
        )

    async def cancel_all(self, commands: Sequence[Command]) -> list[Exception | None]:
        cancels = [self._cancel_terms(self.markets[command.instrument], command.order) for command in commands]
        answer = await self._act({"type": "cancelByCloid", "cancels": cancels})
        return each_of(commands, statuses(answer, len(commands)), _cancelled)

    async def _touch_ticks(self, market: Market, command: Command) -> int:
        """The best price on the other side, which a market order is priced from; 0 where it needs none."""
        if command.order_type != OrderType.MARKET:
            return 0
        if market.number not in self._messages.touch_ticks:
            bids, asks = (await self.read(lambda: self._book(market)))["levels"]
            if not bids or not asks:
                raise Refused(Reason.EXCHANGE_NO_MARKET)
            best = market.price.nearest(bids[0]["px"]), market.price.nearest(asks[0]["px"])
            self._messages.touch_ticks[market.number] = best
        bid_ticks, ask_ticks = self._messages.touch_ticks[market.number]
        return bid_ticks if command.order_flags & OrderFlag.SELL else ask_ticks

    async def _book(self, market: Market) -> Any:
        return await self.wire.publicPostInfo({"type": "l2Book", "coin": market.market_id})

    def _took(self, command: Command, status: dict[str, Any]) -> int:
        """The id in an answer, which for an order that waits for its trigger may say none."""
        taken = status.get("resting") or status.get("filled") or {}
        client_id = self.connection.ids.hyperliquid(command.order)
        check_id(client_id, taken.get("cloid") or client_id)
        exchange_order_id = int(taken.get("oid") or 0)
        self.orders.remember(command.instrument, exchange_order_id, command.order)
        return exchange_order_id

    async def cancel(self, market: Market, command: Command) -> None:
        await self._cancel(market, command.order)

    async def _cancel(self, market: Market, order: int) -> None:
        only_status(await self._act({"type": "cancelByCloid", "cancels": [self._cancel_terms(market, order)]}))

    def _cancel_terms(self, market: Market, order: int) -> dict[str, Any]:
        return {"asset": self._assets[market.number], "cloid": self.connection.ids.hyperliquid(order)}

    async def amend(self, market: Market, command: Command) -> Amended:
        """The exchange's own change cancels an order and places one of a size that counts from zero: what the old one
        is filled with meanwhile would be filled twice. An order that cannot be filled before it ends has no such time.
        """
        if command.order_type in _FILLED_AT_ONCE:
            await self._modify(market, command)
        else:
            await self._replace(market, command)
        return Amended(command.quantity_lots, command.limit_ticks or command.trigger_ticks)

    async def _modify(self, market: Market, command: Command) -> None:
        client_id = self.connection.ids.hyperliquid(command.order)
        with self._messages.changing(await self._newest_id(market, command)) as change:
            order = self._wire_order(market, command, 0)
            action = {"type": "batchModify", "modifies": [{"oid": client_id, "order": order}]}
            await self._place_anew(command, action, change, is_gone=False)

    async def _replace(self, market: Market, command: Command) -> None:
        """Cancel the order; what was left of it then, and by how much it shall be more, is placed under its name."""
        more_lots = command.quantity_lots - self.whole_quantities.of(command.order)
        old_id = await self._newest_id(market, command)
        with self._messages.changing(old_id) as change:
            await self._cancel(market, command.order)
            left_lots = await self._left_of_cancelled(market, old_id) + more_lots
            if left_lots <= 0:
                raise Refused(Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM)
            order = self._wire_order(market, command._replace(quantity_lots=left_lots), 0)
            action = {"type": "order", "orders": [order], "grouping": "na"}
            await self._place_anew(command, action, change, is_gone=True)

    async def _place_anew(self, command: Command, action: dict[str, Any], change: Change, is_gone: bool) -> None:
        try:
            self._took(command, only_status(await self._act(action)))
        except Exception as error:
            if not isinstance(self.meaning(error), Reason):
                # Where the old one is gone, the new one may be there: that is to be asked.
                change.hides_end = is_gone or change.end is not None
                self.report(EventKind.CANCEL_REJECTED, command, reason=Reason.EXCHANGE_ORDER_UNKNOWN)
            raise
        change.hides_end = True

    async def _newest_id(self, market: Market, command: Command) -> int:
        """The exchange's id for an order, which changes with it. Raises Refused."""
        if not self.orders.exchange_order_id(command.order):
            await self._order_status(market, self.connection.ids.hyperliquid(command.order))
        known = self.orders.exchange_order_id(command.order)
        if not known:
            raise Refused(Reason.EXCHANGE_ORDER_UNKNOWN)
        return known

    async def _left_of_cancelled(self, market: Market, exchange_order_id: int) -> int:
        """What was not filled of an order; who answers may learn of its end a little later than who ended it."""
        for _ in range(_READINGS_MOST):
            said = (await self.read(lambda: self._info("orderStatus", oid=exchange_order_id))).get("order")
            if said is not None and not state(said["status"])[2]:
                check_id(exchange_order_id, int(said["order"]["oid"]))
                return market.size.exact(said["order"]["sz"])
            await asyncio.sleep(_READ_AGAIN_S)
        raise Unreadable("a cancelled order is said to be open")

    def _wire_order(self, market: Market, command: Command, touch_ticks: int) -> dict[str, Any]:
        client_id = self.connection.ids.hyperliquid(command.order)
        return wire_order(market, self._assets[market.number], command, client_id, touch_ticks)

    async def _act(self, action: dict[str, Any]) -> Any:
        nonce = self.wire.incrementing_nonce()
        expires = self.clock_ns() // NS_PER_MS + _EXPIRES_MS
        signature = self.wire.sign_l1_action(action, nonce, None, expires)
        request = {"action": action, "nonce": nonce, "signature": signature, "expiresAfter": expires}
        return await self.wire.privatePostExchange(request)

    async def cancel_all_after(self, after_ms: int) -> None:
        action: dict[str, Any] = {"type": "scheduleCancel"}
        if after_ms:
            action["time"] = self.clock_ns() // NS_PER_MS + after_ms
        check(await self._act(action))

    def meaning_of(self, error: Answered) -> Reason | RequestFailure:
        # Refusals of orders come with HTTP 200: an error is the server's own.
        return RequestFailure.SERVER_ERROR if error.http_status >= 500 else RequestFailure.MALFORMED

    # Questions.

    async def _info(self, kind: str, **more: Any) -> Any:
        return await self.wire.publicPostInfo({"type": kind, "user": self.connection.keys.wallet, **more})

    async def find_open(self) -> list[FoundOrder]:
        rows = await self._info("frontendOpenOrders")
        return [
            self._messages.found(self._by_coin[row["coin"]], {"order": row, "status": "open"})
            for row in rows
            if row["coin"] in self._by_coin
        ]

    async def find(self, market: Market, question: OrderQuestion) -> FoundOrder | None:
        return await self._order_status(market, self.connection.ids.hyperliquid(question.order))

    async def _order_status(self, market: Market, name: str | int) -> FoundOrder | None:
        """An order by its own id at the exchange or by ours."""
        said = await self.read(lambda: self._info("orderStatus", oid=name))
        if said["status"] == "unknownOid":
            return None
        row = said["order"]["order"]
        check_id(name, row["cloid"] if isinstance(name, str) else int(row["oid"]))
        return self._messages.found(market, said["order"])

    async def cancel_found(self, market: Market, found: FoundOrder) -> None:
        if found.order:
            await self._cancel(market, found.order)
            return
        cancels = [{"a": self._assets[market.number], "o": found.exchange_order_id}]
        only_status(await self._act({"type": "cancel", "cancels": cancels}))

    async def trades_since(self, since_ns: int) -> list[OwnTrade]:
        trades = []
        for said in await self._fills(max(since_ns // NS_PER_MS, 0)):
            market = self._by_coin.get(said["coin"])
            if market is None:
                continue
            trade = self._messages.own_trade_of(market, said)
            if trade is None:
                order = await self._order_of(market, int(said["oid"]))
                trade = self._messages.own_trade_of(market, said, order)
            assert trade is not None, "its order is known now"
            trades.append(trade)
        return sorted(trades, key=lambda trade: (trade.ts_ns, trade.trade_id))

    async def _fills(self, start_ms: int) -> list[dict[str, Any]]:
        """Pages begin at the time at which the one before ended."""
        rows: dict[tuple[int, int], dict[str, Any]] = {}
        while True:
            page = await self._fill_page(start_ms)
            new = {(row["tid"], row["oid"]): row for row in page if (row["tid"], row["oid"]) not in rows}
            rows |= new
            if len(page) < _FILLS_A_PAGE or not new:
                return list(rows.values())
            start_ms = max(int(row["time"]) for row in page)

    async def _fill_page(self, start_ms: int) -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = await self.read(lambda: self._info("userFillsByTime", startTime=start_ms))
        return page

    async def _order_of(self, market: Market, exchange_order_id: int) -> int:
        """The number of the order that has an id at the exchange, 0 for one that is not of this tape."""
        known = self.orders.order(market.number, exchange_order_id)
        if known is not None:
            return known
        found = await self._order_status(market, exchange_order_id)
        return 0 if found is None else found.order

    async def payments_since(self, since_ns: int) -> list[Payment]:
        """Pages begin at the time at which the one before ended."""
        payments: dict[Payment, None] = {}
        start_ms = max(since_ns // NS_PER_MS, 0)
        while True:
            page = await self._payment_page(start_ms)
            found = [self._messages.payment(row["delta"], int(row["time"])) for row in page]
            new = [payment for payment in found if payment is not None and payment not in payments]
            payments |= dict.fromkeys(new)
            if len(page) < _PAYMENTS_A_PAGE or not new:
                return list(payments)
            start_ms = max(int(row["time"]) for row in page)

    async def _payment_page(self, start_ms: int) -> list[dict[str, Any]]:
        page: list[dict[str, Any]] = await self.read(lambda: self._info("userFunding", startTime=start_ms))
        return page

    async def holdings(self) -> Holdings:
        said = await self._info("clearinghouseState")
        first = next(iter(self.markets.values()))
        held, unrealized = {}, 0
        for row in said["assetPositions"]:
            position = row["position"]
            gain = first.money.nearest(position["unrealizedPnl"])
            unrealized += gain
            market = self._by_coin.get(position["coin"])
            if market is not None:
                entry = market.mark.nearest(position["entryPx"] or 0)
                held[market.number] = Held(self.oddities.lots(market, position["szi"]), entry, 0, gain)
        total = first.money.nearest(said["marginSummary"]["accountValue"]) - unrealized
        return Holdings(total, first.money.nearest(said["withdrawable"]), held)


def _cancelled(command: Command, said: Any) -> None:
    status_of(said)


def _market(instrument: ExchangeInstrument, listed: dict[str, Any]) -> Market:
    places = int(listed["info"]["szDecimals"])
    check_lot(instrument.symbol, instrument.lot_size, Decimal(1).scaleb(-places), "hyperliquid")
    finest = Decimal(1).scaleb(places - _PRICE_PLACES)
    check_step(instrument.symbol, "tick_size", instrument.tick_size, finest, "hyperliquid")
    rules = Rules(
        notional_min_tick_lots=steps_at_least(_NOTIONAL_MIN, Scale(instrument.tick_size * instrument.lot_size), 0),
        price_significant_digits=SIGNIFICANT_DIGITS,
        any_whole_price=True,
    )
    return Market(instrument, listed["baseName"], rules)
