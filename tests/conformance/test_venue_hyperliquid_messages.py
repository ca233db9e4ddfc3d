"""The messages of the venue's Hyperliquid, beside those that others recorded at the exchange itself."""

import json
import re
from typing import Any

import aiohttp
import pytest

from tests.conformance.hyperliquid_sandbox import BTC, Sandbox, client_id, run
from tests.conformance.local_venue import Json
from tests.support import shared_data

_FIXTURES = "exchange_fixtures"
_NUMBER = re.compile(r"-?\d+(\.\d+)?$")
_HEX = re.compile(r"0x[0-9a-fA-F]+$")


def kind(value: Any) -> str:
    """What a value is, as far as a program that reads it cares."""
    if isinstance(value, bool) or value is None:
        return type(value).__name__
    if isinstance(value, str):
        return "number" if _NUMBER.match(value) else "hex" if _HEX.match(value) else "text"
    return type(value).__name__


def differences(recorded: Any, ours: Any, path: str = "") -> list[str]:
    """Where ours lacks or changes what was recorded. Null stands for anything; the first element for a list."""
    if recorded is None or ours is None:
        return []
    if isinstance(recorded, dict) and isinstance(ours, dict):
        missing = [f"{path}.{name} is missing" for name in recorded if name not in ours]
        shared = [name for name in recorded if name in ours]
        return missing + [text for name in shared for text in differences(recorded[name], ours[name], f"{path}.{name}")]
    if isinstance(recorded, list) and isinstance(ours, list):
        return differences(recorded[0], ours[0], f"{path}[]") if recorded and ours else []
    if kind(recorded) != kind(ours):
        return [f"{path} is {kind(ours)}, was {kind(recorded)}"]
    return []


def answer_of(name: str) -> Any:
    """The body of a recorded answer to a request: method, path and signed are the three lines before it."""
    text = shared_data(f"{_FIXTURES}/hyperliquid_jkorf/Endpoints/{name}.txt").read_text()
    return json.loads(text.split("\n", 3)[3])


def messages_of(name: str) -> list[Json]:
    """A subscription as it was sent, its confirmation, and a message of it."""
    text = shared_data(f"{_FIXTURES}/hyperliquid_jkorf/Subscriptions/{name}.txt").read_text()
    sent, confirmed, message = re.split(r"^[<=>] ?", text, flags=re.MULTILINE)[1:]
    return [json.loads(part) for part in (sent, confirmed, message)]


def ccxt_answers(method: str) -> Json:
    text = shared_data(f"{_FIXTURES}/ccxt_static/response_hyperliquid.json").read_text()
    return json.loads(text)["methods"][method][0]["httpResponse"]


def cassette_answer(name: str) -> Any:
    """The one answer of a cassette: a YAML string in single quotes, folded."""
    text = shared_data(f"{_FIXTURES}/hyperliquid_sdk_cassettes/{name}.yaml").read_text()
    found = re.search(r"string: '(.*?)'\n", text, flags=re.DOTALL)
    assert found is not None
    return json.loads(re.sub(r"\s*\n\s+", " ", found[1]))


async def busy(venue: Sandbox) -> Any:
    """An account with a position, a fill, a resting order and a waiting one; returns its client."""
    client = venue.client()
    await client.create_order(BTC, "market", "sell", 0.5, 50_000)
    await client.create_order(BTC, "limit", "buy", 0.1, 49_000, {"clientOrderId": client_id(1)})
    await client.create_order(BTC, "market", "buy", 0.5, 52_000, {"reduceOnly": True, "stopLossPrice": 52_000})
    return client


def test_answers_have_the_recorded_shape():
    recorded = {
        "meta": answer_of("Futures/ExchangeData/GetExchangeInfo"),
        "clearinghouseState": answer_of("Futures/Account/GetAccountInfo"),
        "openOrders": answer_of("Spot/Trading/GetOpenOrders"),
        "frontendOpenOrders": cassette_answer("test_get_frontend_open_orders"),
        "userFills": [{k: v for k, v in answer_of("Spot/Trading/GetUserTrades")[0].items() if k != "builderFee"}],
        "orderStatus": ccxt_answers("fetchOrder"),
        "l2Book": answer_of("Spot/ExchangeData/GetOrderBook"),
        "spotMetaAndAssetCtxs": [{"tokens": answer_of("Spot/ExchangeData/GetExchangeInfoAndTickers")[0]["tokens"]}],
    }
    # The leverage of a cross position carries no rawUsd; the recorded one is isolated.
    del recorded["clearinghouseState"]["assetPositions"][0]["position"]["leverage"]["rawUsd"]

    async def scenario(venue: Sandbox) -> None:
        client = await busy(venue)
        for name, answer in recorded.items():
            question = {"type": name, "user": client.walletAddress, "coin": "BTC", "oid": client_id(1)}
            assert differences(answer, await venue.ask(question), name) == []

    run(scenario)


def test_a_market_order_is_answered_as_recorded():
    recorded = ccxt_answers("createOrder")
    recorded["response"]["data"]["statuses"][0]["filled"]["oid"] = 296683658818  # ccxt's copy has it as a text

    async def scenario(venue: Sandbox) -> None:
        order = {"a": 0, "b": False, "p": "48000", "s": "0.01", "r": False, "t": {"limit": {"tif": "FrontendMarket"}}}
        answer = await venue.act({"type": "order", "orders": [order], "grouping": "na"})
        assert differences(recorded, answer) == []

    run(scenario)


