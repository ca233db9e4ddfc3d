"""The venue's face of Bitfinex on the wire: what its streams say, and messages beside recorded ones."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from adapters.venue.bitfinex import face
from tests.conformance.local_venue import Place, eventually, run
from tests.support import shared_data

BTC = "BTC/USDT:USDT"
RECORDED = "exchange_fixtures/bitfinex_jkorf/"


@contextlib.asynccontextmanager
async def connected(local: Place) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A bare connection to the stream, after its greeting."""
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{local.venue.address}/ws/2") as socket:
        assert (await socket.receive_json())["event"] == "info"
        yield socket


async def sign_in(local: Place, socket: aiohttp.ClientWebSocketResponse, nonce: int, **more: Any) -> Any:
    customer = local.core.customers[0]
    payload = f"AUTH{nonce}"
    signature = hmac.new(customer.secret.encode(), payload.encode(), hashlib.sha384).hexdigest()
    request = {"event": "auth", "apiKey": customer.key, "authSig": signature, "authNonce": nonce}
    await socket.send_json({**request, "authPayload": payload, **more})
    return await socket.receive_json()


async def names(socket: aiohttp.ClientWebSocketResponse, last: str) -> dict[str, Any]:
    """The messages about the account up to one of a name, by their names, in their order."""
    found: dict[str, Any] = {}
    while last not in found:
        _, name, *data = await socket.receive_json()
        if name != "hb":
            found[name] = data[0]
    return found


def kind_of(value: Any) -> str:
    return "number" if isinstance(value, int | float) else type(value).__name__


def assert_shape(recorded: Any, ours: Any) -> None:
    """As long, and of the same kinds where both have something."""
    assert len(recorded) == len(ours)
    for place, (theirs, mine) in enumerate(zip(recorded, ours, strict=True)):
        if theirs is not None and mine is not None and not isinstance(theirs, dict):
            assert kind_of(theirs) == kind_of(mine), f"place {place}: recorded {theirs!r}, ours {mine!r}"


def recorded_answer(path: str) -> Any:
    """The message of a recording: what follows its heading."""
    text = shared_data(RECORDED + path).read_text()
    return json.loads(text[text.index("=") + 1 :] if "\n=" in text else text.split("\n", 3)[3])


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"postOnly": True}, "POSTONLY CANCELED"),
        ({"timeInForce": "FOK"}, "FILLORKILL CANCELED"),
        ({"reduceOnly": True}, "RSN_POS_REDUCE_INCR"),
    ],
)
def test_orders_that_are_taken_and_cancelled_at_once(params: Any, status: str) -> None:
    async def scenario(local: Place) -> None:
        async with connected(local) as socket:
            client = local.client()
            local.quote(200_000, 100, spread=10)
            await sign_in(local, socket, 1)
            order = await client.create_order(BTC, "limit", "buy", 1, 20001, {**params, "clientOrderId": 3})
            assert order["info"][13] == status and order["info"][2] == 3
            (closed,) = await client.fetch_closed_orders()
            assert (closed["id"], closed["info"][13]) == (order["id"], status)
            told = await names(socket, "n")
            assert [name for name in told if name in ("on", "oc")] == ["on", "oc"]
            assert told["oc"][0] == told["on"][0] == int(order["id"])

    run("bitfinex", scenario)


def test_the_dead_mans_switch() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 5_000, spread=10)
        await client.create_order(BTC, "limit", "buy", 0.1, 15000)
        async with connected(local) as socket:
            nonce = time.time_ns() // 1_000_000 + 100
            assert (await sign_in(local, socket, nonce))["status"] == "OK"
        client.options["lastNonce"] = nonce
        await asyncio.sleep(0.05)
        assert len(await client.fetch_open_orders()) == 1
        async with connected(local) as socket:
            assert (await sign_in(local, socket, nonce + 1_000, dms=4))["status"] == "OK"
        await eventually(lambda: not local.core.customers[0].open_orders())

    run("bitfinex", scenario)


