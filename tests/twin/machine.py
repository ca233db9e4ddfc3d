"""The engine, driven event by event and read as plain Python."""

from dataclasses import replace
from typing import Any

import numpy as np

from engine.decisions import Stage
from engine.entry import engine_for
from engine.kinds import DecisionKind
from engine.records import COMMAND, DECISION_BYTES, DECISIONS, EVENT_BYTES
from engine.state import DEFAULT_LIMITS, Limits
from tests.twin.events import encode

SMALL_LIMITS = Limits(accounts=3, instruments=3, orders=16, brackets=4, strategies=4, breakers=6)
# Its tables are full at once.
TINY_LIMITS = replace(SMALL_LIMITS, orders=8, brackets=1)


def rows_as_dicts(rows: Any) -> list[dict[str, Any]]:
    """The rows of a record array as dicts of Python ints."""
    names = rows.dtype.names
    return [dict(zip(names, row, strict=True)) for row in rows.tolist()]


def decisions_as_dicts(decisions: np.ndarray) -> list[dict[str, int]]:
    """Each decision by the names of its kind, without what is zero."""
    found = []
    for row in decisions.view(COMMAND):
        (item,) = rows_as_dicts(row.reshape(1).view(DECISIONS[DecisionKind(row["kind"])]))
        found.append({name: value for name, value in item.items() if value})
    return found


class Machine:
    """A state of the engine and what it decided, in bytes."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS, state: np.ndarray | None = None) -> None:
        self.engine = engine_for(limits)
        self.limits = limits
        self.bytes = self.engine.new_state() if state is None else state
        self._state = self.engine.view(self.bytes)
        self.outbox = self.engine.new_outbox()
        self._outbox: Any = self.outbox.view(self.engine.outbox_layout)[0]
        per_event = self.engine.outbox_layout["items"].shape[0]
        self.decisions = np.zeros((per_event + 1024) * DECISION_BYTES, dtype=np.uint8)

    @property
    def state(self) -> Any:
        return self._state

    def fold(self, tape: np.ndarray) -> np.ndarray:
        """Apply these events' bytes; returns the bytes of the decisions."""
        count = len(tape) // EVENT_BYTES
        first = 0
        written = []
        while first < count:
            applied, made = self.engine.fold(self.bytes, tape, first, count - first, self.outbox, self.decisions)
            assert applied > 0
            first += applied
            written.append(self.decisions[: made * DECISION_BYTES].copy())
        return np.concatenate(written) if written else np.zeros(0, np.uint8)

    def list_passed(self) -> None:
        """From here on list the checks that pass."""
        self._outbox.listing, self._outbox.listed = 1, 0

    def passed(self) -> list[tuple[int, int, int]]:
        """(reason, limit, observed) of the checks that passed since, in order."""
        rows = self._outbox.compared[: int(self._outbox.listed)]
        rows = rows[rows["stage"] == Stage.CHECK]
        return [(int(row["what"]), int(row["limit"]), int(row["observed"])) for row in rows]

    def tell(self, *events: dict[str, int]) -> list[dict[str, int]]:
        """Apply these events; returns the decisions as dicts, without what is zero."""
        return decisions_as_dicts(self.fold(encode(*events)))

    def rows(self, table: str) -> list[dict[str, Any]]:
        """A table of the state as dicts."""
        return rows_as_dicts(self.state[table])

    def position(self, account: int = 0, instrument: int = 0) -> Any:
        return self.state.positions[account, instrument]

    def grid(self, table: str) -> list[list[dict[str, Any]]]:
        """A table of two dimensions as dicts."""
        return [rows_as_dicts(rows) for rows in self.state[table]]

    def order(self, number: int) -> Any:
        """The record of an order that the table still holds."""
        (found,) = [row for row in self.state.orders if row.order == number]
        return found


class Reading:
    """A machine's state as it is now, read once: what many comparisons of one event share."""

    def __init__(self, machine: Machine) -> None:
        self.limits, self.state = machine.limits, machine.state
        self._machine = machine
        self._read: dict[str, Any] = {}

    def rows(self, table: str) -> list[dict[str, Any]]:
        if table not in self._read:
            self._read[table] = self._machine.rows(table)
        return self._read[table]  # type: ignore[no-any-return]

    def figures(self, names: tuple[str, ...]) -> dict[str, int]:
        """These figures of the state itself."""
        return dict(zip(names, self.state[list(names)].item(), strict=True))

    def grid(self, table: str) -> list[list[dict[str, Any]]]:
        if table not in self._read:
            self._read[table] = self._machine.grid(table)
        return self._read[table]  # type: ignore[no-any-return]
