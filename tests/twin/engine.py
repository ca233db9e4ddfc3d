"""The twin of the whole engine: `fold` takes one event as a dict and returns its decisions as dicts."""

from dataclasses import dataclass, field
from typing import Any

from engine.kinds import (
    Action,
    DecisionKind,
    EventKind,
    FundingBasis,
    OperatorAction,
    OrderStatus,
    OrderType,
    Setting,
    TimeInForce,
    TradingState,
)
from engine.reasons import Reason
from engine.state import Limits
from tests.twin.ledger import Account, Ledger
from tests.twin.orders import Order, Orders

Event = dict[str, int]
LOTS_MAX = 2**60

_REPORTS = {
    EventKind.ORDER_SENT: "sent",
    EventKind.ORDER_ACCEPTED: "accepted",
    EventKind.ORDER_REJECTED: "rejected",
    EventKind.ORDER_CANCELED: "canceled",
    EventKind.ORDER_EXPIRED: "expired",
    EventKind.CANCEL_REJECTED: "cancel rejected",
}


class Refused(Exception):
    """An event that cannot be applied."""


class SignalRefused(Exception):
    """A signal that leads to no order: (reason, limit, observed)."""


def require(holds: Any, reason: Reason) -> None:
    if not holds:
        raise Refused(reason)


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

    def mark(self, source: int, long_ticks: int, short_ticks: int) -> None:
        """The best source that there ever was is the one that marks."""
        if source >= self.mark_source:
            self.mark_source, self.long_mark_ticks, self.short_mark_ticks = source, long_ticks, short_ticks


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


