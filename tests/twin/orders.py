"""Orders, naively: a dict of those still known, and the life that an order may lead."""

from dataclasses import dataclass, field
from typing import Any

from engine.kinds import OrderRole
from engine.kinds import OrderStatus as S

OPEN = {S.PENDING, S.SENT, S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.UNKNOWN, S.HELD}
CLOSED = {S.FILLED, S.CANCELED, S.REJECTED, S.EXPIRED}

# What may happen to an order, and what it is then; an order that has fills is PARTIALLY_FILLED where ACCEPTED is
# written. What is not written is refused: the order stays as it is, and the attempt is counted.
LIFE: dict[str, dict[S, S]] = {
    # That it was sent may be told after a cancel was asked for, or after it had no answer.
    "sent": {S.PENDING: S.SENT, S.PENDING_CANCEL: S.PENDING_CANCEL, S.UNKNOWN: S.UNKNOWN},
    "accepted": {
        S.PENDING: S.ACCEPTED,
        S.SENT: S.ACCEPTED,
        S.ACCEPTED: S.ACCEPTED,
        S.PARTIALLY_FILLED: S.PARTIALLY_FILLED,
        S.PENDING_CANCEL: S.PENDING_CANCEL,
        S.UNKNOWN: S.ACCEPTED,
        S.FILLED: S.FILLED,  # an ack that comes after the fill
    },
    "rejected": {
        S.PENDING: S.REJECTED,
        S.SENT: S.REJECTED,
        # A refused cancel made it look accepted, and the exchange has never seen it.
        S.ACCEPTED: S.REJECTED,
        S.PENDING_CANCEL: S.REJECTED,
        S.UNKNOWN: S.REJECTED,
        S.REJECTED: S.REJECTED,
    },
    # A fill is never refused: what is closed stays what it is.
    "filled in part": dict.fromkeys(OPEN, S.PARTIALLY_FILLED)
    | {status: status for status in CLOSED}
    | {S.PENDING_CANCEL: S.PENDING_CANCEL},
    "filled wholly": dict.fromkeys(OPEN, S.FILLED) | {status: status for status in CLOSED},
    # What the engine holds needs no answer.
    "cancel requested": dict.fromkeys(OPEN, S.PENDING_CANCEL) | {S.HELD: S.CANCELED},
    "canceled": dict.fromkeys(OPEN, S.CANCELED) | {S.CANCELED: S.CANCELED},
    "expired": dict.fromkeys(OPEN - {S.HELD}, S.EXPIRED) | {S.EXPIRED: S.EXPIRED},
    "released": {S.HELD: S.PENDING},
    "cancel rejected": {
        S.ACCEPTED: S.ACCEPTED,
        S.PARTIALLY_FILLED: S.PARTIALLY_FILLED,
        S.PENDING_CANCEL: S.ACCEPTED,
        S.UNKNOWN: S.UNKNOWN,
        S.HELD: S.HELD,
    }
    | {status: status for status in CLOSED},
    # What the exchange is known to have, it still has; what it may have, it may have.
    "no answer": {
        S.PENDING: S.UNKNOWN,
        S.SENT: S.UNKNOWN,
        S.PENDING_CANCEL: S.UNKNOWN,
        S.UNKNOWN: S.UNKNOWN,
        S.ACCEPTED: S.ACCEPTED,
        S.PARTIALLY_FILLED: S.PARTIALLY_FILLED,
        S.HELD: S.HELD,
    }
    | {status: status for status in CLOSED},
}


@dataclass
class Order:
    order: int
    status: int
    instrument: int
    account: int
    strategy: int
    side: int
    order_type: int
    time_in_force: int
    order_flags: int
    quantity_lots: int
    filled_lots: int = 0
    limit_ticks: int = 0
    trigger_ticks: int = 0
    trail_ticks: int = 0
    expire_ts_ns: int = 0
    exchange_order_id: int = 0
    fills: int = 0
    filled_units: int = 0
    placed_seq: int = 0
    placed_ts_ns: int = 0
    updated_ts_ns: int = 0
    reason: int = 0
    order_role: int = 0
    reference_ticks: int = 0
    amending: int = 0
    asked_lots: int = 0
    asked_limit_ticks: int = 0
    asked_trigger_ticks: int = 0
    cancel_asked: int = 0
    bracket: Any = None
    leg: int = 0

    @property
    def is_open(self) -> bool:
        return self.status in OPEN

    @property
    def is_leg(self) -> bool:
        """Whether it waits beside a position, and is not on its way to one."""
        return self.order_role >= OrderRole.STOP

    @property
    def left_lots(self) -> int:
        return self.quantity_lots - self.filled_lots

    @property
    def can_be_amended(self) -> bool:
        """Whether nothing is under way that has to be answered first."""
        return not self.amending and self.status not in (S.PENDING_CANCEL, S.UNKNOWN)

    def ask_as_it_is(self) -> None:
        """Take the terms that it has for those that were last asked for."""
        self.asked_lots, self.asked_limit_ticks = self.quantity_lots, self.limit_ticks
        self.asked_trigger_ticks = self.trigger_ticks


@dataclass
class Orders:
    """The orders that are still known: all open ones, and of the closed ones the last, as far as there is room."""

    capacity: int
    known: dict[int, Order] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)
    transitions_refused: int = 0

    def open(self, instrument: int | None = None) -> list[Order]:
        found = [order for order in self.known.values() if order.is_open]
        return found if instrument is None else [order for order in found if order.instrument == instrument]

    def find(self, number: int) -> Order | None:
        """The order of a number; nothing that happens is about what was put aside, below zero."""
        return self.known.get(number) if number > 0 else None

    def has_room(self) -> bool:
        return len(self.open()) < self.capacity

    def add(self, order: Order) -> None:
        if len(self.known) == self.capacity:
            del self.known[self.closed.pop(0)]
        self.known[order.order] = order

    def put_aside(self, order: Order) -> None:
        """Another order has the number of one that was held for ended; its row stays, under a number below zero."""
        del self.known[order.order]
        place = self.closed.index(order.order)
        order.order = -order.order
        while order.order in self.known:
            order.order -= 1 << 32
        self.known[order.order] = order
        self.closed[place] = order.order

    def happens(self, order: Order, happening: str, ts_ns: int) -> bool:
        """Change an order's status; False, and counted, where that is not a thing that may happen to it."""
        was_open = order.is_open
        after = LIFE[happening].get(S(order.status))
        if after is None:
            self.transitions_refused += 1
            return False
        if after == S.ACCEPTED and order.filled_lots > 0:
            after = S.PARTIALLY_FILLED
        order.status = after
        order.updated_ts_ns = ts_ns
        if was_open and not order.is_open:
            self.closed.append(order.order)
        return True
