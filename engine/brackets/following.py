"""What orders and prices do to brackets: every event ends with the legs as they should be."""

from typing import Any

import numpy as np

from engine.jit import inner_kernel


@inner_kernel
def on_order_changed(state: Any, outbox: Any, order_slot: Any, filled_lots: Any, price_ticks: Any) -> None:
    """Bring the row of an order up to date after a report (`filled_lots` 0) or a fill that was booked."""


@inner_kernel
def on_position_filled(state: Any, outbox: Any, account_number: Any, instrument_number: Any) -> None:
    """After any fill of an instrument: cut its brackets where they hold more than the position."""


@inner_kernel
def on_price(state: Any, outbox: Any, instrument_number: Any) -> None:
    """Move stops and release held legs at the present price, and note at which prices to look again."""


@inner_kernel
def on_brackets_due(state: Any, outbox: Any) -> None:
    """Close the brackets whose time is up, and note when the next one's is."""
    state.brackets_due_ts_ns = np.int64((1 << 63) - 1)
