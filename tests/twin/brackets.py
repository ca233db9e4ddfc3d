"""The life of a bracket in the twin: after everything that concerns it, its orders are made what they should be."""

from typing import Any

from engine.kinds import (
    BracketChange,
    BracketStatus,
    Distance,
    FillFlag,
    GroupKind,
    LegPolicy,
    OrderFlag,
    OrderRole,
    OrderStatus,
    OrderType,
    TradingState,
)
from engine.reasons import Reason
from tests.twin.base import PPM, Event
from tests.twin.opening import Opening, distance_in_ticks, price_at
from tests.twin.orders import Order
from tests.twin.rows import Bracket, Leg, can_be_amended

ENDED = (OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED)


class Brackets(Opening):
    def __init__(self, limits: Any) -> None:
        super().__init__(limits)
        # Of the fill that is being booked: lots that its fee takes, and the order of a closed row that it filled.
        self.fee_lots = 0
        self.late: tuple[Order, int] | None = None

    # What happens to its orders

    def book_strategy_fill(self, fill: Event, order: Order | None) -> None:
        super().book_strategy_fill(fill, order)
        buying, in_base = not fill["fill_flags"] & FillFlag.SELL, fill["fill_flags"] & FillFlag.FEE_IN_BASE
        self.fee_lots = fill["fee"] if buying and in_base else 0
        self.late = None

    def on_order_changed(self, order: Order, filled_lots: int, price_ticks: int) -> None:
        super().on_order_changed(order, filled_lots, price_ticks)
        row: Bracket = order.bracket
        if row.is_closed and filled_lots:
            self.late = (order, filled_lots)
        if row.is_closed or row.group_kind != GroupKind.BRACKET:
            return
        leg = next((leg for leg in row.legs if leg.order is order), None)
        if filled_lots:
            self._book(row, order, leg, filled_lots, price_ticks)
        elif leg is not None:
            self._on_leg_reported(row, leg, order)
        elif order.order_role == OrderRole.EXIT:
            self._on_exit_reported(row, order)
        self.settle(row)

    def _book(self, row: Bracket, order: Order, leg: Leg | None, lots: int, price: int) -> None:
        if order.order_role == OrderRole.ENTRY:
            first = row.entered_lots == 0
            row.entered_lots += lots - self.fee_lots
            row.entry_units += lots * price * self.instruments[row.instrument].tick_lot_units
            if first:
                self._set_prices(row, price)
            return
        row.exited_lots += lots if order.side != row.side else -lots
        if order.order_role in (OrderRole.STOP, OrderRole.TARGET):
            row.legs[order.leg].filled_lots += lots
            is_stop = order.order_role == OrderRole.STOP
            row.leg_reason = Reason.STOP_REACHED if is_stop else Reason.TARGET_REACHED

    def _set_prices(self, row: Bracket, price: int) -> None:
        """All prices are set once, at the first fill."""
        row.entry_ticks = row.best_ticks = price
        row.opened_ts_ns = self.ts_ns
        if row.rules["time_limit_ns"]:
            row.expire_ts_ns = self.ts_ns + row.rules["time_limit_ns"]
        stop, targets = row.legs[0], row.legs[1:]
        row.stop_ticks = stop.trigger_ticks = price_at(stop.distance, stop.distance_value, price, -row.side)
        for leg in targets:
            leg.limit_ticks = price_at(leg.distance, leg.distance_value, price, row.side)
        if row.status == BracketStatus.WAITING:
            row.status = BracketStatus.OPEN
            self.say(row, BracketChange.OPENED, self.entry_of(row))

    def _on_leg_reported(self, row: Bracket, leg: Leg, order: Order) -> None:
        """A leg that ends though nobody asked is lost; a cancel that was refused is none."""
        if order.status in ENDED and not leg.cancel_asked and row.status == BracketStatus.OPEN:
            reason = Reason.LEG_REJECTED if order.status == OrderStatus.REJECTED else Reason.LEG_LOST
            self.count("legs_lost")
            self.say(row, BracketChange.LEG_LOST, order, reason)
            leg.replacements += 1
            if row.rules["leg_policy"] == LegPolicy.CLOSE or leg.replacements > row.replacements_max:
                self._begin_closing(row, reason, 0)
        if order.is_open and order.status not in (OrderStatus.PENDING_CANCEL, OrderStatus.UNKNOWN):
            leg.cancel_asked = False

    def _on_exit_reported(self, row: Bracket, order: Order) -> None:
        """One that ends unfilled is placed anew, as often as a leg; after that trading is halted."""
        if order.status not in ENDED or order.order in row.exits_asked_out:
            return
        row.exit_replacements += 1
        if row.exit_replacements == row.replacements_max + 1:
            self.trading_state = TradingState.HALTED
            self.alert(row.instrument, row.strategy, order.order, Reason.EXIT_REJECTED, row.all_held)

    # What should be

    def settle(self, row: Bracket) -> None:
        """Order, amend or cancel the difference between what the legs should be and what they are."""
        entry = self.entry_of(row)
        if row.is_closed:
            return
        if row.status == BracketStatus.WAITING and not (entry is not None and entry.is_open):
            row.close_reason = Reason.ENTRY_ENDED_UNFILLED
            self.close_row(row)
            self.say(row, BracketChange.CLOSED, entry, row.close_reason)
            return
        if row.status == BracketStatus.OPEN and row.held <= 0:
            row.status = BracketStatus.CLOSING
        if row.status == BracketStatus.OPEN:
            self._move_stop(row)
            for leg, lots in zip(row.legs, self.wanted(row), strict=True):
                self._settle_leg(row, leg, lots)
            self._release_legs(row)
        elif row.status == BracketStatus.CLOSING:
            self._settle_closing(row)
        self._note_uncovered(row)

    def wanted(self, row: Bracket) -> list[int]:
        """What each leg should have."""
        targets = row.legs[1:]
        lots = [row.held if row.stop_ticks else 0]
        left, shares, before = row.held, 0, 0
        for leg in targets:
            shares += leg.share_ppm
            upto = row.entered_lots * shares // PPM // row.step * row.step
            if shares == PPM and leg is targets[-1]:
                upto = row.entered_lots
            due = min(max(upto - before - leg.filled_lots, 0), left) // row.step * row.step
            before, left = upto, left - due
            lots.append(due if leg.share_ppm else 0)
        return lots

    def _settle_leg(self, row: Bracket, leg: Leg, lots: int) -> None:
        if leg.is_live and leg.order is not None:
            order = leg.order
            if lots == 0:
                self._cancel_leg(leg)
                return
            whole = order.filled_lots + lots
            if can_be_amended(order) and leg.asked != (whole, leg.price_ticks):
                leg.asked = (whole, leg.price_ticks)
                self.request_amend(order, whole, leg.limit_ticks, leg.trigger_ticks)
        elif lots and self.orders.has_room() and self.lots_fit(row.instrument, leg.side, lots):
            flags = OrderFlag.REDUCE_ONLY
            if row.rules["held_by_engine"]:
                flags |= OrderFlag.HELD_BY_ENGINE
            leg.asked, leg.cancel_asked, leg.quantity_lots = (lots, leg.price_ticks), False, lots
            terms = {"limit": leg.limit_ticks, "trigger": leg.trigger_ticks, "flags": flags}
            terms |= {"role": leg.order_role, "leg": row.legs.index(leg)}
            leg.order = self.place(
                row.instrument, row.strategy, leg.side, lots, leg.order_type, bracket=row, **terms
            )

    def _cancel_leg(self, leg: Leg) -> None:
        if leg.is_live and leg.order is not None:
            leg.cancel_asked = True
            self.request_cancel(leg.order)

    def _settle_closing(self, row: Bracket) -> None:
        """Cancel what is live, order what is held and not yet on exit, or too much of it back."""
        for leg in row.legs:
            self._cancel_leg(leg)
        entry = self.entry_of(row)
        if entry is not None and entry.is_open:
            self.request_cancel(entry)
        if row.held <= 0:
            self._cancel_exits(row)
        back = sum(order.left_lots for order in row.exits if order.is_open and order.side == row.side)
        on_exit = sum(order.left_lots for order in row.exits if order.is_open and order.side != row.side)
        if -row.held > back:
            self._place_exit(row, row.side, -row.held - back)
        elif row.held > on_exit:
            self._place_exit(row, -row.side, row.held - on_exit)
        if row.held == 0 and not self.open_orders_of(row):
            row.close_reason = row.close_reason or row.leg_reason
            self.close_row(row)
            self.say(row, BracketChange.CLOSED, None, row.close_reason)

    def _cancel_exits(self, row: Bracket) -> None:
        """Of those that take more out of what is held."""
        for order in row.exits:
            if order.is_open and order.side != row.side:
                row.exits_asked_out.add(order.order)
                self.request_cancel(order)

    def _place_exit(self, row: Bracket, side: int, lots: int) -> None:
        if row.exit_replacements > row.replacements_max:
            return
        if not self.orders.has_room() or not self.lots_fit(row.instrument, side, lots):
            return
        repairs = side == row.side
        limit = 0 if repairs else row.exit_limit_ticks
        kind = OrderType.LIMIT if limit else OrderType.MARKET
        terms = {"limit": limit, "flags": self.closing_flags(row.instrument, side, lots), "role": OrderRole.EXIT}
        order = self.place(row.instrument, row.strategy, side, lots, kind, bracket=row, **terms)
        row.exits.append(order)
        if repairs:
            self.count("exits_overfilled")
            self.say(row, BracketChange.REPAIRED, order, Reason.EXIT_OVERFILLED)

    def _begin_closing(self, row: Bracket, reason: int, limit: int) -> None:
        if row.status in (BracketStatus.WAITING, BracketStatus.OPEN):
            row.status = BracketStatus.CLOSING
            row.close_reason, row.exit_limit_ticks = reason, limit

    def close_bracket(self, row: Bracket, reason: int, limit: int) -> None:
        """Close it, or close it again: what was given up is tried again, and a limit may give way to the market."""
        row.exit_replacements = 0
        if row.status == BracketStatus.CLOSING and row.exit_limit_ticks and not limit:
            row.exit_limit_ticks = 0
            self._cancel_exits(row)
        self._begin_closing(row, reason, limit)
        self.settle(row)

    def _note_uncovered(self, row: Bracket) -> None:
        """Count the events during which it held lots without a live stop."""
        covered = row.status != BracketStatus.OPEN or row.legs[0].is_live or row.rules["stop_optional"]
        if covered and row.uncovered_seq:
            row.uncovered_events += self.seq - row.uncovered_seq
            self.count("uncovered_events", self.seq - row.uncovered_seq)
            row.uncovered_seq = 0
        elif not covered and not row.uncovered_seq:
            row.uncovered_seq = self.seq
            self.alert(row.instrument, row.strategy, 0, Reason.POSITION_WITHOUT_STOP, row.all_held)

    # What the position does

    def on_position_filled(self, account: int, instrument: int) -> None:
        """The youngest brackets give way to the position; what could not be had is tried again."""
        super().on_position_filled(account, instrument)
        if account == self.instruments[instrument].account:
            self._cut(instrument)
            self._order_back(instrument)
        self.try_again(instrument)

    def _loose(self, instrument: int) -> int:
        """The position without what brackets hold."""
        together = sum(row.side * row.all_held for row in self.live_brackets(instrument))
        return self.position(instrument).quantity_lots - together

    def _cut(self, instrument: int) -> None:
        rows = self.live_brackets(instrument)
        together = sum(row.side * row.all_held for row in rows)
        side = 1 if together > 0 else -1
        excess = abs(together) - max(side * self.position(instrument).quantity_lots, 0)
        for row in rows:
            if excess > 0 and row.side == side and row.all_held > 0:
                cut = min(excess, row.all_held)
                row.exited_lots += cut
                excess -= cut
                self.say(row, BracketChange.CUT, None, Reason.POSITION_SMALLER_THAN_BRACKET)
                if row.held == 0:
                    self._begin_closing(row, Reason.POSITION_SMALLER_THAN_BRACKET, 0)
                self.settle(row)

    def _order_back(self, instrument: int) -> None:
        """A late fill of an order whose row is closed: what it leaves that no bracket holds goes back."""
        if self.late is None:
            return
        (order, filled), self.late = self.late, None
        step = self.instruments[instrument].quantity_step_lots
        lots = min(filled, max(order.side * self._loose(instrument), 0)) // step * step
        if lots == 0 or order.bracket.group_kind != GroupKind.BRACKET:
            return
        entered = order.order_role == OrderRole.ENTRY
        reason = Reason.ENTRY_UNPROTECTED if entered else Reason.EXIT_OVERFILLED
        self.alert(instrument, order.strategy, order.order, reason, lots)
        if self.orders.has_room() and self.lots_fit(instrument, -order.side, lots):
            flags = self.closing_flags(instrument, -order.side, lots)
            terms = {"flags": flags, "role": OrderRole.EXIT}
            self.place(instrument, order.strategy, -order.side, lots, OrderType.MARKET, **terms)

    def try_again(self, instrument: int) -> None:
        """Compare every leg with the terms that it has, instead of those last asked for."""
        for row in self.live_rows(instrument):
            for leg in row.legs:
                leg.forget_asked()
            if row.group_kind == GroupKind.BRACKET:
                self.settle(row)
            else:
                self.settle_group(row)

    def settle_group(self, row: Bracket) -> None:
        raise NotImplementedError

    def on_timer(self) -> None:
        super().on_timer()
        for instrument in sorted(self.instruments):
            self.try_again(instrument)

    # What time and prices do

    def on_brackets_due(self) -> None:
        super().on_brackets_due()
        for instrument in sorted(self.instruments):
            for row in self.live_brackets(instrument):
                if row.status == BracketStatus.OPEN and 0 < row.expire_ts_ns <= self.ts_ns:
                    self.say(row, BracketChange.TIME_LIMIT, None, Reason.TIME_LIMIT_REACHED)
                    self.close_bracket(row, Reason.TIME_LIMIT_REACHED, 0)

    def on_price(self, instrument: int) -> None:
        super().on_price(instrument)
        for row in self.live_brackets(instrument):
            if row.status == BracketStatus.OPEN and self._waits_no_more(row):
                self.settle(row)

    def _waits_no_more(self, row: Bracket) -> bool:
        """Whether the price moves its stop or releases a leg."""
        moved = self._move_stop(row)
        return moved or any(self._is_reached(row, leg) for leg in row.legs)

    def _price(self, row: Bracket) -> int:
        """What the position is valued at: the bid for a long, the ask for a short."""
        instrument = self.instruments[row.instrument]
        return instrument.long_mark_ticks if row.side > 0 else instrument.short_mark_ticks

    def _next_stop(self, row: Bracket) -> tuple[int, BracketChange]:
        """Where the trail or the break-even puts the stop, whichever is better; 0 where neither moves it."""
        price, rules = self._price(row), row.rules
        stop_order = row.legs[0].order
        if stop_order is not None and stop_order.order_type == OrderType.MARKET and stop_order.is_open:
            return 0, BracketChange.STOP_MOVED
        if row.side * (price - row.best_ticks) > 0:
            row.best_ticks = price
        profit = row.side * (price - row.entry_ticks) * PPM // row.entry_ticks
        moves: list[tuple[int, BracketChange]] = []
        if row.trail_distance != Distance.NONE:
            if profit >= rules["trail_activation_ppm"]:
                row.trail_active = 1
            distance = distance_in_ticks(row.trail_distance, row.trail_value, row.best_ticks)
            stop = max(1, row.best_ticks - row.side * distance)
            step = rules["trail_step_ticks"] or max(1, distance // 10)
            if row.trail_active and (row.stop_ticks == 0 or row.side * (stop - row.stop_ticks) >= step):
                moves.append((stop, BracketChange.STOP_MOVED))
        if rules["break_even_ppm"] and not row.broke_even and profit >= rules["break_even_ppm"]:
            row.broke_even = 1
            stop = max(1, row.entry_ticks + row.side * rules["break_even_offset_ticks"])
            if row.stop_ticks == 0 or row.side * (stop - row.stop_ticks) > 0:
                moves.append((stop, BracketChange.BREAK_EVEN))
        return max(moves, key=lambda move: row.side * move[0]) if moves else (0, BracketChange.STOP_MOVED)

    def _move_stop(self, row: Bracket) -> bool:
        stop, change = self._next_stop(row)
        if stop:
            row.stop_ticks = row.legs[0].trigger_ticks = stop
            present = row.legs[0].order if row.legs[0].is_live else None
            self.say(row, change, present)
        return stop > 0

    def _is_reached(self, row: Bracket, leg: Leg) -> bool:
        """Whether the price has come to a leg that the engine holds."""
        if leg.order is None or leg.order.status != OrderStatus.HELD:
            return False
        ahead = row.side if leg.order_role == OrderRole.TARGET else -row.side
        return ahead * (self._price(row) - leg.price_ticks) >= 0

    def _release_legs(self, row: Bracket) -> None:
        """Send the legs that the engine holds and whose price has come; once the stop is gone, no target."""
        for leg in row.legs:
            if self._is_reached(row, leg) and leg.order is not None:
                self.release(leg.order)
                if leg.order_role == OrderRole.STOP:
                    return
