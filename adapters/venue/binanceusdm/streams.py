"""Binance's streams: public ones by subscription, and a private one for each customer behind a listen key."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import msgspec

from adapters.venue.binanceusdm.account import Json
from adapters.venue.binanceusdm.errors import BinanceError
from adapters.venue.binanceusdm.market import messages_of
from adapters.venue.binanceusdm.orders import (
    Orders,
    actual_type,
    algo_status_of,
    client_id_of,
    is_conditional,
    side_of,
    status_of,
    time_in_force_of,
    type_of,
)
from adapters.venue.binanceusdm.symbols import Symbols
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer
from adapters.venue.faults import Messages
from adapters.venue.market import MarketUpdate, Quote
from adapters.venue.orders import FundingUpdate, OrderUpdate, OwnTrade, PrivateUpdate, VenueOrder
from adapters.venue.server import Stream
from engine.kinds import EventKind

LISTEN_KEY_MS = 3_600_000
_MS = 1_000_000
_EXECUTIONS = {
    EventKind.ORDER_ACCEPTED: "NEW",
    EventKind.ORDER_TRIGGERED: "NEW",
    EventKind.ORDER_AMENDED: "AMENDMENT",
    EventKind.ORDER_FILLED: "TRADE",
}


class PublicStreams:
    """Who has subscribed to what."""

    def __init__(self, core: VenueCore, symbols: Symbols) -> None:
        self._symbols = symbols
        self._listeners: dict[str, list[tuple[Stream, bool]]] = {}
        self._quotes: dict[int, Quote] = {}
        core.market_listeners.append(self._on_update)

    @property
    def names(self) -> list[str]:
        """The streams that somebody listens to."""
        return list(self._listeners)

    def listeners(self, name: str) -> list[Stream]:
        return [stream for stream, _ in self._listeners.get(name, [])]

    def subscribe(self, stream: Stream, names: list[str], is_combined: bool) -> None:
        """A combined stream says with every message where it belongs."""
        for name in names:
            listeners = self._listeners.setdefault(name, [])
            if (stream, is_combined) not in listeners:
                listeners.append((stream, is_combined))

    def unsubscribe(self, stream: Stream, names: list[str] | None = None) -> None:
        """From some streams, or from all."""
        for name in list(self._listeners) if names is None else names:
            left = [one for one in self._listeners.get(name, []) if one[0] is not stream]
            if left:
                self._listeners[name] = left
            else:
                self._listeners.pop(name, None)

    def subscribed(self, stream: Stream) -> list[str]:
        return [name for name, listeners in self._listeners.items() if any(one[0] is stream for one in listeners)]

    def on_text(self, stream: Stream, text: str, is_combined: bool) -> None:
        """A client's own message: subscribe, unsubscribe or list."""
        try:
            asked = msgspec.json.decode(text, type=_Asked)
        except msgspec.MsgspecError:
            stream.answer('{"error":{"code":3,"msg":"Invalid JSON: expected a method, params and an id"}}')
            return
        result: list[str] | None = None
        if asked.method == "SUBSCRIBE":
            self.subscribe(stream, asked.params, is_combined)
        elif asked.method == "UNSUBSCRIBE":
            self.unsubscribe(stream, asked.params)
        elif asked.method == "LIST_SUBSCRIPTIONS":
            result = self.subscribed(stream)
        else:
            stream.answer(_encoded({"error": {"code": 2, "msg": "Invalid request: unknown method"}, "id": asked.id}))
            return
        stream.answer(_encoded({"result": result, "id": asked.id}))

    def _on_update(self, update: MarketUpdate) -> None:
        before = self._quotes.get(update.instrument)
        if isinstance(update, Quote):
            self._quotes[update.instrument] = update
        if not self._listeners:
            return
        for message in messages_of(self._symbols[update.instrument], update, before):
            heard = [name for name in message.streams if name in self._listeners]
            text = message.text() if heard else ""
            for name in heard:
                for stream, is_combined in self._listeners[name]:
                    stream.send(message.about, f'{{"stream":"{name}","data":{text}}}' if is_combined else text)


class _Asked(msgspec.Struct):
    method: str
    id: int | str | None = None
    params: list[str] = []


@dataclass
class _Listening:
    """A customer's listen key, until when it holds, and the connections behind it."""

    key: str
    expires_ms: int
    streams: list[Stream] = field(default_factory=list)


