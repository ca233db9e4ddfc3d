"""How large an entry is, in the twin: what the method gives, the risk level's scale, and the cuts."""

from math import isqrt

from engine.arithmetic import MONEY_MAX
from engine.kinds import DecisionKind, SizeLimit, SizingMethod
from engine.reasons import Reason
from tests.twin.base import LOTS_MAX, PPM, Event, Rules
from tests.twin.checks import Checks

# A sum that the ledger refuses as an order's worth.
_NOTIONAL_MAX = 1.15e18
# The rules that the risk level scales.
_SCALED = ("position_weight_max_ppm", "position_max_lots", "order_quantity_max_lots", "order_notional_max_units")


class SignalRefused(Exception):
    """A signal that leads to no order: (reason, limit, observed)."""


class SignalDone(Exception):
    """A signal that was refused, and after which something was closed nevertheless."""


class Sizing(Checks):
    def _scaled(self, number: int, lots: int) -> int:
        return lots * self.scale_ppm(number) // PPM

    def fixed_size(self, signal: Event) -> tuple[int, int]:
        """(size, scaled) of a signal without a bracket and without a method that looks at the equity."""
        number = signal["instrument"]
        if signal["quantity_lots"]:
            return signal["quantity_lots"], signal["quantity_lots"]
        size = self.instruments[number].order_quantity_lots
        if not size:
            raise SignalRefused(Reason.ORDER_QUANTITY_UNSET, 0, SizingMethod.FIXED_QUANTITY)
        if not self._scaled(number, size):
            raise SignalRefused(Reason.SIZE_ZERO, SizeLimit.NONE, size)
        return size, self._scaled(number, size)

    def cut_fixed(self, signal: Event, side: int, price: int, opening: tuple[int, int], held: int, closing: int) -> int:
        """What may open of an order that closes lots too: the whole is a whole number of steps.

        `opening` is what of the size would open, before and after the scale.
        """
        number = signal["instrument"]
        step = self.instruments[number].quantity_step_lots
        wanted, left = opening
        bound = SizeLimit.NONE
        if not signal["quantity_lots"]:
            left, bound = self._cut(number, side, price, left, held, closing)
        whole = (closing + left) // step * step - closing
        if whole < left and bound == SizeLimit.NONE:
            bound = SizeLimit.LOT_STEP
        return self._sized(number, signal, SizingMethod.FIXED_QUANTITY, wanted, whole, bound, price)

    def size_entry(self, signal: Event, side: int, price: int, held: int, closing: int) -> int:
        """The lots of an entry of its own."""
        number = signal["instrument"]
        step = self.instruments[number].quantity_step_lots
        method = SizingMethod.FIXED_QUANTITY
        bound = SizeLimit.NONE
        if signal["quantity_lots"]:
            wanted = left = signal["quantity_lots"]
        else:
            method = SizingMethod(self.instrument_rules[number]["sizing_method"])
            wanted = self._by_method(method, signal, side, price)
            left, bound = self._cut(number, side, price, self._scaled(number, wanted), held, closing)
        whole = left // step * step
        if whole < left and bound == SizeLimit.NONE:
            bound = SizeLimit.LOT_STEP
        return self._sized(number, signal, method, wanted, whole, bound, price)

    def _sized(
        self, number: int, signal: Event, method: int, wanted: int, quantity: int, bound: int, price: int
    ) -> int:
        if quantity <= 0:
            raise SignalRefused(Reason.SIZE_ZERO, bound, wanted)
        if method != SizingMethod.FIXED_QUANTITY or quantity < wanted:
            self.decide(
                DecisionKind.ORDER_SIZED,
                instrument=number,
                account=self.instruments[number].account,
                strategy=signal["source"],
                sizing_method=method,
                wanted_lots=wanted,
                quantity_lots=quantity,
                size_limit=bound,
                equity_units=self.equity(number),
                reference_ticks=price,
            )
        return quantity

    # Methods

    def _by_method(self, method: SizingMethod, signal: Event, side: int, price: int) -> int:
        number = signal["instrument"]
        unit, rules = self.instruments[number].tick_lot_units, self.instrument_rules[number]
        if method == SizingMethod.FIXED_QUANTITY:
            lots = self.instruments[number].order_quantity_lots
            if not lots:
                raise SignalRefused(Reason.ORDER_QUANTITY_UNSET, 0, method)
            return lots
        needed = {
            SizingMethod.FIXED_AMOUNT: "amount_units",
            SizingMethod.RISK_BASED: "risk_ppm",
            SizingMethod.VOLATILITY_BASED: "volatility_target_ppm",
        }
        if method in needed and not rules[needed[method]]:
            raise SignalRefused(Reason.SIZING_VALUE_UNSET, 0, method)
        if method == SizingMethod.FIXED_AMOUNT:
            return rules["amount_units"] // _fitting(price * unit)
        if method == SizingMethod.FIXED_FRACTION:
            return self._share(number, rules["fraction_ppm"] or 50_000, PPM) // _fitting(price * unit)
        if method == SizingMethod.RISK_BASED:
            distance = self.stop_distance_ticks(signal, number, side, price)
            if not distance:
                raise SignalRefused(Reason.STOP_MISSING, 0, 0)
            return self._share(number, rules["risk_ppm"], PPM) // _fitting(distance * unit)
        if method == SizingMethod.VOLATILITY_BASED:
            volatility = self._volatility(number, rules)
            return self._share(number, rules["volatility_target_ppm"], volatility) // _fitting(price * unit)
        return self._share(number, self._kelly(signal, rules), PPM) // _fitting(price * unit)

    def _positive_equity(self, number: int) -> int:
        equity = self.equity(number)
        if equity <= 0:
            raise SignalRefused(Reason.EQUITY_NOT_POSITIVE, 0, equity)
        return equity

    def _share(self, number: int, part: int, whole: int) -> int:
        return _fitting(self._positive_equity(number) * part // whole)

    def _volatility(self, number: int, rules: Rules) -> int:
        """EWMA volatility in ppm a sample, once there are samples enough."""
        instrument = self.instruments[number]
        volatility = isqrt(instrument.variance_ppb2) // 1000
        needed = rules["volatility_samples_min"] or 20
        if not volatility or instrument.samples < needed:
            raise SignalRefused(Reason.NO_VOLATILITY, needed, instrument.samples)
        return volatility

    def _kelly(self, signal: Event, rules: Rules) -> int:
        """p - (1 - p) / b, times the fraction of it that is used, in ppm."""
        if rules["kelly_win_ppm"]:
            win, payoff = rules["kelly_win_ppm"], rules["kelly_payoff_ppm"]
        else:
            win, payoff = self._own_record(signal["source"], rules["kelly_trades_min"] or 30)
        edge = 0
        if win and payoff:
            edge = (win - (PPM - win) * PPM // payoff) * (rules["kelly_fraction_ppm"] or 500_000) // PPM
        if edge <= 0:
            raise SignalRefused(Reason.KELLY_NOT_POSITIVE, 0, edge)
        return edge

    def _own_record(self, number: int, needed: int) -> tuple[int, int]:
        """(win rate, reward over risk) of the strategy's own closed trades, in ppm."""
        strategy = self.strategies[number]
        if strategy.trades < needed:
            raise SignalRefused(Reason.KELLY_TRADES_TOO_FEW, needed, strategy.trades)
        won, lost = strategy.trades_won, strategy.trades - strategy.trades_won
        if not won:
            return 0, 0
        payoff_max = 1_000_000_000
        loss = strategy.loss_units // lost if lost else 0
        payoff = PPM * (strategy.profit_units // won) // loss if loss else payoff_max
        return PPM * won // strategy.trades, min(payoff, payoff_max)

    # Cuts

    def _cut(self, number: int, side: int, price: int, lots: int, held: int, closing: int) -> tuple[int, int]:
        """(lots, what bound them) after every cut but the step."""
        instrument, rules = self.instruments[number], self.instrument_rules[number]
        each = price * instrument.tick_lot_units
        bound = SizeLimit.NONE
        most = {name: self._scaled(number, rules[name]) for name in _SCALED if rules[name]}
        found: list[tuple[int, SizeLimit]] = []
        if "position_weight_max_ppm" in most:
            worth = self._share(number, most["position_weight_max_ppm"], PPM)
            found.append((worth // each - held, SizeLimit.POSITION_WEIGHT))
        if "position_max_lots" in most:
            found.append((most["position_max_lots"] - held, SizeLimit.POSITION_QUANTITY))
        if "order_quantity_max_lots" in most:
            found.append((most["order_quantity_max_lots"], SizeLimit.ORDER_QUANTITY))
        if instrument.quantity_max_lots:
            found.append((instrument.quantity_max_lots, SizeLimit.ORDER_QUANTITY))
        if "order_notional_max_units" in most:
            found.append((most["order_notional_max_units"] // each, SizeLimit.ORDER_NOTIONAL))
        if self.account_rules[instrument.account]["funds_checked"]:
            found.append(
                (self.affordable_lots(number, side, price, self.gone_lots(number, side, closing)), SizeLimit.FUNDS)
            )
        for most, what in found:
            if lots > max(most, 0):
                lots, bound = max(most, 0), what
        return lots, bound

    def gone_lots(self, number: int, side: int, closing: int) -> int:
        """How many lots of the position are gone where an order of a side closes so many of what is under way."""
        return min(closing, max(-side * self.position(number).quantity_lots, 0))

    # Bounds of the instrument and of the tables

    def check_bounds(self, number: int, quantity: int, price: int) -> None:
        instrument = self.instruments[number]
        notional = quantity * price * instrument.tick_lot_units
        if quantity < instrument.quantity_min_lots:
            raise SignalRefused(Reason.QUANTITY_BELOW_MINIMUM, instrument.quantity_min_lots, quantity)
        if 0 < instrument.quantity_max_lots < quantity:
            raise SignalRefused(Reason.QUANTITY_ABOVE_MAXIMUM, instrument.quantity_max_lots, quantity)
        if notional >= _NOTIONAL_MAX:
            raise SignalRefused(Reason.MONEY_OVERFLOW, 0, quantity)
        if notional < instrument.notional_min_units:
            raise SignalRefused(Reason.NOTIONAL_BELOW_MINIMUM, instrument.notional_min_units, notional)

    def check_room(self, number: int, side: int, quantity: int) -> None:
        """Open lots of a side are a number of lots; an order needs a place in the table."""
        same = [order for order in self.orders.open(number) if order.side == side]
        legs = sum(order.left_lots for order in same if order.is_leg)
        others = sum(order.left_lots for order in same if not order.is_leg)
        if quantity > LOTS_MAX - max(legs, others):
            raise SignalRefused(Reason.MONEY_OVERFLOW, LOTS_MAX, quantity)
        if not self.orders.has_room():
            raise SignalRefused(Reason.ORDER_TABLE_FULL, self.limits.orders, len(self.orders.open()))


def _fitting(units: int) -> int:
    if units > MONEY_MAX:
        raise SignalRefused(Reason.MONEY_OVERFLOW, MONEY_MAX, 0)
    return units
