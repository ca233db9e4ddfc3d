"""A market record at the exchange: the book first, then order by order whatever the new price makes act.

`begin_market` is all that most records take: it sets the book and compares it with the nearest prices at which
orders act. `continue_market` then makes one order act a call, so that whoever drives the exchange can let
answers in between; each call looks afresh.
"""

from typing import Any

import numpy as np

from adapters.simulated.bars import advance, start_path
from adapters.simulated.book import unlink
from adapters.simulated.ledger import PPM, apply_funding
from adapters.simulated.matching import BY_BOOK, BY_TRADE, cut_reduce_only, enter_market, expire_due, fill
from adapters.simulated.state import (
    BOOK_BAR,
    BOOK_QUOTE,
    BOOK_TRADE,
    BUYS,
    LIMITS,
    SELLS,
    STOPS,
    TARGETS,
    TRAILS,
    UNLIMITED,
    WORKING,
)
from adapters.simulated.triggers import follow, start_trail, trigger
from engine.arithmetic import mul_div
from engine.jit import inner_kernel, overlay
from engine.kinds import Aggressor, EventKind, OrderType
from engine.records import BAR, FUNDING, MARK_PRICE, QUOTE, TRADE


@inner_kernel
def begin_market(ex: Any, event: Any) -> Any:
    """Take over a market record (an EVENT row); 1 where `continue_market` has to be called, else 0.

    Records of other kinds, of unknown instruments and with impossible prices change nothing.
    """
    if event.ts_ns > ex.time_ns:
        ex.time_ns = event.ts_ns
    if ex.time_ns >= ex.next_expiry_ns:
        expire_due(ex)
    number = np.int64(event.instrument)
    if number >= ex.instruments_defined:
        return 0
    row = ex.instruments[number]
    kind = event.kind
    if kind == EventKind.QUOTE:
        return _on_quote(ex, row, number, overlay(event, QUOTE))
    if kind == EventKind.TRADE:
        return _on_trade(ex, row, number, overlay(event, TRADE))
    if kind == EventKind.BAR:
        return _on_bar(ex, row, number, overlay(event, BAR))
    if kind == EventKind.MARK_PRICE:
        row.mark_ticks = max(overlay(event, MARK_PRICE).mark_ticks, 0)
    elif kind == EventKind.FUNDING:
        apply_funding(ex, overlay(event, FUNDING), number)
    return 0


@inner_kernel
def _can_act(row: Any, side: Any, lowest_seen: Any, highest_seen: Any) -> Any:
    return highest_seen >= row.acts_above[side] or lowest_seen <= row.acts_below[side]


@inner_kernel
def _walk(ex: Any, row: Any, number: Any, kind: Any, buys_see: Any, sells_see: Any) -> None:
    ex.walk_instrument = number + 1
    ex.walk_kind = kind
    ex.walk_seen[BUYS] = buys_see
    ex.walk_seen[SELLS] = sells_see
    follow(ex, row, BUYS, buys_see)
    follow(ex, row, SELLS, sells_see)


@inner_kernel
def _on_quote(ex: Any, row: Any, number: Any, quote: Any) -> Any:
    bid = quote.bid_ticks
    ask = quote.ask_ticks
    if bid <= 0 or ask < bid or quote.bid_lots < 0 or quote.ask_lots < 0:
        return 0
    row.market_ts_ns = ex.time_ns
    row.market_source = np.int64(quote.source)
    row.book = BOOK_QUOTE
    if quote.bid_lots > 0 or quote.ask_lots > 0:
        row.sized = 1
    if bid != row.touch_ticks[0]:
        row.first_lots[0] = quote.bid_lots
    if ask != row.touch_ticks[1]:
        row.first_lots[1] = quote.ask_lots
    row.touch_ticks[0] = bid
    row.touch_ticks[1] = ask
    row.shown_lots[0] = quote.bid_lots
    row.shown_lots[1] = quote.ask_lots
    row.left_lots[0] = quote.bid_lots if row.sized != 0 else UNLIMITED
    row.left_lots[1] = quote.ask_lots if row.sized != 0 else UNLIMITED
    if _can_act(row, BUYS, -ask, -ask) or _can_act(row, SELLS, bid, bid):
        _walk(ex, row, number, BOOK_QUOTE, -ask, bid)
        return 1
    return 0


