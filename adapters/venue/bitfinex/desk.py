"""Order entry for one customer: orders are sent in, changed and cancelled, or refused in Bitfinex's words."""

from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import count
from typing import Any

from adapters.venue.bitfinex.errors import Refused, invalid, invalid_order, order_not_found
from adapters.venue.bitfinex.forms import labels_of, read_order
from adapters.venue.bitfinex.names import Market
from adapters.venue.bitfinex.numbers import amount, lots_of, milliseconds, price, ticks_of, whole_number_of
from adapters.venue.bitfinex.orders import Array, order_array
from adapters.venue.bitfinex.statement import Notice, Statement
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer
from adapters.venue.faults import Messages
from adapters.venue.orders import OrderRequest, Placed, Rejected, VenueOrder
from engine.kinds import OrderStatus, OrderType, Side
from engine.reasons import Reason

# An order that is rejected for one of these is taken by Bitfinex, and cancelled at once.
_DEAD_ON_ARRIVAL = (
    Reason.EXCHANGE_POST_ONLY_WOULD_TAKE,
    Reason.EXCHANGE_FOK_NOT_FILLABLE,
    Reason.EXCHANGE_REDUCE_ONLY_WOULD_INCREASE,
)
_DEAD_KEPT = 1_000

# The array of an order, and a line about what is done with it.
Answer = tuple[Array, str]


class Desk:
    """Everything that is asked in the name of one customer; `publish` sends a notice to the customer's streams."""

    def __init__(
        self,
        core: VenueCore,
        customer: Customer,
        markets: Mapping[str, Market],
        statement: Statement,
        publish: Callable[[Notice], None],
    ) -> None:
        self.customer = customer
        self.statement = statement
        self._core = core
        self._markets = markets
        self._publish = publish
        self._serials = count(1)
        self._dead: deque[VenueOrder] = deque(maxlen=_DEAD_KEPT)

    def market(self, symbol: object) -> Market:
        """By its symbol at Bitfinex. Raises Refused."""
        if not isinstance(symbol, str) or symbol not in self._markets:
            raise invalid("symbol")
        return self._markets[symbol]

    def submit(self, form: Mapping[str, Any]) -> Answer:
        """Send an order in, which is answered as it was sent. Raises Refused."""
        market = self.market(form.get("symbol"))
        request = read_order(market, form, self._core.clock_ns(), next(self._serials))
        answer = self._core.place(self.customer, request)
        if isinstance(answer, Rejected) and answer.reason not in _DEAD_ON_ARRIVAL:
            raise _refusal(market, request, answer.reason)
        order = answer.order if isinstance(answer, Placed) else self._bury(market, request, answer)
        array = order_array(market, order, as_submitted=order.is_open or order.filled_lots > 0)
        text = f"Submitting {_description(market, request, request.quantity_lots)}."
        self._notify("on-req", array, text)
        return array, text

    def update(self, form: Mapping[str, Any]) -> Answer:
        """Change an order: `amount` is what shall be left of it, `delta` is added to that. Raises Refused."""
        order = self._open_order(form)
        market = self.statement.market_of(order)
        _check_unchanged(form, order_array(market, order))
        changes = (_new_quantity(market, order, form), *_new_prices(market, order, form))
        answer = self._core.amend(self.customer, order.number, *changes)
        if isinstance(answer, Rejected):
            wanted = order.request._replace(quantity_lots=changes[0] or order.quantity_lots)
            raise _refusal(market, wanted, answer.reason)
        array = order_array(market, order)
        text = f"Submitting update to {_description(market, order.request, order.left_lots)}."
        self._notify("ou-req", array, text)
        return array, text

    def cancel(self, form: Mapping[str, Any]) -> Answer:
        """Cancel an order, which is answered as it was before. Raises Refused."""
        order = self._open_order(form)
        array = order_array(self.statement.market_of(order), order)
        text = f"Submitted for cancellation; waiting for confirmation (ID: {order.number})."
        self._notify("oc-req", array, text)
        self._core.cancel(self.customer, order.number)
        return array, text

    def cancel_many(self, form: Mapping[str, Any]) -> list[Array]:
        """Cancel all open orders, or those of ids, of client ids with their days, or of groups. Raises Refused."""
        chosen = self._chosen(form)
        arrays = self.statement.orders(chosen)
        for order in chosen:
            self._core.cancel(self.customer, order.number)
        return arrays

    def cancel_all(self) -> None:
        """What the dead man's switch does."""
        self._core.cancel_all(self.customer)

    def closed_orders(self) -> list[VenueOrder]:
        """Orders that have ended, those that did so last first."""
        closed = [order for order in self.customer.orders() if not order.is_open] + list(self._dead)
        return sorted(closed, key=lambda order: (order.updated_ns, order.number), reverse=True)

    def _bury(self, market: Market, request: OrderRequest, rejected: object) -> VenueOrder:
        """An order that is cancelled before it can do anything."""
        assert isinstance(rejected, Rejected), "client ids are made unique"
        now_ns, prices = self._core.clock_ns(), (request.limit_ticks, request.trigger_ticks)
        order = VenueOrder(self._core.next_number(), request, request.quantity_lots, *prices, now_ns, now_ns)
        self._publish((Messages.ORDERS, "on", order_array(market, order)))
        order.status, order.reason = OrderStatus.CANCELED, rejected.reason
        self._dead.append(order)
        self._publish((Messages.ORDERS, "oc", order_array(market, order)))
        return order

    def _notify(self, name: str, array: Array, text: str) -> None:
        notice = [milliseconds(self._core.clock_ns()), name, None, None, array, None, "SUCCESS", text]
        self._publish((Messages.ORDERS, "n", notice))

    def _open_order(self, form: Mapping[str, Any]) -> VenueOrder:
        """The open order that a form names by its id, or by its client id and the day (UTC) it was sent in."""
        if form.get("id") is not None:
            order = self.customer.order(whole_number_of("id", form["id"]))
            if order is None or not order.is_open:
                raise order_not_found()
            return order
        found = self._of_client_id(form.get("cid"), form.get("cid_date"))
        if not found:
            raise order_not_found()
        return found[0]

    def _of_client_id(self, client_id: object, day: object) -> list[VenueOrder]:
        """Open orders of a client id that were sent in on a day, oldest first."""
        wanted = whole_number_of("cid", client_id)
        if not isinstance(day, str):
            raise invalid("cid_date")
        open_orders = self.customer.open_orders()
        return [order for order in open_orders if labels_of(order).client_id == wanted and _day(order) == day]

    def _chosen(self, form: Mapping[str, Any]) -> list[VenueOrder]:
        open_orders = self.customer.open_orders()
        if form.get("all"):
            return open_orders
        if form.get("id") is not None:
            ids = {whole_number_of("id", number) for number in _listed("id", form["id"])}
            return [order for order in open_orders if order.number in ids]
        if form.get("gid") is not None:
            groups = {whole_number_of("gid", number) for number in _listed("gid", form["gid"])}
            return [order for order in open_orders if labels_of(order).group in groups]
        pairs = [_listed("cid", pair) for pair in _listed("cid", form.get("cid"))]
        if any(len(pair) != 2 for pair in pairs):
            raise invalid("cid")
        return [order for client_id, day in pairs for order in self._of_client_id(client_id, day)]


