"""Several orders in one request: each has an outcome of its own, and what has no answer is unknown, each for itself."""

import asyncio
import time

import pytest

from adapters.exchanges import EXCHANGES
from engine.kinds import EventKind, OrderType, RequestFailure
from engine.reasons import Reason
from tests.conformance.exchange_sandbox import POST_ONLY, Client, Market, cancel, order, question, run

QUOTES = frozenset(("quotes",))
ONE_REQUEST = pytest.mark.parametrize("exchange", EXCHANGES)


def resting(market: Market, number: int, below: int = 0):
    return order(number, market.lots("0.01"), market.ticks(49_000 - below))


def counting(client: Client) -> list[str]:
    """The paths of the requests from now on."""
    paths = []
    fetch = client.exchange.wire.fetch2

    async def counted(path, *arguments, **named):
        paths.append(path)
        return await fetch(path, *arguments, **named)

    client.exchange.wire.fetch2 = counted
    return paths


@ONE_REQUEST
def test_orders_are_placed_and_cancelled_together(exchange):
    async def scenario(market: Market, client: Client) -> None:
        orders = [resting(market, number) for number in (1, 2, 3)]
        paths = counting(client)
        await client.exchange.send_all(orders)
        assert len(paths) == 1
        assert {one.order for one in client.of(EventKind.ORDER_ACCEPTED)} == {1, 2, 3}
        assert len({one.exchange_order_id for one in client.of(EventKind.ORDER_ACCEPTED)}) == 3
        paths.clear()
        await client.exchange.send_all([cancel(one) for one in orders])
        assert len(paths) == 1
        gone = await client.said(EventKind.ORDER_CANCELED, times=3)
        assert {(one.order, one.reason) for one in gone} == {
            (number, Reason.EXCHANGE_CANCELED_ON_REQUEST) for number in (1, 2, 3)
        }
        assert not client.of(EventKind.REQUEST_FAILED, EventKind.ORDER_REJECTED, EventKind.CANCEL_REJECTED)
        assert not client.exchange.on_their_way

    run(exchange, scenario, streams=QUOTES)


@ONE_REQUEST
def test_one_is_refused_and_the_others_are_not(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots = market.lots("0.01")
        wanted = [
            resting(market, 1),
            order(2, market.lots("900"), market.ticks(50_000)),
            order(3, 0, market.ticks(49_000)),
            order(4, lots, market.ticks(50_001), flags=POST_ONLY),
            resting(market, 5),
        ]
        await client.exchange.send_all(wanted)
        ended = await client.said(EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELED, times=3)
        reasons = {one.order: one.reason for one in ended}
        assert reasons == {
            2: Reason.EXCHANGE_MARGIN_INSUFFICIENT,
            3: Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM,
            4: Reason.EXCHANGE_POST_ONLY_WOULD_TAKE,
        }
        await client.exchange.send_all([cancel(wanted[0]), cancel(wanted[1]), cancel(wanted[4])])
        gone = await client.said(EventKind.ORDER_CANCELED, times=3 if exchange == "bitfinex" else 2)
        assert {1, 5} <= {one.order for one in gone}
        (unknown,) = await client.said(EventKind.CANCEL_REJECTED)
        assert (unknown.order, unknown.reason) == (2, Reason.EXCHANGE_ORDER_UNKNOWN)
        assert not client.of(EventKind.REQUEST_FAILED)

    run(exchange, scenario, streams=QUOTES)


@ONE_REQUEST
def test_a_batch_without_an_answer_leaves_each_of_its_orders_unknown_until_it_is_asked_for(exchange):
    async def scenario(market: Market, client: Client) -> None:
        client.exchange.wire.timeout = 300
        orders = [resting(market, number) for number in (1, 2)]
        before_ns = time.time_ns()
        await client.exchange.send_all(orders)
        failed = await client.said(EventKind.REQUEST_FAILED, times=2)
        assert {(one.order, one.failure) for one in failed} == {
            (1, RequestFailure.TIMEOUT),
            (2, RequestFailure.TIMEOUT),
        }
        client.events.clear()
        assert await client.exchange.ask([question(one, before_ns) for one in orders], before_ns)
        assert {one.order for one in client.of(EventKind.ORDER_ACCEPTED)} == {1, 2}

    run(exchange, scenario, [{"kind": "hang", "on": "order", "at": (1,)}], QUOTES)


@ONE_REQUEST
def test_cancels_without_an_answer_are_each_a_failure(exchange):
    async def scenario(market: Market, client: Client) -> None:
        orders = [resting(market, number) for number in (1, 2)]
        await client.exchange.send_all(orders)
        await client.exchange.send_all([cancel(one) for one in orders])
        failed = await client.said(EventKind.REQUEST_FAILED, times=2)
        assert {(one.order, one.failure) for one in failed} == {
            (1, RequestFailure.MALFORMED),
            (2, RequestFailure.MALFORMED),
        }
        assert not client.of(EventKind.CANCEL_REJECTED)

    run(exchange, scenario, [{"kind": "malformed", "on": "cancel", "at": (1,)}], QUOTES)


def test_more_than_binance_takes_at_once_are_several_requests_and_stops_have_their_own():
    async def scenario(market: Market, client: Client) -> None:
        stop = {"order_type": OrderType.STOP, "trigger_ticks": market.ticks(51_000)}
        orders = [resting(market, number) for number in range(1, 8)]
        orders.append(order(8, market.lots("0.01"), **stop))
        paths = counting(client)
        await client.exchange.send_all(orders)
        assert sorted(paths) == ["algoOrder", "batchOrders", "batchOrders"]
        accepted = await client.said(EventKind.ORDER_ACCEPTED, times=8)
        assert {one.order for one in accepted} == set(range(1, 9))

    run("binanceusdm", scenario, streams=QUOTES)


@ONE_REQUEST
def test_what_follows_on_an_order_waits_for_it_alone(exchange):
    async def scenario(market: Market, client: Client) -> None:
        orders = [resting(market, number) for number in (1, 2, 3)]
        await client.exchange.send_all(orders[:2])
        placing = asyncio.create_task(client.exchange.send(orders[2]))
        await asyncio.sleep(0)
        cancelling = asyncio.create_task(client.exchange.send_all([cancel(one) for one in orders]))
        if exchange != "bitfinex":
            # There one request is sent after the other, because of the number that each of them has.
            gone = await client.said(EventKind.ORDER_CANCELED, times=2)
            assert {one.order for one in gone} == {1, 2} and not placing.done()
        await asyncio.gather(placing, cancelling)
        gone = await client.said(EventKind.ORDER_CANCELED, times=3)
        assert {one.order for one in gone} == {1, 2, 3} and not client.of(EventKind.CANCEL_REJECTED)
        assert not client.exchange.on_their_way

    run(exchange, scenario, [{"kind": "delay_request", "on": "order", "at": (2,), "delay_ms": 500}], QUOTES)


@ONE_REQUEST
def test_what_follows_on_an_order_of_a_batch_waits_for_it(exchange):
    async def scenario(market: Market, client: Client) -> None:
        orders = [resting(market, number) for number in (1, 2)]
        placing = client.exchange.send_all(orders)
        cancelling = client.exchange.send(cancel(orders[0]))
        # Their order is that in which they were taken, and not that in which they have begun.
        await asyncio.gather(cancelling, placing)
        (gone,) = await client.said(EventKind.ORDER_CANCELED)
        assert gone.order == 1 and not client.of(EventKind.CANCEL_REJECTED)

    run(exchange, scenario, [{"kind": "delay_request", "on": "order", "at": (1,), "delay_ms": 200}], QUOTES)
