"""Random tapes are worth what they reach: over 500 of them everything that brackets and breakers can do occurs."""

from collections import Counter

from engine.kinds import (
    BracketChange,
    BreakerAction,
    BreakerStatus,
    Condition,
    DecisionKind,
    RearmRule,
    TransportStatus,
)
from engine.reasons import Reason
from tests.twin.engine import Twin
from tests.twin.machine import SMALL_LIMITS
from tests.twin.tapes import seeded_choices
from tests.twin.tapes_risk import OF_BRACKETS, OF_BREAKERS, breaker_rule, next_event, prologue, unfinished

SEEDS = 500
EVENTS = 90
Decision = dict[str, int]


def _of_breaker(twin: Twin, decision: Decision) -> list[object]:
    rules = twin.breaker_rules[decision.get("breaker", 0)]
    found: list[object] = [BreakerStatus(decision["status"])]
    if decision["kind"] == DecisionKind.BREAKER_TRIPPED:
        found += [Condition(rules["condition"]), RearmRule(rules["rearm_rule"])]
        found += [action for action in BreakerAction if rules["actions"] & action]
    return found


def _of(twin: Twin, decision: Decision) -> list[object]:
    """Everything of the vocabularies that a decision shows."""
    kind = DecisionKind(decision["kind"])
    found: list[object] = [kind, Reason(decision.get("reason", 0))]
    if kind == DecisionKind.BRACKET_CHANGED:
        found.append(BracketChange(decision["bracket_change"]))
    elif kind in (DecisionKind.BREAKER_TRIPPED, DecisionKind.BREAKER_CHANGED):
        found += _of_breaker(twin, decision)
    elif kind == DecisionKind.TRANSPORT_CHANGED:
        found.append(TransportStatus(decision.get("transport_status", 0)))
    return found


def _tape(seed: int, reached: Counter[tuple[str, int]]) -> None:
    twin, choose = Twin(SMALL_LIMITS), seeded_choices(seed)
    flavours = OF_BRACKETS + OF_BREAKERS
    makers = flavours[seed % len(flavours)]
    events = prologue()
    for place in range(len(events) + EVENTS):
        if place < len(events):
            event = events[place]
        elif makers in OF_BREAKERS and unfinished(twin):
            event = breaker_rule(twin, choose)
        else:
            event = next_event(twin, choose, makers)
        for decision in twin.fold(event):
            reached.update((type(item).__name__, int(item)) for item in _of(twin, decision))  # type: ignore[call-overload]


def test_five_hundred_tapes_reach_everything_that_brackets_and_breakers_do() -> None:
    reached: Counter[tuple[str, int]] = Counter()
    for seed in range(SEEDS):
        _tape(seed, reached)
    expected: list[object] = [reason for reason in Reason if 500 <= reason < 600]
    expected += [*BracketChange, *Condition, *BreakerAction, *RearmRule, *TransportStatus]
    expected += [status for status in BreakerStatus if status != BreakerStatus.NONE]
    missing = [item for item in expected if (type(item).__name__, int(item)) not in reached]  # type: ignore[call-overload]
    assert not missing
