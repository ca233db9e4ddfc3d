"""One suite for every exchange client: it says of its exchange what the port promises, whatever happens on the way."""

import asyncio
import time
from dataclasses import replace
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from adapters.errors import UserError
from adapters.exchanges import EXCHANGES
from adapters.exchanges.port import Keys
from adapters.exchanges.streams import Stream
from adapters.venue import local
from engine.kinds import Aggressor, DecisionKind, EventKind, FillFlag, OrderType, RequestFailure, TimeInForce
from engine.reasons import Reason
from tests.conformance.exchange_sandbox import (
    ACCOUNT,
    FIRST_INSTRUMENT,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    STREAMS,
    Client,
    Market,
    cancel,
    connected,
    eventually,
    order,
    question,
    run,
)
from tests.conformance.local_venue import SCENARIO_S
from tests.conformance.local_venue import place as open_place

LONG_AGO_NS = 3_600 * 10**9
SERVED = [name for name in EXCHANGES if name in local.EXCHANGES]
PRIVATE_ONLY = frozenset(("quotes",))

pytestmark = pytest.mark.parametrize("exchange", SERVED)


def test_market_data_is_told_in_ticks_and_lots(exchange):
    async def scenario(market: Market, client: Client) -> None:
        market.quote(50_010, lots=3)
        await eventually(lambda: any(one.bid_ticks == market.ticks(50_010) for one in client.of(EventKind.QUOTE)))
        quote = client.of(EventKind.QUOTE)[-1]
        assert (quote.instrument, quote.account) == (FIRST_INSTRUMENT, 0)
        assert (quote.ask_ticks, quote.bid_lots, quote.ask_lots) == (market.ticks(50_011), 3, 3)
        market.trade(50_010, 2, trade_id=77)
        (trade,) = await client.said(EventKind.TRADE)
        assert (trade.price_ticks, trade.quantity_lots, trade.trade_id) == (market.ticks(50_010), 2, 77)
        assert trade.aggressor == Aggressor.SELLER and abs(trade.ts_exchange_ns - time.time_ns()) < 10**10
        market.mark(50_005)
        await client.said(EventKind.MARK_PRICE)
        assert client.of(EventKind.MARK_PRICE)[-1].mark_ticks in (market.ticks(50_005), market.ticks(50_010))

    run(exchange, scenario)


def test_a_bar_is_told_when_it_is_closed(exchange):
    async def scenario(market: Market, client: Client) -> None:
        market.bar(50_000)
        await asyncio.sleep(0.01)
        market.bar(50_100)
        bars = await client.said(EventKind.BAR)
        assert bars[0].volume_lots > 0
        assert {bar.open_ticks for bar in bars} <= {market.ticks(50_000), market.ticks(50_100)}

    run(exchange, scenario)


