"""The venue's face of Bitfinex, as the real client library uses it over loopback."""

import asyncio
import time
from pathlib import Path
from typing import Any

import ccxt.pro
import pytest

from adapters.venue.bitfinex.limits import REQUESTS_A_MINUTE
from tests.conformance.local_venue import Place, eventually, run

BTC = "BTC/USDT:USDT"

PAIRS = """
[run]
name = "pairs"

[[accounts]]
name = "cash"
kind = "cash"
currency = "USD"
balance = "1000"

[[accounts]]
name = "margin"
kind = "margin"
currency = "USDT"
balance = "5000"

[[instruments]]
symbol = "BTC/USD"
account = "cash"
kind = "spot"
tick_size = "1"
lot_size = "0.0001"
quantity_min = "0.0002"
taker_fee_bps = 20
fee_currency = "base"

[[instruments]]
symbol = "BEST/USDT"
account = "margin"
kind = "linear"
tick_size = "0.01"
lot_size = "0.1"
margin_initial = "0.2"
margin_maintenance = "0.1"
"""


def watching(awaitable: Any) -> "asyncio.Task[Any]":
    return asyncio.create_task(awaitable)


def test_markets_and_currencies() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        markets = await client.load_markets()
        assert list(markets) == [BTC, "ETH/USDT:USDT"]
        market = markets[BTC]
        assert (market["id"], market["type"], market["linear"]) == ("tBTCF0:USTF0", "swap", True)
        assert market["limits"]["amount"] == {"min": 0.001, "max": 1000.0}
        assert (await client.fetch_status())["status"] == "ok"
        assert (await client.fetch_trading_fees())[BTC]["taker"] == 0.0005

    run("bitfinex", scenario)


def test_the_life_of_an_order() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 5_000, spread=10)
        placed = await client.create_order(BTC, "limit", "sell", 0.25, 21000, {"clientOrderId": 77, "postOnly": True})
        assert (placed["clientOrderId"], placed["status"], placed["side"]) == ("77", "open", "sell")
        assert placed["postOnly"] and placed["amount"] == placed["remaining"] == 0.25
        (listed,) = await client.fetch_open_orders(BTC)
        assert (listed["id"], listed["price"]) == (placed["id"], 21000)
        assert await client.fetch_open_orders("ETH/USDT:USDT") == []
        edited = await client.edit_order(placed["id"], BTC, "limit", "sell", 0.3, 21500)
        assert (edited["remaining"], edited["price"], edited["info"][7]) == (0.3, 21500, -0.25)
        # The answer to a cancel is the order as it was.
        assert (await client.cancel_order(placed["id"]))["status"] == "open"
        assert await client.fetch_open_orders() == []
        (closed,) = await client.fetch_closed_orders(params={"id": [int(placed["id"])]})
        assert closed["status"] == "canceled"
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(placed["id"])
        with pytest.raises(ccxt.OrderNotFound):
            await client.edit_order(placed["id"], BTC, "limit", "sell", 0.3, 21000)

    run("bitfinex", scenario)


def test_cancels_by_client_id_by_list_and_all() -> None:
    async def scenario(local: Place) -> None:
        client, other = local.client(), local.client(1)
        local.quote(200_000, 5_000, spread=10)
        foreign = await other.create_order(BTC, "limit", "buy", 0.01, 15000)
        ids = []
        for number in range(4):
            order = await client.create_order(BTC, "limit", "buy", 0.01, 15000, {"clientOrderId": 1000 + number})
            ids.append(order["id"])
        today = time.strftime("%Y-%m-%d", time.gmtime())
        by_client_id = {"clientOrderId": 1000, "cidDate": today}
        assert (await client.cancel_order("", BTC, by_client_id))["id"] == ids[0]
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order("", BTC, {"clientOrderId": 1001, "cidDate": "2001-01-01"})
        assert [o["id"] for o in await client.cancel_orders([ids[1], foreign["id"]])] == [ids[1]]
        assert {o["id"] for o in await client.cancel_all_orders()} == {ids[2], ids[3]}
        assert [o["id"] for o in await other.fetch_open_orders()] == [foreign["id"]]

    run("bitfinex", scenario)


def test_client_ids_may_repeat() -> None:
    """As the exchange documents it: they should be unique, and that is not enforced."""

    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 5_000, spread=10)
        orders = [await client.create_order(BTC, "limit", "buy", 0.01, 15000, {"clientOrderId": 5}) for _ in "ab"]
        assert {o["clientOrderId"] for o in orders} == {"5"}
        assert len(await client.fetch_open_orders()) == 2

    run("bitfinex", scenario)


