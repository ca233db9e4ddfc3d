"""What customers are told of their orders, in the exchange's words and order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from adapters.venue.hyperliquid.clearing import funding
from adapters.venue.hyperliquid.coins import Coin
from adapters.venue.hyperliquid.records import CustomerRecord, Funding
from adapters.venue.hyperliquid.wire import Json, fill, order_update
from adapters.venue.orders import FundingUpdate, PrivateUpdate, VenueOrder
from engine.kinds import EventKind


class Said(NamedTuple):
    """One thing to tell: an element of `orderUpdates`, and of `userFills` where it is of a trade."""

    customer: str
    order: Json
    fill: Json | None


class Outbox:
    """Collects what happens during an action and tells it together; at other times it is told at once."""

    def __init__(
        self,
        coins: Sequence[Coin],
        records: Mapping[str, CustomerRecord],
        mark_ticks: Callable[[int], int],
        tell: Callable[[str, list[Json], list[Json]], None],
        tell_funding: Callable[[str, Json], None],
    ) -> None:
        """`mark_ticks` is of an instrument; `tell` is given a customer's name, order updates and fills."""
        self._coins = coins
        self._records = records
        self._mark_ticks = mark_ticks
        self._tell = tell
        self._tell_funding = tell_funding
        self._said: list[Said] = []
        self._acting = False

    def take(self, update: PrivateUpdate) -> None:
        """Listens to the core."""
        if isinstance(update, FundingUpdate):
            self._note(update)
            return
        order, trade = update.order, update.trade
        coin = self._coins[order.request.instrument]
        status = self._records[update.customer].status(order)
        if update.kind == EventKind.ORDER_TRIGGERED:
            status = "triggered"
        filled = fill(coin, trade) if trade is not None else None
        self._said.append(Said(update.customer, order_update(coin, order, status), filled))
        if not self._acting:
            self._flush()

    def reject(self, record: CustomerRecord, order: VenueOrder) -> None:
        """Tell of an order that was not taken."""
        coin = self._coins[order.request.instrument]
        self._said.append(Said(record.customer.name, order_update(coin, order, record.status(order)), None))

    @contextmanager
    def action(self) -> Iterator[None]:
        """While a customer's action is carried out."""
        self._acting = True
        try:
            yield
        finally:
            self._acting = False
            self._flush()

    @contextmanager
    def told_last(self) -> Iterator[list[Said]]:
        """What happens within is given to the caller, who has to `add` it."""
        start = len(self._said)
        held: list[Said] = []
        yield held
        held += self._said[start:]
        del self._said[start:]

    def add(self, held: Sequence[Said]) -> None:
        self._said += held

    def _note(self, update: FundingUpdate) -> None:
        """Funding is kept, to be asked for, and told; that there is other money now is told, too."""
        record = self._records[update.customer]
        held_lots = record.customer.position(update.instrument).quantity_lots
        mark_ticks = self._mark_ticks(update.instrument)
        paid = Funding(update.ts_ns, update.instrument, update.amount_units, held_lots, mark_ticks)
        record.funding.append(paid)
        self._tell_funding(update.customer, funding(self._coins[update.instrument], paid))
        self._tell(update.customer, [], [])

    def _flush(self) -> None:
        said, self._said = self._said, []
        for customer in dict.fromkeys(entry.customer for entry in said):
            mine = [entry for entry in said if entry.customer == customer]
            self._tell(customer, [e.order for e in mine], [e.fill for e in mine if e.fill is not None])
