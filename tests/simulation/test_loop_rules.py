"""What comes first at one time, how timers run, and when the loop ends."""

from typing import Any

import numpy as np
import pytest

from adapters.journal import MemoryJournal, TextDocument, document_hash
from adapters.strategies.interface import Signal
from engine.kinds import Action, EventKind, FundingBasis
from engine.reasons import Reason
from engine.records import EVENT, FUNDING, SIGNAL
from replay.backtest import backtest_manifest
from replay.refold import refold
from replay.session import EngineStopped
from replay.workloads import START_NS
from tests.golden.runs import MS, configuration, pieces, play, record
from tests.golden.strategies.scripted import script
from tests.simulation.loop_runs import (
    ASK,
    BID,
    at,
    fills,
    is_time_ordered,
    latency,
    quotes,
    scripted,
    still,
    timeline,
)

BUY = Signal(0, Action.BUY)
SELL = Signal(0, Action.SELL)
CLOSE = Signal(0, Action.CLOSE)


def test_without_latency_a_signal_is_filled_before_the_next_record() -> None:
    tape = scripted(still(0, 10, 20))(on_quote=at([10], BUY))
    assert timeline(tape) == [
        ("QUOTE", 0),
        ("QUOTE", 10),
        ("SIGNAL", 10),
        ("ORDER_ACCEPTED", 10),
        ("ORDER_FILLED", 10),
        ("QUOTE", 20),
    ]


def test_a_report_comes_before_a_timer_and_a_timer_before_the_market() -> None:
    run = scripted(still(0, 10, 20, 30), more=latency(10, 10), timer_interval="10ms")
    assert timeline(run(on_quote=at([10], BUY))) == [
        ("QUOTE", 0),
        ("TIMER", 10),
        ("QUOTE", 10),
        ("SIGNAL", 10),
        ("TIMER", 20),
        ("QUOTE", 20),
        ("ORDER_ACCEPTED", 30),
        ("ORDER_FILLED", 30),
        ("TIMER", 30),
        ("QUOTE", 30),
    ]


def test_a_command_comes_before_the_market_record_of_its_time() -> None:
    """It arrives at 20, and is filled on the book that stood then, not on the one that comes at 20."""
    run = scripted(quotes((0, BID), (10, BID), (20, BID + 50), (40, BID + 50)), more=latency(10, 10))
    assert fills(run(on_quote=at([10], BUY))) == [(30, ASK)]


def test_a_command_comes_before_the_timer_of_its_time() -> None:
    """What a timer orders arrives behind what was ordered before and arrives with it."""
    run = scripted(still(0, 10, 20, 30, 50), more=latency(0, 10), timer_interval="20ms")
    tape = run(on_quote=at([10], BUY), on_timer=at([20], CLOSE))
    assert fills(tape) == [(20, ASK), (30, BID)]
    kinds = [kind for kind, ms in timeline(tape) if ms == 20]
    assert kinds == ["ORDER_ACCEPTED", "ORDER_FILLED", "TIMER", "SIGNAL", "QUOTE"]


def test_a_record_that_fills_is_told_after_what_it_filled() -> None:
    limit = Signal(0, Action.BUY, limit_ticks=BID - 10)
    tape = scripted(quotes((0, BID), (10, BID), (20, BID - 20)))(on_quote=at([10], limit))
    assert timeline(tape)[-3:] == [("ORDER_ACCEPTED", 10), ("ORDER_FILLED", 20), ("QUOTE", 20)]


def test_signals_follow_at_once_in_the_order_of_the_strategies() -> None:
    run = scripted(still(0, 10), strategies=("scripted", "second"))
    tape = run(on_quote=at([10], [BUY, CLOSE]))
    signals = tape.events[tape.events["kind"] == EventKind.SIGNAL].view(SIGNAL)
    said = list(zip(signals["source"].tolist(), signals["action"].tolist(), strict=True))
    assert said == [(0, Action.BUY), (0, Action.CLOSE), (1, Action.BUY), (1, Action.CLOSE)]
    first = [kind for kind, _ in timeline(tape)].index("SIGNAL")
    assert [kind for kind, _ in timeline(tape)][first : first + 4] == ["SIGNAL"] * 4


def test_a_fill_is_shown_to_the_strategy_that_it_belongs_to() -> None:
    seen: list[Any] = []
    run = scripted(still(0, 10, 20), strategies=("scripted", "second"))
    tape = run(on_quote=at([10], BUY), on_fill=seen.append)
    assert len(fills(tape)) == 1, "the second strategy's signal finds the order under way"
    assert [(fill.order, fill.price_ticks) for fill in seen] == [(1, ASK)]


def test_no_timers_without_an_interval() -> None:
    tape = scripted(still(0, 10_000))()
    assert EventKind.TIMER not in tape.kinds


def test_timers_never_skip() -> None:
    """A gap in the market has all its timers, each at its time, numbered without a hole."""
    tape = scripted(still(0, 5, 5_000, 5_001), timer_interval="10ms")()
    rows = tape.events[tape.events["kind"] == EventKind.TIMER]
    assert rows["ts_ns"].tolist() == [START_NS + 10 * MS * (i + 1) for i in range(500)]
    assert rows["payload"][:, 0].tolist() == list(range(500))
    assert rows["payload"][:, 1].tolist() == rows["ts_ns"].tolist()
    assert is_time_ordered(tape)


