"""Closing in the twin: a position, an account, everything; and cancelling entries and orders."""

from engine.kinds import OrderFlag, OrderRole, OrderType
from engine.reasons import Reason
from tests.twin.brackets import Brackets
from tests.twin.orders import Order

NOBODY = -1
LEGS = (OrderRole.STOP, OrderRole.TARGET)


def works(order: Order) -> bool:
    """Whether an order may never fill."""
    return order.order_type != OrderType.MARKET


class Closing(Brackets):
    def cancel_entries(self, instrument: int, strategy: int | None = None) -> None:
        for order in reversed(self.orders.open(instrument)):
            asked_for = order.order_role == OrderRole.GROUPED and not order.order_flags & OrderFlag.REDUCE_ONLY
            entry = order.order_role == OrderRole.ENTRY and works(order)
            if (asked_for or entry) and strategy in (None, order.strategy):
                self.request_cancel(order)

    def cancel_orders(self, instrument: int, strategy: int | None = None) -> None:
        """Every order but legs and brackets' exits."""
        for order in reversed(self.orders.open(instrument)):
            of_bracket = order.order_role == OrderRole.EXIT and order.bracket is not None
            if order.order_role not in LEGS and not of_bracket and strategy in (None, order.strategy):
                self.request_cancel(order)

    def close_position(self, instrument: int, strategy: int, reason: int, limit_ticks: int) -> int:
        """One order for each bracket, one for leftovers, and one for the rest of what is under way."""
        given_up = [order for order in reversed(self.orders.open(instrument)) if self._gives_way(order, limit_ticks)]
        for order in given_up:
            self.request_cancel(order)
        placed = self.counts.get("orders_placed", 0)
        for row in self.live_brackets(instrument):
            self.close_bracket(row, reason, limit_ticks)
        self.close_leftovers(instrument)
        self._close_rest(instrument, strategy, reason, limit_ticks, given_up)
        return sum(order.quantity_lots for number, order in self.orders.known.items() if number > placed)

    def _gives_way(self, order: Order, limit_ticks: int) -> bool:
        """Working entries; and working exits of no bracket, to a closing at the market."""
        if not works(order) or order.is_leg:
            return False
        return order.order_role == OrderRole.ENTRY or (order.bracket is None and not limit_ticks)

    def _close_rest(self, instrument: int, strategy: int, reason: int, limit_ticks: int, given_up: list[Order]) -> None:
        rest = self._loose(instrument) + sum(
            order.side * order.left_lots
            for order in self.orders.open(instrument)
            if order.bracket is None and not order.is_leg and order not in given_up
        )
        lots = abs(rest) // self.instruments[instrument].quantity_step_lots
        lots *= self.instruments[instrument].quantity_step_lots
        if lots == 0:
            return
        side = -1 if rest > 0 else 1
        owner = strategy if reason == Reason.SIGNAL_CLOSED else self._main_holder(instrument, strategy, -side)
        if not self.lots_fit(instrument, side, lots):
            self.alert(instrument, owner, 0, Reason.MONEY_OVERFLOW, lots)
        elif not self.orders.has_room():
            self.alert(instrument, owner, 0, Reason.ORDER_TABLE_FULL, lots)
        else:
            kind = OrderType.LIMIT if limit_ticks else OrderType.MARKET
            flags = self.closing_flags(instrument, side, lots)
            self.place(instrument, owner, side, lots, kind, limit=limit_ticks, flags=flags, role=OrderRole.EXIT)

    def _main_holder(self, instrument: int, named: int, side: int) -> int:
        """The strategy that is named where it holds some, else the one that holds most, the first of equals."""
        held = {number: side * self.pairs[number, instrument].book.quantity_lots for number in sorted(self.strategies)}
        if held.get(named, 0) > 0:
            return named
        most = max(held, key=lambda number: held[number], default=0)
        return most if held.get(most, 0) > 0 else max(named if named in held else 0, 0)

    def close_everything(self, reason: int) -> None:
        for number in sorted(self.instruments):
            self.cancel_entries(number)
            self.close_position(number, NOBODY, reason, 0)
