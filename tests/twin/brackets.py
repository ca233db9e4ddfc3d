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
from tests.twin.rows import Bracket, Leftovers, Leg

ENDED = (OrderStatus.REJECTED, OrderStatus.CANCELED, OrderStatus.EXPIRED)
SECOND_NS = 10**9
# How long to wait after the second, third, ... refusal in a row; then always as long as the last.
PAUSES_NS = [2**doublings * SECOND_NS // 10 for doublings in range(10)] + [60 * SECOND_NS]


class Brackets(Opening):
    def __init__(self, limits: Any) -> None:
        super().__init__(limits)
        # The lots that the fee of the fill that is being booked takes.
        self.fee_lots = 0

    # What happens to its orders

    def book_strategy_fill(self, fill: Event, order: Order | None) -> None:
        super().book_strategy_fill(fill, order)
        buying, in_base = not fill["fill_flags"] & FillFlag.SELL, fill["fill_flags"] & FillFlag.FEE_IN_BASE
        self.fee_lots = fill["fee"] if buying and in_base else 0

    def on_order_changed(self, order: Order, filled_lots: int, price_ticks: int) -> None:
        if order.order_role == OrderRole.ENTRY and filled_lots:
            filled_lots = max(filled_lots - self.fee_lots, 0)
        super().on_order_changed(order, filled_lots, price_ticks)
        if isinstance(order.bracket, Leftovers):
            self._on_leftover_exit(order.bracket, order, filled_lots)
            return
        row: Bracket = order.bracket
        if row.group_kind != GroupKind.BRACKET:
            return
        if row.is_closed:
            self._order_back(row.instrument, order, filled_lots)
            return
        leg = next((leg for leg in row.legs if leg.order is order), None)
        if filled_lots:
            self._book(row, order, filled_lots, price_ticks)
        elif leg is not None:
            self._on_leg_reported(row, leg, order)
        if order.order_role == OrderRole.EXIT:
            self._on_exit_reported(row, order, filled_lots)
        self.settle(row)

    def _book(self, row: Bracket, order: Order, lots: int, price: int) -> None:
        if order.order_role == OrderRole.ENTRY:
            first = row.entered_lots == 0
            row.entered_lots += lots
            row.entry_units += lots * price * self.instruments[row.instrument].tick_lot_units
            if first:
                self._set_prices(row, price)
            return
        row.exited_lots += lots if order.side != row.side else -lots
        if order.order_role in (OrderRole.STOP, OrderRole.TARGET):
            row.legs[order.leg].filled_lots += lots
            by_leg = row.close_reason in (Reason.STOP_REACHED, Reason.TARGET_REACHED)
            if row.status == BracketStatus.OPEN or by_leg:
                is_stop = order.order_role == OrderRole.STOP
                row.close_reason = Reason.STOP_REACHED if is_stop else Reason.TARGET_REACHED

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
            self.say(row, BracketChange.OPENED, row.entry)

    def _on_leg_reported(self, row: Bracket, leg: Leg, order: Order) -> None:
        """A leg that ends though nobody asked is placed anew; only what was refused counts."""
        if order.status in ENDED and not order.cancel_asked and row.status == BracketStatus.OPEN:
            reason = Reason.LEG_REJECTED if order.status == OrderStatus.REJECTED else Reason.LEG_LOST
            self.count("legs_lost")
            self.say(row, BracketChange.LEG_LOST, order, reason)
            leg.replacements += self._was_refused(order)
            if row.rules["leg_policy"] == LegPolicy.CLOSE or leg.replacements > row.replacements_max:
                self._begin_closing(row, reason, 0)
            leg.order = None

    def _was_refused(self, order: Order) -> bool:
        """Whether the exchange would not have it: not one that never arrived, or that it had for a second."""
        if order.status == OrderStatus.REJECTED:
            return order.reason != Reason.EXCHANGE_ORDER_UNKNOWN
        return self.ts_ns < order.placed_ts_ns + SECOND_NS

    def _on_exit_reported(self, row: Bracket, order: Order, filled_lots: int) -> None:
        """One that was refused is tried again after a pause; it is never given up."""
        if filled_lots:
            row.exit_refusals = row.exit_due_ts_ns = 0
        if order not in row.exits or order.is_open:
            return
        row.exits.remove(order)
        if order.status in ENDED and not order.cancel_asked and self._was_refused(order):
            row.exit_refusals += 1
            row.exit_due_ts_ns = self._end_of_pause(row.exit_refusals)
            if row.exit_refusals == row.replacements_max + 1:
                self._halt(order, row.held)

    def _end_of_pause(self, refusals: int) -> int:
        """When the next exit may be placed; 0 for at once."""
        return 0 if refusals == 1 else self.ts_ns + PAUSES_NS[min(refusals - 2, len(PAUSES_NS) - 1)]

    def _halt(self, order: Order, lots: int) -> None:
        self.trading_state = TradingState.HALTED
        self.alert(order.instrument, order.strategy, order.order, Reason.EXIT_REJECTED, lots)

    # What should be

    def settle(self, row: Bracket) -> None:
        """Order, amend or cancel the difference between what the legs should be and what they are."""
        entry = row.entry
        if row.is_closed:
            return
        if row.status == BracketStatus.WAITING and not (entry is not None and entry.is_open):
            row.close_reason = Reason.ENTRY_ENDED_UNFILLED
            self.say(row, BracketChange.CLOSED, entry, row.close_reason)
            self.close_row(row)
            return
        if row.status == BracketStatus.OPEN and row.held < row.step:
            self._close_when_empty(row)
        if row.status == BracketStatus.OPEN:
            self._move_stop(row)
            for leg, lots in zip(row.legs, self.wanted(row), strict=True):
                self._settle_leg(row, leg, lots)
            self._release_legs(row)
        elif row.status == BracketStatus.CLOSING:
            self._settle_closing(row)
        self._note_uncovered(row)

    def _close_when_empty(self, row: Bracket) -> None:
        """It is to be gone once it holds nothing, unless its first fills are less than a whole step."""
        if row.exited_lots or not (row.entry is not None and row.entry.is_open):
            row.status = BracketStatus.CLOSING
            row.close_reason = row.close_reason or Reason.ENTRY_ENDED_UNFILLED

    def wanted(self, row: Bracket) -> list[int]:
        """What each leg should have, to the lot; its order is in whole steps."""
        targets = row.legs[1:]
        lots = [row.held if row.stop_ticks else 0]
        left, shares, before = row.held, 0, 0
        for leg in targets:
            shares += leg.share_ppm
            upto = row.entered_lots * shares // PPM
            if not (shares == PPM and leg is targets[-1]):
                upto = upto // row.step * row.step
            due = min(max(upto - before - leg.filled_lots, 0), left)
            before, left = upto, left - due
            lots.append(due)
        return lots

    def _settle_leg(self, row: Bracket, leg: Leg, lots: int) -> None:
        if leg.is_live and leg.order is not None:
            order = leg.order
            whole = (order.filled_lots + max(lots, 0)) // row.step * row.step
            if lots <= 0 or whole <= order.filled_lots:
                self._cancel_leg(leg)
                return
            # A released stop has no price any more.
            priced = order.order_type != OrderType.MARKET
            limit, trigger = (leg.limit_ticks, leg.trigger_ticks) if priced else (0, 0)
            asked = (order.asked_limit_ticks, order.asked_trigger_ticks)
            other = whole != order.asked_lots or (priced and asked != (limit, trigger))
            more = whole - order.quantity_lots
            if other and order.can_be_amended and self.lots_fit(row.instrument, leg.side, more):
                self.request_amend(order, whole, limit, trigger)
            return
        lots = lots // row.step * row.step
        if lots > 0 and self.orders.has_room() and self.lots_fit(row.instrument, leg.side, lots):
            held = OrderFlag.HELD_BY_ENGINE if row.rules["held_by_engine"] else 0
            terms = {"limit": leg.limit_ticks, "trigger": leg.trigger_ticks, "flags": OrderFlag.REDUCE_ONLY | held}
            terms |= {"role": leg.order_role, "leg": row.legs.index(leg)}
            leg.order = self.place(row.instrument, row.strategy, leg.side, lots, leg.order_type, bracket=row, **terms)

    def _cancel_leg(self, leg: Leg) -> None:
        if leg.is_live and leg.order is not None:
            self.request_cancel(leg.order)

    def _settle_closing(self, row: Bracket) -> None:
        """Cancel what is live, order what is held and not yet on exit, or too much of it back."""
        for leg in row.legs:
            self._cancel_leg(leg)
        entry = row.entry
        if entry is not None and entry.is_open:
            self.request_cancel(entry)
        exits = [order for order in row.exits if order.is_open]
        if row.held < row.step:
            self._cancel_exits(row, limits_only=False)
        back = sum(order.left_lots for order in exits if order.side == row.side)
        on_exit = sum(order.left_lots for order in exits if order.side != row.side)
        side, missing = (-row.side, row.held - on_exit) if row.held >= row.step else (row.side, -row.held - back)
        if missing >= row.step:
            self._place_exit(row, side, missing // row.step * row.step)
        if abs(row.held) < row.step and not self.open_orders_of(row):
            self.say(row, BracketChange.CLOSED, None, row.close_reason)
            self.close_row(row)

    def _cancel_exits(self, row: Bracket, limits_only: bool) -> None:
        """Of those that take more out of what is held."""
        for order in sorted(row.exits, key=lambda order: -order.order):
            works = order.order_type != OrderType.MARKET
            if order.is_open and order.side != row.side and (works or not limits_only):
                self.request_cancel(order)

    def _place_exit(self, row: Bracket, side: int, lots: int) -> None:
        if self.ts_ns < row.exit_due_ts_ns:
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
        """Close it, or close it again: what was refused is tried at once, and a limit may give way to the market."""
        row.exit_refusals = row.exit_due_ts_ns = 0
        if row.status == BracketStatus.CLOSING and row.exit_limit_ticks and not limit:
            row.exit_limit_ticks = 0
            self._cancel_exits(row, limits_only=True)
        self._begin_closing(row, reason, limit)
        self.settle(row)

    def _note_uncovered(self, row: Bracket) -> None:
        """Count the events during which it held lots without a live stop."""
        holds = row.status == BracketStatus.OPEN and row.held >= row.step
        covered = not holds or row.legs[0].is_live or row.rules["stop_optional"]
        if covered and row.uncovered_seq:
            row.uncovered_events += self.seq - row.uncovered_seq
            self.count("uncovered_events", self.seq - row.uncovered_seq)
            row.uncovered_seq = 0
        elif not covered and not row.uncovered_seq:
            row.uncovered_seq = self.seq
            self.alert(row.instrument, row.strategy, 0, Reason.POSITION_WITHOUT_STOP, row.held)

    # What the position does

    def on_position_filled(self, account: int, instrument: int) -> None:
        """The youngest brackets give way to the position; what could not be had is tried again."""
        super().on_position_filled(account, instrument)
        if account == self.instruments[instrument].account:
            self._cut_brackets(instrument)
            self.try_again(instrument)

    def _loose(self, instrument: int) -> int:
        """The position without what brackets hold, and what those that are gone left."""
        together = sum(row.side * row.held for row in self.live_brackets(instrument))
        return self.position(instrument).quantity_lots - together - self.left_over(instrument).lots

    def left_over(self, instrument: int) -> Leftovers:
        return self.leftovers.setdefault(instrument, Leftovers(instrument))

    def _cut_brackets(self, instrument: int) -> None:
        loose = self._loose(instrument)
        side, excess = (1 if loose < 0 else -1), abs(loose)
        left = self.left_over(instrument)
        if left.lots * side > 0 and excess > 0:
            cut = min(excess, abs(left.lots))
            left.lots -= side * cut
            excess -= cut
            self._settle_leftovers(left)
        for row in self.live_brackets(instrument):
            if excess > 0 and row.side == side and row.held > 0:
                cut = min(excess, row.held)
                row.exited_lots += cut
                excess -= cut
                self.say(row, BracketChange.CUT, None, Reason.POSITION_SMALLER_THAN_BRACKET)
                if row.held < row.step and row.status != BracketStatus.CLOSING:
                    row.close_reason = Reason.POSITION_SMALLER_THAN_BRACKET
                self.settle(row)

    def _order_back(self, instrument: int, order: Order, filled: int) -> None:
        """A late fill of an order whose row is closed: what it leaves that no bracket holds goes back."""
        if filled == 0:
            return
        self._cut_brackets(instrument)
        lots = min(filled, max(order.side * self._loose(instrument), 0))
        if lots == 0:
            return
        entered = order.order_role == OrderRole.ENTRY
        reason = Reason.ENTRY_UNPROTECTED if entered else Reason.EXIT_OVERFILLED
        self.alert(instrument, order.strategy, order.order, reason, lots)
        left = self.left_over(instrument)
        left.lots += order.side * lots
        left.strategy = order.strategy
        left.refusals = left.due_ts_ns = 0
        self._settle_leftovers(left)

    def _on_leftover_exit(self, left: Leftovers, order: Order, filled: int) -> None:
        """An exit of leftovers has filled, or ended."""
        if filled:
            left.lots += order.side * filled
            left.refusals = left.due_ts_ns = 0
            self._cut_brackets(left.instrument)
        if order in left.exits and not order.is_open:
            left.exits.remove(order)
            if order.status in ENDED and not order.cancel_asked and self._was_refused(order):
                left.refusals += 1
                left.due_ts_ns = self._end_of_pause(left.refusals)
                if left.refusals == (self.instrument_rules[left.instrument]["leg_replacements_max"] or 3) + 1:
                    self._halt(order, abs(left.lots))
        self._settle_leftovers(left)

    def _settle_leftovers(self, left: Leftovers) -> None:
        """Order what is not on order yet, cancel what is in vain."""
        step = self.instruments[left.instrument].quantity_step_lots
        side = -1 if left.lots > 0 else 1
        exits = [order for order in left.exits if order.is_open]
        for order in sorted(exits, key=lambda order: -order.order):
            if order.side != side or abs(left.lots) < step:
                self.request_cancel(order)
        on_way = sum(order.left_lots for order in exits if order.side == side)
        lots = (abs(left.lots) - on_way) // step * step
        if abs(left.lots) < step or lots <= 0 or self.ts_ns < left.due_ts_ns:
            return
        if self.orders.has_room() and self.lots_fit(left.instrument, side, lots):
            terms = {"flags": self.closing_flags(left.instrument, side, lots), "role": OrderRole.EXIT}
            number, strategy = left.instrument, left.strategy
            left.exits.append(self.place(number, strategy, side, lots, OrderType.MARKET, bracket=left, **terms))

    def close_leftovers(self, instrument: int) -> None:
        """Somebody wants them closed now."""
        left = self.left_over(instrument)
        left.refusals = left.due_ts_ns = 0
        self._settle_leftovers(left)

    def try_again(self, instrument: int) -> None:
        """Compare every leg with the terms that it has, instead of those last asked for."""
        self._settle_leftovers(self.left_over(instrument))
        for row in self.live_rows(instrument):
            for leg in row.legs:
                if leg.is_live and leg.order is not None and not leg.order.amending:
                    leg.order.ask_as_it_is()
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
            left = self.left_over(instrument)
            if 0 < left.due_ts_ns <= self.ts_ns:
                left.due_ts_ns = 0
                self._settle_leftovers(left)
            for row in self.live_brackets(instrument):
                if row.status == BracketStatus.CLOSING and 0 < row.exit_due_ts_ns <= self.ts_ns:
                    row.exit_due_ts_ns = 0
                    self.settle(row)
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
        if self._stop_is_released(row):
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
            self.say(row, change, row.legs[0].order)
        return stop > 0

    def _stop_is_released(self, row: Bracket) -> bool:
        order = row.legs[0].order
        live = order is not None and order.is_open
        return bool(row.rules["held_by_engine"]) and live and order.status != OrderStatus.HELD

    def _is_reached(self, row: Bracket, leg: Leg) -> bool:
        """Whether the price has come to a leg that the engine holds."""
        if leg.order is None or leg.order.status != OrderStatus.HELD:
            return False
        if leg.order_role == OrderRole.TARGET and self._stop_is_released(row):
            return False
        ahead = row.side if leg.order_role == OrderRole.TARGET else -row.side
        return ahead * (self._price(row) - leg.price_ticks) >= 0

    def _release_legs(self, row: Bracket) -> None:
        """Send the legs that the engine holds and whose price has come; once the stop is gone, no target."""
        for leg in row.legs:
            if self._is_reached(row, leg) and leg.order is not None:
                self.release(leg.order)
