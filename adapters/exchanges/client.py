"""What all exchange clients do alike: commands out, questions answered, streams kept. Subclasses speak the wire.

A subclass holds a ccxt.pro instance in `wire`, on which `Wire` goes before ccxt's own class.
"""

import asyncio
import time
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from adapters.errors import UserError
from adapters.exchanges.answers import (
    Amended,
    Answers,
    FoundOrder,
    Held,
    Holdings,
    KnownOrders,
    OwnTrade,
    Payment,
    Refused,
    ToldTrades,
    WrongId,
)
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.markets import WITH_LIMIT, Market
from adapters.exchanges.messages import Known
from adapters.exchanges.oddities import Oddities
from adapters.exchanges.order_trades import OrderTrades, WholeQuantities
from adapters.exchanges.port import Command, Connection, OrderQuestion
from adapters.exchanges.questions import OVERLAP_NS, answers_of
from adapters.exchanges.sending import Sending
from adapters.exchanges.streams import Stream, Streams
from adapters.exchanges.transport import Answered, Endpoint, failure_of
from engine.kinds import EventKind, RequestFailure
from engine.reasons import Reason

_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
# So many within the time of a dead-man switch: one or two may fail.
SIGNS_OF_LIFE = 3
_READS_MOST = 4
_READ_BACKOFF_S = 0.25
_READ_WAIT_MOST_S = 30.0
_OPEN_TIMEOUT_S = 60.0
_PAYMENTS_EVERY_NS = 300 * _NS_PER_S

Answer = TypeVar("Answer")


