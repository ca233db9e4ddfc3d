"""From Bitfinex's stream messages, as they are on the wire, to events in the inbox.

A message is a list: the number of a channel, then what is new in it. Channel 0 is the account's own.
"""

from collections.abc import Callable
from typing import Any

from adapters.exchanges.answers import FoundOrder, OwnTrade, Terms
from adapters.exchanges.bitfinex.book import Book
from adapters.exchanges.candles import Candle, Candles
from adapters.exchanges.markets import Market
from adapters.exchanges.messages import NS_PER_MS, Known, Messages
from adapters.exchanges.scales import Malformed
from engine.kinds import Aggressor, EventKind, FillFlag, OrderFlag, OrderType
from engine.reasons import Reason

# Places in an order.
_ID, _CLIENT_ID, _SYMBOL, _UPDATED_MS, _AMOUNT, _TYPE, _TIF_MS, _STATUS = 0, 2, 3, 5, 6, 8, 10, 13
_PRICE, _PRICE_AVERAGE, _PRICE_LIMIT = 16, 17, 19
_PLACED_MS, _FLAGS = 4, 12
# The place of what changed it in a wallet.
_WALLET_TEXT = 5
_ENDINGS = {
    "POSTONLY": Reason.EXCHANGE_POST_ONLY_WOULD_TAKE,
    "FILLORKILL": Reason.EXCHANGE_FOK_NOT_FILLABLE,
    "IOC": Reason.EXCHANGE_IOC_REMAINDER,
    "RSN_POS_REDUCE": Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE,
    "INSUFFICIENT": Reason.EXCHANGE_MARGIN_INSUFFICIENT,
    "RSN": Reason.EXCHANGE_OTHER,
}
# What says nothing that the tape holds: fills without their fee, notices, holdings that a question asks for.
_SAYS_NOTHING = frozenset(
    ("te", "ou", "os", "n", "ps", "pn", "pu", "pc", "ws", "bu", "miu", "mis", "mts", "ats", "fcs", "fls", "fos")
)


