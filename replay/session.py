"""One run of the loop from its first event to its last: engine, exchange, strategies, market data, recorder.

Everything that differs between uses is handed in: where market records come from, who the strategies are, where
blocks go.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.errors import TapefoldError, UserError
from adapters.journal import Document, TextDocument, document_hash
from adapters.simulated import ExchangeFault
from adapters.strategies.compiled import Binding
from adapters.strategies.interface import SIGNALS, SIGNALS_PER_EVENT_MAX
from adapters.strategies.python_host import Numbered, PythonHost, write_signals
from engine.entry import Engine
from engine.jit import INTERPRETED
from engine.kinds import EventKind
from engine.reasons import Reason
from engine.records import CONFIGURATION, EVENT, EVENT_BYTES
from replay.loop import LOOP, Loop, Status, StrategyForm
from replay.recorder import Recorder, state_digest
from replay.rows import IntRow

Bytes = NDArray[np.uint8]


class EngineStopped(TapefoldError):
    """The engine met something that it must not trade past; the tape up to it is kept."""

    exit_code = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. Digests are hexadecimal."""

    events: int
    market_events: int
    signals: int
    orders: int
    fills: int
    wall_s: float
    last_ts_ns: int
    state: Bytes
    state_digest: str
    command_digest: str


class Session:
    """Runs the loop over all market data; a `host` shows events to Python strategies, where there are any.

    `state`, and the bytes of the exchange and of the strategies' memory, change in place.
    """

    def __init__(
        self,
        engine: Engine,
        loop: Loop,
        exchange: Bytes,
        binding: Binding,
        host: PythonHost | None,
        recorder: Recorder,
        timer_interval_ns: int = 0,
    ) -> None:
        self.engine = engine
        self.state = engine.new_state()
        self._state_row = IntRow(self.state, engine.layout)
        self._loop = loop
        self._exchange = exchange
        self._exchange_row = IntRow(exchange, loop.exchange_layout)
        self._binding = binding
        self._host = host
        self._recorder = recorder
        self._outbox = engine.new_outbox()
        self._signals = np.zeros(SIGNALS.itemsize, dtype=np.uint8)
        self._signals_row = IntRow(self._signals, SIGNALS)
        self._loop_bytes = loop.new_loop()
        self._place = IntRow(self._loop_bytes, LOOP)
        self._place.strategy_form = StrategyForm.COMPILED if host is None else StrategyForm.PYTHON
        self._place.shown_kinds = binding.shown_kinds if host is None else host.shown_kinds
        self._place.timer_interval_ns = timer_interval_ns
        self._documents: dict[int, Document] = {}
        self._later: dict[int, Document] = {}
        self._market = np.zeros(0, dtype=np.uint8)
        self._buffer = recorder.next_buffer()
        self._renew_arguments()

    def run(
        self,
        opening: Bytes,
        documents: Mapping[int, Document],
        market: Iterator[Bytes],
        progress: Callable[[int], None] | None = None,
        later: Mapping[int, Document] | None = None,
    ) -> Outcome:
        """Take the opening events, then all chunks of market records, to the end.

        `documents` are by sequence number; `later` are those of configuration events among the market, whose numbers
        nobody knows yet, by their hash.
        `wall_s` of the outcome does not count the compilation before the first event.
        """
        self._advance()
        started = time.perf_counter()
        self._documents.update(documents)
        self._later.update(later or {})
        self._place.timer_next_ns = int(opening.view(EVENT)["ts_ns"][0]) + self._place.timer_interval_ns
        self._take(opening)
        try:
            while True:
                status = self._advance()
                if status == Status.BLOCK_IS_FULL:
                    self._hand_over()
                elif status == Status.STRATEGY_IS_ASKED:
                    self._ask()
                elif status == Status.STRATEGY_MAY_LOOK_AHEAD:
                    self._ask_ahead()
                elif status == Status.NEEDS_MARKET:
                    if progress is not None:
                        progress(self._place.market_events)
                    chunk = next(market, None)
                    if chunk is None:
                        self._place.market_is_complete = 1
                    else:
                        self._take(chunk)
                elif status == Status.TOO_MANY_SIGNALS:
                    raise UserError(
                        f"a strategy made {self._signals_row.count} signals on the event of ts_ns "
                        f"{self._state_row.ts_ns}, expected at most {SIGNALS_PER_EVENT_MAX}"
                    )
                else:
                    break
        finally:
            self._finish()
        self._check_fault()
        if progress is not None:
            progress(self._place.market_events)
        return self._outcome(time.perf_counter() - started)

    def _take(self, chunk: Bytes) -> None:
        self._market = chunk
        self._place.market_index = 0
        self._place.market_count = len(chunk) // EVENT_BYTES
        self._place.shown_until = 0
        self._place.spoke_at = -1
        self._renew_arguments()

    def _renew_arguments(self) -> None:
        self._arguments = (
            self.state,
            self._exchange,
            self._binding.memory,
            self._loop_bytes,
            self._market,
            self._signals,
            self._buffer.events,
            self._buffer.decisions,
            self._outbox,
            self._binding.on_event if INTERPRETED else self._binding.on_event.address,
        )

    def _advance(self) -> int:
        return self._loop.run(*self._arguments)

    def _ask_ahead(self) -> None:
        """Show Python strategies what comes while they can see no fill, so that the loop need not stop for it."""
        assert self._host is not None
        place = self._place
        first, end = place.market_index, place.market_count
        if place.timer_interval_ns:
            times = self._market.view(EVENT)["ts_ns"][first:end]
            end = first + int(np.searchsorted(times, place.timer_next_ns, side="left"))
        index = self._host.ask_ahead(self._market, first, end)
        place.spoke_at = index if index < end else -1
        place.shown_until = min(index + 1, end)

    def _ask(self) -> None:
        """The loop stopped after an event that the strategies must see: show it, and pass on what they say."""
        assert self._host is not None
        place = self._place
        last = place.events - 1
        event = self._buffer.events[last * EVENT_BYTES : (last + 1) * EVENT_BYTES]
        kind = int(event[_KIND_BYTE])
        if kind <= EventKind.BAR and place.spoke_at == place.market_index - 1:
            self._say(self._host.said_ahead(), self._host.names)
        else:
            self._say(self._host.ask(event, kind, place.owner), self._host.names)

    def _say(self, signals: Sequence[Numbered], names: Sequence[str]) -> None:
        hashes = []
        for offset, (number, signal) in enumerate(signals):
            if not signal.rationale:
                hashes.append(0)
                continue
            document = TextDocument(text=signal.rationale, author=f"strategy {number}")
            self._documents[self._state_row.seq + 1 + offset] = document
            hashes.append(document_hash(document))
        write_signals(self._signals, signals, hashes, names)
        self._place.signals_told = 0

    def _hand_over(self) -> None:
        events, decisions = self._place.events, self._place.decisions
        if events == 0:
            return
        self._number_later(events)
        last_seq = self._recorder.recorded + events
        documents = {seq: self._documents.pop(seq) for seq in sorted(self._documents) if seq <= last_seq}
        extra = {"strategies": self._binding.memory.tobytes()} if self._host is None else {}
        # Before they are handed over: an interrupt or a failure from here on must not hand them over once more.
        self._place.events = 0
        self._place.decisions = 0
        self._recorder.record(self._buffer, events, decisions, self.state, extra, documents)
        self._buffer = self._recorder.next_buffer()
        self._renew_arguments()

    def _number_later(self, events: int) -> None:
        """Give documents whose events are in this block the sequence numbers that these came to have."""
        if not self._later:
            return
        rows = self._buffer.events[: events * EVENT_BYTES].view(CONFIGURATION)
        for index in np.flatnonzero(rows["kind"] == EventKind.CONFIGURATION_CHANGED).tolist():
            document = self._later.pop(int(rows["document_hash"][index]), None)
            if document is not None:
                self._documents[self._recorder.recorded + 1 + index] = document

    def _finish(self) -> None:
        try:
            self._hand_over()
        finally:
            self._recorder.close()

    def _check_fault(self) -> None:
        if self._exchange_row.fault:
            fault = ExchangeFault(self._exchange_row.fault).name
            raise EngineStopped(f"the simulated exchange stopped: {fault}; the tape up to there is kept")
        if self._state_row.fault:
            reason = Reason(self._state_row.fault).name
            raise EngineStopped(f"the engine stopped at event {self._state_row.fault_seq}: {reason}; its tape is kept")

    def _outcome(self, wall_s: float) -> Outcome:
        place = self._place
        return Outcome(
            events=self._recorder.recorded,
            market_events=place.market_events,
            signals=place.signals,
            orders=place.orders,
            fills=self._state_row.fills,
            wall_s=wall_s,
            last_ts_ns=self._state_row.ts_ns,
            state=self.state,
            state_digest=state_digest(self.state).hex(),
            command_digest=self._recorder.command_digest,
        )


assert EVENT.fields is not None
_KIND_BYTE = EVENT.fields["kind"][1]
