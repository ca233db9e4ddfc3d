"""The live daemon: what arrives becomes a batch, the batch goes onto the tape, and only then commands leave.

One event loop, one thread that folds. Exchanges put what they say into the inbox; the daemon takes it, folds it,
commits it, and hands the commands to the exchanges. At the start, and from time to time, it asks the exchanges what
is true there; nothing is sent before the first answers are on the tape.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Exchange, OrderQuestion
from adapters.journal import Document, JournalWriter
from adapters.operating.endpoints import LOCAL
from engine.kinds import DecisionKind, EventKind, OrderStatus
from engine.reasons import Reason
from engine.records import CONNECTION, EVENT, EVENT_BYTES, ORDER_REPORT
from replay.announced import Announced
from replay.batches import in_batches
from replay.crash_points import CrashPoints
from replay.live_session import Bytes, LiveSession
from replay.operations import Operations

log = logging.getLogger("tapefold.live")

_BATCH_EVENTS = 4_096
# Market data that caused nothing waits at most so long for its commit.
_COMMIT_WITHIN_S = 0.05
# What a commit needs is kept in the processor's caches by rehearsing it so often while events come.
_REHEARSE_EVERY_S = 0.002
# An order without an answer is asked about after so long, and then again and again.
_UNKNOWN_ASKED_EVERY_S = 2.0
_ASK_AGAIN_S = (0.5, 1.0, 2.0, 5.0)
# Exchanges' clocks are not ours: own trades are asked for from so long before the tape's end.
_TRADES_OVERLAP_NS = 60_000_000_000
_LAST_ANSWERS_WITHIN_S = 5.0
_NS_PER_MS = 1_000_000

assert EVENT.fields is not None and EVENT.fields["ts_ns"][1] == 0
_TS_BYTES = 8
_KIND_BYTE = EVENT.fields["kind"][1]
_FIRST_REPORT = int(EventKind.ORDER_SENT)
# Orders of which the exchange may know something else than the tape.
IN_DOUBT = (
    OrderStatus.PENDING,
    OrderStatus.SENT,
    OrderStatus.ACCEPTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.PENDING_CANCEL,
    OrderStatus.UNKNOWN,
)


T = TypeVar("T")
# From the reports of the exchanges (events) to the first events of a tape and their documents by sequence number.
Opening = Callable[[Bytes], tuple[Bytes, Mapping[int, Document]]]


@dataclass(slots=True)
class Daemon:
    """Runs until `stop` is called, or something is wrong that it must not trade past (then `run` raises)."""

    session: LiveSession
    journal: JournalWriter
    inbox: Inbox
    exchanges: Mapping[int, Exchange]
    reconcile_interval_s: float
    timer_interval_ns: int
    layout: Mapping[str, int]
    snapshot_every_events: int
    sends: bool = True
    # When the tape began: own trades before it are not its own.
    began_ts_ns: int = 0
    # The first events of a new tape, made from what the exchanges answered; None where a tape goes on.
    opening: Opening | None = None
    operations: Operations | None = None
    announced: Announced | None = None
    metrics_port: int | None = None
    metrics_host: str = LOCAL
    points: CrashPoints = field(default_factory=CrashPoints)
    ready: bool = False
    # How many there have been.
    batches: int = 0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _waiting: list[Command] = field(default_factory=list)
    # What was handed to the exchanges' clients and is not answered.
    _requests: set["asyncio.Task[None]"] = field(default_factory=set)
    _doubted: set[int] = field(default_factory=set)
    # Accounts whose own stream came back, and when it was lost.
    _came_back: asyncio.Queue[tuple[int, int]] = field(default_factory=asyncio.Queue)
    # Kinds and orders of what was taken and is not committed, kept where a test waits for one of them.
    _reports: list[tuple[int, int]] = field(default_factory=list)
    # When the first event of the batch arrived, and how long after that its commands were handed over.
    _batch_ts_ns: int = 0
    _handed_after_ns: int | None = None
    # Runs while something may be folded and not committed; a commit in between leaves it as it is.
    _commit_timer: asyncio.TimerHandle | None = None
    _commit_is_due: bool = False
    _snapshot_seq: int = 0
    _rehearsal_due_s: float = 0.0
    _failure: BaseException | None = None
    _broken: bool = False
    _clock_steps_told: int = 0

    def stop(self) -> None:
        """End after what has been taken; orders at the exchanges stay as they are.

        Called again, it ends without the answers that are still waited for: a restart asks for them.
        """
        if self._stopping.is_set():
            for request in self._requests:
                request.cancel()
        self._stopping.set()
        self.inbox.wake()

    async def run(self) -> None:
        """Connect, find out what is true, trade until `stop`. Raises what it must not trade past."""
        self._snapshot_seq = self.session.row.seq
        if self.opening is None:
            self.points.reach("after_replay")
        helpers: list[asyncio.Task[None]] = []
        try:
            if self.operations is not None:
                self.session.written = self.operations.written
                await self.operations.open(self.metrics_port, self.metrics_host)
            for exchange in self.exchanges.values():
                await self._unless_stopped(exchange.open())
            # What is there now stays. Python would look through all of it now and then, for some tenths of a second.
            gc.freeze()
            await self._reconcile_first()
            tasks = (
                self._tell_time(),
                self._tell_changes(),
                self._ask_again(),
                self._ask_after_gaps(),
                self._reconcile(),
            )
            helpers += [asyncio.create_task(task) for task in tasks]
            for helper in helpers:
                helper.add_done_callback(lambda _: self.inbox.wake())
            await self._trade(helpers)
        except Exception as failure:
            self._fail(failure)
        finally:
            gc.unfreeze()
            for helper in helpers:
                helper.cancel()
        await asyncio.gather(*helpers, return_exceptions=True)
        try:
            await self._end()
        except Exception as failure:
            self._fail(failure)
        if self.operations is not None:
            self._tell_operations()
            await self.operations.close()
        if self._failure is not None:
            raise self._failure

    def _fail(self, failure: BaseException) -> None:
        """Stop for a reason, the first one if there are several; nothing is sent any more."""
        self._failure = self._failure or failure
        if self.operations is not None:
            self.operations.stopped(type(self._failure).__name__)
        self._stopping.set()
        self.inbox.wake()

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What some work comes to; None where the daemon was stopped before its end."""
        working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if working.done():
            return working.result()
        working.cancel()
        await asyncio.wait((working,), timeout=_LAST_ANSWERS_WITHIN_S)
        return None

    # What is true at the exchanges

    async def _reconcile_first(self) -> None:
        """Ask until everything is answered and on the tape; market data of that time is not."""
        # The last answers on the tape may be that old, and the ones before may have failed.
        since_ns = self._since_ns(self.session.row.ts_ns - 2 * self._reconcile_interval_ns)
        for account, exchange in self.exchanges.items():
            attempt = 0
            while not await self._unless_stopped(exchange.ask(self.questions(account), since_ns)):
                if self._stopping.is_set():
                    return
                log.warning("account %d: a question has no answer, asking again", account)
                if not await self._pause(_ASK_AGAIN_S[min(attempt, len(_ASK_AGAIN_S) - 1)]):
                    return
                attempt += 1
        if self._stopping.is_set():
            return
        self.points.reach("after_questions")
        events, documents = self.inbox.take(len(self.inbox))
        kinds = events.view(EVENT)["kind"]
        kept = np.flatnonzero((kinds > EventKind.ORDER_REQUESTED) | (kinds == EventKind.FUNDING))
        evidence = np.ascontiguousarray(events.view(EVENT)[kept]).view(np.uint8)
        if self.opening is not None:
            opening, named = self.opening(evidence)
            self._waiting += self.session.take(opening, {seq - 1: document for seq, document in named.items()})
        places = {int(place): number for number, place in enumerate(kept)}
        said = {places[place]: document for place, document in documents.items() if place in places}
        self._waiting += self.session.take(evidence, said)
        # What the answers left to be done is done now, and not at the next price.
        self._mark(EventKind.CONNECTION_RESTORED)
        if self.announced is not None:
            self.announced.tell_due(self.inbox.now_ns())
        self._tell_timer()
        self._waiting += self.session.take(*self.inbox.take(len(self.inbox)))
        if self.sends:
            self._waiting += self._cancels_again()
        self.points.reach("after_evidence")
        self.ready = True
        if self.operations is not None:
            self.operations.ready()
        self._flush()
        log.info("ready at event %d: %d orders open", self.session.row.seq, self.session.row.orders_open)

    @property
    def _reconcile_interval_ns(self) -> int:
        return int(self.reconcile_interval_s * 1e9)

    def _since_ns(self, ts_ns: int) -> int:
        return max(ts_ns - _TRADES_OVERLAP_NS, self.began_ts_ns)

    def questions(self, account: int, statuses: Sequence[OrderStatus] = IN_DOUBT) -> list[OrderQuestion]:
        """The orders of an account that are of these statuses, by number."""
        orders = self.session.engine.view(self.session.state).orders
        chosen = orders[
            (orders["account"] == account) & np.isin(orders["status"], [int(status) for status in statuses])
        ]
        columns = ("order", "instrument", "order_type", "exchange_order_id", "placed_ts_ns", "filled_lots")
        rows = zip(*(chosen[name].tolist() for name in columns), strict=True)
        return sorted(OrderQuestion(*row) for row in rows)

    def _cancels_again(self) -> list[Command]:
        """Cancels that may not have left before the restart, of orders that are still open; doubled ones do no harm."""
        orders = self.session.engine.view(self.session.state).orders
        asked = orders[orders["status"] == OrderStatus.PENDING_CANCEL]
        return [
            Command(
                kind=DecisionKind.CANCEL_ORDER,
                order_type=int(row["order_type"]),
                time_in_force=int(row["time_in_force"]),
                order_flags=int(row["order_flags"]),
                instrument=int(row["instrument"]),
                account=int(row["account"]),
                strategy=int(row["strategy"]),
                seq=self.session.row.seq,
                order=int(row["order"]),
                quantity_lots=0,
                limit_ticks=0,
                trigger_ticks=0,
                trail_ticks=0,
                expire_ts_ns=0,
            )
            for row in np.sort(asked, order="order")
        ]

    async def _reconcile(self) -> None:
        while await self._pause(self.reconcile_interval_s):
            for account, exchange in self.exchanges.items():
                await self._ask(account, exchange, self.questions(account))

    async def _ask_again(self) -> None:
        """Ask about orders that have no answer."""
        while await self._pause(_UNKNOWN_ASKED_EVERY_S):
            # What is doubted while a question is under way is for the next one.
            doubted, self._doubted = self._doubted, set()
            for account, exchange in self.exchanges.items():
                unknown = set(self.questions(account, (OrderStatus.UNKNOWN,)))
                unknown |= {question for question in self.questions(account) if question.order in doubted}
                if unknown and not await self._ask(account, exchange, sorted(unknown)):
                    self._doubted |= doubted.intersection(question.order for question in unknown)

    async def _ask_after_gaps(self) -> None:
        """What happened to orders while an account's own stream was gone nobody has told."""
        while True:
            account, lost_ts_ns = await self._came_back.get()
            while not await self._ask(account, self.exchanges[account], self.questions(account), lost_ts_ns):
                if not await self._pause(_UNKNOWN_ASKED_EVERY_S):
                    return

    async def _ask(
        self, account: int, exchange: Exchange, questions: Sequence[OrderQuestion], from_ts_ns: int | None = None
    ) -> bool:
        """Own trades are asked for from a time, or from before the last answers that there may have been."""
        usual_ns = self.inbox.latest_ts_ns - 2 * self._reconcile_interval_ns
        since_ns = self._since_ns(usual_ns if from_ts_ns is None else min(usual_ns, from_ts_ns))
        answered = await exchange.ask(questions, since_ns)
        if not answered:
            log.warning("account %d: a question has no answer", account)
        return answered

    # Events and commands

    async def _trade(self, helpers: Sequence["asyncio.Task[None]"]) -> None:
        while not self._stopping.is_set():
            for helper in helpers:
                if helper.done():
                    helper.result()
            if len(self.inbox) == 0:
                self._stay_warm()
                await self.inbox.arrival()
            if len(self.inbox) != 0:
                self._take_batch()
            if self._commit_is_due:
                self._flush()
            # Whoever reads sockets and sends commands is let in between two batches.
            await asyncio.sleep(0)
            self._tell_operations()

    def _stay_warm(self) -> None:
        """Go the way of a commit in vain: code and data that were not used for milliseconds are in no cache."""
        now_s = time.monotonic()
        if now_s >= self._rehearsal_due_s:
            self._rehearsal_due_s = now_s + _REHEARSE_EVERY_S
            self.session.rehearse()

    def _tell_operations(self) -> None:
        """Metrics, operators and the log come after the commands."""
        self._tell_clock()
        self.session.tell()
        if self._handed_after_ns is not None and self.operations is not None:
            self.operations.metrics.observe_command(self._handed_after_ns / 1e9)
        self._handed_after_ns = None

    def _tell_clock(self) -> None:
        """Say once that the clock went back; how often it did is in the metrics."""
        if self.inbox.clock_steps_back and not self._clock_steps_told:
            log.warning("the clock of this machine went back: events keep the time before it until it has caught up")
        self._clock_steps_told = self.inbox.clock_steps_back

    def _take_batch(self) -> None:
        events, documents = self.inbox.take(_BATCH_EVENTS)
        self._batch_ts_ns = int.from_bytes(events[:_TS_BYTES], "little")
        if self.points.any_chosen:
            self._reports += events.view(ORDER_REPORT)[["kind", "order"]].tolist()
        self._waiting += self.session.take(events, documents)
        self.batches += 1
        # Most batches are market data that decides nothing: what that costs is what all others wait for.
        urgent = max(bytes(events.data[_KIND_BYTE::EVENT_BYTES])) >= _FIRST_REPORT
        if urgent:
            self._doubt(events)
            self._note_gaps(events)
        if urgent or self._waiting or self.session.has_commands:
            self._flush()
        elif self._commit_timer is None:
            self._commit_timer = asyncio.get_running_loop().call_later(_COMMIT_WITHIN_S, self._commit_soon)

    def _commit_soon(self) -> None:
        self._commit_timer = None
        if self.session.unwritten_events:
            self._commit_is_due = True
            self.inbox.wake()

    def _doubt(self, events: Bytes) -> None:
        """An exchange that does not know an order that is open here has ended it, and we have not heard how."""
        rows = events.view(ORDER_REPORT)
        lost = (rows["kind"] == EventKind.CANCEL_REJECTED) & (rows["reason"] == Reason.EXCHANGE_ORDER_UNKNOWN)
        self._doubted.update(rows["order"][lost].tolist())

    def _note_gaps(self, events: Bytes) -> None:
        rows = events.view(CONNECTION)
        for row in rows[(rows["kind"] == EventKind.CONNECTION_RESTORED) & (rows["stream"] == 0)]:
            self._came_back.put_nowait((int(row["account"]), int(row["gap_started_ns"])))

    def _flush(self) -> None:
        """Commit, and send what may be sent."""
        self._commit_is_due = False
        self.points.reach("before_append")
        try:
            due = self._snapshot_is_due()
            commands = self._waiting + self.session.flush(with_digest=due)
        except BaseException:
            self._broken = True
            raise
        self._waiting = []
        self.points.reach("after_commit")
        if self.points.any_chosen:
            self._reach_reports()
        if not self.ready:
            self._waiting = commands
            return
        for together in in_batches(commands):
            self._hand_over(together)
        if commands:
            self._handed_after_ns = self.inbox.now_ns() - self._batch_ts_ns
        if due:
            self._keep_snapshot()

    def _reach_reports(self) -> None:
        """The reports that were just committed, as points."""
        orders = self.session.engine.view(self.session.state).orders
        unfinished = set(orders["order"][orders["status"] == OrderStatus.PARTIALLY_FILLED].tolist())
        for kind, order in self._reports:
            if kind == EventKind.ORDER_ACCEPTED:
                self.points.reach("after_accepted")
            elif kind == EventKind.ORDER_FILLED:
                self.points.reach("after_part_fill" if order in unfinished else "after_fill")
        self._reports.clear()

    def _hand_over(self, commands: Sequence[Command]) -> None:
        if not self.sends:
            for command in commands:
                self._answer_dry(command)
            return
        exchange = self.exchanges[commands[0].account]
        request = exchange.send(commands[0]) if len(commands) == 1 else exchange.send_all(commands)
        task = asyncio.create_task(self._send(commands, request))
        self._requests.add(task)
        task.add_done_callback(lambda done: self._forget_request(done, request))
        for command in commands:
            self._note_sent(command)

    def _note_sent(self, command: Command) -> None:
        if command.kind in (DecisionKind.PLACE_ORDER, DecisionKind.RELEASE_ORDER):
            self.inbox.order_report(EventKind.ORDER_SENT, command.account, command.instrument, command.order)

    async def _send(self, commands: Sequence[Command], request: Coroutine[Any, Any, None]) -> None:
        if self._failure is not None:
            request.close()
            return
        for command in commands:
            self.points.reach("before_send")
            if command.kind == DecisionKind.CANCEL_ORDER:
                self.points.reach("before_cancel")
        try:
            await request
        except Exception as failure:
            # A client answers with events and never raises: this is a fault of ours, and not to be traded past.
            log.error("sending order %d failed: %s", commands[0].order, type(failure).__name__)
            self._fail(failure)
        for _ in commands:
            self.points.reach("after_send")

    def _forget_request(self, task: "asyncio.Task[None]", request: Coroutine[Any, Any, None]) -> None:
        self._requests.discard(task)
        # It was never begun where its task was cancelled at once.
        request.close()
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._fail(failure)

    def _answer_dry(self, command: Command) -> None:
        changes = command.kind in (DecisionKind.CANCEL_ORDER, DecisionKind.AMEND_ORDER)
        kind = EventKind.CANCEL_REJECTED if changes else EventKind.ORDER_REJECTED
        why = Reason.EXCHANGE_NOT_ASKED
        self.inbox.order_report(kind, command.account, command.instrument, command.order, reason=why)

    # Time, snapshots, the end

    async def _tell_time(self) -> None:
        """Timers are events, so that engine time goes on in a silent market."""
        interval_s = self.timer_interval_ns / 1e9
        while await self._pause(interval_s):
            self._tell_timer()

    def _tell_timer(self) -> None:
        number = self.inbox.now_ns() // self.timer_interval_ns
        self.inbox.put(EventKind.TIMER, words=(number, number * self.timer_interval_ns, 0, 0, 0))

    async def _tell_changes(self) -> None:
        """Rules that change at their time; a clock that is set anew is looked at as often as timers are told."""
        while self.announced is not None:
            now_ns = self.inbox.now_ns()
            due_ns = min(self.announced.next_due_ns(now_ns), now_ns + self.timer_interval_ns)
            if not await self._pause(max(due_ns - now_ns, _NS_PER_MS) / 1e9):
                return
            self.announced.tell_due(self.inbox.now_ns())

    def _mark(self, kind: EventKind) -> None:
        """A beginning or an end of being connected, for all accounts."""
        for account in self.exchanges:
            self.inbox.connection(kind, account, stream=0)

    async def _pause(self, seconds: float) -> bool:
        """Wait; False where the daemon was stopped meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return not self._stopping.is_set()

    def _snapshot_is_due(self) -> bool:
        """What is to be sent does not wait for a snapshot: a later commit will do."""
        due = self._snapshot_seq + self.snapshot_every_events
        is_due = self.snapshot_every_events > 0 and self.session.row.seq >= due
        return is_due and self.session.unwritten_events > 0 and not (self._waiting or self.session.has_commands)

    def _keep_snapshot(self) -> None:
        """Of the state after the block that was just committed."""
        self._snapshot_seq = self.session.row.seq
        self.points.reach("before_snapshot")
        self.journal.save_snapshot(self.session.snapshot(self.layout))
        self.points.reach("after_snapshot")

    async def _end(self) -> None:
        """Wait for the last answers, put them on the tape, state the digest."""
        if self._requests and not self._broken:
            await asyncio.wait(self._requests, timeout=_LAST_ANSWERS_WITHIN_S)
        for account, exchange in self.exchanges.items():
            # What ends for a reason leaves the dead-man switch to do its work.
            if self._failure is None:
                await self._stand_down(account, exchange)
            await self._close(account, exchange)
        if self.ready and not self._broken:
            self._mark(EventKind.CONNECTION_LOST)
            self.session.end(*self.inbox.take(len(self.inbox)))

    async def _stand_down(self, account: int, exchange: Exchange) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_ANSWERS_WITHIN_S):
                if await exchange.stand_down():
                    return
        log.warning("account %d: its dead-man switch has not been ended: its orders will be cancelled", account)

    async def _close(self, account: int, exchange: Exchange) -> None:
        try:
            async with asyncio.timeout(_LAST_ANSWERS_WITHIN_S):
                await exchange.close()
        except Exception as failure:
            log.warning("account %d: closing its connection failed: %s", account, type(failure).__name__)
