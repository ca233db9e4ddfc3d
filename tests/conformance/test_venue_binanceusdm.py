"""Binance's face of the venue, driven by ccxt's real client over loopback."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import ccxt
import pytest

from tests.conformance.local_venue import Place, eventually, run

BTC = "BTC/USDT:USDT"
Json = dict[str, Any]


def play(scenario: Callable[[Place, Any], Awaitable[None]], faults: list[Json] | None = None) -> None:
    """A scenario with one client, BTC at 50,000.0 to 50,000.1 and ETH at 3,000.00 to 3,000.01."""

    async def with_client(place: Place) -> None:
        place.quote(500_000)
        place.quote(300_000, instrument=1)
        client = place.client(options={"fetchCurrencies": False})
        await client.load_markets()
        await scenario(place, client)

    run("binanceusdm", with_client, faults)


async def watched(client: Any) -> None:
    """Let a client listen to its orders and trades, so that its caches fill."""
    listening = [asyncio.create_task(watch()) for watch in (client.watch_orders, client.watch_my_trades)]
    await eventually(lambda: any("private" in url for url in client.clients))
    connection = next(one for url, one in client.clients.items() if "private" in url)
    await asyncio.wait_for(connection.connected, 5)
    for task in listening:
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


def code_of(error: Exception) -> int:
    """The exchange's code in the text of an error of ccxt."""
    return int(str(error).partition('"code":')[2].partition(",")[0])


async def refused(answer: Awaitable[Any]) -> int:
    with pytest.raises(ccxt.BaseError) as caught:
        await answer
    return code_of(caught.value)


def test_markets_are_the_configuration_s() -> None:
    async def scenario(place: Place, client: Any) -> None:
        market = client.market(BTC)
        assert sorted(client.markets) == [BTC, "ETH/USDT:USDT"]
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.001)
        assert (market["limits"]["cost"]["min"], market["limits"]["amount"]["max"]) == (5, 1000)

    play(scenario)


def test_a_market_order_is_filled_and_seen_everywhere() -> None:
    async def scenario(place: Place, client: Any) -> None:
        await watched(client)
        order = await client.create_order(BTC, "market", "buy", 0.01, None, {"clientOrderId": "tf-1"})
        assert (order["status"], order["filled"], order["average"]) == ("closed", 0.01, 50_000.1)
        [trade] = await client.fetch_my_trades(BTC)
        assert (trade["order"], trade["price"], trade["amount"]) == (order["id"], 50_000.1, 0.01)
        assert trade["fee"]["cost"] == pytest.approx(0.2500005)
        [position] = await client.fetch_positions([BTC])
        assert (position["contracts"], position["side"], position["entryPrice"]) == (0.01, "long", 50_000.1)
        balance = await client.fetch_balance()
        assert balance["USDT"]["total"] == pytest.approx(100_000 - 0.2500005 - 0.001)
        await eventually(lambda: bool(client.myTrades) and bool(client.orders))
        assert client.myTrades[0]["id"] == trade["id"]
        assert (client.orders[-1]["clientOrderId"], client.orders[-1]["status"]) == ("tf-1", "closed")

    play(scenario)


def test_a_resting_order_is_edited_found_and_canceled() -> None:
    async def scenario(place: Place, client: Any) -> None:
        placed = await client.create_order(BTC, "limit", "buy", 0.02, 49_000, {"clientOrderId": "tf-2"})
        edited = await client.edit_order(placed["id"], BTC, "limit", "buy", 0.01, 49_500)
        assert (edited["id"], edited["price"], edited["amount"]) == (placed["id"], 49_500, 0.01)
        [opened] = await client.fetch_open_orders(BTC)
        assert (opened["clientOrderId"], opened["price"]) == ("tf-2", 49_500)
        asked = await client.fetch_order("0", BTC, {"origClientOrderId": "tf-2"})
        assert (asked["id"], asked["status"]) == (placed["id"], "open")
        canceled = await client.cancel_order("0", BTC, {"origClientOrderId": "tf-2"})
        assert canceled["status"] == "canceled"
        assert await client.fetch_open_orders(BTC) == []
        assert await refused(client.cancel_order(placed["id"], BTC)) == -2011
        assert await refused(client.edit_order(placed["id"], BTC, "limit", "buy", 0.01, 49_000)) == -2013

    play(scenario)


