"""The venue's face of Hyperliquid, driven by ccxt's own client over loopback."""

import asyncio
from typing import Any

import ccxt.pro
import pytest

from adapters.venue.hyperliquid import actions, orders
from tests.conformance.hyperliquid_sandbox import BTC, ETH, Sandbox, client_id, run
from tests.conformance.local_venue import eventually

ORDER = {"a": 0, "b": True, "p": "49000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}


def order_action(**changed: Any) -> dict[str, Any]:
    return {"type": "order", "orders": [ORDER | changed], "grouping": "na"}


def test_markets_have_the_terms_of_the_configuration():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        markets = await client.load_markets()
        assert set(markets) == {BTC, ETH}
        assert markets[BTC]["precision"] == {"amount": 0.00001, "price": 1.0}
        assert markets[ETH]["precision"] == {"amount": 0.0001, "price": 0.1}
        assert (markets[BTC]["limits"]["leverage"]["max"], markets[BTC]["settle"]) == (40, "USDC")
        book = await client.fetch_order_book(BTC)
        assert (book["bids"], book["asks"]) == ([[50_000, 10]], [[50_001, 10]])
        assert (await client.fetch_tickers())[ETH]["bid"] == 3_000
        assert (await client.fetch_trading_fee(BTC))["taker"] == 0.00045
        assert abs(await client.fetch_time() - client.milliseconds()) < 5_000

    run(scenario)


def test_an_order_lives_from_its_placement_to_its_cancel():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        ours = {"clientOrderId": client_id(1)}
        placed = await client.create_order(BTC, "limit", "buy", 0.01, 49_000, ours | {"postOnly": True})
        assert placed["info"] == {"resting": {"oid": int(placed["id"]), "cloid": client_id(1)}}
        (open_order,) = await client.fetch_open_orders(BTC)
        assert (open_order["id"], open_order["clientOrderId"]) == (placed["id"], client_id(1))
        assert (open_order["price"], open_order["remaining"], open_order["timeInForce"]) == (49_000, 0.01, "ALO")

        edited = await client.edit_order(placed["id"], BTC, "limit", "buy", 0.02, 49_100, ours)
        assert edited["id"] != placed["id"]
        asked = await client.fetch_order(None, BTC, ours)
        assert (asked["id"], asked["price"], asked["amount"]) == (edited["id"], 49_100, 0.02)
        assert (await client.fetch_order(placed["id"], BTC))["status"] == "canceled"

        assert (await client.cancel_order(None, BTC, ours))["status"] == "success"
        assert (await client.fetch_order(edited["id"], BTC))["status"] == "canceled"
        assert await client.fetch_open_orders() == []
        with pytest.raises(ccxt.OrderNotFound):
            await client.cancel_order(edited["id"], BTC)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(client_id(2), BTC)
        assert [order["status"] for order in await client.fetch_orders(BTC)] == ["canceled", "canceled"]
        assert await venue.client(1).fetch_orders(BTC) == []

    run(scenario)


def test_trades_position_and_money_agree():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        sold = await client.create_order(BTC, "market", "sell", 0.5, 50_000)
        assert sold["info"]["filled"] == {"totalSz": "0.5", "avgPx": "50000.0", "oid": int(sold["id"])}
        (first,) = await client.fetch_my_trades(BTC)
        assert (first["order"], first["takerOrMaker"], first["fee"]["cost"]) == (sold["id"], "taker", 11.25)
        resting = await client.create_order(BTC, "limit", "buy", 0.2, 49_500, {"clientOrderId": client_id(3)})
        venue.quote(49_000)
        since = await client.fetch_my_trades(BTC, since=first["timestamp"] + 1)
        assert [(t["order"], t["price"], t["takerOrMaker"]) for t in since] == [(resting["id"], 49_500, "maker")]
        assert since[0]["info"]["dir"] == "Close Short" and since[0]["info"]["closedPnl"] == "100.0"
        assert since[0]["info"]["cloid"] == client_id(3)
        (position,) = await client.fetch_positions()
        assert (position["side"], position["contracts"], position["entryPrice"]) == ("short", 0.3, 50_000)
        assert position["unrealizedPnl"] == 300
        balance = await client.fetch_balance()
        assert balance["USDC"]["total"] == pytest.approx(100_000 + 100 + 300 - 11.25 - 1.485)
        assert balance["USDC"]["used"] == pytest.approx(0.3 * 49_000 / 40)
        assert (await client.fetch_order(resting["id"], BTC))["status"] == "closed"
        assert balance["info"]["marginSummary"]["totalRawUsd"] == "115087.265"
        assert await venue.client(1).fetch_positions() == []
        span = {"startTime": first["timestamp"] + 1, "endTime": since[0]["timestamp"]}
        fills = {"type": "userFillsByTime", "user": client.walletAddress}
        assert [fill["tid"] for fill in await venue.ask(fills | span)] == [int(since[0]["id"])]
        assert await venue.ask(fills | {"startTime": 0, "endTime": first["timestamp"] - 1}) == []

    run(scenario)


def test_funding_is_paid_and_can_be_asked_for():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        await client.create_order(BTC, "market", "sell", 0.5, 50_000)
        before = (await client.fetch_balance())["USDC"]["total"]
        venue.funding(rate_ppb=100_000)
        (paid,) = await client.fetch_funding_history(BTC, since=0)
        assert (paid["symbol"], paid["amount"], paid["rate"]) == (BTC, 2.5, 0.0001)
        assert (await client.fetch_balance())["USDC"]["total"] == pytest.approx(before + 2.5)
        assert await client.fetch_funding_history(BTC, since=paid["timestamp"] + 1) == []

    run(scenario)


def test_orders_wait_for_their_trigger():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        await client.create_order(BTC, "market", "buy", 0.1, 50_001)
        reduce = {"reduceOnly": True}
        stop = await client.create_order(BTC, "market", "sell", 0.1, 48_000, reduce | {"stopLossPrice": 48_000})
        target = await client.create_order(BTC, "limit", "sell", 0.1, 51_000, reduce | {"takeProfitPrice": 50_900})
        waiting = {order["id"]: order for order in await client.fetch_open_orders()}
        assert waiting[stop["id"]]["stopLossPrice"] == 48_000
        assert waiting[stop["id"]]["info"]["triggerCondition"] == "Price below 48000"
        assert waiting[stop["id"]]["info"]["orderType"] == "Stop Market"
        assert waiting[target["id"]]["takeProfitPrice"] == 50_900
        assert waiting[target["id"]]["info"]["triggerCondition"] == "Price above 50900"
        venue.quote(50_950)
        assert (await client.fetch_order(target["id"], BTC))["info"]["status"] == "triggered"
        venue.quote(47_990)
        assert (await client.fetch_order(stop["id"], BTC))["status"] == "closed"
        assert (await client.fetch_order(target["id"], BTC))["info"]["status"] == "reduceOnlyCanceled"
        assert (await client.fetch_positions()) == []

    run(scenario)


REFUSED = [
    ({"size": 0.0001}, ccxt.InvalidOrder, "Order must have minimum value of $10.", "minTradeNtlRejected"),
    ({"size": 1_000}, ccxt.InsufficientFunds, "Insufficient margin to place order.", "perpMarginRejected"),
    (
        {"price": 50_100, "postOnly": True},
        ccxt.InvalidOrder,
        "Post only order would have immediately matched, bbo was 50000.0@50001.0.",
        "badAloPxRejected",
    ),
    (
        {"timeInForce": "IOC"},
        ccxt.InvalidOrder,
        "Order could not immediately match against any resting orders.",
        "iocCancelRejected",
    ),
    ({"reduceOnly": True}, ccxt.InvalidOrder, "Reduce only order would increase position.", "reduceOnlyRejected"),
]


def test_refused_orders_say_why_and_are_remembered():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        for number, (terms, error, text, status) in enumerate(REFUSED):
            params = {name: value for name, value in terms.items() if name not in ("size", "price")}
            params["clientOrderId"] = client_id(number)
            size, price = terms.get("size", 0.01), terms.get("price", 49_000)
            with pytest.raises(error) as raised:
                await client.create_order(BTC, "limit", "buy", size, price, params)
            assert f'{{"error":"{text} asset=0"}}' in str(raised.value)
            asked = await client.fetch_order(client_id(number), BTC)
            assert (asked["info"]["status"], asked["status"]) == (status, "rejected")
        assert await client.fetch_open_orders() == []

    run(scenario)


WRONG = [
    ({"p": "49000.5"}, "Price must be divisible by tick size. asset=0"),
    ({"p": "0"}, "Order has invalid price. asset=0"),
    ({"p": "1e9999999"}, "Order has invalid price. asset=0"),
    ({"p": "9000"}, "Order price cannot be more than 80% away from the reference price. asset=0"),
    ({"s": "0.000001"}, "Order has invalid size. asset=0"),
    ({"s": "0"}, "Order has zero size. asset=0"),
    ({"a": 2}, "Asset does not exist. asset=2"),
    ({"t": {"trigger": {"isMarket": True, "triggerPx": "1.5", "tpsl": "sl"}}}, "Invalid TP/SL price. asset=0"),
]


def test_orders_that_make_no_sense_are_refused():
    async def scenario(venue: Sandbox) -> None:
        for number, (change, text) in enumerate(WRONG):
            answer = await venue.act(order_action(**change), venue.core.clock_ns() // 1_000_000 + number)
            assert answer["response"]["data"]["statuses"] == [{"error": text}]
        assert await venue.act({"type": "order", "orders": [{"a": 0}], "grouping": "na"}) == 422
        assert await venue.act({"type": "withdraw3"}) == 422

    run(scenario)


def test_a_client_id_is_taken_while_its_order_is_open():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        ours = {"clientOrderId": client_id(1)}
        first = await client.create_order(BTC, "limit", "buy", 0.01, 49_000, ours)
        with pytest.raises(ccxt.ExchangeError, match="is that of an open order"):
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000, ours)
        assert [order["id"] for order in await client.fetch_open_orders()] == [first["id"]]
        await client.cancel_order(first["id"], BTC)
        again = await client.create_order(BTC, "limit", "buy", 0.01, 49_000, ours)
        assert (await client.fetch_order(client_id(1), BTC))["id"] == again["id"]
        theirs = await venue.client(1).create_order(BTC, "limit", "buy", 0.01, 49_000, ours)
        assert theirs["id"] not in (first["id"], again["id"])

    run(scenario)


def test_a_cancel_names_its_asset_and_any_spelling_of_the_client_id():
    async def scenario(venue: Sandbox) -> None:
        ours = "0x" + "ab" * 16
        await venue.client().create_order(BTC, "limit", "buy", 0.01, 49_000, {"clientOrderId": ours})
        now_ms = venue.core.clock_ns() // 1_000_000
        for asset, status in ((1, {"error": f"{orders._NOT_OPEN} asset=1"}), (0, "success")):
            cancel = {"asset": asset, "cloid": ours.upper().replace("X", "x")}
            answer = await venue.act({"type": "cancelByCloid", "cancels": [cancel]}, now_ms + asset)
            assert answer["response"]["data"]["statuses"] == [status]

    run(scenario)


def test_an_order_that_cannot_be_replaced_is_gone():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        placed = await client.create_order(BTC, "limit", "buy", 0.01, 49_000)
        with pytest.raises(ccxt.InvalidOrder, match="Error placing new order during modify: Post only"):
            await client.edit_order(placed["id"], BTC, "limit", "buy", 0.01, 50_100, {"postOnly": True})
        assert await client.fetch_open_orders() == []
        with pytest.raises(ccxt.ExchangeError, match="Cannot modify canceled or filled order"):
            await client.edit_order(placed["id"], BTC, "limit", "buy", 0.01, 49_100)

    run(scenario)


def test_only_who_signs_acts_and_only_once():
    async def scenario(venue: Sandbox) -> None:
        stranger = venue.client(privateKey="0x" + "11" * 32)
        with pytest.raises(ccxt.InvalidOrder, match=r"User or API Wallet 0x[0-9a-f]{40} does not exist"):
            await stranger.create_order(BTC, "limit", "buy", 0.01, 49_000)
        now_ms = venue.core.clock_ns() // 1_000_000
        assert (await venue.act(order_action(), now_ms))["status"] == "ok"
        again = await venue.act(order_action(), now_ms)
        assert again == {"status": "err", "response": f"Invalid nonce: duplicate nonce {now_ms}"}
        assert (await venue.act(order_action(), now_ms, number=1))["status"] == "ok"
        old = await venue.act(order_action(), now_ms - 3 * 86_400_000)
        assert old["response"].startswith("Invalid nonce: nonce too low")
        late = await venue.act(order_action(), now_ms + 1, expiresAfter=now_ms - 1)
        assert late == {"status": "err", "response": "Action already expired"}
        tampered = await venue.act(order_action(), now_ms + 2, vaultAddress="0x" + "22" * 20)
        assert "does not exist" in tampered["response"]
        assert len(await venue.client().fetch_open_orders()) == 1

    run(scenario)


def test_leverage_and_referrals():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        assert (await client.set_leverage(5, BTC))["response"] == {"type": "default"}
        await client.create_order(BTC, "market", "buy", 0.1, 50_001)
        assert (await client.fetch_positions())[0]["leverage"] == 5
        with pytest.raises(ccxt.ExchangeError, match="Invalid leverage value"):
            await client.set_leverage(41, BTC)
        assert client.options["builderFee"] is False  # which its orders would carry otherwise

    run(scenario)


def test_everything_is_canceled_when_nobody_postpones_it(monkeypatch: pytest.MonkeyPatch):
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        with pytest.raises(ccxt.ExchangeError, match="at least 5 seconds"):
            await client.cancel_all_orders_after(1_000)
        monkeypatch.setattr(actions, "_SCHEDULE_AHEAD_MIN_MS", 0)
        placed = await client.create_order(BTC, "limit", "buy", 0.01, 49_000)
        await client.cancel_all_orders_after(100)
        await client.cancel_all_orders_after(60_000)
        await asyncio.sleep(0.2)
        assert len(await client.fetch_open_orders()) == 1
        await client.cancel_all_orders_after(100)
        customer = venue.core.customers[0]
        await eventually(lambda: not customer.open_orders())
        assert (await client.fetch_order(placed["id"], BTC))["info"]["status"] == "scheduledCancel"

    run(scenario)


def test_orders_and_trades_are_streamed():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        await client.create_order(BTC, "market", "buy", 0.1, 50_001)
        heard: list[tuple[str, Any]] = []

        async def listen(name: str) -> None:
            while True:
                for item in await getattr(client, name)():
                    heard.append((name, item))

        listeners = [asyncio.create_task(listen(name)) for name in ("watch_orders", "watch_my_trades")]
        await venue.listened_to("orderUpdates", "userFills")
        ours = {"clientOrderId": client_id(7)}
        placed = await client.create_order(BTC, "limit", "sell", 0.1, 51_000, ours)
        edited = await client.edit_order(placed["id"], BTC, "limit", "sell", 0.1, 50_500, ours)
        venue.quote(50_500, lots=4_000)
        venue.quote(50_600)
        await eventually(lambda: len([h for h in heard if h[0] == "watch_my_trades"]) >= 3)
        trades = {item["id"]: item for name, item in heard if name == "watch_my_trades"}
        assert [(t["side"], t["amount"], t["price"]) for t in trades.values()] == [
            ("buy", 0.1, 50_001),
            ("sell", 0.04, 50_500),
            ("sell", 0.06, 50_500),
        ]
        last = {item["id"]: (item["status"], item["clientOrderId"]) for name, item in heard if name == "watch_orders"}
        assert last == {placed["id"]: ("canceled", client_id(7)), edited["id"]: ("closed", client_id(7))}
        for listener in listeners:
            listener.cancel()
        await client.un_watch_orders()
        await client.un_watch_my_trades()

    run(scenario)


def test_an_account_is_streamed():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        assert (await client.watch_balance())["USDC"]["total"] == 100_000
        watched = asyncio.create_task(client.watch_positions())
        await client.create_order(BTC, "market", "buy", 0.1, 50_001)
        (position,) = await asyncio.wait_for(watched, 5)
        assert (position["symbol"], position["side"], position["contracts"]) == (BTC, "long", 0.1)

    run(scenario)


def test_the_market_is_streamed():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        book = await client.watch_order_book(BTC)
        assert book["bids"][0] == [50_000, 10]
        await client.watch_ticker(BTC)
        watching = [asyncio.create_task(w) for w in (client.watch_trades(BTC), client.watch_ohlcv(BTC, "1m"))]
        await venue.listened_to("trades", "candle")
        venue.trade(50_000, 250, trade_id=77)
        opened_ns = venue.core.views[0].bar_opened_ns
        venue.bar((50_000, 50_010, 49_990, 50_005), 900)
        (trade,) = await asyncio.wait_for(watching[0], 5)
        assert (trade["id"], trade["price"], trade["amount"], trade["side"]) == ("77", 50_000, 0.0025, "sell")
        candles = await asyncio.wait_for(watching[1], 5)
        assert candles[0] == [opened_ns // 1_000_000, 50_000, 50_010, 49_990, 50_005, 0.009]
        assert (await client.fetch_ohlcv(BTC, "1m"))[-1] == candles[0]
        assert (await client.fetch_ohlcv(BTC, "5m"))[-1][1:] == candles[0][1:]
        venue.quote(50_100)
        book = await client.watch_order_book(BTC)
        assert book["bids"][0] == [50_100, 10]
        assert (await client.watch_ticker(BTC))["bid"] == 50_100
        assert (await client.watch_tickers())[BTC]["last"] == 50_100.5

    run(scenario)


def test_orders_are_taken_by_websocket_too():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        placed = await client.create_order_ws(BTC, "limit", "buy", 0.01, 49_000)
        assert [order["id"] for order in await client.fetch_open_orders()] == [placed["id"]]
        edited = await client.edit_order_ws(placed["id"], BTC, "limit", "buy", 0.01, 49_100)
        assert (await client.cancel_order_ws(edited["id"], BTC))["status"] == "success"
        with pytest.raises(ccxt.InvalidOrder, match="minimum value"):
            await client.create_order_ws(BTC, "limit", "buy", 0.0001, 49_000)

    run(scenario)


def test_faults_meet_what_they_are_about():
    async def scenario(venue: Sandbox) -> None:
        client = venue.client()
        ours = {"clientOrderId": client_id(1)}
        with pytest.raises(ccxt.RateLimitExceeded):
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000, ours)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order(client_id(1), BTC)
        with pytest.raises(ccxt.NetworkError):
            await client.create_order(BTC, "limit", "buy", 0.01, 49_000, ours)
        assert (await client.fetch_order(client_id(1), BTC))["status"] == "open"
        assert await client.cancel_order(None, BTC, ours)

    faults = [{"kind": "rate_limit", "on": "order", "at": [1]}, {"kind": "lose_answer", "on": "order", "at": [2]}]
    run(scenario, faults)
