"""Whatever breakers watch, and whatever happens then: the engine and its twin agree after every event."""

from hypothesis import given
from hypothesis import strategies as st

from tests.twin.tapes_risk import OF_BREAKERS, breaker_rule, next_event, prologue, unfinished
from tests.twin.together import Choices, Together

# An event takes some six choices.
CHOICES = st.sampled_from([100, 400, 1200]).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@given(CHOICES)
def test_breakers_and_connections_agree_with_their_twin_after_every_event(choices: bytes) -> None:
    both, choose = Together(), Choices(choices)
    makers = OF_BREAKERS[choose(len(OF_BREAKERS))]
    for event in prologue():
        both.tell(event)
    while choose.are_left:
        begun = unfinished(both.twin)
        both.tell(breaker_rule(both.twin, choose) if begun else next_event(both.twin, choose, makers))
