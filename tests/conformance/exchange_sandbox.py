"""A venue on loopback with a market that the test moves, and our client connected to it."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from adapters.configuration import Configuration
from adapters.exchanges import connect
from adapters.exchanges.client import ExchangeClient
from adapters.exchanges.client_ids import ClientIds
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Connection, ExchangeInstrument, Keys, OrderQuestion
from adapters.venue.binanceusdm.face import CLIENT_ID_KEPT_NS, BinanceFace
from adapters.venue.core import VenueCore, default_keys
from adapters.venue.defaults import default_configuration
from adapters.venue.faults import FaultFile, Faults
from adapters.venue.hyperliquid import HyperliquidFace, wallets
from adapters.venue.hyperliquid import default_configuration as hyperliquid_configuration
from adapters.venue.server import Streams, VenueServer
from engine.kinds import Aggressor, DecisionKind, EventKind, OrderFlag, OrderType, TimeInForce
from engine.records import BAR, EVENT, MARK_PRICE, OVERLAYS, QUOTE, TRADE

PATIENCE_S = 5.0
JOURNAL = "0123456789abcdef0123456789abcdef"
ACCOUNT = 3
STREAMS = frozenset(("quotes", "trades", "bars", "marks"))
# The instruments' numbers on the tape are not those of the venue.
FIRST_INSTRUMENT = 5


class Venue:
    """One exchange's face over a core of its own; BTC stands at 50,000 to 50,001."""

    def __init__(self, exchange: str, faults: list[dict[str, Any]] | None = None) -> None:
        self.exchange = exchange
        self.faults = Faults(FaultFile.model_validate({"faults": faults or []}))
        self.configuration: Configuration = _CONFIGURATIONS[exchange]()
        self.keys = _keys(exchange)
        kept_ns = CLIENT_ID_KEPT_NS if exchange == "binanceusdm" else 0
        self.core = VenueCore(self.configuration, time.time_ns, self.keys, kept_ns, self.faults)
        self.streams = Streams(self.faults)
        self.face: Any = self._face()
        about = self.face.about

        async def waited(request: Any) -> Any:
            answer = about(request)
            return await answer if inspect.isawaitable(answer) else answer

        self.face.about = waited
        self.server = VenueServer(self.face, self.faults)
        self.address = ""
        self.quote(50_000)

    def _face(self) -> Any:
        if self.exchange == "hyperliquid":
            return HyperliquidFace(self.core, self.configuration, self.faults)
        return BinanceFace(self.core, self.streams)

    @property
    def ticks_in_one(self) -> int:
        return int(1 / self.configuration.instruments[0].tick_size)

    def lots(self, size: str) -> int:
        """A size of BTC in lots."""
        return int(float(size) / float(self.configuration.instruments[0].lot_size) + 0.5)

    def ticks(self, price: int) -> int:
        return price * self.ticks_in_one

    def quote(self, bid: int, lots: int = 1_000_000) -> None:
        """BTC at a bid and one more."""
        self.apply(
            QUOTE,
            EventKind.QUOTE,
            bid_ticks=self.ticks(bid),
            ask_ticks=self.ticks(bid + 1),
            bid_lots=lots,
            ask_lots=lots,
        )

    def trade(self, price: int, lots: int, trade_id: int) -> None:
        ticks = self.ticks(price)
        self.apply(
            TRADE,
            EventKind.TRADE,
            price_ticks=ticks,
            quantity_lots=lots,
            trade_id=trade_id,
            aggressor=Aggressor.SELLER,
        )

    def mark(self, price: int) -> None:
        ticks = self.ticks(price)
        self.apply(MARK_PRICE, EventKind.MARK_PRICE, mark_ticks=ticks, index_ticks=ticks)

    def bar(self, opened_ns: int, price: int) -> None:
        names = ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
        prices = dict.fromkeys(names, self.ticks(price))
        self.apply(BAR, EventKind.BAR, ts_exchange_ns=opened_ns, volume_lots=7, source=1, **prices)

    def apply(self, dtype: np.dtype, kind: EventKind, **fields: int) -> None:
        row = np.zeros(1, dtype)
        row["kind"] = kind
        for name, value in fields.items():
            row[name] = value
        self.core.apply(row.view(np.uint8))

    def disconnect(self) -> None:
        """End all websocket connections."""
        (self.face._streams if self.exchange == "hyperliquid" else self.streams).close()


