"""Every recorded message and answer, given to every reader and every question: it is read, or refused by name."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from adapters.exchanges import client as client_module
from adapters.exchanges.port import Command, OrderQuestion
from engine.kinds import DecisionKind, EventKind, OrderType, RequestFailure, TimeInForce
from engine.reasons import Reason
from tests.conformance import recorded
from tests.conformance.test_exchange_answers import answered
from tests.conformance.test_exchange_fixtures import FOLDERS, IDS, OF_STREAMS, OURS, Reader

EXCHANGES = ("binanceusdm", "bitfinex", "hyperliquid")
READERS = ("binance", "bitfinex", "hyperliquid")
ALL_FOLDERS = (
    *[folder for folders in FOLDERS.values() for folder in folders],
    "ccxt_static",
    "hyperliquid_sdk_cassettes",
)
ONE = 10**8
QUESTION = OrderQuestion(OURS, 0, OrderType.LIMIT, 0, 0)


def cases(name: str, method: str) -> list[Any]:
    """What an exchange said in ccxt's own cases of a method."""
    path = recorded.shared_data(f"exchange_fixtures/ccxt_static/{name}.json")
    found = json.loads(path.read_text())["methods"][method]
    return [case.get("httpResponse", case.get("messages")) for case in found]


def answers() -> Iterator[tuple[str, Any]]:
    """All that was answered to a request, by the file it is in."""
    for path in recorded.files(*ALL_FOLDERS):
        name = recorded.name_of(path)
        if not any(part in name for part in OF_STREAMS):
            for value in recorded.values(path):
                yield name, value


def command(order: int) -> Command:
    return Command(DecisionKind.PLACE_ORDER, OrderType.LIMIT, TimeInForce.GTC, 0, 0, 2, 1, 1, order, ONE, ONE, 0, 0, 0)


@pytest.mark.parametrize("exchange", READERS)
def test_an_answer_is_no_message_and_no_message_of_another_exchange_is_an_event(exchange):
    given = 0
    reader = Reader(exchange)
    for name, value in answers():
        given += 1
        reader.take(value)
        assert reader.fresh() == [], name
    for other in READERS:
        for path in recorded.files(*(FOLDERS[other] if other != exchange else ())):
            for value in recorded.values(path):
                given += 1
                reader.take(value)
                assert reader.fresh() == [], recorded.name_of(path)
    assert given > 100 and set(reader.counts) <= {"unknown instrument"}, reader.counts


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_an_answer_to_another_question_is_read_or_malformed(exchange, monkeypatch):
    """Never an error without a name, whatever an exchange says; what is right is tested elsewhere."""
    monkeypatch.setattr(client_module, "_READS_MOST", 1)
    outcomes: Counter[str] = Counter()
    unnamed: list[str] = []

    async def ask(client: Any) -> None:
        said = None

        async def given(*_: Any) -> Any:
            return said

        for name in dir(client.wire):
            if name.startswith(("fapiPrivate", "privatePost", "publicPost")):
                setattr(client.wire, name, given)
        market = client.markets[0]
        questions = {
            "find_open": client.find_open,
            "find": lambda: client.find(market, QUESTION),
            "trades_since": lambda: client.trades_since(client.clock_ns() - 10**9),
            "holdings": client.holdings,
            "place": lambda: client.place(market, command(OURS)),
            "cancel": lambda: client.cancel(market, command(OURS)),
            "place_all": lambda: client.place_all([command(1), command(2)], [{}, {}]),
            "cancel_all": lambda: client.cancel_all([command(1), command(2)]),
        }
        for name, value in answers():
            said = value
            for asked, question in questions.items():
                try:
                    async with asyncio.timeout(5):
                        await question()
                    outcomes["read"] += 1
                except Exception as error:
                    meaning = client.meaning(error)
                    outcomes[meaning.name] += 1
                    if meaning in (RequestFailure.OTHER, RequestFailure.TIMEOUT):
                        unnamed.append(f"{asked}, {name}: {type(error).__name__}: {error}")

    answered(exchange, {}, ask)
    assert not unnamed
    assert outcomes["MALFORMED"] > outcomes["read"] > 0


def test_a_batch_of_binance_is_taken_as_answered():
    (rows,) = cases("response_binance", "createOrders")
    ours = [row | {"clientOrderId": IDS.binance(number)} for number, row in enumerate(rows, start=1)]
    refused = {"code": -2019, "msg": "Margin is insufficient."}
    orders = [command(number) for number in range(1, len(rows) + 2)]

    async def place(client: Any) -> Any:
        taken = await client.place_all(orders, [{}] * len(orders))
        return taken, client.meaning(taken[-1]), client.orders.order(0, int(rows[0]["orderId"]))

    taken, meaning, order = answered("binanceusdm", {"fapiPrivatePostBatchOrders": [*ours, refused]}, place)
    assert taken[:-1] == [int(row["orderId"]) for row in rows]
    assert (meaning, order) == (Reason.EXCHANGE_MARGIN_INSUFFICIENT, 1)