@dataclass
class Twin:
    limits: Limits
    seq: int = 0
    ts_ns: int = 0
    trading_state: int = 0
    instruments: dict[int, Instrument] = field(default_factory=dict)
    strategies: dict[int, Strategy] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    counts: dict[str, int] = field(default_factory=dict)
    trades: set[tuple[int, int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.orders = Orders(self.limits.orders)

    def count(self, name: str) -> None:
        self.counts[name] = self.counts.get(name, 0) + 1

    def fold(self, event: Event) -> list[dict[str, int]]:
        self.seq += 1
        decisions: list[dict[str, int]] = []
        try:
            require(event["ts_ns"] >= self.ts_ns, Reason.TIME_WENT_BACK)
            self.ts_ns = event["ts_ns"]
            self._apply(event, decisions)
        except Refused as refused:
            self.count("events_refused")
            self.counts["last_refused_seq"] = self.seq
            self.counts["last_refused_reason"] = int(refused.args[0])
        marks = {n: (i.long_mark_ticks, i.short_mark_ticks, i.tick_lot_units) for n, i in self.instruments.items()}
        self.ledger.value(marks)
        return [{name: int(value) for name, value in item.items() if value} for item in decisions]

    def _apply(self, event: Event, decisions: list[dict[str, int]]) -> None:
        kind = event["kind"]
        if kind == EventKind.SIGNAL:
            self._on_signal(event, decisions)
        elif kind <= EventKind.FUNDING:
            self._on_market(event)
        elif EventKind.ORDER_SENT <= kind <= EventKind.ORDER_TRIGGERED:
            self._on_order(event)
        elif EventKind.CONFIGURATION_CHANGED <= kind <= EventKind.OPERATOR_COMMAND:
            self._on_stated(event)
        elif kind != EventKind.TIMER:
            self._on_reported(event)

    # Market data

    def _on_market(self, event: Event) -> None:
        require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        instrument = self.instruments[event["instrument"]]
        kind = event["kind"]
        if kind == EventKind.FUNDING:
            self._on_funding(event, instrument)
            return
        require(kind in set(EventKind), Reason.EVENT_KIND_UNKNOWN)
        getattr(self, f"_on_{EventKind(kind).name.lower()}")(event, instrument)
        instrument.market_ts_ns = self.ts_ns
        instrument.market_events += 1

    def _on_quote(self, quote: Event, instrument: Instrument) -> None:
        require(0 < quote["bid_ticks"] <= quote["ask_ticks"], Reason.PRICE_INVALID)
        require(quote["bid_lots"] >= 0 and quote["ask_lots"] >= 0, Reason.QUANTITY_INVALID)
        for name in ("bid_ticks", "ask_ticks", "bid_lots", "ask_lots"):
            setattr(instrument, name, quote[name])
        instrument.mark(2, quote["bid_ticks"], quote["ask_ticks"])

    def _on_trade(self, trade: Event, instrument: Instrument) -> None:
        require(trade["price_ticks"] > 0, Reason.PRICE_INVALID)
        require(trade["quantity_lots"] >= 0, Reason.QUANTITY_INVALID)
        instrument.last_ticks = trade["price_ticks"]
        instrument.mark(1, trade["price_ticks"], trade["price_ticks"])

    def _on_bar(self, bar: Event, instrument: Instrument) -> None:
        inside = [bar["open_ticks"], bar["close_ticks"]]
        require(0 < bar["low_ticks"] <= min(inside) and max(inside) <= bar["high_ticks"], Reason.PRICE_INVALID)
        require(bar["volume_lots"] >= 0, Reason.QUANTITY_INVALID)
        instrument.last_ticks = bar["close_ticks"]
        instrument.mark(1, bar["close_ticks"], bar["close_ticks"])

    def _on_mark_price(self, mark: Event, instrument: Instrument) -> None:
        require(mark["mark_ticks"] > 0, Reason.PRICE_INVALID)
        instrument.mark_ticks = mark["mark_ticks"]
        instrument.mark(3, mark["mark_ticks"], mark["mark_ticks"])

    def _on_funding(self, funding: Event, instrument: Instrument) -> None:
        by_amount = funding["basis"] == FundingBasis.AMOUNT
        require(not by_amount or funding["account"] in self.ledger.accounts, Reason.ACCOUNT_UNKNOWN)
        require(funding["basis"] <= FundingBasis.AMOUNT and funding["mark_ticks"] >= 0, Reason.VALUE_INVALID)
        require(abs(funding["rate_ppb"]) <= 10**9, Reason.VALUE_INVALID)
        number = funding["instrument"]
        if by_amount:
            self.ledger.pay_funding(funding["account"], number, funding["amount_units"])
            return
        held = any(n == number and position.quantity_lots for (_, n), position in self.ledger.positions.items())
        if held and funding["rate_ppb"]:
            mark = funding["mark_ticks"] or (instrument.long_mark_ticks + instrument.short_mark_ticks) // 2
            self.ledger.pay_funding_rate(number, mark, instrument.tick_lot_units, funding["rate_ppb"])

    # Orders

    def _on_order(self, event: Event) -> None:
        require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        require(event["account"] in self.ledger.accounts, Reason.ACCOUNT_UNKNOWN)
        order = self.orders.known.get(event["order"])
        if event["kind"] == EventKind.ORDER_FILLED:
            require(event["quantity_lots"] > 0, Reason.QUANTITY_INVALID)
            require(event["price_ticks"] > 0, Reason.PRICE_INVALID)
            self._on_fill(event, order)
        elif order is None:
            self.count("reports_orphan")
        else:
            self._on_report(event, order)

    def _on_report(self, report: Event, order: Order) -> None:
        order.exchange_order_id = report["exchange_order_id"] or order.exchange_order_id
        order.reason = report["reason"] or order.reason
        kind = EventKind(report["kind"])
        if kind in _REPORTS:
            self.orders.happens(order, _REPORTS[kind], self.ts_ns)
        elif kind == EventKind.ORDER_TRIGGERED:
            order.updated_ts_ns = self.ts_ns
        elif not order.is_open or report["quantity_lots"] < order.filled_lots:
            self.orders.transitions_refused += 1
        else:
            order.quantity_lots = report["quantity_lots"]
            order.updated_ts_ns = self.ts_ns
            if report["price_ticks"] > 0 and order.order_type == OrderType.LIMIT:
                order.limit_ticks = report["price_ticks"]
            elif report["price_ticks"] > 0:
                order.trigger_ticks = report["price_ticks"]

    def _on_fill(self, fill: Event, order: Order | None) -> None:
        side_of_trade = (fill["instrument"], fill["fill_flags"] & 1, fill["trade_id"])
        if fill["trade_id"] and side_of_trade in self.trades:
            self.count("fills_duplicate")
            return
        self.trades.add(side_of_trade)
        self.count("fills")
        instrument = self.instruments[fill["instrument"]]
        if order is None:
            self.count("fills_orphan")
        else:
            self._fill_order(fill, order, instrument)
        self.ledger.fill(fill, instrument.tick_lot_units, self.ts_ns)
        if instrument.mark_source == 0:
            instrument.mark(0, fill["price_ticks"], fill["price_ticks"])

    def _fill_order(self, fill: Event, order: Order, instrument: Instrument) -> None:
        if order.status in (OrderStatus.PENDING, OrderStatus.SENT, OrderStatus.UNKNOWN):
            self.count("fills_early")
        if not order.is_open:
            self.count("fills_late")
        if fill["quantity_lots"] > order.left_lots:
            self.count("fills_excess")
        order.filled_lots += fill["quantity_lots"]
        order.filled_units += fill["quantity_lots"] * fill["price_ticks"] * instrument.tick_lot_units
        order.fills += 1
        self.strategies[order.strategy].fills += 1
        self.orders.happens(order, "filled wholly" if order.left_lots <= 0 else "filled in part", self.ts_ns)

    # Definitions and settings

    def _on_stated(self, event: Event) -> None:
        known = event["kind"] in set(EventKind)
        require(known, Reason.EVENT_KIND_UNKNOWN)
        getattr(self, f"_on_{EventKind(event['kind']).name.lower()}")(event)

    def _on_account_defined(self, event: Event) -> None:
        require(event["account"] < self.limits.accounts, Reason.ACCOUNT_TABLE_FULL)
        require(event["account"] not in self.ledger.accounts, Reason.DEFINITION_CONFLICT)
        require(event["account_kind"] <= 1 and 0 <= event["money_decimals"] <= 18, Reason.VALUE_INVALID)
        account = Account(1, event["account_kind"], event["money_decimals"])
        self.ledger.accounts[event["account"]] = account

    def _on_strategy_defined(self, event: Event) -> None:
        require(event["source"] < self.limits.strategies, Reason.STRATEGY_TABLE_FULL)
        require(event["source"] not in self.strategies, Reason.DEFINITION_CONFLICT)
        self.strategies[event["source"]] = Strategy(defined=1, enabled=1)

    def _on_instrument_defined(self, event: Event) -> None:
        number = event["instrument"]
        require(number < self.limits.instruments, Reason.INSTRUMENT_TABLE_FULL)
        require(event["account"] in self.ledger.accounts, Reason.ACCOUNT_UNKNOWN)
        positive = event["tick_lot_units"] > 0 and event["quantity_step_lots"] > 0
        bounds = (event["quantity_min_lots"], event["quantity_max_lots"], event["notional_min_units"])
        require(event["instrument_kind"] <= 1 and positive and min(bounds) >= 0, Reason.VALUE_INVALID)
        before = self.instruments.get(number)
        if before is not None:
            same = (before.tick_lot_units, before.account) == (event["tick_lot_units"], event["account"])
            require(same, Reason.DEFINITION_CONFLICT)
        instrument = self.instruments.setdefault(number, Instrument(defined=1, account=event["account"]))
        for name in ("instrument_kind", "tick_lot_units", "quantity_step_lots", "quantity_min_lots"):
            setattr(instrument, name, event[name])
        instrument.quantity_max_lots = event["quantity_max_lots"]
        instrument.notional_min_units = event["notional_min_units"]

    def _on_instrument_terms_defined(self, event: Event) -> None:
        require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        require(event["margin_initial_ppm"] >= 0 and event["margin_maintenance_ppm"] >= 0, Reason.VALUE_INVALID)
        for name in ("margin_initial_ppm", "margin_maintenance_ppm", "maker_fee_ppm", "taker_fee_ppm"):
            setattr(self.instruments[event["instrument"]], name, event[name])

    def _on_configuration_changed(self, event: Event) -> None:
        setting, value = event["setting"], event["value"]
        if setting == Setting.TRADING_STATE:
            require(value in set(TradingState), Reason.VALUE_INVALID)
            self.trading_state = value
        elif setting == Setting.STRATEGY_ENABLED:
            require(event["source"] in self.strategies, Reason.STRATEGY_UNKNOWN)
            self.strategies[event["source"]].enabled = int(value != 0)
        else:
            require(setting in set(Setting), Reason.SETTING_UNKNOWN)
            require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
            require(0 <= value <= LOTS_MAX, Reason.VALUE_INVALID)
            instrument = self.instruments[event["instrument"]]
            if setting == Setting.ORDER_QUANTITY_LOTS:
                instrument.order_quantity_lots = value
            else:
                instrument.short_allowed = int(value != 0)

    def _on_operator_command(self, event: Event) -> None:
        states = {
            OperatorAction.KILL: TradingState.HALTED,
            OperatorAction.RESUME: TradingState.ACTIVE,
            OperatorAction.REDUCE_ONLY: TradingState.REDUCE_ONLY,
        }
        require(event["operator_action"] in states, Reason.ACTION_UNKNOWN)
        self.trading_state = states[OperatorAction(event["operator_action"])]

    # Transport and reconciliation

    def _on_reported(self, event: Event) -> None:
        kind = event["kind"]
        if kind == EventKind.CONNECTION_LOST:
            self.count("connections_lost")
        elif kind == EventKind.REQUEST_FAILED:
            self.count("requests_failed")
            if event["order"] in self.orders.known:
                self.orders.happens(self.orders.known[event["order"]], "no answer", self.ts_ns)
        elif kind != EventKind.CONNECTION_RESTORED:
            self._on_account_report(event)

    def _on_account_report(self, event: Event) -> None:
        require(event["account"] in self.ledger.accounts, Reason.ACCOUNT_UNKNOWN)
        account = self.ledger.accounts[event["account"]]
        kind = event["kind"]
        require(kind in set(EventKind), Reason.EVENT_KIND_UNKNOWN)
        if kind == EventKind.CASH_MOVED:
            account.move_cash(event["amount_units"])
        elif kind == EventKind.BALANCE_REPORTED:
            account.reported_total_units = event["total_units"]
            account.reported_available_units = event["available_units"]
        else:
            require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
            self.ledger.position(event["account"], event["instrument"]).reported_lots = event["quantity_lots"]

    # Signals

    def _on_signal(self, signal: Event, decisions: list[dict[str, int]]) -> None:
        strategy = self.strategies.get(signal["source"])
        try:
            if strategy is None:
                raise SignalRefused(Reason.STRATEGY_UNKNOWN, 0, signal["source"])
            strategy.signals += 1
            strategy.last_signal_seq = self.seq
            strategy.last_action = signal["action"]
            if signal["action"] != Action.HOLD:
                self._check_signal(signal, strategy)
                self._trade_towards(signal, decisions)
        except SignalRefused as refused:
            reason, limit, observed = refused.args
            self.count("refusals")
            if strategy is not None:
                strategy.refusals += 1
            decisions.append(
                {
                    "kind": DecisionKind.REFUSAL,
                    "instrument": signal["instrument"],
                    "strategy": signal["source"] % 256,
                    "seq": self.seq,
                    "reason": reason,
                    "limit": limit,
                    "observed": observed,
                }
            )

    def _check_signal(self, signal: Event, strategy: Strategy) -> None:
        """The first reason for which a signal cannot be acted upon at all."""
        closing = signal["action"] == Action.CLOSE
        known = signal["instrument"] in self.instruments
        instrument = self.instruments.get(signal["instrument"], Instrument())
        size = signal["quantity_lots"] or instrument.order_quantity_lots
        checks = [
            (signal["action"] not in set(Action), Reason.ACTION_UNKNOWN),
            (self.trading_state == TradingState.HALTED, Reason.TRADING_HALTED),
            (not known, Reason.INSTRUMENT_UNKNOWN),
            (not strategy.enabled, Reason.STRATEGY_DISABLED),
            (self.trading_state == TradingState.REDUCE_ONLY and not closing, Reason.TRADING_REDUCE_ONLY),
            (signal["limit_ticks"] < 0, Reason.PRICE_INVALID),
            (not 0 <= signal["quantity_lots"] <= LOTS_MAX, Reason.QUANTITY_INVALID),
            (instrument.long_mark_ticks <= 0, Reason.NO_REFERENCE_PRICE),
            (not closing and size == 0, Reason.ORDER_QUANTITY_UNSET),
        ]
        for applies, reason in checks:
            if applies:
                raise SignalRefused(reason, 0, signal["action"])

    def _trade_towards(self, signal: Event, decisions: list[dict[str, int]]) -> None:
        """Cancel what works against the target, then order what is missing to it."""
        number = signal["instrument"]
        instrument = self.instruments[number]
        size = signal["quantity_lots"] or instrument.order_quantity_lots
        target = 0
        if signal["action"] == Action.BUY:
            target = size
        elif signal["action"] == Action.SELL and instrument.short_allowed:
            target = -size
        working = self.orders.open(number)
        held = self.ledger.position(instrument.account, number).quantity_lots
        under_way = held + sum(order.side * order.left_lots for order in working)
        wanted = (target > under_way) - (target < under_way)
        for order in reversed(working):
            if wanted and order.side != wanted and order.order_type != OrderType.MARKET:
                under_way -= order.side * order.left_lots
                self._cancel(order, decisions)
        quantity = abs(target - under_way) // instrument.quantity_step_lots * instrument.quantity_step_lots
        if quantity == 0:
            raise SignalRefused(Reason.ALREADY_AT_TARGET, target, under_way)
        side = 1 if target > under_way else -1
        self._check_size(signal, instrument, side, quantity)
        self._place(signal, instrument, side, quantity, decisions)

    def _cancel(self, order: Order, decisions: list[dict[str, int]]) -> None:
        if order.status == OrderStatus.PENDING_CANCEL:
            return
        self.orders.happens(order, "cancel requested", self.ts_ns)
        fields = {name: getattr(order, name) for name in ("instrument", "account", "strategy", "order")}
        decisions.append({"kind": DecisionKind.CANCEL_ORDER, "seq": self.seq, **fields})

    def _check_size(self, signal: Event, instrument: Instrument, side: int, quantity: int) -> None:
        touch = instrument.short_mark_ticks if side > 0 else instrument.long_mark_ticks
        notional = quantity * (signal["limit_ticks"] or touch) * instrument.tick_lot_units
        if quantity < instrument.quantity_min_lots:
            raise SignalRefused(Reason.QUANTITY_BELOW_MINIMUM, instrument.quantity_min_lots, quantity)
        if 0 < instrument.quantity_max_lots < quantity:
            raise SignalRefused(Reason.QUANTITY_ABOVE_MAXIMUM, instrument.quantity_max_lots, quantity)
        if notional >= 1.15e18:
            raise SignalRefused(Reason.MONEY_OVERFLOW, 0, quantity)
        if notional < instrument.notional_min_units:
            raise SignalRefused(Reason.NOTIONAL_BELOW_MINIMUM, instrument.notional_min_units, notional)
        if not self.orders.has_room():
            raise SignalRefused(Reason.ORDER_TABLE_FULL, self.limits.orders, len(self.orders.open()))

    def _place(
        self, signal: Event, instrument: Instrument, side: int, quantity: int, decisions: list[dict[str, int]]
    ) -> None:
        self.count("orders_placed")
        order = Order(
            order=self.counts["orders_placed"],
            status=OrderStatus.PENDING,
            instrument=signal["instrument"],
            account=instrument.account,
            strategy=signal["source"],
            side=side,
            order_type=OrderType.LIMIT if signal["limit_ticks"] else OrderType.MARKET,
            time_in_force=TimeInForce.GTC,
            order_flags=1 if side < 0 else 0,
            quantity_lots=quantity,
            limit_ticks=signal["limit_ticks"],
            placed_seq=self.seq,
            placed_ts_ns=self.ts_ns,
            updated_ts_ns=self.ts_ns,
        )
        self.orders.add(order)
        self.strategies[order.strategy].orders += 1
        said = ("order", "order_type", "time_in_force", "order_flags", "instrument", "account", "strategy")
        fields = {name: getattr(order, name) for name in (*said, "quantity_lots", "limit_ticks")}
        decisions.append({"kind": DecisionKind.PLACE_ORDER, "seq": self.seq, **fields})