def test_what_a_timer_orders_in_a_gap_happens_in_the_gap() -> None:
    tape = scripted(still(0, 1_000), more=latency(5, 5), timer_interval="100ms")(on_timer=at([300], BUY))
    assert fills(tape) == [(310, ASK)]
    assert is_time_ordered(tape)


def test_the_end_waits_for_what_is_under_way() -> None:
    """Commands and reports that are due after the last market record still happen; no timer does."""
    run = scripted(still(0, 10), more=latency(200, 300), timer_interval="10ms")
    tape = run(on_quote=at([10], BUY), on_fill=at([510], CLOSE))
    assert fills(tape) == [(510, ASK), (1010, BID)]
    assert [ms for kind, ms in timeline(tape) if kind == "TIMER"] == [10]
    assert tape.outcome.last_ts_ns == START_NS + 1010 * MS


def test_an_order_that_rests_at_the_end_stays_open() -> None:
    tape = scripted(still(0, 10, 20))(on_quote=at([10], Signal(0, Action.BUY, limit_ticks=BID - 100)))
    assert timeline(tape)[-1] == ("QUOTE", 20)
    assert fills(tape) == []


def test_a_rationale_is_on_the_tape_at_its_signal() -> None:
    said = [BUY._replace(rationale="first"), Signal(0, Action.HOLD), CLOSE._replace(rationale="third")]
    for block_events in (1, 2, 65_536):
        tape = scripted(still(0, 10, 20, 30), block_events=block_events)(on_quote=at([10, 30], said))
        signals = np.flatnonzero(tape.events["kind"] == EventKind.SIGNAL)
        texts = {seq: document for seq, document in tape.documents.items() if isinstance(document, TextDocument)}
        expected = [TextDocument(text=text, author="strategy 0") for text in ("first", "third", "first", "third")]
        assert list(texts.values()) == expected
        assert list(texts) == [int(signals[place]) + 1 for place in (0, 2, 3, 5)]
        hashes = tape.events.view(SIGNAL)["document_hash"][signals].tolist()
        first, third = (document_hash(document) for document in expected[:2])
        assert hashes == [first, 0, third] * 2


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_looking_ahead_is_not_seen(rows: int) -> None:
    """A strategy is shown every record once and in order, however far the loop has come with the orders."""
    seen: list[tuple[str, int]] = []

    def on_quote(quote: Any) -> Any:
        seen.append(("quote", quote.ts_ns))
        return Signal(0, Action.BUY if len(seen) % 9 == 0 else Action.SELL) if len(seen) % 3 == 0 else None

    handlers = {"on_fill": lambda fill: seen.append(("fill", fill.ts_ns)), "on_quote": on_quote}
    handlers["on_timer"] = lambda timer: seen.append(("timer", timer.ts_ns))
    market = still(*range(0, 400, 10))
    with script(**handlers):
        tape = record(
            configuration("python", {"scripted": {}}, more=latency(15, 20), timer_interval="35ms"),
            pieces(market, rows),
        )
    shown = {EventKind.QUOTE: "quote", EventKind.TIMER: "timer", EventKind.ORDER_FILLED: "fill"}
    happened = [(shown[EventKind(kind)], ts) for kind, ts in _kinds_and_times(tape) if kind in shown]
    assert sorted(seen) == sorted(happened)
    assert [row for row in seen if row[0] == "quote"] == [row for row in happened if row[0] == "quote"]
    assert len([row for row in seen if row[0] == "fill"]) > 3


def _kinds_and_times(tape: Any) -> list[tuple[int, int]]:
    return list(zip(tape.events["kind"].tolist(), tape.events["ts_ns"].tolist(), strict=True))


def _funding(ms: int, amount: int) -> np.ndarray:
    payment = np.zeros(1, dtype=FUNDING)
    payment["kind"] = EventKind.FUNDING
    payment["ts_ns"] = START_NS + ms * MS
    payment["basis"] = FundingBasis.AMOUNT
    payment["amount_units"] = amount
    return payment.view(np.uint8)


@pytest.mark.parametrize("form", ["compiled", "python"])
def test_a_fault_stops_the_run_and_keeps_the_tape(form: str) -> None:
    """An amount that does not fit the ledger: nothing after it is on the tape, and it can be folded again."""
    market = np.concatenate([still(0, 10), _funding(15, 2**61), still(20, 30)])
    settings = configuration(form, {"ema": {"price": "quote"}})
    journal = MemoryJournal()
    with (
        journal.create(backtest_manifest(settings)) as writer,
        pytest.raises(EngineStopped, match=f"{Reason.MONEY_OVERFLOW.name}.*tape"),
    ):
        play(settings, [market], writer)
    with journal.read() as reader:
        assert refold(reader, compare=True).last_ts_ns == START_NS + 15 * MS
        last = [block.events.view(EVENT)["kind"][-1] for block in reader.blocks()][-1]
    assert last == EventKind.FUNDING
