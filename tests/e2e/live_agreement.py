"""Whether the exchange, asked over its own REST, and the tape, folded again, say the same to the last unit."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from adapters.configuration import load_configuration
from adapters.exchanges import connect
from adapters.exchanges.answers import Holdings, OwnTrade
from adapters.exchanges.client import ExchangeClient
from adapters.exchanges.client_ids import ClientIds
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Connection, ExchangeInstrument, Keys
from adapters.journal import JournalReader, check, read_journal
from engine.kinds import EventKind, FillFlag, OrderStatus
from engine.records import EVENT_BYTES, FILL
from replay.refold import refold
from replay.standing import are_open
from tests.e2e.live_processes import Trial
from tests.protection import unprotected

_PLACES = ("binanceusdm", "bitfinex")


@dataclass(frozen=True)
class Outside:
    """What the exchange says of one account with one instrument, in the units of the tape."""

    trades: list[OwnTrade]
    holdings: Holdings
    # What is left of each open order, by its client id.
    open_lots: list[tuple[str, int]]
    # The client ids of all orders there ever were, where each order has one of its own.
    client_ids: list[str]


@dataclass(frozen=True)
class Inside:
    """What the tape comes to."""

    state: Any
    # Fills as they are on the tape, by trade: order, price, size, fee, whether sold.
    fills: dict[int, tuple[int, ...]]


def disagreements(trial: Trial) -> list[str]:
    """In what the exchange and the tape differ, or what is doubled, orphaned or unprotected; nothing may be moving."""
    with read_journal(trial.journal) as reader:
        report = check(reader)
        if not report.sound:
            return [f"the tape is damaged: {report.damage}"]
    return differences(trial, *both_sides(trial))


def differences(trial: Trial, inside: "Inside", outside: Outside, ids: ClientIds) -> list[str]:
    """The same of a tape that is sound and of what the exchange has said."""
    differing = [
        f"{name}: {here}, at the exchange {there}"
        for name, (here, there) in compared(trial, inside, outside, ids).items()
        if here != there
    ]
    return [
        *differing,
        *_differing_trades(inside, outside),
        *_doubled(trial, outside),
        *unprotected(inside.state),
        *_told(trial),
    ]


def both_sides(trial: Trial) -> tuple["Inside", Outside, ClientIds]:
    """What the tape says and what the exchange says. Raises Divergence."""
    with read_journal(trial.journal) as reader:
        inside = read_inside(reader)
        ids, began_ns = ClientIds(reader.manifest.journal_id), reader.manifest.created_ns
    return inside, asyncio.run(ask(trial, ids, began_ns)), ids


def read_inside(reader: JournalReader) -> Inside:
    """Fold the tape, and compare what is decided and stated with what was recorded. Raises Divergence."""
    folded = refold(reader, compare=True)
    fills = {}
    for block in reader.blocks():
        for row in block.events.reshape(-1, EVENT_BYTES):
            fill = row.view(FILL)[0]
            if fill["kind"] == EventKind.ORDER_FILLED:
                said = ("order", "price_ticks", "quantity_lots", "fee")
                fills[int(fill["trade_id"])] = (*(int(fill[name]) for name in said), _sold(int(fill["fill_flags"])))
    return Inside(folded.engine.view(folded.state), fills)


async def ask(trial: Trial, ids: ClientIds, since_ns: int) -> Outside:
    """Everything about the first customer's account, by requests alone."""
    client = _client(trial, ids)
    try:
        client.markets = await client.load()
        market = client.markets[0]
        symbol, step = market.instrument.symbol, market.instrument.lot_size
        orders = await client.read(lambda: client.wire.fetch_open_orders(symbol))
        everything = list(orders)
        if client.connection.exchange == "binanceusdm":
            asked = {"trigger": True}
            waiting = await client.read(lambda: client.wire.fetch_open_orders(symbol, None, None, asked))
            orders += waiting
            everything = await client.read(lambda: client.wire.fetch_orders(symbol))
            everything += waiting
        elif client.connection.exchange == "bitfinex":
            everything += await client.read(lambda: client.wire.fetch_closed_orders(symbol, None, 2_500))
        trades = await client.trades_since(since_ns - 60 * 10**9)
        holdings = await client.read(client.holdings)
        own = {trade.trade_id: trade for trade in trades if trade.order}
        left = [(_client_id(order), int(Decimal(str(order["remaining"])) / step)) for order in orders]
        return Outside(list(own.values()), holdings, left, [_client_id(order) for order in everything])
    finally:
        await client.close()


