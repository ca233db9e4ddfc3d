"""Figures that are kept beside the ledger: samples of the price, volatility, days, each strategy's own trades."""

from typing import Any

from engine.jit import inner_kernel


@inner_kernel
def on_day_due(state: Any) -> None:
    """Begin a new day, and week, where the present time is past the end of the last one."""
    state.day_ends_ts_ns = (state.ts_ns // 86_400_000_000_000 + 1) * 86_400_000_000_000


@inner_kernel
def book_strategy_fill(state: Any, fill: Any, order_slot: Any) -> None:
    """Book a fill into its strategy's own part of the instrument."""
