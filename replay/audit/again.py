"""A tape's market, time, people and signals once more, without strategies, with the simulated exchange."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration
from adapters.journal import Block
from adapters.simulated import ExchangeFault
from adapters.strategies.compiled import bind
from adapters.strategies.interface import SIGNALS, SIGNALS_PER_EVENT_MAX
from engine.entry import engine_for
from engine.jit import INTERPRETED
from engine.kinds import EventKind
from engine.reasons import Reason
from engine.records import DECISION_BYTES, EVENT, EVENT_BYTES
from engine.state import Limits
from replay.loop import LOOP, Status, StrategyForm, loop_for
from replay.played_again import MADE_KINDS
from replay.rows import IntRow
from replay.session import EngineStopped
from replay.setup import new_exchange

Bytes = NDArray[np.uint8]

_EVENTS_MAX = 16_384
_DECISIONS_MAX = 16_384
_NEVER = 1 << 62
_SHOW_FILLS = 1 << EventKind.ORDER_FILLED
# What a live tape has from the exchange itself, beside its reports of orders: the simulated one knows nothing of it.
REAL_KINDS = (
    int(EventKind.REQUEST_FAILED),
    int(EventKind.BALANCE_REPORTED),
    int(EventKind.POSITION_REPORTED),
    int(EventKind.ORDER_ADOPTED),
    int(EventKind.NOTICE),
)


@dataclass(frozen=True, slots=True)
class Piece:
    """`inputs`, with what was said on them, and then what was `said` after so many fills behind the last of them.

    `last_seq` is that of the tape's last event up to the end of the piece.
    """

    inputs: Bytes
    said: Bytes
    after_fills: int
    last_seq: int


class Cutter:
    """Cuts the blocks of a tape into pieces; `dropped` kinds are left out beside what the simulated exchange makes."""

    def __init__(self, dropped: tuple[int, ...] = ()) -> None:
        self._left_out = [kind for kind in (*MADE_KINDS, *dropped) if kind != EventKind.SIGNAL]
        # Fills since the last input, of the blocks before.
        self._fills = 0

    def pieces(self, block: Block, cut_after: int = 0) -> Iterator[Piece]:
        """The pieces of a block; one ends with event `cut_after` and what was said on it, where the block has that."""
        rows = block.events.view(EVENT)
        is_signal = rows["kind"] == EventKind.SIGNAL
        is_input = ~is_signal & ~np.isin(rows["kind"], self._left_out)
        fills = self._fills_behind_inputs(is_input, rows["kind"] == EventKind.ORDER_FILLED)
        is_later = is_signal & (fills > 0)
        ends = is_later & ~np.concatenate((is_later[1:], [False]))
        cuts = {*(np.flatnonzero(ends) + 1).tolist(), len(rows)}
        if block.first_seq <= cut_after <= block.last_seq:
            cuts.add(_behind_signals(is_signal, cut_after - block.first_seq + 1))
        first = 0
        for end in sorted(cuts):
            later = np.flatnonzero(is_later[first:end]) + first
            told = np.flatnonzero((is_input | (is_signal & ~is_later))[first:end]) + first
            after_fills = int(fills[later[-1]]) if len(later) else 0
            yield Piece(_bytes(rows[told]), _bytes(rows[later]), after_fills, block.first_seq + end - 1)
            first = end

    def _fills_behind_inputs(self, is_input: NDArray[np.bool_], is_fill: NDArray[np.bool_]) -> NDArray[np.int64]:
        """At each event, how many fills there were since the last input before it."""
        counted = np.cumsum(is_fill) + self._fills
        at_input = np.maximum.accumulate(np.where(is_input, counted, 0))
        found: NDArray[np.int64] = counted - at_input
        self._fills = int(found[-1])
        return found


class Played:
    """The loop over pieces. What it makes is handed out and not kept; `state` and `exchange` change in place."""

    def __init__(self, configuration: Configuration, limits: Limits) -> None:
        self.engine = engine_for(limits)
        self._loop = loop_for(limits)
        self.state = self.engine.new_state()
        self.row = IntRow(self.state, self.engine.layout)
        self._exchange = new_exchange(configuration, limits)
        self._exchange_row = IntRow(self._exchange, self._loop.exchange_layout)
        # Nobody is asked; a binding of no strategies is what the loop is called with.
        self._binding = bind([], configuration.directory)
        self._on_event = self._binding.on_event if INTERPRETED else self._binding.on_event.address
        self._signals = np.zeros(SIGNALS.itemsize, dtype=np.uint8)
        self._told = self._signals.view(SIGNALS)[0]
        self._loop_bytes = self._loop.new_loop()
        self._place = IntRow(self._loop_bytes, LOOP)
        self._place.strategy_form = StrategyForm.PYTHON
        self._outbox = self.engine.new_outbox()
        self._events = np.zeros(_EVENTS_MAX * EVENT_BYTES, dtype=np.uint8)
        self._decisions = np.zeros((_DECISIONS_MAX + self._loop.outbox_items) * DECISION_BYTES, dtype=np.uint8)
        self._market = np.zeros(0, dtype=np.uint8)
        self._made: list[bytes] = []
        self._decided: list[bytes] = []
        self._fills = 0

    def play(self, piece: Piece) -> tuple[bytes, bytes]:
        """Tell a piece; the events that came of it and the decisions on them. Raises EngineStopped."""
        if len(piece.inputs):
            self._fills = 0
            self._tell(piece.inputs)
        if len(piece.said):
            self._say_after(piece)
        return self._taken()

    def end(self) -> tuple[bytes, bytes]:
        """What still comes of it where no more is told."""
        self._place.market_is_complete = 1
        self._tell(np.zeros(0, dtype=np.uint8))
        return self._taken()

    def _tell(self, records: Bytes) -> None:
        self._give(records)
        while (status := self._advance()) == Status.BLOCK_IS_FULL:
            self._empty()
        if status == Status.FAULT:
            self._stop()

    def _say(self, said: Bytes) -> None:
        """Strategies speak at once: nothing comes between."""
        rows = said.view(EVENT)
        for first in range(0, len(rows), SIGNALS_PER_EVENT_MAX):
            part = rows[first : first + SIGNALS_PER_EVENT_MAX]
            self._told.items.view(np.uint8).reshape(-1)[: len(part) * EVENT_BYTES] = _bytes(part)
            self._told.count = len(part)
            self._place.signals_told = 0
            self._tell(np.zeros(0, dtype=np.uint8))

    def _say_after(self, piece: Piece) -> None:
        """Strategies speak on a fill; where that does not come they speak at the time at which they did."""
        if self._fills >= piece.after_fills:
            self._say(piece.said)
            return
        self._place.shown_kinds = _SHOW_FILLS
        self._give(piece.said)
        while (status := self._advance()) in (Status.BLOCK_IS_FULL, Status.STRATEGY_IS_ASKED):
            if status == Status.BLOCK_IS_FULL:
                self._empty()
                continue
            self._fills += 1
            if self._fills == piece.after_fills and self._place.market_index == 0:
                self._place.shown_kinds = 0
                self._say(piece.said)
                return
        self._place.shown_kinds = 0
        if status == Status.FAULT:
            self._stop()

    def _give(self, records: Bytes) -> None:
        self._market = records
        self._place.market_index = 0
        self._place.market_count = len(records) // EVENT_BYTES
        # As if strategies had been shown all of it: the loop stops for none of them.
        self._place.shown_until = _NEVER
        self._place.spoke_at = -1

    def _advance(self) -> int:
        return self._loop.run(
            self.state,
            self._exchange,
            self._binding.memory,
            self._loop_bytes,
            self._market,
            self._signals,
            self._events,
            self._decisions,
            self._outbox,
            self._on_event,
        )

    def _empty(self) -> None:
        self._made.append(self._events[: self._place.events * EVENT_BYTES].tobytes())
        self._decided.append(self._decisions[: self._place.decisions * DECISION_BYTES].tobytes())
        self._place.events = 0
        self._place.decisions = 0

    def _taken(self) -> tuple[bytes, bytes]:
        self._empty()
        made, decided = b"".join(self._made), b"".join(self._decided)
        self._made, self._decided = [], []
        return made, decided

    def _stop(self) -> None:
        if self._exchange_row.fault:
            raise EngineStopped(f"the simulated exchange stopped: {ExchangeFault(self._exchange_row.fault).name}")
        raise EngineStopped(f"the engine stopped at its event {self.row.fault_seq}: {Reason(self.row.fault).name}")


def _behind_signals(is_signal: NDArray[np.bool_], place: int) -> int:
    """What was said on one event stays together."""
    while place < len(is_signal) and is_signal[place]:
        place += 1
    return place


def _bytes(rows: NDArray[np.void]) -> Bytes:
    return np.ascontiguousarray(rows).view(np.uint8).reshape(-1)
