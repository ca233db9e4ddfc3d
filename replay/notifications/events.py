"""What a notification says: plain event classes, with names for numbers and exact amounts as decimal text.

`seq` is the event of the tape that says it, or on which it was decided; `time` is ISO, UTC, to the nanosecond. The
names of these classes are topics that others store: they stay.
"""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class TapeEvent:
    """Of an order, an instrument or a breaker: that is the originator. The version grows, but not by ones."""

    originator_id: UUID
    originator_version: int
    seq: int
    time: str


@dataclass(frozen=True)
class InstrumentEvent(TapeEvent):
    account: str
    symbol: str


@dataclass(frozen=True)
class OrderEvent(InstrumentEvent):
    """`order` is the engine's number of the order, 0 for one that an exchange names and the engine does not know."""

    order: int


# What the engine decided.


@dataclass(frozen=True)
class OrderPlaced(OrderEvent):
    """`held` orders wait in the engine for their price; all others leave for the exchange."""

    strategy: str
    side: str
    order_type: str
    time_in_force: str
    quantity: str
    limit_price: str | None
    trigger_price: str | None
    reduce_only: bool
    post_only: bool
    held: bool


@dataclass(frozen=True)
class CancelRequested(OrderEvent):
    pass


@dataclass(frozen=True)
class AmendmentRequested(OrderEvent):
    """`quantity` is the whole quantity, with what is filled."""

    quantity: str
    limit_price: str | None
    trigger_price: str | None


@dataclass(frozen=True)
class OrderReleased(OrderEvent):
    """A held order whose price has come leaves for the exchange."""

    order_type: str
    quantity: str
    limit_price: str | None
    trigger_price: str | None


@dataclass(frozen=True)
class OrderRefused(InstrumentEvent):
    """No order came to be. `limit` and `observed` are as on the tape, in the unit of the reason."""

    strategy: str
    reason: str
    limit: int
    observed: int


@dataclass(frozen=True)
class BreakerTripped(TapeEvent):
    """`limit` and `observed` are in words; `symbol` is None where it is no figure of one instrument."""

    breaker: str
    condition: str
    symbol: str | None
    limit: str
    observed: str
    actions: list[str]


@dataclass(frozen=True)
class BreakerChanged(TapeEvent):
    breaker: str
    status: str


# What the exchange or the transport reported.


@dataclass(frozen=True)
class OrderReport(OrderEvent):
    """`reason` is None where none was given."""

    exchange_order_id: int
    reason: str | None


class OrderSent(OrderReport):
    pass


class OrderAccepted(OrderReport):
    pass


class OrderRejected(OrderReport):
    pass


class OrderCanceled(OrderReport):
    pass


class OrderExpired(OrderReport):
    pass


class CancelRejected(OrderReport):
    """The exchange refused a cancel or an amendment."""


class OrderTriggered(OrderReport):
    pass


@dataclass(frozen=True)
class OrderAmended(OrderReport):
    quantity: str
    price: str | None


@dataclass(frozen=True)
class OrderAdopted(OrderEvent):
    """An order that was found open at the exchange and taken over; `strategy` counts where the tape knows no other.

    `placed` is when the exchange had it, as `time`.
    """

    strategy: str
    placed: str
    side: str
    order_type: str
    quantity: str
    filled: str
    limit_price: str | None
    trigger_price: str | None
    reduce_only: bool
    post_only: bool


@dataclass(frozen=True)
class OrderUnanswered(OrderEvent):
    """A request about it failed without an answer: what became of it is unknown."""

    failure: str


@dataclass(frozen=True)
class OrderFilled(OrderEvent):
    """A fill as the exchange reported it; one that it reports twice is here twice, under one `trade_id` (0 is none).

    `fee` is in `currency`, the account's, or where `fee_in_base` a quantity of what was traded. What the amounts are
    made of follows: a price is `price_ticks`, a quantity `quantity_lots`, of so much, and `tick_lot_units` the money
    of one tick of one lot, in units of 10 ** -`money_decimals`.
    """

    trade_id: int
    side: str
    liquidity: str
    quantity: str
    price: str
    fee: str
    currency: str
    fee_in_base: bool
    price_ticks: int
    quantity_lots: int
    fee_count: int
    tick_size: str
    lot_size: str
    tick_lot_units: int
    money_decimals: int
