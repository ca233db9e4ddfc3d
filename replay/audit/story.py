"""An order's life on the tape, with what belongs to it: its reports, its bracket's orders, what its fills made."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapters.journal import JournalReader
from engine.kinds import BracketChange, DecisionKind, EventKind, GroupKind
from engine.records import BRACKET_DECISION, FILL
from replay.audit.seek import Found, Question, find
from replay.audit.walk import Walk

_BRACKET_CHANGED = frozenset({DecisionKind.BRACKET_CHANGED})
_MONEY = ("realized_units", "fees_units")


@dataclass(frozen=True, slots=True)
class Made:
    """What a fill did to its position: realised profit and fees in units, and the lots held after it."""

    realized_units: int
    fees_units: int
    held_lots: int


@dataclass(frozen=True, slots=True)
class Chapter:
    """One order: its row after it was placed (a record of `engine.state.ORDER`), and what names it on the tape."""

    order: Any
    found: list[Found]

    @property
    def number(self) -> int:
        return int(self.order["order"])

    @property
    def placed_seq(self) -> int:
        return int(self.order["placed_seq"])


@dataclass(frozen=True, slots=True)
class Story:
    """An order's bracket (`bracket` 0: none) with its changes (rows of BRACKET_DECISION), and all its orders.

    `made` is by the sequence number of fills. `row` is the bracket's own row as it last was.
    """

    bracket: int
    row: Any
    changes: list[Any]
    chapters: list[Chapter]
    made: dict[int, Made] = field(default_factory=dict)


def tell_story(reader: JournalReader, walk: Walk, order: Any, state: Any) -> Story:
    """The story of an order (its row in `state`, which is that after it was placed)."""
    slot = int(order["bracket_slot"])
    bracket = int(state.brackets[slot - 1]["number"]) if slot else 0
    changes: list[Any] = []
    rows, row = [order], None
    if bracket:
        placed_seq = min(int(order["placed_seq"]), _entered(state, slot))
        changes, end_seq = _changes(reader, int(order["instrument"]), bracket, placed_seq)
        if int(state.brackets[slot - 1]["group_kind"]) != GroupKind.BRACKET:
            # Nothing says when a group is over: its orders are those that were there when this one was last named.
            end_seq = max(found.seq for found in _named(reader, order))
        last = walk.to(end_seq)
        row = last.brackets[slot - 1]
        # The table of orders may need the rows of those that ended long before.
        kept = {int(member["order"]): member for member in _members(last, slot, bracket, placed_seq)}
        rows = [row for _, row in sorted(({int(order["order"]): order} | kept).items())]
    chapters = [Chapter(member, list(_named(reader, member))) for member in rows]
    made = dict(_made(walk, chapters))
    return Story(bracket, row, changes, chapters, made)


def find_order(state: Any, number: int) -> Any:
    """The row of an order that is in the state's table, else None."""
    places = np.flatnonzero(state.orders["order"] == number)
    return state.orders[int(places[0])] if len(places) else None


def _entered(state: Any, slot: int) -> int:
    """When the entry of a bracket was placed, where the table still has it."""
    entry = find_order(state, int(state.brackets[slot - 1]["entry_order"]))
    return int(state.seq) if entry is None else int(entry["placed_seq"])


def _changes(reader: JournalReader, instrument: int, bracket: int, from_seq: int) -> tuple[list[Any], int]:
    """What was said of a bracket, and the last event at which its row is still its own: before it is closed."""
    changes = []
    question = Question(from_seq=from_seq, decision_kinds=_BRACKET_CHANGED, instrument=instrument)
    for found in find(reader, question):
        rows = found.decisions[found.decisions_asked].view(BRACKET_DECISION)
        changes += [row for row in rows if int(row["bracket"]) == bracket]
        if any(int(row["bracket_change"]) == BracketChange.CLOSED for row in changes[-len(rows) :]):
            return changes, found.seq - 1
    return changes, reader.last_seq


def _members(state: Any, slot: int, bracket: int, placed_seq: int) -> list[Any]:
    """The orders of a bracket that the table has; none where its row is another's by now."""
    if int(state.brackets[slot - 1]["number"]) != bracket:
        return []
    orders = state.orders
    rows = orders[(orders["bracket_slot"] == slot) & (orders["placed_seq"] >= placed_seq)]
    return list(rows)


def _named(reader: JournalReader, order: Any) -> Iterator[Found]:
    """The events and decisions about an order, from its placement on."""
    return find(reader, Question(from_seq=int(order["placed_seq"]), order=int(order["order"])))


def _made(walk: Walk, chapters: Iterable[Chapter]) -> Iterator[tuple[int, Made]]:
    fills = {
        found.seq: found.event
        for chapter in chapters
        for found in chapter.found
        if found.event_asked and found.event["kind"] == EventKind.ORDER_FILLED
    }
    for seq in sorted(fills):
        fill = np.frombuffer(fills[seq].tobytes(), FILL)[0]
        place = int(fill["account"]), int(fill["instrument"])
        before, after = walk.to(seq - 1).positions, walk.to(seq).positions
        if any(number >= size for number, size in zip(place, after.shape, strict=True)):
            continue
        before, after = before[place], after[place]
        gained = {name: int(after[name]) - int(before[name]) for name in _MONEY}
        yield seq, Made(**gained, held_lots=int(after["quantity_lots"]))
