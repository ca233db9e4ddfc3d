"""An exchange without a network: the venue's core behind the port, with answers that can be lost on the way."""

from collections.abc import Callable, Sequence

from adapters.exchanges.client_ids import ClientIds
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, OrderQuestion
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer
from adapters.venue.market import MarketUpdate, Quote
from adapters.venue.orders import (
    Duplicate,
    FundingUpdate,
    OrderRequest,
    OwnTrade,
    Placed,
    PrivateUpdate,
    Rejected,
    VenueOrder,
)
from engine.kinds import (
    DecisionKind,
    EventKind,
    FillFlag,
    OrderFlag,
    OrderStatus,
    OrderType,
    RequestFailure,
    Side,
    TimeInForce,
)
from engine.reasons import Reason

# What may happen to a request: arrive or not, and be answered or not.
ARRIVES_AND_ANSWERS = (True, True)
Fate = Callable[[Command], tuple[bool, bool]]


class DirectExchange:
    """One customer's account. `fate` decides for every request whether it arrives and whether its answer does."""

    def __init__(self, core: VenueCore, customer: Customer, ids: ClientIds, inbox: Inbox, account: int = 0) -> None:
        self.core, self.customer, self.ids, self.inbox, self.account = core, customer, ids, inbox, account
        self.fate: Fate = lambda command: ARRIVES_AND_ANSWERS
        self.deaf = False
        self.adopts_unknown = False
        self.placed_ids: list[str] = []

    async def open(self) -> None:
        self.core.market_listeners.append(self._on_market)
        self.core.private_listeners.append(self._on_private)

    async def stand_down(self) -> bool:
        return True

    async def close(self) -> None:
        self.deaf = True

    async def send(self, command: Command) -> None:
        arrives, answers = self.fate(command)
        if not arrives:
            self.inbox.request_failed(self.account, RequestFailure.TIMEOUT, command.order)
            return
        hears = self.deaf
        self.deaf = self.deaf or not answers
        answer = self._do(command)
        self.deaf = hears
        if not answers:
            self.inbox.request_failed(self.account, RequestFailure.TIMEOUT, command.order)
        elif isinstance(answer, Rejected):
            placing = command.kind in (DecisionKind.PLACE_ORDER, DecisionKind.RELEASE_ORDER)
            kind = EventKind.ORDER_REJECTED if placing else EventKind.CANCEL_REJECTED
            self._report(kind, command.order, command.instrument, answer.reason)

    async def send_all(self, commands: Sequence[Command]) -> None:
        for command in commands:
            await self.send(command)

    async def ask(self, orders: Sequence[OrderQuestion], since_ns: int) -> bool:
        self.core.pass_time()
        for trade in self.customer.trades(since_ns=since_ns):
            self._fill(trade)
        for paid in self.customer.payments(since_ns=since_ns):
            self._payment(paid)
        asked = {question.order: question for question in orders}
        known = {self.ids.order_of_binance(order.client_id): order for order in self.customer.orders()}
        for number, question in asked.items():
            order = known.get(number)
            if order is None:
                self._report(EventKind.ORDER_REJECTED, number, question.instrument, Reason.EXCHANGE_ORDER_UNKNOWN)
            elif order.is_open:
                self._tell_terms(EventKind.ORDER_ACCEPTED, number, order)
                self._tell_terms(EventKind.ORDER_AMENDED, number, order)
            elif order.status == OrderStatus.FILLED:
                self._tell_terms(EventKind.ORDER_AMENDED, number, order)
            else:
                kind = EventKind.ORDER_EXPIRED if order.status == OrderStatus.EXPIRED else EventKind.ORDER_CANCELED
                self._report(kind, number, question.instrument, order.reason)
        for number, order in known.items():
            if number and order.is_open and number not in asked:
                if self.adopts_unknown:
                    self._adopt(number, order)
                else:
                    self.core.cancel(self.customer, order.number)
        balance = self.customer.balance(self.account)
        self.inbox.balance(self.account, balance.wallet_units, balance.available_units)
        for instrument in self.core.instruments:
            self.inbox.position(
                self.account, instrument.number, self.customer.position(instrument.number).quantity_lots
            )
        return True

    def _do(self, command: Command) -> Placed | Rejected | Duplicate:
        if command.kind in (DecisionKind.PLACE_ORDER, DecisionKind.RELEASE_ORDER):
            client_id = self.ids.binance(command.order)
            self.placed_ids.append(client_id)
            return self.core.place(self.customer, _request(command, client_id))
        order = self._order(command.order)
        if order is None:
            return Rejected(Reason.EXCHANGE_ORDER_UNKNOWN)
        if command.kind == DecisionKind.CANCEL_ORDER:
            return self.core.cancel(self.customer, order.number)
        return self.core.amend(
            self.customer, order.number, command.quantity_lots, command.limit_ticks, command.trigger_ticks
        )

    def _order(self, number: int) -> VenueOrder | None:
        client_id = self.ids.binance(number)
        return next((order for order in self.customer.orders() if order.client_id == client_id), None)

    def _report(self, kind: EventKind, order: int, instrument: int, reason: Reason = Reason.NONE) -> None:
        self.inbox.order_report(kind, self.account, instrument, order, reason=reason)

    def _fill(self, trade: OwnTrade) -> None:
        request = trade.order.request
        flags = (FillFlag.SELL if request.side == Side.SELL else 0) | (FillFlag.MAKER if trade.is_maker else 0)
        order = self.ids.order_of_binance(request.client_id)
        self.inbox.fill(
            self.account,
            request.instrument,
            order,
            trade.number,
            trade.price_ticks,
            trade.quantity_lots,
            trade.fee,
            flags,
            trade.ts_ns,
        )

    def _adopt(self, number: int, order: VenueOrder) -> None:
        request = order.request
        flags = (OrderFlag.SELL if request.side == Side.SELL else 0) | (
            OrderFlag.REDUCE_ONLY if request.reduce_only else 0
        )
        self.inbox.adopted(
            self.account,
            request.instrument,
            number,
            request.order_type,
            flags,
            order.quantity_lots,
            order.filled_lots,
            order.limit_ticks,
            order.trigger_ticks,
            order.created_ns,
        )
        self._tell_terms(EventKind.ORDER_ACCEPTED, number, order)

    def _payment(self, paid: FundingUpdate) -> None:
        self.inbox.payment(self.account, paid.instrument, paid.number, paid.amount_units, paid.ts_ns)

    def _on_private(self, update: PrivateUpdate) -> None:
        if self.deaf or update.customer != self.customer.name:
            return
        if isinstance(update, FundingUpdate):
            self._payment(update)
            return
        if update.trade is not None:
            self._fill(update.trade)
            return
        self._tell_terms(update.kind, self.ids.order_of_binance(update.order.client_id), update.order)

    def _tell_terms(self, kind: EventKind, number: int, order: VenueOrder) -> None:
        price_ticks = order.limit_ticks or order.trigger_ticks
        instrument = order.request.instrument
        self.inbox.order_report(
            kind, self.account, instrument, number, order.number, order.reason, order.quantity_lots, price_ticks
        )

    def _on_market(self, update: MarketUpdate) -> None:
        if not self.deaf and isinstance(update, Quote):
            self.inbox.quote(update.instrument, update.bid_ticks, update.ask_ticks, update.bid_lots, update.ask_lots)


def _request(command: Command, client_id: str) -> OrderRequest:
    return OrderRequest(
        instrument=command.instrument,
        side=Side.SELL if command.order_flags & OrderFlag.SELL else Side.BUY,
        order_type=OrderType(command.order_type),
        quantity_lots=command.quantity_lots,
        limit_ticks=command.limit_ticks,
        trigger_ticks=command.trigger_ticks,
        trail_ticks=command.trail_ticks,
        time_in_force=TimeInForce(command.time_in_force),
        expire_ts_ns=command.expire_ts_ns,
        post_only=bool(command.order_flags & OrderFlag.POST_ONLY),
        reduce_only=bool(command.order_flags & OrderFlag.REDUCE_ONLY),
        client_id=client_id,
    )
