"""Two playings of one tape side by side: where they part, and what one has that the other has not."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.kinds import DecisionKind, EventKind
from engine.records import (
    BREAKER_DECISION,
    COMMAND,
    DECISION_BYTES,
    EVENT,
    EVENT_BYTES,
    FILL,
    REFUSAL,
    RISK_LEVEL_DECISION,
)

Rows = NDArray[Any]
Key = tuple[int, ...]

# What makes a decision the same as one of the other playing, at the same time and instrument.
_SAME: dict[DecisionKind, tuple[np.dtype[Any], tuple[str, ...]]] = {
    DecisionKind.PLACE_ORDER: (
        COMMAND,
        ("strategy", "order_type", "order_flags", "quantity_lots", "limit_ticks", "trigger_ticks"),
    ),
    DecisionKind.REFUSAL: (REFUSAL, ("strategy", "reason")),
    DecisionKind.BREAKER_TRIPPED: (BREAKER_DECISION, ("breaker",)),
    DecisionKind.RISK_LEVEL_CHANGED: (RISK_LEVEL_DECISION, ("account", "risk_level")),
}
_KINDS = [int(kind) for kind in _SAME]
_SAME_FILL = ("account", "fill_flags", "price_ticks", "quantity_lots", "fee")
_FILL = -1


@dataclass(frozen=True, slots=True)
class Difference:
    """What one playing has and the other has not: a decision (a row of COMMAND) or a fill (a row of EVENT).

    `is_new` where only the second playing has it; `seq` is the number of its event in its own playing.
    """

    is_new: bool
    ts_ns: int
    seq: int
    row: Any

    @property
    def is_fill(self) -> bool:
        return bool(self.row.dtype == EVENT)


@dataclass(slots=True)
class Parting:
    """Compares what two playings make, piece by piece: the first is as it was, the second has `told` events more.

    `seq` is the first event of the first playing at which they part, 0 while they do not.
    """

    told: int = 0
    seq: int = 0
    ts_ns: int = 0
    _events: int = 0
    _left: tuple[bytes, bytes] = (b"", b"")
    _decided: tuple[bytes, bytes] = (b"", b"")
    _unmatched: dict[Key, list[Difference]] = field(default_factory=dict)

    def compare(self, first: tuple[bytes, bytes], second: tuple[bytes, bytes], seqs: tuple[int, int]) -> None:
        """A piece of both: (events, decisions), and how many events each had before, without those told."""
        second = second[0], _as_without(second[1], self.told)
        if self.seq == 0:
            self._look(first, second)
        if first == second:
            return
        for is_new, (made, decisions), before in ((False, first, seqs[0]), (True, second, seqs[1])):
            for key, difference in _differences(is_new, made, decisions, before):
                self._match(key, difference)

    def tell(self, second: tuple[bytes, bytes], seqs: tuple[int, int]) -> None:
        """What the second playing makes of the change: its own events are no difference, what is decided on them is."""
        made, decided = second
        events, decisions = np.frombuffer(made, EVENT), np.frombuffer(decided, COMMAND)
        told = events["kind"] == EventKind.CONFIGURATION_CHANGED
        first_told_seq = seqs[1] + int(told.argmax()) + 1
        on_told = decisions["seq"] >= first_told_seq
        self.compare((b"", b""), (events[~told].tobytes(), decisions[~on_told].tobytes()), seqs)
        self.told = int(np.count_nonzero(told))
        if on_told.any():
            self.part(seqs[0] + 1, int(events["ts_ns"][-1]))
            for key, difference in _differences(True, made, decisions[on_told].tobytes(), seqs[1], fills_too=False):
                self._match(key, difference)

    def part(self, seq: int, ts_ns: int) -> None:
        """Note that they part here, where they have not yet."""
        if self.seq == 0:
            self.seq, self.ts_ns = seq, ts_ns

    @property
    def differences(self) -> list[Difference]:
        """In order of time; those of one time as they were before those that are new."""
        found = [difference for kept in self._unmatched.values() for difference in kept]
        return sorted(found, key=lambda difference: (difference.ts_ns, difference.is_new, difference.seq))

    def _look(self, first: tuple[bytes, bytes], second: tuple[bytes, bytes]) -> None:
        """Compare as many events as both have, and the decisions on them."""
        made = self._left[0] + first[0], self._left[1] + second[0]
        decided = self._decided[0] + first[1], self._decided[1] + second[1]
        length = min(len(made[0]), len(made[1]))
        same = _same_bytes(made[0][:length], made[1][:length]) // EVENT_BYTES
        until = self._events + same
        ones, others = (np.frombuffer(rows, COMMAND) for rows in decided)
        one, other = (rows[rows["seq"] <= until] for rows in (ones, others))
        differs = _same_bytes(one.tobytes(), other.tobytes()) // DECISION_BYTES
        rows = np.frombuffer(made[0], EVENT)
        if differs < max(len(one), len(other)):
            seq = min(int(rows["seq"][differs]) for rows in (one, other) if differs < len(rows))
            self.part(seq, int(np.frombuffer(made[0], EVENT)["ts_ns"][seq - self._events - 1]))
        elif same < length // EVENT_BYTES:
            self.part(until + 1, int(rows["ts_ns"][same]))
        self._left = made[0][same * EVENT_BYTES :], made[1][same * EVENT_BYTES :]
        self._decided = ones[len(one) :].tobytes(), others[len(other) :].tobytes()
        self._events = until

    def _match(self, key: Key, difference: Difference) -> None:
        kept = self._unmatched.setdefault(key, [])
        if kept and kept[0].is_new != difference.is_new:
            kept.pop(0)
        else:
            kept.append(difference)
        if not kept:
            del self._unmatched[key]


def _as_without(decided: bytes, told: int) -> bytes:
    """Decisions with the sequence numbers that their events had without so many events before."""
    if told == 0 or not decided:
        return decided
    rows = np.frombuffer(decided, COMMAND).copy()
    rows["seq"] -= told
    return rows.tobytes()


def _same_bytes(one: bytes, other: bytes) -> int:
    """How many bytes two texts have in common from their start."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    different = np.frombuffer(one, np.uint8, length) != np.frombuffer(other, np.uint8, length)
    return int(different.argmax())


def _differences(
    is_new: bool, made: bytes, decided: bytes, before: int, fills_too: bool = True
) -> list[tuple[Key, Difference]]:
    """What of a piece is compared one by one: orders, refusals, trips, levels, fills."""
    events, decisions = np.frombuffer(made, EVENT), np.frombuffer(decided, COMMAND)
    found = []
    filled = np.flatnonzero(events["kind"] == EventKind.ORDER_FILLED) if fills_too else ()
    for place in map(int, filled):
        fill = events[place : place + 1].view(FILL)[0]
        key = (_FILL, int(fill["ts_ns"]), int(fill["instrument"]), *(int(fill[name]) for name in _SAME_FILL))
        found.append((key, Difference(is_new, int(fill["ts_ns"]), before + place + 1, events[place].copy())))
    for place in np.flatnonzero(np.isin(decisions["kind"], _KINDS)).tolist():
        row = decisions[place]
        dtype, names = _SAME[DecisionKind(int(row["kind"]))]
        fields = decisions[place : place + 1].view(dtype)[0]
        seq = int(row["seq"])
        ts_ns = int(events["ts_ns"][seq - before - 1])
        key = (int(row["kind"]), ts_ns, int(row["instrument"]), *(int(fields[name]) for name in names))
        found.append((key, Difference(is_new, ts_ns, seq, row.copy())))
    return found
