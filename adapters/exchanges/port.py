"""What the daemon asks of an exchange. Whatever comes of it goes to the inbox, in the words of the tape.

A client never raises for what an exchange or the network does: a request that failed is an event. It raises
`UserError` from `open` only, for what a person has to put right (keys, symbols, terms that differ).
"""

from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple, Protocol

from adapters.exchanges.client_ids import ClientIds


@dataclass(frozen=True, slots=True)
class Keys:
    """What signs requests. Never shown: not in a journal, a log or an error. Empty ones reach what is public."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    # The wallet's address, where the exchange knows accounts by it (Hyperliquid).
    wallet: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ExchangeInstrument:
    """An instrument by its number on the tape and its unified symbol at the exchange (`BTC/USDT:USDT`)."""

    number: int
    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    settlement_currency: str
    base_currency: str
    # Decimal places of the account's money: 10 ** money_decimals units are one of its currency.
    money_decimals: int


@dataclass(frozen=True, slots=True)
class Connection:
    """One account at one exchange; its market data alone where there are no keys.

    `endpoint` is the address of a local venue, empty for the exchange itself.

    `streams` are of quotes, trades, bars (of one minute), marks. `fee_rates` is what a unit of other currencies, in
    which fees are paid, is worth in that of the account. Open orders of this tape that the engine does not know to be
    open are cancelled, or else adopted; those of others are left alone, or else cancelled.
    """

    account: int
    exchange: str
    keys: Keys
    endpoint: str
    instruments: Sequence[ExchangeInstrument]
    streams: frozenset[str]
    ids: ClientIds
    # The exchange cancels all orders after so long without a sign of life; 0 when the own stream ends, None never.
    dead_man_switch_ns: int | None = None
    fee_rates: Mapping[str, Decimal] = field(default_factory=dict)
    adopts_unknown: bool = False
    cancels_foreign: bool = False

    @property
    def has_keys(self) -> bool:
        return bool(self.keys.secret)


class Command(NamedTuple):
    """A decision to be sent: the fields of `engine.records.COMMAND` as integers (`kind` is a DecisionKind)."""

    kind: int
    order_type: int
    time_in_force: int
    order_flags: int
    instrument: int
    account: int
    strategy: int
    seq: int
    order: int
    quantity_lots: int
    limit_ticks: int
    trigger_ticks: int
    trail_ticks: int
    expire_ts_ns: int


class OrderQuestion(NamedTuple):
    """An order that the engine believes open or does not know about. `exchange_order_id` is 0 where none is known.

    `filled_lots` is what the engine has booked of it: older trades are told again only where that is not all.
    """

    order: int
    instrument: int
    order_type: int
    exchange_order_id: int
    placed_ts_ns: int
    filled_lots: int = 0


class Exchange(Protocol):
    """One account at one exchange."""

    async def open(self) -> None:
        """Load the markets, compare them with the instruments' terms, subscribe to all streams.

        Returns once the private stream is there. From then on CONNECTION_LOST and CONNECTION_RESTORED are put
        around every gap. Raises UserError.
        """

    def send(self, command: Command) -> Coroutine[Any, Any, None]:
        """Take a command; what is returned sends it, once and never again by itself, and ends with its answer.

        Puts ORDER_ACCEPTED, ORDER_REJECTED, CANCEL_REJECTED, ORDER_AMENDED, or REQUEST_FAILED where there is no
        answer, and then the order is unknown. Commands about one order leave in the order in which they were taken,
        each when the one before it has ended; those about different orders do not wait for each other.
        """

    def send_all(self, commands: Sequence[Command]) -> Coroutine[Any, Any, None]:
        """The same of several commands about different orders, all to be placed or all to be cancelled, in as few
        requests as the exchange has for them. Each order has an outcome of its own."""

    async def ask(self, orders: Sequence[OrderQuestion], since_ns: int) -> bool:
        """Ask what became of orders, for own trades and funding since a time, open orders, balances and positions.

        Puts, all of them together and in this order: fills (ORDER_FILLED); payments (FUNDING); open orders that the
        engine did not ask about, where they are to be adopted (ORDER_ADOPTED, ORDER_ACCEPTED); for each order asked
        about what it is (ORDER_ACCEPTED and then ORDER_AMENDED with the terms that it has there: an amendment may
        have been lost or not; ORDER_AMENDED alone for one that is filled, an exchange may have cut a reduce-only
        order to what was left; ORDER_CANCELED, ORDER_EXPIRED, ORDER_REJECTED; one that the exchange has never seen is
        rejected with EXCHANGE_ORDER_UNKNOWN, but only once a request under way could not arrive any more);
        BALANCE_REPORTED; POSITION_REPORTED of every instrument. Open orders with a client id of this tape that the
        engine did not ask about are cancelled where they are not adopted; foreign ones are told of (NOTICE), and left
        alone unless they are to be cancelled. False where a question has no answer (its REQUEST_FAILED is put,
        nothing else). Without keys there is nothing to ask: True.
        """

    async def stand_down(self) -> bool:
        """End the dead-man switch, so that orders stay though nobody is there; False where that has failed."""

    async def close(self) -> None:
        """End all streams and requests."""