def test_an_order_is_accepted_amended_and_cancelled(exchange):
    async def scenario(market: Market, client: Client) -> None:
        placed = order(1, market.lots("0.01"), market.ticks(49_000))
        await client.exchange.send(placed)
        accepted = (await client.said(EventKind.ORDER_ACCEPTED))[0]
        assert (accepted.order, accepted.account, accepted.instrument) == (1, ACCOUNT, FIRST_INSTRUMENT)
        assert accepted.exchange_order_id > 0

        more, higher = market.lots("0.02"), market.ticks(49_001)
        change = placed._replace(kind=DecisionKind.AMEND_ORDER, quantity_lots=more, limit_ticks=higher)
        await client.exchange.send(change)
        amended = (await client.said(EventKind.ORDER_AMENDED))[0]
        assert (amended.order, amended.quantity_lots, amended.price_ticks) == (1, more, higher)

        await client.exchange.send(cancel(placed))
        (cancelled,) = await client.said(EventKind.ORDER_CANCELED)
        assert (cancelled.order, cancelled.reason) == (1, Reason.EXCHANGE_CANCELED_ON_REQUEST)

        await client.exchange.send(cancel(placed))
        (rejected,) = await client.said(EventKind.CANCEL_REJECTED)
        assert (rejected.order, rejected.reason) == (1, Reason.EXCHANGE_ORDER_UNKNOWN)
        assert not client.of(EventKind.REQUEST_FAILED)

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_an_order_that_is_filled_in_part_is_amended_to_its_whole_quantity(exchange):
    async def scenario(market: Market, client: Client) -> None:
        placed = order(1, market.lots("0.02"), market.ticks(49_990))
        await client.exchange.send(placed)
        market.quote(49_985, lots=market.lots("0.005"))
        await client.said(EventKind.ORDER_FILLED)
        change = placed._replace(kind=DecisionKind.AMEND_ORDER, quantity_lots=market.lots("0.03"))
        await client.exchange.send(change)
        amended = (await client.said(EventKind.ORDER_AMENDED))[0]
        assert amended.quantity_lots == market.lots("0.03")
        market.quote(49_980)
        whole = market.lots("0.03")
        await eventually(lambda: sum(one.quantity_lots for one in client.of(EventKind.ORDER_FILLED)) >= whole)
        market.quote(49_970)
        await asyncio.sleep(0.1)
        fills = client.of(EventKind.ORDER_FILLED)
        assert sum(one.quantity_lots for one in fills) == whole and {one.order for one in fills} == {1}
        assert not client.of(EventKind.ORDER_CANCELED)

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_fills_come_with_their_order_price_and_fee(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots = market.lots("0.01")
        await client.exchange.send(order(1, lots, order_type=OrderType.MARKET))
        await client.exchange.send(order(2, lots, market.ticks(49_990), flags=POST_ONLY))
        await client.said(EventKind.ORDER_ACCEPTED)
        market.quote(50_000)
        (taken,) = await client.said(EventKind.ORDER_FILLED)
        assert (taken.order, taken.quantity_lots, taken.price_ticks) == (1, lots, market.ticks(50_001))
        assert taken.fill_flags == 0 and taken.trade_id > 0 and taken.fee > 0
        market.quote(49_980)
        made = (await client.said(EventKind.ORDER_FILLED, times=2))[1]
        assert (made.order, made.price_ticks) == (2, market.ticks(49_990))
        assert made.fill_flags == FillFlag.MAKER and made.trade_id != taken.trade_id
        await client.exchange.send(order(3, 2 * lots, order_type=OrderType.MARKET, flags=SELL | REDUCE_ONLY))
        market.quote(49_985)
        sold = (await client.said(EventKind.ORDER_FILLED, times=3))[2]
        assert (sold.order, sold.fill_flags) == (3, FillFlag.SELL)
        assert sold.price_ticks in (market.ticks(49_980), market.ticks(49_985))

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_what_the_exchange_refuses_is_rejected_with_a_reason(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots = market.lots("0.01")
        await client.exchange.send(order(1, lots, market.ticks(50_001), flags=POST_ONLY))
        await client.exchange.send(order(2, lots, order_type=OrderType.MARKET, flags=REDUCE_ONLY))
        await client.exchange.send(order(3, market.lots("900"), market.ticks(50_000)))
        ended = await client.said(EventKind.ORDER_REJECTED, EventKind.ORDER_CANCELED, times=3)
        reasons = {one.order: one.reason for one in ended}
        assert reasons[1] == Reason.EXCHANGE_POST_ONLY_WOULD_TAKE
        assert reasons[2] == Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE
        assert reasons[3] == Reason.EXCHANGE_MARGIN_INSUFFICIENT
        assert not client.of(EventKind.REQUEST_FAILED)

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_what_breaks_the_rules_of_the_market_is_not_sent(exchange):
    async def scenario(market: Market, client: Client) -> None:
        least = 1 if exchange == "bitfinex" else market.lots("0.01")
        await client.exchange.send(order(1, 0, market.ticks(49_000)))
        await client.exchange.send(order(2, market.lots("0.01"), 0))
        await client.exchange.send(order(3, least, market.ticks(49_000), order_type=OrderType.STOP))
        await client.exchange.send(order(4, 1, order_type=OrderType.MARKET, flags=POST_ONLY))
        if exchange != "bitfinex":
            await client.exchange.send(order(5, 1, market.ticks(2)))
        reasons = {one.order: one.reason for one in client.of(EventKind.ORDER_REJECTED)}
        assert reasons[1] == Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM
        assert reasons[2] == Reason.EXCHANGE_PRICE_OFF_TICK
        assert reasons[3] == Reason.EXCHANGE_TRIGGER_INVALID
        assert reasons[4] == Reason.EXCHANGE_ORDER_INVALID
        assert reasons.get(5, Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM) == Reason.EXCHANGE_NOTIONAL_BELOW_MINIMUM
        assert not market.place.core.customers[0].orders()

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_a_stop_waits_and_then_sells(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots = market.lots("0.01")
        await client.exchange.send(order(1, lots, order_type=OrderType.MARKET))
        market.quote(50_000)
        await client.said(EventKind.ORDER_FILLED)
        stop = order(2, lots, order_type=OrderType.STOP, trigger_ticks=market.ticks(49_500), flags=SELL | REDUCE_ONLY)
        await client.exchange.send(stop)
        await client.said(EventKind.ORDER_ACCEPTED, times=2)
        assert await client.exchange.ask([question(stop)], time.time_ns() - LONG_AGO_NS)
        assert client.of(EventKind.ORDER_ACCEPTED)[-1].order == 2
        market.quote(49_400)
        market.quote(49_390)
        sold = (await client.said(EventKind.ORDER_FILLED, times=3))[-1]
        assert (sold.order, sold.quantity_lots, sold.fill_flags) == (2, lots, FillFlag.SELL)

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_a_waiting_stop_is_cancelled(exchange):
    async def scenario(market: Market, client: Client) -> None:
        stop = order(1, market.lots("0.01"), order_type=OrderType.STOP, trigger_ticks=market.ticks(51_000))
        await client.exchange.send(stop)
        await client.exchange.send(cancel(stop))
        (cancelled,) = await client.said(EventKind.ORDER_CANCELED)
        assert (cancelled.order, cancelled.reason) == (1, Reason.EXCHANGE_CANCELED_ON_REQUEST)

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_an_immediate_order_says_why_it_ended(exchange):
    async def scenario(market: Market, client: Client) -> None:
        placed = order(1, market.lots("0.01"), market.ticks(49_000), time_in_force=TimeInForce.IOC)
        await client.exchange.send(placed)
        market.quote(50_000)
        ended = (await client.said(EventKind.ORDER_CANCELED, EventKind.ORDER_REJECTED))[0]
        assert (ended.order, ended.reason) == (1, Reason.EXCHANGE_IOC_REMAINDER)

    run(exchange, scenario, streams=PRIVATE_ONLY)


@pytest.mark.parametrize(
    ("fault", "failure", "status"),
    [
        ({"kind": "rate_limit", "retry_after_s": 7}, RequestFailure.RATE_LIMITED, 429),
        ({"kind": "server_error", "status": 503}, RequestFailure.SERVER_ERROR, 503),
        ({"kind": "lose_request"}, RequestFailure.CONNECTION, 0),
        ({"kind": "malformed"}, RequestFailure.MALFORMED, 0),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else None,
)
def test_a_request_that_fails_is_an_event(exchange, fault, failure, status):
    async def scenario(market: Market, client: Client) -> None:
        await client.exchange.send(order(1, market.lots("0.01"), market.ticks(49_000)))
        (failed,) = await client.said(EventKind.REQUEST_FAILED)
        assert (failed.order, failed.failure, failed.account) == (1, failure, ACCOUNT)
        if status:
            assert failed.http_status == status
        if status == 429:
            assert failed.retry_after_ms == 7_000
        assert not client.of(EventKind.ORDER_REJECTED)

    run(exchange, scenario, [fault | {"on": "order", "at": (1,)}], PRIVATE_ONLY)


def test_an_order_that_was_taken_though_its_answer_was_lost_is_found(exchange):
    async def scenario(market: Market, client: Client) -> None:
        client.exchange.wire.timeout = 300
        placed = order(1, market.lots("0.01"), market.ticks(49_000))
        before_ns = time.time_ns()
        await client.exchange.send(placed)
        (failed,) = await client.said(EventKind.REQUEST_FAILED)
        assert (failed.order, failed.failure) == (1, RequestFailure.TIMEOUT)
        client.events.clear()
        assert await client.exchange.ask([question(placed, before_ns)], before_ns)
        accepted = client.of(EventKind.ORDER_ACCEPTED)[-1]
        assert accepted.order == 1 and accepted.exchange_order_id > 0
        await client.exchange.send(cancel(placed))
        await client.said(EventKind.ORDER_CANCELED)

    run(exchange, scenario, [{"kind": "hang", "on": "order", "at": (1,)}], PRIVATE_ONLY)


def test_an_order_that_never_arrived_is_unknown_only_when_it_can_arrive_no_more(exchange):
    async def scenario(market: Market, client: Client) -> None:
        placed = order(1, market.lots("0.01"), market.ticks(49_000))
        await client.exchange.send(placed)
        await client.said(EventKind.REQUEST_FAILED)
        client.exchange.in_flight_ns = 1_000_000_000
        began, client.events = time.monotonic(), []
        assert await client.exchange.ask([question(placed)], time.time_ns())
        assert time.monotonic() - began > 0.9
        (rejected,) = client.of(EventKind.ORDER_REJECTED)
        assert (rejected.order, rejected.reason) == (1, Reason.EXCHANGE_ORDER_UNKNOWN)

    run(exchange, scenario, [{"kind": "lose_request", "on": "order", "at": (1,)}], PRIVATE_ONLY)


def test_commands_about_an_order_leave_as_they_were_taken(exchange):
    async def scenario(market: Market, client: Client) -> None:
        placed = order(1, market.lots("0.01"), market.ticks(49_000))
        place, then_cancel = client.exchange.send(placed), client.exchange.send(cancel(placed))
        # Whichever of them is begun first.
        await asyncio.gather(asyncio.create_task(then_cancel), asyncio.create_task(place))
        await client.said(EventKind.ORDER_CANCELED)
        assert not client.of(EventKind.CANCEL_REJECTED)

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_answers_come_together_and_in_order(exchange):
    async def scenario(market: Market, client: Client) -> None:
        lots = market.lots("0.01")
        bought = order(1, lots, order_type=OrderType.MARKET)
        resting, gone = order(2, lots, market.ticks(49_000)), order(3, lots, market.ticks(48_000))
        began_ns = time.time_ns()
        for one in (bought, resting, gone):
            await client.exchange.send(one)
        market.quote(50_000)
        await client.exchange.send(cancel(gone))
        await client.said(EventKind.ORDER_CANCELED)
        await client.said(EventKind.ORDER_FILLED)
        client.events.clear()
        assert await client.exchange.ask([question(one) for one in (bought, resting, gone)], began_ns)
        said = [one for one in client.read() if one.kind not in (EventKind.QUOTE, EventKind.MARK_PRICE)]
        kinds = [EventKind(one.kind) for one in said]
        assert kinds == [
            EventKind.ORDER_FILLED,
            EventKind.ORDER_AMENDED,
            EventKind.ORDER_ACCEPTED,
            EventKind.ORDER_AMENDED,
            EventKind.ORDER_CANCELED,
            EventKind.BALANCE_REPORTED,
            EventKind.POSITION_REPORTED,
            EventKind.POSITION_REPORTED,
        ]
        assert [one.order for one in said[:5]] == [1, 1, 2, 2, 3]
        assert (said[0].quantity_lots, said[0].price_ticks) == (lots, market.ticks(50_001))
        fee = Decimal(int(said[0].fee))
        assert Decimal(int(said[5].total_units)) == Decimal(10) ** 13 - fee
        assert (said[6].instrument, said[6].quantity_lots) == (FIRST_INSTRUMENT, lots)
        assert said[6].entry_ticks == market.ticks(50_001)
        assert (said[7].instrument, said[7].quantity_lots) == (FIRST_INSTRUMENT + 1, 0)

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_orders_that_nobody_asked_about_are_cancelled_and_foreign_ones_left_alone(exchange):
    async def scenario(market: Market, client: Client) -> None:
        await client.exchange.send(order(1, market.lots("0.01"), market.ticks(49_000)))
        async with connected(market.place, streams=frozenset(), journal="f" * 32) as other:
            await other.exchange.send(order(1, market.lots("0.01"), market.ticks(48_000)))
        assert await client.exchange.ask([], time.time_ns())
        cancelled = await client.said(EventKind.ORDER_CANCELED)
        assert [one.order for one in cancelled] == [1]
        assert client.exchange.counts["foreign orders open"] == 1
        assert len(market.place.core.customers[0].open_orders()) == 1

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_a_question_without_an_answer_says_so_and_nothing_else(exchange):
    async def scenario(market: Market, client: Client) -> None:
        client.read().clear()
        assert not await client.exchange.ask([], time.time_ns())
        kinds = {kind for kind in client.kinds() if kind != EventKind.QUOTE}
        assert kinds == {EventKind.REQUEST_FAILED}

    run(exchange, scenario, [{"kind": "server_error", "on": "query", "probability": 1.0}], PRIVATE_ONLY)


def test_a_gap_is_marked_and_what_was_traded_in_it_asked_for(exchange):
    async def scenario(market: Market, client: Client) -> None:
        await client.exchange.send(order(1, market.lots("0.01"), market.ticks(49_990)))
        await client.said(EventKind.ORDER_ACCEPTED, times=2)
        client.events.clear()
        market.disconnect()
        market.quote(49_980)
        lost = await client.said(EventKind.CONNECTION_LOST, times=2)
        assert {one.stream for one in lost} == {Stream.PRIVATE, Stream.QUOTES}
        restored = await client.said(EventKind.CONNECTION_RESTORED, times=2)
        assert {one.stream for one in restored} == {Stream.PRIVATE, Stream.QUOTES}
        assert all(one.gap_started_ns for one in restored)
        ours = [one for one in client.read() if one.kind in (EventKind.ORDER_FILLED, EventKind.CONNECTION_RESTORED)]
        private = [one.kind for one in ours if one.kind == EventKind.ORDER_FILLED or one.stream == Stream.PRIVATE]
        assert private == [EventKind.ORDER_FILLED, EventKind.CONNECTION_RESTORED]
        assert ours[[one.kind for one in ours].index(EventKind.ORDER_FILLED)].order == 1
        client.events.clear()
        market.quote(50_020)
        await client.said(EventKind.QUOTE)
        assert client.exchange.streams.reconnects == 2

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_a_connection_that_says_nothing_any_more_is_made_again(exchange):
    async def play() -> None:
        fault = {"kind": "half_open", "on": "quotes", "at": (3,)}
        async with open_place(exchange, [fault]) as place:
            market, client = Market(place), Client(place, streams=PRIVATE_ONLY)
            client.exchange.wire.options["ws"]["keepAlive"] = 200
            try:
                await client.exchange.open()
                for bid in range(50_001, 50_005):
                    market.quote(bid)
                await client.said(EventKind.CONNECTION_LOST)
                await client.said(EventKind.CONNECTION_RESTORED)
                client.events.clear()
                market.quote(50_040)
                await client.said(EventKind.QUOTE)
            finally:
                await client.exchange.close()

    asyncio.run(play())


def test_unreadable_messages_are_counted_and_end_nothing(exchange):
    async def scenario(market: Market, client: Client) -> None:
        for stream in market.place.venue.streams._open:
            stream.answer("{not json")
            stream.answer('{"e": "bookTicker", "channel": "bbo", "data": {}}')
            stream.answer("[1, 2, 3]")
        client.read().clear()
        market.quote(50_030)
        await client.said(EventKind.QUOTE)
        assert client.exchange.counts["malformed"] >= 1
        assert not client.of(EventKind.CONNECTION_LOST)

    run(exchange, scenario, streams=PRIVATE_ONLY)


def test_wrong_keys_are_the_users_to_put_right_and_are_not_shown(exchange):
    async def play() -> None:
        async with open_place(exchange) as place:
            Market(place)
            secret = "0x" + "17" * 32 if exchange == "hyperliquid" else "no-such-secret"
            keys = Keys("no-such-key", secret, "" if exchange == "hyperliquid" else "0x00")
            client = Client(place, keys=keys)
            try:
                with pytest.raises(UserError, match=r"keys|wallet") as refused:
                    await client.exchange.open()
            finally:
                await client.exchange.close()
            assert secret not in str(refused.value) + repr(keys) + repr(client.exchange.connection)

    asyncio.run(play())


def test_terms_that_the_exchange_does_not_have_are_refused(exchange):
    async def play() -> None:
        async with open_place(exchange) as place:
            Market(place)
            async with connected(place, streams=frozenset()) as client:
                known = client.exchange.connection.instruments
            terms = [{"symbol": "NOSUCH/USDT:USDT"}, {"lot_size": Decimal("0.0000000003")}]
            # What others trade would be between two lots; Bitfinex says no lot.
            terms += [{"lot_size": known[0].lot_size * 10}] if exchange != "bitfinex" else []
            for wrong in terms:
                client = Client(place)
                instruments = [replace(known[0], **wrong)]
                client.exchange.connection = replace(client.exchange.connection, instruments=instruments)
                try:
                    with pytest.raises(UserError, match=r"NOSUCH|lot_size"):
                        await client.exchange.open()
                finally:
                    await client.exchange.close()

    asyncio.run(play())


@pytest.mark.parametrize("skew_ms", [-30_000, 30_000])
def test_a_clock_that_differs_from_the_exchanges_is_no_obstacle(exchange, skew_ms):
    if exchange == "hyperliquid":
        pytest.skip("its answers do not tell the time")

    async def scenario(market: Market, client: Client) -> None:
        placed = order(1, market.lots("0.01"), order_type=OrderType.MARKET)
        before_ns = time.time_ns()
        await client.exchange.send(placed)
        market.quote(50_000)
        await client.said(EventKind.ORDER_FILLED)
        client.events.clear()
        assert await client.exchange.ask([question(placed, before_ns)], before_ns)
        assert [one.order for one in client.of(EventKind.ORDER_FILLED)] == [1]

    run(exchange, scenario, [{"kind": "clock_skew", "skew_ms": skew_ms}], PRIVATE_ONLY)


def test_no_address_leads_away_from_this_machine(exchange):
    async def scenario(market: Market, client: Client) -> None:
        def leaves(addresses):
            if isinstance(addresses, dict):
                return [leaf for inner in addresses.values() for leaf in leaves(inner)]
            return [addresses]

        everything = leaves(client.exchange.wire.urls["api"])
        assert everything and {urlsplit(address).hostname for address in everything} == {"127.0.0.1"}

    run(exchange, scenario, streams=frozenset())


def test_all_streams_together(exchange):
    async def scenario(market: Market, client: Client) -> None:
        assert all(client.exchange.streams.is_up(stream) for stream in Stream)

    run(exchange, scenario, streams=STREAMS)


def test_without_keys_there_is_market_data_and_nothing_to_ask(exchange):
    async def scenario() -> None:
        async with open_place(exchange) as place:
            market = Market(place)
            async with connected(place, keys=Keys("", "")) as client:
                assert not client.exchange.streams.is_up(Stream.PRIVATE)
                market.quote(50_010, lots=3)
                market.trade(50_010, 2, trade_id=77)
                await client.said(EventKind.TRADE)
                await eventually(lambda: any(one.bid_lots == 3 for one in client.of(EventKind.QUOTE)))
                before = len(client.read())
                assert await client.exchange.ask([question(order(1, 5))], 0)
                assert {event.kind for event in client.read()[before:]} <= {EventKind.QUOTE, EventKind.MARK_PRICE}

    asyncio.run(asyncio.wait_for(scenario(), SCENARIO_S))