def test_a_conditional_order_has_an_id_of_its_own_until_it_triggers() -> None:
    async def scenario(place: Place, client: Any) -> None:
        await watched(client)
        await client.create_order(BTC, "market", "buy", 0.01)
        terms = {"stopLossPrice": 49_000, "reduceOnly": True, "clientOrderId": "tf-stop"}
        stop = await client.create_order(BTC, "market", "sell", 0.01, None, terms)
        assert await client.fetch_open_orders(BTC) == []
        [waiting] = await client.fetch_open_orders(BTC, params={"trigger": True})
        assert (waiting["id"], waiting["triggerPrice"]) == (stop["id"], 49_000)
        assert await refused(client.fetch_order(stop["id"], BTC)) == -2013
        place.quote(489_000)
        await eventually(lambda: len(client.myTrades or ()) == 2)
        filled = await client.fetch_order("0", BTC, {"origClientOrderId": "tf-stop"})
        algo = await client.fetch_order(stop["id"], BTC, {"trigger": True})
        assert (filled["status"], filled["average"]) == ("closed", 48_900)
        assert filled["id"] != stop["id"] and algo["info"]["actualOrderId"] == filled["id"]
        assert client.myTrades[-1]["order"] == filled["id"]
        assert await refused(client.cancel_order(stop["id"], BTC, {"trigger": True})) == -2011

    play(scenario)


def test_what_reduces_only_goes_with_the_position() -> None:
    async def scenario(place: Place, client: Any) -> None:
        await client.create_order(BTC, "market", "buy", 0.01)
        target = await client.create_order(BTC, "limit", "sell", 0.01, 51_000, {"reduceOnly": True})
        terms = {"stopLossPrice": 49_000, "reduceOnly": True}
        stop = await client.create_order(BTC, "market", "sell", 0.01, None, terms)
        place.quote(510_001)
        assert (await client.fetch_order(target["id"], BTC))["status"] == "closed"
        gone = await client.fetch_order(stop["id"], BTC, {"trigger": True})
        assert gone["info"]["algoStatus"] == "EXPIRED"
        assert await client.fetch_positions([BTC]) == []

    play(scenario)


def test_refusals_have_binance_s_codes() -> None:
    async def scenario(place: Place, client: Any) -> None:
        buy = ("limit", "buy")
        assert await refused(client.create_order(BTC, "market", "buy", 500)) == -2019
        assert await refused(client.create_order(BTC, *buy, 0.001, 1_000)) == -4164
        assert await refused(client.create_order(BTC, *buy, 0.01, 50_001, {"postOnly": True})) == -5022
        assert await refused(client.create_order(BTC, *buy, 0.01, 40_000, {"timeInForce": "FOK"})) == -5021
        assert await refused(client.create_order(BTC, *buy, 0.01, 40_000, {"reduceOnly": True})) == -2022
        assert await refused(client.create_order(BTC, "market", "buy", 0.01, None, {"stopLossPrice": 100})) == -2021
        assert await refused(client.create_order(BTC, *buy, 0.01, 40_000, {"clientOrderId": "no spaces"})) == -4015
        raw = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
        assert await refused(client.fapiPrivatePostOrder(raw)) == -1102
        assert await refused(client.fapiPrivatePostOrder(raw | {"price": "40000.05"})) == -1111
        assert await refused(client.fapiPrivatePostOrder(raw | {"price": "1", "symbol": "NONE"})) == -1121
        assert await refused(client.fapiPrivatePostOrder(raw | {"type": "STOP_MARKET", "stopPrice": "1"})) == -4120
        assert await refused(client.fapiPrivatePutListenKey()) == -1125

    play(scenario)


def test_a_client_id_is_taken_while_its_order_is_open() -> None:
    async def scenario(place: Place, client: Any) -> None:
        terms = {"clientOrderId": "tf-3"}
        first = await client.create_order(BTC, "limit", "buy", 0.01, 49_000, terms)
        assert await refused(client.create_order(BTC, "limit", "buy", 0.01, 49_000, terms)) == -4116
        await client.cancel_order(first["id"], BTC)
        second = await client.create_order(BTC, "limit", "buy", 0.01, 49_000, terms)
        assert second["id"] != first["id"]

    play(scenario)