def test_fills_trades_positions_and_balances() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 400, spread=10)
        order = await client.create_order(BTC, "limit", "buy", 1, 20001)
        (partly,) = await client.fetch_open_orders()
        assert (partly["filled"], partly["status"], partly["average"]) == (0.4, "open", 20001)
        assert partly["info"][13] == "PARTIALLY FILLED @ 20001.0(0.4)"
        between_ms = time.time_ns() // 1_000_000 + 1
        await asyncio.sleep(0.002)
        local.quote(199_990, 600, spread=20)
        (closed,) = await client.fetch_closed_orders()
        assert (closed["id"], closed["status"], closed["filled"]) == (order["id"], "closed", 1)
        trades = await client.fetch_my_trades(BTC)
        assert [t["amount"] for t in trades] == [0.4, 0.6]
        assert [t["takerOrMaker"] for t in trades] == ["taker", "maker"]
        assert trades[0]["fee"] == {"cost": 0.4 * 20001 * 0.0005, "currency": "USDT"}
        assert [t["amount"] for t in await client.fetch_my_trades(BTC, since=between_ms)] == [0.6]
        assert len(await client.fetch_my_trades(limit=1)) == 1
        assert [t["id"] for t in await client.fetch_order_trades(order["id"], BTC)] == [t["id"] for t in trades]
        (position,) = await client.fetch_positions()
        assert (position["symbol"], position["side"], position["entryPrice"]) == (BTC, "long", 20001)
        assert position["info"][2] == 1 and position["unrealizedPnl"] == -1
        balance = await client.fetch_balance({"type": "derivatives"})
        assert balance["USDT"]["total"] == 100_000 - 0.4 * 20001 * 0.0005 - 0.6 * 20001 * 0.0002
        assert balance["USDT"]["free"] < balance["USDT"]["total"] - 900

    run("bitfinex", scenario)


def test_own_trades_come_25_at_a_time_newest_first() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        await client.load_markets()
        for number in range(30):
            local.quote(200_000, 1, spread=10)
            await client.create_order(BTC, "limit", "buy", 0.001, 20001, {"clientOrderId": number})
        newest = await client.privatePostAuthRTradesHist({})
        assert [trade[11] for trade in newest] == list(range(29, 4, -1))
        oldest = await client.privatePostAuthRTradesHist({"sort": 1, "limit": 3})
        assert [trade[11] for trade in oldest] == [0, 1, 2]

    run("bitfinex", scenario)


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (("limit", "buy", 2000, 100), "Invalid order: maximum size for BTCF0:USTF0 is 1000"),
        (("limit", "buy", 500, 20000), "Invalid order: not enough tradable balance for 500 BTCF0:USTF0 at 20000."),
        (("limit", "buy", 0.0001, 20000), "amount: invalid"),
        (("limit", "buy", 1, 20000, {"flags": 16384}), "flags: invalid"),
        (("limit", "buy", 1, 20000, {"lev": 101}), "lev: invalid"),
        (("limit", "buy", 1, 20000, {"cid": 1 << 45}), "cid: invalid"),
        (("limit", "buy", 1, 20000, {"type": "EXCHANGE LIMIT"}), "not enough exchange balance"),
        (("limit", "buy", 1, 20000, {"symbol": "tLTCF0:USTF0"}), "symbol: invalid"),
    ],
)
def test_orders_that_are_refused(order: Any, text: str) -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 5_000, spread=10)
        with pytest.raises(ccxt.ExchangeError, match=text):
            await client.create_order(BTC, *order)
        assert await client.fetch_open_orders() == []

    run("bitfinex", scenario)


def test_orders_that_wait_for_a_price() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 5_000, spread=10)
        stop = await client.create_order(BTC, "market", "sell", 0.1, None, {"triggerPrice": 19900})
        limited = await client.create_order(BTC, "limit", "buy", 0.1, 20100, {"triggerPrice": 20050})
        trailing = await client.create_order(BTC, "market", "sell", 0.2, None, {"trailingAmount": "50"})
        rows = {row[0]: row for row in await client.privatePostAuthROrders({})}
        assert rows[int(stop["id"])][8] == "STOP" and rows[int(stop["id"])][16] == 19900
        assert rows[int(limited["id"])][8] == "STOP LIMIT"
        assert (rows[int(limited["id"])][16], rows[int(limited["id"])][19]) == (20050, 20100)
        assert rows[int(trailing["id"])][8] == "TRAILING STOP" and rows[int(trailing["id"])][18] == 50
        edited = await client.edit_order(stop["id"], BTC, "market", "sell", 0.1, None, {"triggerPrice": 19800})
        assert edited["info"][16] == 19800
        local.quote(200_800, 5_000, spread=220)
        (row,) = [row for row in await client.privatePostAuthROrders({}) if row[0] == int(limited["id"])]
        assert (row[8], row[9], row[16]) == ("LIMIT", "STOP LIMIT", 20100)
        local.quote(197_000, 5_000, spread=10)
        done = {o["id"]: o["status"] for o in await client.fetch_closed_orders()}
        assert done == {stop["id"]: "closed", limited["id"]: "closed", trailing["id"]: "closed"}

    run("bitfinex", scenario)


