"""What customers do at Binance: place, amend, cancel and ask about orders."""

import asyncio
from typing import Any, NamedTuple

import msgspec

from adapters.venue.binanceusdm.account import AccountAnswers
from adapters.venue.binanceusdm.errors import BinanceError, missing, no_such_order, rejection, unknown_order
from adapters.venue.binanceusdm.orders import Orders, is_conditional
from adapters.venue.binanceusdm.requests import Parameters
from adapters.venue.binanceusdm.symbols import Symbols
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer
from adapters.venue.orders import Duplicate, OrderRequest, Rejected, VenueOrder
from engine.reasons import Reason

Json = dict[str, Any]

BATCH_MAX = 5
_LIMIT_DEFAULT = 500
_LIMIT_MAX = 1_000
_MS = 1_000_000
_ALL_CANCELED = {"code": 200, "msg": "The operation of cancel all open order is done."}


class Asked(NamedTuple):
    """A request and who sent it."""

    customer: Customer
    parameters: Parameters


class Trading:
    """Answers to requests about orders."""

    def __init__(self, core: VenueCore, symbols: Symbols, orders: Orders, account: AccountAnswers) -> None:
        self._core = core
        self._symbols = symbols
        self._orders = orders
        self._account = account
        self._countdowns: dict[tuple[str, int], asyncio.TimerHandle] = {}

    def place(self, asked: Asked) -> Json:
        return self._orders.shown(self._placed(asked.customer, self._orders.read(asked.parameters)))

    def place_conditional(self, asked: Asked) -> Json:
        request = self._orders.read_conditional(asked.customer, asked.parameters)
        return self._orders.shown_conditional(self._placed(asked.customer, request))

    def place_batch(self, asked: Asked) -> list[Json]:
        """Each order is placed or refused by itself."""
        return [_answer_or_error(self.place, Asked(asked.customer, one)) for one in batch_of(asked.parameters)]

    def amend(self, asked: Asked) -> Json:
        order = self._orders.find(asked.customer, asked.parameters)
        if order is None or not order.is_open:
            raise no_such_order()
        lots, ticks = self._orders.amendment(order, asked.parameters)
        if lots <= order.filled_lots:
            return self._canceled(asked.customer, order)
        answer = self._core.amend(asked.customer, order.number, lots, ticks)
        if isinstance(answer, Rejected):
            if answer.reason == Reason.EXCHANGE_POST_ONLY_WOULD_TAKE:
                return self._canceled(asked.customer, order)
            raise rejection(answer.reason)
        return self._orders.shown(order)

    def cancel(self, asked: Asked) -> Json:
        order = self._orders.find(asked.customer, asked.parameters)
        if order is None or not order.is_open:
            raise unknown_order()
        return self._canceled(asked.customer, order)

    def cancel_batch(self, asked: Asked) -> list[Json]:
        names = {"orderidlist": "orderId", "origclientorderidlist": "origClientOrderId"}
        symbol = asked.parameters.required("symbol")
        wanted = [
            Parameters({"symbol": symbol, name: str(one)})
            for key, name in names.items()
            for one in _listed(asked.parameters.text(key))
        ]
        return [_answer_or_error(self.cancel, Asked(asked.customer, one)) for one in wanted]

    def cancel_all(self, asked: Asked) -> Json:
        """Ordinary orders of a symbol."""
        self._cancel_each(asked.customer, self._symbols.named(asked.parameters.required("symbol")).number)
        return _ALL_CANCELED

    def cancel_conditional(self, asked: Asked) -> Json:
        order = self._orders.find_conditional(asked.customer, asked.parameters)
        if order is None or not order.is_open or order.triggered:
            raise unknown_order()
        self._core.cancel(asked.customer, order.number)
        shown = self._orders.shown_conditional(order)
        return {"algoId": shown["algoId"], "clientAlgoId": shown["clientAlgoId"], "code": "200", "msg": "success"}

    def cancel_all_conditional(self, asked: Asked) -> Json:
        number = self._symbols.named(asked.parameters.required("symbol")).number
        for order in asked.customer.open_orders(number):
            if is_conditional(order) and not order.triggered:
                self._core.cancel(asked.customer, order.number)
        return _ALL_CANCELED

    def count_down(self, asked: Asked) -> Json:
        """Cancel a symbol's ordinary orders in a while, unless this is asked again; 0 ends the countdown."""
        symbol = self._symbols.named(asked.parameters.required("symbol"))
        asked.parameters.required("countdownTime")
        after_ms = asked.parameters.whole("countdownTime")
        place = asked.customer.name, symbol.number
        running = self._countdowns.pop(place, None)
        if running is not None:
            running.cancel()
        if after_ms:
            loop = asyncio.get_running_loop()
            self._countdowns[place] = loop.call_later(
                after_ms / 1_000, self._cancel_each, asked.customer, symbol.number
            )
        return {"symbol": symbol.name, "countdownTime": str(after_ms)}

    def order(self, asked: Asked) -> Json:
        order = self._orders.find(asked.customer, asked.parameters)
        if order is None:
            raise no_such_order()
        return self._orders.shown(order)

    def open_order(self, asked: Asked) -> Json:
        order = self._orders.find(asked.customer, asked.parameters)
        if order is None or not order.is_open:
            raise no_such_order()
        return self._orders.shown(order)

    def open_orders(self, asked: Asked) -> list[Json]:
        orders = asked.customer.open_orders(self._number(asked.parameters))
        return [self._orders.shown(order) for order in orders if self._orders.actual_id(order)]

    def all_orders(self, asked: Asked) -> list[Json]:
        orders = asked.customer.orders(self._symbols.named(asked.parameters.required("symbol")).number)
        ordinary = [order for order in orders if self._orders.actual_id(order)]
        from_id = asked.parameters.whole("orderId")
        known = [order for order in ordinary if self._orders.actual_id(order) >= from_id]
        return [self._orders.shown(order) for order in _between(known, asked.parameters, from_id)]

    def conditional_order(self, asked: Asked) -> Json:
        order = self._orders.find_conditional(asked.customer, asked.parameters)
        if order is None:
            raise no_such_order()
        return self._orders.shown_conditional(order)

    def open_conditional_orders(self, asked: Asked) -> list[Json]:
        orders = asked.customer.open_orders(self._number(asked.parameters))
        waiting = [order for order in orders if is_conditional(order) and not order.triggered]
        return [self._orders.shown_conditional(order) for order in waiting]

    def all_conditional_orders(self, asked: Asked) -> list[Json]:
        orders = asked.customer.orders(self._symbols.named(asked.parameters.required("symbol")).number)
        from_id = asked.parameters.whole("algoId")
        known = [order for order in orders if is_conditional(order) and order.number >= from_id]
        return [self._orders.shown_conditional(order) for order in _between(known, asked.parameters, from_id)]

    def user_trades(self, asked: Asked) -> list[Json]:
        """From an id or a time on the oldest first ones, else the latest."""
        parameters = asked.parameters
        symbol = self._symbols.named(parameters.required("symbol"))
        start_ms, end_ms, from_id = (parameters.whole(name) for name in ("startTime", "endTime", "fromId"))
        if from_id and (start_ms or end_ms):
            raise BinanceError(-1128, "Combination of optional parameters invalid.")
        trades = asked.customer.trades(symbol.number, start_ms * _MS, from_id)
        order_id = parameters.whole("orderId")
        chosen = [
            trade
            for trade in trades
            if (not end_ms or trade.ts_ns // _MS <= end_ms)
            and (not order_id or self._orders.actual_id(trade.order) == order_id)
        ]
        limit = limit_of(parameters)
        return self._account.trades(chosen[:limit] if start_ms or from_id else chosen[-limit:])

    def _placed(self, customer: Customer, request: OrderRequest) -> VenueOrder:
        answer = self._core.place(customer, request)
        if isinstance(answer, Rejected):
            raise rejection(answer.reason)
        if isinstance(answer, Duplicate):
            raise BinanceError(-4116, "ClientOrderId is duplicated.")
        return answer.order

    def _canceled(self, customer: Customer, order: VenueOrder) -> Json:
        self._core.cancel(customer, order.number)
        return self._orders.shown(order)

    def _cancel_each(self, customer: Customer, number: int) -> None:
        for order in customer.open_orders(number):
            if self._orders.actual_id(order):
                self._core.cancel(customer, order.number)

    def _number(self, parameters: Parameters) -> int | None:
        """The instrument that is asked about, None for all."""
        name = parameters.text("symbol")
        return self._symbols.named(name).number if name else None


def limit_of(parameters: Parameters) -> int:
    """How many are asked for."""
    return min(parameters.whole("limit", _LIMIT_DEFAULT), _LIMIT_MAX)


def batch_of(parameters: Parameters) -> list[Parameters]:
    """The orders of a batch."""
    try:
        listed = msgspec.json.decode(parameters.required("batchOrders"), type=list[dict[str, Any]])
    except msgspec.MsgspecError:
        raise missing("batchOrders") from None
    if not 0 < len(listed) <= BATCH_MAX:
        raise BinanceError(-4082, "Invalid number of batch place orders.")
    return [Parameters({name: _text(value) for name, value in one.items()}) for one in listed]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _listed(text: str) -> list[Any]:
    try:
        return msgspec.json.decode(text, type=list[Any]) if text else []
    except msgspec.MsgspecError:
        raise missing("orderIdList") from None


def _answer_or_error(answer: Any, asked: Asked) -> Json:
    try:
        shown: Json = answer(asked)
    except BinanceError as error:
        return {"code": error.code, "msg": error.message}
    return shown


def _between(orders: list[VenueOrder], parameters: Parameters, from_id: int) -> list[VenueOrder]:
    """Orders that were placed in the time that is asked about: from a time or an id on the oldest, else the latest."""
    start_ms, end_ms, limit = parameters.whole("startTime"), parameters.whole("endTime"), limit_of(parameters)
    chosen = [
        order
        for order in orders
        if start_ms <= order.created_ns // _MS and (not end_ms or order.created_ns // _MS <= end_ms)
    ]
    return chosen[:limit] if start_ms or from_id else chosen[-limit:]
