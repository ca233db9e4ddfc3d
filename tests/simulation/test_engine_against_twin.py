"""Whatever happens, in whatever order: the engine and its naive twin agree after every event, crash or no crash."""

import os
import secrets

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from tests.twin.seeds import run
from tests.twin.together import KINDS, follow

# An event takes some six to eight choices.
CHOICES = st.sampled_from([40, 150, 500, 1200]).flatmap(lambda size: st.binary(min_size=size, max_size=size))

# Small tapes, many of them, and a few long ones; the long run has new ones every time.
LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
FIRST = secrets.randbelow(2**40) if LONG else 0
SMALL, FEW = (5_000, 300) if LONG else (600, 25)


@pytest.mark.parametrize("kind", KINDS)
@given(CHOICES)
def test_engine_agrees_with_its_twin_after_every_event(kind: str, choices: bytes) -> None:
    follow(kind, choices, note)


@pytest.mark.parametrize("kind", KINDS)
def test_engine_agrees_with_its_twin_on_the_tapes_of_many_seeds(kind: str) -> None:
    run(kind, range(FIRST, FIRST + SMALL), events=40)


@pytest.mark.parametrize("kind", KINDS)
def test_engine_agrees_with_its_twin_on_long_tapes(kind: str) -> None:
    run(kind, range(FIRST, FIRST + FEW), events=400)
