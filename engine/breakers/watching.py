"""When breakers are looked at: every event that can move a figure comes by here."""

from typing import Any

import numpy as np

from engine.jit import inner_kernel


@inner_kernel
def on_rules_changed(state: Any, outbox: Any, setting: Any, account: Any, instrument: Any, row: Any) -> None:
    """After a rule was set: arm or disable its breaker, and look anew at what is watched."""


@inner_kernel
def on_account_moved(state: Any, outbox: Any, account_number: Any) -> None:
    """The equity of an account came to a figure that something waits for; sets what it waits for next."""


@inner_kernel
def on_trade_closed(state: Any, outbox: Any, fill: Any, order_slot: Any) -> None:
    """A fill closed a round trip of its position: streaks."""


@inner_kernel
def on_filled(state: Any, outbox: Any, fill: Any, order_slot: Any) -> None:
    """A fill was booked: slippage, exposure, margin."""


@inner_kernel
def on_order_reported(state: Any, outbox: Any, report: Any, order_slot: Any) -> None:
    """The exchange answered about an order: rejections, and the connection lives."""


@inner_kernel
def on_request_failed(state: Any, outbox: Any, failure: Any) -> None:
    """A request to an exchange failed: counts, and the connection's breaker."""


@inner_kernel
def on_position_reported(state: Any, outbox: Any, report: Any) -> None:
    """The exchange says what is held: reconciliation."""


@inner_kernel
def on_price_invalid(state: Any, outbox: Any, instrument_number: Any) -> None:
    """A market event of the instrument had an invalid price: what watches prices cannot be computed."""


@inner_kernel
def on_timer(state: Any, outbox: Any) -> None:
    """A timer: stale data, exposure, margin."""


@inner_kernel
def on_breakers_due(state: Any, outbox: Any) -> None:
    """Cooldowns that are over, backoffs that end; notes when the next one is."""
    state.breakers_due_ts_ns = np.int64((1 << 63) - 1)


@inner_kernel
def on_breaker_command(state: Any, outbox: Any, operator: Any) -> Any:
    """RESET_BREAKER, DISABLE_BREAKER; returns a Reason."""
    return np.int64(0)
