"""A tape as a notification log: what is in it, in which order, by which ids, whole, in parts, and while it grows."""

import random
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from eventsourcing.persistence import InfrastructureFactory, Mapper, NotSupportedError
from eventsourcing.utils import get_topic

from adapters.errors import UserError
from adapters.journal import MemoryJournal, create_journal, read_journal
from engine.kinds import (
    BreakerAction,
    Condition,
    DecisionKind,
    EventKind,
    FillFlag,
    OrderFlag,
    RequestFailure,
)
from engine.records import BREAKER_DECISION, COMMAND, EVENT
from engine.state import DEFAULT_LIMITS
from replay.backtest import backtest_manifest
from replay.names import read_names
from replay.notifications import Tape, TapeRecorder, events
from replay.notifications.identity import PLACES, last_id_of, notification_id, originator_of, seq_of
from replay.notifications.translating import TOPICS
from tests.conformance.journal_places import manifest
from tests.golden.fixed_runs import EMA_OF_TRADES, LADDER
from tests.golden.runs import LATENCY, configuration, play, three_markets
from tests.unit.statistics_tape import Tape as TapeByHand

SETTINGS = configuration(
    "compiled", EMA_OF_TRADES | LADDER, ("BTC", "ETH", "XRP"), LATENCY, timer_interval="1s", block_events=100
)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tape of some hundred orders in three markets, in many blocks."""
    folder = tmp_path_factory.mktemp("tape") / "journal"
    with create_journal(folder, backtest_manifest(SETTINGS, DEFAULT_LIMITS)) as writer:
        play(SETTINGS, [three_markets(300)], writer)
    return folder


@pytest.fixture
def tape(journal: Path) -> Iterator[Tape]:
    app = Tape({"TAPEFOLD_JOURNAL": str(journal)})
    yield app
    app.close()


def said(app: Tape) -> Iterator[tuple[int, events.TapeEvent]]:
    for notification in app.recorder.select_notifications(None, 10**9):
        yield notification.id, app.mapper.to_domain_event(notification)  # type: ignore[misc]


def test_every_record_of_an_order_is_a_notification_in_the_order_of_the_tape(tape: Tape, journal: Path) -> None:
    expected = []
    with read_journal(journal) as reader:
        for block in reader.blocks():
            for offset, event in enumerate(block.events.view(EVENT)):
                seq, place = block.first_seq + offset, 0
                if EventKind.ORDER_SENT <= event["kind"] <= EventKind.ORDER_TRIGGERED:
                    expected.append((notification_id(seq, 0), EventKind(event["kind"]).name))
                for decision in block.decisions.view(COMMAND):
                    if decision["seq"] == seq:
                        place += 1
                        if decision["kind"] <= DecisionKind.REFUSAL:
                            expected.append((notification_id(seq, place), DecisionKind(decision["kind"]).name))
    names = {
        "PLACE_ORDER": "OrderPlaced",
        "CANCEL_ORDER": "CancelRequested",
        "REFUSAL": "OrderRefused",
    }
    found = [(number, type(event).__name__) for number, event in said(tape)]
    assert found == [(number, names.get(name, name.title().replace("_", ""))) for number, name in expected]
    assert len({name for _, name in found}) == 8 and len(found) > 500


def test_an_event_says_what_its_record_says(tape: Tape, journal: Path) -> None:
    with read_journal(journal) as reader:
        records = {
            block.first_seq + offset: event.copy()
            for block in reader.blocks()
            for offset, event in enumerate(block.events.view(EVENT))
        }
        names = read_names(reader)
        fills = [event for _, event in said(tape) if isinstance(event, events.OrderFilled)]
        assert len(fills) == 55
        for fill in fills:
            order, trade_id, price_ticks, quantity_lots, fee = records[fill.seq]["payload"].tolist()
            instrument = names.instrument(int(records[fill.seq]["instrument"]))
            assert (fill.order, fill.trade_id, fill.symbol) == (order, trade_id, instrument.symbol)
            assert Decimal(fill.price) == price_ticks * instrument.tick_size
            assert Decimal(fill.quantity) == quantity_lots * instrument.lot_size
            assert Decimal(fill.fee) == Decimal(fee).scaleb(-fill.money_decimals)
            assert (fill.side == "sell") == bool(records[fill.seq]["detail"] & FillFlag.SELL)
            assert fill.tick_lot_units * Decimal(1).scaleb(-8) == instrument.tick_size * instrument.lot_size
            assert fill.originator_id == originator_of(reader.manifest.journal_id, "order", order)


def test_ids_are_a_function_of_the_place_on_the_tape() -> None:
    assert notification_id(1, 0) == 1 << 20
    assert [seq_of(number) for number in (notification_id(7, 0), notification_id(7, 3), last_id_of(7))] == [7, 7, 7]
    assert last_id_of(7) + 1 == notification_id(8, 0) and last_id_of(7) == notification_id(7, PLACES - 1)
    # Stored by others: these may never change.
    assert originator_of("0" * 32, "order", 1) == UUID("8fa9eecb-4378-51bb-8919-b529db3a65bd")
    assert TOPICS[0] == "replay.notifications.events:OrderSent"


def test_windows_and_topics_are_those_of_a_plain_filter(tape: Tape) -> None:
    everything = tape.recorder.select_notifications(None, 10**9)
    assert tape.recorder.max_notification_id() == everything[-1].id
    rng = random.Random(5)
    for _ in range(150):
        start = rng.choice([None, 0, rng.choice(everything).id, rng.choice(everything).id + rng.randrange(-2, 3)])
        stop = rng.choice([None, rng.choice(everything).id, rng.choice(everything).id + 1])
        topics = rng.sample(TOPICS, rng.randrange(4))
        limit, inclusive = rng.choice([1, 7, 10_000]), rng.random() < 0.5
        first = 0 if start is None else start if inclusive else start + 1
        expected = [
            one
            for one in everything
            if one.id >= first and (stop is None or one.id <= stop) and (not topics or one.topic in topics)
        ][:limit]
        assert tape.recorder.select_notifications(start, limit, stop, topics, inclusive_of_start=inclusive) == expected
        of_topics = [one.id for one in everything if not topics or one.topic in topics]
        assert tape.recorder.last_notification_id(topics) == (of_topics[-1] if of_topics else None)


def test_one_who_starts_in_the_middle_reads_the_same(tape: Tape, journal: Path) -> None:
    everything = tape.recorder.select_notifications(None, 10**9)
    for start in range(1, len(everything), 97):
        newcomer = TapeRecorder(read_journal(journal))
        assert newcomer.select_notifications(everything[start].id, 20) == everything[start : start + 20]
        newcomer.close()


def test_the_events_of_one_order_are_selected_as_an_aggregates(tape: Tape) -> None:
    everything = [event for _, event in said(tape)]
    order = originator_of(tape.recorder.journal_id, "order", 3)
    versions = [event.originator_version for event in everything if event.originator_id == order]
    assert len(versions) >= 3

    def found(**window: object) -> list[int]:
        return [event.originator_version for event in tape.recorder.select_events(order, **window)]  # type: ignore[arg-type]

    assert found() == versions == sorted(versions)
    assert found(gt=versions[0], lte=versions[1]) == versions[1:2]
    assert found(desc=True, limit=2) == versions[::-1][:2]
    assert tape.recorder.select_events("nobody") == []


def test_a_tape_is_not_written_through_it(tape: Tape) -> None:
    with pytest.raises(NotSupportedError, match="a tape is written by its engine alone"):
        tape.recorder.insert_events([])


def test_a_subscription_follows_a_tape_that_grows(tmp_path: Path, tape: Tape, journal: Path) -> None:
    """Block by block from another writer; nothing is missed, doubled or told before it is committed."""
    topics = [get_topic(events.OrderFilled), get_topic(events.OrderPlaced)]
    expected = [one.state for one in tape.recorder.select_notifications(None, 10**9, topics=topics)]
    seen: list[bytes] = []
    with read_journal(journal) as source, create_journal(tmp_path / "copy", source.manifest) as writer:
        growing = TapeRecorder(read_journal(tmp_path / "copy"))
        assert growing.max_notification_id() is None
        with growing.subscribe(gt=0, topics=topics) as subscription:
            for block in source.blocks():
                documents = dict(source.documents(block.first_seq, block.last_seq))
                writer.append(block.events, block.decisions, block.state_digest, documents)
                there = growing.select_notifications(None, 10**9, topics=topics)
                while len(seen) < len(there):
                    seen.append(next(subscription).state)
                assert seen == [one.state for one in there]
        growing.close()
    assert seen == expected


def test_it_is_opened_as_a_persistence_module(journal: Path, tmp_path: Path) -> None:
    env = {"PERSISTENCE_MODULE": "replay.notifications", "TAPEFOLD_JOURNAL": str(journal)}
    factory = InfrastructureFactory.construct(env)
    assert isinstance(factory.application_recorder(), TapeRecorder)
    with pytest.raises(NotSupportedError):
        factory.tracking_recorder()
    factory.close()
    with pytest.raises(OSError, match="TAPEFOLD_JOURNAL: not set, expected the folder of a journal"):
        InfrastructureFactory.construct({"PERSISTENCE_MODULE": "replay.notifications"})
    with pytest.raises(UserError, match="does not exist, expected a journal's folder"):
        Tape({"TAPEFOLD_JOURNAL": str(tmp_path / "none")})


def test_what_else_the_exchange_and_breakers_say() -> None:
    """A report of an order that nobody placed, a request without an answer, a doubled fill, a fee in the base."""
    by_hand = TapeByHand()
    by_hand.instrument(0, "AAA/USD")
    by_hand.fill(0, 5, 1_000, fee=1, in_base=True)
    by_hand.add(EventKind.REQUEST_FAILED, order=9, failure=RequestFailure.TIMEOUT)
    by_hand.add(EventKind.REQUEST_FAILED, failure=RequestFailure.TIMEOUT)
    by_hand.add(EventKind.ORDER_REJECTED, order=9, reason=99_999)
    recorder = TapeRecorder(by_hand.reader())
    mapper: Mapper[UUID] = Tape.construct_mapper(_Plain())  # type: ignore[arg-type]
    fill, unanswered, rejected = [mapper.to_domain_event(one) for one in recorder.select_notifications(None, 99)]
    assert isinstance(fill, events.OrderFilled) and fill.fee_in_base
    assert (fill.fee, fill.quantity, fill.order) == ("0.1", "0.5", 0)
    assert fill.originator_id == originator_of("0" * 32, "instrument", 0)
    assert isinstance(unanswered, events.OrderUnanswered) and unanswered.failure == "timeout"
    assert isinstance(rejected, events.OrderRejected) and rejected.reason == "reason_99999"


def test_every_kind_of_event_can_be_built_from_a_record() -> None:
    """Whatever a tape holds: records of every kind, all zeros but for the kind, are translated or passed over."""
    by_hand = TapeByHand()
    by_hand.instrument(0, "AAA/USD")
    for kind in EventKind:
        by_hand.add(kind)
    names = {one.topic for one in TapeRecorder(by_hand.reader()).select_notifications(None, 999)}
    reports = {get_topic(getattr(events, name)) for name in dir(events) if name.startswith(("Order", "CancelRej"))}
    abstract = {get_topic(one) for one in (events.OrderEvent, events.OrderReport)}
    decided = {get_topic(one) for one in (events.OrderPlaced, events.OrderReleased)}
    assert names == reports - abstract - decided - {get_topic(events.OrderUnanswered)}


def test_every_decision_about_orders_and_breakers_is_told() -> None:
    """Each kind of decision, two of them on one event; what a later version may add is called by its number."""
    decisions = np.zeros(len(DecisionKind) + 1, COMMAND)
    decisions["kind"] = [*DecisionKind, DecisionKind.BREAKER_TRIPPED]
    decisions["seq"] = np.arange(len(decisions)) // 2 + 1
    decisions["order"], decisions["order_type"], decisions["time_in_force"] = 1, 9, 2
    tripped = decisions[-1:].view(BREAKER_DECISION)[0]
    tripped.breaker, tripped.condition, tripped.limit, tripped.observed = 0, Condition.LOSING_STREAK, 3, 4
    tripped.actions = BreakerAction.ALERT | BreakerAction.KILL_SWITCH
    journal = MemoryJournal()
    with journal.create(manifest()) as writer:
        writer.append(np.zeros(len(decisions) * 64, np.uint8), decisions.view(np.uint8), bytes(32))
    mapper: Mapper[UUID] = Tape.construct_mapper(_Plain())  # type: ignore[arg-type]
    told = [mapper.to_domain_event(one) for one in TapeRecorder(journal.read()).select_notifications(None, 99)]
    found = [(type(one).__name__, one.seq, one.originator_version % PLACES) for one in told]
    assert found == [
        ("OrderPlaced", 1, 1),
        ("CancelRequested", 1, 2),
        ("AmendmentRequested", 2, 1),
        ("OrderReleased", 2, 2),
        ("OrderRefused", 3, 1),
        ("BreakerTripped", 5, 1),
        ("BreakerChanged", 5, 2),
        ("BreakerTripped", 7, 2),
    ]
    assert (told[0].order_type, told[0].time_in_force) == ("ordertype_9", "ioc")
    last = told[-1]
    assert (last.breaker, last.condition, last.symbol) == ("breaker 0", "losing_streak", None)
    assert (last.limit, last.observed, last.actions) == ("3", "4", ["alert", "kill_switch"])
    assert last.originator_id == originator_of(manifest().journal_id, "breaker", 0)


def test_flags_of_an_order_are_told_apart() -> None:
    """Each bit of `order_flags` has a field of its own."""
    assert {flag.name.lower() for flag in OrderFlag} - {one.name for one in fields(events.OrderPlaced)} == {
        "sell",
        "held_by_engine",
    }


class _Plain:
    """As much of an application as it takes to make a mapper."""

    def __init__(self) -> None:
        self.factory = InfrastructureFactory.construct({})

    construct_transcoder = Tape.construct_transcoder
    register_transcodings = Tape.register_transcodings