class BitfinexMessages(Messages):
    """Takes messages of all streams of an account. What it cannot read it counts by name, and never raises for it."""

    def __init__(self, known: Known) -> None:
        super().__init__(known)
        self._channels: dict[int, tuple[str, Callable[[list[Any]], None]]] = {}
        self._candles = Candles(self._put_bar)

    def forget_channels(self) -> None:
        """A new connection numbers its channels anew."""
        self._channels.clear()
        self._candles.forget()

    def subscribed(self, message: dict[str, Any]) -> str | None:
        """Remember what a channel's number stands for; the channel's name, None for one that is not for the tape."""
        name = str(message.get("channel"))
        symbol = str(message.get("symbol") or message.get("key", "").split(":", 2 if name == "candles" else 1)[-1])
        market = self._market(symbol)
        if market is None:
            return None
        handlers = {"book": self._book, "trades": self._trades, "candles": self._candle, "status": self._status}
        if name not in handlers:
            return None
        self._channels[int(message["chanId"])] = name, handlers[name](market)
        return name

    def take(self, message: Any) -> bool:
        """True where the message was one for the tape, readable or not."""
        if not isinstance(message, list) or len(message) < 2 or message[1] == "hb":
            return False
        if message[0] == 0:
            return self._take_own(message)
        channel = self._channels.get(message[0]) if isinstance(message[0], int) else None
        if channel is None:
            return False
        name, handler = channel
        self._read(name, handler, message)
        return True

    def _take_own(self, message: list[Any]) -> bool:
        name = message[1]
        handlers = {"tu": self._fill, "on": self._order, "oc": self._order, "wu": self._wallet}
        if name not in handlers:
            return isinstance(name, str) and name in _SAYS_NOTHING
        handler = handlers[name]
        self._read(name, lambda said: handler(said[2]), message)
        return True

    # Market data: a handler for each channel.

    def _book(self, market: Market) -> Callable[[list[Any]], None]:
        book = Book(market)
        said = None

        def take(message: list[Any]) -> None:
            nonlocal said
            if message[1] == "cs":
                return
            best = book.take(message[1])
            if best is not None and best != said and best.bid_ticks < best.ask_ticks:
                said = best
                self._inbox.quote(market.number, best.bid_ticks, best.ask_ticks, best.bid_lots, best.ask_lots)

        return take

    def _trades(self, market: Market) -> Callable[[list[Any]], None]:
        def take(message: list[Any]) -> None:
            # The snapshot repeats what was; `tu` repeats `te`.
            if message[1] != "te":
                return
            trade_id, mts, amount, price = message[2][:4]
            lots = market.size.exact(amount)
            aggressor = Aggressor.BUYER if lots > 0 else Aggressor.SELLER
            ticks = market.price.nearest(price)
            self._inbox.trade(market.number, ticks, abs(lots), int(trade_id), aggressor, int(mts) * NS_PER_MS)

        return take

    def _candle(self, market: Market) -> Callable[[list[Any]], None]:
        def take(message: list[Any]) -> None:
            rows = message[1]
            # A snapshot begins with its newest; only that one is not yet over.
            newest = rows[0] if rows and isinstance(rows[0], list) else rows
            if newest:
                mts, opened, closed, high, low, volume = newest[:6]
                prices = (opened, high, low, closed)
                ticks = tuple(market.price.nearest(price) for price in prices)
                candle = Candle(int(mts) * NS_PER_MS, (ticks[0], ticks[1], ticks[2], ticks[3]), market.volume(volume))
                self._candles.take(market.number, candle)

        return take

    def _put_bar(self, instrument: int, candle: Candle) -> None:
        self._inbox.bar(instrument, candle.opened_ns, candle.prices_ticks, candle.volume_lots)

    def _status(self, market: Market) -> Callable[[list[Any]], None]:
        def take(message: list[Any]) -> None:
            row = message[1]
            # A derivative's price, its underlying's, and its mark.
            index, mark = row[3], row[14]
            if mark is not None:
                ticks = market.mark.nearest(mark), market.mark.nearest(index or 0)
                self._inbox.mark_price(market.number, *ticks, int(row[0]) * NS_PER_MS)

        return take

    # The account's own.

    def _fill(self, row: list[Any]) -> None:
        trade = self.own_trade_of(row)
        if trade is not None:
            self._own_trade(trade)

    def _wallet(self, row: list[Any]) -> None:
        """What is in a wallet is asked for, and so is funding: only the ledger has ids."""
        if len(row) > _WALLET_TEXT and "FUNDING" in str(row[_WALLET_TEXT]).upper():
            self._funding_paid()

    def own_trade_of(self, row: list[Any]) -> OwnTrade | None:
        """An own trade, from a stream or an answer; None of an instrument that is not ours. Raises Malformed."""
        trade_id, symbol, mts, exchange_order_id, amount, price = row[:6]
        market = self._market(symbol)
        if market is None:
            return None
        client_id = row[11] if len(row) > 11 else None
        order = self._ids.order_of_bitfinex(int(client_id)) if client_id else 0
        self._orders.check(market.number, int(exchange_order_id), order)
        order = order or self._orders.order(market.number, int(exchange_order_id)) or 0
        lots = self._oddities.lots(market, amount)
        flags = (FillFlag.SELL if lots < 0 else 0) | (FillFlag.MAKER if row[8] == 1 else 0)
        fee, fee_flag = self._fee(market, row[9], row[10])
        ticks, ts_ns = market.price.nearest(price), int(mts) * NS_PER_MS
        return OwnTrade(order, market.number, int(trade_id), ticks, abs(lots), fee, flags | fee_flag, ts_ns)

    def _fee(self, market: Market, amount: Any, currency: Any) -> tuple[int, int]:
        """A fee that is paid is below zero here. One in a currency that has no place on the tape is counted."""
        if not amount:
            return 0, 0
        pair = market.market_id.removeprefix("t")
        base, _, quote = pair.partition(":") if ":" in pair else (pair[:-3], "", pair[-3:])
        if currency in (quote, quote.removesuffix("F0"), market.instrument.settlement_currency):
            return -market.money.nearest(amount), 0
        if currency == base:
            return -market.size.nearest(amount), FillFlag.FEE_IN_BASE
        return -self._oddities.fee_units(market, str(currency), amount), 0

    def _order(self, row: list[Any]) -> None:
        found = self.found(row)
        if found is None:
            return
        if found.order == 0:
            self._counts["foreign orders"] += 1
            return
        # A filled order has ended, and its fills say so.
        if not found.is_open and found.kind == EventKind.ORDER_ACCEPTED:
            return
        self._inbox.order_report(
            found.kind,
            self._account,
            found.instrument,
            found.order,
            found.exchange_order_id,
            found.reason,
            ts_exchange_ns=found.ts_ns,
        )

    def found(self, row: list[Any]) -> FoundOrder | None:
        """An order, from a stream or an answer; None of an instrument that is not ours. Raises Malformed."""
        market = self._market(row[_SYMBOL])
        if market is None:
            return None
        exchange_order_id = int(row[_ID])
        order = self._ids.order_of_bitfinex(int(row[_CLIENT_ID] or 0))
        self._orders.remember(market.number, exchange_order_id, order)
        updated_ms = int(row[_UPDATED_MS] or 0)
        kind, reason, is_open = _state(str(row[_STATUS]), int(row[_TIF_MS] or 0), updated_ms)
        found = FoundOrder(order, market.number, exchange_order_id, kind, reason, updated_ms * NS_PER_MS, is_open)
        if order == 0:
            return found
        # The amount it began with stays when it is changed: only its trades say what is filled.
        never_filled = str(row[_STATUS]).startswith("ACTIVE") and not row[_PRICE_AVERAGE]
        return found._replace(
            left_lots=abs(market.size.exact(row[_AMOUNT])) if is_open else 0,
            price_ticks=_price_ticks(market, row),
            filled_lots=0 if never_filled else None,
            terms=_terms(market, row),
        )


