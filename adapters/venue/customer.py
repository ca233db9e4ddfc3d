"""One customer of the venue: its own simulated exchange, which sees the same market, its orders, trades and money."""

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration
from adapters.simulated import ExchangeTerms, SlippageModel
from adapters.simulated.configured import account_terms, instrument_terms
from adapters.simulated.stepping import Report, SteppedExchange
from adapters.venue.orders import (
    Balance,
    Duplicate,
    FundingUpdate,
    OrderRequest,
    OrderUpdate,
    OwnTrade,
    Placed,
    Position,
    PrivateUpdate,
    Rejected,
    VenueOrder,
)
from engine.kinds import DecisionKind, EventKind, FillFlag, OrderFlag, OrderStatus, Side
from engine.reasons import Reason
from engine.records import COMMAND
from engine.state import Limits

LIMITS = Limits(accounts=8, instruments=128, orders=4096)
CLOSED_ORDERS_KEPT = 20_000
TRADES_KEPT = 100_000
PAYMENTS_KEPT = 5_000

_PPM = 1_000_000
_COMMAND_FIELDS = (
    *("order_type", "time_in_force", "instrument", "quantity_lots", "limit_ticks", "trigger_ticks", "trail_ticks"),
    "expire_ts_ns",
)
_STATUS_AT_END = {EventKind.ORDER_CANCELED: OrderStatus.CANCELED, EventKind.ORDER_EXPIRED: OrderStatus.EXPIRED}

Bytes = NDArray[np.uint8]


