"""Whether the order's price can be trusted: a live reference, the collar around it, no order of our own in the way."""

from typing import Any

import numpy as np

from engine.arithmetic import MONEY_MAX, PPM, mul_div_up
from engine.checks.amounts import LARGEST, PASSED, ZERO, overflow, passes
from engine.jit import inner_kernel
from engine.kinds import OrderStatus
from engine.reasons import Reason


@inner_kernel
def check_reference(state: Any, outbox: Any, instrument: Any, side: Any, quantity_lots: Any, limit_ticks: Any) -> Any:
    """Checks 7 and 8."""
    rules = instrument.rules
    if rules.reference_age_max_ns != 0:
        age_ns = state.ts_ns - instrument.market_ts_ns
        if age_ns > rules.reference_age_max_ns:
            return np.int64(Reason.REFERENCE_STALE), rules.reference_age_max_ns, age_ns
        passes(outbox, np.int64(Reason.REFERENCE_STALE), rules.reference_age_max_ns, age_ns)
    if rules.collar_ppm == 0 or limit_ticks == 0:
        return PASSED
    mark = instrument.short_mark_ticks if side > 0 else instrument.long_mark_ticks
    if mark <= 0 or mark > MONEY_MAX:
        return overflow(quantity_lots)
    worse_ticks = side * (limit_ticks - mark)
    worse_ppm = ZERO
    if worse_ticks > 0:
        worse_ppm = LARGEST
        if worse_ticks // mark < LARGEST // PPM:
            worse_ppm = mul_div_up(worse_ticks, PPM, mark)
    if worse_ppm > rules.collar_ppm:
        return np.int64(Reason.PRICE_OUTSIDE_COLLAR), rules.collar_ppm, worse_ppm
    passes(outbox, np.int64(Reason.PRICE_OUTSIDE_COLLAR), rules.collar_ppm, worse_ppm)
    return PASSED


@inner_kernel
def check_self_cross(state: Any, outbox: Any, instrument: Any, side: Any, price_ticks: Any) -> Any:
    """Check 12: the best limit on the other side that this price would meet."""
    if instrument.rules.self_cross_refused == 0:
        return PASSED
    best_ticks = ZERO
    slot = instrument.first_order_slot
    while slot != 0:
        order = state.orders[slot - 1]
        waits = order.trigger_ticks != 0 or order.status == OrderStatus.HELD
        if order.side != side and not waits and order.limit_ticks > 0:
            met = side * (price_ticks - order.limit_ticks) >= 0
            if met and (best_ticks == 0 or side * (best_ticks - order.limit_ticks) > 0):
                best_ticks = order.limit_ticks
        slot = order.next_slot
    if best_ticks == 0:
        passes(outbox, np.int64(Reason.SELF_CROSS), ZERO, price_ticks)
        return PASSED
    return np.int64(Reason.SELF_CROSS), best_ticks, price_ticks
