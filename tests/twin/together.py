"""The engine and its twin, told the same events and compared after each."""

from collections.abc import Callable

from hypothesis import note

from engine.kinds import EventKind
from tests.twin.compare import compare
from tests.twin.compare_risk import compare_risk
from tests.twin.conservation import Watch
from tests.twin.engine import Twin
from tests.twin.machine import SMALL_LIMITS, Machine, Reading

Event = dict[str, int]
Choose = Callable[[int], int]
Next = Callable[[Twin, Choose], Event | None]


class Together:
    """A machine and a twin that must agree on every decision and every figure."""

    def __init__(self) -> None:
        self.machine, self.twin = Machine(SMALL_LIMITS), Twin(SMALL_LIMITS)
        self.watch = Watch(self.machine)

    def tell(self, event: Event) -> None:
        said = {name: int(value) for name, value in event.items() if value}
        note(f"event {self.twin.seq + 1}: {said}")
        decided = self.machine.tell(event)
        expected = self.twin.fold(event)
        assert decided == expected
        reading = Reading(self.machine)
        rules_too = event["kind"] == EventKind.CONFIGURATION_CHANGED or self.twin.seq % 64 == 0
        compare(reading, self.twin, rules_too)
        compare_risk(reading, self.twin)
        self.watch.check(event, decided, reading)


class Choices:
    """The next choice; plain ones after the last, so that what is drawn ends with a whole event."""

    def __init__(self, choices: bytes) -> None:
        self.stream = iter(choices)

    def __call__(self, below: int) -> int:
        return next(self.stream, 0) % below

    @property
    def are_left(self) -> bool:
        return self.stream.__length_hint__() > 0
