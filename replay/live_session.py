"""The engine of the live daemon: batches of events through the one loop, onto the tape, and then the commands.

Nothing leaves before it is on the tape: `take` folds, `flush` appends and commits, and only what `flush` returns may
be sent. A restart is the same loop over the tape's own events (`Gateway.RECORDED`), so that strategies come back too.
"""

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.errors import UserError
from adapters.exchanges.port import Command
from adapters.journal import (
    NO_STATE_DIGEST,
    Block,
    BlockBuffer,
    Document,
    JournalReader,
    JournalWriter,
    Snapshot,
    TextDocument,
)
from adapters.journal.documents import document_hash
from adapters.simulated import ExchangeFault
from adapters.strategies.compiled import Binding
from adapters.strategies.interface import SIGNALS, SIGNALS_PER_EVENT_MAX
from adapters.strategies.python_host import Numbered, PythonHost, write_signals
from adapters.version import engine_version
from engine.entry import Engine
from engine.jit import INTERPRETED
from engine.kinds import DecisionKind, EventKind, OrderFlag
from engine.reasons import Reason
from engine.records import COMMAND, CONFIGURATION, DECISION_BYTES, EVENT, EVENT_BYTES
from replay.ahead import blocks_ahead
from replay.loop import LOOP, Gateway, Loop, Status, StrategyForm
from replay.played_again import Comparison, inputs_of
from replay.recorded import Recorded
from replay.recorder import state_digest
from replay.rows import IntRow
from replay.session import EngineStopped

Bytes = NDArray[np.uint8]
# Told of each block that is durable: the number of its first event, its events and decisions, the reasons by number of
# stated events that were not applied, how long the commit took.
Written = Callable[[int, Bytes, Bytes, Mapping[int, int], float], None]

# A block of a live tape has at most so many events and decisions.
_EVENTS_MAX = 8_192
_DECISIONS_MAX = 8_192
# Hashing the state takes longer than all else of a small block: it is stated at most so often.
_DIGEST_EVERY_S = 1.0
_REHEARSED_EVENTS_MAX = 64

assert EVENT.fields is not None and COMMAND.fields is not None
_KIND_BYTE = EVENT.fields["kind"][1]
_DECISION_KIND_BYTE = COMMAND.fields["kind"][1]
# A decision's fields as plain numbers: a numpy record takes several times as long.
_LETTERS = {"|u1": "B", "<u2": "H", "<i8": "q"}
_COMMAND = struct.Struct("<" + "".join(_LETTERS[at[0].str] for at in COMMAND.fields.values()))
assert COMMAND.names == Command._fields and _COMMAND.size == DECISION_BYTES
# Looked up once: an enumeration's member takes a microsecond.
_LAST_COMMAND, _HELD = int(DecisionKind.RELEASE_ORDER), int(OrderFlag.HELD_BY_ENGINE)


@dataclass(frozen=True, slots=True)
class Recovered:
    """What going through a tape again came to."""

    events: int
    last_ts_ns: int
    divergences: int
    diverged_seq: int


