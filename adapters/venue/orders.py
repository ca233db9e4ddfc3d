"""What customers ask of the venue, what it answers, and what it tells them afterwards. Ticks and lots throughout."""

from dataclasses import dataclass, field
from typing import NamedTuple

from engine.kinds import EventKind, OrderStatus, OrderType, Side, TimeInForce
from engine.reasons import Reason

OPEN_STATUSES = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)


class OrderRequest(NamedTuple):
    """An order as a customer wants it; an empty `client_id` is none. Prices that its type has no use for are 0."""

    instrument: int
    side: Side
    order_type: OrderType
    quantity_lots: int
    limit_ticks: int = 0
    trigger_ticks: int = 0
    trail_ticks: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_ts_ns: int = 0
    post_only: bool = False
    reduce_only: bool = False
    client_id: str = ""


@dataclass(slots=True)
class VenueOrder:
    """An order that the venue has accepted, as it is now. `number` is the venue's id of it.

    `traded_ticks_lots` is the sum of price times quantity over its trades. `reason` says why it ended.
    """

    number: int
    request: OrderRequest
    quantity_lots: int
    limit_ticks: int
    trigger_ticks: int
    created_ns: int
    updated_ns: int
    status: OrderStatus = OrderStatus.ACCEPTED
    triggered: bool = False
    filled_lots: int = 0
    traded_ticks_lots: int = 0
    reason: Reason = Reason.NONE
    trades: list["OwnTrade"] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATUSES

    @property
    def left_lots(self) -> int:
        return self.quantity_lots - self.filled_lots

    @property
    def client_id(self) -> str:
        return self.request.client_id


class OwnTrade(NamedTuple):
    """A customer's trade. `fee` is in units of money, in lots where `fee_in_base`; a rebate is below zero.

    What the account was right after it: `position_lots`, the position's signed cost and the wallet's balance.
    """

    number: int
    order: VenueOrder
    ts_ns: int
    price_ticks: int
    quantity_lots: int
    fee: int
    fee_in_base: bool
    is_maker: bool
    realized_units: int
    position_lots: int
    position_cost_units: int
    balance_units: int


class Placed(NamedTuple):
    """The order is taken; it may have traded or ended already."""

    order: VenueOrder


class Duplicate(NamedTuple):
    """The client id belongs to this order already, and nothing was done."""

    order: VenueOrder


class Rejected(NamedTuple):
    """Nothing was done, or for a cancel or amendment nothing changed."""

    reason: Reason


class OrderUpdate(NamedTuple):
    """Something happened to a customer's order: accepted, triggered, amended, filled (`trade`), canceled, expired.

    The order is the venue's own object and goes on changing: read it at once.
    """

    customer: str
    kind: EventKind
    order: VenueOrder
    trade: OwnTrade | None
    ts_ns: int


class FundingUpdate(NamedTuple):
    """An account has received funding on a position, or paid it where the amount is below zero; `number` is its id."""

    customer: str
    account: int
    instrument: int
    amount_units: int
    ts_ns: int
    number: int


class Position(NamedTuple):
    """What a customer holds of an instrument, negative for a short; its cost has the same sign."""

    instrument: int
    quantity_lots: int
    cost_units: int
    unrealized_units: int


class Balance(NamedTuple):
    """An account's money. Available is what equity leaves above the initial margin of all that is held and open."""

    account: int
    wallet_units: int
    equity_units: int
    margin_units: int
    available_units: int


PrivateUpdate = OrderUpdate | FundingUpdate
