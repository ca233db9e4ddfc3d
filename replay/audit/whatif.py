"""What would have been under other rules: a tape's inputs played twice, as it was and with the change, and compared."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration, parse_configuration
from adapters.configuration.settings import after_text, set_together
from adapters.errors import UserError
from adapters.journal import Block, ConfigurationDocument, JournalReader
from engine.kinds import DecisionKind, EventKind
from engine.records import BREAKER_DECISION, COMMAND, CONFIGURATION, EVENT, EVENT_BYTES, REFUSAL
from replay.ahead import blocks_ahead
from replay.audit.again import REAL_KINDS, Cutter, Piece, Played
from replay.audit.parting import Difference, Parting
from replay.changes import fields_of, told_rules
from replay.played_again import Comparison
from replay.recorded import Recorded
from replay.refold import Folder, limits_of

Bytes = NDArray[np.uint8]

# Where a simulated exchange wrote the reports of a tape, the same playing comes to the same tape.
_SIMULATED_MODES = ("backtest", "paper")
_OPENING_KINDS = [
    *(EventKind.CONFIGURATION_CHANGED, EventKind.ACCOUNT_DEFINED, EventKind.INSTRUMENT_DEFINED, EventKind.CASH_MOVED),
    *(EventKind.INSTRUMENT_TERMS_DEFINED, EventKind.STRATEGY_DEFINED),
]


@dataclass(slots=True)
class Side:
    """What one playing came to: the state (a record of `engine.state`), and counts by kind, reason and breaker."""

    state: Any
    events: int = 0
    fills: int = 0
    decisions: Counter[int] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)
    trips: Counter[int] = field(default_factory=Counter)

    def count(self, made: bytes, decided: bytes) -> None:
        events, rows = np.frombuffer(made, EVENT), np.frombuffer(decided, COMMAND)
        self.events += len(events)
        self.fills += int(np.count_nonzero(events["kind"] == EventKind.ORDER_FILLED))
        self.decisions.update(rows["kind"].tolist())
        refused, tripped = rows["kind"] == DecisionKind.REFUSAL, rows["kind"] == DecisionKind.BREAKER_TRIPPED
        self.refusals.update(np.frombuffer(decided, REFUSAL)["reason"][refused].tolist())
        self.trips.update(np.frombuffer(decided, BREAKER_DECISION)["breaker"][tripped].tolist())

    @property
    def orders(self) -> int:
        return self.decisions[DecisionKind.PLACE_ORDER]

    @property
    def levels(self) -> int:
        return self.decisions[DecisionKind.RISK_LEVEL_CHANGED]


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Both playings, the event and time at which they part (0: nowhere) and in what.

    `is_exact` says that the playing as it was is the recorded tape; else `real` is the side that the tape itself is.
    The change was told after event `told_after`.
    """

    told_after: int
    is_exact: bool
    as_it_was: Side
    changed: Side
    real: Side
    parted_seq: int
    parted_ts_ns: int
    differences: list[Difference]


