"""Changes of rules that are due at a time: paths set and taken back, checked as if the file had said so at once."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from adapters.configuration.messages import first_problem, key_text
from adapters.configuration.rule_sections import ChangeSection
from adapters.configuration.rulebook import instrument_settings, resolve_rules
from adapters.configuration.rules import Rule, Rules, changed
from adapters.configuration.sections import File
from adapters.configuration.terms import Account, Instrument, Location, Problem, resolve_instruments

Keys = dict[str, Any]

# What can change while it runs: whole tables of rules, and these keys of named entries.
_TABLES = ("risk", "signals", "sizing", "bracket", "transport")
_NAMES = {"accounts": "name", "instruments": "symbol", "strategies": "name", "breakers": "name"}
_KEYS = {
    "accounts": ("risk", "transport"),
    "instruments": ("risk", "signals", "sizing", "bracket", "order_quantity", "short_allowed"),
    "strategies": (
        *("enabled", "weight", "confidence_min", "loss_max", "executions_max", "executions_window"),
        "instruments",
    ),
    "breakers": (
        *("condition", "account", "instrument", "strategy", "limit", "window"),
        *("actions", "rearm", "cooldown", "enabled"),
    ),
}


@dataclass(frozen=True, slots=True)
class Change:
    """Rules that are told at a time; `zones` are those in force from then on, `text` says it as TOML."""

    at_ns: int
    settings: tuple[Rule, ...]
    zones: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class _Item:
    """One key of a change: where it says so, and what place of the configuration it means."""

    at: Location
    place: Location


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """A configuration's keys, and the rules that they lead to; a change leads to the next of its kind."""

    keys: Keys
    accounts: Sequence[Account]
    settings: tuple[Rule, ...]
    zones: tuple[str, ...]

    def after(self, section: ChangeSection, at: Location = ()) -> "tuple[RulesInForce, Change]":
        """What is in force after a change that stands at `at`, and what it tells. Raises `Problem`."""
        keys, items = _applied(self.keys, section, at)
        try:
            file = File.model_validate(keys)
            instruments = resolve_instruments(file.instruments, self.accounts)
            rules = resolve_rules(file, self.accounts, instruments)
        except ValidationError as error:
            raise _blamed(*first_problem(error), items) from None
        except Problem as problem:
            raise _blamed(problem.location, str(problem), items) from None
        following = rules_in_force(keys, self.accounts, instruments, rules)
        told = changed(self.settings, following.settings)
        if not told and following.zones == self.zones:
            raise Problem(at, "expected a rule that changes, everything is as before")
        return following, Change(section.at_ns, told, following.zones, _text(section))


def rules_in_force(
    keys: Keys, accounts: Sequence[Account], instruments: Sequence[Instrument], rules: Rules
) -> RulesInForce:
    """What a file with these keys puts in force, without the changes that it announces."""
    keys = {key: value for key, value in keys.items() if key != "changes"}
    return RulesInForce(keys, accounts, (*instrument_settings(instruments), *rules.settings), rules.zones)


def resolve_changes(in_force: RulesInForce, sections: Sequence[ChangeSection]) -> tuple[Change, ...]:
    """The changes that a file announces, which is right without them. Raises `Problem`."""
    changes: list[Change] = []
    for number, section in enumerate(sections):
        at: Location = ("changes", number)
        if changes and section.at_ns <= changes[-1].at_ns:
            raise Problem((*at, "at"), "expected a time after the change before it")
        in_force, change = in_force.after(section, at)
        changes.append(change)
    return tuple(changes)


def _applied(keys: Keys, section: ChangeSection, at: Location) -> tuple[Keys, list[_Item]]:
    """The keys of the file after a change, and what it touched."""
    keys = copy.deepcopy(keys)
    if not section.values and not section.removed:
        raise Problem(at, "expected set or unset, found neither")
    items = []
    for path in section.removed:
        place = _place(keys, path, (*at, "unset"))
        table = _table(keys, place[:-1], (*at, "unset"), make=False)
        if place[-1] not in table:
            raise Problem((*at, "unset"), f"expected a key that is set, found {path!r}")
        del table[str(place[-1])]
        items.append(_Item((*at, "unset"), place))
    for parts, value in _leaves(section.values):
        where = (*at, "set", *parts)
        place = _place(keys, ".".join(parts), where)
        _table(keys, place[:-1], where, make=True)[str(place[-1])] = value
        items.append(_Item(where, place))
    return keys, items


def _leaves(values: Mapping[str, Any], before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value with the keys that lead to it."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*before, key))
        else:
            yield (*before, key), value


def _place(keys: Keys, path: str, at: Location) -> Location:
    """The location that a path such as 'risk.cooldown' or 'breakers.crash.limit' means."""
    root, _, rest = path.partition(".")
    if root in _TABLES:
        return (root, *rest.split(".")) if rest else (root,)
    if root not in _NAMES:
        expected = ", ".join((*_TABLES, *_NAMES))
        raise Problem(at, f"expected a path into one of {expected}; found {path!r}")
    names = [str(entry[_NAMES[root]]) for entry in keys.get(root, [])]
    found = [name for name in names if rest.startswith(f"{name}.")]
    if not found:
        raise Problem(at, f"expected one of the {root} {', '.join(names)} and a key of it; found {path!r}")
    name = max(found, key=len)
    return root, names.index(name), *_own_key(root, rest.removeprefix(f"{name}."), keys, at)


def _own_key(root: str, rest: str, keys: Keys, at: Location) -> tuple[str, ...]:
    first, _, after = rest.partition(".")
    if first not in _KEYS[root]:
        raise Problem(at, f"{first!r} does not change while it runs; expected one of {', '.join(_KEYS[root])}")
    if root == "strategies" and first == "instruments":
        for instrument in keys["instruments"]:
            if after.startswith(f"{instrument['symbol']}."):
                return first, instrument["symbol"], after.removeprefix(f"{instrument['symbol']}.")
        raise Problem(at, "expected a symbol and a key after instruments")
    return tuple(rest.split("."))


def _table(keys: Keys, place: Location, at: Location, make: bool) -> Keys:
    """The table at a location; where there is none a new one, or an empty one beside the keys."""
    found: Any = keys
    for part in place:
        if isinstance(part, int):
            found = found[part]
        elif isinstance(found, dict):
            found = found.setdefault(part, {}) if make else found.get(part, {})
        if not isinstance(found, dict | list):
            raise Problem(at, f"expected a table at {part}, found {found!r}")
    if not isinstance(found, dict):
        raise Problem(at, "expected a path of tables; an array is set as a whole")
    return found


def _blamed(location: Location, message: str, items: Sequence[_Item]) -> Problem:
    """A problem of the changed configuration, told of the key that made it."""

    def shared(item: _Item) -> int:
        pairs = list(zip(item.place, location, strict=False))
        return next((place for place, (one, other) in enumerate(pairs) if one != other), len(pairs))

    item = max(items, key=shared)
    if location[: len(item.place)] == item.place:
        return Problem((*item.at, *location[len(item.place) :]), message)
    return Problem(item.at, f"then {key_text(location)}: {message}")


def _text(section: ChangeSection) -> str:
    """A change as TOML, whatever way it was written in."""
    seconds, part_ns = divmod(section.at_ns, 10**9)
    moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    lines = [f'at = "{moment.isoformat()}.{part_ns:09}Z"']
    if section.values:
        values = {".".join(parts): value for parts, value in _leaves(section.values)}
        lines.append(f"set = {_toml(values)}")
    if section.removed:
        lines.append(f"unset = {_toml(list(section.removed))}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{{pairs}}}"
    return str(value)
