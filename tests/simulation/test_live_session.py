"""The live session: nothing leaves before it is on the tape, and a restart is the tape once more."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from adapters.configuration import Configuration, parse_configuration
from adapters.errors import Divergence
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command
from adapters.journal import (
    NO_STATE_DIGEST,
    Durability,
    JournalReader,
    JournalWriter,
    TextDocument,
    append_journal,
    create_journal,
    read_journal,
)
from engine.entry import engine_for
from engine.kinds import DecisionKind, EventKind, FillFlag, OperatorAction, OrderFlag
from engine.state import DEFAULT_LIMITS
from replay import live_session
from replay.backtest import backtest_manifest
from replay.live_session import LiveSession
from replay.loop import Gateway, loop_for
from replay.opening import opening_events
from replay.recorder import state_digest
from replay.refold import refold
from replay.setup import bind_strategies

START_NS = 1_700_000_000_000_000_000

TEXT = """
[run]
name = "live"

[[accounts]]
name = "main"
kind = "margin"
currency = "USDT"
balance = "100000"

[[instruments]]
symbol = "BTC/USDT:USDT"
account = "main"
kind = "linear"
tick_size = "0.1"
lot_size = "0.001"
margin_initial = "0.05"
order_quantity = "0.01"

[bracket]
stop = "1%"
targets = [{{ at = "2%" }}]

