"""What prices do over time: samples of volatility and range, and the extremes that a price jump is measured by.

A price between the two bounds that `follow_price` leaves at its instrument changes nothing here; the market code
compares, and comes back when a bound is passed or a window or sample is over.
"""

from typing import Any

import numpy as np

from engine.arithmetic import ALMOST_ONE, INT64_MAX, PPM, later, mul_div, ppm_part, ppm_part_up
from engine.jit import inner_kernel
from engine.kinds import Condition

PPB = np.int64(1_000_000_000)
# A figure in ppm has no meaning beyond this.
PPM_MOST = PPM * PPM
_RETURN_MOST_PPB = np.int64(2) * PPB
_RANGE_MOST_TICKS = np.int64(1 << 42)
_DIVISOR_MAX = np.int64(1 << 60)
_HUGE = np.int64(1 << 62)
_NEVER = np.int64(INT64_MAX)
_ZERO = np.int64(0)
_VARIANCE_WEIGHT_PPM = np.int64(60_000)
_SLOW_VARIANCE_WEIGHT_PPM = np.int64(6_000)
_ATR_SAMPLES = np.int64(14)
_VOLATILITY_SAMPLES_MIN = np.int64(20)

LOOK_AT_VOLATILITY = np.int64(1 << Condition.VOLATILITY)
LOOK_AT_JUMP = np.int64(1 << Condition.PRICE_JUMP)
LOOK_AT_SPREAD = np.int64(1 << Condition.SPREAD)
# The limit of breakers that look at every event.
ALWAYS = np.int64(-1)


@inner_kernel
def ratio(part: Any, whole: Any, scale: Any, most: Any) -> Any:
    """floor(part * scale / whole), at most `most` (a multiple of `scale`); part >= 0, whole > 0.

    A whole beyond 2**60 loses its last three bits, and the part with it.
    """
    if part // whole >= most // scale:
        return most
    if whole > _DIVISOR_MAX:
        return mul_div(part >> 3, scale, whole >> 3)
    return mul_div(part, scale, whole)


@inner_kernel
def ppm_of(part: Any, whole: Any) -> Any:
    """A figure in ppm: part / whole, rounded down, at most 10**12; part >= 0, whole > 0."""
    return ratio(part, whole, PPM, PPM_MOST)


@inner_kernel
def ppm_towards(part: Any, whole: Any, limit_ppm: Any) -> Any:
    """As `ppm_of` where it comes to `limit_ppm` (> 0), else some figure below that: an estimate spares the division."""
    if np.float64(part) * PPM < np.float64(limit_ppm) * np.float64(whole) * ALMOST_ONE:
        return _ZERO
    return ppm_of(part, whole)


@inner_kernel
def share_up(amount: Any, ppm: Any) -> Any:
    """ceil(amount * ppm / 10**6), or 2**62 where that is more; amount, ppm >= 0."""
    if (ppm >= PPM or amount > _HUGE) and amount > 0 and ppm // PPM >= _HUGE // amount:
        return _HUGE
    return ppm_part_up(amount, ppm)


@inner_kernel
def volatility_samples_min(instrument: Any) -> Any:
    """How many samples an instrument's volatility needs before anything is decided by it."""
    samples_min = np.int64(instrument.rules.volatility_samples_min)
    return samples_min if samples_min != 0 else _VOLATILITY_SAMPLES_MIN


@inner_kernel
def jump_ppm(instrument: Any) -> Any:
    """How far the price is from the extremes of the last window and the running one, in ppm of them."""
    price = instrument.price_ticks
    high = max(instrument.jump_high_ticks, instrument.jump_before_high_ticks)
    low = _lowest(instrument)
    up = ppm_of(price - low, low) if 0 < low < price else _ZERO
    down = ppm_of(high - price, high) if high > price else _ZERO
    return max(up, down)


@inner_kernel
def spread_ppm(instrument: Any) -> Any:
    """The spread in ppm of the middle, for a quote that was taken over."""
    spread = instrument.ask_ticks - instrument.bid_ticks
    return ppm_of(spread, instrument.bid_ticks + (spread >> 1))


@inner_kernel
def _lowest(instrument: Any) -> Any:
    low = instrument.jump_low_ticks
    before = instrument.jump_before_low_ticks
    return min(low, before) if before > 0 else low


@inner_kernel
def follow_price(state: Any, number: Any, instrument: Any, price: Any, high: Any, low: Any) -> None:
    """Take over a price that passed a bound or came when something was due, and set the bounds anew.

    `price` is that of the event, `high` and `low` its extremes; the instrument still has the price before.
    """
    instrument.price_above_ticks = _NEVER
    instrument.price_below_ticks = _ZERO
    instrument.price_due_ts_ns = _NEVER
    interval_ns = state.rules.sample_interval_ns
    if interval_ns > 0:
        _follow_sample(state, number, instrument, high, low, interval_ns)
    if instrument.jump_window_ns > 0:
        _follow_jump(state, number, instrument, price, high, low)
    limit = instrument.spread_limit_ppm
    instrument.spread_look_ticks = _NEVER
    if limit == ALWAYS:
        instrument.spread_look_ticks = _ZERO
    elif limit > 0:
        # As long as the price is not below this a spread below its share of it is below that of the price, too.
        base = price - price // 16
        instrument.price_below_ticks = max(instrument.price_below_ticks, base)
        instrument.spread_look_ticks = share_up(base, limit)