_ORDER_TYPES = {
    "LIMIT": OrderType.LIMIT,
    "STOP": OrderType.STOP,
    "STOP LIMIT": OrderType.STOP_LIMIT,
    "TRAILING STOP": OrderType.TRAILING_STOP,
    "FOK": OrderType.LIMIT,
    "IOC": OrderType.LIMIT,
}
_REDUCE_ONLY, _POST_ONLY = 1024, 4096


def _terms(market: Market, row: list[Any]) -> Terms:
    kind = str(row[_TYPE]).removeprefix("EXCHANGE ")
    said = int(row[_FLAGS] or 0)
    flags = OrderFlag.SELL if market.size.nearest(row[_AMOUNT]) < 0 else 0
    flags |= OrderFlag.REDUCE_ONLY if said & _REDUCE_ONLY else 0
    flags |= OrderFlag.POST_ONLY if said & _POST_ONLY else 0
    trigger_ticks = market.price.nearest(row[_PRICE] or 0) if kind.startswith("STOP") else 0
    placed_ns = int(row[_PLACED_MS] or 0) * NS_PER_MS
    return Terms(_ORDER_TYPES.get(kind, OrderType.MARKET), flags, trigger_ticks, placed_ns)


def _price_ticks(market: Market, row: list[Any]) -> int:
    """An order's limit, or its trigger where it has no limit; that of a trailing order moves."""
    kind = str(row[_TYPE]).removeprefix("EXCHANGE ")
    if kind in ("MARKET", "TRAILING STOP"):
        return 0
    return market.price.nearest((row[_PRICE_LIMIT] if kind == "STOP LIMIT" else row[_PRICE]) or 0)


def _state(status: str, expires_ms: int, updated_ms: int) -> tuple[EventKind, Reason, bool]:
    """What a status says, such as `CANCELED was: PARTIALLY FILLED @ 10.0(0.5)`: its kind, its reason, if it is open."""
    now = status.partition(" was:")[0].partition(": was")[0]
    if now.startswith(("ACTIVE", "PARTIALLY FILLED")):
        return EventKind.ORDER_ACCEPTED, Reason.NONE, True
    if now.startswith("EXECUTED"):
        return EventKind.ORDER_ACCEPTED, Reason.NONE, False
    for name, reason in _ENDINGS.items():
        if now.startswith(name):
            return EventKind.ORDER_CANCELED, reason, False
    if not now.startswith("CANCELED"):
        raise Malformed(f"{status!r} is no status of an order")
    if expires_ms and updated_ms >= expires_ms:
        return EventKind.ORDER_EXPIRED, Reason.EXCHANGE_EXPIRED, False
    return EventKind.ORDER_CANCELED, Reason.EXCHANGE_CANCELED_ON_REQUEST, False
