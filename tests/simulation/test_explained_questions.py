"""A stranger's questions, answered from the first days of the demonstration: what is printed is what happened."""

import re

import numpy as np
import pytest

from adapters.cli.explaining import print_explanation
from adapters.errors import Divergence, UserError
from adapters.journal import MemoryJournal, TextDocument, document_hash
from adapters.strategies.interface import Signal
from engine.kinds import Action, EventKind, OperatorAction
from engine.records import EVENT, EVENT_BYTES, OPERATOR
from replay.audit.explain import explain_event, explain_order
from tests.golden.runs import MS, START_NS, Tape, configuration, demo, demo_market, record
from tests.golden.strategies.scripted import script
from tests.simulation.loop_runs import still
from tests.simulation.test_bisect import copy_of
from tests.simulation.told_tapes import tell

MARKET_RECORDS = 1_260


@pytest.fixture(scope="module")
def crash() -> Tape:
    market = demo_market("crash-2017", MARKET_RECORDS)
    return record(demo("crash-2017", "compiled"), [market], start_ns=int(market.view(EVENT)["ts_ns"][0]))


def answer(journal: MemoryJournal, capsys: pytest.CaptureFixture[str], order: int = 0, seq: int = 0) -> str:
    with journal.read() as reader:
        print_explanation(explain_order(reader, order) if order else explain_event(reader, seq))
    return capsys.readouterr().out


def assert_in_order(text: str, *lines: str) -> None:
    """These lines, each after the one before."""
    place = 0
    for line in lines:
        found = text.find(line, place)
        assert found >= 0, f"{line!r} is not there after what came before it, in:\n{text}"
        place = found + len(line)


def test_why_was_this_order_this_size(crash: Tape, capsys: pytest.CaptureFixture[str]) -> None:
    assert_in_order(
        answer(crash.journal, capsys, order=12),
        "order 12 placed for ema: sell 86.523 ETH/USD market",
        "Event 761 at 2017-12-05T13:00:00Z: signal of ema: sell ETH/USD",
        "Sized by risk based: 86.523 ETH/USD of 87.897 wanted, bound by position weight",
        "risk based: 982.69040419 USD at risk, the stop 11.18 away",
        "↓ position weight leaves 86.523 of 87.897",
        "✓ loss cooldown: limit 4h, seen 4h 29m",
        "✓ position weight max: limit 39,307.61616793 USD, seen 39,307.3989 USD",
        "✓ funds insufficient: limit 89,930.77498665 USD, seen 11,870.8344678 USD",
        "Not set, or nothing to compare: outside window",
        "771 2017-12-05T13:30:00.050Z fill of order 12: sold 86.523 ETH/USD at 454.3",
        "Order 13, stop",
        "Order 14, target",
        "Profit: realized 2,377.22827 USD, fees 133.62761919 USD, net 2,243.60065081 USD (3 fills)",
    )


def test_what_is_a_leg_for_and_what_moved_it(crash: Tape, capsys: pytest.CaptureFixture[str]) -> None:
    assert_in_order(
        answer(crash.journal, capsys, order=13),
        "order 13 placed for ema: buy 86.523 ETH/USD stop at 465.48 reduce only",
        "Event 771 at 2017-12-05T13:30:00.050Z: fill of order 12",
        "why: stop of bracket 4, which protects what entry order 12 opened",
        "The entry: order 12 placed for ema",
        "864 2017-12-06T03:30:00Z order 13 at ETH/USD to be amended: quantity 86.523, trigger 459.34",
        "on: bar of ETH/USD",
        "1,007 2017-12-07T00:00:00.050Z order 13 at ETH/USD triggered",
        "→ realized 1,571.28, fees 36.17, holds 0",
    )


def test_which_rule_refused_that_one(crash: Tape, capsys: pytest.CaptureFixture[str]) -> None:
    text = answer(crash.journal, capsys, seq=1415)
    assert_in_order(
        text,
        "Event 1,415 at 2017-12-09T15:30:00Z: signal of ema: sell BTC/USD",
        "refused: ema at BTC/USD: open positions max, limit 2, seen 2",
        "✓ funds insufficient",
        "✗ open positions max: limit 2, seen 2",
    )
    assert "risk stopped" not in text.partition("✗")[2].partition("Not set")[0], "what comes after is not asked"


def test_why_was_it_closed(crash: Tape, capsys: pytest.CaptureFixture[str]) -> None:
    """The closing of a bracket by the next signal, which then enters the other way."""
    with crash.journal.read() as reader:
        closings = [
            order
            for order in crash.decisions[crash.decisions["kind"] == 1]["order"].tolist()
            if "signal closed" in "".join(explain_order(reader, order)["why"])
        ]
    assert closings
    text = answer(crash.journal, capsys, order=closings[0])
    assert_in_order(text, "signal of ema", "why: exit of bracket", "signal closed", "The entry: order", "Profit:")