def test_a_batch_of_binance_with_others_names_is_not_believed():
    (rows,) = cases("response_binance", "createOrders")
    orders = [command(number) for number in range(1, len(rows) + 1)]

    async def place(client: Any) -> Any:
        return [client.meaning(one) for one in await client.place_all(orders, [{}] * len(orders))]

    meanings = answered("binanceusdm", {"fapiPrivatePostBatchOrders": rows}, place)
    assert meanings == [RequestFailure.MALFORMED] * len(rows)


def test_orders_of_binance_that_ended():
    (row,) = cases("response_binance", "fetchOrder")

    async def read(client: Any) -> Any:
        return client._found(client._by_id[row["symbol"]], row | {"clientOrderId": IDS.binance(OURS)})

    found = answered("binanceusdm", {}, read)
    filled = int(Decimal(row["executedQty"]) * ONE)
    assert (found.order, found.exchange_order_id, found.is_open, found.filled_lots) == (
        OURS,
        int(row["orderId"]),
        False,
        filled,
    )


def test_a_trade_of_binance_s_spot_market_is_none_of_ours():
    (rows,) = cases("response_binance", "fetchMyTrades")

    async def read(client: Any) -> Any:
        client.orders.remember(0, int(rows[0]["orderId"]), OURS)
        with pytest.raises(KeyError) as refused:
            await client._own_trade_of(client.markets[0], rows[0])
        return client.meaning(refused.value)

    assert answered("binanceusdm", {}, read) == RequestFailure.MALFORMED


def bitfinex_channel(channel: str, **terms: Any) -> Reader:
    reader = Reader("bitfinex")
    assert reader.take({"event": "subscribed", "channel": channel, "chanId": 5, **terms})
    return reader


def test_a_public_trade_of_bitfinex():
    ((trade,),) = cases("response_bitfinex", "fetchTrades")
    reader = bitfinex_channel("trades", symbol="tBTCUST")
    assert reader.take([5, "te", trade])
    (event,) = reader.fresh()
    assert (event.kind, event.trade_id, event.ts_exchange_ns) == (EventKind.TRADE, trade[0], trade[1] * 1_000_000)
    assert (event.price_ticks, event.quantity_lots) == (73_218 * ONE, 19_983)


def test_a_candle_of_bitfinex_closes_with_the_next_one():
    ((candle,),) = cases("response_bitfinex", "fetchOHLCV")
    reader = bitfinex_channel("candles", key="trade:1m:tBTCUST")
    assert reader.take([5, candle]) and reader.fresh() == []
    assert reader.take([5, [candle[0] + 60_000, *candle[1:]]])
    (bar,) = reader.fresh()
    opened, closed, high, low, volume = (int(Decimal(str(value)) * ONE) for value in candle[1:])
    assert (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks) == (opened, high, low, closed)
    assert (bar.volume_lots, bar.ts_exchange_ns) == (volume, candle[0] * 1_000_000)


def test_tickers_are_not_for_the_tape():
    reader = Reader("bitfinex")
    for messages in cases("ws_bitfinex", "watchTicker"):
        assert [reader.take(message) for message in messages] == [False] * len(messages)
    assert reader.fresh() == [] and not reader.counts
    (ticker,) = cases("response_bitfinex", "fetchTicker")
    assert not reader.take([7, ticker]) and reader.fresh() == []


def test_klines_of_binance_that_were_asked_for_are_bars_where_the_stream_says_them():
    (rows,) = cases("response_binance", "fetchOHLCV")
    reader = Reader("binance")
    names = ("t", "o", "h", "l", "c", "v", "T")
    for row in rows:
        kline = dict(zip(names, row, strict=False)) | {"s": "BTCUSDT", "i": "1m", "x": True}
        assert reader.take({"e": "kline", "E": row[6], "s": "BTCUSDT", "k": kline})
    bars = reader.fresh()
    assert [bar.ts_exchange_ns for bar in bars] == [row[0] * 1_000_000 for row in rows]
    assert [bar.close_ticks for bar in bars] == [int(Decimal(row[4]) * ONE) for row in rows]


def test_marks_of_hyperliquid_are_told_with_its_ticker():
    reader = Reader("hyperliquid")
    (messages,) = cases("ws_hyperliquid", "watchTicker")
    said = [message for message in messages if message["channel"] == "activeAssetCtx"]
    for message in messages:
        assert reader.take(message) == (message in said)
    marks = reader.fresh()
    assert {mark.kind for mark in marks} == {EventKind.MARK_PRICE}
    assert [mark.mark_ticks for mark in marks] == [
        int(Decimal(message["data"]["ctx"]["markPx"]) * ONE) for message in said
    ]
