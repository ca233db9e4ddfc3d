"""One customer's account as Bitfinex shows it: orders, trades, positions, wallets, and what is told about them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.venue.bitfinex.forms import labels_of
from adapters.venue.bitfinex.names import CODES, Market
from adapters.venue.bitfinex.numbers import amount, milliseconds, money, price
from adapters.venue.bitfinex.orders import Array, order_array, position_array, trade_array
from adapters.venue.core import VenueCore
from adapters.venue.customer import Customer
from adapters.venue.faults import Messages
from adapters.venue.orders import FundingUpdate, OrderUpdate, OwnTrade, PrivateUpdate, VenueOrder
from engine.kinds import AccountKind, EventKind

_ENDED = (EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED)

# What a message is about, its name (`on`, `te`, ...) and its array.
Notice = tuple[Messages, str, object]


@dataclass(slots=True)
class _Holding:
    """A position's identity at the exchange, as long as it is not closed."""

    number: int
    since_ns: int
    updated_ns: int


class Statement:
    """Every update of the venue that concerns the customer has to pass through `notices`."""

    def __init__(self, core: VenueCore, customer: Customer, markets: Sequence[Market]) -> None:
        self._core = core
        self._customer = customer
        self._markets = markets
        self._holdings: dict[int, _Holding] = {}

    def market_of(self, order: VenueOrder) -> Market:
        return self._markets[order.request.instrument]

    def orders(self, orders: Sequence[VenueOrder]) -> list[Array]:
        return [order_array(self.market_of(order), order) for order in orders]

    def trade(self, trade: OwnTrade, with_fee: bool = True) -> Array:
        market = self.market_of(trade.order)
        return trade_array(market, trade, self._money_decimals(market), with_fee)

    def positions(self) -> list[Array]:
        """Those that are open, of derivatives and on margin."""
        return [self._position(self._markets[number]) for number in self._holdings]

    def wallets(self) -> list[Array]:
        money_of = [self._wallet(account.number) for account in self._core.accounts]
        return money_of + [self._coins(market) for market in self._markets if not market.on_margin]

    def payments(self, currency: str) -> list[FundingUpdate]:
        """Funding in a currency, the newest first."""
        return [paid for paid in self._customer.payments()[::-1] if self._markets[paid.instrument].quote == currency]

    def ledger_entry(self, paid: FundingUpdate) -> Array:
        """[id, currency, wallet, time, -, amount, balance, -, what it is in words]."""
        market = self._markets[paid.instrument]
        decimals = self._money_decimals(market)
        amount_paid = money(paid.amount_units, decimals)
        text = f"Derivatives funding event {market.pair} on wallet margin"
        return [paid.number, market.quote, "margin", milliseconds(paid.ts_ns), None, amount_paid, None, None, text]

    def notices(self, update: PrivateUpdate) -> Iterator[Notice]:
        """What the customer's streams are told of an update, in this order."""
        if isinstance(update, FundingUpdate):
            market = self._markets[update.instrument]
            paid = money(update.amount_units, self._money_decimals(market))
            text = f"Funding of {paid} {market.quote} ({market.pair})"
            yield Messages.BALANCES, "wu", self._wallet(update.account, text)
        elif update.trade is not None:
            yield from self._of_trade(update, update.trade)
        else:
            name = "on" if update.kind == EventKind.ORDER_ACCEPTED else "oc" if update.kind in _ENDED else "ou"
            yield Messages.ORDERS, name, order_array(self.market_of(update.order), update.order)

    def _of_trade(self, update: OrderUpdate, trade: OwnTrade) -> Iterator[Notice]:
        order, market = update.order, self.market_of(update.order)
        yield Messages.FILLS, "te", self.trade(trade, with_fee=False)
        if market.on_margin:
            yield self._of_position(market, trade)
        yield Messages.ORDERS, "ou" if order.is_open else "oc", order_array(market, order)
        yield Messages.FILLS, "tu", self.trade(trade)
        quantity = amount(market.instrument, order.request.side * trade.quantity_lots)
        at = price(market.instrument, trade.price_ticks)
        text = f"Traded {quantity} {market.base} ({market.pair}) @ {at}"
        meta = {"reason": "TRADE", "order_id": order.number, "order_cid": labels_of(order).client_id}
        yield Messages.BALANCES, "wu", self._wallet(market.instrument.account, text, meta)
        if not market.on_margin:
            yield Messages.BALANCES, "wu", self._coins(market, text, meta)

    def _of_position(self, market: Market, trade: OwnTrade) -> Notice:
        number = market.instrument.number
        name = "pu" if number in self._holdings else "pn"
        held = self._holdings.setdefault(number, _Holding(trade.number, trade.ts_ns, trade.ts_ns))
        held.updated_ns = trade.ts_ns
        array = self._position(market)
        if trade.position_lots:
            return Messages.BALANCES, name, array
        del self._holdings[number]
        return Messages.BALANCES, "pc", array

    def _position(self, market: Market) -> Array:
        number = market.instrument.number
        held, position = self._holdings[number], self._customer.position(number)
        times = held.since_ns, held.updated_ns
        return position_array(market, position, self._money_decimals(market), held.number, *times)

    def _wallet(self, number: int, text: str | None = None, meta: object = None) -> Array:
        """[wallet, currency, balance, interest, available, what changed it last, details]."""
        account = self._core.accounts[number]
        mine = [market for market in self._markets if market.instrument.account == number]
        currency = CODES.get(account.currency, account.currency)
        currency = next((market.quote for market in mine if market.is_derivative), currency)
        balance = self._customer.balance(number)
        if account.kind == AccountKind.MARGIN:
            total, available = (
                money(units, account.money_decimals) for units in (balance.wallet_units, balance.available_units)
            )
            return ["margin", currency, total, 0, available, text, meta]
        # What open orders reserve is not worked out here, and then Bitfinex says null.
        spent_units = sum(self._customer.position(market.instrument.number).cost_units for market in mine)
        cash = money(balance.wallet_units - spent_units, account.money_decimals)
        return ["exchange", currency, cash, 0, None, text, meta]

    def _coins(self, market: Market, text: str | None = None, meta: object = None) -> Array:
        """What was bought outright."""
        held = self._customer.position(market.instrument.number).quantity_lots
        return ["exchange", market.base, amount(market.instrument, held), 0, None, text, meta]

    def _money_decimals(self, market: Market) -> int:
        return self._core.accounts[market.instrument.account].money_decimals
