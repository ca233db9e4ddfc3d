"""From a file to the engine's state: every rule arrives on the tape, and a change is in force from its time on."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.configuration import Configuration, parse_configuration
from adapters.errors import UserError
from adapters.journal import (
    NO_STATE_DIGEST,
    BreakerDocument,
    ConfigurationDocument,
    Manifest,
    MemoryJournal,
    read_journal,
)
from engine import rules
from engine.kinds import EventKind, OrderStatus, Setting, TradingState
from engine.records import CONFIGURATION, EVENT, QUOTE
from engine.state import Limits
from replay.backtest import run_backtest
from replay.changes import with_changes, zone_changes, zone_offset_ns
from replay.names import configured_names, read_names
from replay.opening import opening_events
from replay.refold import Refold, refold
from tests.twin.machine import SMALL_LIMITS, Machine
from tests.unit import configuration_support as full

LIMITS = SMALL_LIMITS


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


START_NS = ns("2018-01-02T08:00:00")
NOON_NS = ns("2018-01-02T12:00:00")


def configuration() -> Configuration:
    return parse_configuration(full.FULL, full.PATH)


@pytest.fixture(scope="module")
def machine() -> Machine:
    machine = Machine(LIMITS)
    machine.fold(opening_events(configuration(), START_NS)[0])
    return machine


def test_the_engine_takes_every_event_of_the_opening(machine: Machine) -> None:
    assert machine.state.events_refused == 0
    assert machine.state.trading_state == TradingState.REDUCE_ONLY
    assert machine.state.breakers_defined == 5


def test_every_rule_is_in_the_state_with_its_number(machine: Machine) -> None:
    state = machine.state
    assert full.rules_of(state.rules, rules.BOOK.bounds) == full.BOOK
    for number, expected in enumerate(full.ACCOUNTS):
        assert full.rules_of(state.accounts[number].rules, rules.ACCOUNT.bounds) == expected
        assert _rows(state.accounts[number].risk_steps, rules.RISK_STEP) == full.RISK_STEPS[number]
    for number, expected in enumerate(full.INSTRUMENTS):
        assert full.rules_of(state.instruments[number].rules, rules.INSTRUMENT.bounds) == expected
        assert _rows(state.instruments[number].windows, rules.WINDOW) == full.WINDOWS[number]
        assert _rows(state.instruments[number].targets, rules.TARGET) == full.TARGETS[number]
    for number, expected in enumerate(full.STRATEGIES):
        assert full.rules_of(state.strategies[number].rules, rules.STRATEGY.bounds) == expected
    assert full.rules_of(state.pairs[0, 1].rules, rules.PAIR.bounds) == full.PAIR
    assert _rows(state.breakers, rules.BREAKER) == full.BREAKERS


def _rows(table: Any, kind: rules.RuleTable) -> list[full.Words]:
    return [row for row in (full.rules_of(row, kind.bounds) for row in table) if row]


def test_the_full_configuration_sets_every_rule_there_is() -> None:
    """So that a rule which is added without a key is noticed here."""
    told = {rule.setting for rule in configuration().rules.settings}
    every = {table.number(name) for table in rules.TABLES for name in table.bounds}
    by_other_means = {rules.INSTRUMENT.number("zone_offset_ns")}
    methods_of_others = {"amount_units", "fraction_ppm", "volatility_target_ppm", "kelly_trades_min"}
    assert every - told == by_other_means | {rules.INSTRUMENT.number(name) for name in methods_of_others}


@pytest.mark.parametrize(
    ("text", "rule", "value"),
    [
        ('method = "fixed_amount"\namount = "12.5"', "amount_units", 1_250_000_000),
        ('method = "fixed_fraction"\nfraction = "7%"', "fraction_ppm", 70_000),
        ('method = "volatility_based"\nvolatility_target = "0.001"', "volatility_target_ppm", 1_000),
        ('method = "kelly"\ntrades_min = 40', "kelly_trades_min", 40),
    ],
)
def test_the_other_methods_of_sizing(text: str, rule: str, value: int) -> None:
    changed = full.FULL.replace('method = "risk_based"\nrisk = "1%"', text)
    told = parse_configuration(changed, full.PATH).rules.settings
    (found,) = [item for item in told if item.setting == rules.INSTRUMENT.number(rule) and item.instrument == 0]
    assert found.value == value


def test_rules_come_after_the_definitions_and_breakers_have_their_names() -> None:
    events, documents = opening_events(configuration(), START_NS)
    kinds = events.view(EVENT)["kind"]
    last_definition = np.flatnonzero(kinds == EventKind.STRATEGY_DEFINED)[-1]
    told = events.view(CONFIGURATION)[last_definition + 1 :]
    assert set(told["kind"]) == {EventKind.CONFIGURATION_CHANGED}
    words = told[told["setting"] >= rules.BREAKER.base]
    assert len(words) == 5 * len(rules.BREAKER.bounds)
    assert list(words["setting"][8::9]) == [rules.BREAKER.number("enabled")] * 5
    named = {seq: document for seq, document in documents.items() if isinstance(document, BreakerDocument)}
    assert [document.name for document in named.values()] == ["crash", "rejections", "drift", "silence", "margin"]
    for seq, document in named.items():
        event = events.view(CONFIGURATION)[seq - 1]
        assert (event["setting"], event["row"]) == (rules.BREAKER.number("condition"), document.number)


def test_without_rules_the_opening_is_what_it_was() -> None:
    text = full.FULL[: full.FULL.index("[risk]\n")]
    for section in ("[accounts.risk]", "[accounts.transport]", "[instruments.risk]", '[strategies.instruments."ES"]'):
        head, tail = text.split(section, 1)
        text = head + tail[tail.index("\n\n") :]
    plain = parse_configuration(text.replace('enabled = true\nweight = "2"\n', ""), full.PATH)
    assert {rule.setting for rule in plain.rules.settings} <= {
        rules.STRATEGY.number(name) for name in rules.STRATEGY.bounds
    }
    assert not plain.rules.zones[0]


def quotes(*times: str) -> np.ndarray:
    rows = np.zeros(len(times), QUOTE)
    rows["ts_ns"] = [ns(time) for time in times]
    rows["kind"] = EventKind.QUOTE
    rows["bid_ticks"], rows["ask_ticks"] = 100_000, 100_001
    rows["bid_lots"] = rows["ask_lots"] = 10
    return rows.view(np.uint8)


def _folded(folder: Path, until_seq: int | None = None) -> tuple[Refold, Any]:
    with read_journal(folder) as reader:
        folded = refold(reader, until_seq=until_seq)
    return folded, folded.engine.view(folded.state)


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of quotes, with the two changes of the full configuration in it; no strategy speaks."""
    folder = tmp_path_factory.mktemp("journal") / "tape"
    market = [
        quotes("2018-01-02T08:00:00", "2018-01-02T11:59:59"),
        quotes("2018-01-02T12:00:00", "2018-01-02T12:00:00", "2018-01-02T20:00:00"),
    ]
    text = full.FULL.replace('timer_interval = "1s"', 'timer_interval = "7h"')
    run_backtest(parse_configuration(text, full.PATH), iter(market), folder, limits=LIMITS)
    return folder