[[strategies]]
name = "ema"
form = "{form}"
entry = "{entry}"
[strategies.parameters]
fast = {fast}
slow = 9
price = "quote"
"""
ENTRIES = {"compiled": "adapters.strategies.ema_cross", "python": "adapters.strategies.ema_cross:EmaCross"}


def configuration(form: str, fast: int = 3) -> Configuration:
    return parse_configuration(TEXT.format(form=form, entry=ENTRIES[form], fast=fast), Path("live.toml"))


class Clock:
    def __init__(self) -> None:
        self.now_ns = START_NS

    def __call__(self) -> int:
        self.now_ns += 1_000
        return self.now_ns


def session_of(chosen: Configuration) -> LiveSession:
    strategies = bind_strategies(chosen)
    loop = loop_for(DEFAULT_LIMITS)
    exchange = np.zeros(loop.exchange_layout.itemsize, np.uint8)
    return LiveSession(engine_for(DEFAULT_LIMITS), loop, exchange, strategies.binding, strategies.host, Gateway.OUTSIDE)


class Market:
    """A wandering price, and an exchange that answers every command at once, in the inbox."""

    def __init__(self, inbox: Inbox, seed: int) -> None:
        self.inbox = inbox
        self.random = random.Random(seed)
        self.price_ticks = 500_000
        self.trades = 0

    def tick(self) -> None:
        self.price_ticks += self.random.randint(-400, 400)
        self.inbox.quote(0, self.price_ticks, self.price_ticks + 1, 1_000, 1_000)

    def answer(self, command: Command) -> None:
        if command.kind == DecisionKind.CANCEL_ORDER:
            self.inbox.order_report(EventKind.ORDER_CANCELED, 0, 0, command.order)
            return
        if command.kind == DecisionKind.AMEND_ORDER:
            price = command.limit_ticks or command.trigger_ticks
            self.inbox.order_report(
                EventKind.ORDER_AMENDED, 0, 0, command.order, 0, quantity_lots=command.quantity_lots, price_ticks=price
            )
            return
        self.inbox.order_report(EventKind.ORDER_ACCEPTED, 0, 0, command.order, exchange_order_id=command.order + 100)
        if command.trigger_ticks == 0 and command.limit_ticks == 0:
            self.trades += 1
            side = command.order_flags & OrderFlag.SELL
            flags = FillFlag.SELL if side else 0
            price = self.price_ticks if side else self.price_ticks + 1
            self.inbox.fill(0, 0, command.order, self.trades, price, command.quantity_lots, 7, flags)


def begin(session: LiveSession, writer: JournalWriter, chosen: Configuration) -> None:
    session.attach(writer)
    events, documents = opening_events(chosen, START_NS)
    session.take(events, {seq - 1: document for seq, document in documents.items()})
    session.flush()


def trade(session: LiveSession, market: Market, inbox: Inbox, ticks: int) -> list[Command]:
    """So many ticks, each a batch with what was answered to the one before."""
    sent = []
    for _ in range(ticks):
        market.tick()
        commands = session.take(*inbox.take(1_000))
        if session.has_commands:
            commands += session.flush()
        for command in commands:
            market.answer(command)
        sent += commands
    return sent


@pytest.mark.parametrize("form", ["compiled", "python"])
def test_a_restart_goes_on_where_the_tape_ends(tmp_path: Path, form: str) -> None:
    chosen, clock = configuration(form), Clock()
    inbox = Inbox(clock)
    market = Market(inbox, seed=5)
    first = session_of(chosen)
    with create_journal(tmp_path / "j", backtest_manifest(chosen), Durability.ON_CLOSE) as writer:
        begin(first, writer, chosen)
        sent = trade(first, market, inbox, 150)
        first.close()
    assert {command.kind for command in sent} >= {DecisionKind.PLACE_ORDER, DecisionKind.CANCEL_ORDER}
    assert (
        len({command.order for command in sent if command.kind == DecisionKind.PLACE_ORDER}) == first.row.orders_placed
    )

    second = session_of(chosen)
    with read_journal(tmp_path / "j") as reader:
        recovered = second.recover(reader)
    assert recovered.events == first.row.seq and recovered.divergences == 0
    assert state_digest(second.state) == state_digest(first.state)

    # The strategies have seen everything: from here on both do the same.
    other = Market(Inbox(clock), seed=6)
    other.price_ticks = market.price_ticks
    with append_journal(tmp_path / "j", Durability.ON_CLOSE) as writer:
        second.attach(writer)
        later = trade(second, other, other.inbox, 100)
        second.close()
    assert later, "the second half trades too"
    with read_journal(tmp_path / "j") as reader:
        whole = refold(reader, compare=True)
        third = session_of(chosen)
        assert third.recover(reader).divergences == 0
    assert whole.state_digest == state_digest(second.state).hex() == state_digest(third.state).hex()


def test_other_signals_than_the_recorded_ones_are_a_divergence_and_are_not_told(tmp_path: Path) -> None:
    chosen = configuration("compiled")
    inbox = Inbox(Clock())
    session = session_of(chosen)
    with create_journal(tmp_path / "j", backtest_manifest(chosen), Durability.ON_CLOSE) as writer:
        begin(session, writer, chosen)
        trade(session, Market(inbox, seed=5), inbox, 150)
        session.close()
    other = session_of(configuration("compiled", fast=2))
    with read_journal(tmp_path / "j") as reader:
        recovered = other.recover(reader)
    assert recovered.divergences > 0 and 0 < recovered.diverged_seq <= recovered.events
    assert state_digest(other.state) == state_digest(session.state), "the recorded signals count"


def test_what_is_to_be_sent_does_not_wait_for_the_digest_of_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_session, "_DIGEST_EVERY_S", 0.0)
    chosen = configuration("compiled")
    inbox = Inbox(Clock())
    session = session_of(chosen)
    with create_journal(tmp_path / "j", backtest_manifest(chosen), Durability.ON_CLOSE) as writer:
        begin(session, writer, chosen)
        market, commanding = Market(inbox, seed=5), set()
        for _ in range(150):
            sent = trade(session, market, inbox, 1)
            if sent:
                commanding.add(session.row.seq)
            else:
                session.flush()
        session.close()
    assert commanding
    with read_journal(tmp_path / "j") as reader:
        for block in reader.blocks():
            assert (block.state_digest == NO_STATE_DIGEST) == (block.last_seq in commanding)


def test_nothing_is_sent_before_it_is_on_the_tape(tmp_path: Path) -> None:
    chosen = configuration("compiled")
    inbox = Inbox(Clock())
    market = Market(inbox, seed=5)
    session = session_of(chosen)
    with create_journal(tmp_path / "j", backtest_manifest(chosen), Durability.ON_CLOSE) as writer:
        begin(session, writer, chosen)
        while not session.has_commands:
            market.tick()
            assert session.take(*inbox.take(1_000)) == []
        before = writer.next_seq
        assert before <= session.row.seq, "the decision is not on the tape yet"
        commands = session.flush()
        assert commands and writer.next_seq == session.row.seq + 1


def test_what_operators_say_keeps_its_words(tmp_path: Path) -> None:
    chosen = configuration("compiled")
    inbox = Inbox(Clock())
    market = Market(inbox, seed=5)
    session = session_of(chosen)
    words = TextDocument(text="too wild today", author="ann")
    with create_journal(tmp_path / "j", backtest_manifest(chosen), Durability.ON_CLOSE) as writer:
        begin(session, writer, chosen)
        for _ in range(40):
            market.tick()
        inbox.put_stated(EventKind.OPERATOR_COMMAND, words, OperatorAction.KILL, words=(1, 0, 0, 0, 0))
        market.tick()
        session.take(*inbox.take(1_000))
        session.close()
    with read_journal(tmp_path / "j") as reader:
        found = [document for _, document in reader.documents() if isinstance(document, TextDocument)]
        assert words in found
        refold(reader, compare=True)


def test_a_changed_decision_stops_the_restart(tmp_path: Path) -> None:
    chosen = configuration("compiled")
    inbox = Inbox(Clock())
    session = session_of(chosen)
    with create_journal(tmp_path / "j", backtest_manifest(chosen), Durability.ON_CLOSE) as writer:
        begin(session, writer, chosen)
        trade(session, Market(inbox, seed=5), inbox, 60)
        session.close()

    class Other(JournalReader):
        def batches(self, *arguments: object):  # type: ignore[no-untyped-def, override]
            for blocks in super().batches():
                yield [replace(block, decisions=block.decisions[64:]) for block in blocks]

    with read_journal(tmp_path / "j") as reader, pytest.raises(Divergence, match="another decision"):
        session_of(chosen).recover(Other(reader.store))
