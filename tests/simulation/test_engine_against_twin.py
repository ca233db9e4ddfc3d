"""Whatever happens, in whatever order: the engine and its naive twin agree after every event."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.kinds import DecisionKind, RiskLevel, SizeLimit, SizingMethod
from engine.reasons import Reason
from tests.twin.engine import Twin
from tests.twin.machine import SMALL_LIMITS
from tests.twin.tapes import next_event, prologue, seeded_choices
from tests.twin.together import follow

# An event takes some eight choices.
CHOICES = st.sampled_from([40, 150, 500, 1500]).flatmap(lambda size: st.binary(min_size=size, max_size=size))
SEEDS = 500
EVENTS = 200


@given(CHOICES, st.booleans())
def test_engine_agrees_with_its_twin_after_every_event(choices: bytes, defined: bool) -> None:
    follow(choices, prologue() if defined else [], next_event)


@pytest.fixture(scope="module")
def said() -> Counter[tuple[str, int]]:
    """What the twin decides on the tapes of some seeds: (field, value) of each decision."""
    found: Counter[tuple[str, int]] = Counter()
    for seed in range(SEEDS):
        choose, twin = seeded_choices(seed), Twin(SMALL_LIMITS)
        events = prologue()
        for _ in range(EVENTS):
            decisions = twin.fold(events.pop(0) if events else next_event(twin, choose))
            found.update((name, value) for decision in decisions for name, value in decision.items())
    return found


def test_random_tapes_lead_to_every_refusal_of_signals_and_checks(said: Counter[tuple[str, int]]) -> None:
    codes = [reason for reason in Reason if 200 <= reason < 300 or 400 <= reason < 500]
    assert len(codes) > 50
    missing = [reason.name for reason in codes if not said["reason", reason]]
    assert not missing


def test_random_tapes_lead_to_every_decision_size_and_level(said: Counter[tuple[str, int]]) -> None:
    for name, members in (
        ("kind", DecisionKind),
        ("sizing_method", [method for method in SizingMethod if method]),
        ("size_limit", [limit for limit in SizeLimit if limit]),
        ("risk_level", [level for level in RiskLevel if level]),
        ("level_before", [level for level in RiskLevel if level]),
        ("reason", [Reason.RISK_BY_DRAWDOWN, Reason.RISK_BY_VOLATILITY, Reason.RISK_BY_LOSING_STREAK]),
    ):
        missing = [member for member in members if not said[name, member]]
        assert not missing
