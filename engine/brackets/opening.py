"""A bracket from the signal to its row: what its stop and targets will be, or why there is none."""

from typing import Any

import numpy as np

from engine.jit import inner_kernel
from engine.reasons import Reason


@inner_kernel
def wants_bracket(state: Any, signal: Any, instrument_number: Any) -> Any:
    """Whether an entry on this signal gets a bracket: by the instrument's rule, or a stop or target in the signal.

    `signal` is a SIGNAL whose stop and target are 0 where they do not count.
    """
    return np.int64(0)


@inner_kernel
def bracket_refusal(state: Any, signal: Any, instrument_number: Any, side: Any, price_ticks: Any) -> Any:
    """(reason, limit, observed) why no bracket can be opened, or (NONE, 0, 0)."""
    return np.int64(Reason.NONE), np.int64(0), np.int64(0)


@inner_kernel
def stop_distance_ticks(state: Any, signal: Any, instrument_number: Any, side: Any, price_ticks: Any) -> Any:
    """How far from `price_ticks` the stop would be; 0 where there is none."""
    return np.int64(0)


@inner_kernel
def open_bracket(state: Any, signal: Any, instrument_number: Any, side: Any, price_ticks: Any) -> Any:
    """Take a row for an entry that is about to be placed (`bracket_refusal` has been seen); returns its slot.

    The caller places the entry with this slot and sets the row's `entry_order`.
    """
    return np.int64(0)


@inner_kernel
def open_entries(state: Any, instrument_number: Any, side: Any) -> Any:
    """The brackets of an instrument on a side that are waiting or open."""
    return np.int64(0)
