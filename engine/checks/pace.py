"""How often: token buckets of orders and cancels, cooldowns, days, windows, repeated intents."""

from typing import Any

from engine.jit import inner_kernel


@inner_kernel
def take_order_token(state: Any) -> None:
    """Every order placed takes a token, also where there is none."""


@inner_kernel
def take_cancel_token(state: Any) -> None:
    """Every cancel or amendment sent takes a token, also where there is none."""
