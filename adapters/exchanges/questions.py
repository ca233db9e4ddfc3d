"""What became of orders, what was traded, what is held: asked of an exchange, and answered as a whole."""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters.exchanges.answers import Answers, FoundOrder, Refused
from adapters.exchanges.port import OrderQuestion
from engine.kinds import EventKind
from engine.reasons import Reason

if TYPE_CHECKING:
    from adapters.exchanges.client import ExchangeClient

_NS_PER_S = 1_000_000_000
# Trades are dated by the exchange's clock, times to ask from are by ours. What is told twice is booked once.
OVERLAP_NS = 60 * _NS_PER_S


async def answers_of(client: "ExchangeClient", orders: Sequence[OrderQuestion], since_ns: int) -> Answers:
    """All answers, or the error of the first question that has none. Cancels strays on the way."""
    # Orders first, trades after them: what filled an order that is found filled is then among the trades.
    everything = await _all_open(client)
    found = {order.order: order for order in everything if order.order}
    await _cancel_strays(client, everything, {question.order for question in orders})
    for question in orders:
        if question.order not in found:
            found[question.order] = await _find_one(client, question)
    ended = [question.placed_ts_ns for question in orders if not found[question.order].is_open]
    trades = await client.trades_since(min([since_ns, *ended]) - OVERLAP_NS)
    return Answers(trades, [found[question.order] for question in orders], await client.read(client.holdings))


async def _all_open(client: "ExchangeClient") -> list[FoundOrder]:
    everything = await client.read(client.find_open)
    client.counts["foreign orders open"] = sum(order.order == 0 for order in everything)
    return everything


async def _cancel_strays(client: "ExchangeClient", everything: list[FoundOrder], asked: set[int]) -> None:
    """Cancel orders of this tape that the engine does not know to be open; not what is sent in the meantime."""
    for order in everything:
        if order.order and order.order not in asked and order.order not in client.sent_while_asking:
            client.counts["strays cancelled"] += 1
            try:
                await client.cancel_found(client.markets[order.instrument], order)
            except Refused:
                continue


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
