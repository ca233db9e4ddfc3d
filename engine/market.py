"""What the engine remembers of the market: the last quote and price, and the mark that positions are valued at.

A long position is valued at the bid and a short one at the ask, what each could be closed for; without quotes
at the last price. The best source that an instrument has ever had is the one that marks it: mark prices of the
exchange before quotes, quotes before trades and bars.
"""

from typing import Any

import numpy as np

from engine.estimates import close_sample, follow_price, see_spread
from engine.jit import inner_kernel
from engine.kinds import Condition
from engine.portfolio import mark_holders
from engine.reasons import Reason

_MARKED_BY_PRICE = np.int64(1)
_MARKED_BY_QUOTE = np.int64(2)
_MARKED_BY_EXCHANGE = np.int64(3)
_LOOK_AT_POSITIONS = np.int64(1 << Condition.POSITION_LOSS)


@inner_kernel
def _touch(state: Any, instrument: Any) -> None:
    instrument.market_ts_ns = state.ts_ns
    instrument.market_events += 1


@inner_kernel
def _follow(state: Any, number: Any, instrument: Any, price: Any, high: Any, low: Any) -> None:
    """Remember the price of an event; what is estimated from prices waits for one beyond its bounds, or for a time."""
    if (
        high > instrument.price_above_ticks
        or low < instrument.price_below_ticks
        or state.ts_ns >= instrument.price_due_ts_ns
    ):
        follow_price(state, number, instrument, price, high, low)
    instrument.price_ticks = price


@inner_kernel
def _mark(state: Any, number: Any, instrument: Any, source: Any, long_ticks: Any, short_ticks: Any) -> None:
    if source < instrument.mark_source:
        return
    instrument.mark_source = source
    if instrument.long_mark_ticks == long_ticks and instrument.short_mark_ticks == short_ticks:
        return
    instrument.long_mark_ticks = long_ticks
    instrument.short_mark_ticks = short_ticks
    if long_ticks <= instrument.watch_low_ticks or short_ticks >= instrument.watch_high_ticks:
        state.attention_instrument = number + 1
    if instrument.holders != 0:
        mark_holders(state, number)
        if long_ticks <= instrument.loss_low_ticks or short_ticks >= instrument.loss_high_ticks:
            state.look_conditions = state.look_conditions | _LOOK_AT_POSITIONS
            state.look_instrument = number + 1


@inner_kernel
def on_quote(state: Any, quote: Any, number: Any, outbox: Any) -> Any:
    """Take over best bid and ask; both must be there, not crossed, with sizes not negative."""
    if quote.bid_ticks <= 0 or quote.ask_ticks < quote.bid_ticks:
        return Reason.PRICE_INVALID
    if quote.bid_lots < 0 or quote.ask_lots < 0:
        return Reason.QUANTITY_INVALID
    instrument = state.instruments[number]
    _touch(state, instrument)
    instrument.bid_ticks = quote.bid_ticks
    instrument.ask_ticks = quote.ask_ticks
    instrument.bid_lots = quote.bid_lots
    instrument.ask_lots = quote.ask_lots
    spread = quote.ask_ticks - quote.bid_ticks
    middle = quote.bid_ticks + (spread >> 1)
    _follow(state, number, instrument, middle, middle, middle)
    if spread >= instrument.spread_look_ticks:
        see_spread(state, number, instrument)
    _mark(state, number, instrument, _MARKED_BY_QUOTE, quote.bid_ticks, quote.ask_ticks)
    return Reason.NONE


@inner_kernel
def on_trade(state: Any, trade: Any, number: Any, outbox: Any) -> Any:
    """Take over the price of a public trade."""
    if trade.price_ticks <= 0:
        return Reason.PRICE_INVALID
    if trade.quantity_lots < 0:
        return Reason.QUANTITY_INVALID
    instrument = state.instruments[number]
    _touch(state, instrument)
    instrument.last_ticks = trade.price_ticks
    _follow(state, number, instrument, trade.price_ticks, trade.price_ticks, trade.price_ticks)
    _mark(state, number, instrument, _MARKED_BY_PRICE, trade.price_ticks, trade.price_ticks)
    return Reason.NONE


@inner_kernel
def on_bar(state: Any, bar: Any, number: Any, outbox: Any) -> Any:
    """Take over the close of a bar whose four prices make sense together."""
    if bar.low_ticks <= 0 or bar.low_ticks > min(bar.open_ticks, bar.close_ticks):
        return Reason.PRICE_INVALID
    if bar.high_ticks < max(bar.open_ticks, bar.close_ticks):
        return Reason.PRICE_INVALID
    if bar.volume_lots < 0:
        return Reason.QUANTITY_INVALID
    instrument = state.instruments[number]
    _touch(state, instrument)
    instrument.last_ticks = bar.close_ticks
    _follow(state, number, instrument, bar.close_ticks, bar.high_ticks, bar.low_ticks)
    if state.rules.sample_interval_ns == 0:
        close_sample(state, number, instrument, bar.high_ticks, bar.low_ticks, bar.close_ticks)
    _mark(state, number, instrument, _MARKED_BY_PRICE, bar.close_ticks, bar.close_ticks)
    return Reason.NONE


@inner_kernel
def on_mark_price(state: Any, mark: Any, number: Any, outbox: Any) -> Any:
    """Take over the exchange's own mark price, from then on the one that values positions."""
    if mark.mark_ticks <= 0:
        return Reason.PRICE_INVALID
    instrument = state.instruments[number]
    _touch(state, instrument)
    instrument.mark_ticks = mark.mark_ticks
    _follow(state, number, instrument, mark.mark_ticks, mark.mark_ticks, mark.mark_ticks)
    _mark(state, number, instrument, _MARKED_BY_EXCHANGE, mark.mark_ticks, mark.mark_ticks)
    return Reason.NONE
