"""One fold over a part of a tape that looks at what no record says: orders unknown, positions that differ."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adapters.journal import Block, JournalReader
from engine.kinds import EventKind, OrderStatus
from engine.records import COMMAND, EVENT_BYTES, ORDER_REPORT, POSITION_REPORT
from replay.ahead import blocks_ahead
from replay.audit.state_at import state_at
from replay.recorded import Recorded
from replay.refold import Folder, limits_of

Progress = Callable[[int], None]

_OF_ORDERS = [*range(EventKind.ORDER_SENT, EventKind.ORDER_TRIGGERED + 1), int(EventKind.REQUEST_FAILED)]


@dataclass(slots=True)
class UnknownOrder:
    """An order of which nobody knew whether it was alive, from one event to another.

    `seq` is 0 where it began before these events, `until_seq` 0 where it has not ended with them.
    """

    order: int
    instrument: int
    seq: int
    ts_ns: int
    until_seq: int = 0
    until_ts_ns: int = 0
    # The kind of the event that told, and the order's status after it.
    told_by: int = 0
    status: int = 0


@dataclass(frozen=True, slots=True)
class PositionDifference:
    """An exchange reported another position than the engine had then."""

    seq: int
    ts_ns: int
    account: int
    instrument: int
    reported_lots: int
    held_lots: int


@dataclass(slots=True)
class Watched:
    """The states before and after the events, and what was seen in between."""

    before: Any
    after: Any
    unknown: list[UnknownOrder] = field(default_factory=list)
    differences: list[PositionDifference] = field(default_factory=list)


def watch(reader: JournalReader, first_seq: int, last_seq: int, progress: Progress | None = None) -> Watched:
    """Fold events `first_seq` to `last_seq`, comparing what is decided. Raises Divergence, JournalDamaged.

    `progress` is told the sequence number reached.
    """
    folder = Folder(limits_of(reader))
    begin = state_at(reader, first_seq - 1, progress)
    folder.state[:] = begin.state
    view = folder.engine.view
    watcher = _Watcher(
        folder, Watched(begin.engine.view(begin.state), view(folder.state)), Recorded(reader, folder.engine)
    )
    for block in blocks_ahead(reader, first_seq, last_seq):
        watcher.see(block, first_seq, last_seq)
        if progress is not None:
            progress(min(block.last_seq, last_seq))
    return watcher.seen


class _Watcher:
    def __init__(self, folder: Folder, seen: Watched, recorded: Recorded) -> None:
        self.seen = seen
        self._folder = folder
        self._recorded = recorded
        self._open: dict[int, UnknownOrder] = {}
        for order in seen.before.orders[: int(seen.before.slots_used)]:
            if int(order["status"]) == OrderStatus.UNKNOWN:
                self._begin(order, 0, int(order["updated_ts_ns"]))

    def see(self, block: Block, first_seq: int, last_seq: int) -> None:
        first = max(0, first_seq - block.first_seq)
        count = min(block.last_seq, last_seq) - block.first_seq + 1
        rows = block.events.view(ORDER_REPORT)
        decided = []
        for place in [*self._places(rows[:count], first), count - 1]:
            end = place + 1
            decided.append(self._folder.fold(block.events[first * EVENT_BYTES :], end - first))
            if end > first:
                self._look(block.first_seq + place, rows[place:end])
            first = end
        as_recorded = self._recorded.as_recorded(b"".join(decided))
        if first_seq <= block.first_seq:
            self._recorded.compare(block, as_recorded, self._folder.state, count)
        else:
            rows = block.decisions.view(COMMAND)
            part = rows[(rows["seq"] >= first_seq) & (rows["seq"] <= last_seq)]
            self._recorded.compare_decisions(part.tobytes(), as_recorded)

    def _places(self, rows: Any, first: int) -> list[int]:
        """After which events there is something to look at."""
        kinds = rows["kind"]
        # Only a failed request makes an order unknown; where none has, reports of orders need no look.
        failed = (kinds == EventKind.REQUEST_FAILED) & (rows["order"] != 0)
        chosen = failed | (kinds == EventKind.POSITION_REPORTED)
        if self._open or failed.any():
            chosen |= np.isin(kinds, _OF_ORDERS)
        return [place for place in np.flatnonzero(chosen).tolist() if place >= first]

    def _look(self, seq: int, row: Any) -> None:
        kind, state = int(row["kind"][0]), self.seen.after
        if kind == EventKind.POSITION_REPORTED:
            self._compare(seq, row.view(POSITION_REPORT)[0], state)
        elif kind in _OF_ORDERS:
            self._follow(seq, int(row["ts_ns"][0]), kind, int(row["order"][0]), state)

    def _follow(self, seq: int, ts_ns: int, kind: int, number: int, state: Any) -> None:
        orders = state.orders[: int(state.slots_used)]
        found = orders[orders["order"] == number]
        status = int(found["status"][0]) if len(found) else OrderStatus.NONE
        known = self._open.get(number)
        if known is None and status == OrderStatus.UNKNOWN:
            self._begin(found[0], seq, ts_ns)
        elif known is not None and status != OrderStatus.UNKNOWN and kind != EventKind.REQUEST_FAILED:
            known.until_seq, known.until_ts_ns, known.told_by, known.status = seq, ts_ns, kind, status
            del self._open[number]

    def _begin(self, order: Any, seq: int, ts_ns: int) -> None:
        spell = UnknownOrder(int(order["order"]), int(order["instrument"]), seq, ts_ns)
        self.seen.unknown.append(spell)
        self._open[spell.order] = spell

    def _compare(self, seq: int, report: Any, state: Any) -> None:
        account, number = int(report["account"]), int(report["instrument"])
        if account >= len(state.accounts) or number >= len(state.instruments):
            return
        held = int(state.positions[account, number]["quantity_lots"])
        reported = int(report["quantity_lots"])
        if held != reported:
            self.seen.differences.append(PositionDifference(seq, int(report["ts_ns"]), account, number, reported, held))