def test_what_the_account_is_told_of_a_trade() -> None:
    async def scenario(local: Place) -> None:
        async with connected(local) as socket:
            client = local.client()
            local.quote(200_000, 5_000, spread=10)
            answer = await sign_in(local, socket, 1)
            assert (answer["event"], answer["status"], answer["chanId"]) == ("auth", "OK", 0)
            assert await names(socket, "os") == {
                "ps": [],
                "ws": [["margin", "USTF0", 100000, 0, 100000, None, None]],
                "os": [],
            }
            await client.create_order(BTC, "market", "buy", 0.1)
            told = await names(socket, "n")
            assert list(told) == ["on", "te", "pn", "oc", "tu", "wu", "n"]
            assert told["te"][9:11] == [None, None] and told["tu"][9:11] == [-1.00005, "USTF0"]
            assert told["oc"][13] == "EXECUTED @ 20001.0(0.1)"
            await client.create_order(BTC, "market", "sell", 0.04)
            assert (await names(socket, "n"))["pu"][2:4] == [0.06, 20001]
            await client.create_order(BTC, "limit", "sell", 0.06, 20000)
            assert (await names(socket, "n"))["pc"][1:3] == ["CLOSED", 0]
            assert await client.fetch_positions() == []

    run("bitfinex", scenario)


def test_funding_reaches_the_wallet() -> None:
    async def scenario(local: Place) -> None:
        async with connected(local) as socket:
            client = local.client()
            local.quote(200_000, 5_000, spread=10)
            await client.create_order(BTC, "market", "buy", 1)
            await sign_in(local, socket, 1 << 50)
            local.mark(200_000)
            local.funding(1_000_000)
            told = await names(socket, "wu")
            assert told["wu"][2] == 100_000 - 20001 * 0.0005 - 20
            assert told["wu"][5] == "Funding of -20 USTF0 (BTCF0:USTF0)"

    run("bitfinex", scenario)


def test_messages_are_numbered_where_that_is_asked_for() -> None:
    async def scenario(local: Place) -> None:
        async with connected(local) as socket:
            local.quote(200_000, 5_000, spread=10)
            await socket.send_json({"event": "conf", "flags": 65536 + 131072})
            assert (await socket.receive_json())["status"] == "OK"
            subscription = {"event": "subscribe", "channel": "book", "symbol": "tBTCF0:USTF0", "len": "100"}
            await socket.send_json(subscription)
            said = await socket.receive_json()
            chan = said["chanId"]
            assert (said["event"], said["len"], said["pair"]) == ("subscribed", "100", "BTCF0:USTF0")
            assert await socket.receive_json() == [chan, [[20000, 1, 5], [20001, 1, -5]], 1]
            local.quote(200_000, 5_000, spread=20)
            assert await socket.receive_json() == [chan, [20001, 0, -1], 2]
            assert await socket.receive_json() == [chan, [20002, 1, -5], 3]
            assert (await socket.receive_json())[1::2] == ["cs", 4]
            await socket.send_json(subscription)
            assert (await socket.receive_json())["code"] == 10301
            await socket.send_json({**subscription, "symbol": "tNONE"})
            assert (await socket.receive_json())["msg"] == "symbol: invalid"
            await socket.send_json({"event": "unsubscribe", "chanId": chan})
            assert (await socket.receive_json())["event"] == "unsubscribed"
            await socket.send_json({"event": "ping", "cid": 4})
            assert (await socket.receive_json())["cid"] == 4
            await socket.send_str("{")
            assert (await socket.receive_json())["event"] == "error"

    run("bitfinex", scenario)


def test_messages_of_the_account_are_shaped_as_recorded_ones() -> None:
    recorded = {
        "oc": recorded_answer("Subscriptions/Spot/OrderUpdate.txt")[2],
        "te": recorded_answer("Subscriptions/Spot/UserTrade.txt")[2],
        "pu": recorded_answer("Subscriptions/Spot/PositionUpdate.txt")[2],
        "wu": recorded_answer("Subscriptions/Spot/WalletUpdate.txt")[2],
        "n": recorded_answer("Socket/Spot/UpdateOrder.txt")[2],
    }
    cancelled = recorded_answer("Endpoints/Spot/Trading/CancelOrder.txt")
    executed = recorded_answer("Endpoints/Spot/Trading/GetOrderTrades.txt")[0]

    async def scenario(local: Place) -> None:
        async with connected(local) as socket:
            client = local.client()
            local.quote(200_000, 5_000, spread=10)
            await client.load_markets()
            await sign_in(local, socket, 1)
            await client.create_order(BTC, "market", "buy", 0.1)
            await client.create_order(BTC, "market", "buy", 0.1)
            order = await client.create_order(BTC, "limit", "buy", 0.1, 15000)
            answer = await client.privatePostAuthWOrderCancel({"id": int(order["id"])})
            assert_shape(cancelled, answer)
            assert_shape(cancelled[4], answer[4])
            assert_shape(executed, (await client.privatePostAuthRTradesHist({}))[0])
            told = [await names(socket, "n") for _ in range(4)]
            for name, array in recorded.items():
                assert_shape(array, next(found[name] for found in told if name in found))
            assert_shape(recorded["n"][4], told[-1]["n"][4])

    run("bitfinex", scenario)


