"""Requested orders in the twin: alone, one-cancels-other, one-triggers-other."""

from engine.kinds import (
    BracketStatus,
    GroupKind,
    OrderFlag,
    OrderRole,
    OrderStatus,
    OrderType,
    TimeInForce,
    TradingState,
)
from engine.reasons import Reason
from engine.state import LEGS_MAX, Limits
from tests.twin.base import LOTS_MAX, Event, Refusal, require
from tests.twin.orders import Order
from tests.twin.rows import Bracket, Leg, Rows

WITH_LIMIT = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
WITH_TRIGGER = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)
FLAGS = OrderFlag.SELL | OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY


def side_of(request: Event) -> int:
    return -1 if request["order_flags"] & OrderFlag.SELL else 1


class Groups(Rows):
    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        # The number of each strategy's last group.
        self.last_group: dict[int, int] = {}

    def on_order_requested(self, request: Event) -> None:
        require(request["source"] in self.strategies, Reason.STRATEGY_UNKNOWN)
        require(request["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        refusal = self._request_refusal(request)
        if refusal is not None:
            self.refuse(request, *refusal)
            return
        if request["group_kind"] == GroupKind.NONE:
            self._place_alone(request)
        else:
            self._join(request)

    # Why not

    def _request_refusal(self, request: Event) -> Refusal | None:
        row = self._group_of(request)
        for refusal in (
            self._terms_refusal(request),
            self._group_refusal(request, row),
            self._intent_refusal(request, row),
            self._room_refusal(request, row),
        ):
            if refusal is not None:
                return refusal
        return None

    def _terms_refusal(self, request: Event) -> Refusal | None:
        kind, flags = request["order_type"], request["order_flags"]
        in_force, expires = request["time_in_force"], request["expire_ts_ns"]
        good = (
            0 < request["quantity_lots"] <= LOTS_MAX
            and kind in set(OrderType) - {OrderType.TRAILING_STOP}
            and (request["limit_ticks"] > 0 if kind in WITH_LIMIT else request["limit_ticks"] == 0)
            and (request["trigger_ticks"] > 0 if kind in WITH_TRIGGER else request["trigger_ticks"] == 0)
            and flags & ~FLAGS == 0
            and not (flags & OrderFlag.POST_ONLY and kind not in WITH_LIMIT)
            and in_force not in (TimeInForce.IOC, TimeInForce.FOK)
            and (expires > 0 if in_force == TimeInForce.GTD else expires == 0)
        )
        return None if good else (Reason.ORDER_INVALID, 0, kind)

    def _group_refusal(self, request: Event, row: Bracket | None) -> Refusal | None:
        kind = request["group_kind"]
        if kind == GroupKind.NONE:
            return None
        if kind not in (GroupKind.OCO, GroupKind.OTO):
            return Reason.GROUP_INVALID, 0, kind
        if row is None:
            last = self.last_group.get(request["source"], 0)
            return None if request["group"] > last else (Reason.GROUP_INVALID, last, request["group"])
        alike = (row.group_kind, row.instrument) == (kind, request["instrument"])
        filled = kind == GroupKind.OCO and request["quantity_lots"] <= sum(leg.filled_lots for leg in row.legs)
        if not alike or len(row.legs) == LEGS_MAX or self._is_over(row) or filled:
            return Reason.GROUP_INVALID, LEGS_MAX, len(row.legs)
        return None

    def _is_over(self, row: Bracket) -> bool:
        """Whether a member was rejected or is full."""
        return any(self._is_rejected(leg) or leg.filled_lots >= leg.quantity_lots for leg in row.legs)

    def _is_rejected(self, leg: Leg) -> bool:
        return leg.order is not None and leg.order.status == OrderStatus.REJECTED

    def _intent_refusal(self, request: Event, row: Bracket | None) -> Refusal | None:
        number, strategy, lots, side = (
            request["instrument"],
            request["source"],
            request["quantity_lots"],
            side_of(request),
        )
        if request["order_flags"] & OrderFlag.REDUCE_ONLY:
            held = max(-side * self.position(number).quantity_lots, 0)
            waits = row is not None and row.group_kind == GroupKind.OTO
            return None if held >= lots or waits else (Reason.REDUCE_ONLY_WOULD_INCREASE, held, lots)
        executions = self.strategy_rules[strategy]["executions_max"]
        if not self.strategies[strategy].enabled or self.pair_rules[strategy, number]["disabled"]:
            return Reason.STRATEGY_DISABLED, 0, request["order_type"]
        if self.strategies[strategy].throttled:
            return Reason.EXECUTIONS_THROTTLED, executions, executions
        if self.instruments[number].long_mark_ticks <= 0:
            return Reason.NO_REFERENCE_PRICE, 0, 0
        price = request["limit_ticks"] or self.instruments[number].touch(side)
        return self.check_entry(number, strategy, side, lots, price, request["limit_ticks"], 0)

    def _room_refusal(self, request: Event, row: Bracket | None) -> Refusal | None:
        lots = request["quantity_lots"]
        if request["group_kind"] != GroupKind.NONE and row is None and not self.has_free_row():
            return Reason.BRACKET_TABLE_FULL, self.limits.brackets, len(self.live_rows())
        if not self.lots_fit(request["instrument"], side_of(request), lots):
            return Reason.MONEY_OVERFLOW, LOTS_MAX, lots
        if not self.orders.has_room():
            return Reason.ORDER_TABLE_FULL, self.limits.orders, len(self.orders.open())
        return None

    def check_entry(
        self, instrument: int, strategy: int, side: int, quantity: int, price: int, limit: int, closing: int
    ) -> Refusal | None:
        raise NotImplementedError

    def note_entry(self, instrument: int, strategy: int, side: int, quantity: int, limit: int) -> None:
        raise NotImplementedError

    # Joining

    def _group_of(self, request: Event) -> Bracket | None:
        for row in self.live_rows():
            if row.group_kind != GroupKind.BRACKET and (row.strategy, row.group) == (
                request["source"],
                request["group"],
            ):
                return row
        return None

    def _place_alone(self, request: Event) -> None:
        reducing = request["order_flags"] & OrderFlag.REDUCE_ONLY
        role = OrderRole.EXIT if reducing else OrderRole.ENTRY
        if request["trigger_ticks"]:
            role = OrderRole.GROUPED
        order = self.place(
            request["instrument"],
            request["source"],
            side_of(request),
            request["quantity_lots"],
            request["order_type"],
            limit=request["limit_ticks"],
            trigger=request["trigger_ticks"],
            flags=request["order_flags"] & ~OrderFlag.SELL,
            expire=request["expire_ts_ns"],
            role=role,
        )
        if not reducing:
            self.note_probe(order)

    def _join(self, request: Event) -> None:
        row = self._group_of(request)
        if row is None:
            row = self.take_row(request["group_kind"], request["instrument"], request["source"])
            row.group, row.status = request["group"], BracketStatus.OPEN
            self.last_group[row.strategy] = row.group
        leg = Leg(OrderRole.GROUPED, request["order_type"], side_of(request))
        leg.limit_ticks, leg.trigger_ticks = request["limit_ticks"], request["trigger_ticks"]
        leg.flags, leg.expire_ts_ns = request["order_flags"] & ~OrderFlag.SELL, request["expire_ts_ns"]
        leg.quantity_lots = request["quantity_lots"]
        row.legs.append(leg)
        self.settle_group(row)
        if leg.order is not None and not leg.flags & OrderFlag.REDUCE_ONLY:
            self.note_probe(leg.order)

    # What should be

    def on_order_changed(self, order: Order, filled_lots: int, price_ticks: int) -> None:
        super().on_order_changed(order, filled_lots, price_ticks)
        row: Bracket = order.bracket
        if row.group_kind != GroupKind.BRACKET and not row.is_closed:
            row.legs[order.leg].filled_lots += filled_lots
            self.settle_group(row)

    def settle_group(self, row: Bracket) -> None:
        """Bring the members to what the fills of the others leave them."""
        waits = False
        for leg, lots in zip(row.legs, self._wanted_of_group(row), strict=True):
            waits = self._settle_member(row, leg, lots) or waits
        if not waits and not any(leg.is_live for leg in row.legs):
            self.close_row(row)

    def _wanted_of_group(self, row: Bracket) -> list[int]:
        """The lots that each member should have in all, with what it has filled."""
        if row.group_kind == GroupKind.OTO:
            first = row.legs[0]
            return [first.quantity_lots, *(min(leg.quantity_lots, first.filled_lots) for leg in row.legs[1:])]
        filled = sum(leg.filled_lots for leg in row.legs)
        over = self._is_over(row)
        return [0 if over else max(leg.quantity_lots - (filled - leg.filled_lots), 0) for leg in row.legs]

    def _settle_member(self, row: Bracket, leg: Leg, lots: int) -> bool:
        """Place, amend or cancel; True where it waits for room or for trading to go on."""
        order, missing = leg.order, lots - leg.filled_lots
        grows = self.trading_state == TradingState.ACTIVE or bool(leg.flags & OrderFlag.REDUCE_ONLY)
        if order is None or order.status == OrderStatus.FILLED:
            if missing <= 0:
                return False
            if not grows or not self.orders.has_room() or not self.lots_fit(row.instrument, leg.side, missing):
                return True
            terms = {"limit": leg.limit_ticks, "trigger": leg.trigger_ticks, "flags": leg.flags}
            terms |= {"expire": leg.expire_ts_ns, "role": OrderRole.GROUPED, "leg": row.legs.index(leg)}
            leg.asked = (missing, leg.limit_ticks)
            leg.order = self.place(
                row.instrument, row.strategy, leg.side, missing, leg.order_type, bracket=row, **terms
            )
        elif order.is_open and missing <= 0:
            self.request_cancel(order)
        elif order.is_open:
            whole = order.filled_lots + missing
            if can_be_amended(order) and leg.asked[0] != whole and (grows or whole < order.quantity_lots):
                leg.asked = (whole, leg.limit_ticks)
                self.request_amend(order, whole)
        return False
