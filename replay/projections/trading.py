"""The projection: which event changes what of the read model."""

from abc import abstractmethod
from typing import Any

from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking, TrackingRecorder
from eventsourcing.projection import Projection
from eventsourcing.utils import get_topic

from replay.notifications import events
from replay.projections import orders, positions
from replay.projections.tables import Tables

_APPLICATION_PREFIX = "tape-"
_CLASSES: tuple[type[events.TapeEvent], ...] = (
    *(events.OrderPlaced, events.CancelRequested, events.AmendmentRequested, events.OrderReleased),
    *(events.OrderSent, events.OrderAccepted, events.OrderRejected, events.OrderFilled, events.OrderCanceled),
    *(events.OrderExpired, events.OrderAmended, events.CancelRejected, events.OrderUnanswered),
    events.OrderAdopted,
)


class TradingView(TrackingRecorder):
    """Orders, fills, trades and positions in a database, and how far each tape has been taken into them."""

    @abstractmethod
    def take(self, event: events.OrderEvent, tracking: Tracking) -> None:
        """Change the read model by an event and track it, in one transaction."""

    @abstractmethod
    def close(self) -> None:
        """Release the database."""


class Trading(Projection[TradingView]):
    """From a tape to a `TradingView`; `taken` counts the events of this run."""

    name = "trading"
    topics = tuple(get_topic(event_class) for event_class in _CLASSES)

    def __init__(self, view: TradingView) -> None:
        super().__init__(view)
        self.taken = 0

    @singledispatchmethod
    def process_event(self, event: Any, tracking: Tracking) -> None:
        self.view.take(event, tracking)
        self.taken += 1


def take(tables: Tables, event: events.OrderEvent, tracking: Tracking) -> None:
    """Change the rows that an event is about."""
    journal = tracking.application_name.removeprefix(_APPLICATION_PREFIX)
    if isinstance(event, events.OrderPlaced):
        orders.place(tables, journal, event)
    elif isinstance(event, events.OrderAdopted):
        orders.adopt(tables, journal, event)
    elif isinstance(event, events.OrderFilled):
        _fill(tables, journal, event, tracking.notification_id)
    else:
        orders.change(tables, journal, event)


def _fill(tables: Tables, journal: str, fill: events.OrderFilled, number: int) -> None:
    """Book a fill as the engine does: one that is reported again once, one that cannot be true not at all."""
    if fill.price_ticks <= 0 or fill.quantity_lots <= 0 or fill.tick_lot_units <= 0:
        return
    known = {"journal": journal, "symbol": fill.symbol, "side": fill.side, "trade_id": fill.trade_id}
    if fill.trade_id and tables.find("tape_fills", **known):
        return
    strategy = orders.fill(tables, journal, fill)
    tables.save(
        "tape_fills",
        **known,
        notification_id=number,
        seq=fill.seq,
        time=fill.time,
        account=fill.account,
        order_number=fill.order,
        strategy=strategy,
        liquidity=fill.liquidity,
        quantity=fill.quantity,
        price=fill.price,
        fee=fill.fee,
        fee_in_base=int(fill.fee_in_base),
        currency=fill.currency,
    )
    positions.book(tables, journal, fill, strategy)
