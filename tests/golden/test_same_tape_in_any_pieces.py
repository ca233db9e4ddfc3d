"""How the market comes in, how blocks are cut and how large the tables are: none of it changes what happens."""

import re
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

from adapters.errors import Divergence
from adapters.journal import MemoryJournal
from engine.entry import engine_for
from engine.jit import INTERPRETED
from engine.kinds import DecisionKind, EventKind
from engine.records import COMMAND, EVENT, EVENT_BYTES, QUOTE
from engine.state import DEFAULT_LIMITS, LARGE_LIMITS
from replay.recorder import state_digest
from replay.refold import Folder, refold
from replay.workloads import ticks
from tests.golden.runs import LATENCY, Tape, configuration, pieces, play, record, three_markets, without_form

pytestmark = pytest.mark.skipif(INTERPRETED, reason="long in plain Python, which the small golden runs show")

EVENTS = 3_000
LADDER = {"ladder": {"every": 7, "distance_ticks": 6}}
BOTH = {"ema": {"fast": 10, "slow": 20, "price": "quote"}} | LADDER


def _configuration(form: str = "compiled", **settings: Any) -> Any:
    return configuration(form, BOTH, more=LATENCY, timer_interval="1s", **settings)


@pytest.fixture(scope="module")
def expected() -> Tape:
    return record(_configuration(), [ticks(EVENTS)])


@pytest.mark.parametrize("form", ["compiled", "python"])
@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_chunks_of_the_market_change_nothing(expected: Tape, form: str, rows: int) -> None:
    outcome = play(_configuration(form), pieces(ticks(EVENTS), rows))
    assert (outcome.state_digest, outcome.command_digest) == expected.digests


@pytest.mark.parametrize("form", ["compiled", "python"])
@pytest.mark.parametrize("block_events", [1, 13, 1000])
def test_blocks_change_nothing_but_their_borders(expected: Tape, form: str, block_events: int) -> None:
    tape = record(_configuration(form, block_events=block_events), pieces(ticks(EVENTS), 700))
    assert tape.digests == expected.digests
    assert without_form(tape) == without_form(expected)
    assert [last - first + 1 for first, last, _ in tape.blocks[:-1]] == [block_events] * (len(tape.blocks) - 1)
    assert tape.decisions.tobytes() == expected.decisions.tobytes()


def test_three_markets_in_any_pieces() -> None:
    market = three_markets(2_000)
    digests = {
        (outcome.state_digest, outcome.command_digest)
        for form in ("compiled", "python")
        for rows in (1, 64, len(market))
        for outcome in [
            play(
                configuration(form, BOTH, ("BTC", "ETH", "XRP"), more=LATENCY, timer_interval="500ms", block_events=97),
                pieces(market, rows),
            )
        ]
    }
    assert len(digests) == 1


def test_larger_tables_decide_the_same(expected: Tape) -> None:
    tape = record(_configuration(), [ticks(EVENTS)], LARGE_LIMITS)
    assert tape.digests[1] == expected.digests[1]
    assert tape.events.tobytes() == expected.events.tobytes()
    with tape.journal.read() as reader:
        again = refold(reader, compare=True)
    assert (again.state_digest, again.command_digest) == tape.digests


@pytest.mark.parametrize("form", ["compiled", "python"])
def test_every_snapshot_and_its_tail_lead_to_the_end(form: str) -> None:
    tape = record(_configuration(form, block_events=100, snapshot_every_events=500), [ticks(EVENTS)])
    engine = engine_for(DEFAULT_LIMITS)
    found = 0
    with tape.journal.read() as reader:
        snapshot = reader.snapshot_before(reader.last_seq)
        while snapshot is not None:
            found += 1
            assert ("strategies" in snapshot.extra) == (form == "compiled")
            folder = Folder(DEFAULT_LIMITS)
            folder.state[:] = np.frombuffer(snapshot.state, np.uint8)
            assert int(engine.view(folder.state).seq) == snapshot.seq
            commands = blake3(tape.decisions[tape.decisions["seq"] <= snapshot.seq].tobytes())
            for block in reader.blocks(snapshot.seq + 1):
                decided = folder.fold(block.events, block.last_seq - block.first_seq + 1)
                assert decided == block.decisions.tobytes()
                assert state_digest(folder.state) == block.state_digest
                commands.update(decided)
            assert (state_digest(folder.state).hex(), commands.hexdigest()) == tape.digests
            snapshot = reader.snapshot_before(snapshot.seq - 1)
    assert found == tape.outcome.events // 500


