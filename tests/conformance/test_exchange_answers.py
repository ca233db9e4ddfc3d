"""What exchanges answered to others, read by our clients without a network: orders, trades, holdings, refusals."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from adapters.exchanges import connect
from adapters.exchanges.answers import Amended, FoundOrder, Refused
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Connection, ExchangeInstrument, Keys
from engine.kinds import DecisionKind, EventKind, FillFlag, OrderType, TimeInForce
from engine.reasons import Reason
from tests.conformance import recorded
from tests.conformance.test_exchange_fixtures import FINEST, IDS, AnyMarkets

COMMAND = Command(DecisionKind.PLACE_ORDER, OrderType.LIMIT, TimeInForce.GTC, 0, 0, 2, 1, 1, 7, 10, 10, 0, 0, 0)
ONE = 10**8
BINANCE = "binance_usdm_jkorf/Endpoints/UsdFutures/"
NAUTILUS = "binance_usdm_nautilus/"


def answered(exchange: str, answers: dict[str, Any], scenario: Callable[[Any], Awaitable[Any]]) -> Any:
    """What a client makes of answers, by the name of ccxt's method that would ask for them."""

    async def play() -> Any:
        currency = "USDC" if exchange == "hyperliquid" else "USDT"
        symbol = f"BTC/{currency}:{currency}"
        instruments = [ExchangeInstrument(0, symbol, FINEST, FINEST, currency, "BTC", 8)]
        keys = Keys("key", "0x" + "11" * 32, "0x" + "22" * 20)
        connection = Connection(2, exchange, keys, "http://127.0.0.1:9", instruments, frozenset(), IDS)
        client: Any = connect(connection, Inbox(lambda: 1_800_000_000 * 10**9))
        markets = AnyMarkets(currency)
        name = "_by_coin" if exchange == "hyperliquid" else "_by_id"
        setattr(client, name, markets)
        client._messages._markets = markets
        client.markets = {0: markets[{"binanceusdm": "BTCUSDT", "bitfinex": "tBTCUST"}.get(exchange, "BTC")]}
        client._assets = {0: 0}
        for method, answer in answers.items():
            setattr(client.wire, method, lambda *_, answer=answer: _now(answer))
        try:
            return await scenario(client)
        finally:
            client.wire.timeout_on_exit = 0
            await client.close()

    return asyncio.run(play())


async def _now(answer: Any) -> Any:
    return answer


def one(name: str, which: int = 0) -> Any:
    return list(recorded.values(recorded.shared_data(f"exchange_fixtures/{name}")))[which]


def test_binance_orders_that_are_open():
    rows = one(f"{BINANCE}Trading/GetOpenOrders.txt")
    conditional = one(f"{BINANCE}Trading/GetOpenConditionalOrders.txt")
    answers = {"fapiPrivateGetOpenOrders": rows, "fapiPrivateGetOpenAlgoOrders": conditional}
    found = answered("binanceusdm", answers, lambda client: client.find_open())
    assert [(order.order, order.is_open, order.is_conditional) for order in found] == [
        *[(0, True, False)] * len(rows),
        (0, True, True),
    ]
    assert found[-1].exchange_order_id == 2148627


@pytest.mark.parametrize(
    "name",
    [
        f"{BINANCE}Trading/GetOpenOrders.txt",
        f"{BINANCE}Trading/GetForcedOrders.txt",
        f"{NAUTILUS}tests/http_responses/http_futures_account_orders.json",
    ],
)
def test_binance_orders(name):
    async def read(client: Any) -> list[FoundOrder]:
        return [client._found(client._by_id[row["symbol"]], row) for row in one(name)]

    for order in answered("binanceusdm", {}, read):
        assert order.order == 0 and order.exchange_order_id > 0 and order.kind == EventKind.ORDER_ACCEPTED


def test_a_binance_conditional_order_that_was_triggered_goes_on_as_an_ordinary_one():
    (row,) = one(f"{BINANCE}Trading/GetConditionalOrders.txt")

    async def read(client: Any) -> Any:
        found = client._found_conditional(client._by_id["BTCUSDT"], row | {"clientAlgoId": IDS.binance(7)})
        return found, client.orders.order(found.instrument, 974828356187)

    found, order = answered("binanceusdm", {}, read)
    assert (found.order, found.exchange_order_id, found.is_open, order) == (7, 1000001270850379, False, 7)


