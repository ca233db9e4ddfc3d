"""The terms of orders at the exchange: after changes, in the middle of fills, asked by a client that is new."""

import asyncio
import time

import pytest

from adapters.exchanges import EXCHANGES
from adapters.exchanges.port import Command
from engine.kinds import DecisionKind, EventKind, OrderType
from engine.reasons import Reason
from tests.conformance.exchange_sandbox import (
    REDUCE_ONLY,
    SELL,
    Client,
    Market,
    connected,
    eventually,
    order,
    question,
    run,
)

QUOTES = frozenset(("quotes",))
LATER_NS = 120 * 10**9

pytestmark = pytest.mark.parametrize("exchange", EXCHANGES)


def amended(placed: Command, lots: int, limit_ticks: int) -> Command:
    return placed._replace(kind=DecisionKind.AMEND_ORDER, quantity_lots=lots, limit_ticks=limit_ticks)


def left_lots(market: Market) -> list[int]:
    return [one.left_lots for one in market.place.core.customers[0].open_orders()]


async def filled(client: Client, lots: int) -> None:
    await eventually(lambda: sum(one.quantity_lots for one in client.of(EventKind.ORDER_FILLED)) >= lots)


async def terms(client: Client, placed: Command, placed_ts_ns: int) -> list[tuple[EventKind, int, int]]:
    """What a question puts of an order: kinds, quantities and prices."""
    # What the stream still says of it comes first.
    await asyncio.sleep(0.1)
    told = len(client.read())
    assert await client.exchange.ask([question(placed, placed_ts_ns)], placed_ts_ns)
    kinds = (EventKind.ORDER_ACCEPTED, EventKind.ORDER_AMENDED)
    said = [one for one in client.read()[told:] if one.kind in kinds]
    return [(EventKind(one.kind), int(one.quantity_lots), int(one.price_ticks)) for one in said]