class Client:
    """Our client of the venue's first customer, and everything that it has put into its inbox."""

    def __init__(self, venue: Venue, streams: frozenset[str] = STREAMS, keys: Keys | None = None) -> None:
        self.venue = venue
        self.inbox = Inbox(time.time_ns)
        self.ids = ClientIds(JOURNAL)
        key, secret = venue.keys[0]
        is_wallet = venue.exchange == "hyperliquid"
        keys = keys or (Keys("", secret, key) if is_wallet else Keys(key, secret))
        instruments = [
            ExchangeInstrument(
                FIRST_INSTRUMENT + number,
                one.symbol,
                one.tick_size,
                one.lot_size,
                one.settlement_currency,
                one.base_currency,
                venue.configuration.accounts[0].money_decimals,
            )
            for number, one in enumerate(venue.configuration.instruments)
        ]
        connection = Connection(ACCOUNT, venue.exchange, keys, venue.address, instruments, streams, self.ids)
        self.exchange: ExchangeClient = connect(connection, self.inbox)  # type: ignore[assignment]
        self.events: list[Any] = []

    def read(self) -> list[Any]:
        """All events until now, as records of their kinds."""
        taken, _ = self.inbox.take(1 << 20)
        for row in taken.view(EVENT):
            kind = EventKind(int(row["kind"]))
            self.events.append(np.atleast_1d(row).view(OVERLAYS[kind]).view(np.recarray)[0])
        return self.events

    def of(self, *kinds: EventKind) -> list[Any]:
        return [event for event in self.read() if event.kind in kinds]

    async def said(self, *kinds: EventKind, times: int = 1) -> list[Any]:
        """Wait until there are so many events of these kinds; returns them."""
        await eventually(lambda: len(self.of(*kinds)) >= times, lambda: [EventKind(e.kind).name for e in self.events])
        return self.of(*kinds)

    def kinds(self) -> list[EventKind]:
        return [EventKind(event.kind) for event in self.read()]


def order(
    number: int,
    lots: int,
    limit_ticks: int = 0,
    *,
    order_type: OrderType = OrderType.LIMIT,
    trigger_ticks: int = 0,
    flags: int = 0,
    time_in_force: TimeInForce = TimeInForce.GTC,
    kind: DecisionKind = DecisionKind.PLACE_ORDER,
    expire_ts_ns: int = 0,
) -> Command:
    return Command(
        kind,
        order_type,
        time_in_force,
        flags,
        FIRST_INSTRUMENT,
        ACCOUNT,
        1,
        1,
        number,
        lots,
        limit_ticks,
        trigger_ticks,
        0,
        expire_ts_ns,
    )


def cancel(of: Command) -> Command:
    return of._replace(kind=DecisionKind.CANCEL_ORDER, quantity_lots=0, limit_ticks=0, trigger_ticks=0)


def question(of: Command, placed_ts_ns: int | None = None) -> OrderQuestion:
    placed = time.time_ns() if placed_ts_ns is None else placed_ts_ns
    return OrderQuestion(of.order, of.instrument, of.order_type, 0, placed)


async def eventually(condition: Callable[[], bool], state: Callable[[], object] = lambda: "") -> None:
    """Wait until a condition holds; fails after a while."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"has not happened in {PATIENCE_S} s: {state()}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def sandbox(exchange: str, faults: list[dict[str, Any]] | None = None) -> AsyncIterator[Venue]:
    venue = Venue(exchange, faults)
    venue.address = await venue.server.start()
    try:
        yield venue
    finally:
        venue.disconnect()
        await venue.server.stop()


@asynccontextmanager
async def connected(venue: Venue, **terms: Any) -> AsyncIterator[Client]:
    client = Client(venue, **terms)
    try:
        await client.exchange.open()
        yield client
    finally:
        await client.exchange.close()


def run(
    exchange: str,
    scenario: Callable[[Venue, Client], Awaitable[None]],
    faults: list[dict[str, Any]] | None = None,
    streams: frozenset[str] = STREAMS,
) -> None:
    """Play a scenario with a venue and a client of its own."""

    async def play() -> None:
        async with sandbox(exchange, faults) as venue, connected(venue, streams=streams) as client:
            await scenario(venue, client)

    asyncio.run(play())


_CONFIGURATIONS: dict[str, Callable[[], Configuration]] = {
    "binanceusdm": lambda: default_configuration("USDT"),
    "hyperliquid": hyperliquid_configuration,
}


def _keys(exchange: str) -> list[tuple[str, str]]:
    return wallets(2) if exchange == "hyperliquid" else default_keys(2)


SELL, POST_ONLY, REDUCE_ONLY = OrderFlag.SELL, OrderFlag.POST_ONLY, OrderFlag.REDUCE_ONLY
