"""Random tapes are worth what they reach: over a few hundred of them everything that the engine can say occurs."""

from collections import Counter
from enum import IntEnum

from engine.kinds import (
    BracketChange,
    BreakerAction,
    BreakerStatus,
    Condition,
    DecisionKind,
    RearmRule,
    RiskLevel,
    SizeLimit,
    SizingMethod,
    TransportStatus,
)
from engine.reasons import Reason
from tests.twin.tapes import seeded_choices
from tests.twin.together import KINDS, Twin, begun_twin

SEEDS = 600
EVENTS = {"engine": 200, "brackets": 90, "breakers": 90}
Decision = dict[str, int]
# Fields of decisions that name something whatever the decision is.
_VOCABULARIES: dict[str, type[IntEnum]] = {"kind": DecisionKind, "reason": Reason, "bracket_change": BracketChange}


def _of_breaker(twin: Twin, decision: Decision) -> list[IntEnum]:
    rules = twin.breaker_rules[decision.get("breaker", 0)]
    found: list[IntEnum] = [BreakerStatus(decision["status"])]
    if decision["kind"] == DecisionKind.BREAKER_TRIPPED and 0 < rules["condition"] <= len(Condition):
        found += [Condition(rules["condition"]), RearmRule(rules["rearm_rule"])]
        found += [BreakerAction(action) for action in BreakerAction if rules["actions"] & action]
    return found


def _of(twin: Twin, decision: Decision) -> list[IntEnum]:
    """Everything of the vocabularies that a decision shows."""
    found = [of(decision[name]) for name, of in _VOCABULARIES.items() if name in decision]
    if decision["kind"] in (DecisionKind.BREAKER_TRIPPED, DecisionKind.BREAKER_CHANGED):
        found += _of_breaker(twin, decision)
    elif decision["kind"] == DecisionKind.TRANSPORT_CHANGED:
        found.append(TransportStatus(decision.get("transport_status", 0)))
    elif decision["kind"] == DecisionKind.RISK_LEVEL_CHANGED:
        found.append(RiskLevel(decision.get("risk_level", 0)))
    elif decision["kind"] == DecisionKind.ORDER_SIZED:
        found += [SizingMethod(decision.get("sizing_method", 0)), SizeLimit(decision.get("size_limit", 0))]
    return found


def _reach(kind: str, seed: int, reached: Counter[tuple[str, int]]) -> None:
    number = seed % len(KINDS[kind])
    twin, choose = begun_twin(kind, number), seeded_choices(seed)
    for _ in range(EVENTS[kind]):
        for decision in twin.fold(KINDS[kind][number].following(twin, choose)):
            reached.update((type(item).__name__, int(item)) for item in _of(twin, decision))


def _expected() -> list[IntEnum]:
    found: list[IntEnum] = [reason for reason in Reason if reason // 100 in (2, 4, 5, 6)]
    found += [*DecisionKind, *SizeLimit, *SizingMethod, *RiskLevel]
    found += [*BracketChange, *Condition, *BreakerAction, *RearmRule, *TransportStatus]
    return found + [status for status in BreakerStatus if status]


def test_random_tapes_reach_everything_that_the_engine_can_say() -> None:
    expected = _expected()
    assert len(expected) > 150
    reached: Counter[tuple[str, int]] = Counter()
    for seed in range(SEEDS):
        for kind in EVENTS:
            _reach(kind, seed, reached)
        missing = [item for item in expected if (type(item).__name__, int(item)) not in reached]
        if not missing:
            return
    assert not missing
