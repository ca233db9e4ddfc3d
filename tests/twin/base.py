"""What all parts of the twin stand on: its tables and rules, and how a decision is written down."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from engine.kinds import DecisionKind, OrderFlag, OrderRole, OrderStatus, OrderType, TimeInForce
from engine.reasons import Reason
from engine.state import Limits
from tests.twin.ledger import Ledger, Position
from tests.twin.orders import Order, Orders

Event = dict[str, int]
Refusal = tuple[int, int, int]
LOTS_MAX = 2**60
PPM = 10**6
NONE = 65_535


class Refused(Exception):
    """An event that cannot be applied, with the reason."""


def require(holds: Any, reason: Reason) -> None:
    if not holds:
        raise Refused(reason)


class Rules(dict[str, int]):
    """Rules by name; one that was never set is 0."""

    def __missing__(self, name: str) -> int:
        return 0


@dataclass
class Instrument:
    defined: int = 0
    instrument_kind: int = 0
    account: int = 0
    tick_lot_units: int = 0
    quantity_step_lots: int = 0
    quantity_min_lots: int = 0
    quantity_max_lots: int = 0
    notional_min_units: int = 0
    margin_initial_ppm: int = 0
    margin_maintenance_ppm: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    order_quantity_lots: int = 0
    short_allowed: int = 0
    bid_ticks: int = 0
    ask_ticks: int = 0
    bid_lots: int = 0
    ask_lots: int = 0
    last_ticks: int = 0
    mark_ticks: int = 0
    mark_source: int = 0
    long_mark_ticks: int = 0
    short_mark_ticks: int = 0
    market_ts_ns: int = 0
    market_events: int = 0
    samples: int = 0
    variance_ppb2: int = 0
    slow_variance_ppb2: int = 0
    atr_microticks: int = 0
    entries_today: int = 0
    last_entry_ts_ns: int = 0
    last_loss_ts_ns: int = 0
    target_share_ppm: int = 0
    target_set: int = 0
    target_strategy: int = 0
    risk_level: int = 0
    risk_level_ts_ns: int = 0

    def mark(self, source: int, long_ticks: int, short_ticks: int) -> None:
        """The best source that there ever was is the one that marks."""
        if source >= self.mark_source:
            self.mark_source, self.long_mark_ticks, self.short_mark_ticks = source, long_ticks, short_ticks

    def touch(self, side: int) -> int:
        """What a buy (sell) of that side would pay."""
        return self.short_mark_ticks if side > 0 else self.long_mark_ticks


@dataclass
class Strategy:
    defined: int = 0
    enabled: int = 0
    signals: int = 0
    orders: int = 0
    refusals: int = 0
    last_signal_seq: int = 0
    last_action: int = 0
    fills: int = 0
    throttled: int = 0
    realized_units: int = 0
    fees_units: int = 0
    trades: int = 0
    trades_won: int = 0
    profit_units: int = 0
    loss_units: int = 0
    streak: int = 0
    losing_streak: int = 0
    day_realized_units: int = 0
    week_realized_units: int = 0


@dataclass
class Pair:
    """What a strategy last said of an instrument, and its own part of what was traded there."""

    action: int = 0
    confidence_ppm: int = 0
    signal_seq: int = 0
    valid_until_ts_ns: int = 0
    book: Position = field(default_factory=Position)


class Base:
    """The tables, and the verbs of which everything that leaves the engine is made."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.seq = 0
        self.ts_ns = 0
        self.trading_state = 0
        self.counts: dict[str, int] = {}
        self.decisions: list[dict[str, int]] = []
        # What a random tape says next: the twin itself does not look at it.
        self.planned: list[Event] = []
        # The accounts whose targets are followed once the event is booked and looked at.
        self.to_rebalance: list[int] = []
        self.instruments: dict[int, Instrument] = {}
        self.strategies: dict[int, Strategy] = {}
        self.pairs: dict[tuple[int, int], Pair] = defaultdict(Pair)
        self.ledger = Ledger()
        self.orders = Orders(limits.orders)
        self.trades: set[tuple[int, int, int]] = set()
        self.book = Rules()
        self.account_rules: dict[int, Rules] = defaultdict(Rules)
        self.instrument_rules: dict[int, Rules] = defaultdict(Rules)
        self.strategy_rules: dict[int, Rules] = defaultdict(Rules)
        self.pair_rules: dict[tuple[int, int], Rules] = defaultdict(Rules)
        self.windows: dict[int, dict[int, Rules]] = defaultdict(lambda: defaultdict(Rules))
        self.target_rules: dict[int, dict[int, Rules]] = defaultdict(lambda: defaultdict(Rules))
        self.risk_steps: dict[int, dict[int, Rules]] = defaultdict(lambda: defaultdict(Rules))
        self.breaker_rules: dict[int, Rules] = defaultdict(Rules)

    def count(self, name: str, by: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + by

    def position(self, instrument: int) -> Position:
        """What the instrument's account holds of it."""
        return self.ledger.position(self.instruments[instrument].account, instrument)

    def equity(self, instrument: int) -> int:
        """The equity of the instrument's account."""
        return self.ledger.accounts[self.instruments[instrument].account].equity_units

    def value(self) -> None:
        """Value every position and account anew."""
        marks = {n: (i.long_mark_ticks, i.short_mark_ticks, i.tick_lot_units) for n, i in self.instruments.items()}
        self.ledger.value(marks)

    # Decisions

    def decide(self, kind: DecisionKind, **fields: int) -> None:
        self.decisions.append({"kind": kind, "seq": self.seq} | fields)

    def refuse(self, signal: Event, reason: int, limit: int, observed: int) -> None:
        """Why a signal or a requested order is not followed."""
        self.count("refusals")
        if signal["source"] in self.strategies:
            self.strategies[signal["source"]].refusals += 1
        fields = {"instrument": signal["instrument"], "strategy": signal["source"] % 256}
        self.decide(DecisionKind.REFUSAL, **fields, reason=reason, limit=limit, observed=observed)

    def alert(self, instrument: int, strategy: int, order: int, reason: int, observed: int) -> None:
        fields = {"instrument": instrument, "strategy": strategy, "order": order}
        self.decide(DecisionKind.ALERT, **fields, reason=reason, observed=observed)

    def _say(self, kind: DecisionKind, order: Order, **fields: int) -> None:
        names = ("order", "order_type", "time_in_force", "order_flags", "instrument", "account", "strategy")
        self.decide(kind, **{name: getattr(order, name) for name in names}, **fields)

    # Orders

    def place(
        self,
        instrument: int,
        strategy: int,
        side: int,
        quantity: int,
        order_type: int,
        limit: int = 0,
        trigger: int = 0,
        flags: int = 0,
        expire: int = 0,
        role: int = OrderRole.ENTRY,
        bracket: Any = None,
        leg: int = 0,
    ) -> Order:
        """Place an order; the caller has seen that there is room."""
        self.count("orders_placed")
        self.take_order_token()
        order = Order(
            order=self.counts["orders_placed"],
            status=OrderStatus.HELD if flags & OrderFlag.HELD_BY_ENGINE else OrderStatus.PENDING,
            instrument=instrument,
            account=self.instruments[instrument].account,
            strategy=strategy,
            side=side,
            order_type=order_type,
            time_in_force=TimeInForce.GTD if expire else TimeInForce.GTC,
            order_flags=flags | (OrderFlag.SELL if side < 0 else 0),
            quantity_lots=quantity,
            limit_ticks=limit,
            trigger_ticks=trigger,
            expire_ts_ns=expire,
            placed_seq=self.seq,
            placed_ts_ns=self.ts_ns,
            updated_ts_ns=self.ts_ns,
            order_role=role,
            reference_ticks=self.instruments[instrument].touch(side),
            bracket=bracket,
            leg=leg,
        )
        order.ask_as_it_is()
        self.orders.add(order)
        self.strategies[strategy].orders += 1
        terms = {"quantity_lots": quantity, "limit_ticks": limit, "trigger_ticks": trigger, "expire_ts_ns": expire}
        self._say(DecisionKind.PLACE_ORDER, order, **terms)
        return order

    def request_cancel(self, order: Order) -> bool:
        """Ask once; True where the order is on its way out, or gone because the engine holds it."""
        if order.status == OrderStatus.PENDING_CANCEL:
            return True
        if not self.orders.happens(order, "cancel requested", self.ts_ns):
            return False
        order.cancel_asked = 1
        self._say(DecisionKind.CANCEL_ORDER, order)
        self.take_cancel_token()
        return True

    def request_amend(self, order: Order, quantity: int, limit: int = 0, trigger: int = 0) -> None:
        """Ask for other terms; one that the engine holds has them at once."""
        limit, trigger = limit or order.limit_ticks, trigger or order.trigger_ticks
        terms = {"quantity_lots": quantity, "limit_ticks": limit, "trigger_ticks": trigger}
        self._say(DecisionKind.AMEND_ORDER, order, **terms)
        self.take_cancel_token()
        order.asked_lots, order.asked_limit_ticks, order.asked_trigger_ticks = quantity, limit, trigger
        if order.status == OrderStatus.HELD:
            order.quantity_lots, order.limit_ticks, order.trigger_ticks = quantity, limit, trigger
            order.updated_ts_ns = self.ts_ns
        else:
            order.amending = 1

    def release(self, order: Order) -> None:
        """Send an order that the engine holds: a stop as a market order."""
        order.order_flags &= ~OrderFlag.HELD_BY_ENGINE
        if order.order_role == OrderRole.STOP:
            order.order_type = OrderType.MARKET
            order.reference_ticks, order.trigger_ticks = order.trigger_ticks, 0
        self.orders.happens(order, "released", self.ts_ns)
        terms = {"quantity_lots": order.quantity_lots, "limit_ticks": order.limit_ticks}
        self._say(DecisionKind.RELEASE_ORDER, order, **terms)
        self.take_order_token()

    def take_order_token(self) -> None:
        raise NotImplementedError

    def take_cancel_token(self) -> None:
        raise NotImplementedError
