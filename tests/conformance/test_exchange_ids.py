"""What comes with another order's id, or another trade's, is refused by name: nothing is put on the wrong order."""

import asyncio
import time

import pytest

from adapters.exchanges import EXCHANGES
from adapters.exchanges.transport import Unreadable
from engine.kinds import EventKind, OrderType, RequestFailure
from tests.conformance.exchange_sandbox import Client, Market, order, question, run

QUOTES = frozenset(("quotes",))
IDS = pytest.mark.parametrize("kind", ["wrong_order_id", "wrong_client_id"])
OF_ALL = pytest.mark.parametrize("exchange", EXCHANGES)


async def two_orders(market: Market, client: Client):
    """The first of them is nearer to the market; the second one is the newest."""
    orders = [order(number, market.lots("0.01"), market.ticks(49_991 - number)) for number in (1, 2)]
    for one in orders:
        await client.exchange.send(one)
    await client.said(EventKind.ORDER_ACCEPTED, times=2)
    return orders


@OF_ALL
@IDS
def test_a_fill_with_the_id_of_another_order_is_refused_and_asked_for(exchange, kind):
    async def scenario(market: Market, client: Client) -> None:
        began_ns = time.time_ns()
        orders = await two_orders(market, client)
        market.quote(49_988, lots=market.lots("0.005"))
        market.quote(50_000)
        # Both ids that are wrong are refused: of the fill and of what is said of its order.
        for _ in range(200):
            await asyncio.sleep(0.01)
            if client.exchange.counts["wrong ids"]:
                break
        assert client.exchange.counts["wrong ids"] >= 1
        assert not [one for one in client.of(EventKind.ORDER_FILLED) if one.order != 1]
        assert await client.exchange.ask([question(one, began_ns) for one in orders], began_ns)
        fills = {one.trade_id: (one.order, one.quantity_lots) for one in client.of(EventKind.ORDER_FILLED)}
        assert list(fills.values()) == [(1, market.lots("0.005"))]

    run(exchange, scenario, [{"kind": kind, "on": "fills", "at": (1,)}], QUOTES)


@OF_ALL
@IDS
def test_an_answer_about_another_order_is_no_answer(exchange, kind):
    async def scenario(market: Market, client: Client) -> None:
        began_ns = time.time_ns()
        orders = [order(number, market.lots("0.01"), market.ticks(49_000 - number)) for number in (1, 2)]
        await client.exchange.send(orders[0])
        await client.exchange.send(orders[1])
        (failed,) = await client.said(EventKind.REQUEST_FAILED)
        assert (failed.order, failed.failure) == (2, RequestFailure.MALFORMED)
        assert await client.exchange.ask([question(one, began_ns) for one in orders], began_ns)
        said = client.of(EventKind.ORDER_ACCEPTED)[-2:]
        assert [one.order for one in said] == [1, 2] and said[0].exchange_order_id != said[1].exchange_order_id

    run(exchange, scenario, [{"kind": kind, "on": "order", "at": (2,)}], QUOTES)


@pytest.mark.parametrize("exchange", ["binanceusdm", "hyperliquid"])
def test_an_answer_to_a_question_that_is_about_another_order_is_no_answer(exchange):
    async def scenario(market: Market, client: Client) -> None:
        began_ns = time.time_ns()
        first, second = await two_orders(market, client)
        wire, ids = client.exchange.wire, client.ids
        if exchange == "binanceusdm":
            name, asked = "fapiPrivateGetOrder", {"symbol": "BTCUSDT", "origClientOrderId": ids.binance(first.order)}
        else:
            wallet = client.exchange.connection.keys.wallet
            name = "publicPostInfo"
            asked = {"type": "orderStatus", "user": wallet, "oid": ids.hyperliquid(first.order)}
        other = await getattr(wire, name)(asked)

        async def mixed_up(_):
            return other

        setattr(wire, name, mixed_up)
        with pytest.raises(Unreadable, match="about another order"):
            await client.exchange.find(client.exchange.markets[second.instrument], question(second, began_ns))

    run(exchange, scenario, streams=QUOTES)


@OF_ALL
def test_a_trade_id_that_comes_again_for_another_trade_is_refused(exchange):
    async def scenario(market: Market, client: Client) -> None:
        began_ns = time.time_ns()
        first = order(1, market.lots("0.01"), order_type=OrderType.MARKET)
        second = order(2, market.lots("0.02"), order_type=OrderType.MARKET)
        await client.exchange.send(first)
        market.quote(50_010)
        await client.said(EventKind.ORDER_FILLED)
        await client.exchange.send(second)
        market.quote(50_020)
        for _ in range(200):
            await asyncio.sleep(0.01)
            if client.exchange.counts["trade ids repeated"]:
                break
        assert client.exchange.counts["trade ids repeated"] >= 1
        (fill,) = client.of(EventKind.ORDER_FILLED)
        assert fill.order == 1
        # The position says that something is missing, which is what the breaker on reconciliation waits for.
        assert await client.exchange.ask([question(first, began_ns)], began_ns)
        held = client.of(EventKind.POSITION_REPORTED)[0].quantity_lots
        assert held == market.lots("0.03")

    run(exchange, scenario, [{"kind": "repeat_trade_id", "at": (1,)}], QUOTES)
