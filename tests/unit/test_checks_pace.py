"""Checks 9 to 11, 23, 28 and 29: cooldowns, repeated intents, days, rates; and the throttle of executions."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arithmetic import INT64_MAX
from engine.checks.entry import note_entry
from engine.checks.pace import check_rates, note_execution, take_cancel_token, take_order_token
from engine.kinds import DecisionKind, EventKind, OperatorAction, OrderRole, TransportStatus
from engine.reasons import Reason
from engine.records import REFUSAL
from engine.rules import BOOK, RING_TIMES, STRATEGY
from engine.state import RECENT_INTENTS
from tests.support import from_python
from tests.twin.events import event
from tests.twin.machine import SMALL_LIMITS, Machine
from tests.unit.checks_support import BUY, NOW_NS, PASSED, SELL, add_order, ask, new_outbox, new_state

_note_entry = from_python(note_entry)
_note_execution = from_python(note_execution)
_check_rates = from_python(check_rates)
_take_order_token = from_python(take_order_token)
_take_cancel_token = from_python(take_cancel_token)


def note(state: Any, lots: int = 5, side: int = BUY, limit: int = 0, instrument: int = 1, strategy: int = 1) -> None:
    _note_entry(state, instrument, strategy, side, lots, limit)


def test_cooldown_after_an_entry() -> None:
    state = new_state()
    state.instruments[1].rules.cooldown_ns = 100
    assert ask(state) == PASSED
    note(state)
    assert ask(state, 7, SELL) == (Reason.COOLDOWN, 100, 0)
    assert ask(state, instrument=3) == PASSED
    state.ts_ns = NOW_NS + 99
    assert ask(state) == (Reason.COOLDOWN, 100, 99)
    state.ts_ns = NOW_NS + 100
    assert ask(state) == PASSED


def test_cooldown_after_a_loss() -> None:
    state = new_state()
    instrument = state.instruments[1]
    instrument.rules.loss_cooldown_ns = 100
    assert ask(state) == PASSED
    instrument.last_loss_ts_ns = NOW_NS - 99
    assert ask(state) == (Reason.LOSS_COOLDOWN, 100, 99)
    instrument.last_loss_ts_ns = NOW_NS - 100
    assert ask(state) == PASSED


def test_the_same_intent_twice() -> None:
    state = new_state()
    state.rules.duplicate_window_ns = 50
    note(state, limit=99)
    state.ts_ns = NOW_NS + 20
    assert ask(state, limit=99) == (Reason.DUPLICATE_INTENT, 50, 20)
    others: list[dict[str, int]] = [{"limit": 98}, {"lots": 4}, {"side": SELL}, {"strategy": 2}, {"instrument": 3}]
    for other in others:
        assert ask(state, **({"limit": 99} | other)) == PASSED, other
    note(state, limit=99)
    state.ts_ns = NOW_NS + 30
    assert ask(state, limit=99) == (Reason.DUPLICATE_INTENT, 50, 10)
    state.ts_ns = NOW_NS + 70
    assert ask(state, limit=99) == PASSED


def test_the_sixteenth_intent_is_remembered_and_the_seventeenth_not() -> None:
    state = new_state()
    state.rules.duplicate_window_ns = 50
    note(state, 1)
    for lots in range(2, RECENT_INTENTS + 1):
        note(state, lots)
    assert ask(state, 1)[0] == Reason.DUPLICATE_INTENT
    note(state, 40)
    assert ask(state, 1) == PASSED
    assert ask(state, 2)[0] == Reason.DUPLICATE_INTENT


def test_entries_per_day() -> None:
    state = new_state()
    state.rules.entries_per_day_max = 3
    state.instruments[1].rules.entries_per_day_max = 2
    note(state)
    assert ask(state) == PASSED
    note(state)
    assert ask(state) == (Reason.INSTRUMENT_ENTRIES_PER_DAY_MAX, 2, 2)
    assert ask(state, instrument=3) == PASSED
    note(state, instrument=4)
    assert ask(state, instrument=3) == (Reason.ENTRIES_PER_DAY_MAX, 3, 3)
    assert [int(state.accounts[number].entries_today) for number in (1, 2)] == [2, 1]


def test_an_entry_at_a_half_open_connection_is_its_probe() -> None:
    state = new_state()
    state.orders_placed = 9
    note(state)
    assert state.accounts[1].transport_probe_order == 0
    state.accounts[1].transport_status = TransportStatus.HALF_OPEN
    note(state)
    assert state.accounts[1].transport_probe_order == 9
    assert ask(state)[0] == Reason.TRANSPORT_OPEN


def test_order_rate() -> None:
    state = new_state()
    state.rules.order_rate, state.rules.order_rate_window_ns = 3, 100
    for _ in range(3):
        assert ask(state) == PASSED
        _take_order_token(state)
    assert ask(state) == (Reason.ORDER_RATE_MAX, 3, 33)
    # Closings are placed all the same, and an empty bucket stays empty.
    state.ts_ns = NOW_NS + 10
    _take_order_token(state)
    _take_order_token(state)
    assert ask(state) == (Reason.ORDER_RATE_MAX, 3, 23)
    state.ts_ns = NOW_NS + 33
    assert ask(state) == PASSED
    _take_order_token(state)
    assert ask(state) == (Reason.ORDER_RATE_MAX, 3, 33)


def test_a_shorter_window_lets_orders_out_sooner() -> None:
    """What was taken under the old rule leaves the bucket empty, not emptier."""
    machine = Machine(SMALL_LIMITS)

    def set_rule(name: str, value: int, ts_ns: int) -> int:
        change = {"setting": BOOK.number(name), "value": value}
        machine.tell(event(EventKind.CONFIGURATION_CHANGED, ts_ns, **change))
        return int(machine.state.order_rate_full_ts_ns)

    set_rule("order_rate", 2, 10)
    set_rule("order_rate_window_ns", 3_600_000, 10)
    machine.state.order_rate_full_ts_ns = 3_600_010
    assert set_rule("order_rate", 4, 20) == 3_600_010, "the time stays"
    assert set_rule("order_rate_window_ns", 0, 30) == 3_600_010, "also where there is none"
    assert set_rule("order_rate_window_ns", 60, 40) == 100
    assert set_rule("order_rate_window_ns", 3_600_000, 50) == 100


def test_cancel_rate_has_a_bucket_of_its_own() -> None:
    state = new_state()
    state.rules.cancel_rate, state.rules.cancel_rate_window_ns = 1, 10
    _take_order_token(state)
    assert ask(state) == PASSED
    _take_cancel_token(state)
    assert ask(state) == (Reason.CANCEL_RATE_MAX, 1, 10)
    state.ts_ns = NOW_NS + 10
    assert ask(state) == PASSED


@pytest.mark.parametrize(("rate", "window_ns"), [(0, 100), (5, 0), (5, 4)])
def test_a_rate_that_is_not_set_takes_nothing(rate: int, window_ns: int) -> None:
    state = new_state()
    state.rules.order_rate, state.rules.order_rate_window_ns = rate, window_ns
    for _ in range(10):
        _take_order_token(state)
    assert ask(state) == PASSED
    assert state.order_rate_full_ts_ns == 0


def test_rates_at_the_end_of_time() -> None:
    state = new_state()
    state.ts_ns = INT64_MAX - 5
    state.rules.order_rate, state.rules.order_rate_window_ns = BOOK.bounds["order_rate"][1], 1 << 61
    _take_order_token(state)
    _take_order_token(state)
    assert state.order_rate_full_ts_ns == INT64_MAX
    assert ask(state) == PASSED


class Bucket:
    """Tokens counted one by one."""

    def __init__(self, rate: int, window_ns: int) -> None:
        self.rate, self.interval_ns = rate, window_ns // rate
        self.tokens, self.next_ns = rate, 0

    def at(self, now: int) -> None:
        while self.tokens < self.rate and self.next_ns <= now:
            self.tokens += 1
            self.next_ns += self.interval_ns

    def take(self, now: int) -> None:
        self.at(now)
        if self.tokens == self.rate:
            self.next_ns = now + self.interval_ns
        self.tokens = max(self.tokens - 1, 0)


@given(
    rate=st.integers(1, 5),
    window_ns=st.integers(5, 60),
    steps=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3)), max_size=40),
)
def test_rates_are_buckets_of_tokens(rate: int, window_ns: int, steps: list[tuple[int, int]]) -> None:
    state = new_state()
    state.rules.order_rate, state.rules.order_rate_window_ns = rate, window_ns
    bucket = Bucket(rate, window_ns)
    for passed_ns, taken in steps:
        state.ts_ns += passed_ns
        now = int(state.ts_ns)
        bucket.at(now)
        expected = PASSED if bucket.tokens else (Reason.ORDER_RATE_MAX, rate, bucket.next_ns - now)
        assert tuple(_check_rates(state, new_outbox())) == expected
        for _ in range(taken):
            _take_order_token(state)
            bucket.take(now)


def executed(state: Any, outbox: Any, fills: int = 1, role: int = OrderRole.ENTRY) -> list[tuple[int, ...]]:
    """What is said at a fill of an order of strategy 1."""
    state.slots_used = 0
    add_order(state, BUY, 0, strategy=1, fills=fills, order_role=role)
    outbox.count = 0
    _note_execution(state, outbox, 1)
    rows = outbox.items[: outbox.count].view(REFUSAL)
    return [tuple(int(row[name]) for name in ("kind", "strategy", "order", "reason", "observed")) for row in rows]


def throttled_after(state: Any, limit: int, window_ns: int) -> None:
    state.strategies[1].rules.executions_max = limit
    state.strategies[1].rules.executions_window_ns = window_ns


def test_executions_in_the_window_throttle_the_strategy() -> None:
    state, outbox = new_state(), new_outbox()
    throttled_after(state, 3, 100)
    assert executed(state, outbox) == []
    state.ts_ns += 50
    assert executed(state, outbox) == []
    state.ts_ns += 50
    # The first is a whole window ago; fills after the first, exits and legs are no executions.
    assert executed(state, outbox) == []
    assert executed(state, outbox, fills=2) == []
    assert executed(state, outbox, role=OrderRole.EXIT) == []
    assert executed(state, outbox, role=OrderRole.GROUPED) == []
    assert state.strategies[1].throttled == 0
    state.ts_ns += 49
    assert executed(state, outbox) == [(DecisionKind.ALERT, 1, 1, Reason.EXECUTIONS_THROTTLED, 3)]
    assert state.strategies[1].throttled == 1
    assert executed(state, outbox) == []
    assert state.strategies[2].throttled == 0


@pytest.mark.parametrize(("limit", "window_ns"), [(0, 100), (1, 0)])
def test_a_throttle_that_is_not_set(limit: int, window_ns: int) -> None:
    state, outbox = new_state(), new_outbox()
    throttled_after(state, limit, window_ns)
    for _ in range(2 * RING_TIMES):
        assert executed(state, outbox) == []
    assert state.strategies[1].throttled == 0


@given(
    limit=st.integers(1, RING_TIMES),
    window_ns=st.integers(1, 40),
    steps=st.lists(st.integers(0, 9), max_size=80),
)
def test_the_throttle_counts_as_one_would(limit: int, window_ns: int, steps: list[int]) -> None:
    state, outbox = new_state(), new_outbox()
    throttled_after(state, limit, window_ns)
    times: deque[int] = deque(maxlen=RING_TIMES)
    for passed_ns in steps:
        state.ts_ns += passed_ns
        times.append(int(state.ts_ns))
        executed(state, outbox)
        if sum(state.ts_ns - ts < window_ns for ts in times) >= limit:
            assert state.strategies[1].throttled == 1
            return
        assert state.strategies[1].throttled == 0


def test_only_an_operator_with_a_name_ends_the_throttle() -> None:
    machine = Machine(SMALL_LIMITS)
    machine.tell(event(EventKind.STRATEGY_DEFINED, source=1))
    rule = STRATEGY.number("executions_max")
    machine.state.strategies[1].throttled = 1
    machine.state.strategies[1].execution_cursor = 40
    enable = {"operator_action": OperatorAction.ENABLE_STRATEGY, "target": 1}
    machine.tell(
        event(EventKind.CONFIGURATION_CHANGED, source=1, setting=rule, value=3),
        event(EventKind.CONFIGURATION_CHANGED, source=1, setting=2, value=1),
        event(EventKind.OPERATOR_COMMAND, **enable),
    )
    assert machine.state.strategies[1].throttled == 1
    assert machine.state.last_refused_reason == Reason.VALUE_INVALID
    machine.tell(event(EventKind.OPERATOR_COMMAND, operator_hash=77, **enable))
    assert machine.state.strategies[1].throttled == 0
    assert machine.state.strategies[1].execution_cursor == 0
