"""What Hyperliquid remembers of a customer beyond the core: leverage, orders it never took, funding it paid."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from adapters.venue.customer import Customer
from adapters.venue.hyperliquid.wire import order_status
from adapters.venue.orders import OrderRequest, VenueOrder
from engine.kinds import OrderStatus
from engine.reasons import Reason

_REJECTED_KEPT = 2_000
_FUNDING_KEPT = 5_000


class Funding(NamedTuple):
    """What a position was paid (or paid, below zero) at a mark price."""

    ts_ns: int
    instrument: int
    amount_units: int
    position_lots: int
    mark_ticks: int


@dataclass(slots=True)
class CustomerRecord:
    """`leverage` is by asset, the highest where none was set; `scheduled` are orders that a scheduled cancel ended."""

    customer: Customer
    leverage: dict[int, int] = field(default_factory=dict)
    scheduled: set[int] = field(default_factory=set)
    funding: deque[Funding] = field(default_factory=lambda: deque(maxlen=_FUNDING_KEPT))
    _rejected: dict[int, VenueOrder] = field(default_factory=dict)

    def reject(self, number: int, request: OrderRequest, reason: Reason, now_ns: int) -> VenueOrder:
        """Keep an order that was not taken: it has an id and a status too."""
        limit, trigger = request.limit_ticks, request.trigger_ticks
        order = VenueOrder(number, request, request.quantity_lots, limit, trigger, now_ns, now_ns)
        order.status, order.reason = OrderStatus.REJECTED, reason
        self._rejected[number] = order
        if len(self._rejected) > _REJECTED_KEPT:
            del self._rejected[next(iter(self._rejected))]
        return order

    def status(self, order: VenueOrder) -> str:
        return "scheduledCancel" if order.number in self.scheduled else order_status(order)

    def find(self, oid: int | str) -> VenueOrder | None:
        """An order by its id or the newest one by its client id."""
        if isinstance(oid, int):
            return self.customer.order(oid) or self._rejected.get(oid)
        client_id = oid.lower()
        rejected = (order for order in reversed(self._rejected.values()) if order.client_id == client_id)
        found = [self.customer.order_of(client_id), next(rejected, None)]
        return max((order for order in found if order is not None), key=lambda order: order.number, default=None)

    def history(self, most: int) -> list[VenueOrder]:
        """The newest orders, whatever became of them, newest first."""
        orders = [*self.customer.orders(), *self._rejected.values()]
        return sorted(orders, key=lambda order: order.number, reverse=True)[:most]
