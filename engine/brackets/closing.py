"""Closing: a bracket, a position, everything; and cancelling entries."""

from typing import Any

import numpy as np

from engine.jit import inner_kernel


@inner_kernel
def cancel_entries(state: Any, outbox: Any, instrument_number: Any) -> None:
    """Ask for the cancel of every open entry order of an instrument."""


@inner_kernel
def cancel_orders(state: Any, outbox: Any, instrument_number: Any) -> None:
    """Ask for the cancel of every open order of an instrument that is not a leg of a bracket."""


@inner_kernel
def close_position(
    state: Any, outbox: Any, instrument_number: Any, strategy: Any, reason: Any, limit_ticks: Any
) -> Any:
    """Close everything under way of an instrument: one order for each open bracket, one for the rest.

    Entry orders that may never fill are cancelled first. `limit_ticks` above 0 makes the closing orders limit
    orders. Returns the lots, without sign, that closing orders were placed for.
    """
    return np.int64(0)


@inner_kernel
def close_account(state: Any, outbox: Any, account_number: Any, reason: Any) -> None:
    """Cancel the entries and close the positions of every instrument of an account."""


@inner_kernel
def close_everything(state: Any, outbox: Any, reason: Any) -> None:
    """Cancel all entries and close all positions."""
