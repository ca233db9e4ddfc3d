"""The venue without a protocol: customers, one market for all of them, and who listens to what happens."""

import hashlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration, Instrument
from adapters.venue.customer import Customer
from adapters.venue.faults import FaultKind, Faults, Messages, Requests
from adapters.venue.market import Bar, Mark, MarketUpdate, MarketView, Quote, Trade, read_update
from adapters.venue.orders import Duplicate, OrderRequest, OrderUpdate, Placed, PrivateUpdate, Rejected, VenueOrder
from engine.kinds import EventKind
from engine.records import EVENT, QUOTE

DAY_NS = 86_400 * 10**9
CUSTOMERS = 2
_ABOUT = {Quote: Messages.QUOTES, Trade: Messages.TRADES, Bar: Messages.BARS, Mark: Messages.MARKS}

# Where a record's time, kind and instrument stand, for whom a view of the record would take too long.
_STAMP = struct.Struct("<q")
assert EVENT.fields is not None
_KIND_BYTE = EVENT.fields["kind"][1]
_INSTRUMENT_BYTES = slice(EVENT.fields["instrument"][1], EVENT.fields["instrument"][1] + 2)

Bytes = NDArray[np.uint8]


class VenueCore:
    """Instruments and accounts are the configuration's; each customer has such accounts of its own.

    `clock_ns` is the time since 1970 that everything is stamped with. A client id can be used again
    `client_id_kept_ns` after its order was placed, if that is closed then.
    """

    def __init__(
        self,
        configuration: Configuration,
        clock_ns: Callable[[], int],
        customers: Sequence[tuple[str, str]] | None = None,
        client_id_kept_ns: int = DAY_NS,
        faults: Faults | None = None,
    ) -> None:
        """`customers` are pairs of a key and a secret; two where not given, see `default_keys`."""
        self.faults = faults or Faults()
        self.clock_ns: Callable[[], int] = lambda: clock_ns() + self.faults.clock_skew_ns
        self.accounts = configuration.accounts
        self.instruments = configuration.instruments
        started_ns = self.clock_ns()
        self.views = [MarketView(started_ns) for _ in self.instruments]
        self.market_listeners: list[Callable[[MarketUpdate], None]] = []
        self.private_listeners: list[Callable[[PrivateUpdate], None]] = []
        # Ids count from the time of the start, so that they are new after a restart too.
        first = started_ns // 1_000_000 * 1_000
        orders, trades = count(first + 1), self._trade_numbers(first + 1)
        self._numbers = orders
        keys = customers if customers is not None else default_keys(CUSTOMERS)
        self.customers = [
            Customer(f"customer-{n}", key, secret, configuration, orders, trades, self._tell, client_id_kept_ns)
            for n, (key, secret) in enumerate(keys, start=1)
        ]
        self._by_key = {customer.key: customer for customer in self.customers}
        self._by_name = {customer.name: customer for customer in self.customers}
        self._updates = 0
        self._stale_until_ns = 0

    def customer_of(self, key: str) -> Customer | None:
        """Whose API key this is."""
        return self._by_key.get(key)

    def customer(self, name: str) -> Customer:
        return self._by_name[name]

    def instrument(self, symbol: str) -> Instrument | None:
        """By its unified symbol."""
        return next((instrument for instrument in self.instruments if instrument.symbol == symbol), None)

    def next_number(self) -> int:
        """An id of the orders' space that no order has."""
        return next(self._numbers)

    def place(self, customer: Customer, request: OrderRequest) -> Placed | Rejected | Duplicate:
        answer = customer.place(request, self.clock_ns())
        return Placed(self._mistaken(customer, answer.order, Requests.ORDER)) if isinstance(answer, Placed) else answer

    def cancel(self, customer: Customer, number: int) -> Placed | Rejected:
        return customer.cancel(number, self.clock_ns())

    def cancel_all(self, customer: Customer, instrument: int | None = None) -> list[Placed]:
        """Cancel a customer's open orders, of one instrument or of all."""
        answers = [customer.cancel(order.number, self.clock_ns()) for order in customer.open_orders(instrument)]
        return [answer for answer in answers if isinstance(answer, Placed)]

    def amend(
        self, customer: Customer, number: int, quantity_lots: int = 0, limit_ticks: int = 0, trigger_ticks: int = 0
    ) -> Placed | Rejected:
        return customer.amend(number, self.clock_ns(), quantity_lots, limit_ticks, trigger_ticks)

    def apply(self, row: Bytes) -> None:
        """A market record (64 bytes of an event, which are stamped with the clock) happens at the venue.

        A bar is from the one before it up to now, whatever its record says: times are the venue's own.
        The public hears of it before customers hear what it did to their orders.
        """
        data = row.data
        now_ns = self.clock_ns()
        _STAMP.pack_into(data, 0, now_ns)
        kind, instrument = data[_KIND_BYTE], int.from_bytes(data[_INSTRUMENT_BYTES], "little")
        if kind == EventKind.BAR:
            _STAMP.pack_into(data, _STAMP.size, self.views[instrument].bar_opened_ns)
        self._updates += 1
        update = read_update(row, self._updates)
        if isinstance(update, Quote):
            update = self._cut_sizes(row, update)
        if update is not None and not self._is_stale(update):
            self.views[instrument].take(update)
            for listener in self.market_listeners:
                listener(update)
        for customer in self.customers:
            if kind == EventKind.FUNDING:
                customer.funding(row, instrument, now_ns)
            else:
                customer.market(row)

    def pass_time(self) -> None:
        """Let what is due by the clock happen where no market record comes: orders good till a time expire."""
        row = np.zeros(EVENT.itemsize, np.uint8)
        row.view(EVENT)["ts_ns"] = self.clock_ns()
        for customer in self.customers:
            customer.market(row)

    def quote(self, instrument: int) -> Quote | None:
        return self.views[instrument].quote

    def _cut_sizes(self, row: Bytes, quote: Quote) -> Quote:
        """A quote with less displayed than there is, where a fault wants orders to be filled in parts."""
        fault = self.faults.strike(FaultKind.PARTIAL_FILL, Messages.QUOTES)
        if fault is None:
            return quote
        bid_lots, ask_lots = min(quote.bid_lots, fault.lots), min(quote.ask_lots, fault.lots)
        event = row.view(QUOTE)
        event["bid_lots"], event["ask_lots"] = bid_lots, ask_lots
        return quote._replace(bid_lots=bid_lots, ask_lots=ask_lots)

    def _is_stale(self, update: MarketUpdate) -> bool:
        """Whether a fault keeps the public from hearing of the market, which goes on."""
        fault = self.faults.strike(FaultKind.STALE_DATA, _ABOUT[type(update)])
        if fault is not None:
            self._stale_until_ns = update.ts_ns + fault.duration_ms * 1_000_000
        return update.ts_ns < self._stale_until_ns

    def _trade_numbers(self, first: int) -> Iterator[int]:
        """Ids of trades; where a fault strikes, the one before comes once more."""
        number = first - 1
        while True:
            if number < first or self.faults.strike(FaultKind.REPEAT_TRADE_ID, Messages.FILLS) is None:
                number += 1
            yield number

    def _mistaken(self, customer: Customer, order: VenueOrder, about: Requests | Messages) -> VenueOrder:
        """An order as it is told: where a fault strikes, with an id of the newest other order of the customer."""
        faults = self.faults
        wrong_id = faults.strike(FaultKind.WRONG_ORDER_ID, about) is not None
        wrong_client_id = faults.strike(FaultKind.WRONG_CLIENT_ID, about) is not None
        if not (wrong_id or wrong_client_id):
            return order
        other = next((one for one in reversed(customer.orders()) if one.number != order.number), order)
        client_id = other.client_id if wrong_client_id else order.client_id
        number = other.number if wrong_id else order.number
        return replace(order, number=number, request=order.request._replace(client_id=client_id))

    def _tell(self, update: PrivateUpdate) -> None:
        # That an order is triggered is what the faces themselves go by.
        if isinstance(update, OrderUpdate) and update.kind != EventKind.ORDER_TRIGGERED:
            about = Messages.ORDERS if update.trade is None else Messages.FILLS
            order = self._mistaken(self.customer(update.customer), update.order, about)
            trade = update.trade._replace(order=order) if update.trade is not None else None
            update = update._replace(order=order, trade=trade)
        for listener in self.private_listeners:
            listener(update)


def default_keys(customers: int) -> list[tuple[str, str]]:
    """The keys and secrets of a venue's customers, always the same: they open nothing but a local sandbox."""
    return [
        (f"venue-key-{n}", hashlib.sha256(f"venue secret {n}".encode()).hexdigest()) for n in range(1, customers + 1)
    ]
