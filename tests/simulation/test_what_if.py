"""A tape under other rules: without an effect it is the recorded one, else it is the backtest with those rules."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from adapters.configuration import Configuration, parse_configuration
from adapters.errors import Divergence, UserError
from adapters.journal import Block, MemoryJournal
from adapters.strategies.interface import Signal
from engine.kinds import Action, EventKind
from engine.reasons import Reason
from engine.records import COMMAND, EVENT
from replay.audit.whatif import WhatIf, what_if
from replay.backtest import backtest_manifest
from replay.workloads import START_NS, bars
from tests.golden.runs import FOLDER, MS, Tape, configuration, record
from tests.golden.strategies.scripted import script
from tests.simulation.loop_runs import at, latency, scripted, still

NO_EFFECT = {"risk.open_orders_max": "1000"}
COUNT = 1_200
LOSSES = """
[risk]
daily_loss_max = "0.0004"
[[breakers]]
name = "losing"
condition = "losing_streak"
limit = 8
actions = ["block_entries"]
rearm = "cooldown"
cooldown = "1s"
"""


def ask(tape: Tape, changes: Mapping[str, str], at_seq: int | None = None) -> WhatIf:
    with tape.journal.read() as reader:
        return what_if(reader, changes, at_seq)


def money(state: Any) -> tuple[int, ...]:
    names = ("realized_units", "fees_units", "unrealized_units", "equity_units", "max_drawdown_units")
    return tuple(int(state.accounts[0][name]) for name in names)


def losing() -> Configuration:
    """Averages that cross every few bars, and pay for it."""
    return configuration("compiled", {"ema": {"fast": 3, "slow": 8}}, more=LOSSES, block_events=512)


@pytest.fixture(scope="module")
def lost() -> Tape:
    tape = record(losing(), [bars(COUNT)])
    assert tape.outcome.fills > 100
    return tape


def test_without_an_effect_nothing_differs(lost: Tape) -> None:
    found = ask(lost, NO_EFFECT)
    assert found.is_exact and found.parted_seq == 0 and found.differences == []
    assert found.as_it_was.events == len(lost.events)
    assert (found.as_it_was.orders, found.as_it_was.fills) == (lost.outcome.orders, lost.outcome.fills)
    assert money(found.as_it_was.state) == money(found.changed.state)


def test_what_if_the_daily_limit_had_been_half(lost: Tape) -> None:
    """The same as a backtest with half of it: what strategies said does not depend on what was filled."""
    found = ask(lost, {"risk.daily_loss_max": "0.0002"})
    text = losing().text.replace('"0.0004"', '"0.0002"')
    other = record(parse_configuration(text, FOLDER / "small.toml"), [bars(COUNT)])
    assert found.parted_seq > 0
    assert found.changed.refusals[Reason.DAILY_LOSS_MAX] > found.as_it_was.refusals[Reason.DAILY_LOSS_MAX] > 0
    assert (found.changed.orders, found.changed.fills) == (other.outcome.orders, other.outcome.fills)
    assert other.outcome.orders < lost.outcome.orders
    with other.journal.read() as reader:
        assert money(found.changed.state) == money(what_if(reader, NO_EFFECT).as_it_was.state)


def test_the_first_difference_is_where_the_tape_goes_another_way(lost: Tape) -> None:
    """It is the first order that the half limit refuses, and it is told by number and time of the recorded tape."""
    found = ask(lost, {"risk.daily_loss_max": "0.0002"})
    first, *_ = found.differences
    assert found.parted_seq == first.seq and not first.is_new
    assert lost.events["ts_ns"][found.parted_seq - 1] == found.parted_ts_ns == first.ts_ns
    placed = lost.decisions[lost.decisions["seq"] == found.parted_seq]
    assert first.row.tobytes() in [row.tobytes() for row in placed]
    assert any(d.is_new and d.ts_ns == first.ts_ns for d in found.differences), "and the refusal in its place"


def test_a_change_counts_from_its_event_on(lost: Tape) -> None:
    whole = ask(lost, {"risk.daily_loss_max": "0.0002"})
    later = ask(lost, {"risk.daily_loss_max": "0.0002"}, whole.parted_seq + 400)
    assert later.told_after == whole.parted_seq + 400
    assert later.parted_seq == 0 or later.parted_seq > later.told_after
    assert len(later.differences) < len(whole.differences)


def test_a_breaker_that_trips_at_once_parts_where_it_is_told(lost: Tape) -> None:
    found = ask(lost, {"breakers.losing.limit": "1"}, 600)
    assert found.changed.trips[0] > found.as_it_was.trips[0]
    assert found.parted_seq > 600


@pytest.mark.parametrize("delays", ["", latency(30, 70), latency(0, 1)])
def test_what_is_said_on_fills_is_said_there_again(delays: str) -> None:
    """Three fills at one time, and a strategy that answers the second: nothing comes between."""
    fills: list[int] = []

    def on_fill(fill: Any) -> Signal | None:
        fills.append(fill.trade_id)
        if len(fills) == 2:
            return Signal(0, Action.BUY, quantity_lots=7, limit_ticks=499_990)
        return Signal(0, Action.CLOSE) if len(fills) == 3 else None

    orders = [Signal(n, Action.BUY, quantity_lots=5 + n) for n in range(3)]
    market = np.concatenate([_of(still(*range(0, 4000, 100)), n) for n in range(3)]).view(EVENT)
    market = market[np.argsort(market["ts_ns"], kind="stable")].view(np.uint8)
    told = {START_NS + 500 * MS}
    with script(on_quote=lambda row: orders[row.instrument] if row.ts_ns in told else None, on_fill=on_fill):
        tape = record(configuration("python", {"scripted": {}}, symbols=("A", "B", "C"), more=delays), [market])
    said_on_fills = np.flatnonzero(tape.events["kind"] == EventKind.SIGNAL)
    assert any(tape.events["kind"][place - 1] == EventKind.ORDER_FILLED for place in said_on_fills)
    found = ask(tape, NO_EFFECT)
    assert found.is_exact and found.parted_seq == 0
    # Without the first orders their fills do not come: what was said on them is said at its time.
    without = ask(tape, {"risk.order_quantity_max": "0.001"})
    assert without.changed.fills == 0 and without.parted_seq > 0
    assert without.changed.decisions.total() > 0


def test_timers_and_two_strategies_come_again() -> None:
    run = scripted(still(*range(0, 3000, 50)), ("scripted", "second"), timer_interval="170ms", more=latency(5, 5))
    tape = run(
        on_timer=lambda timer: Signal(0, Action.BUY if timer.timer % 2 else Action.SELL, quantity_lots=3),
        on_quote=at([400, 900], Signal(0, Action.CLOSE)),
    )
    assert tape.outcome.fills > 3
    found = ask(tape, NO_EFFECT)
    assert found.is_exact and found.parted_seq == 0


def test_a_live_tape_is_simulated_both_ways_and_the_real_one_stands_beside(lost: Tape) -> None:
    found = ask(_as_live(lost), {"risk.daily_loss_max": "0.0002"})
    assert not found.is_exact
    assert found.real.orders == lost.outcome.orders and found.real.fills == lost.outcome.fills
    assert found.as_it_was.orders == lost.outcome.orders and found.changed.orders < found.as_it_was.orders


def test_a_tape_that_does_not_come_again_is_a_divergence(lost: Tape) -> None:
    """Another fee on a fill: then the playing would not be of this tape."""

    def falsify(block: Block) -> bytes:
        rows = block.events.copy().view(EVENT)
        filled = np.flatnonzero(rows["kind"] == EventKind.ORDER_FILLED)
        if len(filled):
            rows["payload"][filled[0]][4] += 1
        return rows.tobytes()

    with pytest.raises(Divergence, match="event"):
        ask(_as(lost, "backtest", falsify), NO_EFFECT)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"risk.nonsense": "3"}, "risk.nonsense: unknown key"),
        ({"risk.daily_loss_max": "x"}, "risk.daily_loss_max: expected a fraction"),
        ({"risk.daily_loss_max": "0.0004"}, "risk.daily_loss_max: expected a rule that changes"),
        ({"run.name": "other"}, "expected a path into one of risk"),
    ],
)
def test_what_cannot_be_set_is_one_line(lost: Tape, changes: Mapping[str, str], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)) as error:
        ask(lost, changes)
    assert "\n" not in str(error.value)


def test_a_change_before_everything_is_defined_is_refused(lost: Tape) -> None:
    with pytest.raises(UserError, match=r"--at 2: expected event \d+ or later"):
        ask(lost, NO_EFFECT, 2)


def _of(quotes: np.ndarray, number: int) -> np.ndarray:
    rows = quotes.copy().view(EVENT)
    rows["instrument"] = number
    return rows.view(np.uint8)


def _as_live(tape: Tape) -> Tape:
    return _as(tape, "live", lambda block: block.events.tobytes())


def _as(tape: Tape, mode: str, events_of: Any) -> Tape:
    """The same tape under a manifest of another mode, with events that a function gives."""
    journal = MemoryJournal()
    with tape.journal.read() as reader:
        manifest = backtest_manifest(losing())
        changed = {name: getattr(manifest, name) for name in manifest.__struct_fields__} | {"mode": mode}
        with journal.create(type(manifest)(**changed)) as writer:
            for block in reader.blocks():
                documents = dict(reader.documents(block.first_seq, block.last_seq))
                events = np.frombuffer(events_of(block), np.uint8).copy()
                writer.append(events, block.decisions.copy(), block.state_digest, documents)
    assert COMMAND.itemsize == EVENT.itemsize
    return replace(tape, journal=journal)