@inner_kernel
def _follow_sample(state: Any, number: Any, instrument: Any, high: Any, low: Any, interval_ns: Any) -> None:
    if instrument.sample_high_ticks == 0 or state.ts_ns >= instrument.sample_due_ts_ns:
        if instrument.sample_high_ticks != 0:
            highest, lowest = instrument.sample_high_ticks, instrument.sample_low_ticks
            close_sample(state, number, instrument, highest, lowest, instrument.price_ticks)
        instrument.sample_high_ticks = high
        instrument.sample_low_ticks = low
        instrument.sample_due_ts_ns = later(state.ts_ns - state.ts_ns % interval_ns, interval_ns)
    else:
        instrument.sample_high_ticks = max(instrument.sample_high_ticks, high)
        instrument.sample_low_ticks = min(instrument.sample_low_ticks, low)
    instrument.price_above_ticks = instrument.sample_high_ticks
    instrument.price_below_ticks = instrument.sample_low_ticks
    instrument.price_due_ts_ns = instrument.sample_due_ts_ns


@inner_kernel
def _follow_jump(state: Any, number: Any, instrument: Any, price: Any, high: Any, low: Any) -> None:
    window_ns = instrument.jump_window_ns
    ends_ts_ns = later(instrument.jump_started_ts_ns, window_ns)
    if instrument.jump_high_ticks == 0 or state.ts_ns >= ends_ts_ns:
        is_next = instrument.jump_high_ticks != 0 and state.ts_ns < later(ends_ts_ns, window_ns)
        instrument.jump_before_high_ticks = instrument.jump_high_ticks if is_next else _ZERO
        instrument.jump_before_low_ticks = instrument.jump_low_ticks if is_next else _ZERO
        instrument.jump_started_ts_ns = state.ts_ns - state.ts_ns % window_ns
        instrument.jump_high_ticks = high
        instrument.jump_low_ticks = low
    else:
        instrument.jump_high_ticks = max(instrument.jump_high_ticks, high)
        instrument.jump_low_ticks = min(instrument.jump_low_ticks, low)
    above = instrument.jump_high_ticks
    below = instrument.jump_low_ticks
    limit = instrument.jump_limit_ppm
    if limit == ALWAYS:
        above = _ZERO
        _look_at_jump(state, number)
    elif limit > 0:
        lowest = _lowest(instrument)
        highest = max(instrument.jump_high_ticks, instrument.jump_before_high_ticks)
        rise = share_up(lowest, limit)
        up = lowest + rise if rise <= _NEVER - lowest else _NEVER
        down = highest - share_up(highest, limit) if limit < PPM else _ZERO
        if price >= up or price <= down:
            _look_at_jump(state, number)
        above = min(above, up - 1)
        below = max(below, down + 1)
    instrument.price_above_ticks = min(instrument.price_above_ticks, above)
    instrument.price_below_ticks = max(instrument.price_below_ticks, below)
    instrument.price_due_ts_ns = min(instrument.price_due_ts_ns, later(instrument.jump_started_ts_ns, window_ns))


@inner_kernel
def _look_at_jump(state: Any, number: Any) -> None:
    state.look_conditions = state.look_conditions | LOOK_AT_JUMP
    state.look_instrument = number + 1


@inner_kernel
def see_spread(state: Any, number: Any, instrument: Any) -> None:
    """Let breakers look at a quote whose spread is near what they wait for."""
    limit = instrument.spread_limit_ppm
    if limit == ALWAYS or (limit > 0 and spread_ppm(instrument) >= limit):
        state.look_conditions = state.look_conditions | LOOK_AT_SPREAD
        state.look_instrument = number + 1


@inner_kernel
def close_sample(state: Any, number: Any, instrument: Any, high: Any, low: Any, close: Any) -> None:
    """Count a sample with its extremes and its last price, and let breakers and risk levels look at it."""
    before = instrument.sample_close_ticks
    instrument.sample_close_ticks = close
    instrument.samples += 1
    if instrument.samples > 1:
        _estimate(instrument, before, high, low, close)
    waited_for = (state.conditions_waiting & LOOK_AT_VOLATILITY) != 0
    if waited_for or instrument.risk_level > 0 or state.accounts[instrument.account].watch_volatility != 0:
        state.look_conditions = state.look_conditions | LOOK_AT_VOLATILITY
        state.look_instrument = number + 1


@inner_kernel
def _estimate(instrument: Any, before: Any, high: Any, low: Any, close: Any) -> None:
    """EWMA variances of the returns (RiskMetrics, 1996) and the average true range (Wilder, 1978)."""
    return_ppb = ratio(abs(close - before), before, PPB, _RETURN_MOST_PPB)
    square = return_ppb * return_ppb
    true_range = min(max(high, before) - min(low, before), _RANGE_MOST_TICKS) * PPM
    if instrument.samples == 2:
        instrument.variance_ppb2 = square
        instrument.slow_variance_ppb2 = square
        instrument.atr_microticks = true_range
        return
    rules = instrument.rules
    weight = rules.variance_weight_ppm if rules.variance_weight_ppm > 0 else _VARIANCE_WEIGHT_PPM
    slow_weight = rules.slow_variance_weight_ppm if rules.slow_variance_weight_ppm > 0 else _SLOW_VARIANCE_WEIGHT_PPM
    instrument.variance_ppb2 += _part(square - instrument.variance_ppb2, weight)
    instrument.slow_variance_ppb2 += _part(square - instrument.slow_variance_ppb2, slow_weight)
    samples = rules.atr_samples if rules.atr_samples > 0 else _ATR_SAMPLES
    above = true_range - instrument.atr_microticks
    instrument.atr_microticks += above // samples if above >= 0 else -(-above // samples)


@inner_kernel
def _part(amount: Any, ppm: Any) -> Any:
    """amount * ppm / 10**6, towards zero."""
    return ppm_part(amount, ppm) if amount >= 0 else -ppm_part(-amount, ppm)
