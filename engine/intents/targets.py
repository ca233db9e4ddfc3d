"""Positions that follow a target share of the equity."""

from typing import Any

from engine.jit import inner_kernel


@inner_kernel
def rebalance(state: Any, outbox: Any, account_number: Any) -> None:
    """Order what an account's instruments with a target are short of it: reductions first, then increases."""


@inner_kernel
def rebalance_all(state: Any, outbox: Any) -> None:
    """Rebalance every account."""
