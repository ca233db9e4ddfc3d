"""A figure, or why there is none: never a NaN and never a zero that was not computed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Int64s = NDArray[np.int64]
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unknown:
    """A figure that cannot be computed; `reason` says why in a few words."""

    reason: str


Figure = float | Unknown


def too_few(count: int, needed: int, what: str = "returns") -> Unknown:
    return Unknown(f"too few {what}: {count}, at least {needed} needed")


def ratio(part: Decimal, whole: Decimal, otherwise: str) -> Figure:
    """part / whole, or unknown for the reason `otherwise` where the whole is not positive."""
    return float(part / whole) if whole > 0 else Unknown(otherwise)


def plain(value: Any) -> Any:
    """The same with None for what is unknown, ready for JSON."""
    if isinstance(value, Unknown):
        return None
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def reasons(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path, reason) of everything unknown in nested mappings and lists, such as `portfolios.0.beta`."""
    if isinstance(value, Unknown):
        yield path, value.reason
    elif isinstance(value, Mapping | list | tuple):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, item in items:
            yield from reasons(item, f"{path}.{key}" if path else str(key))
