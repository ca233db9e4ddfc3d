"""The benchmarks of the live daemon, against a venue in a process of its own: how much it can take, and how late it is.

Load: quotes of many instruments at a steady rate, journal on. The exchange numbers its quotes; that each number is on
the tape once shows that nothing was lost or doubled.
Latency: from the moment at which a quote was read from its socket to the one at which the command that it caused was
handed to the exchange's client. The fsync between them is left out: the journal is written at each commit as always,
and left to the system to bring to the disk.
"""

import asyncio
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import load_configuration
from adapters.errors import UserError
from adapters.exchanges import connect
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Connection, Exchange, OrderQuestion
from adapters.journal import Durability, read_journal
from adapters.venue.load import serve_load
from engine.kinds import EventKind
from engine.records import QUOTE
from engine.state import Limits
from replay.ahead import blocks_ahead
from replay.bench_turns import INSTRUMENTS_MAX
from replay.live import Daemon
from replay.live_setup import Sending, open_daemon
from replay.memory import anonymous_rss_mib

LOAD_RATE = 50_000
LATENCY_RATE = 5_000
_LIMITS = Limits(instruments=INSTRUMENTS_MAX)
# A venue of Binance's takes 300 orders in ten seconds.
_ORDERS_PER_S = 15
_KEYS = "TAPEFOLD_BENCH"
_LOOK_EVERY_S = 0.05
_MEMORY_EVERY_S = 1.0
_QUIET_S = 0.25
_HISTOGRAM_US = (50, 75, 100, 150, 200, 300, 500, 750, 1_000, 2_000, 5_000, 10_000)

_VENUE = """
[run]
name = "bench-live"

[[accounts]]
name = "bench"
kind = "margin"
currency = "USDT"
balance = "10000000"

[[strategies]]
name = "turns"
form = "compiled"
entry = "replay.bench_turns"
[strategies.parameters]
every = {every}
"""

_INSTRUMENT = """
[[instruments]]
symbol = "C{number:03}/USDT:USDT"
account = "bench"
kind = "linear"
tick_size = "0.1"
lot_size = "0.001"
maker_fee_bps = 2
taker_fee_bps = 5
margin_initial = "0.05"
order_quantity = "0.001"
"""

_LIVE = """
[live]
[[live.connections]]
account = "bench"
exchange = "binanceusdm"
endpoint = "{endpoint}"
keys_env = "{keys}"
streams = ["quotes"]
"""


@dataclass(slots=True)
class _Run:
    """What was seen while the daemon ran. Times are of `time.time_ns`."""

    sent: int = 0
    behind_s: float = 0.0
    batches: int = 0
    cpu_s: float = 0.0
    memory_mib: list[float] = field(default_factory=list)
    # What was read from sockets: when, and the last quote's number in it.
    reads: list[tuple[int, int]] = field(default_factory=list)
    # The number of the event that caused a command, and when the command was handed to the client.
    handed: list[tuple[int, int]] = field(default_factory=list)


class _Timed:
    """An exchange that notes when it is given a command."""

    def __init__(self, exchange: Exchange, handed: list[tuple[int, int]]) -> None:
        self._exchange = exchange
        self._handed = handed

    async def open(self) -> None:
        await self._exchange.open()

    def send(self, command: Command) -> Coroutine[Any, Any, None]:
        self._handed.append((command.seq, time.time_ns()))
        return self._exchange.send(command)

    def send_all(self, commands: Sequence[Command]) -> Coroutine[Any, Any, None]:
        now_ns = time.time_ns()
        self._handed.extend((command.seq, now_ns) for command in commands)
        return self._exchange.send_all(commands)

    async def ask(self, orders: Sequence[OrderQuestion], since_ns: int) -> bool:
        return await self._exchange.ask(orders, since_ns)

    async def stand_down(self) -> bool:
        return await self._exchange.stand_down()

    async def close(self) -> None:
        await self._exchange.close()


