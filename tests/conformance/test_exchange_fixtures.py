"""What exchanges said to others is put on the tape as it should be, or put aside by name; and nothing raises."""

import time
from collections import Counter
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from adapters.exchanges.answers import KnownOrders, OwnTrade
from adapters.exchanges.binanceusdm import BinanceMessages
from adapters.exchanges.bitfinex import BitfinexMessages
from adapters.exchanges.client_ids import ClientIds
from adapters.exchanges.hyperliquid import HyperliquidMessages
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.markets import Market, Rules
from adapters.exchanges.messages import Known
from adapters.exchanges.oddities import Oddities
from adapters.exchanges.port import ExchangeInstrument
from engine.kinds import EventKind, FillFlag
from engine.records import EVENT, OVERLAYS
from tests.conformance import recorded

IDS = ClientIds("0123456789abcdef" * 2)
OURS = 7
ACCOUNT = 2
FINEST = Decimal("1e-8")


class AnyMarkets(dict):
    """A market of very fine steps for every name that is asked for."""

    def __init__(self, currency: str) -> None:
        super().__init__()
        self._currency = currency

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: str) -> Market:
        instrument = ExchangeInstrument(len(self), name, FINEST, FINEST, self._currency, "BASE", 8)
        self[name] = Market(instrument, name, Rules())
        return self[name]

    def get(self, name: str, otherwise: Any = None) -> Market:
        return self[name]


class Reader:
    """Reads messages of an exchange; `fresh` tells what came of the last ones."""

    def __init__(self, exchange: str) -> None:
        self.inbox = Inbox(time.time_ns)
        self.counts: Counter[str] = Counter()
        self.markets = AnyMarkets("USDC" if exchange == "hyperliquid" else "USDT")
        self.orders = KnownOrders()
        self.orderless: list[Any] = []
        oddities = Oddities(ACCOUNT, self.inbox, self.counts, {})
        known = Known(
            ACCOUNT, self.inbox, self.markets, IDS, self.orders, self.counts, self._own_trade, oddities, lambda: None
        )
        self.messages: Any = {
            "binance": lambda: BinanceMessages(known),
            "bitfinex": lambda: BitfinexMessages(known),
            "hyperliquid": lambda: HyperliquidMessages(known, self.orderless.append),
        }[exchange]()

    def _own_trade(self, trade: OwnTrade) -> None:
        words = (trade.order, trade.trade_id, trade.price_ticks, trade.quantity_lots, trade.fee)
        self.inbox.put(EventKind.ORDER_FILLED, trade.flags, 0, trade.instrument, ACCOUNT, words, trade.ts_ns)

    def take(self, value: Any) -> bool:
        if (
            isinstance(self.messages, BitfinexMessages)
            and isinstance(value, dict)
            and value.get("event") == "subscribed"
        ):
            return self.messages.subscribed(value) is not None
        return bool(self.messages.take(value))

    def fresh(self) -> list[Any]:
        taken, _ = self.inbox.take(1 << 20)
        return [
            np.atleast_1d(row).view(OVERLAYS[EventKind(int(row["kind"]))]).view(np.recarray)[0]
            for row in taken.view(EVENT)
        ]


def ours(exchange: str, value: Any) -> Any:
    """The same message about an order of this tape."""
    if exchange == "binance":
        said = value.get("data", value)
        name = "caid" if said.get("e") == "ALGO_UPDATE" else "c"
        return said | {"o": said["o"] | {name: IDS.binance(OURS)}} if isinstance(said.get("o"), dict) else value
    channel, name, row = value
    place = {"te": 11, "tu": 11}.get(name, 2)
    return [channel, name, row[:place] + [IDS.bitfinex(OURS)] + row[place + 1 :]]


