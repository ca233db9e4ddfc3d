"""Events as dicts, and the 64 bytes of each."""

from typing import Any

import numpy as np

from engine.kinds import EventKind
from engine.records import EVENT, OVERLAYS

_KINDS = frozenset(EventKind)


def overlay_of(kind: int) -> Any:
    return OVERLAYS[EventKind(kind)] if kind in _KINDS else EVENT


def event(kind: int, ts_ns: int = 0, **fields: int) -> dict[str, int]:
    """An event of this kind; fields that are not named are zero."""
    names = [name for name in overlay_of(kind).names if name != "payload"]
    unknown = fields.keys() - set(names)
    assert not unknown, f"no fields {unknown} in an event of kind {kind}"
    return dict.fromkeys(names, 0) | {"kind": int(kind), "ts_ns": ts_ns} | fields


def encode(*events: dict[str, int]) -> np.ndarray:
    """The bytes of these events, one after the other."""
    rows = []
    for item in events:
        dtype = overlay_of(item["kind"])
        row = np.zeros(1, dtype)
        for name, value in item.items():
            row[name] = value
        rows.append(row.view(np.uint8))
    return np.concatenate(rows) if rows else np.zeros(0, np.uint8)