def run_live_load(rate: int, seconds: float, instruments: int, keep: Path | None = None) -> dict[str, Any]:
    """Take so many quotes a second; `keep` names a folder for the journal, which then stays."""
    with _folder(keep) as folder:
        run = _run(folder, rate, seconds, instruments, Durability.EVERY_COMMIT, rate)
        taken, doubled, last_ns, first_ns, events = _quotes_on_tape(folder, run.sent)
    took_s = (last_ns - first_ns) / 1e9
    return {
        "asked_quotes_per_s": rate,
        "instruments": instruments,
        "sent": run.sent,
        "on_tape": taken,
        "lost": run.sent - taken,
        "doubled": doubled,
        "quotes_per_s": round(taken / took_s) if took_s > 0 else 0,
        "venue_behind_s": round(run.behind_s, 3),
        "daemon_cpu_us_per_quote": round(run.cpu_s / run.sent * 1e6, 1),
        "batches": run.batches,
        "commands": len(run.handed),
        "events": events,
        "memory_first_mib": run.memory_mib[0],
        "memory_last_mib": run.memory_mib[-1],
    }


def run_live_latency(rate: int, seconds: float, instruments: int) -> dict[str, Any]:
    """How late commands are at so many quotes a second, in microseconds. Raises UserError where there were none."""
    with _folder(None) as folder, _reads_noted() as reads:
        run = _run(folder, rate, seconds, instruments, Durability.ON_CLOSE, max(rate // _ORDERS_PER_S, 1))
        run.reads = reads
        if not run.handed:
            raise UserError("no quote caused a command: expected a longer run")
        latencies_us = _latencies_us(folder, run)
    edges = (0, *_HISTOGRAM_US, np.inf)
    counts = np.histogram(latencies_us, edges)[0].tolist()
    names = [f"to {edge}" for edge in _HISTOGRAM_US] + ["above"]
    figures = {f"p{share}_us": round(float(np.percentile(latencies_us, share)), 1) for share in (50, 90, 99)}
    return {
        "asked_quotes_per_s": rate,
        "instruments": instruments,
        "sent": run.sent,
        "commands": len(latencies_us),
        **figures,
        "max_us": round(float(latencies_us.max()), 1),
        "histogram_us": {name: count for name, count in zip(names, counts, strict=True) if count},
        "venue_behind_s": round(run.behind_s, 3),
    }


def _run(folder: Path, rate: int, seconds: float, instruments: int, durability: Durability, every: int) -> _Run:
    venue_text = _VENUE.format(every=every) + "".join(_INSTRUMENT.format(number=n) for n in range(instruments))
    (folder / "venue.toml").write_text(venue_text, encoding="utf-8")
    context = multiprocessing.get_context("spawn")
    pipe, theirs = context.Pipe()
    venue = context.Process(target=serve_load, args=(folder / "venue.toml", rate, seconds, theirs), daemon=True)
    with _apart(venue):
        address, (key, secret) = pipe.recv()
        live_text = venue_text + _LIVE.format(endpoint=address, keys=_KEYS)
        (folder / "live.toml").write_text(live_text, encoding="utf-8")
        os.environ |= {f"{_KEYS}_KEY": key, f"{_KEYS}_SECRET": secret}
        return _drive(folder, pipe, durability)


@contextmanager
def _apart(venue: "multiprocessing.process.BaseProcess") -> Iterator[None]:
    """The venue on a processor of its own where there are two, so that the scheduler does not mix them."""
    processors = sorted(os.sched_getaffinity(0))
    try:
        if len(processors) > 1:
            os.sched_setaffinity(0, processors[-1:])
        venue.start()
        if len(processors) > 1:
            os.sched_setaffinity(0, processors[:-1])
        yield
    finally:
        os.sched_setaffinity(0, processors)
        if venue.pid is not None:
            venue.kill()
            venue.join()


def _drive(folder: Path, pipe: Pipe, durability: Durability) -> _Run:
    import uvloop

    run = _Run()

    def make(connection: Connection, inbox: Inbox) -> Exchange:
        return _Timed(connect(connection, inbox), run.handed)

    with ExitStack() as opened:
        configuration = load_configuration(folder / "live.toml")
        daemon, _ = open_daemon(
            configuration, folder / "tape", Sending.LIVE, make, opened, _LIMITS, durability=durability
        )
        uvloop.run(_measure(daemon, pipe, run))
    return run


async def _measure(daemon: Daemon, pipe: Pipe, run: _Run) -> None:
    running = asyncio.create_task(daemon.run())
    while not daemon.ready and not running.done():
        await asyncio.sleep(_LOOK_EVERY_S)
    pipe.send("begin")
    began_cpu_s = time.process_time()
    due_s = time.monotonic()
    while not pipe.poll() and not running.done():
        if time.monotonic() >= due_s:
            run.memory_mib.append(anonymous_rss_mib())
            due_s += _MEMORY_EVERY_S
        await asyncio.sleep(_LOOK_EVERY_S)
    if not running.done():
        run.sent, run.behind_s = pipe.recv()
    # What is still on its way.
    seq = -1
    while seq != daemon.session.row.seq and not running.done():
        seq = daemon.session.row.seq
        await asyncio.sleep(_QUIET_S)
    run.cpu_s = time.process_time() - began_cpu_s
    run.memory_mib.append(anonymous_rss_mib())
    run.batches = daemon.batches
    daemon.stop()
    await running


def _quotes_on_tape(folder: Path, sent: int) -> tuple[int, int, int, int, int]:
    """How many of the sent quotes are there, how many more than once, times of the last and the first, all events."""
    seen = np.zeros(sent + 1, np.uint8)
    first_ns = last_ns = events = 0
    for quotes, _, count in _quotes(folder):
        events += count
        if len(quotes):
            np.add.at(seen, quotes["exchange_sequence"], 1)
            first_ns = first_ns or int(quotes["ts_ns"][0])
            last_ns = int(quotes["ts_ns"][-1])
    return int(np.count_nonzero(seen[1:])), int(np.count_nonzero(seen[1:] > 1)), last_ns, first_ns, events


def _quotes(folder: Path) -> Iterator[tuple[NDArray[Any], NDArray[np.int64], int]]:
    """Block by block the quotes, their numbers on the tape, and how many events there are."""
    with read_journal(folder / "tape") as reader:
        for block in blocks_ahead(reader):
            rows = block.events.view(QUOTE)
            places = np.flatnonzero(rows["kind"] == EventKind.QUOTE)
            yield rows[places], places + block.first_seq, len(rows)


def _latencies_us(folder: Path, run: _Run) -> NDArray[np.float64]:
    """For each command from the reading of the quote before it on the tape: a signal comes right behind its quote."""
    blocks = [(seqs, quotes["exchange_sequence"].copy()) for quotes, seqs, _ in _quotes(folder)]
    seqs, numbers = (np.concatenate(column) for column in zip(*blocks, strict=True))
    caused_by, handed_ns = (np.array(column) for column in zip(*run.handed, strict=True))
    read_ns, last_numbers = (np.array(column) for column in zip(*run.reads, strict=True))
    quote = numbers[np.searchsorted(seqs, caused_by, side="right") - 1]
    latencies: NDArray[np.float64] = (handed_ns - read_ns[np.searchsorted(last_numbers, quote)]) / 1_000
    return latencies


@contextmanager
def _reads_noted() -> Iterator[list[tuple[int, int]]]:
    """When bytes came from sockets, and the last quote in them: the library's own door is the only place to see it."""
    from aiohttp.client_proto import ResponseHandler

    reads: list[tuple[int, int]] = []
    original = ResponseHandler.data_received

    def noted(self: ResponseHandler, data: bytes) -> None:
        now_ns = time.time_ns()
        place = data.rfind(b'"u":')
        if place >= 0:
            digits = data[place + 4 : place + 20].partition(b",")[0]
            reads.append((now_ns, int(digits or 0)))
        original(self, data)

    ResponseHandler.data_received = noted  # type: ignore[method-assign]
    try:
        yield reads
    finally:
        ResponseHandler.data_received = original  # type: ignore[method-assign]


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="tapefold-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