class LiveSession:
    """Folds batches and keeps what belongs on the tape until `flush`.

    `exchange` are the bytes of a simulated exchange where commands go to one (paper), else it is not asked.
    """

    def __init__(
        self, engine: Engine, loop: Loop, exchange: Bytes, binding: Binding, host: PythonHost | None, gateway: Gateway
    ) -> None:
        self.engine = engine
        self.state = engine.new_state()
        self.row = IntRow(self.state, engine.layout)
        self._gateway = gateway
        self._loop = loop
        self._exchange = exchange
        self._exchange_row = IntRow(exchange, loop.exchange_layout)
        self._binding = binding
        self._host = host
        self._outbox = engine.new_outbox()
        self._signals = np.zeros(SIGNALS.itemsize, dtype=np.uint8)
        self._signals_row = IntRow(self._signals, SIGNALS)
        self._loop_bytes = loop.new_loop()
        self._place = IntRow(self._loop_bytes, LOOP)
        self._place.strategy_form = StrategyForm.COMPILED if host is None else StrategyForm.PYTHON
        self._place.shown_kinds = binding.shown_kinds if host is None else host.shown_kinds
        self._place.gateway = gateway
        self._buffer = BlockBuffer(_EVENTS_MAX, _DECISIONS_MAX + loop.outbox_items)
        self._documents: dict[int, Document] = {}
        # Of events that are not in a block yet, by their hash.
        self._unnumbered: dict[int, Document] = {}
        self._journal: JournalWriter | None = None
        self._digest_due_s = 0.0
        self._refused: dict[int, int] = {}
        self.written: Written | None = None
        # The block that `written` is still to be told of: its events and decisions, how long the commit took.
        self._untold: tuple[int, int, float] | None = None
        self._market = np.zeros(0, dtype=np.uint8)
        self._on_event = binding.on_event if INTERPRETED else binding.on_event.address

    def warm_up(self) -> None:
        """Load or compile the loop, which takes less than a minute once, before there is anything to miss."""
        self._give(np.zeros(0, np.uint8))
        self._advance()

    # Coming back

    def recover(
        self, reader: JournalReader, progress: Callable[[int], None] | None = None, from_start: bool = False
    ) -> Recovered:
        """Go through the tape: the state as it was, and strategies that have seen it all. Nothing is sent.

        What strategies say is compared with what they said; a difference is counted and not told. Compiled ones come
        back with the newest snapshot, Python ones are shown the whole tape. A simulated exchange gets all that came
        from outside once more, and what comes of it must be the tape. Raises Divergence where it, or the fold, comes
        to something else.
        """
        simulated = self._gateway == Gateway.SIMULATED
        self._place.gateway = Gateway.SIMULATED if simulated else Gateway.RECORDED
        first_seq = 1 if simulated or from_start else self._from_snapshot(reader) + 1
        made, recorded = Comparison(), Recorded(reader, self.engine)
        for block in blocks_ahead(reader, first_seq) if reader.last_seq >= first_seq else ():
            if simulated:
                self._play_again(block, made)
            else:
                self._go_through(block, recorded)
            if progress is not None:
                progress(block.last_seq)
        made.end()
        recovered = Recovered(self.row.seq, self.row.ts_ns, self._place.divergences, self._place.diverged_seq)
        self._signals_row.count = 0
        self._place.signals_told = 0
        self._place.gateway = self._gateway
        return recovered

    def _from_snapshot(self, reader: JournalReader) -> int:
        """Take over the newest snapshot of this very engine; up to which event it leads, 0 where there is none."""
        snapshot = reader.snapshot_before(reader.last_seq) if self._host is None else None
        if snapshot is None or snapshot.engine_version != engine_version() or len(snapshot.state) != len(self.state):
            return 0
        memory = snapshot.extra.get("strategies", b"")
        if len(memory) != len(self._binding.memory):
            return 0
        self.state[:] = np.frombuffer(snapshot.state, np.uint8)
        self._binding.memory[:] = np.frombuffer(memory, np.uint8)
        return snapshot.seq

    def _go_through(self, block: Block, recorded: Recorded) -> None:
        decided: list[bytes] = []
        self._give(block.events)
        while (status := self._advance()) != Status.NEEDS_MARKET:
            if status == Status.STRATEGY_IS_ASKED:
                self._ask(recorded=True)
            elif status == Status.BLOCK_IS_FULL:
                decided.append(self._forget())
            else:
                self._stop(status)
        decided.append(self._forget())
        recorded.compare(block, recorded.as_recorded(b"".join(decided)), self.state)

    def _play_again(self, block: Block, made: Comparison) -> None:
        """Give strategies and the simulated exchange once more what came from outside."""
        self._give(inputs_of(block.events))
        while (status := self._advance()) != Status.NEEDS_MARKET:
            if status == Status.STRATEGY_IS_ASKED:
                self._ask(recorded=True)
            elif status == Status.STRATEGY_MAY_LOOK_AHEAD:
                self._look_at_one()
            elif status == Status.BLOCK_IS_FULL:
                self._hand_to(made)
            else:
                self._stop(status)
        self._hand_to(made)
        made.compare(block)

    def _hand_to(self, made: Comparison) -> None:
        events = self._buffer.events[: self._place.events * EVENT_BYTES].tobytes()
        made.add(events, self._forget())

    def _forget(self) -> bytes:
        """Empty the buffer of what is on the tape already; what was decided."""
        decided = self._buffer.decisions[: self._place.decisions * DECISION_BYTES].tobytes()
        self._place.events = 0
        self._place.decisions = 0
        return decided

    # Going on

    def attach(self, journal: JournalWriter) -> None:
        """The journal that everything from here on is appended to; it must end where the state stands."""
        assert journal.next_seq == self.row.seq + 1, "the state is that of the tape's end"
        self._journal = journal

    def take(self, events: Bytes, documents: Mapping[int, Document]) -> list[Command]:
        """Fold a batch; `documents` by place in it. Returns the commands of blocks that were flushed on the way."""
        commands: list[Command] = []
        first = 0
        for place in sorted(documents):
            commands += self._run(events[first * EVENT_BYTES : place * EVENT_BYTES])
            self._unnumbered[document_hash(documents[place])] = documents[place]
            commands += self._run(events[place * EVENT_BYTES : (place + 1) * EVENT_BYTES])
            self._note_refused()
            first = place + 1
        return commands + self._run(events[first * EVENT_BYTES :])

    @property
    def has_commands(self) -> bool:
        """Whether something waits for `flush` that is to be sent."""
        decisions = self._place.decisions
        if decisions == 0:
            return False
        kinds = self._buffer.decisions.data[_DECISION_KIND_BYTE : decisions * DECISION_BYTES : DECISION_BYTES]
        return min(bytes(kinds)) <= _LAST_COMMAND

    @property
    def unwritten_events(self) -> int:
        return self._place.events

    def flush(self, with_digest: bool = False) -> list[Command]:
        """Append what was folded and commit it; the commands that may be sent now, in order.

        The block states the state's digest where asked to (a snapshot needs it), and now and then where nothing
        waits to be sent. Who hears of durable blocks hears of it in `tell`.
        """
        assert self._journal is not None, "a journal is attached before anything is taken"
        events, decisions = self._place.events, self._place.decisions
        if events == 0:
            return []
        commands = self._commands(decisions)
        self._number_documents(events)
        documents, self._documents = self._documents, {}
        digest = NO_STATE_DIGEST
        if with_digest or (not commands and time.monotonic() >= self._digest_due_s):
            digest = state_digest(self.state)
            self._digest_due_s = time.monotonic() + _DIGEST_EVERY_S
        started = time.perf_counter()
        self._journal.append_buffer(self._buffer, events, decisions, digest, documents)
        if self.written is not None:
            self._note_refused()
            self._untold = events, decisions, time.perf_counter() - started
        self._place.events = 0
        self._place.decisions = 0
        return commands

    def rehearse(self) -> None:
        """Go the way of `flush` up to the commit with what lies in the buffer. Nothing comes of it."""
        assert self._journal is not None, "a journal is attached before anything is taken"
        self._commands(1)
        self._journal.rehearse(self._buffer, min(max(self._place.events, 1), _REHEARSED_EVENTS_MAX), 0)

    def _number_documents(self, events: int) -> None:
        """Signals and the simulated exchange's reports come between: which number an event has is seen at its place."""
        if not self._unnumbered:
            return
        rows = self._buffer.events[: events * EVENT_BYTES].view(CONFIGURATION)
        stated = (rows["kind"] > EventKind.ORDER_TRIGGERED) & (rows["kind"] <= EventKind.OPERATOR_COMMAND)
        first_seq, found = self.row.seq - events + 1, set()
        for place in np.flatnonzero(stated).tolist():
            number = int(rows["document_hash"][place])
            if number in self._unnumbered:
                self._documents[first_seq + place] = self._unnumbered[number]
                found.add(number)
        for number in found:
            del self._unnumbered[number]

    def _note_refused(self) -> None:
        """Keep why the event that was refused last was not applied."""
        if self.written is not None and self.row.last_refused_seq:
            self._refused[self.row.last_refused_seq] = self.row.last_refused_reason

    def tell(self) -> None:
        """Tell `written` of the block that was committed last. It is there until something is folded again."""
        if self._untold is None or self.written is None:
            return
        (events, decisions, append_s), self._untold = self._untold, None
        refused, self._refused = self._refused, {}
        self.written(self.row.seq - events + 1, *self._buffer.block(events, decisions), refused, append_s)

    def end(self, events: Bytes, documents: Mapping[int, Document]) -> None:
        """Fold what came last, and what a strategy's failure left of the batch before; then close.

        Strategies are not asked any more where one failed. After a fault of the engine nothing is folded.
        """
        if self.row.fault == 0 and self._exchange_row.fault == 0:
            self._go_on()
            self.take(events, documents)
        self.close()

    def close(self) -> None:
        """Flush with the state's digest. What was still to be sent is not: the tape has it, and a restart asks."""
        self.flush(with_digest=True)

    def snapshot(self, layout: Mapping[str, int]) -> Snapshot:
        """The state after the last flushed event, with the memory of compiled strategies."""
        extra = {"strategies": self._binding.memory.tobytes()} if self._host is None else {}
        return Snapshot(
            seq=self.row.seq,
            state=self.state.tobytes(),
            state_digest=state_digest(self.state),
            layout=dict(layout),
            engine_version=engine_version(),
            extra=extra,
        )

    def _run(self, events: Bytes) -> list[Command]:
        self._give(events)
        return self._go_on()

    def _go_on(self) -> list[Command]:
        commands: list[Command] = []
        self.tell()
        while (status := self._advance()) != Status.NEEDS_MARKET:
            if status == Status.STRATEGY_IS_ASKED:
                self._ask(recorded=False)
            elif status == Status.STRATEGY_MAY_LOOK_AHEAD:
                self._look_at_one()
            elif status == Status.BLOCK_IS_FULL:
                commands += self.flush()
                self.tell()
            else:
                self._stop(status)
        return commands

    def _give(self, events: Bytes) -> None:
        self._market = events
        self._place.market_index = 0
        self._place.market_count = len(events) // EVENT_BYTES
        self._place.shown_until = 0
        self._place.spoke_at = -1

    def _look_at_one(self) -> None:
        """Nothing is known of what comes: the strategies are asked at the next record, when it is its turn."""
        self._place.shown_until = self._place.market_index + 1
        self._place.spoke_at = self._place.market_index

    def _advance(self) -> int:
        return self._loop.run(
            self.state,
            self._exchange,
            self._binding.memory,
            self._loop_bytes,
            self._market,
            self._signals,
            self._buffer.events,
            self._buffer.decisions,
            self._outbox,
            self._on_event,
        )

    def _ask(self, recorded: bool) -> None:
        assert self._host is not None
        last = self._place.events - 1
        event = self._buffer.events[last * EVENT_BYTES : (last + 1) * EVENT_BYTES]
        try:
            said = self._host.ask(event, int(event[_KIND_BYTE]), self._place.owner)
            rationales = _rationales(said)
            hashes = [0 if document is None else document_hash(document) for document in rationales]
            write_signals(self._signals, said, hashes, self._host.names)
        except BaseException:
            self._silence()
            raise
        self._place.signals_told = 0
        if not recorded:
            next_seq = self.row.seq + 1
            self._documents |= {
                next_seq + at: document for at, document in enumerate(rationales) if document is not None
            }

    def _silence(self) -> None:
        """Ask no strategy any more, and forget what was said but not told."""
        self._place.shown_kinds = 0
        self._place.signals_told = 0
        self._signals_row.count = 0

    def _commands(self, decisions: int) -> list[Command]:
        """What is to be sent, of the decisions in the buffer."""
        if self._gateway != Gateway.OUTSIDE or decisions == 0:
            return []
        rows = _COMMAND.iter_unpack(self._buffer.decisions[: decisions * DECISION_BYTES].data)
        commands = [command for command in map(Command._make, rows) if command.kind <= _LAST_COMMAND]
        return [command for command in commands if not command.order_flags & _HELD]

    def _stop(self, status: int) -> None:
        if status == Status.TOO_MANY_SIGNALS:
            count = self._signals_row.count
            self._silence()
            raise UserError(
                f"a strategy made {count} signals on the event of ts_ns {self.row.ts_ns}, "
                f"expected at most {SIGNALS_PER_EVENT_MAX}"
            )
        assert status == Status.FAULT, f"the loop returned {status}"
        if self._exchange_row.fault:
            fault = ExchangeFault(self._exchange_row.fault).name
            raise EngineStopped(f"the simulated exchange stopped: {fault}; the tape up to there is kept")
        raise EngineStopped(
            f"the engine stopped at event {self.row.fault_seq}: {Reason(self.row.fault).name}; its tape is kept"
        )


def _rationales(said: Sequence[Numbered]) -> list[TextDocument | None]:
    """What strategies say in words."""
    return [
        TextDocument(text=signal.rationale, author=f"strategy {number}") if signal.rationale else None
        for number, signal in said
    ]
