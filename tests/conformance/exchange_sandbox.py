"""A venue on loopback with a market that the test moves, and our client connected to it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import numpy as np

from adapters.exchanges import connect
from adapters.exchanges.client import ExchangeClient
from adapters.exchanges.client_ids import ClientIds
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Connection, ExchangeInstrument, Keys, OrderQuestion
from engine.kinds import DecisionKind, EventKind, OrderFlag, OrderType, TimeInForce
from engine.records import EVENT, OVERLAYS, QUOTE
from tests.conformance.local_venue import PATIENCE_S, SCENARIO_S, Place
from tests.conformance.local_venue import place as open_place

JOURNAL = "0123456789abcdef0123456789abcdef"
ACCOUNT = 3
STREAMS = frozenset(("quotes", "trades", "bars", "marks"))
# The instruments' numbers on the tape are not those of the venue.
FIRST_INSTRUMENT = 5


class Market:
    """A venue's BTC in whole prices; it stands at 50,000 to 50,001."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.exchange = place.venue.exchange
        self.instruments = place.core.instruments
        self._tick, self._lot = self.instruments[0].tick_size, self.instruments[0].lot_size
        self.quote(50_000)

    def ticks(self, price: int) -> int:
        return int(price / self._tick)

    def lots(self, size: str) -> int:
        return int(Decimal(size) / self._lot)

    def quote(self, bid: int, lots: int = 1_000_000) -> None:
        """A bid, and an ask that is one more."""
        prices = {"bid_ticks": self.ticks(bid), "ask_ticks": self.ticks(bid + 1), "bid_lots": lots, "ask_lots": lots}
        self.place._apply(QUOTE, EventKind.QUOTE, 0, **prices)

    def trade(self, price: int, lots: int, trade_id: int) -> None:
        self.place.trade(self.ticks(price), lots, trade_id)

    def mark(self, price: int) -> None:
        self.place.mark(self.ticks(price))

    def bar(self, price: int) -> None:
        ticks = self.ticks(price)
        self.place.bar((ticks, ticks, ticks, ticks), 7)

    def disconnect(self) -> None:
        """End all websocket connections."""
        self.place.venue.streams.close()


class Client:
    """Our client of the venue's first customer, and everything that it has put into its inbox."""

    def __init__(
        self,
        place: Place,
        streams: frozenset[str] = STREAMS,
        keys: Keys | None = None,
        journal: str = JOURNAL,
        **terms: Any,
    ) -> None:
        """`terms` are those of a `Connection` that are not always said."""
        venue = place.venue
        self.inbox = Inbox(time.time_ns)
        self.ids = ClientIds(journal)
        key, secret = venue.keys[0]
        is_wallet = venue.exchange == "hyperliquid"
        if keys is None:
            keys = Keys("", secret, key) if is_wallet else Keys(key, secret)
        instruments = [
            ExchangeInstrument(
                FIRST_INSTRUMENT + number,
                one.symbol,
                one.tick_size,
                one.lot_size,
                one.settlement_currency,
                one.base_currency,
                venue.core.accounts[0].money_decimals,
            )
            for number, one in enumerate(venue.core.instruments)
        ]
        connection = Connection(ACCOUNT, venue.exchange, keys, venue.address, instruments, streams, self.ids, **terms)
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
async def connected(place: Place, **terms: Any) -> AsyncIterator[Client]:
    client = Client(place, **terms)
    try:
        await client.exchange.open()
        yield client
    finally:
        await client.exchange.close()


def run(
    exchange: str,
    scenario: Callable[[Market, Client], Awaitable[None]],
    faults: list[dict[str, Any]] | None = None,
    streams: frozenset[str] = STREAMS,
    seed: int = 1,
) -> None:
    """Play a scenario with a venue and a client of its own, for a bounded time."""

    async def play() -> None:
        async with open_place(exchange, faults, seed) as place:
            market = Market(place)
            async with connected(place, streams=streams) as client:
                await asyncio.wait_for(scenario(market, client), SCENARIO_S)

    asyncio.run(play())


SELL, POST_ONLY, REDUCE_ONLY = OrderFlag.SELL, OrderFlag.POST_ONLY, OrderFlag.REDUCE_ONLY
