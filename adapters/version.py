"""Which engine this is: the version for people and a hash of every source that decides how events fold."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

VERSION = "0.3.0"
_ENGINE = Path(__file__).resolve().parent.parent / "engine"


@cache
def engine_version() -> str:
    """`version+hash`: two engines of the same name fold the same tape to the same state."""
    digest = blake3()
    for file in sorted(_ENGINE.rglob("*.py")):
        digest.update(file.relative_to(_ENGINE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return f"{VERSION}+{digest.hexdigest()[:16]}"


def layout_name(layout: np.dtype[Any]) -> str:
    """A name that two layouts of a state share only where all their fields have the same names, places and types."""
    return blake3(_described(layout).encode()).hexdigest()[:16]


def _described(layout: np.dtype[Any]) -> str:
    if layout.subdtype is not None:
        return f"{layout.shape}{_described(layout.base)}"
    if layout.fields is None:
        return layout.str
    fields = [f"{name}@{of[1]}:{_described(of[0])}" for name, of in layout.fields.items()]
    return f"{layout.itemsize}({','.join(fields)})"
