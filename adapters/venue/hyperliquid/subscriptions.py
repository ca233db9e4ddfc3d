"""`/ws`: subscriptions, and what is sent to those who have them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from adapters.venue.core import VenueCore
from adapters.venue.faults import Messages
from adapters.venue.hyperliquid import wire
from adapters.venue.hyperliquid.actions import Actions, Unreadable
from adapters.venue.hyperliquid.coins import Coin, by_name
from adapters.venue.hyperliquid.questions import MINUTE_NS, Questions, QuestionUnreadable
from adapters.venue.hyperliquid.wire import Json
from adapters.venue.market import Bar, MarketUpdate, Quote, Trade
from adapters.venue.server import Stream

# What a subscription is told apart by: its type, and a coin, a coin and an interval, or a user.
Topic = tuple[str, ...]

_OF_COIN = ("l2Book", "bbo", "trades", "activeAssetCtx", "candle")
_OF_USER = ("orderUpdates", "userFills", "userFundings", "userEvents", "clearinghouseState", "spotState")
# What is said beside a subscription's own fields when it is confirmed.
_CONFIRMED_WITH: dict[str, Json] = {"l2Book": {"nSigFigs": None, "mantissa": None}}
_BAR_INTERVAL = "1m"

_encode = msgspec.json.Encoder().encode


class Subscriptions:
    """Who listens to what."""

    def __init__(self, core: VenueCore, coins: Sequence[Coin], questions: Questions, actions: Actions) -> None:
        self._core = core
        self._coins = coins
        self._by_name = by_name(coins)
        self._questions = questions
        self._actions = actions
        self._listeners: dict[Topic, list[Stream]] = defaultdict(list)
        self._addresses = {customer.name: customer.key for customer in core.customers}

    def on_text(self, stream: Stream, text: str) -> None:
        """A client's message: subscribe, unsubscribe, ping or post."""
        try:
            message = msgspec.json.decode(text)
            method = message["method"]
            if method == "ping":
                stream.answer('{"channel":"pong"}')
            elif method == "post":
                self._post(stream, message["id"], message["request"])
            elif method == "subscribe":
                self._subscribe(stream, message["subscription"])
            elif method == "unsubscribe":
                self._unsubscribe(stream, message["subscription"])
            else:
                raise KeyError(method)
        except (msgspec.DecodeError, KeyError, TypeError):
            _send_error(stream, f"Error parsing JSON into valid websocket request: {text}")

    def leave(self, stream: Stream) -> None:
        """A connection has ended."""
        for listeners in self._listeners.values():
            if stream in listeners:
                listeners.remove(stream)

    def on_market(self, update: MarketUpdate) -> None:
        """Listens to the core."""
        coin = self._coins[update.instrument]
        if isinstance(update, Quote):
            self._send(("l2Book", coin.name), Messages.QUOTES, lambda: wire.book(coin, update, 0))
            self._send(("bbo", coin.name), Messages.QUOTES, lambda: wire.best(coin, update))
            self._send(("allMids",), Messages.QUOTES, self._mids)
        elif isinstance(update, Trade):
            self._send(("trades", coin.name), Messages.TRADES, lambda: [wire.public_trade(coin, update)])
        elif isinstance(update, Bar):
            self._send_candles(coin, update)
        self._send(("activeAssetCtx", coin.name), Messages.MARKS, lambda: self._context(coin))

    def on_private(self, customer: str, orders: list[Json], fills: list[Json]) -> None:
        """Tell a customer of orders and fills."""
        user = self._addresses[customer]
        if orders:
            self._send(("orderUpdates", user), Messages.ORDERS, lambda: orders)
        if fills:
            self._send(("userFills", user), Messages.FILLS, lambda: {"user": user, "fills": fills})
            self._send(("userEvents", user), Messages.FILLS, lambda: {"fills": fills}, channel="user")
        self._send(("clearinghouseState", user), Messages.BALANCES, lambda: self._clearinghouse(user))

    def on_funding(self, customer: str, paid: Json) -> None:
        """Tell a customer of funding, an element of `userFunding`."""
        user = self._addresses[customer]
        told = {"time": paid["time"], **{name: value for name, value in paid["delta"].items() if name != "type"}}
        self._send(("userFundings", user), Messages.BALANCES, lambda: {"user": user, "fundings": [told]})
        self._send(("userEvents", user), Messages.BALANCES, lambda: {"funding": told}, channel="user")

    def _subscribe(self, stream: Stream, subscription: Json) -> None:
        topic = self._topic(subscription)
        if topic is None:
            _send_error(stream, f"Invalid subscription {_text(subscription)}")
            return
        if stream in self._listeners[topic]:
            _send_error(stream, f"Already subscribed: {_text(subscription)}")
            return
        self._confirm(stream, "subscribe", subscription)
        self._listeners[topic].append(stream)
        self._send_first(stream, topic)

    def _unsubscribe(self, stream: Stream, subscription: Json) -> None:
        topic = self._topic(subscription)
        if topic is None or stream not in self._listeners[topic]:
            _send_error(stream, f"Already unsubscribed: {_text(subscription)}")
            return
        self._listeners[topic].remove(stream)
        self._confirm(stream, "unsubscribe", subscription)

    def _confirm(self, stream: Stream, method: str, subscription: Json) -> None:
        confirmed = subscription | _CONFIRMED_WITH.get(subscription["type"], {})
        data = {"method": method, "subscription": confirmed}
        stream.answer(_text({"channel": "subscriptionResponse", "data": data}))

    def _topic(self, subscription: Json) -> Topic | None:
        """What a subscription is to, None for what is not known here."""
        kind = subscription["type"]
        if kind == "allMids":
            return (kind,)
        if kind in _OF_USER:
            return kind, subscription["user"].lower()
        if kind not in _OF_COIN or subscription["coin"] not in self._by_name:
            return None
        if kind == "candle":
            is_known = subscription["interval"] == _BAR_INTERVAL
            return (kind, subscription["coin"], _BAR_INTERVAL) if is_known else None
        return kind, subscription["coin"]

    def _send_first(self, stream: Stream, topic: Topic) -> None:
        """What a new listener is told at once: how things stand."""
        kind, name = topic[0], topic[-1]
        if kind == "allMids":
            _put(stream, Messages.QUOTES, kind, self._mids())
        elif kind == "l2Book":
            _put(stream, Messages.QUOTES, kind, self._questions.book(self._by_name[name]))
        elif kind == "activeAssetCtx":
            _put(stream, Messages.MARKS, kind, self._context(self._by_name[name]))
        elif kind == "userFills":
            fills = self._questions.fills(self._questions.find(name))
            _put(stream, Messages.FILLS, kind, {"isSnapshot": True, "user": name, "fills": fills})
        elif kind == "userFundings":
            _put(stream, Messages.BALANCES, kind, {"isSnapshot": True, "user": name, "fundings": []})
        elif kind == "clearinghouseState":
            _put(stream, Messages.BALANCES, kind, self._clearinghouse(name))
        elif kind == "spotState":
            _put(stream, Messages.BALANCES, kind, {"user": name, "spotState": {"balances": []}})

    def _send_candles(self, coin: Coin, bar: Bar) -> None:
        """The bar that has closed and the next one, which shows that it has."""
        topic = "candle", coin.name, _BAR_INTERVAL
        after = Bar(
            bar.instrument,
            opened_ns=self._core.views[bar.instrument].bar_opened_ns,
            ts_ns=bar.ts_ns,
            open_ticks=bar.close_ticks,
            high_ticks=bar.close_ticks,
            low_ticks=bar.close_ticks,
            close_ticks=bar.close_ticks,
            volume_lots=0,
        )
        for shown in (bar, after):
            self._send(topic, Messages.BARS, lambda: wire.candle(coin, shown, _BAR_INTERVAL, MINUTE_NS))  # noqa: B023

    def _post(self, stream: Stream, number: int, request: Json) -> None:
        """A question or an action by websocket, answered under the number that it came with."""
        kind, body = request["type"], _encode(request["payload"])
        try:
            if kind == "action":
                payload: Any = self._actions.answer(body)
            elif kind == "info":
                payload = {"type": request["payload"]["type"], "data": self._questions.answer(body)}
            else:
                raise KeyError(kind)
        except (Unreadable, QuestionUnreadable):
            kind, payload = "error", "Failed to deserialize the JSON body into the target type"
        data = {"id": number, "response": {"type": kind, "payload": payload}}
        stream.answer(_text({"channel": "post", "data": data}))

    def _mids(self) -> Json:
        return {"mids": self._questions.mids()}

    def _context(self, coin: Coin) -> Json:
        return {"coin": coin.name, "ctx": self._questions.context(coin)}

    def _clearinghouse(self, user: str) -> Json:
        state = self._questions.clearinghouse(self._questions.find(user))
        return {"dex": "", "user": user, "clearinghouseState": state}

    def _send(self, topic: Topic, about: Messages, data: Callable[[], Any], channel: str = "") -> None:
        """Send to whoever listens; nothing is made where nobody does."""
        listeners: Iterable[Stream] = self._listeners.get(topic, ())
        if listeners:
            text = _text({"channel": channel or topic[0], "data": data()})
            for stream in listeners:
                stream.send(about, text)


def _put(stream: Stream, about: Messages, channel: str, data: Any) -> None:
    stream.send(about, _text({"channel": channel, "data": data}))


def _send_error(stream: Stream, text: str) -> None:
    stream.answer(_text({"channel": "error", "data": text}))


def _text(message: Any) -> str:
    return _encode(message).decode()
