"""One run of the loop from its first event to its last: engine, exchange, strategies, market data, recorder.

Everything that differs between uses is handed in: where market records come from, who the strategies are, where
blocks go.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.errors import TapefoldError
from adapters.journal import Document, TextDocument, document_hash
from adapters.simulated.state import ExchangeFault
from adapters.strategies.interface import SIGNALS
from adapters.strategies.python_host import Numbered, PythonHost, write_signals
from engine.entry import Engine
from engine.reasons import Reason
from engine.records import EVENT, EVENT_BYTES
from replay.loop import LOOP, Loop, Status, StrategyForm
from replay.recorder import Buffer, Recorder, state_digest

Bytes = NDArray[np.uint8]


class EngineStopped(TapefoldError):
    """The engine met something that it must not trade past; the tape up to it is kept."""


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
    """Runs the loop over all market data. `state`, `exchange` and `memory` are bytes that it changes in place.

    `on_event` is the bound function of compiled strategies; a `host` shows events to Python ones instead.
    """

    def __init__(
        self,
        engine: Engine,
        loop: Loop,
        exchange: Bytes,
        memory: Bytes,
        on_event: Any,
        host: PythonHost | None,
        recorder: Recorder,
        timer_interval_ns: int = 0,
    ) -> None:
        self.engine = engine
        self.state = engine.new_state()
        self._view = engine.view(self.state)
        self._loop = loop
        self._exchange = exchange
        self._exchange_view = exchange.view(loop.exchange_layout)[0]
        self._memory = memory
        self._on_event = on_event
        self._host = host
        self._recorder = recorder
        self._outbox = engine.new_outbox()
        self._signals = np.zeros(SIGNALS.itemsize, dtype=np.uint8)
        self._signals_view = self._signals.view(SIGNALS)[0]
        self._loop_bytes = loop.new_loop()
        self._place = self._loop_bytes.view(LOOP)[0]
        self._place.strategy_form = StrategyForm.COMPILED if host is None else StrategyForm.PYTHON
        self._place.timer_interval_ns = timer_interval_ns
        self._documents: dict[int, Document] = {}
        self._ahead: tuple[int, list[Numbered]] | None = None
        self._market = np.zeros(0, dtype=np.uint8)
        self._buffer: Buffer = recorder.next_buffer()

    def run(
        self,
        opening: Bytes,
        documents: Mapping[int, Document],
        market: Iterator[Bytes],
        progress: Callable[[int], None] | None = None,
    ) -> Outcome:
        """Take the opening events, then all chunks of market records, to the end."""
        started = time.perf_counter()
        self._documents.update(documents)
        self._place.timer_next_ns = int(opening.view(EVENT)["ts_ns"][0]) + int(self._place.timer_interval_ns)
        self._take(opening)
        try:
            while True:
                status = self._advance()
                if status == Status.BLOCK_IS_FULL:
                    self._hand_over()
                elif status == Status.STRATEGY_IS_ASKED:
                    self._ask()
                elif status == Status.NEEDS_MARKET:
                    if progress is not None:
                        progress(int(self._place.market_events))
                    chunk = next(market, None)
                    if chunk is None:
                        self._place.market_is_complete = 1
                    else:
                        self._take(chunk)
                else:
                    break
        finally:
            self._finish()
        self._check_fault()
        if progress is not None:
            progress(int(self._place.market_events))
        return self._outcome(time.perf_counter() - started)

    def _take(self, chunk: Bytes) -> None:
        self._market = chunk
        self._place.market_index = 0
        self._place.market_count = len(chunk) // EVENT_BYTES
        self._place.quiet_until = 0
        self._ahead = None

    def _advance(self) -> int:
        if self._host is not None and self._signals_view.count == self._place.signals_told:
            self._ask_ahead(self._host)
        return self._loop.run(
            self.state,
            self._exchange,
            self._memory,
            self._loop_bytes,
            self._market,
            self._signals,
            self._buffer.events,
            self._buffer.decisions,
            self._outbox,
            self._on_event,
        )

    def _ask_ahead(self, host: PythonHost) -> None:
        """Show Python strategies what comes while nothing can be filled, so that the loop need not stop for it."""
        place = self._place
        first, end = int(place.market_index), int(place.market_count)
        if first < place.quiet_until or first == end or not self._exchange_is_idle():
            return
        if place.timer_interval_ns:
            times = self._market.view(EVENT)["ts_ns"][first:end]
            end = first + int(np.searchsorted(times, place.timer_next_ns, side="left"))
        spoke_at, signals = host.ask_ahead(self._market, first, end)
        place.quiet_until = spoke_at
        self._ahead = (spoke_at, signals) if spoke_at < end else None

    def _exchange_is_idle(self) -> bool:
        """Whether nothing at the exchange could be filled or is on its way."""
        exchange = self._exchange_view
        return bool(exchange.live_orders == 0 and exchange.arrival_count == 0 and exchange.report_count == 0)

    def _ask(self) -> None:
        """The loop stopped after an event that the strategies must see: show it, and pass on what they say."""
        assert self._host is not None
        last = int(self._place.events) - 1
        if self._ahead is not None and self._ahead[0] == int(self._place.market_index) - 1:
            signals = self._ahead[1]
            self._ahead = None
        else:
            event = self._buffer.events[last * EVENT_BYTES : (last + 1) * EVENT_BYTES]
            signals = self._host.ask(event, int(event[_KIND_BYTE]), int(self._place.owner))
        self._say(signals)

    def _say(self, signals: Sequence[Numbered]) -> None:
        hashes = []
        for offset, (number, signal) in enumerate(signals):
            if not signal.rationale:
                hashes.append(0)
                continue
            document = TextDocument(text=signal.rationale, author=f"strategy {number}")
            self._documents[int(self._view.seq) + 1 + offset] = document
            hashes.append(document_hash(document))
        write_signals(self._signals, signals, hashes)
        self._place.signals_told = 0

    def _hand_over(self) -> None:
        events, decisions = int(self._place.events), int(self._place.decisions)
        if events == 0:
            return
        last_seq = self._recorder.recorded + events
        documents = {seq: self._documents.pop(seq) for seq in sorted(self._documents) if seq <= last_seq}
        extra = {"strategies": self._memory.tobytes()} if self._host is None else {}
        self._recorder.record(self._buffer, events, decisions, self.state, extra, documents)
        self._buffer = self._recorder.next_buffer()
        self._place.events = 0
        self._place.decisions = 0

    def _finish(self) -> None:
        self._hand_over()
        self._recorder.close()

    def _check_fault(self) -> None:
        if self._exchange_view.fault:
            fault = ExchangeFault(int(self._exchange_view.fault)).name
            raise EngineStopped(f"the simulated exchange stopped: {fault}; the tape up to there is kept")
        if self._view.fault:
            reason = Reason(int(self._view.fault)).name
            raise EngineStopped(f"the engine stopped at event {int(self._view.fault_seq)}: {reason}; its tape is kept")

    def _outcome(self, wall_s: float) -> Outcome:
        place = self._place
        return Outcome(
            events=self._recorder.recorded,
            market_events=int(place.market_events),
            signals=int(place.signals),
            orders=int(place.orders),
            fills=int(self._view.fills),
            wall_s=wall_s,
            last_ts_ns=int(self._view.ts_ns),
            state=self.state,
            state_digest=state_digest(self.state).hex(),
            command_digest=self._recorder.command_digest,
        )


assert EVENT.fields is not None
_KIND_BYTE = EVENT.fields["kind"][1]