def test_the_tape_may_be_cut_at_any_event(expected: Tape) -> None:
    """Fold up to an event, keep the state's bytes, go on from a copy of them: the end is the same."""
    events = expected.events.view(np.uint8)
    for cut in np.random.default_rng(7).integers(1, len(expected.events), 25).tolist():
        before, after = Folder(DEFAULT_LIMITS), Folder(DEFAULT_LIMITS)
        decided = before.fold(events, cut)
        after.state[:] = np.frombuffer(before.state.tobytes(), np.uint8)
        decided += after.fold(events[cut * EVENT_BYTES :], len(expected.events) - cut)
        assert (state_digest(after.state).hex(), blake3(decided).hexdigest()) == expected.digests


def test_the_tape_refolds_to_where_the_run_came(expected: Tape) -> None:
    with expected.journal.read() as reader:
        again = refold(reader, compare=True)
    assert (again.state_digest, again.command_digest) == expected.digests
    assert again.events == again.last_seq == expected.outcome.events
    assert again.last_ts_ns == expected.outcome.last_ts_ns


def test_a_refold_ends_where_it_is_told(expected: Tape) -> None:
    with expected.journal.read() as reader:
        for seq in (1, 500, expected.outcome.events):
            assert refold(reader, until_seq=seq).last_seq == seq


def test_another_market_is_another_tape(expected: Tape) -> None:
    """The digests see a single tick: otherwise all of the above would prove nothing."""
    market = ticks(EVENTS)
    market.view(QUOTE)["ask_lots"][-1] += 1
    assert play(_configuration(), [market]).state_digest != expected.digests[0]


def _rewritten(tape: Tape, change: Any) -> MemoryJournal:
    """The same tape on a new journal, its last block but one changed by `change(events, decisions, digest)`."""
    journal = MemoryJournal()
    with tape.journal.read() as reader, journal.create(reader.manifest) as writer:
        for number, block in enumerate(reader.blocks()):
            parts = block.events.copy(), block.decisions.copy(), block.state_digest
            if number == len(tape.blocks) - 2:
                parts = change(*parts)
            writer.append(*parts)
    return journal


def _other_quantity(events: Any, decisions: Any, digest: bytes) -> Any:
    placed = decisions.view(COMMAND)
    placed["quantity_lots"][np.flatnonzero(placed["kind"] == DecisionKind.PLACE_ORDER)[1]] += 1
    return events, decisions, digest


def _other_price(events: Any, decisions: Any, digest: bytes) -> Any:
    quotes = events.view(QUOTE)
    quotes["ask_ticks"][np.flatnonzero(quotes["kind"] == EventKind.QUOTE)[-1]] += 1
    return events, decisions, digest


def _twice(events: Any, decisions: Any, digest: bytes) -> Any:
    return events, np.concatenate([decisions, decisions[-64:]]), digest


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_other_quantity, "recorded is order .* 2,001 .*, this engine decides order .* 2,000 "),
        (
            lambda events, decisions, digest: (events, decisions[:-64], digest),
            "recorded is nothing more, this .* order",
        ),
        (_twice, "recorded is order .* placed .*, this engine decides nothing more"),
        (lambda events, decisions, digest: (events, decisions, bytes([1]) * 32), "state digest .* recorded 0101"),
        (_other_price, "state digest"),
    ],
    ids=["another quantity", "a decision less", "a decision more", "another digest", "another price"],
)
def test_a_tape_that_was_changed_diverges(change: Any, message: str) -> None:
    tape = record(_configuration(block_events=500), [ticks(EVENTS)])
    first, last, _ = tape.blocks[-2]
    with _rewritten(tape, change).read() as reader, pytest.raises(Divergence, match=message) as raised:
        refold(reader, compare=True)
    event = re.match(r"(?:event|block) (\d+)", str(raised.value))
    assert event is not None
    assert first <= int(event[1]) <= last


def test_an_unchanged_copy_does_not_diverge() -> None:
    tape = record(_configuration(block_events=500), [ticks(EVENTS)])
    with _rewritten(tape, lambda *parts: parts).read() as reader:
        assert refold(reader, compare=True).command_digest == tape.digests[1]
    assert tape.events.dtype == EVENT
