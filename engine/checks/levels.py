"""Risk levels: how far sizes are scaled down, by drawdown, losing streak and volatility, and back."""

from typing import Any

import numpy as np

from engine.jit import inner_kernel

PPM = np.int64(1_000_000)


@inner_kernel
def scale_ppm(state: Any, instrument_number: Any) -> Any:
    """What sizes and size limits of an instrument are multiplied by, by the higher of the two levels."""
    return PPM


@inner_kernel
def update_account_level(state: Any, outbox: Any, account_number: Any) -> None:
    """Move an account's level to what its drawdown and losing streak ask for."""


@inner_kernel
def update_instrument_level(state: Any, outbox: Any, instrument_number: Any) -> None:
    """Move an instrument's level to what its volatility asks for."""