def test_a_change_at_noon_is_in_force_from_noon_on(journal: Path) -> None:
    with read_journal(journal) as reader:
        (block,) = reader.blocks()
        events = block.events.view(CONFIGURATION).copy()
        documents = dict(reader.documents())
        names = read_names(reader)
    noon = np.flatnonzero((events["kind"] == EventKind.CONFIGURATION_CHANGED) & (events["ts_ns"] == NOON_NS))
    assert [(events["setting"][i], events["account"][i], events["value"][i]) for i in noon] == [
        (rules.ACCOUNT.number("daily_loss_max_ppm"), 1, 10_000),
        (rules.BREAKER.number("enabled"), 0, 1),
    ]
    assert events["kind"][noon[-1] + 1] == EventKind.QUOTE and events["ts_ns"][noon[-1] + 1] == NOON_NS
    document = documents[int(noon[0]) + 1]
    assert document == ConfigurationDocument(
        text='at = "2018-01-02T12:00:00.000000000Z"\n'
        'set = {"risk.daily_loss_max" = "0.01", "breakers.rejections.enabled" = true}\n',
        format="toml",
    )
    assert names.configuration.startswith('[run]\nname = "full"')
    assert [names.breaker(row) for row in range(3)] == ["crash", "rejections", "drift"]

    _, before = _folded(journal, int(noon[0]))
    _, after = _folded(journal, int(noon[-1]) + 1)
    for state, allowed_ppm, enabled in ((before, 30_000, 0), (after, 10_000, 1)):
        assert state.ts_ns <= NOON_NS
        assert state.accounts[1].rules.daily_loss_max_ppm == allowed_ppm
        assert state.accounts[0].rules.daily_loss_max_ppm == 40_000, "its own limit stays"
        assert state.breakers[1].enabled == enabled


