"""Whatever goes wrong between a client and its exchange: after a question, what it has told is what happened there."""

import asyncio
import random
import time

import pytest

from engine.kinds import DecisionKind, EventKind, OrderType
from tests.conformance.exchange_sandbox import SELL, Client, Market, cancel, order, question, run

ORDERS = 14
ASK_TRIES = 30
FAULTS = [
    {"kind": "lose_request", "on": "order", "probability": 0.06},
    {"kind": "lose_answer", "on": "order", "probability": 0.1},
    {"kind": "hang", "on": "order", "probability": 0.05},
    {"kind": "server_error_after", "on": "order", "probability": 0.06},
    {"kind": "rate_limit", "on": "order", "probability": 0.05},
    {"kind": "malformed", "on": "order", "probability": 0.05},
    {"kind": "lose_answer", "on": "cancel", "probability": 0.1},
    {"kind": "server_error", "on": "query", "probability": 0.1},
    {"kind": "malformed", "on": "query", "probability": 0.05},
    {"kind": "lose_message", "on": "fills", "probability": 0.1},
    {"kind": "duplicate_message", "on": "fills", "probability": 0.15},
    {"kind": "reorder_message", "on": "orders", "probability": 0.1},
    {"kind": "lose_message", "on": "orders", "probability": 0.1},
    {"kind": "disconnect", "on": "fills", "probability": 0.05},
    {"kind": "disconnect", "on": "quotes", "probability": 0.02},
]
ENDS = (EventKind.ORDER_CANCELED, EventKind.ORDER_REJECTED, EventKind.ORDER_EXPIRED)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("exchange", ["binanceusdm", "bitfinex", "hyperliquid"])
def test_what_was_told_is_what_happened(exchange, seed):
    async def scenario(market: Market, client: Client) -> None:
        client.exchange.wire.timeout = 400
        client.exchange.in_flight_ns = 600_000_000
        chance = random.Random(f"{exchange} {seed}")
        began_ns = time.time_ns()
        placed = {}
        amended_ones = set()
        sends = []
        for number in range(1, ORDERS + 1):
            price = market.ticks(50_000 + chance.randrange(-30, 30))
            at_market = chance.random() < 0.3
            one = order(
                number,
                market.lots("0.01") * chance.randrange(1, 4),
                0 if at_market else price,
                order_type=OrderType.MARKET if at_market else OrderType.LIMIT,
                flags=SELL if chance.random() < 0.5 else 0,
            )
            placed[number] = one, time.time_ns()
            sends.append(asyncio.create_task(client.exchange.send(one)))
            if chance.random() < 0.4:
                victim = placed[chance.randrange(1, number + 1)][0]
                sends.append(asyncio.create_task(client.exchange.send(cancel(victim))))
            if chance.random() < 0.4:
                changed = placed[chance.randrange(1, number + 1)][0]
                lots = market.lots("0.01") * chance.randrange(1, 4)
                if changed.order_type == OrderType.LIMIT:
                    amended_ones.add(changed.order)
                    change = changed._replace(kind=DecisionKind.AMEND_ORDER, quantity_lots=lots)
                    sends.append(asyncio.create_task(client.exchange.send(change)))
            if chance.random() < 0.5:
                market.quote(50_000 + chance.randrange(-20, 20), lots=market.lots("0.005") * chance.randrange(1, 5))
            await asyncio.sleep(0.02)
        await asyncio.gather(*sends)
        questions = [question(one, placed_ns) for one, placed_ns in placed.values()]
        for _ in range(ASK_TRIES):
            client.read()
            asked_from = len(client.events)
            if await client.exchange.ask(questions, began_ns):
                break
        else:
            raise AssertionError("no answer, however often it was asked")
        client.read()
        said = client.events[asked_from:]
        customer = market.place.core.customers[0]
        fills = {fill.trade_id: fill for fill in client.of(EventKind.ORDER_FILLED)}
        theirs = {trade.number: trade for trade in customer.trades()}
        assert set(fills) == set(theirs)
        filled = dict.fromkeys(placed, 0)
        for trade_id, trade in theirs.items():
            fill = fills[trade_id]
            assert (fill.price_ticks, fill.quantity_lots, fill.fee) == (
                trade.price_ticks,
                trade.quantity_lots,
                trade.fee,
            )
            filled[int(fill.order)] += int(fill.quantity_lots)
        agree_on_orders(said, placed, amended_ones, filled, customer)

    run(exchange, scenario, FAULTS, frozenset(("quotes",)), seed)


def agree_on_orders(said, placed, amended_ones, filled, customer):
    """What was answered of every order is what it is at the exchange, and so is the position."""
    last = {}
    for event in said:
        if event.kind in (EventKind.ORDER_ACCEPTED, EventKind.ORDER_AMENDED, *ENDS):
            last[int(event.order)] = event
    assert set(last) == set(placed)
    amended = {number: event for number, event in last.items() if event.kind == EventKind.ORDER_AMENDED}
    unchanged = placed.keys() - amended_ones
    assert all(
        amended[number].quantity_lots == placed[number][0].quantity_lots for number in unchanged & amended.keys()
    )
    left = [int(event.quantity_lots) - filled[number] for number, event in amended.items()]
    assert sorted(lots for lots in left if lots) == sorted(one.left_lots for one in customer.open_orders())
    assert all(filled[number] <= placed[number][0].quantity_lots for number in unchanged)
    position = next(event for event in said if event.kind == EventKind.POSITION_REPORTED)
    signed = sum(-filled[n] if one.order_flags & SELL else filled[n] for n, (one, _) in placed.items())
    assert position.quantity_lots == signed
