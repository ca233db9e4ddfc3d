"""Orders requested as they are, alone or in groups of one-cancels-other and one-triggers-other."""

from typing import Any

import numpy as np

from engine.jit import inner_kernel


@inner_kernel
def on_order_requested(state: Any, request: Any, outbox: Any) -> Any:
    """Check and place a requested order; a refusal goes to the outbox. Returns a Reason where the record is invalid."""
    return np.int64(0)