def test_what_is_taken_back_and_what_is_no_rule_of_a_table(journal: Path) -> None:
    folded, state = _folded(journal)
    assert state.events_refused == 0
    assert state.rules.duplicate_window_ns == 0
    assert state.trading_state == TradingState.ACTIVE
    assert (state.strategies[0].enabled, state.strategies[1].enabled) == (0, 1)
    assert state.instruments[1].order_quantity_lots == 3
    assert all(order.status == OrderStatus.NONE for order in state.orders)
    with read_journal(journal) as reader:
        assert reader.last_seq == folded.last_seq
        changes = [document for _, document in reader.documents() if isinstance(document, ConfigurationDocument)]
    assert changes[-1].text.endswith('unset = ["risk.duplicate_window"]\n') and len(changes) == 3


def test_a_change_before_the_first_record_is_refused(tmp_path: Path) -> None:
    line = full.FULL[: full.FULL.index('at = "2018-01-02T12')].count("\n") + 1
    with pytest.raises(UserError, match=rf"^folder/full.toml:{line}: changes\[0\].at: .*2018-01-02T12:30:00Z"):
        run_backtest(configuration(), iter([quotes("2018-01-02T12:30:00")]), tmp_path / "tape", limits=LIMITS)
    assert not (tmp_path / "tape").exists()


def test_more_breakers_than_the_state_holds_are_refused() -> None:
    few = Limits(accounts=3, instruments=3, orders=8, brackets=2, strategies=3, breakers=4)
    with pytest.raises(UserError, match=r"breakers: expected at most 4 breakers, found 5"):
        run_backtest(configuration(), iter([quotes("2018-01-02T08:00:00")]), None, limits=few)


SUMMER_2018_NS = ns("2018-03-11T07:00:00")
WINTER_2018_NS = ns("2018-11-04T06:00:00")


