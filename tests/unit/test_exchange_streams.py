"""Streams come back, say when they were gone, and end when they are told to."""

import asyncio
import time

from adapters.exchanges.inbox import Inbox
from adapters.exchanges.streams import Stream, Streams
from engine.kinds import EventKind, RequestFailure
from engine.records import CONNECTION


class Line:
    """A connection that a test takes down."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.attempts = 0
        self.fails_first = 0
        self.end: asyncio.Future[None]

    async def watch(self) -> None:
        self.attempts += 1
        if self.attempts <= self.fails_first:
            raise ConnectionRefusedError
        self.end = asyncio.get_running_loop().create_future()
        self._streams.came_up(Stream.QUOTES)
        await self.end


def told(inbox: Inbox) -> list[tuple[int, int, int]]:
    rows = inbox.take(100)[0].view(CONNECTION)
    return [(int(row["kind"]), int(row["stream"]), int(row["reason"])) for row in rows]


def play(scenario):
    async def run():
        inbox = Inbox(time.time_ns)
        streams = Streams(inbox, 1, seed=7)
        line = Line(streams)
        try:
            await asyncio.wait_for(scenario(inbox, streams, line), 10)
        finally:
            await streams.close()

    asyncio.run(run())


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("has not happened")


def test_the_first_connection_is_no_gap():
    async def scenario(inbox, streams, line):
        streams.start(Stream.QUOTES, line.watch)
        await streams.all_up()
        assert told(inbox) == [] and streams.reconnects == 0

    play(scenario)


def test_a_gap_is_between_two_events():
    async def scenario(inbox, streams, line):
        streams.start(Stream.QUOTES, line.watch)
        await streams.all_up()
        line.fails_first = 3
        line.attempts = 0
        line.end.set_exception(TimeoutError())
        await until(lambda: streams.reconnects == 1)
        assert line.attempts == 4
        lost, restored = told(inbox)
        assert lost == (EventKind.CONNECTION_LOST, Stream.QUOTES, RequestFailure.TIMEOUT)
        assert restored == (EventKind.CONNECTION_RESTORED, Stream.QUOTES, 0)

    play(scenario)


def test_a_connection_that_is_cancelled_under_a_stream_is_made_again():
    async def scenario(inbox, streams, line):
        streams.start(Stream.QUOTES, line.watch)
        await streams.all_up()
        line.end.cancel()
        await until(lambda: streams.reconnects == 1)
        assert [kind for kind, _, _ in told(inbox)] == [EventKind.CONNECTION_LOST, EventKind.CONNECTION_RESTORED]

    play(scenario)


def test_waits_grow_and_are_the_same_for_the_same_seed():
    def waits(seed):
        streams = Streams(Inbox(time.time_ns), 1, seed)
        streams._failures_in_a_row[Stream.QUOTES] = 0
        return [streams._backoff_s(Stream.QUOTES) for _ in range(12)]

    assert waits(1) == waits(1) != waits(2)
    assert waits(1)[0] <= 0.1 and waits(1)[-1] > 7 and max(waits(1)) <= 15


def test_close_ends_everything():
    async def scenario(inbox, streams, line):
        streams.start(Stream.QUOTES, line.watch)
        await streams.all_up()
        await streams.close()
        attempts = line.attempts
        await asyncio.sleep(0.3)
        assert line.attempts == attempts and told(inbox) == []

    play(scenario)
