"""Streams that stay: each is watched by a task of its own, which subscribes again whenever its connection is gone."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from enum import IntEnum

from adapters.exchanges.inbox import Inbox
from adapters.exchanges.transport import failure_of
from engine.kinds import EventKind, RequestFailure

_BACKOFF_FIRST_S = 0.1
_BACKOFF_MOST_S = 15.0


class Stream(IntEnum):
    """Which stream of an account a gap is of (`stream` of CONNECTION_LOST and CONNECTION_RESTORED)."""

    PRIVATE = 0
    QUOTES = 1
    TRADES = 2
    BARS = 3
    MARKS = 4


class Streams:
    """The streams of one account. `reconnects` counts how often one of them had to be made again."""

    def __init__(self, inbox: Inbox, account: int, seed: int) -> None:
        self._inbox = inbox
        self._account = account
        self._random = random.Random(seed)
        self._tasks: list[asyncio.Task[None]] = []
        self._lost_ns: dict[Stream, int] = {}
        self._up: dict[Stream, asyncio.Event] = {}
        self._attempts: dict[Stream, int] = {}
        self._failures_in_a_row: dict[Stream, int] = {}
        self.reconnects = 0

    def start(self, stream: Stream, watch: Callable[[], Awaitable[object]]) -> None:
        """Keep a stream. `watch` connects and subscribes; what it returns ends when the connection does."""
        self._up[stream] = asyncio.Event()
        self._attempts[stream] = 0
        self._failures_in_a_row[stream] = 0
        self._tasks.append(asyncio.create_task(self._keep(stream, watch), name=f"stream {stream.name}"))

    def is_up(self, stream: Stream) -> bool:
        return stream in self._up and self._up[stream].is_set()

    def attempt(self, stream: Stream) -> int:
        """Counts the connections of a stream, so that what was begun for one is not taken for another."""
        return self._attempts[stream]

    def is_back(self, stream: Stream) -> bool:
        """Whether a stream that comes up now has been up before, so that there is a gap behind it."""
        return stream in self._lost_ns

    async def all_up(self) -> None:
        """Wait until every stream is there."""
        for event in self._up.values():
            await event.wait()

    def came_up(self, stream: Stream) -> None:
        """Called by the client when the exchange has confirmed a stream, and what was missed has been asked for."""
        if self._up[stream].is_set():
            return
        self._up[stream].set()
        self._failures_in_a_row[stream] = 0
        lost_ns = self._lost_ns.pop(stream, None)
        if lost_ns is not None:
            self.reconnects += 1
            self._inbox.connection(EventKind.CONNECTION_RESTORED, self._account, stream, 0, lost_ns)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, stream: Stream, watch: Callable[[], Awaitable[object]]) -> None:
        while True:
            failure = RequestFailure.CONNECTION
            self._attempts[stream] += 1
            try:
                await watch()
            except asyncio.CancelledError:
                # Of this task, or of the future that ccxt gave: only the first is an end.
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
            except Exception as error:
                failure = failure_of(error)[0]
            self._went_down(stream, failure)
            await asyncio.sleep(self._backoff_s(stream))

    def _went_down(self, stream: Stream, failure: RequestFailure) -> None:
        if not self._up[stream].is_set():
            return
        self._up[stream].clear()
        self._inbox.connection(EventKind.CONNECTION_LOST, self._account, stream, int(failure))
        self._lost_ns[stream] = self._inbox.latest_ts_ns

    def _backoff_s(self, stream: Stream) -> float:
        """Twice as long each time, with a random part so that many clients do not come back at once."""
        most = min(_BACKOFF_MOST_S, _BACKOFF_FIRST_S * (1 << min(self._failures_in_a_row[stream], 10)))
        self._failures_in_a_row[stream] += 1
        return most * (0.5 + 0.5 * self._random.random())