@pytest.mark.parametrize("pieces", [1, 2, 100])
def test_the_clocks_of_a_zone_are_set_between_the_records(pieces: int) -> None:
    text = full.FULL[: full.FULL.index("[[changes]]")]
    times = [f"2018-{month:02}-{day:02}T{hour:02}:00:00" for month in (3, 11) for day in (4, 11) for hour in (6, 7, 8)]
    market = quotes(*times)
    size = 64 * -(-len(times) // pieces)
    chunks = [market[first : first + size] for first in range(0, len(market), size)]
    told = np.concatenate(list(with_changes(parse_configuration(text, full.PATH), iter(chunks), ns(times[0]))))
    rows = told.view(CONFIGURATION)
    assert (np.diff(rows["ts_ns"]) >= 0).all()
    changes = rows[rows["kind"] == EventKind.CONFIGURATION_CHANGED]
    hour_ns = 3_600 * 10**9
    chicago = [(SUMMER_2018_NS + hour_ns, 1, -5 * hour_ns), (WINTER_2018_NS + hour_ns, 1, -6 * hour_ns)]
    new_york = [(SUMMER_2018_NS, 0, -4 * hour_ns), (WINTER_2018_NS, 0, -5 * hour_ns)]
    found = [(int(row["ts_ns"]), int(row["instrument"]), int(row["value"])) for row in changes]
    assert found == sorted(chicago + new_york)
    for row in np.flatnonzero(rows["kind"] == EventKind.CONFIGURATION_CHANGED):
        assert rows["kind"][row + 1] != EventKind.QUOTE or rows["ts_ns"][row + 1] >= rows["ts_ns"][row]
    assert rows[rows["kind"] == EventKind.QUOTE].view(np.uint8).tobytes() == market.tobytes()


def test_a_change_of_the_windows_zone_sets_the_clock_at_once() -> None:
    text = full.FULL[: full.FULL.index("[[changes]]")]
    text += '[[changes]]\nat = "2018-06-01T00:00:00Z"\n[changes.set]\n'
    text += '"instruments.ES.risk.windows" = [{from = "08:00", to = "16:00", zone = "Europe/Berlin"}]\n'
    market = quotes("2018-05-31T00:00:00", "2018-06-02T00:00:00", "2018-12-01T00:00:00")
    told = np.concatenate(list(with_changes(parse_configuration(text, full.PATH), iter([market]), ns("2018-05-31"))))
    rows = told.view(CONFIGURATION)
    offsets = rows[rows["setting"] == rules.INSTRUMENT.number("zone_offset_ns")]
    berlin = offsets[(offsets["kind"] == EventKind.CONFIGURATION_CHANGED) & (offsets["instrument"] == 1)]
    hour_ns = 3_600 * 10**9
    assert [(int(row["ts_ns"]), int(row["value"])) for row in berlin] == [
        (ns("2018-06-01"), 2 * hour_ns),
        (ns("2018-10-28T01:00:00"), hour_ns),
    ]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    zone=st.sampled_from(["America/New_York", "Europe/London", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]),
    start_s=st.integers(0, 2_000_000_000),
    days=st.integers(1, 800),
)
def test_between_the_changes_of_a_zone_its_clock_goes_on(zone: str, start_s: int, days: int) -> None:
    until_s = start_s + 86_400 * days
    changes = list(zone_changes(zone, start_s * 10**9, until_s * 10**9))
    assert changes == sorted(changes)
    for ts_ns, offset_ns in changes:
        assert start_s * 10**9 < ts_ns <= until_s * 10**9
        assert zone_offset_ns(zone, ts_ns - 1) != offset_ns == zone_offset_ns(zone, ts_ns)
    for time_s in range(start_s, until_s, 86_400 * 7):
        passed = [offset_ns for ts_ns, offset_ns in changes if ts_ns <= time_s * 10**9]
        expected = passed[-1] if passed else zone_offset_ns(zone, start_s * 10**9)
        moment = datetime.fromtimestamp(time_s, ZoneInfo(zone)).utcoffset()
        assert moment is not None and moment.total_seconds() * 10**9 == expected


def test_settings_that_are_no_rules_keep_their_numbers() -> None:
    assert {rule.setting for rule in configuration().rules.settings if rule.setting < 100} == {
        Setting.TRADING_STATE,
        Setting.STRATEGY_ENABLED,
    }


def test_a_market_without_changes_is_passed_on_as_it_is() -> None:
    text = full.FULL[: full.FULL.index("[risk]\n")].replace("windows", "none").replace("[[instruments.risk.none]]", "#")
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("days", "from", "to =", "zone")))
    market: Iterator[np.ndarray] = iter([quotes("2018-01-02T08:00:00")])
    assert with_changes(parse_configuration(text, full.PATH), market, 0) is market


def test_a_configuration_gives_the_names_that_its_tape_will() -> None:
    given = configuration()
    events, documents = opening_events(given, START_NS)
    journal = MemoryJournal()
    manifest = Manifest(
        journal_id="0" * 32, engine_version="", layout={}, configuration_hash="", mode="live", created_ns=0
    )
    with journal.create(manifest) as writer:
        writer.append(events, events[:0], NO_STATE_DIGEST, documents)
    assert configured_names(given) == read_names(journal.read())
