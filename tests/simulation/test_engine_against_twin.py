"""Whatever happens, in whatever order: the engine and its naive twin agree after every event."""

from hypothesis import given, note
from hypothesis import strategies as st

from tests.twin.compare import compare
from tests.twin.conservation import check
from tests.twin.engine import Twin
from tests.twin.machine import SMALL_LIMITS, Machine
from tests.twin.tapes import next_event, prologue

# An event takes some eight choices.
CHOICES = st.sampled_from([40, 150, 500, 1500]).flatmap(lambda size: st.binary(min_size=size, max_size=size))


@given(CHOICES, st.booleans())
def test_engine_agrees_with_its_twin_after_every_event(choices: bytes, defined: bool) -> None:
    machine, twin = Machine(SMALL_LIMITS), Twin(SMALL_LIMITS)
    events = prologue() if defined else []
    stream = iter(choices)

    def choose(below: int) -> int:
        """The next choice; plain ones after the last, so that what is drawn ends with a whole event."""
        return next(stream, 0) % below

    while events or stream.__length_hint__():
        event = events.pop(0) if events else next_event(twin, choose)
        note(f"event {twin.seq + 1}: { ({name: int(value) for name, value in event.items() if value}) }")
        decided = machine.tell(event)
        assert decided == twin.fold(event)
        compare(machine, twin)
        check(machine)
