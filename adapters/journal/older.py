"""What earlier versions wrote, as this one reads it: a pure function for each thing that has changed since.

Records were only ever added to, in fields and kinds that earlier versions left 0, so events need no function. A new
version that changes what is written adds its functions here, and a tape that the one before wrote to
`journals/reference/`.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kinds import DecisionKind
from engine.records import COMMAND

Json = dict[str, Any]
Rows = NDArray[Any]
Version = tuple[int, ...]

_NUMBERS = re.compile(r"(\d+)\.(\d+)\.(\d+)\+")


def version_of(engine_version: str) -> Version | None:
    """The numbers in the name of an engine version, None where it has none."""
    found = _NUMBERS.match(engine_version)
    return None if found is None else tuple(int(number) for number in found.groups())


def upcast_manifest(written: Json) -> Json:
    """A manifest as it was written, with the keys that it has today."""
    for step in _MANIFESTS:
        written = step(written)
    return written


def as_decided_by(engine_version: str, decisions: bytes) -> bytes:
    """Decisions of this engine in the form in which that one recorded the same decisions."""
    version = version_of(engine_version)
    steps = [step for before, step in _DECISIONS if version is not None and version < before]
    if not steps or not decisions:
        return decisions
    rows = np.frombuffer(decisions, COMMAND).copy()
    for step in steps:
        step(rows)
    return rows.tobytes()


def layout_of_engine(engine_version: str) -> str:
    """The name of the state's layout where no more is known of it than which engine had it."""
    return f"engine {engine_version}"


def _with_state_layout(written: Json) -> Json:
    """The first manifests did not name the fields of the state."""
    named = written.get("state_layout") or layout_of_engine(str(written.get("engine_version", "")))
    return written | {"state_layout": named}


def _cancels_without_terms(rows: Rows) -> None:
    """Before 0.2.0 a cancel did not carry the terms of its order."""
    cancels = rows["kind"] == DecisionKind.CANCEL_ORDER
    for name in ("order_type", "time_in_force", "order_flags"):
        rows[name][cancels] = 0


_MANIFESTS: tuple[Callable[[Json], Json], ...] = (_with_state_layout,)
# In the order of the versions that made the change, the newest first.
_DECISIONS: tuple[tuple[Version, Callable[[Rows], None]], ...] = (((0, 2, 0), _cancels_without_terms),)