# What every recorded stream says, by its file below the folder of all of them: kinds of events, or why there are none.
BINANCE = {
    "binance_usdm_jkorf/Subscriptions/UsdFutures/AggTrades.txt": "TRADE",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/AssetIndex.txt": "not for the tape: assetIndexUpdate",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/BookTicker.txt": "QUOTE",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/Concurrent.txt": "no message",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/ContKlines.txt": "not for the tape: continuous_kline",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/Klines.txt": "a bar that is not closed",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/Liquidations.txt": "not for the tape: forceOrder",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/MarkPrice.txt": "MARK_PRICE",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/MultiAssetMode.txt": "says nothing",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/PartialBook.txt": "not for the tape: depthUpdate",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/SymbolUpdates.txt": "not for the tape: contractInfo",
    "binance_usdm_jkorf/Subscriptions/UsdFutures/TradeUpdate.txt": "says nothing",
    "binance_usdm_nautilus/crates/market_data_json/book_ticker_stream.json": "QUOTE",
    "binance_usdm_nautilus/crates/market_data_json/kline_stream_closed.json": "BAR",
    "binance_usdm_nautilus/crates/market_data_json/liquidation_stream.json": "not for the tape: forceOrder",
    "binance_usdm_nautilus/crates/market_data_json/ticker_stream.json": "not for the tape: 24hrTicker",
    "binance_usdm_nautilus/crates/user_data_json/account_update.json": "says nothing",
    "binance_usdm_nautilus/crates/user_data_json/algo_update_canceled.json": "ORDER_CANCELED",
    "binance_usdm_nautilus/crates/user_data_json/order_update_adl.json": "ORDER_FILLED",
    "binance_usdm_nautilus/crates/user_data_json/order_update_calculated_pending.json": "a fill of nothing",
    "binance_usdm_nautilus/crates/user_data_json/order_update_insurance.json": "ORDER_FILLED",
    "binance_usdm_nautilus/crates/user_data_json/order_update_settlement.json": "ORDER_FILLED",
    "binance_usdm_nautilus/crates/user_data_json/order_update_trade_partial.json": "ORDER_FILLED",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_algo_update_finished.json": "its ordinary order says it",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_algo_update_triggered.json": "ORDER_TRIGGERED",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_book_ticker.json": "QUOTE",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_depth_update.json": "not for the tape: depthUpdate",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_order_update_adl_filled.json": "ORDER_FILLED",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_order_update_liquidation_zero_qty.json": "a fill of nothing",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_order_update_new_price_match.json": "ORDER_ACCEPTED",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_order_update_new_stop_limit_price_match.json": "ORDER_ACCEPTED",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_order_update_trade_reduce_only_qty.json": "ORDER_FILLED",
    "binance_usdm_nautilus/tests/ws_messages/ws_futures_trade_lite.json": "says nothing",
}
BITFINEX = {
    "bitfinex_jkorf/Socket/Spot/CancelFundingOffer.txt": "not for the tape: foc",
    "bitfinex_jkorf/Socket/Spot/PlaceOrder.txt": "says nothing",
    "bitfinex_jkorf/Socket/Spot/UpdateOrder.txt": "says nothing",
    "bitfinex_jkorf/Subscriptions/Spot/DerivStatus.txt": "MARK_PRICE",
    "bitfinex_jkorf/Subscriptions/Spot/FundingCreditUpdate.txt": "not for the tape: fcu",
    "bitfinex_jkorf/Subscriptions/Spot/FundingLoanSnapshot.txt": "says nothing",
    "bitfinex_jkorf/Subscriptions/Spot/FundingOfferSnapshot.txt": "says nothing",
    "bitfinex_jkorf/Subscriptions/Spot/FundingUserTrade.txt": "not for the tape: fte",
    "bitfinex_jkorf/Subscriptions/Spot/Liquidations.txt": "a row of a channel that nobody asked for",
    "bitfinex_jkorf/Subscriptions/Spot/MarginSymbol.txt": "says nothing",
    "bitfinex_jkorf/Subscriptions/Spot/OrderBookFunding.txt": "malformed: book",
    "bitfinex_jkorf/Subscriptions/Spot/OrderBookRawFunding.txt": "malformed: book",
    "bitfinex_jkorf/Subscriptions/Spot/OrderUpdate.txt": "ORDER_CANCELED",
    "bitfinex_jkorf/Subscriptions/Spot/PositionUpdate.txt": "says nothing",
    "bitfinex_jkorf/Subscriptions/Spot/TickerFunding.txt": "a row of a channel that nobody asked for",
    "bitfinex_jkorf/Subscriptions/Spot/UserTrade.txt": "says nothing",
    "bitfinex_jkorf/Subscriptions/Spot/WalletUpdate.txt": "says nothing",
}
HYPERLIQUID = {
    "hyperliquid_jkorf/Subscriptions/BookTicker.txt": "QUOTE",
    "hyperliquid_jkorf/Subscriptions/Klines.txt": "a day, not a minute",
    "hyperliquid_jkorf/Subscriptions/OrderBook.txt": "not for the tape: l2Book",
    "hyperliquid_jkorf/Subscriptions/Trades.txt": "TRADE",
    "hyperliquid_nautilus/ws_all_dexs_asset_ctxs.json": "not for the tape: allDexsAssetCtxs",
    "hyperliquid_nautilus/ws_book_data.json": "no channel",
}
STREAMS = {"binance": BINANCE, "bitfinex": BITFINEX, "hyperliquid": HYPERLIQUID}
FOLDERS = {
    "binance": ("binance_usdm_jkorf", "binance_usdm_nautilus"),
    "bitfinex": ("bitfinex_jkorf",),
    "hyperliquid": ("hyperliquid_jkorf", "hyperliquid_nautilus"),
}
OF_STREAMS = ("/Subscriptions/", "/ws_", "market_data_json", "user_data_json", "bitfinex_jkorf/Socket/")
REPORTS = ("ORDER_ACCEPTED", "ORDER_CANCELED", "ORDER_TRIGGERED")