def test_prices_are_cut_to_five_digits_and_ioc_takes_what_there_is() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 100, spread=10)
        form = {"symbol": "tBTCF0:USTF0", "type": "IOC", "amount": "0.5", "price": "20001.9"}
        answer = await client.privatePostAuthWOrderSubmit(form)
        assert answer[4][0][16] == 20001
        (closed,) = await client.fetch_closed_orders()
        assert (closed["filled"], closed["info"][13]) == (
            0.1,
            "IOC CANCELED was: PARTIALLY FILLED @ 20001.0(0.1)",
        )

    run("bitfinex", scenario)


def test_several_operations_in_one_request() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 5_000, spread=10)
        orders = await client.create_orders(
            [
                {"symbol": BTC, "type": "limit", "side": "buy", "amount": 0.1, "price": 19000 + place}
                for place in range(3)
            ]
        )
        assert [o["price"] for o in orders] == [19000, 19001, 19002]
        operations = [["oc", {"id": int(orders[0]["id"])}], ["oc", {"id": 1}]]
        answer = await client.privatePostAuthWOrderMulti({"ops": operations})
        assert [(entry[6], entry[7]) for entry in answer[4]][1] == ("ERROR", "Order not found.")
        assert len(await client.fetch_open_orders()) == 2

    run("bitfinex", scenario)


def test_streams_of_the_account() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 5_000, spread=10)
        orders, trades = watching(client.watch_orders()), watching(client.watch_my_trades(BTC))
        # The wallets are sent once the connection is signed in.
        await client.watch_balance({"wallet": "margin"})
        placed = await client.create_order(BTC, "limit", "buy", 0.5, 19000)
        seen = await orders
        assert (seen[0]["id"], seen[0]["status"], seen[0]["remaining"]) == (placed["id"], "open", 0.5)
        orders = watching(client.watch_orders())
        await asyncio.sleep(0)
        local.quote(189_980, 5_000, spread=10)
        (trade,) = await trades
        assert (trade["order"], trade["amount"], trade["price"]) == (placed["id"], 0.5, 19000)
        assert trade["takerOrMaker"] == "maker" and trade["fee"]["cost"] == -1.9
        assert (await orders)[-1]["status"] == "closed"
        await eventually(lambda: client.balance["margin"]["USDT"]["total"] == 100_000 - 1.9)

    run("bitfinex", scenario)


def test_streams_of_the_market() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        await client.load_markets()
        local.quote(200_000, 5_000, spread=10)
        local.trade(200_010, 300, 11)
        assert (await client.watch_ticker(BTC))["bid"] == 20000
        ticker = watching(client.watch_ticker(BTC))
        await asyncio.sleep(0)
        local.quote(200_020, 5_000, spread=10)
        assert (await ticker)["ask"] == 20003
        (first,) = await client.watch_trades(BTC)
        assert (first["id"], first["amount"], first["side"]) == ("11", 0.3, "sell")
        trades = watching(client.watch_trades(BTC))
        await asyncio.sleep(0)
        local.trade(200_020, 100, 12)
        assert [trade["id"] for trade in await trades] == ["12"]
        book = await client.watch_order_book(BTC)
        assert (book["bids"][0][:2], book["asks"][0][:2]) == ([20002, 5], [20003, 5])
        # The library compares checksums once it has asked for them, and drops a book that is not the venue's.
        checked: list[Any] = []
        check = client.handle_checksum
        client.handle_checksum = lambda *said: (check(*said), checked.append(said[1]))
        for bid in range(200_021, 200_400):
            local.quote(bid, bid % 20 + 1, spread=bid % 7 + 1)
            await asyncio.sleep(0.005)
            if len(checked) > 5:
                break
        assert len(checked) > 5
        await eventually(lambda: client.orderbooks[BTC]["bids"] == [[bid / 10, (bid % 20 + 1) / 1000, 1]])
        assert await client.un_watch_ticker(BTC) is not None

    run("bitfinex", scenario)


