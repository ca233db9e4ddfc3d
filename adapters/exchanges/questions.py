"""What became of orders, what was traded, what is held: asked of an exchange, and answered as a whole."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from adapters.exchanges.answers import Answers, FoundOrder, OwnTrade, Refused
from adapters.exchanges.port import OrderQuestion
from engine.kinds import EventKind
from engine.reasons import Reason

if TYPE_CHECKING:
    from adapters.exchanges.client import ExchangeClient

_NS_PER_S = 1_000_000_000
# Trades are dated by the exchange's clock, times to ask from are by ours. What is told twice is booked once.
OVERLAP_NS = 60 * _NS_PER_S


_READINGS_MOST = 5
_READ_AGAIN_S = 0.2


async def answers_of(client: "ExchangeClient", orders: Sequence[OrderQuestion], since_ns: int) -> Answers:
    """All answers, or the error of the first question that has none. Strays are seen to on the way."""
    for question in orders:
        client.order_trades.began(question.order, question.placed_ts_ns)
    for _ in range(_READINGS_MOST):
        # Orders first, trades after them: what filled an order that is found filled is then among the trades.
        found, adopted = await _find_all(client, orders)
        from_times = [*_from_times(client, orders, found), *_adopted_from_times(client, adopted)]
        trades = await client.trades_from(min([since_ns, *from_times]))
        everything = found | adopted
        filled_lots = {
            order.order: client.order_trades.filled_lots(order.order)
            if order.filled_lots is None
            else order.filled_lots
            for order in everything.values()
        }
        if await _is_of_one_moment(client, everything, filled_lots):
            break
        await asyncio.sleep(_READ_AGAIN_S)
    else:
        raise TimeoutError("orders were filled while they were read, again and again")
    trades = _to_tell(trades, orders, filled_lots, since_ns)
    for order in found.values():
        if not order.is_open:
            client.order_trades.forget(order.order)
    found_orders = [found[question.order] for question in orders]
    # The balance comes last: it has all payments.
    payments = await client.payments_now_and_then(since_ns)
    holdings = await client.read(client.holdings)
    return Answers(trades, payments, list(adopted.values()), found_orders, filled_lots, holdings)


async def _find_all(
    client: "ExchangeClient", orders: Sequence[OrderQuestion]
) -> tuple[dict[int, FoundOrder], dict[int, FoundOrder]]:
    """What each order is that is asked about; and those that are to be adopted."""
    everything = await _all_open(client)
    asked = {question.order for question in orders}
    adopted = await _see_to_strays(client, everything, asked)
    await _see_to_foreign_ones(client, everything)
    found = {order.order: order for order in everything if order.order in asked}
    for question in orders:
        if question.order not in found:
            found[question.order] = await _find_one(client, question)
    return found, {order.order: order for order in adopted}


def _from_times(
    client: "ExchangeClient", orders: Sequence[OrderQuestion], found: dict[int, FoundOrder]
) -> Iterator[int]:
    """From when on trades are needed: of an order that has ended all, of others those that say what is filled."""
    for question in orders:
        if not found[question.order].is_open:
            yield question.placed_ts_ns
        elif found[question.order].filled_lots is None:
            yield client.order_trades.known_until_ns(question.order)


def _adopted_from_times(client: "ExchangeClient", adopted: dict[int, FoundOrder]) -> Iterator[int]:
    """From when on the trades of adopted orders are needed."""
    for order in adopted.values():
        assert order.terms is not None, "it is an order of this tape"
        client.order_trades.began(order.order, order.terms.placed_ns - OVERLAP_NS)
        if order.filled_lots is None:
            yield client.order_trades.known_until_ns(order.order)


async def _is_of_one_moment(
    client: "ExchangeClient", found: dict[int, FoundOrder], filled_lots: dict[int, int]
) -> bool:
    """Whether what is left of orders and what their trades say is filled belong together."""
    unsaid = [order for order in found.values() if order.filled_lots is None]
    # A filled order without a trade: they are not listed yet.
    if any(_is_filled(order) and filled_lots[order.order] == 0 for order in unsaid):
        return False
    in_part = [order for order in unsaid if order.is_open and filled_lots[order.order] > 0]
    if not in_part:
        return True
    now = {order.order: order for order in await _all_open(client)}
    return all(now.get(order.order) == order for order in in_part)


def _is_filled(order: FoundOrder) -> bool:
    return order.kind == EventKind.ORDER_ACCEPTED and not order.is_open


def _to_tell(
    trades: list[OwnTrade], orders: Sequence[OrderQuestion], filled_lots: dict[int, int], since_ns: int
) -> list[OwnTrade]:
    """The engine remembers so many trades: old ones only where it has not booked all of their order."""
    missed = {question.order for question in orders if filled_lots[question.order] != question.filled_lots}
    return [trade for trade in trades if trade.ts_ns >= since_ns - OVERLAP_NS or trade.order in missed]


async def _all_open(client: "ExchangeClient") -> list[FoundOrder]:
    everything = await client.read(client.find_open)
    client.counts["foreign orders open"] = sum(order.order == 0 for order in everything)
    return everything


async def _see_to_strays(client: "ExchangeClient", everything: list[FoundOrder], asked: set[int]) -> list[FoundOrder]:
    """Orders of this tape that the engine does not know to be open, but for what is sent in the meantime.

    They are cancelled; where they are to be adopted they are returned.
    """
    strays = [order for order in everything if order.order and order.order not in asked | client.sent_while_asking]
    if client.connection.adopts_unknown:
        return strays
    for order in strays:
        client.counts["strays cancelled"] += 1
        await _cancel(client, order)
    return []


async def _see_to_foreign_ones(client: "ExchangeClient", everything: list[FoundOrder]) -> None:
    for order in everything:
        if order.order == 0:
            client.oddities.foreign_order(client.markets[order.instrument], order.exchange_order_id)
            if client.connection.cancels_foreign:
                client.counts["foreign orders cancelled"] += 1
                await _cancel(client, order)


async def _cancel(client: "ExchangeClient", order: FoundOrder) -> None:
    with suppress(Refused):
        await client.cancel_found(client.markets[order.instrument], order)


async def _find_one(client: "ExchangeClient", question: OrderQuestion) -> FoundOrder:
    market = client.markets[question.instrument]
    on_its_way = client.on_their_way.get(question.order)
    if on_its_way is not None:
        await on_its_way
    found = await client.read(lambda: client.find(market, question))
    if found is None:
        # It may still be on its way: only after that does not being there mean anything.
        wait_ns = question.placed_ts_ns + client.in_flight_ns - client.clock_ns()
        if wait_ns > 0:
            await asyncio.sleep(min(wait_ns, client.in_flight_ns) / _NS_PER_S)
            found = await client.read(lambda: client.find(market, question))
    if found is not None:
        return found
    unknown = Reason.EXCHANGE_ORDER_UNKNOWN
    return FoundOrder(question.order, question.instrument, 0, EventKind.ORDER_REJECTED, unknown, 0, False)
