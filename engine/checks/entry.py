"""The checks of an order that opens or enlarges a position, in their order; the table is in docs/risk/checks.md."""

from typing import Any

import numpy as np

from engine.jit import inner_kernel
from engine.reasons import Reason


@inner_kernel
def check_entry(
    state: Any,
    instrument_number: Any,
    strategy: Any,
    side: Any,
    quantity_lots: Any,
    price_ticks: Any,
    limit_ticks: Any,
    closing_lots: Any,
) -> Any:
    """(reason, limit, observed) of the first check that fails, or (NONE, 0, 0).

    `price_ticks` is what the order is worth, `limit_ticks` its limit or 0; `closing_lots` of the present position
    (counted without sign) are closed by the same signal and taken as gone.
    """
    return np.int64(Reason.NONE), np.int64(0), np.int64(0)


@inner_kernel
def note_entry(
    state: Any, instrument_number: Any, strategy: Any, side: Any, quantity_lots: Any, limit_ticks: Any
) -> None:
    """Count an entry that was just placed: for cooldowns, days and the rule against doing the same twice."""


@inner_kernel
def affordable_lots(state: Any, instrument_number: Any, side: Any, price_ticks: Any, closing_lots: Any) -> Any:
    """The lots that the free funds pay for, where `funds_checked`; see docs/risk/sizing.md."""
    return np.int64(1) << 60
