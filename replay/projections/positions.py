"""Positions and trades in the read model: average cost, in whole units, as the engine's portfolio has it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from adapters.report.amounts import amount_text, money_text, quantity_text
from engine.kinds import Side
from replay.notifications.events import OrderFilled
from replay.projections.tables import Row, Tables
from replay.trades import RoundTrip, TripFill, TripPosition, Trips, average_price

_KEY = (0, 0)


@dataclass(slots=True)
class Ledger:
    """What a position is made of; the same sums as in `engine.portfolio`, without funding."""

    quantity_lots: int = 0
    cost_units: int = 0
    realized_units: int = 0
    fees_units: int = 0
    fills: int = 0

    def book(self, fill: OrderFilled) -> None:
        side = Side.SELL if fill.side == "sell" else Side.BUY
        worth_units = fill.price_ticks * fill.tick_lot_units
        fee_lots = fill.fee_count if fill.fee_in_base else 0
        delta = side * fill.quantity_lots - fee_lots
        held = self.quantity_lots
        closing = min(abs(held), abs(delta)) if held * delta < 0 else 0
        if closing:
            sign = 1 if held > 0 else -1
            cost = _share(self.cost_units, closing, abs(held))
            self.cost_units -= cost
            self.realized_units += sign * closing * worth_units - cost
        opening = delta + closing if delta < 0 else delta - closing
        self.cost_units += opening * worth_units
        self.quantity_lots += delta
        self.fees_units += fee_lots * worth_units if fill.fee_in_base else fill.fee_count
        self.fills += 1


def book(tables: Tables, journal: str, fill: OrderFilled, strategy: str) -> None:
    """Book a fill on its position and on the trades that it opens, changes or ends."""
    key = {"journal": journal, "account": fill.account, "symbol": fill.symbol}
    ledger, before = _ledger(tables, key), _ledger(tables, key)
    ledger.book(fill)
    _save_position(tables, key, ledger, fill)
    for trip in _trips(_open_trip(tables, key), before, ledger, fill):
        row = tables.find("tape_trades", **key, opened_seq=trip.opened_seq)
        _save_trade(tables, key, trip, fill, strategy if row is None else row["strategy"])


def _ledger(tables: Tables, key: Row) -> Ledger:
    row = tables.find("tape_positions", **key)
    if row is None:
        return Ledger()
    return Ledger(row["quantity_lots"], row["cost_units"], row["realized_units"], row["fees_units"], row["fills"])


def _trips(open_trip: RoundTrip | None, before: Ledger, after: Ledger, fill: OrderFilled) -> list[RoundTrip]:
    """The trades that a fill touches: one that it ends, one that is open after it."""
    position = TripPosition(before.quantity_lots, before.realized_units, before.fees_units, 0, open_trip)
    trips = Trips({_KEY: position})
    trips.take(
        TripFill(
            account=0,
            instrument=0,
            strategy=0,
            seq=fill.seq,
            ts_ns=fill.seq,  # stands for the time, which is kept as text
            price_ticks=fill.price_ticks,
            closing_reason=0,
            held_lots=after.quantity_lots,
            realized_units=after.realized_units,
            fees_units=after.fees_units,
            funding_units=0,
        )
    )
    return trips.closed + ([position.trip] if position.trip is not None else [])


def _open_trip(tables: Tables, key: Row) -> RoundTrip | None:
    row = tables.find("tape_trades", **key)
    if row is None or row["closed"] is not None:
        return None
    return RoundTrip(
        account=0,
        instrument=0,
        strategy=0,
        side=Side.BUY if row["side"] == "long" else Side.SELL,
        opened_seq=row["opened_seq"],
        opened_ts_ns=row["opened_seq"],
        quantity_max_lots=row["quantity_max_lots"],
        entry_lots=int(row["entry_lots"]),
        entry_ticks_lots=int(row["entry_ticks_lots"]),
        exit_lots=int(row["exit_lots"]),
        exit_ticks_lots=int(row["exit_ticks_lots"]),
        gross_units=row["gross_units"],
        fees_units=row["fees_units"],
        fills=row["fills"],
    )


def _save_position(tables: Tables, key: Row, ledger: Ledger, fill: OrderFilled) -> None:
    lots = ledger.quantity_lots
    ticks_lots = ledger.cost_units // fill.tick_lot_units
    tables.save(
        "tape_positions",
        **key,
        quantity=quantity_text(lots, Decimal(fill.lot_size)),
        entry_price=_average(ticks_lots, lots, fill),
        realized_pnl=money_text(ledger.realized_units, fill.money_decimals),
        fees=money_text(ledger.fees_units, fill.money_decimals),
        currency=fill.currency,
        fills=ledger.fills,
        updated=fill.time,
        updated_seq=fill.seq,
        quantity_lots=lots,
        cost_units=ledger.cost_units,
        realized_units=ledger.realized_units,
        fees_units=ledger.fees_units,
    )


def _save_trade(tables: Tables, key: Row, trip: RoundTrip, fill: OrderFilled, strategy: str) -> None:
    opening: dict[str, Any] = {"opened": fill.time, "strategy": strategy} if trip.opened_seq == fill.seq else {}
    row = {
        "side": "long" if trip.side > 0 else "short",
        "closed": None if trip.is_open else fill.time,
        "closed_seq": trip.closed_seq,
        "quantity": quantity_text(trip.quantity_max_lots, Decimal(fill.lot_size)),
        "entry_price": _average(trip.entry_ticks_lots, trip.entry_lots, fill),
        "exit_price": _average(trip.exit_ticks_lots, trip.exit_lots, fill),
        "gross_pnl": money_text(trip.gross_units, fill.money_decimals),
        "fees": money_text(trip.fees_units, fill.money_decimals),
        "net_pnl": money_text(trip.net_units, fill.money_decimals),
        "currency": fill.currency,
        "fills": trip.fills,
        "quantity_max_lots": trip.quantity_max_lots,
        "entry_lots": str(trip.entry_lots),
        "entry_ticks_lots": str(trip.entry_ticks_lots),
        "exit_lots": str(trip.exit_lots),
        "exit_ticks_lots": str(trip.exit_ticks_lots),
        "gross_units": trip.gross_units,
        "fees_units": trip.fees_units,
    }
    whole_key = {**key, "opened_seq": trip.opened_seq}
    if opening:
        tables.save("tape_trades", **whole_key, **opening, **row)
    else:
        tables.update("tape_trades", whole_key, **row)


def _average(ticks_lots: int, lots: int, fill: OrderFilled) -> str | None:
    return amount_text(average_price(ticks_lots, lots, Decimal(fill.tick_size))) if lots else None


def _share(amount: int, part: int, whole: int) -> int:
    """amount * part / whole, rounded towards zero."""
    return -(-amount * part // whole) if amount < 0 else amount * part // whole
