"""The dead-man switch: the exchange cancels the orders of a client that is gone, not of one that stops."""

import asyncio
import time
from dataclasses import replace

import pytest

from adapters.errors import UserError
from adapters.exchanges import EXCHANGES
from adapters.venue.hyperliquid import actions
from engine.kinds import EventKind, OrderType
from engine.reasons import Reason
from tests.conformance.exchange_sandbox import SELL, Client, Market, cancel, connected, eventually, order, question
from tests.conformance.local_venue import SCENARIO_S
from tests.conformance.local_venue import place as open_place

QUOTES = frozenset(("quotes",))
SWITCH_NS = 600_000_000
SWITCH_S = SWITCH_NS / 1e9
TIMED = [name for name in EXCHANGES if name != "bitfinex"]


@pytest.fixture(autouse=True)
def short_switches(monkeypatch):
    """The exchange wants five seconds or more."""
    monkeypatch.setattr(actions, "_SCHEDULE_AHEAD_MIN_MS", 0)


def open_ones(market: Market):
    return market.place.core.customers[0].open_orders()


async def place_two(market: Market, client: Client) -> None:
    """One on each side, and nothing of them is filled."""
    lots = market.lots("0.01")
    await client.exchange.send(order(1, lots, market.ticks(49_000)))
    await client.exchange.send(order(2, lots, market.ticks(51_000), flags=SELL))
    await client.said(EventKind.ORDER_ACCEPTED, times=2)


@pytest.mark.parametrize("exchange", TIMED)
def test_orders_stay_for_as_long_as_there_are_signs_of_life(exchange):
    async def scenario():
        async with open_place(exchange) as place:
            market = Market(place)
            async with connected(place, streams=QUOTES, dead_man_switch_ns=SWITCH_NS) as client:
                await place_two(market, client)
                await asyncio.sleep(2.5 * SWITCH_S)
                assert len(open_ones(market)) == 2 and not client.of(EventKind.ORDER_CANCELED)

    asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_orders_of_a_client_that_is_gone_are_cancelled_and_it_hears_of_it_when_it_is_back(exchange):
    switch_ns = 0 if exchange == "bitfinex" else SWITCH_NS

    async def scenario():
        async with open_place(exchange) as place:
            market = Market(place)
            async with connected(place, streams=QUOTES, dead_man_switch_ns=switch_ns) as client:
                await place_two(market, client)
            # Closed without a word, as one that was killed.
            assert len(open_ones(market)) == (0 if exchange == "bitfinex" else 2)
            await eventually(lambda: not open_ones(market))
            lots = market.lots("0.01")
            sent = order(1, lots, market.ticks(49_000)), order(2, lots, market.ticks(51_000), flags=SELL)
            async with connected(place, streams=QUOTES) as back:
                assert await back.exchange.ask([question(one) for one in sent], time.time_ns() - 10**12)
                gone = back.of(EventKind.ORDER_CANCELED)
                assert [(one.order, one.reason) for one in gone] == [
                    (1, Reason.EXCHANGE_CANCELED_ON_REQUEST),
                    (2, Reason.EXCHANGE_CANCELED_ON_REQUEST),
                ]

    asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))


@pytest.mark.parametrize("exchange", TIMED)
def test_a_client_that_hangs_hears_of_the_cancels_by_its_stream(exchange):
    async def scenario():
        async with open_place(exchange) as place:
            market = Market(place)
            async with connected(place, streams=QUOTES, dead_man_switch_ns=SWITCH_NS) as client:
                await place_two(market, client)
                client.exchange._signs_of_life.cancel()
                gone = await client.said(EventKind.ORDER_CANCELED, times=2)
                assert {one.order for one in gone} == {1, 2}
                assert {one.reason for one in gone} == {Reason.EXCHANGE_CANCELED_ON_REQUEST}

    asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))


@pytest.mark.parametrize("exchange", TIMED)
def test_a_client_that_stands_down_leaves_its_orders(exchange):
    async def scenario():
        async with open_place(exchange) as place:
            market = Market(place)
            async with connected(place, streams=QUOTES, dead_man_switch_ns=SWITCH_NS) as client:
                await place_two(market, client)
                assert await client.exchange.stand_down()
            await asyncio.sleep(1.5 * SWITCH_S)
            assert len(open_ones(market)) == 2

    asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))


def test_a_stop_at_binance_is_not_among_them():
    async def scenario():
        async with open_place("binanceusdm") as place:
            market = Market(place)
            async with connected(place, streams=QUOTES, dead_man_switch_ns=SWITCH_NS) as client:
                await place_two(market, client)
                trigger = {"order_type": OrderType.STOP, "trigger_ticks": market.ticks(51_000)}
                await client.exchange.send(order(3, market.lots("0.01"), **trigger))
                await client.said(EventKind.ORDER_ACCEPTED, times=3)
            await eventually(lambda: len(open_ones(market)) == 1)
            assert open_ones(market)[0].request.order_type == OrderType.STOP

    asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))


def test_a_switch_that_is_refused_is_one_line(monkeypatch):
    monkeypatch.setattr(actions, "_SCHEDULE_AHEAD_MIN_MS", 5_000)

    async def scenario():
        async with open_place("hyperliquid") as place:
            Market(place)
            async with connected(place, streams=QUOTES, dead_man_switch_ns=SWITCH_NS):
                pass

    with pytest.raises(UserError, match=r"^hyperliquid: it refused this account the dead-man switch, expected none$"):
        asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))


def test_a_sign_of_life_that_is_lost_is_an_event_and_the_next_one_counts():
    faults = [{"kind": "server_error", "on": "cancel", "at": (3,)}]

    async def scenario():
        async with open_place("binanceusdm", faults) as place:
            market = Market(place)
            async with connected(place, streams=QUOTES, dead_man_switch_ns=SWITCH_NS) as client:
                await place_two(market, client)
                await client.said(EventKind.REQUEST_FAILED)
                await asyncio.sleep(SWITCH_S)
                assert len(open_ones(market)) == 2
                await client.exchange.send(cancel(order(1, 1)))
                await client.said(EventKind.ORDER_CANCELED)

    asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))


def test_signs_of_life_that_would_be_too_many_are_one_line():
    async def scenario():
        async with open_place("binanceusdm") as place:
            client = Client(place, streams=QUOTES, dead_man_switch_ns=10 * 10**9).exchange
            client._check_switch(instruments=128)
            client.connection = replace(client.connection, endpoint="")
            client._check_switch(instruments=3)
            try:
                with pytest.raises(UserError, match=r"^dead_man_switch: expected at least '384s' for 128 instruments"):
                    client._check_switch(instruments=128)
            finally:
                await client.close()

    asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))
