"""What differs between two states: by names and amounts, and field by field."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from replay.names import Names
from replay.standing import standing_of

Json = dict[str, Any]

# What tells the entries of each part of a standing apart.
_KEYS = {
    "accounts": ("name",),
    "positions": ("account", "symbol"),
    "open_orders": ("order",),
    "brackets": ("bracket",),
    "breakers": ("name",),
}
_WORDS = {
    "accounts": "account",
    "positions": "position",
    "open_orders": "order",
    "brackets": "bracket",
    "breakers": "breaker",
}


def differences_of(before: Any, after: Any, names: Names) -> list[Json]:
    """What a person would see differ between two states (records of one layout), as {what, field, before, after}.

    None stands for what is not there; an entry that came or went is told with all it holds.
    """
    one, other = standing_of(before, names), standing_of(after, names)
    found = []
    if one["trading_state"] != other["trading_state"]:
        found.append(_difference("trading state", "", one["trading_state"], other["trading_state"]))
    for part, keys in _KEYS.items():
        found += _entries(_WORDS[part], _by_key(one[part], keys), _by_key(other[part], keys), keys)
    return found


def fields_differing(before: Any, after: Any, most: int) -> list[Json]:
    """The first `most` fields of the state record that differ, as {what, field, before, after}: raw numbers."""
    found: list[Json] = []
    for path, one, other in _fields(before, after, ""):
        what, _, field = path.rpartition(".")
        found.append(_difference(what, field, one, other))
        if len(found) >= most:
            break
    return found


def _by_key(entries: Sequence[Json], keys: Sequence[str]) -> dict[tuple[Any, ...], Json]:
    return {tuple(entry[key] for key in keys): entry for entry in entries}


def _entries(
    word: str, before: dict[tuple[Any, ...], Json], after: dict[tuple[Any, ...], Json], keys: Sequence[str]
) -> Iterator[Json]:
    for key in dict.fromkeys([*before, *after]):
        one, other = before.get(key, {}), after.get(key, {})
        what = f"{word} {' '.join(str(part) for part in reversed(key))}"
        for field in dict.fromkeys([*one, *other]):
            if field not in keys and one.get(field) != other.get(field):
                yield _difference(what, field.replace("_", " "), one.get(field), other.get(field))


def _difference(what: str, field: str, before: Any, after: Any) -> Json:
    return {"what": what, "field": field, "before": before, "after": after}


def _fields(before: Any, after: Any, path: str) -> Iterator[tuple[str, int, int]]:
    """Every number that differs, with where it lies, such as `positions[0,3].quantity_lots`."""
    for name in before.dtype.names:
        one, other = np.asarray(before[name]), np.asarray(after[name])
        if one.tobytes() == other.tobytes():
            continue
        here = f"{path}.{name}" if path else name
        for place in np.ndindex(one.shape):
            part, counterpart = one[place], other[place]
            at = f"{here}[{','.join(map(str, place))}]" if place else here
            if part.dtype.names:
                if part.tobytes() != counterpart.tobytes():
                    yield from _fields(part, counterpart, at)
            elif part != counterpart:
                yield at, int(part), int(counterpart)
