"""What exchanges say of orders, trades and holdings, in the units of the tape, before it goes to the inbox."""

from dataclasses import dataclass
from typing import NamedTuple

from adapters.exchanges.scales import Malformed
from engine.kinds import EventKind, FillFlag
from engine.reasons import Reason


class OwnTrade(NamedTuple):
    """An own trade as the tape has it. `fee` is positive where it was paid, `flags` are FillFlags."""

    order: int
    instrument: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    fee: int
    flags: int
    ts_ns: int


class Payment(NamedTuple):
    """Funding as the exchange booked it, below zero where it was paid; `payment_id` is its own of the instrument."""

    instrument: int
    payment_id: int
    amount_units: int
    ts_ns: int


class Terms(NamedTuple):
    """What an order is for whom it is new: an OrderType, OrderFlags, and when it was placed there."""

    order_type: int
    order_flags: int
    trigger_ticks: int
    placed_ns: int


class FoundOrder(NamedTuple):
    """What an exchange says of an order now; `order` is 0 where it is not of this tape, and then it has no terms here.

    `kind` is how it is put on the tape: a filled one was accepted, and amended to what it was filled with.
    `filled_lots` is None where the exchange does not say it and the order's trades have to. `price_ticks` is its
    limit, or its trigger where it has no limit; 0 where it has neither or where the market moves it. `terms` are those
    of an order of this tape.
    """

    order: int
    instrument: int
    exchange_order_id: int
    kind: EventKind
    reason: Reason
    ts_ns: int
    is_open: bool
    left_lots: int = 0
    price_ticks: int = 0
    filled_lots: int | None = None
    is_conditional: bool = False
    terms: Terms | None = None


class Amended(NamedTuple):
    """What an order is after an amendment; `price_ticks` is its limit, or its trigger where it has no limit."""

    quantity_lots: int
    price_ticks: int


class Held(NamedTuple):
    """A position as the exchange has it: negative for a short."""

    quantity_lots: int
    entry_ticks: int = 0
    mark_ticks: int = 0
    unrealized_units: int = 0


@dataclass(frozen=True, slots=True)
class Holdings:
    """An account's money and positions. Instruments that are not named are not held."""

    total_units: int
    available_units: int
    positions: dict[int, Held]


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything that `ask` puts, collected first so that it is put together or not at all.

    `filled_lots` is of each order. `adopted` are open orders of this tape that nobody asked about.
    """

    trades: list[OwnTrade]
    payments: list[Payment]
    adopted: list[FoundOrder]
    orders: list[FoundOrder]
    filled_lots: dict[int, int]
    holdings: Holdings


class Refused(Exception):
    """The exchange would not do what was asked, and there is a name for why."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.name)
        self.reason = reason


class WrongId(Malformed):
    """What was said of an order has an id that is another order's."""

    def __init__(self, instrument: int, exchange_order_id: int, order: int) -> None:
        super().__init__(f"{exchange_order_id} is not the id of order {order}")
        self.instrument = instrument
        self.exchange_order_id = exchange_order_id
        self.order = order


class KnownOrders:
    """Orders of this tape by the exchange's own ids, for messages that name them by nothing else, and back.

    It holds the latest of them; what it does not hold can be asked for. An order has one id, but where `ids_change`.
    """

    _ROOM = 1 << 16

    def __init__(self, ids_change: bool = False) -> None:
        self._ids_change = ids_change
        self._orders: dict[tuple[int, int], int] = {}
        self._ids: dict[int, int] = {}

    def check(self, instrument: int, exchange_order_id: int, order: int) -> None:
        """Raise WrongId where the id is known to be that of another order, or the order to have another id."""
        known = self._orders.get((instrument, exchange_order_id), 0)
        known_id = 0 if self._ids_change else self._ids.get(order, 0)
        if order and ((known and known != order) or (known_id and known_id != exchange_order_id)):
            raise WrongId(instrument, exchange_order_id, order)

    def remember(self, instrument: int, exchange_order_id: int, order: int) -> None:
        """`order` is 0 for one that is known not to be of this tape. Raises WrongId."""
        if not exchange_order_id:
            return
        self.check(instrument, exchange_order_id, order)
        if order == 0:
            self._orders.setdefault((instrument, exchange_order_id), 0)
        else:
            self._orders[instrument, exchange_order_id] = order
            self._ids[order] = exchange_order_id
        if len(self._orders) > self._ROOM:
            del self._orders[next(iter(self._orders))]
        if len(self._ids) > self._ROOM:
            del self._ids[next(iter(self._ids))]

    def forget(self, wrong: WrongId) -> None:
        """Nobody knows which of two words about an order is wrong: what is said next counts."""
        order = self._orders.pop((wrong.instrument, wrong.exchange_order_id), 0)
        for one in (order, wrong.order):
            known_id = self._ids.pop(one, 0)
            self._orders.pop((wrong.instrument, known_id), None)

    def order(self, instrument: int, exchange_order_id: int) -> int | None:
        """The order's number, 0 for one that is not ours, None where it is not known."""
        return self._orders.get((instrument, exchange_order_id))

    def exchange_order_id(self, order: int) -> int:
        """The exchange's id for an order, 0 where it is not known."""
        return self._ids.get(order, 0) if order else 0


class ToldTrades:
    """The latest own trades by their ids, so that an id that comes again for another trade is noticed."""

    _ROOM = 1 << 14

    def __init__(self) -> None:
        self._trades: dict[tuple[int, int, int], tuple[int, int]] = {}

    def is_another(self, trade: OwnTrade) -> bool:
        """Whether its id was that of a trade with another price or size; both sides of a trade have the same id."""
        side = trade.flags & FillFlag.SELL
        terms = trade.price_ticks, trade.quantity_lots
        told = self._trades.setdefault((trade.instrument, trade.trade_id, side), terms)
        if len(self._trades) > self._ROOM:
            del self._trades[next(iter(self._trades))]
        return told != terms
