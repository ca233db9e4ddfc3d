"""From the loop's buffers to the journal: blocks are hashed and committed by a thread while the loop goes on."""

import queue
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from adapters.journal import BlockBuffer, Document, JournalWriter, Snapshot
from adapters.version import engine_version
from engine.records import DECISION_BYTES

Bytes = NDArray[np.uint8]

_BUFFERS = 3
# Room for decisions beside what one step may decide at once; a block that has more is ended early.
_DECISIONS_IN_A_BLOCK = 16_384


@dataclass(slots=True)
class _Block:
    buffer: BlockBuffer
    events: int
    decisions: int
    state_digest: bytes
    documents: Mapping[int, Document]
    snapshot: Snapshot | None


@dataclass(slots=True)
class Recorder:
    """Takes full blocks from the loop, keeps the digest of all decisions, and writes to a journal if there is one."""

    journal: JournalWriter | None
    block_events: int
    outbox_items: int
    layout: Mapping[str, int]
    snapshot_every_events: int = 0
    _free: "queue.Queue[BlockBuffer]" = field(default_factory=queue.Queue)
    _full: "queue.Queue[_Block | None]" = field(default_factory=queue.Queue)
    _failure: BaseException | None = None
    _thread: threading.Thread | None = None
    _commands: blake3 = field(default_factory=blake3)
    _recorded: int = 0
    _since_snapshot: int = 0

    def __post_init__(self) -> None:
        for _ in range(_BUFFERS if self.journal else 1):
            self._free.put(BlockBuffer(self.block_events, _DECISIONS_IN_A_BLOCK + self.outbox_items))
        if self.journal:
            self._thread = threading.Thread(target=self._write_blocks, name="journal-writer", daemon=True)
            self._thread.start()

    @property
    def recorded(self) -> int:
        """How many events have been handed over."""
        return self._recorded

    @property
    def command_digest(self) -> str:
        """The hash of every decision so far, in order; complete after `close`."""
        return self._commands.hexdigest()

    def next_buffer(self) -> BlockBuffer:
        """A buffer to fill; waits for the writer where it has fallen behind."""
        self._raise_failure()
        buffer = self._free.get()
        self._raise_failure()
        return buffer

    def record(
        self,
        buffer: BlockBuffer,
        events: int,
        decisions: int,
        state: Bytes,
        extra: Mapping[str, bytes],
        documents: Mapping[int, Document],
    ) -> None:
        """Hand over a block; `state` and `extra` are as they are after it. The buffer is the recorder's now."""
        self._recorded += events
        self._since_snapshot += events
        if self.journal is None:
            self._commands.update(buffer.decisions[: decisions * DECISION_BYTES].data)
            self._free.put(buffer)
            return
        digest = state_digest(state)
        snapshot = None
        if self.snapshot_every_events and self._since_snapshot >= self.snapshot_every_events:
            self._since_snapshot = 0
            snapshot = Snapshot(
                seq=self._recorded,
                state=state.tobytes(),
                state_digest=digest,
                layout=dict(self.layout),
                engine_version=engine_version(),
                extra=dict(extra),
            )
        self._full.put(_Block(buffer, events, decisions, digest, documents, snapshot))

    def close(self) -> None:
        """Wait until everything handed over is committed; raises what the writer ran into."""
        if self._thread is not None:
            self._full.put(None)
            self._thread.join()
            self._thread = None
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _write_blocks(self) -> None:
        while (block := self._full.get()) is not None:
            if self._failure is None:
                try:
                    self._write(block)
                except BaseException as failure:  # the loop must hear of it, whatever it is
                    self._failure = failure
            self._free.put(block.buffer)

    def _write(self, block: _Block) -> None:
        assert self.journal is not None
        self._commands.update(block.buffer.decisions[: block.decisions * DECISION_BYTES].data)
        self.journal.append_buffer(block.buffer, block.events, block.decisions, block.state_digest, block.documents)
        if block.snapshot is not None:
            self.journal.save_snapshot(block.snapshot)


def state_digest(state: Bytes) -> bytes:
    """The hash of a state's bytes."""
    return blake3(state.data).digest()