def test_what_a_strategy_said_for_its_reason_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    said = {START_NS + 200 * MS: Signal(0, Action.BUY, quantity_lots=5, rationale="the moon was full")}
    with script(on_quote=lambda row: said.get(row.ts_ns)):
        tape = record(configuration("python", {"scripted": {}}), [still(*range(0, 1000, 100))])
    text = answer(tape.journal, capsys, order=1)
    assert_in_order(text, "order 1 placed for scripted", '"the moon was full" (strategy 0)', "Profit:")
    with tape.journal.read() as reader:
        assert explain_order(reader, 1)["said"] == {"text": "the moon was full", "author": "strategy 0"}


def test_every_vote_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    told = {START_NS + 200 * MS: Action.HOLD, START_NS + 400 * MS: Action.BUY}
    with script(on_quote=lambda row: Signal(0, told[row.ts_ns]) if row.ts_ns in told else None):
        tape = record(configuration("python", {"scripted": {}, "second": {}}), [still(*range(0, 1000, 100))])
    assert_in_order(
        answer(tape.journal, capsys, order=1),
        "Votes",
        "scripted says buy (event",
        "weight 1",
        "second says hold (event",
        "✓ trading halted",
    )


def test_who_closed_it_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    """An operator's command, by its document."""
    said = {START_NS + 200 * MS: Signal(0, Action.BUY, quantity_lots=5)}
    reason = TextDocument(text="the exchange halts withdrawals", author="ann (root)")
    command = _operator(START_NS + 850 * MS, OperatorAction.FLATTEN, document_hash(reason))
    market = still(*range(0, 2000, 100))
    stream = np.concatenate([market[: 9 * EVENT_BYTES], command, market[9 * EVENT_BYTES :]])
    with script(on_quote=lambda row: said.get(row.ts_ns)):
        tape = record(configuration("python", {"scripted": {}}), [stream])
    seq = int((tape.events["kind"] == EventKind.OPERATOR_COMMAND).argmax()) + 1
    journal = _with_document(tape, seq, reason)
    text = answer(journal, capsys, order=2)
    assert_in_order(
        text,
        "order 2 placed for scripted: sell",
        'operator\'s command: flatten: "the exchange halts withdrawals" (ann (root))',
        "why: exit for scripted",
        "why: operator's command: flatten",
    )


def test_an_order_that_is_not_there_is_one_line(crash: Tape) -> None:
    with crash.journal.read() as reader, pytest.raises(UserError, match=r"order 9999: unknown order; expected .* 1 to"):
        explain_order(reader, 9999)


def test_a_tape_that_says_something_else_is_no_explanation() -> None:
    """The figures are this engine's: where it decides otherwise it says so."""
    tape = tell("engine", 3, 220)
    decisions = tape.decisions.copy()
    decisions["limit_ticks"][len(decisions) // 2] += 1
    with copy_of(tape, decisions=decisions).read() as reader, pytest.raises(Divergence, match=re.escape("decision")):
        explain_event(reader, int(decisions["seq"][len(decisions) // 2]))


def _operator(ts_ns: int, action: OperatorAction, said: int) -> np.ndarray:
    row = np.zeros(1, OPERATOR)
    row["ts_ns"], row["kind"] = ts_ns, EventKind.OPERATOR_COMMAND
    row["operator_action"], row["document_hash"] = action, said
    return row.view(np.uint8)


def _with_document(tape: Tape, seq: int, document: TextDocument) -> MemoryJournal:
    """The tape once more, with the document of one of its events."""
    journal = MemoryJournal()
    with tape.journal.read() as reader, journal.create(reader.manifest) as writer:
        for block in reader.blocks():
            documents = dict(reader.documents(block.first_seq, block.last_seq))
            if block.first_seq <= seq <= block.last_seq:
                documents[seq] = document
            writer.append(block.events.copy(), block.decisions.copy(), block.state_digest, documents)
    return journal


def test_an_order_towards_a_target_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    told = {START_NS + 200 * MS: Action.BUY, START_NS + 600 * MS: Action.CLOSE}
    more = '[signals]\nmode = "targets"\ntarget_weight = "10%"\n'
    with script(on_quote=lambda row: Signal(0, told[row.ts_ns]) if row.ts_ns in told else None):
        tape = record(configuration("python", {"scripted": {}}, more=more), [still(*range(0, 1500, 100))])
    assert_in_order(
        answer(tape.journal, capsys, order=1),
        "why: entry towards the target of 19.999, set by scripted",
        "✓ trading reduce only",
        "fill of order 1",
    )
    assert "why: exit towards the target of 0, set by scripted" in answer(tape.journal, capsys, order=2)
