"""Whatever happens to brackets, groups and closings: the engine and its twin agree after every event."""

from hypothesis import given
from hypothesis import strategies as st

from tests.twin.tapes_risk import OF_BRACKETS, next_event, prologue
from tests.twin.together import Choices, Together

# An event takes some six choices.
CHOICES = st.sampled_from([100, 400, 1200]).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@given(CHOICES)
def test_brackets_and_groups_agree_with_their_twin_after_every_event(choices: bytes) -> None:
    both, choose = Together(), Choices(choices)
    makers = OF_BRACKETS[choose(len(OF_BRACKETS))]
    for event in prologue():
        both.tell(event)
    while choose.are_left:
        both.tell(next_event(both.twin, choose, makers))