def of_order(value: Any) -> bool:
    """Whether a message is about one order."""
    if isinstance(value, dict):
        said = value.get("data", value)
        return isinstance(said, dict) and isinstance(said.get("o"), dict)
    return isinstance(value, list) and len(value) == 3 and value[1] in ("oc", "on", "tu")


@pytest.mark.parametrize("exchange", STREAMS)
def test_every_recorded_stream_message_is_an_event_or_put_aside_by_name(exchange):
    expected = STREAMS[exchange]
    seen = set()
    for path in recorded.files(*FOLDERS[exchange]):
        name = recorded.name_of(path)
        if not any(part in name for part in OF_STREAMS):
            continue
        seen.add(name)
        what = expected.get(name, "not in the table")
        values = list(recorded.values(path))
        for about_ours in (False, True):
            reader = Reader(exchange)
            taken = [
                reader.take(ours(exchange, value) if about_ours and of_order(value) else value) for value in values
            ]
            kinds = [EventKind(event.kind).name for event in reader.fresh()]
            if what in REPORTS and not about_ours:
                # Of orders that are not of this tape nothing is put but their trades.
                assert kinds == [] and reader.counts == {"foreign orders": 1}, name
            elif what.isupper():
                assert kinds == [what], name
            else:
                assert kinds == [], f"{name}: {what}"
                if what == "says nothing":
                    assert taken[-1], name
                if what.startswith("not for"):
                    assert not any(taken), name
                if what.startswith("malformed"):
                    assert reader.counts[what] == 1, name
    assert seen == set(expected)


def test_a_liquidation_is_an_own_trade_of_no_order_of_ours():
    path = recorded.shared_data("exchange_fixtures/binance_usdm_nautilus/crates/user_data_json/order_update_adl.json")
    reader = Reader("binance")
    assert reader.take(next(recorded.values(path)))
    (fill,) = reader.fresh()
    assert (fill.order, fill.trade_id, fill.fill_flags) == (0, 12346001, 0)
    assert (fill.price_ticks, fill.quantity_lots, fill.fee) == (42_000 * 10**8, 500_000, 10_500_000)


def test_a_fill_of_ours_has_all_that_was_said():
    folder = "exchange_fixtures/binance_usdm_nautilus/crates/user_data_json/"
    path = recorded.shared_data(f"{folder}order_update_trade_partial.json")
    reader = Reader("binance")
    assert reader.take(ours("binance", next(recorded.values(path))))
    (fill,) = reader.fresh()
    assert (fill.order, fill.account, fill.trade_id) == (OURS, ACCOUNT, 12345678)
    assert (fill.price_ticks, fill.quantity_lots, fill.fee) == (710_050_000_000, 100_000, 1_000_000)
    assert (fill.fill_flags, fill.ts_exchange_ns) == (FillFlag.MAKER, 1_568_879_465_651_000_000)


def test_a_recorded_session_of_binance():
    path = recorded.shared_data("exchange_fixtures/cryptofeed/BINANCE_FUTURES.ws.1.0")
    reader = Reader("binance")
    taken = Counter(reader.take(value) for value in recorded.values(path))
    kinds = Counter(EventKind(event.kind).name for event in reader.fresh())
    assert kinds == {"QUOTE": 613, "TRADE": 91, "BAR": 4} and not reader.counts
    # The rest are candles that are not closed, and depth, which nobody asks for.
    assert taken == {True: 771, False: 764}


def test_a_recorded_session_of_bitfinex():
    path = recorded.shared_data("exchange_fixtures/cryptofeed/BITFINEX.ws.11.0")
    reader = Reader("bitfinex")
    for value in recorded.values(path):
        reader.take(value)
    quotes = reader.fresh()
    assert len(quotes) > 100 and {event.kind for event in quotes} == {EventKind.QUOTE}
    assert all(0 < quote.bid_ticks < quote.ask_ticks and quote.bid_lots > 0 for quote in quotes)
    assert not reader.counts


def test_recorded_candles_of_hyperliquid_close_with_the_next_one():
    path = recorded.shared_data("exchange_fixtures/ccxt_static/ws_hyperliquid.json")
    reader = Reader("hyperliquid")
    values = [value for value in recorded.values(path) if value["channel"] == "candle"]
    for value in values:
        assert reader.take(value)
    assert reader.fresh() == []
    later = values[-1]["data"] | {"t": values[-1]["data"]["t"] + 60_000, "c": "64099.0"}
    assert reader.take({"channel": "candle", "data": later})
    (bar,) = reader.fresh()
    assert (bar.open_ticks, bar.close_ticks) == (64_082 * 10**8, 64_100 * 10**8)
    assert (bar.volume_lots, bar.ts_exchange_ns) == (639_200_000, 1_786_539_540_000_000_000)