def what_if(
    reader: JournalReader,
    changes: Mapping[str, str],
    at_seq: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> WhatIf:
    """Play a tape again as it was, and with `changes` (texts by path) told after event `at_seq`, None: from its start.

    Raises UserError for changes that cannot be, Divergence where the tape of a simulated exchange is not what comes of
    playing it again, JournalDamaged.
    """
    configuration = tape_configuration(reader)
    told_after = _told_after(reader, at_seq)
    rules = _told(reader, configuration, changes, told_after)
    playing = _Playing(reader, configuration, rules, told_after)
    for block in blocks_ahead(reader):
        playing.take(block)
        if progress is not None:
            progress(block.last_seq)
    return playing.end()


def tape_configuration(reader: JournalReader) -> Configuration:
    """The configuration that a tape begins with. Raises UserError where it has none."""
    document = reader.document(1) if reader.last_seq else None
    if not isinstance(document, ConfigurationDocument):
        raise UserError(f"{reader.store.name}: the tape does not begin with its configuration, so it cannot be played")
    return parse_configuration(document.text, Path("the tape's configuration"), files_are_there=False)


def _told_after(reader: JournalReader, at_seq: int | None) -> int:
    """The event after which a change is told: at the earliest when the tape has said what it begins with."""
    opening = 0
    for block in reader.blocks():
        others = np.flatnonzero(~np.isin(block.events.view(EVENT)["kind"], _OPENING_KINDS))
        opening = block.first_seq - 1 + int(others[0]) if len(others) else block.last_seq
        if len(others):
            break
    if at_seq is not None and at_seq < opening:
        raise UserError(
            f"--at {at_seq}: expected event {opening} or later, where all that the tape begins with is told"
        )
    return opening if at_seq is None else at_seq


def _told(reader: JournalReader, configuration: Configuration, changes: Mapping[str, str], told_after: int) -> Bytes:
    """The events that tell the changes, where the tape's own changes up to there are in force."""
    in_force = configuration.in_force
    for _, document in reader.documents(2, told_after):
        if isinstance(document, ConfigurationDocument):
            in_force = after_text(in_force, document.text)
    block = next(iter(reader.blocks(told_after)))
    ts_ns = int(np.maximum.accumulate(block.events.view(EVENT)["ts_ns"])[told_after - block.first_seq])
    _, change = set_together(in_force, changes, ts_ns)
    accounts = [instrument.account for instrument in configuration.instruments]
    rules = told_rules(change, in_force.zones, accounts)
    rows = np.zeros(len(rules), dtype=CONFIGURATION)
    rows["ts_ns"] = ts_ns
    rows["kind"] = EventKind.CONFIGURATION_CHANGED
    for row, rule in zip(rows, rules, strict=True):
        for name, value in fields_of(rule).items():
            row[name] = value
    return rows.view(np.uint8)


class _Playing:
    """Both playings in step, and beside them the tape itself."""

    def __init__(self, reader: JournalReader, configuration: Configuration, rules: Bytes, told_after: int) -> None:
        limits, is_exact = limits_of(reader), reader.manifest.mode in _SIMULATED_MODES
        self._rules, self._told_after, self._is_told = rules, told_after, False
        self._cutter = Cutter(() if is_exact else REAL_KINDS)
        self._first, self._second = Played(configuration, limits), Played(configuration, limits)
        self._as_it_was = Side(self._first.engine.view(self._first.state))
        self._changed = Side(self._second.engine.view(self._second.state))
        self._parting = Parting()
        self._comparison = Comparison() if is_exact else None
        self._folder = Folder(limits)
        self._recorded = Recorded(reader, self._folder.engine)
        self._real = Side(self._folder.engine.view(self._folder.state))

    def take(self, block: Block) -> None:
        for piece in self._cutter.pieces(block, self._told_after):
            self._both(self._first.play(piece), self._second.play(piece))
            if not self._is_told and piece.last_seq >= self._told_after:
                self._tell()
        if self._comparison is not None:
            self._comparison.compare(block)
        else:
            decided = self._recorded.as_recorded(self._folder.fold(block.events, len(block.events) // EVENT_BYTES))
            self._recorded.compare(block, decided, self._folder.state)
            self._real.count(block.events.tobytes(), decided)

    def end(self) -> WhatIf:
        """What comes of both. The tape of a backtest ends when its exchange has answered everything."""
        if self._comparison is not None and self._comparison.is_behind:
            self._both(self._first.end(), self._second.end())
        if self._comparison is not None:
            self._comparison.end()
        is_exact = self._comparison is not None
        return WhatIf(
            told_after=self._told_after,
            is_exact=is_exact,
            as_it_was=self._as_it_was,
            changed=self._changed,
            real=self._as_it_was if is_exact else self._real,
            parted_seq=self._parting.seq,
            parted_ts_ns=self._parting.ts_ns,
            differences=self._parting.differences,
        )

    def _both(self, first: tuple[bytes, bytes], second: tuple[bytes, bytes]) -> None:
        before = self._as_it_was.events, self._changed.events - self._parting.told
        if self._comparison is not None:
            made, decided = first
            self._comparison.add(made, self._recorded.as_recorded(decided))
        self._as_it_was.count(*first)
        self._changed.count(*second)
        self._parting.compare(first, second, before)

    def _tell(self) -> None:
        """Tell the change to the second playing alone; what the exchange had to report before comes to both."""
        self._is_told = True
        nothing = np.zeros(0, dtype=np.uint8)
        before = self._as_it_was.events, self._changed.events
        told = self._second.play(Piece(self._rules, nothing, 0, self._told_after))
        self._changed.count(*told)
        self._parting.tell(told, before)