def test_candles() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        await client.load_markets()
        local.bar((100, 130, 90, 120), 5_000)
        await asyncio.sleep(0.002)
        local.bar((120, 125, 110, 115), 1_000)
        first, second = await client.fetch_ohlcv(BTC, "1m")
        assert (first[1:], second[1:]) == ([10, 13, 9, 12, 5], [12, 12.5, 11, 11.5, 1])
        assert (await client.fetch_ohlcv(BTC, "1m", since=second[0])) == [second]
        assert (await client.watch_ohlcv(BTC, "1m"))[-1] == second
        candles = watching(client.watch_ohlcv(BTC, "1m"))
        await asyncio.sleep(0.002)
        local.bar((115, 116, 114, 116), 10)
        assert (await candles)[-1][1:] == [11.5, 11.6, 11.4, 11.6, 0.01]

    run("bitfinex", scenario)


def test_who_asks_is_checked() -> None:
    async def scenario(local: Place) -> None:
        with pytest.raises(ccxt.AuthenticationError, match="apikey: digest invalid"):
            await local.client(secret="wrong").fetch_balance()
        with pytest.raises(ccxt.AuthenticationError, match="apikey: invalid"):
            await local.client(apiKey="nobody").fetch_balance()
        client = local.client()
        await client.fetch_balance()
        client.options["lastNonce"] = 0
        client.nonce = lambda: 5
        with pytest.raises(ccxt.InvalidNonce, match="nonce: small"):
            await client.fetch_balance()
        with pytest.raises(ccxt.AuthenticationError):
            await local.client(secret="wrong").watch_orders()

    run("bitfinex", scenario)


def test_rate_limits() -> None:
    async def scenario(local: Place) -> None:
        client = local.client()
        # Two minutes' worth, whenever the minute ends.
        with pytest.raises(ccxt.RateLimitExceeded, match="ratelimit: error"):
            await asyncio.gather(*(client.publicGetPlatformStatus() for _ in range(2 * REQUESTS_A_MINUTE + 1)))
        # Each path has a count of its own.
        await client.load_markets()

    run("bitfinex", scenario)


def test_faults_of_requests_answer_as_the_exchange_does() -> None:
    faults = [
        {"kind": "rate_limit", "on": "account", "at": [1], "retry_after_s": 7},
        {"kind": "server_error", "on": "query", "at": [1]},
        {"kind": "lose_answer", "on": "order", "at": [1]},
    ]

    async def scenario(local: Place) -> None:
        client = local.client()
        local.quote(200_000, 5_000, spread=10)
        with pytest.raises(ccxt.RateLimitExceeded):
            await client.fetch_balance()
        assert client.last_response_headers["Retry-After"] == "7"
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await client.fetch_open_orders()
        with pytest.raises(ccxt.NetworkError):
            await client.create_order(BTC, "limit", "buy", 0.1, 15000, {"clientOrderId": 9})
        assert [o["clientOrderId"] for o in await client.fetch_open_orders()] == ["9"]

    run("bitfinex", scenario, faults)


def test_pairs_bought_outright_and_on_margin(tmp_path: Path) -> None:
    data = tmp_path / "pairs.toml"
    data.write_text(PAIRS)

    async def scenario(local: Place) -> None:
        client = local.client()
        markets = await client.load_markets()
        assert {m["symbol"]: (m["id"], m["spot"], m["margin"]) for m in markets.values()} == {
            "BTC/USD": ("tBTCUSD", True, False),
            "BEST/USDT": ("tBEST:UST", True, True),
        }
        local.quote(20_000, 5_000)
        local.quote(100, 5_000, instrument=1)
        bought = await client.create_order("BTC/USD", "limit", "buy", 0.01, 20001)
        assert bought["info"][8] == "EXCHANGE LIMIT"
        on_margin = await client.create_order("BEST/USDT", "market", "sell", 10, None, {"marginMode": "cross"})
        assert on_margin["info"][8] == "MARKET"
        with pytest.raises(ccxt.ExchangeError, match=r"minimum size for BTCUSD is 0\.0002"):
            await client.create_order("BTC/USD", "limit", "buy", 0.0001, 20001)
        with pytest.raises(ccxt.InsufficientFunds):
            await client.create_order("BTC/USD", "limit", "buy", 1, 20001)
        spot = await client.fetch_balance()
        assert (spot["BTC"]["total"], spot["USD"]["total"]) == (0.0099, 1000 - 200.01)
        assert (await client.fetch_balance({"type": "margin"}))["USDT"]["total"] == 5000
        (position,) = await client.fetch_positions()
        assert (position["symbol"], position["info"][2], position["info"][15]) == ("BEST/USDT", -10, 0)
        (trade,) = await client.fetch_my_trades("BTC/USD")
        assert trade["fee"] == {"cost": 0.0001, "currency": "BTC"}

    run("bitfinex", scenario, data=data)
