"""Requested orders in the twin: alone, one-cancels-other, one-triggers-other."""

from engine.kinds import BracketStatus, GroupKind, OrderFlag, OrderRole, OrderStatus, OrderType, TimeInForce
from engine.reasons import Reason
from engine.state import LEGS_MAX
from tests.twin.base import LOTS_MAX, Event, require
from tests.twin.orders import Order
from tests.twin.rows import Bracket, Leg, Rows, can_be_amended

WITH_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
WITH_TRIGGER = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)


class Groups(Rows):
    def on_order_requested(self, request: Event) -> None:
        require(request["source"] in self.strategies, Reason.STRATEGY_UNKNOWN)
        require(request["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        refusal = self._request_refusal(request)
        if refusal is not None:
            self.refuse(request, *refusal)
            return
        if request["group_kind"] == GroupKind.NONE:
            role = OrderRole.EXIT if request["order_flags"] & OrderFlag.REDUCE_ONLY else OrderRole.ENTRY
            order = self._place_request(request, request["quantity_lots"], role, None)
            if role == OrderRole.ENTRY:
                self.note_entry(order.instrument, order.strategy, order.side, order.quantity_lots, order.limit_ticks)
                self.note_probe(order)
        else:
            self._join(request)

    def note_entry(self, instrument: int, strategy: int, side: int, quantity: int, limit: int) -> None:
        raise NotImplementedError

    def check_entry(
        self, instrument: int, strategy: int, side: int, quantity: int, price: int, limit: int, closing: int
    ) -> tuple[int, int, int] | None:
        raise NotImplementedError

    def _request_refusal(self, request: Event) -> tuple[int, int, int] | None:
        number, lots = request["instrument"], request["quantity_lots"]
        side = -1 if request["order_flags"] & OrderFlag.SELL else 1
        if not 0 < lots <= LOTS_MAX or not self._terms_fit(request):
            return Reason.ORDER_INVALID, 0, request["order_type"]
        row = self._group_of(request)
        if request["group_kind"] not in (GroupKind.NONE, GroupKind.OCO, GroupKind.OTO):
            return Reason.GROUP_INVALID, 0, request["group_kind"]
        if row is not None:
            alike = (row.group_kind, row.instrument) == (request["group_kind"], number)
            if not alike or len(row.legs) == LEGS_MAX:
                return Reason.GROUP_INVALID, LEGS_MAX, len(row.legs)
        if request["order_flags"] & OrderFlag.REDUCE_ONLY:
            held = -side * self.position(number).quantity_lots
            if held < lots:
                return Reason.REDUCE_ONLY_WOULD_INCREASE, max(held, 0), lots
        else:
            price = request["limit_ticks"] or self.instruments[number].touch(side)
            if price <= 0:
                return Reason.NO_REFERENCE_PRICE, 0, 0
            terms = (number, request["source"], side, lots, price, request["limit_ticks"], 0)
            refusal = self.check_entry(*terms)
            if refusal is not None:
                return refusal
        if request["group_kind"] != GroupKind.NONE and row is None and not self.has_free_row():
            return Reason.BRACKET_TABLE_FULL, self.limits.brackets, len(self.live_rows())
        if not self.lots_fit(number, side, lots):
            return Reason.MONEY_OVERFLOW, LOTS_MAX, lots
        if not self.orders.has_room():
            return Reason.ORDER_TABLE_FULL, self.limits.orders, len(self.orders.open())
        return None

    def _terms_fit(self, request: Event) -> bool:
        kind = request["order_type"]
        if kind not in set(OrderType) or kind == OrderType.TRAILING_STOP:
            return False
        if (request["limit_ticks"] > 0) != (kind in WITH_LIMIT) or request["limit_ticks"] < 0:
            return False
        if (request["trigger_ticks"] > 0) != (kind in WITH_TRIGGER) or request["trigger_ticks"] < 0:
            return False
        good_till_date = request["time_in_force"] == TimeInForce.GTD
        return good_till_date == (request["expire_ts_ns"] > 0)

    def _group_of(self, request: Event) -> Bracket | None:
        if request["group_kind"] == GroupKind.NONE:
            return None
        for row in self.live_rows():
            if row.group_kind != GroupKind.BRACKET and (row.strategy, row.group) == (
                request["source"],
                request["group"],
            ):
                return row
        return None

    def _place_request(self, request: Event, lots: int, role: int, row: Bracket | None) -> Order:
        side = -1 if request["order_flags"] & OrderFlag.SELL else 1
        return self.place(
            request["instrument"],
            request["source"],
            side,
            lots,
            request["order_type"],
            limit=request["limit_ticks"],
            trigger=request["trigger_ticks"],
            flags=request["order_flags"] & ~OrderFlag.SELL,
            expire=request["expire_ts_ns"],
            role=role,
            bracket=row,
            leg=len(row.legs) if row is not None else 0,
        )

    def _join(self, request: Event) -> None:
        row = self._group_of(request)
        if row is None:
            row = self.take_row(request["group_kind"], request["instrument"], request["source"])
            row.group, row.status = request["group"], BracketStatus.OPEN
        side = -1 if request["order_flags"] & OrderFlag.SELL else 1
        leg = Leg(OrderRole.GROUPED, request["order_type"], side, request["limit_ticks"], request["trigger_ticks"])
        leg.quantity_lots = request["quantity_lots"]
        leg.share_ppm = request["order_flags"] & ~OrderFlag.SELL
        leg.distance_value = request["expire_ts_ns"]
        if row.group_kind == GroupKind.OCO or not row.legs:
            leg.order = self._place_request(request, leg.quantity_lots, OrderRole.GROUPED, row)
            leg.asked = (leg.quantity_lots, 0)
        row.legs.append(leg)
        self.settle_group(row)

    def on_order_changed(self, order: Order, filled_lots: int, price_ticks: int) -> None:
        super().on_order_changed(order, filled_lots, price_ticks)
        row: Bracket = order.bracket
        if row.group_kind == GroupKind.BRACKET or row.is_closed:
            return
        for leg in row.legs:
            if leg.order is order:
                leg.filled_lots += filled_lots
        self.settle_group(row)

    def settle_group(self, row: Bracket) -> None:
        """Bring the members to what the fills of the others leave them."""
        for leg, lots in zip(row.legs, self._wanted_of_group(row), strict=True):
            self._settle_member(row, leg, lots)
        waits = row.group_kind == GroupKind.OTO and row.legs[0].is_live
        if not waits and not any(leg.is_live for leg in row.legs):
            row.status = BracketStatus.CLOSED
            self.closed_rows.append(row.number)

    def _wanted_of_group(self, row: Bracket) -> list[int]:
        """The lots in all that each member should have, with what it has filled."""
        if row.group_kind == GroupKind.OTO:
            first = row.legs[0]
            return [first.quantity_lots, *(min(leg.quantity_lots, first.filled_lots) for leg in row.legs[1:])]
        filled = sum(leg.filled_lots for leg in row.legs)
        ended = any(self._is_rejected(leg) or leg.filled_lots >= leg.quantity_lots for leg in row.legs)
        return [0 if ended else max(leg.quantity_lots - filled + leg.filled_lots, 0) for leg in row.legs]

    def _is_rejected(self, leg: Leg) -> bool:
        return leg.order is not None and leg.order.status == OrderStatus.REJECTED

    def _settle_member(self, row: Bracket, leg: Leg, lots: int) -> None:
        order = leg.order
        if order is None:
            if lots > 0 and self.orders.has_room():
                leg.asked = (lots, 0)
                terms = {"limit": leg.limit_ticks, "trigger": leg.trigger_ticks, "flags": leg.share_ppm}
                terms |= {"expire": leg.distance_value, "role": OrderRole.GROUPED, "leg": row.legs.index(leg)}
                leg.order = self.place(
                    row.instrument, row.strategy, leg.side, lots, leg.order_type, bracket=row, **terms
                )
        elif order.is_open and lots <= order.filled_lots:
            self.request_cancel(order)
        elif order.is_open and leg.asked[0] != lots and can_be_amended(order):
            leg.asked = (lots, 0)
            self.request_amend(order, lots)