def _client(trial: Trial, ids: ClientIds) -> ExchangeClient:
    configuration = load_configuration(trial.configuration)
    instrument, account = configuration.instruments[0], configuration.accounts[0]
    asked = ExchangeInstrument(
        instrument.number,
        instrument.symbol,
        instrument.tick_size,
        instrument.lot_size,
        instrument.settlement_currency,
        instrument.base_currency,
        account.money_decimals,
    )
    own = trial.venue.keys
    keys = Keys(own["VENUE_KEY"], own["VENUE_SECRET"], own["VENUE_WALLET"])
    connection = Connection(0, trial.venue.exchange, keys, trial.venue.address, [asked], frozenset(), ids)
    client = connect(connection, Inbox(time.time_ns))
    assert isinstance(client, ExchangeClient)
    return client


def _client_id(order: dict[str, Any]) -> str:
    return str(order["clientOrderId"] or "")


def compared(trial: Trial, inside: Inside, outside: Outside, ids: ClientIds) -> dict[str, tuple[Any, Any]]:
    """By name: what the tape says, and what the exchange says."""
    state = inside.state
    position, account = state.positions[0, 0], state.accounts[0]
    held = outside.holdings.positions.get(0)
    held_lots = held.quantity_lots if held is not None else 0
    deposits = int(account["deposits_units"])
    cash = deposits + int(account["realized_units"]) - int(account["fees_units"])
    value = _tick_lot_units(trial)
    paid = sum(
        trade.quantity_lots * trade.price_ticks * value * (-1 if _sold(trade.flags) else 1) for trade in outside.trades
    )
    fees = sum(trade.fee for trade in outside.trades)
    open_ones = _open_orders(state)
    at_exchange = open_ones[open_ones["status"] != OrderStatus.HELD]
    ours = {int(order["order"]): int(order["quantity_lots"] - order["filled_lots"]) for order in at_exchange}
    found = {
        "fills": (int(state.fills), len(outside.trades)),
        "position, lots": (int(position["quantity_lots"]), held_lots),
        # A fill that was learned of late is booked after later ones: what is realized and what is cost may part
        # otherwise, the two together not.
        "cash less cost, units": (cash - int(position["cost_units"]), deposits - paid - fees),
        "open orders": (ours, {_order_of(trial, ids, name): left for name, left in outside.open_lots}),
        "without an answer": (_without_answer(at_exchange), []),
    }
    if held_lots == 0:
        found["cash, units"] = (cash, outside.holdings.total_units)
    return found


def _differing_trades(inside: Inside, outside: Outside) -> list[str]:
    theirs = {
        trade.trade_id: (trade.order, trade.price_ticks, trade.quantity_lots, trade.fee, _sold(trade.flags))
        for trade in outside.trades
    }
    every = sorted(theirs.keys() | inside.fills.keys())
    return [
        f"trade {trade}: {inside.fills.get(trade)}, at the exchange {theirs.get(trade)}"
        for trade in every
        if inside.fills.get(trade) != theirs.get(trade)
    ][:10]


def _doubled(trial: Trial, outside: Outside) -> list[str]:
    """Client ids that two orders have. A change at Hyperliquid is another order with the same id: only open ones."""
    ids = outside.client_ids if trial.venue.exchange in _PLACES else [client_id for client_id, _ in outside.open_lots]
    return [f"client id {name} has {count} orders" for name, count in Counter(ids).items() if count > 1]


def _told(trial: Trial) -> list[str]:
    """Secrets that are where they must not be."""
    places = [trial.log, *sorted(trial.journal.glob("*.mdb"))]
    secrets = {name: trial.venue.keys[name].encode() for name in ("VENUE_KEY", "VENUE_SECRET")}
    return [
        f"{place.name} holds {name}"
        for place in places
        for name, secret in secrets.items()
        if secret in place.read_bytes()
    ]


def _open_orders(state: Any) -> Any:
    return state.orders[are_open(state.orders)]


def _without_answer(orders: Any) -> list[str]:
    waiting = orders[np.isin(orders["status"], [OrderStatus.PENDING, OrderStatus.SENT, OrderStatus.UNKNOWN])]
    return [f"order {order['order']} {OrderStatus(int(order['status'])).name.lower()}" for order in waiting]


def _sold(flags: int) -> int:
    return 1 if flags & FillFlag.SELL else 0


def _order_of(trial: Trial, ids: ClientIds, client_id: str) -> int:
    """An order's number; 0 for one that is not the tape's."""
    if trial.venue.exchange == "binanceusdm":
        return ids.order_of_binance(client_id)
    if trial.venue.exchange == "bitfinex":
        return ids.order_of_bitfinex(int(client_id or 0))
    return ids.order_of_hyperliquid(client_id)


def _tick_lot_units(trial: Trial) -> int:
    instrument = load_configuration(trial.configuration).instruments[0]
    return int(instrument.tick_lot_units)
