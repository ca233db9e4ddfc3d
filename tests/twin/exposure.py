"""What is held and on order is worth, in the twin: worst cases, exposures, funds."""

from engine.arithmetic import MONEY_MAX
from engine.kinds import AccountKind, OrderRole
from tests.twin.base import PPM
from tests.twin.hooks import Hooks


def ceil_div(a: int, b: int) -> int:
    return -(-a // b) if b else 0


class Exposure(Hooks):
    def worth(self, number: int, lots: int) -> int:
        """Lots at the mark, with their sign: the bid for a long, the ask for a short."""
        instrument = self.instruments[number]
        mark = instrument.long_mark_ticks if lots > 0 else instrument.short_mark_ticks
        return lots * mark * instrument.tick_lot_units

    def lots_on_order(self, account: int, number: int, side: int) -> int:
        """Lots on order of a side: entries, exits and members of groups."""
        return sum(
            order.left_lots
            for order in self.orders.open(number)
            if order.account == account
            and order.side == side
            and order.order_role in (OrderRole.ENTRY, OrderRole.EXIT, OrderRole.GROUPED)
        )

    def _lots_after(self, account: int, number: int, side: int, closing: int) -> int:
        """The position as if everything on a side were filled, with `closing` lots of it gone."""
        held = self.ledger.position(account, number).quantity_lots
        gone = min(closing, abs(held))
        held -= gone if held > 0 else -gone
        return held + side * self.lots_on_order(account, number, side)

    def after_lots(self, number: int, side: int, quantity: int, closing: int) -> int:
        return self._lots_after(self.instruments[number].account, number, side, closing) + side * quantity

    def after_units(self, number: int, side: int, quantity: int, price: int, closing: int) -> int:
        """The worth of `after`, without its sign."""
        there = self.worth(number, self._lots_after(self.instruments[number].account, number, side, closing))
        return abs(there + side * quantity * price * self.instruments[number].tick_lot_units)

    def exposures(
        self, accounts: list[int], number: int, side: int, quantity: int, price: int, closing: int
    ) -> dict[str, int]:
        """Gross, net, long and short of some accounts, with a new order of an instrument."""
        found = {"gross": 0, "net": 0, "long": 0, "short": 0}
        owner = self.instruments[number].account
        order = side * quantity * price * self.instruments[number].tick_lot_units
        for account in accounts:
            for other in self.instruments:
                mine = account == owner and other == number
                gone = closing if mine else 0
                most = self.worth(other, self._lots_after(account, other, 1, gone))
                least = self.worth(other, self._lots_after(account, other, -1, gone))
                held = self.ledger.position(account, other).quantity_lots
                held -= min(gone, abs(held)) * (1 if held > 0 else -1)
                net = self.worth(other, held)
                if mine:
                    net += order
                    most += order if side > 0 else 0
                    least += order if side < 0 else 0
                found["long"] += max(most, 0)
                found["short"] += max(-least, 0)
                found["gross"] += max(most, -least, 0)
                found["net"] += net
        found["net"] = abs(found["net"])
        return found

    def funds(self, number: int, side: int, quantity: int, price: int, closing: int) -> tuple[int, int]:
        """(free funds, what the order needs of them)."""
        instrument = self.instruments[number]
        account = self.ledger.accounts[instrument.account]
        order = quantity * price * instrument.tick_lot_units
        fee = max(ceil_div(order * instrument.taker_fee_ppm, PPM), 0)
        if account.account_kind == AccountKind.CASH:
            if side < 0:
                return 0, 0
            cash = account.equity_units - account.unrealized_units - account.cost_units
            return cash - self._open_buys(instrument.account), order + fee
        free = account.equity_units - sum(
            self._margin(other, self._worst(instrument.account, other)) for other in self.instruments if other != number
        )
        return free, self._margin(number, self.after_units(number, side, quantity, price, closing)) + fee

    def _open_buys(self, account: int) -> int:
        """What all open buys of an account cost at the ask."""
        return sum(
            self.lots_on_order(account, number, 1) * instrument.short_mark_ticks * instrument.tick_lot_units
            for number, instrument in self.instruments.items()
        )

    def _margin(self, number: int, worth: int) -> int:
        return ceil_div(worth * self.instruments[number].margin_initial_ppm, PPM)

    def _worst(self, account: int, number: int) -> int:
        """The larger worth of everything that buys and everything that sells."""
        sides = (self._lots_after(account, number, 1, 0), self._lots_after(account, number, -1, 0))
        return max(abs(self.worth(number, lots)) for lots in sides)

    def affordable_lots(self, number: int, side: int, price: int, closing: int) -> int:
        """The most lots with which the check of funds passes.

        What is needed falls while the order takes back what is on the other side, then grows: the least of it first.
        """

        def fits(lots: int) -> bool:
            free, needed = self.funds(number, side, lots, price, closing)
            return needed <= free

        turn = abs(self._lots_after(self.instruments[number].account, number, side, closing))
        fitting = [lots for lots in (0, *range(max(turn - 2, 0), 2 * turn + 3)) if fits(lots)]
        if not fitting:
            return 0
        low, high = max(fitting), MONEY_MAX
        if fits(high):
            return high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return low

    def positions_held_or_entered(self) -> list[tuple[int, int]]:
        """(account, instrument) of every position that is held or has open buys or sells."""
        return [
            (account, number)
            for account in self.ledger.accounts
            for number in self.instruments
            if self.ledger.position(account, number).quantity_lots
            or self.lots_on_order(account, number, 1)
            or self.lots_on_order(account, number, -1)
        ]