class ExchangeClient(ABC):
    """One account at one exchange; `counts` tells what was put aside, by name, for metrics."""

    # How long after it was sent a request may still arrive.
    in_flight_ns: int
    # So many orders go in one request.
    batch_most: int
    # Whether an order that is changed gets another id.
    ids_change = False

    def __init__(self, connection: Connection, inbox: Inbox, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self.connection = connection
        self.account = connection.account
        self.inbox = inbox
        self.counts: Counter[str] = Counter()
        self.markets: dict[int, Market] = {}
        self.clock_ns = clock_ns
        seed = zlib.crc32(f"{connection.ids.journal_id} {connection.account}".encode())
        self.streams = Streams(inbox, connection.account, seed)
        self.oddities = Oddities(connection.account, inbox, self.counts, connection.fee_rates)
        self._last_trade_ns = 0
        # Until when payments are known of, and when they were asked for last; 0 is never.
        self._payments_known_ns = 0
        self._payments_asked_ns = 0
        self._payments_expected = True
        self.orders = KnownOrders(self.ids_change)
        self._told_trades = ToldTrades()
        self.order_trades = OrderTrades()
        self.whole_quantities = WholeQuantities()
        # The last request about each order that is on its way: what follows on it waits.
        self.on_their_way: dict[int, asyncio.Future[None]] = {}
        # Orders that commands have been sent about since the questions were made up.
        self.sent_while_asking: set[int] = set()
        self._sending = Sending(self)
        self._asking = asyncio.Lock()
        self._reads_held_until_ns = 0
        self._background: set[asyncio.Task[object]] = set()
        self._signs_of_life: asyncio.Task[object] | None = None

    # What a subclass knows of its exchange.

    wire: Any

    @abstractmethod
    async def load(self) -> dict[int, Market]:
        """The markets of the connection's instruments, compared with what the exchange lists. Raises UserError."""

    @abstractmethod
    def watches(self) -> dict[Stream, Callable[[], Awaitable[object]]]:
        """How each stream is watched."""

    @abstractmethod
    async def place(self, market: Market, command: Command) -> int:
        """Place an order; returns the exchange's id for it, 0 where it says none. Raises Refused."""

    @abstractmethod
    async def cancel(self, market: Market, command: Command) -> None:
        """Cancel an order; that it is cancelled comes by the private stream. Raises Refused."""

    @abstractmethod
    async def amend(self, market: Market, command: Command) -> Amended:
        """Change an order. Raises Refused."""

    @abstractmethod
    def batch_of(self, command: Command) -> int | None:
        """What commands have in common that can go in one request, None for one that has to go alone."""

    @abstractmethod
    async def order_body(self, market: Market, command: Command) -> Any:
        """An order as a batch has it. Raises Refused."""

    @abstractmethod
    async def place_all(self, commands: Sequence[Command], bodies: Sequence[Any]) -> list[int | Exception]:
        """Place orders in one request; of each the exchange's id, or why it was refused or is not known."""

    @abstractmethod
    async def cancel_all(self, commands: Sequence[Command]) -> list[Exception | None]:
        """Cancel orders in one request; of each why it was refused or is not known."""

    @abstractmethod
    def meaning_of(self, error: Answered) -> Reason | RequestFailure:
        """What an error that the exchange answered with says: why it refused, or that the outcome is not known."""

    @abstractmethod
    async def find_open(self) -> list[FoundOrder]:
        """All open orders of the account on the connection's instruments; number 0 where they are not ours."""

    @abstractmethod
    async def find(self, market: Market, question: OrderQuestion) -> FoundOrder | None:
        """One order that is not open, None where the exchange has never seen it."""

    @abstractmethod
    async def cancel_found(self, market: Market, found: FoundOrder) -> None:
        """Cancel an order that the engine does not know of, or that is not of this tape."""

    @abstractmethod
    async def trades_since(self, since_ns: int) -> list[OwnTrade]:
        """Own trades of all instruments, oldest first."""

    @abstractmethod
    async def payments_since(self, since_ns: int) -> list[Payment]:
        """Funding of all instruments since a time."""

    @abstractmethod
    async def holdings(self) -> Holdings:
        """The account's money and positions."""

    async def cancel_all_after(self, after_ms: int) -> None:
        """Have the exchange cancel all orders after so long, unless it is asked again; 0 for never. Raises Refused."""
        raise AssertionError("the configuration knows which exchange has this")

    # The port.

    async def open(self) -> None:
        try:
            async with asyncio.timeout(_OPEN_TIMEOUT_S):
                self.markets = await self._loaded()
                await self._arm_switch()
                self._last_trade_ns = self.clock_ns()
                for stream, watch in self.watches().items():
                    if self.connection.has_keys or stream != Stream.PRIVATE:
                        self.streams.start(stream, watch)
                await self.streams.all_up()
        except UserError:
            await self.close()
            raise
        except TimeoutError:
            await self.close()
            where = self.connection.endpoint or "the network"
            raise UserError(
                f"{self.connection.exchange}: no connection within {_OPEN_TIMEOUT_S:g} s ({where})"
            ) from None

    def send(self, command: Command) -> Coroutine[Any, Any, None]:
        return self._sending.send(command)

    def send_all(self, commands: Sequence[Command]) -> Coroutine[Any, Any, None]:
        return self._sending.send_all(commands)

    async def ask(self, orders: Sequence[OrderQuestion], since_ns: int) -> bool:
        if not self.connection.has_keys:
            return True
        async with self._asking:
            self.sent_while_asking = set(self.on_their_way)
            try:
                answers = await answers_of(self, orders, since_ns)
            except Exception as error:
                if isinstance(error, WrongId):
                    self.counts["wrong ids"] += 1
                    self.orders.forget(error)
                self.failed(error, Endpoint.READ)
                return False
            self._put(answers)
            return True

    async def stand_down(self) -> bool:
        if self._signs_of_life is None:
            return True
        self._signs_of_life.cancel()
        try:
            await self.read(lambda: self.cancel_all_after(0))
        except Exception as error:
            self.failed(error, Endpoint.CANCEL)
            return False
        return True

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await self.streams.close()
        await self.wire.close()

    # What subclasses use.

    def known(self, markets: dict[str, Market]) -> Known:
        """What the reader of messages has to know; the markets are by the exchange's ids."""
        return Known(
            self.account,
            self.inbox,
            markets,
            self.connection.ids,
            self.orders,
            self.counts,
            self.own_trade,
            self.oddities,
            lambda: self.in_background(self.book_payments()),
        )

    async def trades_from(self, from_ns: int) -> list[OwnTrade]:
        """Own trades since a time of our clock, and orders' fills up to now. The exchange's clock may be behind."""
        asked_ns = self.clock_ns()
        trades = await self.trades_since(from_ns - OVERLAP_NS)
        self.order_trades.take(trades, from_ns, asked_ns)
        return trades

    async def payments_now_and_then(self, from_ns: int) -> list[Payment]:
        """Funding since a time: not at every question, because orders wait while a long list is paid for."""
        if not self._payments_expected and self.clock_ns() - self._payments_known_ns < _PAYMENTS_EVERY_NS:
            return []
        return await self.payments_from(from_ns)

    async def payments_from(self, from_ns: int) -> list[Payment]:
        """Funding since a time of our clock, or since the last time that it was told where that is longer ago."""
        self._payments_asked_ns = self.clock_ns()
        return await self.payments_since(min(from_ns, self._payments_known_ns or from_ns) - OVERLAP_NS)

    async def book_payments(self) -> None:
        """A stream says that funding was paid, but not all of it: ask what is, and again with the next question."""
        try:
            self._put_payments(await self.payments_from(self.clock_ns()))
        finally:
            self._payments_expected = True

    def own_trade(self, trade: OwnTrade) -> None:
        """An own trade from a stream."""
        self._last_trade_ns = max(self._last_trade_ns, trade.ts_ns)
        self._put_trade(trade)

    async def private_is_up(self) -> None:
        """The private stream is there: what was traded while it was not is asked for before that is said."""
        attempt = self.streams.attempt(Stream.PRIVATE)
        trades: list[OwnTrade] = []
        if self.streams.is_back(Stream.PRIVATE):
            self._payments_expected = True
            try:
                trades = await self.trades_since(self._last_trade_ns - OVERLAP_NS)
            except Exception as error:
                # It comes back without them, which the event says: the next question brings them.
                self.failed(error, Endpoint.READ)
        # It may have gone down again in the meantime.
        if attempt == self.streams.attempt(Stream.PRIVATE):
            for trade in trades:
                self.own_trade(trade)
            self.streams.came_up(Stream.PRIVATE)

    def in_background(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        """Do something that nobody waits for."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failed(error, Endpoint.READ)

    def hold_reads(self, seconds: float) -> None:
        """Ask nothing for a while: the exchange's own count of our requests is near its limit."""
        until_ns = self.clock_ns() + int(min(seconds, _READ_WAIT_MOST_S) * _NS_PER_S)
        self._reads_held_until_ns = max(self._reads_held_until_ns, until_ns)

    async def read(self, request: Callable[[], Awaitable[Answer]]) -> Answer:
        """A request that changes nothing: it is repeated a few times where it fails."""
        for attempt in range(_READS_MOST):
            held_ns = self._reads_held_until_ns - self.clock_ns()
            if held_ns > 0:
                await asyncio.sleep(held_ns / _NS_PER_S)
            try:
                return await request()
            except Exception as error:
                if attempt == _READS_MOST - 1 or isinstance(self.meaning(error), Reason):
                    raise
                retry_after_ms = failure_of(error)[2]
                self.counts["reads repeated"] += 1
                await asyncio.sleep(max(_READ_BACKOFF_S * 2**attempt, min(retry_after_ms / 1000, _READ_WAIT_MOST_S)))
        raise AssertionError("the last attempt returns or raises")

    async def _arm_switch(self) -> None:
        """Begin the dead-man switch where one is wanted that asks for signs of life. Raises UserError."""
        after_ms = (self.connection.dead_man_switch_ns or 0) // _NS_PER_MS
        while after_ms and self._signs_of_life is None:
            try:
                await self.cancel_all_after(after_ms)
                self._signs_of_life = self.in_background(self._show_life(after_ms))
            except Exception as error:
                if isinstance(self.meaning(error), Reason):
                    name = self.connection.exchange
                    raise UserError(f"{name}: it refused this account the dead-man switch, expected none") from None
                self.failed(error, Endpoint.CANCEL)
                await asyncio.sleep(1)

    async def _show_life(self, after_ms: int) -> None:
        while True:
            await asyncio.sleep(after_ms / 1000 / SIGNS_OF_LIFE)
            try:
                await self.cancel_all_after(after_ms)
            except Exception as error:
                self.failed(error, Endpoint.CANCEL)

    def report(
        self, kind: EventKind, command: Command, exchange_order_id: int = 0, reason: Reason = Reason.NONE
    ) -> None:
        """What became of a command."""
        self.inbox.order_report(kind, self.account, command.instrument, command.order, exchange_order_id, reason)

    # What failed.

    def meaning(self, error: BaseException) -> Reason | RequestFailure:
        """Why the exchange refused what was asked, or how the request failed where it did not say."""
        if isinstance(error, Refused):
            return error.reason
        failure = failure_of(error)[0]
        if isinstance(error, Answered) and failure != RequestFailure.RATE_LIMITED:
            return self.meaning_of(error)
        return failure

    def failed(self, error: BaseException, endpoint: Endpoint, order: int = 0, instrument: int = 0) -> None:
        said = self.meaning(error)
        _, status, retry_after_ms = failure_of(error)
        kind = RequestFailure.OTHER if isinstance(said, Reason) else said
        self.counts[f"requests failed: {kind.name.lower()}"] += 1
        self.inbox.request_failed(self.account, kind, order, status, retry_after_ms, int(endpoint), instrument)

    async def _loaded(self) -> dict[int, Market]:
        while True:
            try:
                return await self.load()
            except UserError:
                raise
            except Exception as error:
                if isinstance(self.meaning(error), Reason):
                    raise self._not_let_in() from None
                self.failed(error, Endpoint.READ)
                await asyncio.sleep(1)

    def _not_let_in(self) -> UserError:
        return UserError(f"{self.connection.exchange}: it refused the first request: check the account's keys")

    def _put(self, answers: Answers) -> None:
        for trade in answers.trades:
            self._last_trade_ns = max(self._last_trade_ns, trade.ts_ns)
            self._put_trade(trade)
        self._put_payments(answers.payments)
        for order in answers.adopted:
            self._put_adopted(order, answers.filled_lots[order.order])
        for order in answers.orders:
            self._put_found(order, answers.filled_lots[order.order])
        holdings = answers.holdings
        self.inbox.balance(self.account, holdings.total_units, holdings.available_units)
        for instrument in self.markets:
            self.inbox.position(self.account, instrument, *holdings.positions.get(instrument, Held(0)))

    def _put_payments(self, payments: Sequence[Payment]) -> None:
        for payment in payments:
            self.inbox.payment(self.account, *payment)
        # Only now: a question that has no answer in the end has told nothing.
        if self._payments_known_ns != self._payments_asked_ns:
            self._payments_known_ns = self._payments_asked_ns
            self._payments_expected = False

    def _put_adopted(self, found: FoundOrder, filled_lots: int) -> None:
        terms = found.terms
        assert terms is not None, "it is an order of this tape"
        self.inbox.adopted(
            self.account,
            found.instrument,
            found.order,
            terms.order_type,
            terms.order_flags,
            filled_lots + found.left_lots,
            filled_lots,
            found.price_ticks if terms.order_type in WITH_LIMIT else 0,
            terms.trigger_ticks,
            terms.placed_ns - OVERLAP_NS,
        )
        who = self.account, found.instrument, found.order, found.exchange_order_id
        self.inbox.order_report(EventKind.ORDER_ACCEPTED, *who, ts_exchange_ns=found.ts_ns)

    def _put_found(self, found: FoundOrder, filled_lots: int) -> None:
        """What an order is, and its terms where it is open or filled."""
        is_filled = found.kind == EventKind.ORDER_ACCEPTED and not found.is_open
        who = self.account, found.instrument, found.order, found.exchange_order_id
        if not is_filled:
            self.inbox.order_report(found.kind, *who, found.reason, ts_exchange_ns=found.ts_ns)
        if not found.is_open:
            self.whole_quantities.forget(found.order)
        # What was read before a change is not its answer.
        elif found.order not in self.sent_while_asking:
            self.whole_quantities.know(found.order, filled_lots + found.left_lots)
        if is_filled or (found.is_open and found.order not in self.sent_while_asking):
            self.inbox.order_report(
                EventKind.ORDER_AMENDED,
                *who,
                quantity_lots=filled_lots + found.left_lots,
                price_ticks=found.price_ticks,
                ts_exchange_ns=found.ts_ns,
            )

    def _put_trade(self, trade: OwnTrade) -> None:
        # The engine books an id once: what comes under one that is taken is not there to be booked.
        if self._told_trades.is_another(trade):
            self.counts["trade ids repeated"] += 1
            return
        self.inbox.fill(
            self.account,
            trade.instrument,
            trade.order,
            trade.trade_id,
            trade.price_ticks,
            trade.quantity_lots,
            trade.fee,
            trade.flags,
            trade.ts_ns,
        )