def test_who_asks_is_checked() -> None:
    async def scenario(place: Place, client: Any) -> None:
        assert await refused(place.client(secret="wrong").fapiPrivateV3GetAccount()) == -1022
        assert await refused(place.client(apiKey="nobody").fapiPrivateV3GetAccount()) == -2015
        late = place.client()
        late.nonce = lambda: late.milliseconds() - 60_000
        assert await refused(late.fapiPrivateV3GetAccount()) == -1021
        early = place.client()
        early.nonce = lambda: early.milliseconds() + 5_000
        assert await refused(early.fapiPrivateV3GetAccount()) == -1021

    play(scenario)


def test_customers_do_not_see_each_other() -> None:
    async def scenario(place: Place, client: Any) -> None:
        other = place.client(1, options={"fetchCurrencies": False})
        await client.create_order(BTC, "limit", "buy", 0.01, 49_000)
        assert await other.fetch_open_orders(BTC) == []
        assert (await other.fetch_balance())["USDT"]["used"] == 0
        assert (await client.fetch_balance())["USDT"]["used"] > 0

    play(scenario)


def test_the_market_is_streamed() -> None:
    async def scenario(place: Place, client: Any) -> None:
        watching = [
            asyncio.create_task(watch)
            for watch in (
                client.watch_bids_asks([BTC]),
                client.watch_trades(BTC),
                client.watch_ohlcv(BTC, "1m"),
                client.watch_mark_price(BTC),
            )
        ]
        names = {f"btcusdt@{name}" for name in ("bookTicker", "trade", "kline_1m", "markPrice@1s")}
        await eventually(lambda: names == set(place.venue.face.subscriptions))
        place.quote(500_010, lots=7)
        place.trade(500_010, 5, trade_id=77)
        place.bar((500_000, 500_100, 499_900, 500_050), 12)
        place.mark(500_020)
        quotes, trades, bars, mark = await asyncio.wait_for(asyncio.gather(*watching), 5)
        assert (quotes[BTC]["bid"], quotes[BTC]["bidVolume"], quotes[BTC]["ask"]) == (50_001.0, 0.007, 50_001.1)
        assert (trades[-1]["id"], trades[-1]["price"], trades[-1]["side"]) == ("77", 50_001.0, "sell")
        assert bars[-1][1:] == [50_000.0, 50_010.0, 49_990.0, 50_005.0, 0.012]
        assert mark["markPrice"] == 50_002.0
        await eventually(lambda: len(client.ohlcvs[BTC]["1m"]) == 2)
        begun = client.ohlcvs[BTC]["1m"][-1]
        assert begun[0] > bars[-1][0]
        assert [bar[0] for bar in await client.fetch_ohlcv(BTC, "1m")] == [bars[-1][0], begun[0]]

    play(scenario)


def test_the_book_is_one_level_that_moves() -> None:
    async def scenario(place: Place, client: Any) -> None:
        first = await client.watch_order_book(BTC)
        assert (first["bids"], first["asks"]) == ([[50_000.0, 1_000.0]], [[50_000.1, 1_000.0]])
        for bid_ticks, lots in ((500_010, 7), (500_010, 5), (499_990, 3)):
            watching = asyncio.create_task(client.watch_order_book(BTC))
            await asyncio.sleep(0)
            place.quote(bid_ticks, lots)
            book = await asyncio.wait_for(watching, 5)
            assert book["bids"] == [[bid_ticks / 10, lots / 1_000]]
            assert book["asks"] == [[(bid_ticks + 1) / 10, lots / 1_000]]

    play(scenario)


def test_trades_are_told_apart_and_given_from_a_time_on() -> None:
    async def scenario(place: Place, client: Any) -> None:
        for _ in range(3):
            await client.create_order(BTC, "market", "buy", 0.01)
            await asyncio.sleep(0.002)
        trades = await client.fetch_my_trades(BTC)
        assert len({trade["id"] for trade in trades}) == 3
        since = await client.fetch_my_trades(BTC, since=trades[1]["timestamp"])
        assert [trade["id"] for trade in since] == [trade["id"] for trade in trades[1:]]
        later = await client.fetch_my_trades(BTC, params={"fromId": trades[2]["id"]})
        assert [trade["id"] for trade in later] == [trades[2]["id"]]

    play(scenario)


