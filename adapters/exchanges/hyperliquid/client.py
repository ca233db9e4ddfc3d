"""The client of Hyperliquid's perpetual futures."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from typing import Any

from ccxt.pro.hyperliquid import hyperliquid

from adapters.errors import UserError
from adapters.exchanges.answers import Amended, FoundOrder, Held, Holdings, OwnTrade, Payment, Refused
from adapters.exchanges.client import ExchangeClient
from adapters.exchanges.hyperliquid.errors import only_status
from adapters.exchanges.hyperliquid.messages import NS_PER_MS, HyperliquidMessages
from adapters.exchanges.hyperliquid.requests import SIGNIFICANT_DIGITS, wire_order
from adapters.exchanges.hyperliquid.signing import QuickSigning
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.markets import Market, Rules, check_step, steps_at_least
from adapters.exchanges.port import Command, Connection, ExchangeInstrument, OrderQuestion
from adapters.exchanges.scales import Scale
from adapters.exchanges.streams import Stream
from adapters.exchanges.transport import Answered, Wire, point_to, settings
from engine.kinds import OrderFlag, OrderType, RequestFailure
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
_PRIVATE = frozenset(("orderUpdates", "userFills", "userFundings"))


class _HyperliquidWire(Wire, QuickSigning, hyperliquid):
    order_paths = frozenset(("exchange",))


class Hyperliquid(ExchangeClient):
    """One wallet's perpetual futures. Orders go out as plain actions: no builder or referrer, and no fee to them."""

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
            self.account,
            inbox,
            self._by_coin,
            connection.ids,
            self.orders,
            self.counts,
            self.own_trade,
            self.oddities,
            lambda said: self.in_background(self._find_order_of(said)),
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
        order = self._wire_order(market, command, await self._touch_ticks(market, command))
        status = only_status(await self._act({"type": "order", "orders": [order], "grouping": "na"}))
        return self._took(market, command, status)

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

    def _took(self, market: Market, command: Command, status: dict[str, Any]) -> int:
        """The id in an answer, which for an order that waits for its trigger may say none."""
        taken = status.get("resting") or status.get("filled") or {}
        exchange_order_id = int(taken.get("oid") or 0)
        self.orders.remember(market.number, exchange_order_id, command.order)
        return exchange_order_id

    async def cancel(self, market: Market, command: Command) -> None:
        await self._cancel(market, command.order)

    async def _cancel(self, market: Market, order: int) -> None:
        client_id = self.connection.ids.hyperliquid(order)
        cancels = [{"asset": self._assets[market.number], "cloid": client_id}]
        only_status(await self._act({"type": "cancelByCloid", "cancels": cancels}))

    async def amend(self, market: Market, command: Command) -> Amended:
        """The exchange places another order and cancels the old one: its size is what is still to be filled."""
        client_id = self.connection.ids.hyperliquid(command.order)
        if not self.orders.exchange_order_id(command.order):
            await self._order_status(market, client_id)
        left = command._replace(quantity_lots=await self.left_lots(command))
        order = self._wire_order(market, left, 0)
        action = {"type": "batchModify", "modifies": [{"oid": client_id, "order": order}]}
        self._messages.changing[command.order] = self.orders.exchange_order_id(command.order)
        is_changed = False
        try:
            self._took(market, command, only_status(await self._act(action)))
            is_changed = True
        finally:
            self._messages.changed(command.order, is_changed)
        return Amended(command.quantity_lots, command.limit_ticks or command.trigger_ticks)

    def _wire_order(self, market: Market, command: Command, touch_ticks: int) -> dict[str, Any]:
        client_id = self.connection.ids.hyperliquid(command.order)
        return wire_order(market, self._assets[market.number], command, client_id, touch_ticks)

    async def _act(self, action: dict[str, Any]) -> Any:
        nonce = self.wire.incrementing_nonce()
        expires = self.clock_ns() // NS_PER_MS + _EXPIRES_MS
        signature = self.wire.sign_l1_action(action, nonce, None, expires)
        request = {"action": action, "nonce": nonce, "signature": signature, "expiresAfter": expires}
        return await self.wire.privatePostExchange(request)

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
        return None if said["status"] == "unknownOid" else self._messages.found(market, said["order"])

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
        rows: dict[int, dict[str, Any]] = {}
        while True:
            page = await self._fill_page(start_ms)
            new = [row for row in page if row["tid"] not in rows]
            rows |= {row["tid"]: row for row in new}
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


def _market(instrument: ExchangeInstrument, listed: dict[str, Any]) -> Market:
    places = int(listed["info"]["szDecimals"])
    check_step(instrument.symbol, "lot_size", instrument.lot_size, Decimal(1).scaleb(-places), "hyperliquid")
    finest = Decimal(1).scaleb(places - _PRICE_PLACES)
    check_step(instrument.symbol, "tick_size", instrument.tick_size, finest, "hyperliquid")
    rules = Rules(
        notional_min_tick_lots=steps_at_least(_NOTIONAL_MIN, Scale(instrument.tick_size * instrument.lot_size), 0),
        price_significant_digits=SIGNIFICANT_DIGITS,
        any_whole_price=True,
    )
    return Market(instrument, listed["baseName"], rules)
