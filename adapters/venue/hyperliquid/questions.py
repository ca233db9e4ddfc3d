"""`/info`: questions about the market and about any account. They need no signature."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

import msgspec

from adapters.venue.core import VenueCore
from adapters.venue.hyperliquid import wire
from adapters.venue.hyperliquid.clearing import clearinghouse, funding
from adapters.venue.hyperliquid.coins import Coin, amount, by_name
from adapters.venue.hyperliquid.records import CustomerRecord
from adapters.venue.hyperliquid.wire import MS_NS, Json
from adapters.venue.market import Bar
from adapters.venue.orders import OwnTrade

MINUTE_NS = 60 * 10**9
INTERVALS_NS = {
    name: minutes * MINUTE_NS
    for name, minutes in {"1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240}.items()
}

_FILLS_MAX = 2_000
_ORDERS_MAX = 2_000
_CANDLES_MAX = 5_000
_FUNDING_MAX = 500

# There is no spot market, but clients want to know of one.
_SPOT_META = {
    "tokens": [
        {
            "name": "USDC",
            "szDecimals": 8,
            "weiDecimals": 8,
            "index": 0,
            "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
            "isCanonical": True,
            "evmContract": None,
            "fullName": None,
        }
    ],
    "universe": [],
}


class Question(msgspec.Struct):
    """What a question may have; which of it is needed depends on its type."""

    type: str
    user: str | None = None
    coin: str | None = None
    oid: int | str | None = None
    dex: str = ""
    start_ms: int = msgspec.field(name="startTime", default=0)
    end_ms: int | None = msgspec.field(name="endTime", default=None)
    req: Json | None = None


class QuestionUnreadable(ValueError):
    """A question that is not known here or lacks something: answered with HTTP 422."""


class Questions:
    """Answers questions of a type by the method of that name."""

    def __init__(self, core: VenueCore, coins: Sequence[Coin], records: Mapping[str, CustomerRecord]) -> None:
        self._core = core
        self._coins = coins
        self._by_name = by_name(coins)
        self._records = records
        self._answers: dict[str, Callable[[Question], Any]] = {
            "meta": lambda _: self._meta(),
            "metaAndAssetCtxs": lambda _: [self._meta(), [self.context(coin) for coin in coins]],
            "perpDexs": lambda _: [None],
            "spotMeta": lambda _: _SPOT_META,
            "spotMetaAndAssetCtxs": lambda _: [_SPOT_META, []],
            "allMids": lambda _: self.mids(),
            "exchangeStatus": lambda _: {"specialStatuses": None, "time": self._now_ms()},
            "l2Book": lambda q: self.book(self._coin(q)),
            "recentTrades": lambda q: self._recent_trades(self._coin(q)),
            "candleSnapshot": self._candles,
            "clearinghouseState": lambda q: self.clearinghouse(self._record(q)),
            "spotClearinghouseState": lambda _: {"balances": []},
            "userAbstraction": lambda _: "disabled",
            "userRole": lambda q: {"role": "user" if self._record(q) else "missing"},
            "userFees": lambda _: self._fees(),
            "openOrders": lambda q: self._open_orders(self._record(q), wire.open_order),
            "frontendOpenOrders": lambda q: self._open_orders(self._record(q), wire.frontend_order),
            "orderStatus": self._order_status,
            "historicalOrders": lambda q: self._history(self._record(q)),
            "userFills": lambda q: self.fills(self._record(q)),
            "userFillsByTime": self._fills_by_time,
            "userFunding": self._funding,
        }

    def answer(self, body: bytes | str) -> Any:
        """The JSON value that answers a question. Raises QuestionUnreadable."""
        try:
            question = msgspec.json.decode(body, type=Question)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise QuestionUnreadable(str(error)) from None
        answer = self._answers.get(question.type)
        if answer is None or question.dex:
            raise QuestionUnreadable(question.type)
        return answer(question)

    def context(self, coin: Coin) -> Json:
        return wire.asset_context(coin, self._core.views[coin.instrument.number])

    def mids(self) -> Json:
        views = self._core.views
        return {coin.name: wire.middle(coin, view) for coin, view in zip(self._coins, views, strict=True)}

    def book(self, coin: Coin) -> Json:
        return wire.book(coin, self._core.quote(coin.instrument.number), self._now_ms())

    def fills(self, record: CustomerRecord | None) -> list[Json]:
        """The newest own trades, newest first."""
        return self._said(record.customer.trades()[: -_FILLS_MAX - 1 : -1]) if record else []

    def clearinghouse(self, record: CustomerRecord | None) -> Json:
        return clearinghouse(self._coins, record, self._now_ms())

    def find(self, user: str) -> CustomerRecord | None:
        """Whose address this is."""
        customer = self._core.customer_of(user.lower())
        return self._records[customer.name] if customer is not None else None

    def _meta(self) -> Json:
        universe = [
            {
                "name": coin.name,
                "szDecimals": coin.size_decimals,
                "maxLeverage": coin.leverage_max,
                "marginTableId": coin.leverage_max,
            }
            for coin in self._coins
        ]
        return {"universe": universe, "marginTables": [], "collateralToken": 0}

    def _fees(self) -> Json:
        """Every customer pays those of the first coin's terms; Hyperliquid has the same for all coins."""
        terms = self._coins[0].instrument
        taker, maker = _rate(terms.taker_fee_ppm), _rate(terms.maker_fee_ppm)
        return {
            "dailyUserVlm": [],
            "feeSchedule": {"cross": taker, "add": maker},
            "userCrossRate": taker,
            "userAddRate": maker,
            "activeReferralDiscount": "0.0",
        }

    def _recent_trades(self, coin: Coin) -> list[Json]:
        trades = list(self._core.views[coin.instrument.number].trades)[:-11:-1]
        return [wire.public_trade(coin, trade) for trade in trades]

    def _candles(self, question: Question) -> list[Json]:
        request = question.req or {}
        coin = self._by_name.get(request.get("coin", ""))
        length_ns = INTERVALS_NS.get(request.get("interval", ""))
        start, end = request.get("startTime"), request.get("endTime") or self._now_ms()
        if coin is None or length_ns is None or not isinstance(start, int) or not isinstance(end, int):
            raise QuestionUnreadable("candleSnapshot")
        bars = [bar for bar in self._core.views[coin.instrument.number].bars if bar.opened_ns // MS_NS <= end]
        merged = bars if length_ns == MINUTE_NS else _merged(bars, length_ns)
        shown = [bar for bar in merged if bar.opened_ns // MS_NS >= start][-_CANDLES_MAX:]
        return [wire.candle(coin, bar, request["interval"], length_ns) for bar in shown]

    def _open_orders(self, record: CustomerRecord | None, said: Callable[..., Json]) -> list[Json]:
        """Newest first."""
        orders = record.customer.open_orders()[::-1] if record else []
        return [said(self._coins[order.request.instrument], order) for order in orders]

    def _order_status(self, question: Question) -> Json:
        record = self._record(question)
        if question.oid is None:
            raise QuestionUnreadable("oid")
        oid = question.oid.lower() if isinstance(question.oid, str) else question.oid
        order = record.find(oid) if record else None
        if record is None or order is None:
            return {"status": "unknownOid"}
        coin = self._coins[order.request.instrument]
        return {"status": "order", "order": wire.order_with_status(coin, order, record.status(order))}

    def _history(self, record: CustomerRecord | None) -> list[Json]:
        if record is None:
            return []
        orders = record.history(_ORDERS_MAX)
        return [wire.order_with_status(self._coins[o.request.instrument], o, record.status(o)) for o in orders]

    def _fills_by_time(self, question: Question) -> list[Json]:
        """Own trades of a time, oldest first; the rest has to be asked for from the last one's time on."""
        record = self._record(question)
        trades = record.customer.trades(since_ns=question.start_ms * MS_NS) if record else []
        end = question.end_ms
        return self._said([t for t in trades if end is None or t.ts_ns // MS_NS <= end][:_FILLS_MAX])

    def _funding(self, question: Question) -> list[Json]:
        """Of a time, oldest first."""
        record = self._record(question)
        end_ms = self._now_ms() if question.end_ms is None else question.end_ms
        paid = [f for f in record.funding if question.start_ms <= f.ts_ns // MS_NS <= end_ms] if record else []
        return [funding(self._coins[entry.instrument], entry) for entry in paid[:_FUNDING_MAX]]

    def _said(self, trades: Sequence[OwnTrade]) -> list[Json]:
        return [wire.fill(self._coins[trade.order.request.instrument], trade) for trade in trades]

    def _coin(self, question: Question) -> Coin:
        coin = self._by_name.get(question.coin or "")
        if coin is None:
            raise QuestionUnreadable("coin")
        return coin

    def _record(self, question: Question) -> CustomerRecord | None:
        """Whose account a question is about, None for an address that has none here."""
        if not question.user:
            raise QuestionUnreadable("user")
        return self.find(question.user)

    def _now_ms(self) -> int:
        return self._core.clock_ns() // MS_NS


def _rate(ppm: int) -> str:
    return amount(Decimal(ppm).scaleb(-6))


def _merged(bars: Sequence[Bar], length_ns: int) -> list[Bar]:
    """Longer bars of what bars of a minute there are."""
    merged = []
    for place, group in groupby(bars, lambda bar: bar.opened_ns // length_ns):
        parts = list(group)
        merged.append(
            parts[-1]._replace(
                opened_ns=place * length_ns,
                open_ticks=parts[0].open_ticks,
                high_ticks=max(bar.high_ticks for bar in parts),
                low_ticks=min(bar.low_ticks for bar in parts),
                volume_lots=sum(bar.volume_lots for bar in parts),
            )
        )
    return merged