def test_funding_is_paid() -> None:
    async def scenario(place: Place, client: Any) -> None:
        await client.create_order(BTC, "market", "buy", 1)
        before = (await client.fetch_balance())["info"]["totalWalletBalance"]
        place.mark(500_000)
        place.funding(100_000)
        after = (await client.fetch_balance())["info"]["totalWalletBalance"]
        assert float(before) - float(after) == pytest.approx(5.0)

    play(scenario)


def test_the_dead_man_s_switch_cancels() -> None:
    async def scenario(place: Place, client: Any) -> None:
        await client.create_order(BTC, "limit", "buy", 0.01, 49_000)
        await client.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 50})
        await eventually(lambda: not place.core.customers[0].open_orders())

    play(scenario)


def test_the_limits_are_told_and_kept() -> None:
    async def scenario(place: Place, client: Any) -> None:
        async with aiohttp.ClientSession() as session:
            path = place.venue.address + "/fapi/v1/aggTrades?symbol=BTCUSDT"
            statuses, used = [], []
            for _ in range(130):
                async with session.get(path) as answer:
                    statuses.append(answer.status)
                    if answer.status == 429:
                        assert 1 <= int(answer.headers["Retry-After"]) <= 60
                        assert (await answer.json())["code"] == -1003
                        break
                    used.append(int(answer.headers["X-MBX-USED-WEIGHT-1M"]))
        assert statuses[-1] == 429
        assert used[1] - used[0] == 20

    play(scenario)


def test_lost_answers_leave_an_order_that_can_be_found() -> None:
    async def scenario(place: Place, client: Any) -> None:
        with pytest.raises(ccxt.NetworkError):
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000, {"clientOrderId": "tf-4"})
        assert (await client.fetch_order("0", BTC, {"origClientOrderId": "tf-4"}))["status"] == "open"
        with pytest.raises(ccxt.NetworkError):
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000, {"clientOrderId": "tf-5"})
        assert await refused(client.fetch_order("0", BTC, {"origClientOrderId": "tf-5"})) == -2013

    play(
        scenario,
        [{"kind": "lose_answer", "on": "order", "at": [1]}, {"kind": "lose_request", "on": "order", "at": [2]}],
    )


def test_too_many_requests_and_errors_of_the_server() -> None:
    async def scenario(place: Place, client: Any) -> None:
        with pytest.raises(ccxt.DDoSProtection):
            await client.fetch_balance()
        assert client.last_response_headers["Retry-After"] == "7"
        with pytest.raises(ccxt.OperationFailed):
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000, {"clientOrderId": "tf-6"})
        assert await refused(client.fetch_order("0", BTC, {"origClientOrderId": "tf-6"})) == -2013
        with pytest.raises(ccxt.OperationFailed):
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000, {"clientOrderId": "tf-7"})
        assert (await client.fetch_order("0", BTC, {"origClientOrderId": "tf-7"}))["status"] == "open"

    play(
        scenario,
        [
            {"kind": "rate_limit", "on": "account", "at": [1], "retry_after_s": 7},
            {"kind": "server_error", "on": "order", "at": [1]},
            {"kind": "server_error_after", "on": "order", "at": [2]},
        ],
    )


def test_messages_are_doubled_lost_and_put_in_another_order() -> None:
    async def scenario(place: Place, client: Any) -> None:
        key = (await client.fapiPrivatePostListenKey())["listenKey"]
        address = place.venue.address.replace("http", "ws") + f"/private/ws?listenKey={key}"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            for number in range(4):
                terms = {"clientOrderId": f"tf-{number}"}
                await client.create_order(BTC, "limit", "buy", 0.01, 49_000, terms)
            told = [(await asyncio.wait_for(socket.receive_json(), 2))["o"]["c"] for _ in range(4)]
        assert told == ["tf-0", "tf-0", "tf-3", "tf-2"]

    play(
        scenario,
        [
            {"kind": "duplicate_message", "on": "orders", "at": [1]},
            {"kind": "lose_message", "on": "orders", "at": [2]},
            {"kind": "reorder_message", "on": "orders", "at": [3]},
        ],
    )


