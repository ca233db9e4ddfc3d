"""The life of orders in the read model: the engine's own table says what may follow what."""

from decimal import Decimal
from typing import Any

from engine.kinds import OrderStatus
from engine.orders import (
    CANCEL_WAS_REJECTED,
    CANCEL_WAS_REQUESTED,
    REQUEST_HAD_NO_ANSWER,
    TRANSITIONS,
    WAS_ACCEPTED,
    WAS_CANCELED,
    WAS_EXPIRED,
    WAS_FILLED_IN_PART,
    WAS_FILLED_WHOLLY,
    WAS_REJECTED,
    WAS_RELEASED,
    WAS_SENT,
)
from replay.notifications import events
from replay.projections.tables import Row, Tables

_HAPPENINGS: dict[type[events.TapeEvent], Any] = {
    events.CancelRequested: CANCEL_WAS_REQUESTED,
    events.OrderReleased: WAS_RELEASED,
    events.OrderSent: WAS_SENT,
    events.OrderAccepted: WAS_ACCEPTED,
    events.OrderRejected: WAS_REJECTED,
    events.OrderCanceled: WAS_CANCELED,
    events.OrderExpired: WAS_EXPIRED,
    events.CancelRejected: CANCEL_WAS_REJECTED,
    events.OrderUnanswered: REQUEST_HAD_NO_ANSWER,
}
_OPEN = ("pending", "sent", "accepted", "partially_filled", "pending_cancel", "unknown", "held")


def place(tables: Tables, journal: str, event: events.OrderPlaced) -> None:
    tables.save(
        "tape_orders",
        journal=journal,
        order_number=event.order,
        account=event.account,
        symbol=event.symbol,
        strategy=event.strategy,
        side=event.side,
        order_type=event.order_type,
        time_in_force=event.time_in_force,
        quantity=event.quantity,
        filled="0",
        limit_price=event.limit_price,
        trigger_price=event.trigger_price,
        status="held" if event.held else "pending",
        reason=None,
        placed=event.time,
        placed_seq=event.seq,
        updated=event.time,
        updated_seq=event.seq,
    )


def adopt(tables: Tables, journal: str, event: events.OrderAdopted) -> None:
    """Enter an order that was found at the exchange; one that is known to be open, or filled, stays as it is."""
    known = tables.find("tape_orders", journal=journal, order_number=event.order)
    filled, quantity = Decimal(event.filled), Decimal(event.quantity)
    if known is not None:
        # What has been filled since the exchange was asked is booked there.
        filled = max(filled, Decimal(known["filled"]))
        if known["status"] in _OPEN or filled >= quantity:
            return
    tables.save(
        "tape_orders",
        journal=journal,
        order_number=event.order,
        account=event.account,
        symbol=event.symbol,
        strategy=event.strategy if known is None else known["strategy"],
        side=event.side,
        order_type=event.order_type,
        time_in_force="gtc",
        quantity=event.quantity,
        filled=f"{filled:f}",
        limit_price=event.limit_price,
        trigger_price=event.trigger_price,
        status="partially_filled" if filled else "accepted",
        reason=None,
        placed=event.placed,
        placed_seq=event.seq,
        updated=event.time,
        updated_seq=event.seq,
    )


def change(tables: Tables, journal: str, event: events.OrderEvent) -> None:
    """Apply what was asked or reported of an order; one that is not known stays unknown."""
    key = {"journal": journal, "order_number": event.order}
    row = tables.find("tape_orders", **key)
    if row is None:
        return
    changes = _changes(row, event)
    if isinstance(event, events.OrderReport) and event.reason is not None:
        changes["reason"] = event.reason
    tables.update("tape_orders", key, **changes, updated=event.time, updated_seq=event.seq)


def fill(tables: Tables, journal: str, event: events.OrderFilled) -> str:
    """Count a fill on its order; returns the strategy whose order it was, empty where it is not known."""
    key = {"journal": journal, "order_number": event.order}
    row = tables.find("tape_orders", **key)
    if row is None:
        return ""
    filled = Decimal(row["filled"]) + Decimal(event.quantity)
    happening = WAS_FILLED_WHOLLY if filled >= Decimal(row["quantity"]) else WAS_FILLED_IN_PART
    status = _after(row["status"], happening, filled)
    tables.update("tape_orders", key, filled=f"{filled:f}", status=status, updated=event.time, updated_seq=event.seq)
    return str(row["strategy"])


def _changes(row: Row, event: events.OrderEvent) -> dict[str, Any]:
    filled, status = Decimal(row["filled"]), row["status"]
    if isinstance(event, events.OrderReleased):
        terms = {"limit_price": event.limit_price, "trigger_price": event.trigger_price}
        return {**terms, "order_type": event.order_type, "status": _after(status, WAS_RELEASED, filled)}
    if isinstance(event, events.AmendmentRequested):
        # What the engine holds is changed at once; an exchange says so itself.
        terms = {"quantity": event.quantity, "limit_price": event.limit_price, "trigger_price": event.trigger_price}
        return terms if status == "held" else {}
    if isinstance(event, events.OrderAmended):
        return _amended(row, event, filled)
    happening = _HAPPENINGS.get(type(event))
    return {} if happening is None else {"status": _after(status, happening, filled)}


def _amended(row: Row, event: events.OrderAmended, filled: Decimal) -> dict[str, Any]:
    if row["status"] not in _OPEN or Decimal(event.quantity) < filled:
        return {}
    changes: dict[str, Any] = {"quantity": event.quantity}
    if event.price is not None:
        is_limit = row["limit_price"] is not None or row["order_type"] == "limit"
        changes["limit_price" if is_limit else "trigger_price"] = event.price
    if Decimal(event.quantity) == filled:
        changes["status"] = _after(row["status"], WAS_FILLED_WHOLLY, filled)
    return changes


def _after(status: str, happening: Any, filled: Decimal) -> str:
    after = int(TRANSITIONS[OrderStatus[status.upper()], happening])
    if after < 0:
        return status
    if after == OrderStatus.ACCEPTED and filled > 0:
        return "partially_filled"
    return OrderStatus(after).name.lower()