@inner_kernel
def _on_trade(ex: Any, row: Any, number: Any, trade: Any) -> Any:
    price = trade.price_ticks
    if price <= 0 or trade.quantity_lots < 0:
        return 0
    row.market_ts_ns = ex.time_ns
    row.market_source = np.int64(trade.source)
    if row.book != BOOK_QUOTE:
        row.book = BOOK_TRADE
        for side in range(2):
            row.touch_ticks[side] = price
            row.shown_lots[side] = trade.quantity_lots
            row.left_lots[side] = UNLIMITED
    if not (_can_act(row, BUYS, -price, -price) or _can_act(row, SELLS, price, price)):
        return 0
    ex.market_record += 1
    ex.trade_lots = trade.quantity_lots
    ex.trade_left_lots = trade.quantity_lots
    _walk(ex, row, number, BOOK_TRADE, -price, price)
    _advance_queues(ex, row, BUYS, price, trade.aggressor != Aggressor.BUYER)
    _advance_queues(ex, row, SELLS, price, trade.aggressor != Aggressor.SELLER)
    return 1


@inner_kernel
def _advance_queues(ex: Any, row: Any, side: Any, price_ticks: Any, hits_side: Any) -> None:
    """Note which resting orders of a side a trade concerns, and shorten the queues at its very price.

    What is below zero then is what the trade had left beyond the queue.
    """
    sees = ex.walk_seen[side]
    is_visible = row.book == BOOK_QUOTE and row.sized != 0
    slot = row.heads[LIMITS + side]
    while slot != 0 and ex.orders[slot - 1].rank <= sees:
        order = ex.orders[slot - 1]
        slot = order.next_slot
        if order.rank < sees:
            order.market_record = ex.market_record
        elif hits_side:
            order.market_record = ex.market_record
            order.queue_lots = max(order.queue_lots, 0)
            behind_touch = order.side * (row.touch_ticks[side] - price_ticks)
            if is_visible and behind_touch == 0:
                ahead = order.queue_lots if order.queue_known != 0 else row.first_lots[side]
                order.queue_lots = min(ahead, row.shown_lots[side])
                order.queue_known = 1
            elif is_visible and behind_touch < 0:
                order.queue_lots = 0
                order.queue_known = 1
            if order.queue_known != 0:
                order.queue_lots -= ex.trade_lots


@inner_kernel
def _on_bar(ex: Any, row: Any, number: Any, bar: Any) -> Any:
    low = bar.low_ticks
    high = bar.high_ticks
    if low <= 0 or low > min(bar.open_ticks, bar.close_ticks) or high < max(bar.open_ticks, bar.close_ticks):
        return 0
    if bar.volume_lots < 0:
        return 0
    opened = bar.ts_exchange_ns
    if opened != 0 and opened < row.market_ts_ns and np.int64(bar.source) != row.market_source:
        ex.bars_ignored += 1  # another source has traded this time already
        return 0
    row.market_ts_ns = ex.time_ns
    row.market_source = np.int64(bar.source)
    row.book = BOOK_BAR
    volume = UNLIMITED
    if ex.bar_volume_share_ppm > 0:
        volume = mul_div(bar.volume_lots, ex.bar_volume_share_ppm, PPM)
    for side in range(2):
        row.touch_ticks[side] = bar.close_ticks
        row.shown_lots[side] = bar.volume_lots
        row.left_lots[side] = volume
    if not (_can_act(row, BUYS, -high, -low) or _can_act(row, SELLS, low, high)):
        return 0
    ex.walk_instrument = number + 1
    ex.walk_kind = BOOK_BAR
    start_path(ex, row, bar)
    return 1


@inner_kernel
def continue_market(ex: Any) -> Any:
    """Make the next order act; 1 while there may be more, 0 when the market record is finished."""
    if ex.walk_instrument == 0:
        return 0
    number = ex.walk_instrument - 1
    row = ex.instruments[number]
    while True:
        if _act(ex, row, number):
            cut_reduce_only(ex, number)
            return 1
        if ex.walk_kind != BOOK_BAR or not advance(ex, row):
            break
    ex.walk_instrument = 0
    return 0