def test_binance_takes_amends_and_cancels_as_answered():
    name = IDS.binance(COMMAND.order)
    answers = {
        "fapiPrivatePostOrder": one(f"{BINANCE}Trading/PlaceOrder.txt") | {"clientOrderId": name},
        "fapiPrivatePostAlgoOrder": one(f"{BINANCE}Trading/PlaceConditionalOrder.txt") | {"clientAlgoId": name},
        "fapiPrivatePutOrder": one(f"{BINANCE}Trading/EditOrder.txt"),
        "fapiPrivateDeleteOrder": one(f"{BINANCE}Trading/CancelOrder.txt"),
        "fapiPrivateDeleteAlgoOrder": one(f"{BINANCE}Trading/CancelConditionalOrder.txt"),
    }

    async def ask(client: Any) -> Any:
        market = client.markets[0]
        stop = COMMAND._replace(order_type=OrderType.STOP, trigger_ticks=10)
        await client.cancel(market, COMMAND)
        await client.cancel(market, stop)
        placed = await client.place(market, COMMAND), await client.place(market, stop)
        return *placed, await client.amend(market, COMMAND)

    placed, conditional, amended = answered("binanceusdm", answers, ask)
    edited = answers["fapiPrivatePutOrder"]
    assert (placed, conditional) == (22542179, 2146760)
    assert amended == Amended(int(Decimal(edited["origQty"]) * ONE), int(Decimal(edited["price"]) * ONE))


@pytest.mark.parametrize(
    ("account", "positions", "total", "held"),
    [
        (f"{BINANCE}Account/GetAccountInfoV3.txt", f"{BINANCE}Trading/GetPositions.txt", "23.72469206", "0.001"),
        (
            f"{NAUTILUS}crates/http_json/account_info_v2.json",
            f"{NAUTILUS}crates/http_json/position_risk.json",
            "23.72469206",
            "0.001",
        ),
        (
            f"{BINANCE}Account/GetAccountInfoV3.txt",
            f"{NAUTILUS}tests/http_responses/http_futures_account_positions_hedge.json",
            "23.72469206",
            "10",
        ),
    ],
)
def test_binance_holdings(account, positions, total, held):
    answers = {"fapiPrivateV3GetAccount": one(account), "fapiPrivateV3GetPositionRisk": one(positions)}
    holdings = answered("binanceusdm", answers, lambda client: client.holdings())
    assert holdings.total_units == int(Decimal(total) * ONE)
    assert sum(abs(one.quantity_lots) for one in holdings.positions.values()) == int(Decimal(held) * ONE)


def test_bitfinex_orders_and_trades():
    async def read(client: Any) -> Any:
        placed = client._messages.found(one("ccxt_static/response_bitfinex.json", 0)[4][0])
        cancelled = client._messages.found(one("bitfinex_jkorf/Endpoints/Spot/Trading/CancelOrder.txt")[4])
        (row,) = one("bitfinex_jkorf/Endpoints/Spot/Trading/GetOrderTrades.txt")
        return placed, cancelled, client._messages.own_trade_of(row)

    placed, cancelled, trade = answered("bitfinex", {}, read)
    assert (placed.exchange_order_id, placed.is_open, placed.order) == (156523558501, True, 0)
    assert (cancelled.exchange_order_id, cancelled.is_open) == (1747566428, False)
    assert (cancelled.kind, cancelled.reason) == (EventKind.ORDER_CANCELED, Reason.EXCHANGE_CANCELED_ON_REQUEST)
    assert (trade.trade_id, trade.quantity_lots, trade.price_ticks) == (399251013, 26_334_268, 18_737_000_000)
    assert (trade.fee, trade.flags) == (9_868_591, 0)


def test_bitfinex_takes_and_cancels_as_answered():
    placed = one("ccxt_static/response_bitfinex.json", 0)
    row = placed[4][0]
    answers = {
        "privatePostAuthWOrderSubmit": [*placed[:4], [[*row[:2], IDS.bitfinex(COMMAND.order), *row[3:]]], *placed[5:]],
        "privatePostAuthWOrderCancel": one("ccxt_static/response_bitfinex.json", 1),
    }

    async def ask(client: Any) -> int:
        placed = await client.place(client.markets[0], COMMAND)
        await client.cancel(client.markets[0], COMMAND)
        return placed

    assert answered("bitfinex", answers, ask) == 156523558501


