"""Folds a tape in a process of its own and prints the digests: `python -m tests.golden.folding TAPE`."""

from adapters import compile_cache

compile_cache.prepare()

import json  # noqa: E402
import sys  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
from blake3 import blake3  # noqa: E402

from engine.jit import INTERPRETED  # noqa: E402
from engine.state import DEFAULT_LIMITS, Limits  # noqa: E402
from tests.twin.machine import Machine  # noqa: E402


def digests(tape: np.ndarray, limits: Limits = DEFAULT_LIMITS) -> dict[str, str]:
    """The hashes of the state that a tape leads to and of all decisions on the way."""
    machine = Machine(limits)
    decisions = machine.fold(tape)
    return {"state": blake3(machine.bytes.data).hexdigest(), "decisions": blake3(decisions.data).hexdigest()}


if __name__ == "__main__":
    warnings.simplefilter("error", RuntimeWarning)
    tapes = [np.frombuffer(Path(name).read_bytes(), dtype=np.uint8).copy() for name in sys.argv[1:]]
    found = [digests(tape) for tape in tapes]
    print(json.dumps({"interpreted": INTERPRETED, "hashed": hash("tape"), "digests": found}))