def _listed(field: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise invalid(field)
    return value


def _day(order: VenueOrder) -> str:
    """The day (UTC) an order was sent in, as YYYY-MM-DD."""
    return datetime.fromtimestamp(order.created_ns // 10**9, UTC).date().isoformat()


def _check_unchanged(form: Mapping[str, Any], array: Array) -> None:
    """Flags may be repeated; that they, a trail or an expiry change is not offered here."""
    for field in ("price_trailing", "tif", "lev", "gid"):
        if form.get(field) is not None:
            raise invalid(field)
    if form.get("flags") is not None and whole_number_of("flags", form["flags"]) != array[12]:
        raise invalid("flags")


def _new_quantity(market: Market, order: VenueOrder, form: Mapping[str, Any]) -> int:
    """The whole quantity that an order shall have, 0 for the one it has."""
    left = order.request.side * order.left_lots
    if form.get("amount") is not None:
        wanted = lots_of(market.instrument, "amount", form["amount"])
    elif form.get("delta") is not None:
        wanted = left + lots_of(market.instrument, "delta", form["delta"])
    else:
        return 0
    if wanted * order.request.side <= 0:
        raise invalid("amount")
    return 0 if wanted == left else order.filled_lots + abs(wanted)


def _new_prices(market: Market, order: VenueOrder, form: Mapping[str, Any]) -> tuple[int, int]:
    """The limit and the trigger that an order shall have, 0 for the one it has: a stop's price is its trigger."""
    waits = order.request.order_type in (OrderType.STOP, OrderType.STOP_LIMIT) and not order.triggered
    ticks = {"price": 0, "price_aux_limit": 0}
    for field in ticks:
        if form.get(field) is not None:
            ticks[field] = ticks_of(market.instrument, field, form[field])
            if ticks[field] <= 0:
                raise invalid(field)
    if ticks["price_aux_limit"] and not waits:
        raise invalid("price_aux_limit")
    limit, trigger = (ticks["price_aux_limit"], ticks["price"]) if waits else (ticks["price"], 0)
    return (0 if limit == order.limit_ticks else limit), (0 if trigger == order.trigger_ticks else trigger)


def _description(market: Market, request: OrderRequest, lots: int) -> str:
    side = "buy" if request.side == Side.BUY else "sell"
    kind = request.order_type.name.lower().replace("_", " ")
    place = "" if market.on_margin else "exchange "
    return f"{place}{kind} {side} order for {amount(market.instrument, lots)} {market.base}"


def _refusal(market: Market, request: OrderRequest, reason: Reason) -> Refused:
    """Why an order is not taken, in Bitfinex's words."""
    instrument = market.instrument
    if reason == Reason.EXCHANGE_ORDER_UNKNOWN:
        return order_not_found()
    if reason == Reason.EXCHANGE_QUANTITY_BELOW_MINIMUM:
        return invalid_order(f"minimum size for {market.pair} is {amount(instrument, instrument.quantity_min_lots)}")
    if reason == Reason.EXCHANGE_QUANTITY_ABOVE_MAXIMUM:
        return invalid_order(f"maximum size for {market.pair} is {amount(instrument, instrument.quantity_max_lots)}")
    if reason in (Reason.EXCHANGE_MARGIN_INSUFFICIENT, Reason.EXCHANGE_BALANCE_INSUFFICIENT):
        balance = "tradable" if market.on_margin else "exchange"
        quantity = amount(instrument, request.side * request.quantity_lots)
        at = price(instrument, request.limit_ticks or request.trigger_ticks)
        return invalid_order(f"not enough {balance} balance for {quantity} {market.pair} at {at}.")
    if reason == Reason.EXCHANGE_TRIGGER_INVALID:
        return invalid("price")
    if reason == Reason.EXCHANGE_QUANTITY_OFF_LOT:
        return invalid("amount")
    return invalid_order(reason.name.removeprefix("EXCHANGE_").replace("_", " ").lower())