@pytest.mark.parametrize("name", ["BookTicker", "OrderBook", "Trades", "Klines"])
def test_streams_have_the_recorded_shape(name: str):
    sent, confirmed, message = messages_of(name)
    subscription = sent["subscription"] | {"coin": "BTC"}
    if name == "Klines":
        subscription["interval"] = confirmed["data"]["subscription"]["interval"] = "1m"

    async def scenario(venue: Sandbox) -> None:
        async with venue.socket() as socket:
            await socket.send_json({"method": "subscribe", "subscription": subscription})
            assert differences(confirmed, await _next(socket, "subscriptionResponse")) == []
            venue.quote(50_100)
            venue.trade(50_100, 3, trade_id=77)
            venue.bar((50_000, 50_010, 49_990, 50_005), 900)
            assert differences(message, await _next(socket, message["channel"])) == []

    run(scenario)


async def _next(socket: aiohttp.ClientWebSocketResponse, channel: str) -> Json:
    for _ in range(20):
        message = await socket.receive_json(timeout=5)
        if message["channel"] == channel:
            return message
    raise AssertionError(f"nothing from {channel}")


def test_own_streams_tell_in_the_exchanges_words_and_order():
    async def scenario(venue: Sandbox) -> None:
        client = await busy(venue)
        user = client.walletAddress
        async with venue.socket() as socket:
            for name in ("userFills", "orderUpdates", "userEvents"):
                await socket.send_json({"method": "subscribe", "subscription": {"type": name, "user": user.upper()}})
            snapshot = (await _next(socket, "userFills"))["data"]
            assert snapshot["isSnapshot"] and [fill["sz"] for fill in snapshot["fills"]] == ["0.5"]
            await venue.listened_to("orderUpdates", "userEvents")
            old = (await client.fetch_order(client_id(1), BTC))["id"]
            new = await client.edit_order(old, BTC, "limit", "buy", 0.1, 49_500, {"clientOrderId": client_id(1)})
            updates = (await _next(socket, "orderUpdates"))["data"]
            told = [(update["order"]["oid"], update["status"], update["order"]["cloid"]) for update in updates]
            assert told == [(int(new["id"]), "open", client_id(1)), (int(old), "canceled", client_id(1))]
            venue.quote(49_499, lots=4_000)
            partly = (await _next(socket, "orderUpdates"))["data"][0]
            assert (partly["status"], partly["order"]["sz"], partly["order"]["origSz"]) == ("open", "0.06", "0.1")
            fills = (await _next(socket, "userFills"))["data"]
            assert "isSnapshot" not in fills and fills["fills"][0]["startPosition"] == "-0.5"
            assert (await _next(socket, "user"))["data"] == {"fills": fills["fills"]}
            venue.quote(49_000)
            updates = (await _next(socket, "orderUpdates"))["data"]
            while updates[0]["order"]["oid"] != int(new["id"]):  # the stop, which is cut with its position
                updates = (await _next(socket, "orderUpdates"))["data"]
            assert (updates[0]["status"], updates[0]["order"]["sz"]) == ("filled", "0.0")

    run(scenario)


def test_a_connection_says_what_is_wrong():
    async def scenario(venue: Sandbox) -> None:
        async with venue.socket() as socket:
            await socket.send_json({"method": "ping"})
            assert await socket.receive_json(timeout=5) == {"channel": "pong"}
            book = {"type": "l2Book", "coin": "BTC"}
            await socket.send_json({"method": "subscribe", "subscription": book})
            await _next(socket, "l2Book")
            for message, error in (
                ({"method": "subscribe", "subscription": book}, "Already subscribed: "),
                ({"method": "subscribe", "subscription": {"type": "l2Book", "coin": "DOGE"}}, "Invalid subscription "),
                ({"method": "unsubscribe", "subscription": {"type": "bbo", "coin": "BTC"}}, "Already unsubscribed: "),
                ({"method": "subscribe"}, "Error parsing JSON into valid websocket request: "),
                ([], "Error parsing JSON into valid websocket request: "),
            ):
                await socket.send_json(message)
                assert (await _next(socket, "error"))["data"].startswith(error)
            await socket.send_json({"method": "post", "id": 5, "request": {"type": "info", "payload": {"type": "no"}}})
            assert (await _next(socket, "post"))["data"]["response"]["type"] == "error"
            payload = {"type": "l2Book", "coin": "BTC"}
            await socket.send_json({"method": "post", "id": 6, "request": {"type": "info", "payload": payload}})
            answer = (await _next(socket, "post"))["data"]
            assert (answer["id"], answer["response"]["payload"]["data"]["coin"]) == (6, "BTC")

    run(scenario)


@pytest.mark.parametrize(
    "question", [{}, {"type": "no"}, {"type": "l2Book"}, {"type": "openOrders"}, {"type": "meta", "dex": "xyz"}, 7]
)
def test_questions_that_cannot_be_read_are_refused(question: Any):
    async def scenario(venue: Sandbox) -> None:
        assert await venue.ask(question) == 422

    run(scenario)


def test_an_address_without_an_account_has_nothing():
    async def scenario(venue: Sandbox) -> None:
        stranger = {"user": "0x" + "11" * 20}
        state = await venue.ask({"type": "clearinghouseState"} | stranger)
        assert (state["marginSummary"]["accountValue"], state["assetPositions"]) == ("0.0", [])
        assert await venue.ask({"type": "frontendOpenOrders"} | stranger) == []
        assert await venue.ask({"type": "orderStatus", "oid": 1} | stranger) == {"status": "unknownOid"}

    run(scenario)