def test_messages_of_the_market_are_shaped_as_recorded_ones() -> None:
    """First messages of each channel, as a stream of 2021 has them."""
    lines = shared_data("exchange_fixtures/cryptofeed/BITFINEX.ws.11.0").read_text().splitlines()
    stream = [json.loads(line.split(": ", 1)[1]) for line in lines if line and "<" not in line]
    greeting = next(message for message in stream if isinstance(message, dict) and message["event"] == "info")
    confirmed = {m["channel"]: m for m in stream if isinstance(m, dict) and m["event"] == "subscribed"}
    first: dict[str, Any] = {}
    for channel, said in confirmed.items():
        first[channel] = next(m for m in stream if isinstance(m, list) and m[0] == said["chanId"] and m[1] != "hb")

    async def scenario(local: Place) -> None:
        async with aiohttp.ClientSession() as session:
            local.quote(200_000, 5_000, spread=10)
            local.trade(200_010, 300, 11)
            async with session.ws_connect(f"{local.venue.address}/ws/2") as socket:
                assert list(await socket.receive_json()) == list(greeting)
                await socket.send_json({"event": "conf", "flags": 65536})
                await socket.receive_json()
                for channel, said in confirmed.items():
                    terms = {name: said[name] for name in ("prec", "freq", "len") if name in said}
                    request = {"event": "subscribe", "channel": channel, "symbol": "tBTCF0:USTF0", **terms}
                    await socket.send_json(request)
                    assert list(await socket.receive_json()) == list(said)
                    message = await socket.receive_json()
                    assert_shape(first[channel], message)
                    row, ours = first[channel][1], message[1]
                    assert_shape(row if channel == "ticker" else row[0], ours if channel == "ticker" else ours[0])

    run("bitfinex", scenario)


def test_answers_about_the_market_are_shaped_as_recorded_ones() -> None:
    folder = "Endpoints/Spot/ExchangeData/"
    recorded = {
        "tickers?symbols=ALL": recorded_answer(folder + "GetTickers.txt"),
        "status/deriv?keys=ALL": recorded_answer(folder + "GetDerivativesStatus.txt"),
        "book/tBTCF0:USTF0/P0": recorded_answer(folder + "GetOrderBook.txt"),
        "candles/trade:1m:tBTCF0:USTF0/last": [recorded_answer(folder + "GetLastKline.txt")],
    }
    futures = recorded_answer(folder + "GetFuturesSymbols.txt")[0][0]

    async def scenario(local: Place) -> None:
        async with aiohttp.ClientSession() as session:
            local.quote(200_000, 5_000, spread=10)
            local.trade(200_010, 300, 11)
            for path, array in recorded.items():
                async with session.get(f"{local.venue.address}/v2/{path}") as answer:
                    rows = await answer.json()
                assert_shape(array[0], rows if path.startswith("candles") else rows[0])
            async with session.get(f"{local.venue.address}/v2/conf/pub:info:pair:futures") as answer:
                ((row, _),) = await answer.json()
            assert_shape(futures[1], row[1])

    run("bitfinex", scenario)


def test_a_quiet_connection_shows_that_it_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "HEARTBEAT_S", 0.02)

    async def scenario(local: Place) -> None:
        async with connected(local) as socket:
            await socket.send_json({"event": "subscribe", "channel": "trades", "symbol": "tBTCF0:USTF0"})
            chan = (await socket.receive_json())["chanId"]
            assert await socket.receive_json() == [chan, []]
            assert await socket.receive_json() == [chan, "hb"]
            await sign_in(local, socket, 1)
            await names(socket, "os")
            # Whichever of the two is next, the other follows.
            said = [(await socket.receive_json())[:2] for _ in range(4)]
            assert {(number, name) for number, name in said} == {(0, "hb"), (chan, "hb")}

    run("bitfinex", scenario)
