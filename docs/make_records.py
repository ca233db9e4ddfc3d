"""Writes docs/records.md, the bytes of every event and decision, from engine/: `python -m docs.make_records`."""

from pathlib import Path
from typing import Any

from engine import kinds, rules
from engine.kinds import DecisionKind, EventKind, Setting
from engine.records import COMMAND, DECISIONS, EVENT, OVERLAYS

PAGE = Path(__file__).with_name("records.md")

_HEAD = """\
# Records

The bytes of events and decisions, 64 each, little-endian ([the journal's format](journal-format.md)). Prices are in
ticks, sizes in lots, money in units of the account's currency, ratios in millionths (`ppm`) or billionths (`ppb`),
times in nanoseconds since 1970 UTC; what each field means is said in `engine/records.py`. Numbers never change their
meaning; what is reserved is 0. This page is made from `engine/` by `python -m docs.make_records`; a test keeps it up
to date.

Types: `i8` is a signed integer of 8 bytes; `u1`, `u2` and `u4` are unsigned. Fields follow one another without gaps.
"""
_EVENTS = """
## Events

Every event begins with the same 24 bytes: `{header}`.
The second word is `ts_exchange_ns` for what an exchange said, and `document_hash` for what people and strategies said;
the byte that is `detail` here has a name of its own in some kinds, in brackets below. The next 40 bytes are those of
the kind.

| number | kind | bytes 24 to 63, each field an `i8` where nothing else is said |
| --- | --- | --- |
"""
_DECISIONS = """
## Decisions

Every decision begins with the same 16 bytes:
`{header}`.
`seq` is the event that it was decided on. The next 48 bytes are those of the kind.

| number | kind | bytes 16 to 63, each field an `i8` |
| --- | --- | --- |
"""
_SETTINGS = """
## Settings

What a CONFIGURATION_CHANGED event sets. A rule is set where the record's `instrument`, `account`, `source` (a
strategy) and `row` (a trading window, target, risk step or breaker, from 0) say. A rule of 0 is not set.

| table | numbers and names |
| --- | --- |
"""
_ENUMS = """
## Numbers with names

| what | numbers |
| --- | --- |
"""
_TABLES = {
    "everything": rules.BOOK,
    "account": rules.ACCOUNT,
    "instrument": rules.INSTRUMENT,
    "strategy": rules.STRATEGY,
    "strategy on an instrument": rules.PAIR,
    "trading window": rules.WINDOW,
    "target": rules.TARGET,
    "risk step": rules.RISK_STEP,
    "breaker": rules.BREAKER,
}
_OWN_TABLES = (EventKind, DecisionKind, Setting)
_HEADER_FIELDS = 7
_DETAIL = 3
_DECISION_HEADER_FIELDS = 8


def _typed(dtype: Any, names: Any) -> str:
    return ", ".join(f"{name} {dtype[name].str.lstrip('<|')}" for name in names)


def _event(kind: EventKind) -> str:
    dtype = OVERLAYS[kind]
    detail = dtype.names[_DETAIL]
    own = [name for name in dtype.names[_HEADER_FIELDS:] if not name.startswith("reserved")]
    if all(dtype[name].str == "<i8" for name in own):
        text = ", ".join(f"`{name}`" for name in own)
    else:
        text = f"`{_typed(dtype, dtype.names[_HEADER_FIELDS:])}`"
    return text if detail == "reserved" else f"[`{detail}`] {text}"


def _decision(kind: DecisionKind) -> str:
    names = DECISIONS[kind].names[_DECISION_HEADER_FIELDS:]
    return ", ".join(f"`{name}`" for name in names if not name.startswith("reserved"))


def _members(enum: Any) -> str:
    return ", ".join(f"{int(member)} {member.name}" for member in enum)


def page() -> str:
    """The text of the page."""
    named = [kind for kind in vars(kinds).values() if getattr(kind, "__module__", "") == kinds.__name__]
    parts = [_HEAD, _EVENTS.format(header=_typed(EVENT, EVENT.names[:_HEADER_FIELDS]))]
    parts += [f"| {int(kind)} | `{kind.name}` | {_event(kind)} |\n" for kind in EventKind]
    parts.append(_DECISIONS.format(header=_typed(COMMAND, COMMAND.names[:_DECISION_HEADER_FIELDS])))
    parts += [f"| {int(kind)} | `{kind.name}` | {_decision(kind)} |\n" for kind in DecisionKind]
    parts.append(_SETTINGS)
    parts.append(f"| by themselves | {_members(Setting)} |\n")
    parts += [
        f"| {title} | {', '.join(f'{table.number(name)} `{name}`' for name in table.bounds)} |\n"
        for title, table in _TABLES.items()
    ]
    parts.append(_ENUMS)
    parts += [f"| {enum.__name__} | {_members(enum)} |\n" for enum in named if enum not in _OWN_TABLES]
    return "".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
