"""Market data and order reports in the twin: what is booked, and who is told of it then."""

from engine.kinds import EventKind, FillFlag, FundingBasis, OrderFlag, OrderRole, OrderStatus, OrderType, TimeInForce
from engine.reasons import Reason
from tests.twin.base import LOTS_MAX, Event, Instrument, Refused, require
from tests.twin.hooks import Hooks
from tests.twin.orders import Order

_REPORTS = {
    EventKind.ORDER_SENT: "sent",
    EventKind.ORDER_ACCEPTED: "accepted",
    EventKind.ORDER_REJECTED: "rejected",
    EventKind.ORDER_CANCELED: "canceled",
    EventKind.ORDER_EXPIRED: "expired",
}


class Market(Hooks):
    def on_market(self, event: Event) -> None:
        require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        number = event["instrument"]
        instrument = self.instruments[number]
        kind = event["kind"]
        require(kind in set(EventKind), Reason.EVENT_KIND_UNKNOWN)
        if kind == EventKind.FUNDING:
            self._on_funding(event, instrument)
            self.value()
            self.on_valued()
            return
        try:
            getattr(self, f"_on_{EventKind(kind).name.lower()}")(event, instrument)
        except Refused as refused:
            if refused.args[0] == Reason.PRICE_INVALID:
                self.on_price_invalid(number)
            raise
        instrument.market_ts_ns = self.ts_ns
        instrument.market_events += 1
        self.value()
        self.on_valued()
        self.on_price(number)
        self.on_market_event(event)

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
            payment = (number, -1, funding.get("payment_id", 0))
            if payment[2] and payment in self.trades:
                return
            self.trades.add(payment)
            self.ledger.pay_funding(funding["account"], number, funding["amount_units"])
            return
        held = any(n == number and position.quantity_lots for (_, n), position in self.ledger.positions.items())
        if held and funding["rate_ppb"]:
            mark = funding["mark_ticks"] or (instrument.long_mark_ticks + instrument.short_mark_ticks) // 2
            self.ledger.pay_funding_rate(number, mark, instrument.tick_lot_units, funding["rate_ppb"])

    # Orders

    def on_order(self, event: Event) -> None:
        require(event["instrument"] in self.instruments, Reason.INSTRUMENT_UNKNOWN)
        require(event["account"] in self.ledger.accounts, Reason.ACCOUNT_UNKNOWN)
        order = self.orders.find(event["order"])
        if event["kind"] == EventKind.ORDER_FILLED:
            require(event["quantity_lots"] > 0, Reason.QUANTITY_INVALID)
            require(event["price_ticks"] > 0, Reason.PRICE_INVALID)
            self._on_fill(event, order)
            return
        if order is None:
            self.count("reports_orphan")
        else:
            self._on_report(event, order)
            if order.bracket is not None and event["kind"] != EventKind.CANCEL_REJECTED:
                self.on_order_changed(order, 0, 0)
        self.on_order_reported(event, order)

    def on_order_adopted(self, event: Event) -> None:
        """An order that is open at the exchange is one of ours, whatever was believed of its number before."""
        number, flags, order_type = event["order"], event["source"], event["order_type"]
        quantity, filled = event["quantity_lots"], event["filled_lots"]
        require(event["account"] == self.instruments[event["instrument"]].account, Reason.ACCOUNT_UNKNOWN)
        sells, closes = flags & OrderFlag.SELL, flags & OrderFlag.REDUCE_ONLY
        require(number > 0 and order_type in set(OrderType), Reason.ORDER_INVALID)
        require(not flags & ~(OrderFlag.SELL | OrderFlag.POST_ONLY | OrderFlag.REDUCE_ONLY), Reason.ORDER_INVALID)
        require(event["limit_ticks"] >= 0 and event["trigger_ticks"] >= 0, Reason.ORDER_INVALID)
        require(0 <= filled < quantity <= LOTS_MAX, Reason.QUANTITY_INVALID)
        known = self.orders.find(number)
        filled = filled if known is None else max(filled, known.filled_lots)
        if known is not None and (known.is_open or filled >= quantity):
            return
        require(self.orders.has_room(), Reason.ORDER_TABLE_FULL)
        if known is not None:
            self.orders.put_aside(known)
        order = Order(
            order=number,
            status=OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED,
            instrument=event["instrument"],
            account=event["account"],
            strategy=0 if known is None else known.strategy,
            side=-1 if sells else 1,
            order_type=order_type,
            time_in_force=TimeInForce.GTC,
            order_flags=flags,
            quantity_lots=quantity,
            filled_lots=filled,
            limit_ticks=event["limit_ticks"],
            trigger_ticks=event["trigger_ticks"],
            placed_seq=self.seq,
            placed_ts_ns=event["ts_exchange_ns"],
            updated_ts_ns=self.ts_ns,
            order_role=OrderRole.EXIT if closes else OrderRole.ENTRY,
            reference_ticks=self.instruments[event["instrument"]].touch(-1 if sells else 1),
        )
        order.ask_as_it_is()
        self.orders.add(order)
        self.counts["orders_placed"] = max(self.counts.get("orders_placed", 0), number)
        self.alert(order.instrument, order.strategy, number, Reason.ORDER_TAKEN_OVER, order.left_lots)

    def _on_report(self, report: Event, order: Order) -> None:
        order.exchange_order_id = report["exchange_order_id"] or order.exchange_order_id
        order.reason = report["reason"] or order.reason
        kind = EventKind(report["kind"])
        if kind in _REPORTS:
            self.orders.happens(order, _REPORTS[kind], self.ts_ns)
        elif kind == EventKind.ORDER_TRIGGERED:
            order.updated_ts_ns = self.ts_ns
        elif kind == EventKind.CANCEL_REJECTED:
            self._on_cancel_rejected(order)
        else:
            self._on_amended(report, order)

    def _on_amended(self, report: Event, order: Order) -> None:
        """The terms that the exchange says an order has; one that has no more than it has filled is done."""
        order.amending = 0
        if not order.is_open or report["quantity_lots"] < order.filled_lots:
            self.orders.transitions_refused += 1
        else:
            order.quantity_lots = report["quantity_lots"]
            order.updated_ts_ns = self.ts_ns
            if report["price_ticks"] > 0 and (order.limit_ticks > 0 or order.order_type == OrderType.LIMIT):
                order.limit_ticks = report["price_ticks"]
            elif report["price_ticks"] > 0:
                order.trigger_ticks = report["price_ticks"]
            if order.left_lots == 0:
                self.orders.happens(order, "filled wholly", self.ts_ns)

    def _on_cancel_rejected(self, order: Order) -> None:
        """The same report refuses a cancel and an amendment: it answers the cancel where one is under way."""
        if order.amending and order.status != OrderStatus.PENDING_CANCEL:
            order.amending = 0
            self.count("amendments_refused")
        else:
            order.cancel_asked = 0
            self.orders.happens(order, "cancel rejected", self.ts_ns)

    def _on_fill(self, fill: Event, order: Order | None) -> None:
        side_of_trade = (fill["instrument"], fill["fill_flags"] & FillFlag.SELL, fill["trade_id"])
        if fill["trade_id"] and side_of_trade in self.trades:
            self.count("fills_duplicate")
            return
        self.trades.add(side_of_trade)
        self.count("fills")
        number, account = fill["instrument"], fill["account"]
        instrument, position = self.instruments[number], self.ledger.position(account, number)
        if order is None:
            self.count("fills_orphan")
        else:
            self._fill_order(fill, order, instrument)
        trades = position.trades
        self.ledger.fill(fill, instrument.tick_lot_units, self.ts_ns)
        if instrument.mark_source == 0:
            instrument.mark(0, fill["price_ticks"], fill["price_ticks"])
        self.value()
        self.on_valued()
        self.book_strategy_fill(fill, order)
        if order is not None:
            self.note_execution(order)
        self.on_filled(fill, order)
        if order is not None and order.bracket is not None:
            self.on_order_changed(order, fill["quantity_lots"], fill["price_ticks"])
            if (order.account, order.instrument) != (account, number):
                self.on_position_filled(order.account, order.instrument)
        self.on_position_filled(account, number)
        if position.trades != trades:
            self.on_trade_closed(fill, order)
        if instrument.target_set:
            self.to_rebalance = [account]

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

    def note_execution(self, order: Order) -> None:
        raise NotImplementedError

    def rebalance(self, account: int) -> None:
        raise NotImplementedError