@inner_kernel
def _act(ex: Any, row: Any, number: Any) -> Any:
    """Make one order act: takers first, then resting orders, stops, take-profits; buys before sells."""
    for side in range(2):
        if _work(ex, row, number, side):
            return True
    for side in range(2):
        if _fill_limit(ex, row, side):
            return True
    for side in range(2):
        if _trigger_stop(ex, row, number, side):
            return True
    return _trigger_target(ex, row, number, BUYS) or _trigger_target(ex, row, number, SELLS)


@inner_kernel
def _work(ex: Any, row: Any, number: Any, side: Any) -> Any:
    """Let the first taker take. One that was sent while the bar was forming waits for the bar's close."""
    slot = row.heads[WORKING + side]
    if slot == 0 or row.left_lots[1 - side] == 0:
        return False
    if ex.walk_kind == BOOK_BAR and ex.orders[slot - 1].sent_ts_ns > ex.path_open_ts_ns and ex.path_closed == 0:
        return False
    unlink(ex, row, slot)
    enter_market(ex, row, slot, number)
    return True


@inner_kernel
def _fill_limit(ex: Any, row: Any, side: Any) -> Any:
    """Fill the first resting order that is reached, at its own price, with what the other side displays."""
    if row.head_ranks[LIMITS + side] > ex.walk_seen[side]:
        return False
    if ex.walk_kind == BOOK_TRADE:
        return _fill_by_trade(ex, row, side)
    slot = row.heads[LIMITS + side]
    order = ex.orders[slot - 1]
    lots = min(order.quantity_lots - order.filled_lots, row.left_lots[1 - side])
    if lots == 0:
        return False
    fill(ex, row, slot, order.limit_ticks, lots, BY_BOOK)
    return True


@inner_kernel
def _fill_by_trade(ex: Any, row: Any, side: Any) -> Any:
    """Fill the first resting order that a trade went through, or that it reached beyond the queue at its price."""
    sees = ex.walk_seen[side]
    slot = row.heads[LIMITS + side]
    while slot != 0 and ex.trade_left_lots > 0 and ex.orders[slot - 1].rank <= sees:
        order = ex.orders[slot - 1]
        if order.market_record == ex.market_record:
            lots = min(order.quantity_lots - order.filled_lots, ex.trade_left_lots)
            if order.rank == sees:
                lots = min(lots, -order.queue_lots - (ex.trade_lots - ex.trade_left_lots))
                order.queue_lots = max(order.queue_lots, 0)
            if lots <= 0:
                return False
            ex.trade_left_lots -= lots
            fill(ex, row, slot, order.limit_ticks, lots, BY_TRADE)
            return True
        slot = order.next_slot
    return False


@inner_kernel
def _trigger_stop(ex: Any, row: Any, number: Any, side: Any) -> Any:
    """Trigger the stop or trailing stop that the price came to first."""
    sees = ex.walk_seen[side]
    if sees > row.acts_below[side]:
        return False
    slot = row.heads[STOPS + side]
    stop_rank = row.head_ranks[STOPS + side]
    trail = row.heads[TRAILS + side]
    if trail != 0:
        trail_rank = row.head_ranks[TRAILS + side] - row.trail_best[side]
        is_older = slot == 0 or ex.orders[trail - 1].priority < ex.orders[slot - 1].priority
        if trail_rank < stop_rank or (trail_rank == stop_rank and is_older):
            slot = trail
    trigger(ex, row, slot, number, sees)
    return True


@inner_kernel
def _trigger_target(ex: Any, row: Any, number: Any, side: Any) -> Any:
    """Trigger the first take-profit that is reached, or let a trailing stop begin to follow."""
    sees = ex.walk_seen[side]
    if row.head_ranks[TARGETS + side] > sees:
        return False
    slot = row.heads[TARGETS + side]
    order = ex.orders[slot - 1]
    if order.order_type == OrderType.TRAILING_STOP:
        unlink(ex, row, slot)
        start_trail(ex, row, slot, sees)
    else:
        trigger(ex, row, slot, number, sees)
    return True
