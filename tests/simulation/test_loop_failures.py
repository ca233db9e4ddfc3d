"""What goes wrong in the middle of a run: the error says what, and the tape up to there is whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from adapters.errors import UserError
from adapters.journal import JournalWriter, MemoryJournal
from adapters.strategies.interface import Signal
from engine.kinds import Action, EventKind
from engine.records import EVENT
from replay.backtest import backtest_manifest
from replay.opening import opening_events
from replay.refold import refold
from replay.setup import build_session
from replay.workloads import START_NS, ticks
from tests.golden.runs import LATENCY, MS, configuration, pieces, play, record
from tests.golden.strategies.scripted import script
from tests.simulation.loop_runs import at, still

BUY = Signal(0, Action.BUY)


@contextmanager
def _valid_prefix_of(whole: Any, settings: Any) -> Iterator[tuple[JournalWriter, MemoryJournal]]:
    """A journal to run on; afterwards it must fold, with its digests, to a beginning of the whole tape."""
    journal = MemoryJournal()
    with journal.create(backtest_manifest(settings)) as writer:
        yield writer, journal
    with journal.read() as reader:
        refold(reader, compare=True)
        events = b"".join(block.events.tobytes() for block in reader.blocks())
        decisions = b"".join(block.decisions.tobytes() for block in reader.blocks())
    assert events == whole.events.tobytes()[: len(events)]
    assert decisions == whole.decisions.tobytes()[: len(decisions)]


class _FailingWriter:
    """A writer whose disk is full at one block, and from then on."""

    def __init__(self, writer: JournalWriter, fails_at: int) -> None:
        self._writer = writer
        self._left = fails_at

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._writer, name)
        if not name.startswith("append"):
            return found

        def append(*arguments: Any, **named: Any) -> Any:
            self._left -= 1
            if self._left < 0:
                raise UserError("no space left on the disk")
            return found(*arguments, **named)

        return append


@pytest.mark.parametrize("form", ["compiled", "python"])
@pytest.mark.parametrize("blocks", [0, 1, 2, 3, 10])
def test_a_journal_that_fails_stops_the_run_with_its_error(form: str, blocks: int) -> None:
    strategies = {"ema": {"price": "quote"}, "ladder": {"every": 7, "distance_ticks": 6}}
    settings = configuration(form, strategies, more=LATENCY, block_events=200, snapshot_every_events=500)
    whole = record(settings, [ticks(3_000)])
    assert len(whole.blocks) > 10
    with _valid_prefix_of(whole, settings) as (writer, journal):
        failing: Any = _FailingWriter(writer, blocks)
        with pytest.raises(UserError, match="no space left on the disk"):
            play(settings, [ticks(3_000)], failing)
    with journal.read() as reader:
        assert reader.last_seq == 200 * blocks


def _whole_and_settings(on_quote: Callable[[Any], Any], **settings: Any) -> tuple[Any, Any]:
    made = configuration("python", {"scripted": {}, "second": {}}, more=LATENCY, block_events=7, **settings)
    with script(on_quote=on_quote):
        return record(made, [_market()]), made


def _market() -> np.ndarray:
    return still(*range(0, 2_000, 10))


def _then(first: Callable[[Any], Any], ms: float, failure: Callable[[], Any]) -> Callable[[Any], Any]:
    """The handler `first`, but something else from a time on."""
    return lambda row: failure() if row.ts_ns >= START_NS + ms * MS else first(row)


def _raising(error: BaseException) -> Callable[[], Any]:
    def fail() -> Any:
        raise error

    return fail


@pytest.mark.parametrize("rows", [1, 1_000])
@pytest.mark.parametrize("speaks_at", [100, 650, 990])
def test_a_strategy_that_raises_is_named_and_the_tape_ends_where_it_did(rows: int, speaks_at: int) -> None:
    """Asked ahead of the engine or after each event (while an order is under way): the same tape, to the event."""
    speaks = at([speaks_at], BUY)
    whole, settings = _whole_and_settings(speaks)
    with _valid_prefix_of(whole, settings) as (writer, journal):
        handler = _then(speaks, 1_000, _raising(ValueError("no such thing")))
        expected = f"strategy scripted: on_quote raised ValueError: no such thing at the event of ts_ns {START_NS}"
        with (
            script(on_quote=handler),
            pytest.raises(UserError, match=expected.replace(str(START_NS), str(START_NS + 1_000 * MS))),
        ):
            play(settings, pieces(_market(), rows), writer)
    with journal.read() as reader:
        last = [block.events.view(EVENT)[-1] for block in reader.blocks()][-1]
    assert (last["kind"], last["ts_ns"]) == (EventKind.QUOTE, START_NS + 1_000 * MS)


@pytest.mark.parametrize("speaks_at", [100, 990])
def test_an_interrupt_in_a_strategy_leaves_a_whole_beginning(speaks_at: int) -> None:
    speaks = at([speaks_at], BUY)
    whole, settings = _whole_and_settings(speaks)
    with (
        _valid_prefix_of(whole, settings) as (writer, journal),
        script(on_quote=_then(speaks, 1_000, _raising(KeyboardInterrupt()))),
        pytest.raises(KeyboardInterrupt),
    ):
        play(settings, [_market()], writer)
    with journal.read() as reader:
        assert reader.last_seq > 30, "what had happened when the strategy looked ahead"


def test_an_interrupt_while_waiting_for_the_writer_hands_no_block_over_twice() -> None:
    whole, settings = _whole_and_settings(at([100], BUY))
    with _valid_prefix_of(whole, settings) as (writer, _), script(on_quote=at([100], BUY)):
        session = build_session(settings, lambda: writer)
        recorder = session._recorder
        next_buffer, waits = recorder.next_buffer, 0

        def interrupted() -> Any:
            nonlocal waits
            waits += 1
            if waits == 3:
                raise KeyboardInterrupt
            return next_buffer()

        session._recorder = _With(recorder, next_buffer=interrupted)  # type: ignore[assignment]
        opening, documents = opening_events(settings, START_NS)
        with pytest.raises(KeyboardInterrupt):
            session.run(opening, documents, iter([_market()]))


class _With:
    """An object with some of its attributes replaced."""

    def __init__(self, inner: Any, **replaced: Any) -> None:
        self._inner = inner
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _bad_market() -> Iterator[np.ndarray]:
    yield still(*range(0, 500, 10))
    raise UserError("data/quotes.csv line 51: bid above ask; expected bid <= ask")


def test_bad_data_in_a_later_chunk_leaves_what_came_before() -> None:
    whole, settings = _whole_and_settings(at([100], BUY))
    with (
        _valid_prefix_of(whole, settings) as (writer, journal),
        script(on_quote=at([100], BUY)),
        pytest.raises(UserError, match="line 51"),
    ):
        play(settings, _bad_market(), writer)
    with journal.read() as reader:
        assert reader.last_seq > 50


WRONG = {
    "a text": ("BUY", "returned 'BUY', expected a Signal"),
    "a number": (5, "returned 5, expected a Signal"),
    "a list of numbers": ([BUY, 1], "expected a Signal, a list of them or None"),
    "an unknown instrument": (BUY._replace(instrument=70_000), "does not fit its record"),
    "a fraction of a lot": (BUY._replace(quantity_lots=1.5), "does not fit its record"),
    "no action": (BUY._replace(action=None), "does not fit its record"),
    "a price beyond int64": (BUY._replace(limit_ticks=1 << 70), "does not fit its record"),
    "too many signals": ([Signal(0, Action.HOLD)] * 33, "66 signals on one event, expected at most 64"),
    "a rationale that is no text": (BUY._replace(rationale=7), "rationale is 7, expected a text"),
    "a rationale that is not encodable": (BUY._replace(rationale="\ud800"), "expected a text"),
}


@pytest.mark.parametrize("said", WRONG)
@pytest.mark.parametrize("order_under_way", [False, True])
def test_what_is_no_signal_is_refused_with_the_strategy_named(said: str, order_under_way: bool) -> None:
    answer, message = WRONG[said]
    speaks = at([990] if order_under_way else [], BUY)
    whole, settings = _whole_and_settings(speaks)
    with (
        _valid_prefix_of(whole, settings) as (writer, _),
        script(on_quote=_then(speaks, 1_000, lambda: answer)),
        pytest.raises(UserError, match=message) as raised,
    ):
        play(settings, [_market()], writer)
    assert str(raised.value).startswith("strategy scripted")


def test_signals_that_the_engine_refuses_are_not_the_strategys_error() -> None:
    """An instrument or action that is not there fits the record: the engine says no, with a reason, on the tape."""
    said = [BUY._replace(instrument=9), Signal(0, 200), BUY._replace(limit_ticks=-1)]
    whole, _ = _whole_and_settings(at([500], said))
    assert len(whole.decisions) == 6
    assert np.all(whole.decisions["kind"] == 10)


def test_more_signals_than_an_event_holds_stop_the_run() -> None:
    settings = configuration("compiled", {"flood": {}})
    journal = MemoryJournal()
    message = r"made 65 signals on the event of ts_ns \d+, expected at most 64"
    with journal.create(backtest_manifest(settings)) as writer, pytest.raises(UserError, match=message):
        play(settings, [ticks(9)], writer)
    with journal.read() as reader:
        refold(reader, compare=True)
        kinds = np.concatenate([block.events.view(EVENT)["kind"].copy() for block in reader.blocks()])
    assert kinds[-1] == EventKind.QUOTE and np.count_nonzero(kinds == EventKind.QUOTE) == 5