def test_bitfinex_holdings():
    answers = {
        "privatePostAuthRWallets": one("bitfinex_jkorf/Endpoints/Spot/Account/GetBalances.txt"),
        "privatePostAuthRPositions": one("bitfinex_jkorf/Endpoints/Spot/Trading/GetPositionsById.txt"),
    }
    holdings = answered("bitfinex", answers, lambda client: client.holdings())
    assert holdings.total_units == holdings.available_units == 1_978_865_292_570
    (held,) = [held for held in holdings.positions.values() if held.quantity_lots]
    assert (held.quantity_lots, held.entry_ticks) == (96_820_000, 18_276_000_000)


def test_hyperliquid_orders():
    rows = one("hyperliquid_sdk_cassettes/test_get_frontend_open_orders.yaml")
    found = answered("hyperliquid", {"publicPostInfo": rows}, lambda client: client.find_open())
    assert len(found) == len(rows) and all(order.is_open and order.order == 0 for order in found)
    said = one("ccxt_static/response_hyperliquid.json", 3)
    said["order"]["order"]["cloid"] = IDS.hyperliquid(7)

    async def read(client: Any) -> FoundOrder:
        return await client.find(client._by_coin["HYPE"], COMMAND)

    order = answered("hyperliquid", {"publicPostInfo": said}, read)
    assert (order.order, order.exchange_order_id, order.is_open) == (7, 80972193016, True)
    unknown = answered("hyperliquid", {"publicPostInfo": {"status": "unknownOid"}}, read)
    assert unknown is None


def test_hyperliquid_takes_an_order_as_answered():
    answers = {"privatePostExchange": one("ccxt_static/response_hyperliquid.json", 0)}

    async def place(client: Any) -> int:
        return await client.place(client.markets[0], COMMAND)

    assert answered("hyperliquid", answers, place) == 296683658818
    refused = {"status": "ok", "response": {"data": {"statuses": [{"error": "Order has zero size. asset=4"}]}}}
    with pytest.raises(Refused, match="QUANTITY_BELOW_MINIMUM"):
        answered("hyperliquid", {"privatePostExchange": refused}, place)
    waits = {"status": "ok", "response": {"data": {"statuses": ["waitingForTrigger"]}}}
    assert answered("hyperliquid", {"privatePostExchange": waits}, place) == 0


def test_hyperliquid_trades():
    (row,) = one("hyperliquid_jkorf/Endpoints/Spot/Trading/GetUserTrades.txt")

    async def read(client: Any) -> Any:
        return client._messages.own_trade_of(client._by_coin[row["coin"]], row, 7)

    trade = answered("hyperliquid", {}, read)
    assert (trade.order, trade.trade_id, trade.flags) == (7, 118906512037719, FillFlag.MAKER)
    assert (trade.price_ticks, trade.quantity_lots, trade.fee) == (1_843_500_000, 9_353_000_000, 1_000_000)


def test_hyperliquid_trades_of_the_days_before_they_had_ids_are_refused():
    rows = one("hyperliquid_sdk_cassettes/test_get_user_fills.yaml")

    async def read(client: Any) -> Any:
        for row in rows:
            with pytest.raises(KeyError, match="tid"):
                client._messages.own_trade_of(client._by_coin[row["coin"]], row, 7)

    answered("hyperliquid", {}, read)


@pytest.mark.parametrize(
    ("name", "which", "total", "positions"),
    [
        ("hyperliquid_jkorf/Endpoints/Futures/Account/GetAccountInfo.txt", 0, "83.313638", 1),
        ("hyperliquid_sdk_cassettes/test_get_user_state.yaml", 0, None, 12),
        ("ccxt_static/response_hyperliquid.json", 4, None, None),
    ],
)
def test_hyperliquid_holdings(name, which, total, positions):
    said = one(name, which)
    holdings = answered("hyperliquid", {"publicPostInfo": said}, lambda client: client.holdings())
    gains = sum(Decimal(row["position"]["unrealizedPnl"]) for row in said["assetPositions"])
    assert holdings.total_units == int((Decimal(said["marginSummary"]["accountValue"]) - gains) * ONE)
    assert len(holdings.positions) == len(said["assetPositions"]) == (positions or len(said["assetPositions"]))
    if total:
        assert holdings.total_units == int(Decimal(total) * ONE)
