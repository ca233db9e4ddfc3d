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
        return (
            self._terms_refusal(request)
            or self._group_refusal(request, row)
            or self._intent_refusal(request, row)
            or self._room_refusal(request, row)
        )

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
        filled = request["quantity_lots"] <= sum(leg.filled_lots for leg in row.legs)
        over = kind == GroupKind.OCO and (self._is_over(row) or filled)
        if not alike or len(row.legs) == LEGS_MAX or over:
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
        if request["group_kind"] == GroupKind.NONE:
            return None
        wanted = request["source"], request["group"]
        groups = [row for row in self.live_rows() if row.group_kind != GroupKind.BRACKET]
        return next((row for row in groups if (row.strategy, row.group) == wanted), None)

    def _place_alone(self, request: Event) -> None:
        reducing = request["order_flags"] & OrderFlag.REDUCE_ONLY
        role = OrderRole.EXIT if reducing else OrderRole.ENTRY
        self._place_request(request, request["quantity_lots"], OrderRole.GROUPED if request["trigger_ticks"] else role)

    def _place_request(self, request: Event, lots: int, role: int, row: Bracket | None = None) -> Order:
        """Place it now, and count it as an entry where it is one."""
        number, strategy, limit = request["instrument"], request["source"], request["limit_ticks"]
        flags, leg = request["order_flags"] & ~OrderFlag.SELL, len(row.legs) if row is not None else 0
        terms = {"limit": limit, "trigger": request["trigger_ticks"], "expire": request["expire_ts_ns"]}
        terms |= {"flags": flags, "role": role, "leg": leg}
        order = self.place(number, strategy, side_of(request), lots, request["order_type"], bracket=row, **terms)
        if not flags & OrderFlag.REDUCE_ONLY:
            self.note_entry(number, strategy, order.side, request["quantity_lots"], limit)
            self.note_probe(order)
        return order

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
        if row.group_kind == GroupKind.OCO or not row.legs:
            lots = leg.quantity_lots - sum(other.filled_lots for other in row.legs)
            leg.order = self._place_request(request, lots, OrderRole.GROUPED, row)
        row.legs.append(leg)
        self.settle_group(row)

    # What should be

    def on_order_changed(self, order: Order, filled_lots: int, price_ticks: int) -> None:
        super().on_order_changed(order, filled_lots, price_ticks)
        row: Bracket = order.bracket
        if isinstance(row, Bracket) and row.group_kind != GroupKind.BRACKET and not row.is_closed:
            row.legs[order.leg].filled_lots += filled_lots
            self.settle_group(row)

    def settle_group(self, row: Bracket) -> None:
        """Bring the members to what the fills of the others leave them."""
        if row.group_kind == GroupKind.OCO:
            together, over = sum(leg.filled_lots for leg in row.legs), self._is_over(row)
            for leg in row.legs:
                if leg.is_live:
                    self._adjust(row, leg, 0 if over else leg.quantity_lots - together)
            waits = False
        else:
            due = [self._follow_first(row, leg) for leg in row.legs[1:]]
            waits = any(due)
        if not waits and not any(leg.is_live for leg in row.legs):
            self.close_row(row)

    def _follow_first(self, row: Bracket, leg: Leg) -> bool:
        """A member of OTO has as much as the first has filled; True where it waits for something."""
        lots = min(leg.quantity_lots, row.legs[0].filled_lots) - leg.filled_lots
        ended = leg.order is not None and not leg.is_live and leg.order.status != OrderStatus.FILLED
        due = lots > 0 and not ended
        grows = self.trading_state == TradingState.ACTIVE or bool(leg.flags & OrderFlag.REDUCE_ONLY)
        if (due and grows) or (leg.is_live and lots <= 0):
            self._adjust(row, leg, lots)
        return due

    def _adjust(self, row: Bracket, leg: Leg, lots: int) -> None:
        """Bring a member to `lots` still to be filled."""
        order = leg.order
        if order is None or not order.is_open:
            if self.orders.has_room() and self.lots_fit(row.instrument, leg.side, lots):
                terms = {"limit": leg.limit_ticks, "trigger": leg.trigger_ticks, "flags": leg.flags}
                terms |= {"expire": leg.expire_ts_ns, "role": OrderRole.GROUPED, "leg": row.legs.index(leg)}
                leg.order = self.place(
                    row.instrument, row.strategy, leg.side, lots, leg.order_type, bracket=row, **terms
                )
        elif lots <= 0:
            self.request_cancel(order)
        else:
            whole = order.filled_lots + lots
            asked = (order.asked_lots, order.asked_limit_ticks, order.asked_trigger_ticks)
            if order.can_be_amended and asked != self._terms_of(leg, order, whole):
                self.request_amend(order, whole, leg.limit_ticks, leg.trigger_ticks)

    def _terms_of(self, leg: Leg, order: Order, whole: int) -> tuple[int, int, int]:
        """What is asked for: of an order at the market no price."""
        if order.order_type == OrderType.MARKET:
            return whole, order.asked_limit_ticks, order.asked_trigger_ticks
        return whole, leg.limit_ticks, leg.trigger_ticks