class Customer:
    """Places, cancels and amends orders and answers what became of them.

    Ids of orders and trades are taken from the iterators, which customers share: none is ever used twice.
    `tell` hears of everything that happens, at once and in its order. A client id is free again so long after its
    order was placed, but never while that order is open.
    """

    def __init__(
        self,
        name: str,
        key: str,
        secret: str,
        configuration: Configuration,
        order_numbers: Iterator[int],
        trade_numbers: Iterator[int],
        tell: Callable[[PrivateUpdate], None],
        client_id_kept_ns: int,
    ) -> None:
        self.name = name
        self.key = key
        self.secret = secret
        self.accounts = configuration.accounts
        self.instruments = configuration.instruments
        self._exchange = SteppedExchange(
            _terms(configuration), account_terms(self.accounts), instrument_terms(self.instruments), LIMITS
        )
        self._order_numbers = order_numbers
        self._trade_numbers = trade_numbers
        self._tell = tell
        self._client_id_kept_ns = client_id_kept_ns
        self._wallets_units = [account.balance_units for account in self.accounts]
        self._orders: dict[int, VenueOrder] = {}
        self._open: dict[int, VenueOrder] = {}
        self._closed: deque[int] = deque()
        self._by_client_id: dict[str, VenueOrder] = {}
        self._trades: deque[OwnTrade] = deque(maxlen=TRADES_KEPT)
        self._payments: deque[FundingUpdate] = deque(maxlen=PAYMENTS_KEPT)
        self._command = np.zeros(COMMAND.itemsize, np.uint8)
        self._command_row = self._command.view(COMMAND)
        self._rejection = Reason.NONE

    def place(self, request: OrderRequest, now_ns: int) -> Placed | Rejected | Duplicate:
        """Place an order. One whose client id is taken does nothing, whatever else it says."""
        taken = self._owner_of(request.client_id, now_ns)
        if taken is not None:
            return Duplicate(taken)
        number = next(self._order_numbers)
        order = VenueOrder(
            number, request, request.quantity_lots, request.limit_ticks, request.trigger_ticks, now_ns, now_ns
        )
        self._orders[number] = self._open[number] = order
        if not self._ask(DecisionKind.PLACE_ORDER, number, request, now_ns):
            del self._orders[number], self._open[number]
            return Rejected(self._rejection)
        if request.client_id:
            self._by_client_id[request.client_id] = order
        return Placed(order)

    def cancel(self, number: int, now_ns: int) -> Placed | Rejected:
        """Cancel what is left of an order; rejected where it is not open."""
        order = self._open.get(number)
        if order is None:
            return Rejected(Reason.EXCHANGE_ORDER_UNKNOWN)
        self._ask(DecisionKind.CANCEL_ORDER, number, order.request, now_ns)
        return Placed(order)

    def amend(
        self, number: int, now_ns: int, quantity_lots: int = 0, limit_ticks: int = 0, trigger_ticks: int = 0
    ) -> Placed | Rejected:
        """Change an order's whole quantity, limit or trigger; 0 leaves one as it is."""
        order = self._open.get(number)
        if order is None:
            return Rejected(Reason.EXCHANGE_ORDER_UNKNOWN)
        changed = order.request._replace(
            quantity_lots=quantity_lots, limit_ticks=limit_ticks, trigger_ticks=trigger_ticks
        )
        before = order.limit_ticks, order.trigger_ticks
        # Before it is told; what it says must be what holds.
        order.limit_ticks = limit_ticks or order.limit_ticks
        order.trigger_ticks = trigger_ticks or order.trigger_ticks
        if self._ask(DecisionKind.AMEND_ORDER, number, changed, now_ns):
            return Placed(order)
        order.limit_ticks, order.trigger_ticks = before
        return Rejected(self._rejection)

    def market(self, row: Bytes) -> None:
        """A market record reaches this customer's exchange."""
        for report in self._exchange.market(row):
            self._take(report)

    def funding(self, row: Bytes, instrument: int, now_ns: int) -> None:
        """A funding record reaches it: what it pays is told, and kept to be asked for."""
        self.market(row)
        account = self.instruments[instrument].account
        amount = self._wallet_change(account)
        if amount:
            paid = FundingUpdate(self.name, account, instrument, amount, now_ns, next(self._order_numbers))
            self._payments.append(paid)
            self._tell(paid)

    def order(self, number: int) -> VenueOrder | None:
        return self._orders.get(number)

    def order_of(self, client_id: str) -> VenueOrder | None:
        """The newest order of a client id."""
        return self._by_client_id.get(client_id)

    def open_orders(self, instrument: int | None = None) -> list[VenueOrder]:
        """Oldest first."""
        return [o for o in self._open.values() if instrument is None or o.request.instrument == instrument]

    def orders(self, instrument: int | None = None) -> list[VenueOrder]:
        """Open and closed ones, as far as they are kept, oldest first."""
        return [o for o in self._orders.values() if instrument is None or o.request.instrument == instrument]

    def trades(self, instrument: int | None = None, since_ns: int = 0, from_number: int = 0) -> list[OwnTrade]:
        """Own trades from a time and a trade's number on, oldest first."""
        found: list[OwnTrade] = []
        for trade in reversed(self._trades):
            if trade.ts_ns < since_ns or trade.number < from_number:
                break
            if instrument is None or trade.order.request.instrument == instrument:
                found.append(trade)
        return found[::-1]

    def payments(self, since_ns: int = 0) -> list[FundingUpdate]:
        """Funding from a time on, oldest first."""
        return [paid for paid in self._payments if paid.ts_ns >= since_ns]

    def position(self, instrument: int) -> Position:
        held = self._exchange.record.positions[instrument]
        quantity, cost = int(held.quantity_lots), int(held.cost_units)
        worth = quantity * self._mark_ticks(instrument) * self.instruments[instrument].tick_lot_units
        return Position(instrument, quantity, cost, worth - cost if quantity else 0)

    def positions(self) -> list[Position]:
        """Of every instrument, of those without one too."""
        return [self.position(instrument.number) for instrument in self.instruments]

    def balance(self, account: int) -> Balance:
        wallet = self._wallet_units(account)
        mine = [i.number for i in self.instruments if i.account == account]
        equity = wallet + sum(self.position(number).unrealized_units for number in mine)
        margin = sum(map(self.margin_units, mine))
        return Balance(account, wallet, equity, margin, max(equity - margin, 0))

    def margin_units(self, instrument: int) -> int:
        """The initial margin of a position and its open orders, whichever side of them fills."""
        terms = self.instruments[instrument]
        held = self._exchange.record.positions[instrument]
        quantity = int(held.quantity_lots)
        lots = max(abs(quantity + int(held.open_buy_lots)), abs(quantity - int(held.open_sell_lots)))
        worth = lots * self._mark_ticks(instrument) * terms.tick_lot_units
        return -(-worth * terms.margin_initial_ppm // _PPM)

    def _wallet_units(self, account: int) -> int:
        return int(self._exchange.record.accounts[account].balance_units)

    def _wallet_change(self, account: int) -> int:
        """What the wallet has gained since it was last looked at."""
        now_units = self._wallet_units(account)
        change = now_units - self._wallets_units[account]
        self._wallets_units[account] = now_units
        return change

    def _mark_ticks(self, instrument: int) -> int:
        row = self._exchange.record.instruments[instrument]
        return int(row.mark_ticks) or (int(row.touch_ticks[0]) + int(row.touch_ticks[1])) // 2

    def _owner_of(self, client_id: str, now_ns: int) -> VenueOrder | None:
        """The order that a client id belongs to, for as long as the exchange keeps it from being used again."""
        order = self._by_client_id.get(client_id)
        if order is None or order.is_open:
            return order
        return order if now_ns - order.created_ns < self._client_id_kept_ns else None

    def _ask(self, kind: DecisionKind, number: int, request: OrderRequest, now_ns: int) -> bool:
        """Send a command; False where it is rejected, and then `_rejection` says why."""
        row = self._command_row
        row["kind"] = kind
        row["order"] = number
        row["account"] = self.instruments[request.instrument].account
        row["order_flags"] = _flags(request)
        for name in _COMMAND_FIELDS:
            row[name] = getattr(request, name)
        self._rejection = Reason.NONE
        for report in self._exchange.command(self._command, now_ns):
            self._take(report)
        return self._rejection == Reason.NONE

    def _take(self, report: Report) -> None:
        """Bring an order up to what a report says of it, and tell."""
        if report.kind in (EventKind.ORDER_REJECTED, EventKind.CANCEL_REJECTED):
            self._rejection = Reason(report.reason)
            return
        order = self._orders[report.order]
        order.updated_ns = report.ts_ns
        trade = None
        if report.kind == EventKind.ORDER_FILLED:
            trade = self._book(order, report)
        elif report.kind == EventKind.ORDER_TRIGGERED:
            order.triggered = True
        elif report.kind == EventKind.ORDER_AMENDED:
            order.quantity_lots = report.quantity_lots
        elif report.kind in _STATUS_AT_END:
            order.status = _STATUS_AT_END[report.kind]
            order.reason = Reason(report.reason)
        if not order.is_open:
            self._close(order)
        self._tell(OrderUpdate(self.name, report.kind, order, trade, report.ts_ns))

    def _book(self, order: VenueOrder, report: Report) -> OwnTrade:
        terms = self.instruments[report.instrument]
        held = self._exchange.record.positions[report.instrument]
        in_base = bool(report.flags & FillFlag.FEE_IN_BASE)
        fee_units = report.fee * report.price_ticks * terms.tick_lot_units if in_base else report.fee
        order.filled_lots += report.quantity_lots
        order.traded_ticks_lots += report.price_ticks * report.quantity_lots
        order.status = OrderStatus.PARTIALLY_FILLED if order.left_lots else OrderStatus.FILLED
        trade = OwnTrade(
            number=next(self._trade_numbers),
            order=order,
            ts_ns=report.ts_ns,
            price_ticks=report.price_ticks,
            quantity_lots=report.quantity_lots,
            fee=report.fee,
            fee_in_base=in_base,
            is_maker=bool(report.flags & FillFlag.MAKER),
            realized_units=self._wallet_change(terms.account) + fee_units,
            position_lots=int(held.quantity_lots),
            position_cost_units=int(held.cost_units),
            balance_units=self._wallets_units[terms.account],
        )
        order.trades.append(trade)
        self._trades.append(trade)
        return trade

    def _close(self, order: VenueOrder) -> None:
        """An order is over; the oldest of the closed ones is forgotten."""
        self._open.pop(order.number, None)
        self._closed.append(order.number)
        if len(self._closed) > CLOSED_ORDERS_KEPT:
            oldest = self._orders.pop(self._closed.popleft())
            if self._by_client_id.get(oldest.client_id) is oldest:
                del self._by_client_id[oldest.client_id]


def _terms(configuration: Configuration) -> ExchangeTerms:
    """How the configuration's exchange behaves, but for its latencies: a venue's are those of the network."""
    exchange = configuration.exchange
    return ExchangeTerms(
        slippage_model=SlippageModel(exchange.slippage_model),
        slippage_ticks=exchange.slippage_ticks,
        impact_ppm=exchange.impact_ppm,
        bar_volume_share_ppm=exchange.volume_share_ppm,
    )


def _flags(request: OrderRequest) -> int:
    flags = OrderFlag.SELL if request.side == Side.SELL else 0
    flags |= OrderFlag.POST_ONLY if request.post_only else 0
    flags |= OrderFlag.REDUCE_ONLY if request.reduce_only else 0
    return flags
