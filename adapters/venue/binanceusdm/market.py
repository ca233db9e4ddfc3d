"""The market in Binance's words: answers to questions, and the messages of the public streams."""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from adapters.venue.binanceusdm.errors import BinanceError
from adapters.venue.binanceusdm.symbols import Symbol, Symbols
from adapters.venue.core import VenueCore
from adapters.venue.faults import Messages
from adapters.venue.market import Bar, Mark, MarketUpdate, Quote, Trade
from engine.kinds import Aggressor

Json = dict[str, Any]

BAR_INTERVAL = "1m"
_FUNDING_NS = 8 * 3_600 * 10**9
_DAY_MS = 86_400_000
_MS = 1_000_000
_QUANTITY_MAX_LOTS = 10**9


class MarketAnswers:
    """Answers that anybody may have."""

    def __init__(self, core: VenueCore, symbols: Symbols) -> None:
        self._core = core
        self._symbols = symbols

    def exchange_info(self, now_ms: int) -> Json:
        assets = sorted({symbol.asset for symbol in self._symbols.all})
        return {
            "timezone": "UTC",
            "serverTime": now_ms,
            "futuresType": "U_MARGINED",
            "rateLimits": [
                {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 2_400},
                {"rateLimitType": "ORDERS", "interval": "MINUTE", "intervalNum": 1, "limit": 1_200},
                {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 300},
            ],
            "exchangeFilters": [],
            "assets": [{"asset": asset, "marginAvailable": True, "autoAssetExchange": "0"} for asset in assets],
            "symbols": [_symbol_info(symbol) for symbol in self._symbols.all],
        }

    def book_ticker(self, name: str) -> Json | list[Json]:
        if name:
            return self._book_ticker(self._symbols.named(name))
        return [self._book_ticker(symbol) for symbol in self._symbols.all if self._core.quote(symbol.number)]

    def depth(self, name: str) -> Json:
        """The best bid and ask: the venue's book is no deeper."""
        symbol = self._symbols.named(name)
        quote = self._quote(symbol)
        return {
            "lastUpdateId": quote.sequence,
            "E": quote.ts_ns // _MS,
            "T": quote.ts_ns // _MS,
            "bids": [[symbol.prices.text(quote.bid_ticks), symbol.quantities.text(quote.bid_lots)]],
            "asks": [[symbol.prices.text(quote.ask_ticks), symbol.quantities.text(quote.ask_lots)]],
        }

    def premium_index(self, name: str) -> Json | list[Json]:
        if name:
            return self._premium(self._symbols.named(name))
        return [self._premium(symbol) for symbol in self._symbols.all]

    def price(self, name: str) -> Json | list[Json]:
        if name:
            return self._price(self._symbols.named(name))
        return [self._price(symbol) for symbol in self._symbols.all]

    def day_ticker(self, name: str) -> Json | list[Json]:
        if name:
            return self._day_ticker(self._symbols.named(name))
        return [self._day_ticker(symbol) for symbol in self._symbols.all]

    def trades(self, name: str, limit: int) -> list[Json]:
        symbol = self._symbols.named(name)
        return [
            {
                "id": trade.trade_id,
                "price": symbol.prices.text(trade.price_ticks),
                "qty": symbol.quantities.text(trade.quantity_lots),
                "quoteQty": symbol.cost_text(trade.price_ticks * trade.quantity_lots),
                "time": trade.ts_ns // _MS,
                "isBuyerMaker": trade.aggressor == Aggressor.SELLER,
            }
            for trade in list(self._core.views[symbol.number].trades)[-limit:]
        ]

    def aggregate_trades(self, name: str, from_id: int, start_ms: int, end_ms: int, limit: int) -> list[Json]:
        symbol = self._symbols.named(name)
        trades = [
            trade
            for trade in self._core.views[symbol.number].trades
            if trade.trade_id >= from_id and start_ms <= trade.ts_ns // _MS <= (end_ms or trade.ts_ns)
        ]
        chosen = trades[:limit] if from_id or start_ms else trades[-limit:]
        return [_aggregate(symbol, trade) for trade in chosen]

    def klines(self, name: str, interval: str, start_ms: int, end_ms: int, limit: int) -> list[list[Any]]:
        """Closed bars, and the one that has just begun."""
        symbol = self._symbols.named(name)
        if interval != BAR_INTERVAL:
            raise BinanceError(-1120, "Invalid interval.")
        view = self._core.views[symbol.number]
        bars = [*view.bars, _begun(symbol, view.bar_opened_ns, view.mark_ticks)] if view.mark_ticks else list(view.bars)
        asked = [bar for bar in bars if start_ms <= bar.opened_ns // _MS <= (end_ms or bar.opened_ns)]
        chosen = asked[:limit] if start_ms else asked[-limit:]
        return [_kline_row(symbol, bar) for bar in chosen]

    def _quote(self, symbol: Symbol) -> Quote:
        return self._core.quote(symbol.number) or Quote(symbol.number, 0, 0, 0, 0, 0, 0)

    def _book_ticker(self, symbol: Symbol) -> Json:
        quote = self._quote(symbol)
        return {
            "symbol": symbol.name,
            "bidPrice": symbol.prices.text(quote.bid_ticks),
            "bidQty": symbol.quantities.text(quote.bid_lots),
            "askPrice": symbol.prices.text(quote.ask_ticks),
            "askQty": symbol.quantities.text(quote.ask_lots),
            "time": quote.ts_ns // _MS,
            "lastUpdateId": quote.sequence,
        }

    def _premium(self, symbol: Symbol) -> Json:
        now_ns = self._core.clock_ns()
        mark = symbol.prices.text(self._core.views[symbol.number].mark_ticks)
        return {
            "symbol": symbol.name,
            "markPrice": mark,
            "indexPrice": mark,
            "estimatedSettlePrice": mark,
            "lastFundingRate": "0.00000000",
            "interestRate": "0.00000000",
            "nextFundingTime": (now_ns // _FUNDING_NS + 1) * _FUNDING_NS // _MS,
            "time": now_ns // _MS,
        }

    def _price(self, symbol: Symbol) -> Json:
        last = self._last_ticks(symbol)
        return {"symbol": symbol.name, "price": symbol.prices.text(last), "time": self._core.clock_ns() // _MS}

    def _last_ticks(self, symbol: Symbol) -> int:
        view = self._core.views[symbol.number]
        return view.trades[-1].price_ticks if view.trades else view.mark_ticks

    def _day_ticker(self, symbol: Symbol) -> Json:
        """Of the bars that are kept, which are less than a day."""
        view, now_ms = self._core.views[symbol.number], self._core.clock_ns() // _MS
        last, text = self._last_ticks(symbol), symbol.prices.text
        opened = view.bars[0].open_ticks if view.bars else last
        lots = sum(bar.volume_lots for bar in view.bars)
        cost = sum(bar.volume_lots * bar.close_ticks for bar in view.bars)
        return {
            "symbol": symbol.name,
            "priceChange": text(last - opened),
            "priceChangePercent": f"{(last - opened) / opened * 100:.3f}" if opened else "0",
            "weightedAvgPrice": symbol.price_of(cost, lots),
            "lastPrice": text(last),
            "lastQty": symbol.quantities.text(view.trades[-1].quantity_lots if view.trades else 0),
            "openPrice": text(opened),
            "highPrice": text(max((bar.high_ticks for bar in view.bars), default=last)),
            "lowPrice": text(min((bar.low_ticks for bar in view.bars), default=last)),
            "volume": symbol.quantities.text(lots),
            "quoteVolume": symbol.cost_text(cost),
            "openTime": now_ms - _DAY_MS,
            "closeTime": now_ms,
            "firstId": view.trades[0].trade_id if view.trades else -1,
            "lastId": view.trades[-1].trade_id if view.trades else -1,
            "count": len(view.trades),
        }


class Message(NamedTuple):
    """What a message is about, the streams that carry it, and its text, which is made for those who listen."""

    about: Messages
    streams: tuple[str, ...]
    text: Callable[[], str]


def messages_of(symbol: Symbol, update: MarketUpdate, before: Quote | None) -> list[Message]:
    """The messages that tell of an update; `before` is the symbol's quote before it."""
    name = symbol.name.lower()
    if isinstance(update, Quote):
        depths = tuple(f"{name}@depth{speed}" for speed in ("", "@0ms", "@100ms", "@250ms", "@500ms"))
        return [
            Message(Messages.QUOTES, (f"{name}@bookTicker", "!bookTicker"), lambda: _quote_text(symbol, update)),
            Message(Messages.QUOTES, depths, lambda: _depth_text(symbol, update, before)),
        ]
    if isinstance(update, Trade):
        return [
            Message(Messages.TRADES, (f"{name}@aggTrade",), lambda: _aggregate_text(symbol, update)),
            Message(Messages.TRADES, (f"{name}@trade",), lambda: _trade_text(symbol, update)),
        ]
    if isinstance(update, Mark):
        one = (f"{name}@markPrice", f"{name}@markPrice@1s")
        every = ("!markPrice@arr", "!markPrice@arr@1s")
        return [
            Message(Messages.MARKS, one, lambda: _mark_text(symbol, update)),
            Message(Messages.MARKS, every, lambda: f"[{_mark_text(symbol, update)}]"),
        ]
    streams = (f"{name}@kline_{BAR_INTERVAL}",)
    begun = _begun(symbol, max(update.ts_ns, update.opened_ns + _MS), update.close_ticks)
    return [
        Message(Messages.BARS, streams, lambda: _kline_text(symbol, update, is_closed=True)),
        Message(Messages.BARS, streams, lambda: _kline_text(symbol, begun, is_closed=False)),
    ]


def _quote_text(symbol: Symbol, quote: Quote) -> str:
    # The message that there are most of: put together by hand, which takes a third of the time.
    price, quantity, now_ms = symbol.prices.text, symbol.quantities.text, quote.ts_ns // _MS
    return (
        f'{{"e":"bookTicker","u":{quote.sequence},"E":{now_ms},"T":{now_ms},"s":"{symbol.name}",'
        f'"b":"{price(quote.bid_ticks)}","B":"{quantity(quote.bid_lots)}",'
        f'"a":"{price(quote.ask_ticks)}","A":"{quantity(quote.ask_lots)}"}}'
    )


def _depth_text(symbol: Symbol, quote: Quote, before: Quote | None) -> str:
    """What changes in a book of one level: the new best prices, and those before with nothing left."""
    bids = [(quote.bid_ticks, quote.bid_lots)]
    asks = [(quote.ask_ticks, quote.ask_lots)]
    if before is not None and before.bid_ticks != quote.bid_ticks:
        bids.insert(0, (before.bid_ticks, 0))
    if before is not None and before.ask_ticks != quote.ask_ticks:
        asks.insert(0, (before.ask_ticks, 0))
    last = before.sequence if before is not None else quote.sequence - 1
    return _encoded(
        {
            "e": "depthUpdate",
            "E": quote.ts_ns // _MS,
            "T": quote.ts_ns // _MS,
            "s": symbol.name,
            "U": last + 1,
            "u": quote.sequence,
            "pu": last,
            "b": [[symbol.prices.text(ticks), symbol.quantities.text(lots)] for ticks, lots in bids],
            "a": [[symbol.prices.text(ticks), symbol.quantities.text(lots)] for ticks, lots in asks],
        }
    )


def _trade_text(symbol: Symbol, trade: Trade) -> str:
    now_ms = trade.ts_ns // _MS
    is_maker = "true" if trade.aggressor == Aggressor.SELLER else "false"
    return (
        f'{{"e":"trade","E":{now_ms},"T":{now_ms},"s":"{symbol.name}","t":{trade.trade_id},'
        f'"p":"{symbol.prices.text(trade.price_ticks)}","q":"{symbol.quantities.text(trade.quantity_lots)}",'
        f'"X":"MARKET","m":{is_maker}}}'
    )


def _aggregate_text(symbol: Symbol, trade: Trade) -> str:
    return _encoded({"e": "aggTrade", "E": trade.ts_ns // _MS, "s": symbol.name, **_aggregate(symbol, trade)})


def _aggregate(symbol: Symbol, trade: Trade) -> Json:
    return {
        "a": trade.trade_id,
        "p": symbol.prices.text(trade.price_ticks),
        "q": symbol.quantities.text(trade.quantity_lots),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.ts_ns // _MS,
        "m": trade.aggressor == Aggressor.SELLER,
    }


def _mark_text(symbol: Symbol, mark: Mark) -> str:
    index_ticks = mark.index_ticks or mark.mark_ticks
    return _encoded(
        {
            "e": "markPriceUpdate",
            "E": mark.ts_ns // _MS,
            "s": symbol.name,
            "p": symbol.prices.text(mark.mark_ticks),
            "i": symbol.prices.text(index_ticks),
            "P": symbol.prices.text(index_ticks),
            "r": "0.00000000",
            "T": (mark.ts_ns // _FUNDING_NS + 1) * _FUNDING_NS // _MS,
        }
    )


def _begun(symbol: Symbol, opened_ns: int, price_ticks: int) -> Bar:
    """The bar after one that has closed, in which nothing has happened yet."""
    prices = (price_ticks,) * 4
    return Bar(symbol.number, opened_ns, opened_ns, *prices, 0)


def _kline_text(symbol: Symbol, bar: Bar, is_closed: bool) -> str:
    row = _kline_row(symbol, bar)
    kline = {
        **dict(zip(("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B"), row, strict=True)),
        "s": symbol.name,
        "i": BAR_INTERVAL,
        "f": -1,
        "L": -1,
        "x": is_closed,
    }
    return _encoded({"e": "kline", "E": bar.ts_ns // _MS, "s": symbol.name, "k": kline})


def _kline_row(symbol: Symbol, bar: Bar) -> list[Any]:
    opened_ms = bar.opened_ns // _MS
    prices = (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks)
    volume, cost = symbol.quantities.text(bar.volume_lots), symbol.cost_text(bar.volume_lots * bar.close_ticks)
    closed_ms = max(bar.ts_ns // _MS - 1, opened_ms)
    return [opened_ms, *map(symbol.prices.text, prices), volume, closed_ms, cost, 0, volume, cost, "0"]


def _symbol_info(symbol: Symbol) -> Json:
    instrument = symbol.instrument
    step = symbol.quantities.text(instrument.quantity_step_lots)
    lots_max = instrument.quantity_max_lots or _QUANTITY_MAX_LOTS
    sizes = {
        "minQty": symbol.quantities.text(instrument.quantity_min_lots),
        "maxQty": symbol.quantities.text(lots_max),
        "stepSize": step,
    }
    tick = symbol.prices.text(1)
    return {
        "symbol": symbol.name,
        "pair": symbol.name,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "maintMarginPercent": f"{instrument.margin_maintenance_ppm / 10_000:.4f}",
        "requiredMarginPercent": f"{instrument.margin_initial_ppm / 10_000:.4f}",
        "baseAsset": instrument.base_currency,
        "quoteAsset": instrument.quote_currency,
        "marginAsset": symbol.asset,
        "pricePrecision": symbol.prices.decimals,
        "quantityPrecision": symbol.quantities.decimals,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "triggerProtect": "0.0500",
        "liquidationFee": "0.0",
        "marketTakeBound": "0.05",
        "maxMoveOrderLimit": 10_000,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick, "maxPrice": "10000000", "tickSize": tick},
            {"filterType": "LOT_SIZE", **sizes},
            {"filterType": "MARKET_LOT_SIZE", **sizes},
            {"filterType": "MAX_NUM_ORDERS", "limit": 4096},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 4096},
            {"filterType": "MIN_NOTIONAL", "notional": symbol.money.text(instrument.notional_min_units)},
        ],
        "orderTypes": [*("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET")]
        + ["TRAILING_STOP_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


def _encoded(value: Json) -> str:
    return msgspec.json.encode(value).decode()