class PrivateStreams:
    """Listen keys, and what customers are told of their orders and accounts."""

    def __init__(self, core: VenueCore, symbols: Symbols, orders: Orders) -> None:
        self._core = core
        self._symbols = symbols
        self._orders = orders
        self._listening: dict[str, _Listening] = {}
        self._keys = 0
        # After `Orders`, who gives triggered orders their ids.
        core.private_listeners.append(self._on_update)

    def listen_key(self, customer: Customer) -> str:
        """The customer's key, which then holds for an hour."""
        listening = self._live(customer)
        if listening is None:
            self._keys += 1
            key = hashlib.sha256(f"{customer.secret} {self._keys} {self._core.clock_ns()}".encode()).hexdigest()
            listening = self._listening[customer.name] = _Listening(key, 0)
        listening.expires_ms = self._now_ms() + LISTEN_KEY_MS
        return listening.key

    def keep_alive(self, customer: Customer) -> str:
        if self._live(customer) is None:
            raise BinanceError(-1125, "This listenKey does not exist.")
        return self.listen_key(customer)

    def end(self, customer: Customer) -> None:
        listening = self._listening.pop(customer.name, None)
        for stream in listening.streams if listening else ():
            stream.close()

    def connect(self, key: str, stream: Stream) -> bool:
        """Let a connection hear what happens behind a key; False where there is no such key."""
        listening = next((one for one in self._listening.values() if one.key == key), None)
        if listening is None or listening.expires_ms <= self._now_ms():
            return False
        listening.streams.append(stream)
        return True

    def disconnect(self, stream: Stream) -> None:
        for listening in self._listening.values():
            if stream in listening.streams:
                listening.streams.remove(stream)

    def _now_ms(self) -> int:
        return self._core.clock_ns() // _MS

    def _live(self, customer: Customer) -> _Listening | None:
        """What listens for a customer. A key whose time is over is told so and forgotten."""
        listening = self._listening.get(customer.name)
        if listening is None or listening.expires_ms > self._now_ms():
            return listening
        expired = {"e": "listenKeyExpired", "E": self._now_ms(), "listenKey": listening.key}
        for stream in listening.streams:
            stream.answer(_encoded(expired))
        del self._listening[customer.name]
        return None

    def _on_update(self, update: PrivateUpdate) -> None:
        customer = self._core.customer(update.customer)
        listening = self._live(customer)
        if listening is None or not listening.streams:
            return
        if isinstance(update, FundingUpdate):
            messages = [(Messages.BALANCES, self._funding(customer, update))]
        else:
            messages = self._of_order(customer, update)
        for about, message in messages:
            text = _encoded(message)
            for stream in listening.streams:
                stream.send(about, text)

    def _of_order(self, customer: Customer, update: OrderUpdate) -> list[tuple[Messages, Json]]:
        order = update.order
        told: list[tuple[Messages, Json]] = []
        conditional = is_conditional(order)
        if conditional and update.kind != EventKind.ORDER_FILLED and (not order.triggered or order.is_open):
            told.append((Messages.ORDERS, self._algo_update(order, update.ts_ns)))
        if update.trade is not None:
            told.append((Messages.BALANCES, self._account_update(customer, update.trade)))
        if not conditional or order.triggered:
            about = Messages.FILLS if update.trade is not None else Messages.ORDERS
            told.append((about, self._order_update(update)))
        if conditional and order.triggered and not order.is_open:
            told.append((Messages.ORDERS, self._algo_update(order, update.ts_ns)))
        return told

    def _order_update(self, update: OrderUpdate) -> Json:
        order, trade, ts_ms = update.order, update.trade, update.ts_ns // _MS
        symbol = self._symbols[order.request.instrument]
        executed = _EXECUTIONS.get(update.kind) or status_of(order)
        filled = {"l": "0", "L": "0", "t": 0, "m": False, "rp": "0"}
        if trade is not None:
            in_base = trade.fee_in_base
            filled = {
                "l": symbol.quantities.text(trade.quantity_lots),
                "L": symbol.prices.text(trade.price_ticks),
                "N": symbol.instrument.base_currency if in_base else symbol.asset,
                "n": (symbol.quantities if in_base else symbol.money).text(trade.fee),
                "t": trade.number,
                "m": trade.is_maker,
                "rp": symbol.money.text(trade.realized_units),
            }
        shown = {
            "s": symbol.name,
            "c": client_id_of(order),
            "S": side_of(order),
            "o": actual_type(order),
            "f": time_in_force_of(order),
            "q": symbol.quantities.text(order.quantity_lots),
            "p": symbol.prices.text(order.limit_ticks),
            "ap": symbol.price_of(order.traded_ticks_lots, order.filled_lots),
            "sp": symbol.prices.text(order.trigger_ticks),
            "x": executed,
            "X": status_of(order),
            "i": self._orders.actual_id(order),
            "z": symbol.quantities.text(order.filled_lots),
            "T": ts_ms,
            "b": "0",
            "a": "0",
            "R": order.request.reduce_only,
            "wt": "CONTRACT_PRICE",
            "ot": type_of(order),
            "ps": "BOTH",
            "cp": False,
            "pP": False,
            "si": order.number if is_conditional(order) else 0,
            "ss": 0,
            "V": "NONE",
            "pm": "NONE",
            "gtd": order.request.expire_ts_ns // _MS,
            **filled,
        }
        return {"e": "ORDER_TRADE_UPDATE", "E": ts_ms, "T": ts_ms, "o": shown}

    def _algo_update(self, order: VenueOrder, ts_ns: int) -> Json:
        symbol = self._symbols[order.request.instrument]
        actual = self._orders.actual_id(order)
        shown = {
            "caid": client_id_of(order),
            "aid": order.number,
            "at": "CONDITIONAL",
            "o": type_of(order),
            "s": symbol.name,
            "S": side_of(order),
            "ps": "BOTH",
            "f": time_in_force_of(order),
            "q": symbol.quantities.text(order.quantity_lots),
            "X": algo_status_of(order),
            "ai": str(actual) if actual else "",
            "ap": symbol.price_of(order.traded_ticks_lots, order.filled_lots),
            "aq": symbol.quantities.text(order.filled_lots),
            "act": actual_type(order) if actual else "0",
            "tp": symbol.prices.text(order.trigger_ticks),
            "p": symbol.prices.text(order.limit_ticks),
            "V": "NONE",
            "wt": "CONTRACT_PRICE",
            "pm": "NONE",
            "cp": False,
            "pP": False,
            "R": order.request.reduce_only,
            "tt": order.updated_ns // _MS if order.triggered else 0,
            "gtd": order.request.expire_ts_ns // _MS,
            "rm": "" if order.is_open else order.reason.name,
        }
        return {"e": "ALGO_UPDATE", "T": ts_ns // _MS, "E": ts_ns // _MS, "o": shown}

    def _account_update(self, customer: Customer, trade: OwnTrade) -> Json:
        """What the account is after a trade."""
        symbol = self._symbols[trade.order.request.instrument]
        worth_units = trade.position_lots * trade.price_ticks * symbol.instrument.tick_lot_units
        position = {
            "s": symbol.name,
            "pa": symbol.quantities.text(trade.position_lots),
            "ep": symbol.entry_text(trade.position_cost_units, trade.position_lots),
            "bep": symbol.entry_text(trade.position_cost_units, trade.position_lots),
            "cr": symbol.money.text(trade.realized_units),
            "up": symbol.money.text(worth_units - trade.position_cost_units),
            "mt": "cross",
            "iw": "0",
            "ps": "BOTH",
        }
        return self._account_event("ORDER", customer, symbol.number, trade.balance_units, trade.ts_ns, "0", [position])

    def _funding(self, customer: Customer, update: FundingUpdate) -> Json:
        wallet = customer.balance(update.account).wallet_units
        change = self._symbols[update.instrument].money.text(update.amount_units)
        return self._account_event("FUNDING_FEE", customer, update.instrument, wallet, update.ts_ns, change, [])

    def _account_event(
        self,
        cause: str,
        customer: Customer,
        number: int,
        wallet_units: int,
        ts_ns: int,
        change: str,
        positions: list[Json],
    ) -> Json:
        symbol = self._symbols[number]
        wallet = symbol.money.text(wallet_units)
        asset = customer.accounts[symbol.instrument.account].currency
        balances = [{"a": asset, "wb": wallet, "cw": wallet, "bc": change}]
        return {
            "e": "ACCOUNT_UPDATE",
            "E": ts_ns // _MS,
            "T": ts_ns // _MS,
            "a": {"m": cause, "B": balances, "P": positions},
        }


def _encoded(value: Any) -> str:
    return msgspec.json.encode(value).decode()