def test_an_order_that_is_changed_twice_and_filled_between_has_exactly_its_terms(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots, limit = market.lots, market.ticks(49_990)
        placed, began_ns = order(1, lots("0.02"), limit), time.time_ns()
        await client.exchange.send(placed)
        await client.exchange.send(amended(placed, lots("0.03"), limit))
        market.quote(49_985, lots=lots("0.005"))
        await filled(client, lots("0.005"))
        market.quote(50_000)
        await client.exchange.send(amended(placed, lots("0.04"), market.ticks(49_989)))
        assert left_lots(market) == [lots("0.035")]
        whole = [(EventKind.ORDER_ACCEPTED, 0, 0), (EventKind.ORDER_AMENDED, lots("0.04"), market.ticks(49_989))]
        assert await terms(client, placed, began_ns) == whole
        wrong = EventKind.ORDER_CANCELED, EventKind.CANCEL_REJECTED, EventKind.REQUEST_FAILED
        assert not client.of(*wrong)

        async with connected(market.place, streams=QUOTES) as again:
            assert await terms(again, placed, began_ns) == whole
            market.quote(49_984, lots=lots("0.006"))
            await filled(again, lots("0.011"))
            market.quote(50_000)
            await again.exchange.send(amended(placed, lots("0.025"), limit))
            assert left_lots(market) == [lots("0.014")]
            market.quote(49_980)
            await filled(again, lots("0.025"))
            assert await terms(again, placed, began_ns) == [(EventKind.ORDER_AMENDED, lots("0.025"), limit)]
            assert not again.of(*wrong)

    run(exchange, scenario, streams=QUOTES)


def test_an_order_that_is_filled_while_its_amendment_is_on_its_way_is_not_filled_twice(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots, limit, began_ns = market.lots, market.ticks(49_990), time.time_ns()
        placed = order(1, lots("0.02"), limit)
        await client.exchange.send(placed)
        await client.said(EventKind.ORDER_ACCEPTED)
        fetch, sent = client.exchange.wire.fetch2, []

        async def filled_just_before(path, *arguments, **named):
            # Before every request there is one more fill.
            if len(sent) < 3:
                sent.append(path)
                market.quote(49_985, lots=lots("0.002"))
                market.quote(50_000)
            return await fetch(path, *arguments, **named)

        client.exchange.wire.fetch2 = filled_just_before
        await client.exchange.send(amended(placed, lots("0.03"), market.ticks(49_989)))
        (changed,) = [one for one in client.of(EventKind.ORDER_AMENDED) if one.order == 1][:1]
        assert sent and changed.quantity_lots == lots("0.03")
        market.quote(49_980)
        market.quote(49_970)
        await filled(client, lots("0.03"))
        await asyncio.sleep(0.1)
        fills = client.of(EventKind.ORDER_FILLED)
        assert len(fills) > 1 and sum(one.quantity_lots for one in fills) == lots("0.03")
        assert {one.order for one in fills} == {1} and not client.of(EventKind.ORDER_CANCELED)
        assert (await terms(client, placed, began_ns))[-1][1] == lots("0.03")

    run(exchange, scenario, streams=QUOTES)


def test_what_is_not_known_to_be_whole_is_not_changed(exchange):
    if exchange == "binanceusdm":
        pytest.skip("an amendment there states the whole quantity")

    async def scenario(market: Market, client: Client) -> None:
        placed, began_ns = order(1, market.lots("0.02"), market.ticks(49_000)), time.time_ns()
        limit = market.ticks(49_001)
        await client.exchange.send(placed)
        async with connected(market.place, streams=QUOTES) as again:
            await again.exchange.send(amended(placed, market.lots("0.03"), limit))
            (refused,) = again.of(EventKind.CANCEL_REJECTED)
            assert refused.reason == Reason.EXCHANGE_ORDER_UNKNOWN
            assert left_lots(market) == [market.lots("0.02")]
            assert await again.exchange.ask([question(placed, began_ns)], began_ns)
            await again.exchange.send(amended(placed, market.lots("0.03"), limit))
            assert left_lots(market) == [market.lots("0.03")]

    run(exchange, scenario, streams=QUOTES)


def test_an_order_that_was_cancelled_and_cannot_be_placed_anew_has_ended(exchange):
    if exchange != "hyperliquid":
        pytest.skip("the others change a limit order as it is")

    async def scenario(market: Market, client: Client) -> None:
        placed = order(1, market.lots("0.02"), market.ticks(49_000))
        await client.exchange.send(placed)
        await client.exchange.send(amended(placed, market.lots("900"), market.ticks(49_000)))
        (ended,) = await client.said(EventKind.ORDER_CANCELED)
        (refused,) = await client.said(EventKind.CANCEL_REJECTED)
        assert (ended.order, refused.reason) == (1, Reason.EXCHANGE_MARGIN_INSUFFICIENT)
        assert not market.place.core.customers[0].open_orders()

    run(exchange, scenario, streams=QUOTES)


def test_an_order_that_may_have_been_placed_anew_is_asked_for(exchange):
    if exchange != "hyperliquid":
        pytest.skip("the others change a limit order as it is")

    async def scenario(market: Market, client: Client) -> None:
        client.exchange.wire.timeout = 300
        placed, began_ns = order(1, market.lots("0.02"), market.ticks(49_000)), time.time_ns()
        await client.exchange.send(placed)
        await client.exchange.send(amended(placed, market.lots("0.03"), market.ticks(49_001)))
        (failed,) = await client.said(EventKind.REQUEST_FAILED)
        (doubtful,) = await client.said(EventKind.CANCEL_REJECTED)
        assert (failed.order, doubtful.reason) == (1, Reason.EXCHANGE_ORDER_UNKNOWN)
        assert (await terms(client, placed, began_ns))[-1][1:] == (market.lots("0.03"), market.ticks(49_001))
        assert not client.of(EventKind.ORDER_CANCELED)

    run(exchange, scenario, [{"kind": "hang", "on": "order", "at": (2,)}], streams=QUOTES)


def test_an_order_that_is_filled_while_it_is_asked_about_keeps_its_quantity(exchange):
    async def scenario(market: Market, client: Client) -> None:
        placed, began_ns = order(1, market.lots("0.02"), market.ticks(49_990)), time.time_ns()
        await client.exchange.send(placed)
        market.quote(49_985, lots=market.lots("0.004"))
        await filled(client, market.lots("0.004"))
        trades_since, readings = client.exchange.trades_since, []

        async def filled_before_trades_are_read(since_ns):
            readings.append(since_ns)
            if len(readings) <= 2:
                market.quote(49_985, lots=market.lots("0.005"))
            return await trades_since(since_ns)

        client.exchange.trades_since = filled_before_trades_are_read
        said = await terms(client, placed, began_ns)
        assert said[-1] == (EventKind.ORDER_AMENDED, market.lots("0.02"), market.ticks(49_990))
        # Binance says what is filled in the order itself: it need not be read again.
        times = 1 if exchange == "binanceusdm" else 3
        assert len(readings) == times
        assert left_lots(market) == [market.lots("0.016") - min(times, 2) * market.lots("0.005")]

    run(exchange, scenario, streams=QUOTES)


def test_a_reduce_only_order_that_was_cut_has_what_it_was_filled_with(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots, began_ns = market.lots("0.01"), time.time_ns()
        await client.exchange.send(order(1, lots, order_type=OrderType.MARKET))
        market.quote(50_000)
        await filled(client, lots)
        closing = order(2, 2 * lots, order_type=OrderType.MARKET, flags=SELL | REDUCE_ONLY)
        await client.exchange.send(closing)
        market.quote(50_000)
        await filled(client, 2 * lots)
        assert await terms(client, closing, began_ns) == [(EventKind.ORDER_AMENDED, lots, 0)]

    run(exchange, scenario, streams=QUOTES)


def test_a_waiting_stop_has_its_trigger(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots, trigger, limit = market.lots("0.01"), market.ticks(51_000), market.ticks(51_010)
        waiting = order(1, lots, order_type=OrderType.STOP, trigger_ticks=trigger)
        limited = order(2, lots, limit, order_type=OrderType.STOP_LIMIT, trigger_ticks=trigger)
        began_ns = time.time_ns()
        await client.exchange.send(waiting)
        await client.exchange.send(limited)
        assert await client.exchange.ask([question(waiting, began_ns), question(limited, began_ns)], began_ns)
        said = {one.order: (one.quantity_lots, one.price_ticks) for one in client.of(EventKind.ORDER_AMENDED)}
        assert said == {1: (lots, trigger), 2: (lots, limit)}

    run(exchange, scenario, streams=QUOTES)


def test_a_waiting_stop_grows_and_moves(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots, trigger, further = market.lots("0.01"), market.ticks(51_000), market.ticks(51_500)
        placed = order(1, lots, order_type=OrderType.STOP, trigger_ticks=trigger)
        began_ns = time.time_ns()
        await client.exchange.send(placed)
        await client.said(EventKind.ORDER_ACCEPTED)
        await client.exchange.send(
            placed._replace(kind=DecisionKind.AMEND_ORDER, quantity_lots=3 * lots, trigger_ticks=further)
        )
        await client.said(EventKind.ORDER_AMENDED)
        await asyncio.sleep(0.2)
        left = [(one.left_lots, one.trigger_ticks) for one in market.place.core.customers[0].open_orders()]
        assert left == [(3 * lots, further)]
        assert await client.exchange.ask([question(placed, began_ns)], began_ns)
        said = client.of(EventKind.ORDER_AMENDED)[-1]
        assert (said.quantity_lots, said.price_ticks) == (3 * lots, further)
        assert not client.of(EventKind.ORDER_CANCELED), "it goes on under its name"

    run(exchange, scenario, streams=QUOTES)


def test_a_stop_that_cannot_be_placed_anew_has_ended(exchange):
    if exchange != "binanceusdm":
        pytest.skip("the others change a stop as it is")

    async def scenario(market: Market, client: Client) -> None:
        lots = market.lots("0.01")
        placed = order(1, lots, order_type=OrderType.STOP, trigger_ticks=market.ticks(51_000))
        await client.exchange.send(placed)
        await client.said(EventKind.ORDER_ACCEPTED)
        # A stop to buy below the market would be triggered at once, which Binance refuses.
        await client.exchange.send(placed._replace(kind=DecisionKind.AMEND_ORDER, trigger_ticks=market.ticks(40_000)))
        (ended,) = await client.said(EventKind.ORDER_CANCELED)
        (refused,) = await client.said(EventKind.CANCEL_REJECTED)
        assert ended.reason == refused.reason == Reason.EXCHANGE_TRIGGER_INVALID
        assert not market.place.core.customers[0].open_orders()

    run(exchange, scenario, streams=QUOTES)


def test_terms_that_were_read_before_a_change_are_not_told_after_it(exchange):
    async def scenario(market: Market, client: Client) -> None:
        placed, began_ns = order(1, market.lots("0.02"), market.ticks(49_000)), time.time_ns()
        await client.exchange.send(placed)
        holdings = client.exchange.holdings

        async def changed_meanwhile():
            await client.exchange.send(amended(placed, market.lots("0.03"), market.ticks(49_000)))
            return await holdings()

        client.exchange.holdings = changed_meanwhile
        assert (EventKind.ORDER_AMENDED, market.lots("0.02"), market.ticks(49_000)) not in await terms(
            client, placed, began_ns
        )
        assert client.of(EventKind.ORDER_AMENDED)[-1].quantity_lots == market.lots("0.03")

    run(exchange, scenario, streams=QUOTES)


def test_old_trades_are_told_again_only_where_they_are_missing(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots, began_ns = market.lots("0.01"), time.time_ns()
        ours, others = order(1, lots, order_type=OrderType.MARKET), order(9, lots, order_type=OrderType.MARKET)
        await client.exchange.send(ours)
        async with connected(market.place, streams=frozenset(), journal="f" * 32) as foreign:
            await foreign.exchange.send(others)
        market.quote(50_000)
        await filled(client, 2 * lots)
        since_ns = time.time_ns() + LATER_NS
        for booked_lots, told in ((0, [1]), (lots, [])):
            client.read().clear()
            asked = question(ours, began_ns)._replace(filled_lots=booked_lots)
            assert await client.exchange.ask([asked], since_ns)
            assert [one.order for one in client.of(EventKind.ORDER_FILLED)] == told
        client.read().clear()
        assert await client.exchange.ask([], began_ns)
        assert sorted(one.order for one in client.of(EventKind.ORDER_FILLED)) == [0, 1]

    run(exchange, scenario, streams=QUOTES)