def test_a_disconnected_client_connects_again() -> None:
    async def scenario(place: Place, client: Any) -> None:
        await watched(client)
        await client.create_order(BTC, "market", "buy", 0.01)
        await eventually(lambda: not len(place.venue.streams))
        await watched(client)
        await client.create_order(BTC, "market", "buy", 0.01)
        await eventually(lambda: bool(client.myTrades))

    play(scenario, [{"kind": "disconnect", "on": "orders", "at": [1]}])


def test_a_skewed_clock_refuses_requests() -> None:
    async def scenario(place: Place, client: Any) -> None:
        assert await refused(client.fetch_balance()) == -1021

    play(scenario, [{"kind": "clock_skew", "skew_ms": 60_000}])


def test_sizes_cut_by_a_fault_fill_in_parts() -> None:
    async def scenario(place: Place, client: Any) -> None:
        order = await client.create_order(BTC, "market", "buy", 0.003)
        assert (order["status"], order["filled"]) == ("open", 0.001)
        place.quote(500_000)
        place.quote(500_000)
        assert (await client.fetch_order(order["id"], BTC))["status"] == "closed"
        assert len(await client.fetch_my_trades(BTC)) == 3

    play(scenario, [{"kind": "partial_fill", "probability": 1.0, "lots": 1}])


def test_an_answer_that_does_not_come_or_makes_no_sense() -> None:
    async def scenario(place: Place, client: Any) -> None:
        client.timeout = 300
        with pytest.raises(ccxt.RequestTimeout):
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000, {"clientOrderId": "tf-8"})
        client.timeout = 3_000
        # The client library takes it for an order of which nothing is known.
        odd = await client.create_order(BTC, "limit", "buy", 0.01, 49_000, {"clientOrderId": "tf-9"})
        assert odd["id"] is None
        opened = await client.fetch_open_orders(BTC)
        assert [order["clientOrderId"] for order in opened] == ["tf-8", "tf-9"]

    play(
        scenario,
        [
            {"kind": "hang", "on": "order", "at": [1], "duration_ms": 2_000},
            {"kind": "malformed", "on": "order", "at": [2]},
        ],
    )


def test_a_late_cancel_finds_its_order_filled() -> None:
    async def scenario(place: Place, client: Any) -> None:
        order = await client.create_order(BTC, "limit", "buy", 0.01, 49_000)
        canceling = asyncio.create_task(refused(client.cancel_order(order["id"], BTC)))
        await asyncio.sleep(0.05)
        place.quote(480_000)
        assert await canceling == -2011
        assert (await client.fetch_order(order["id"], BTC))["status"] == "closed"

    play(scenario, [{"kind": "delay_request", "on": "cancel", "at": [1], "delay_ms": 300}])


def test_a_half_open_connection_says_nothing_more() -> None:
    async def scenario(place: Place, client: Any) -> None:
        key = (await client.fapiPrivatePostListenKey())["listenKey"]
        address = place.venue.address.replace("http", "ws") + f"/private/ws?listenKey={key}"
        async with aiohttp.ClientSession() as session, session.ws_connect(address, autoping=False) as socket:
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000)
            await socket.ping()
            assert (await asyncio.wait_for(socket.receive(), 2)).type == aiohttp.WSMsgType.TEXT
            assert (await asyncio.wait_for(socket.receive(), 2)).type == aiohttp.WSMsgType.PONG
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000)
            await socket.ping()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(socket.receive(), 0.3)

    play(scenario, [{"kind": "half_open", "on": "orders", "at": [2]}])


def test_a_listen_key_that_has_expired_is_told_and_gone() -> None:
    async def scenario(place: Place, client: Any) -> None:
        key = (await client.fapiPrivatePostListenKey())["listenKey"]
        address = place.venue.address.replace("http", "ws") + f"/private/ws?listenKey={key}"
        async with aiohttp.ClientSession() as session, session.ws_connect(address) as socket:
            now_ns = place.core.clock_ns
            place.core.clock_ns = lambda: now_ns() + 3_600 * 10**9
            late = place.client()
            late.nonce = lambda: late.milliseconds() + 3_600_000
            assert await refused(late.fapiPrivatePutListenKey()) == -1125
            told = await asyncio.wait_for(socket.receive_json(), 2)
            assert (told["e"], told["listenKey"]) == ("listenKeyExpired", key)

    play(scenario)
