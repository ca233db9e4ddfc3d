"""The engine and its twin, told the same events and compared after each; and tapes of such events, made up as they go.

Now and then the machine crashes: another one goes on from the bytes of its state. In the end the whole tape, folded
afresh in one go, must come to the same: recovery is replay.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from engine.kinds import EventKind
from tests.twin import tapes, tapes_risk
from tests.twin.compare import compare
from tests.twin.compare_risk import compare_risk
from tests.twin.conservation import Watch
from tests.twin.engine import Twin
from tests.twin.events import encode
from tests.twin.machine import SMALL_LIMITS, Machine, Reading, decisions_as_dicts

Event = dict[str, int]
Choose = Callable[[int], int]
Say = Callable[[str], object]

# Rules are compared where they may have changed, and every so many events.
_RULES_EVERY = 64


def silent(_: str) -> None: ...


class Together:
    """A machine and a twin that must agree on every decision and every figure."""

    def __init__(self, say: Say = silent) -> None:
        self.machine, self.twin = Machine(SMALL_LIMITS), Twin(SMALL_LIMITS)
        self.watch = Watch()
        self.say = say
        self.told: list[np.ndarray] = []
        self.decided: list[np.ndarray] = []

    def tell(self, event: Event) -> None:
        self.say(f"event {self.twin.seq + 1}: { ({name: int(value) for name, value in event.items() if value}) }")
        self.told.append(encode(event))
        self.machine.list_passed()
        self.decided.append(self.machine.fold(self.told[-1]))
        decided = decisions_as_dicts(self.decided[-1])
        expected = self.twin.fold(event)
        assert decided == expected
        assert self.machine.passed() == self.twin.passed, "checks that passed"
        reading = Reading(self.machine)
        rules_too = event["kind"] == EventKind.CONFIGURATION_CHANGED or self.twin.seq % _RULES_EVERY == 0
        compare(reading, self.twin, rules_too)
        compare_risk(reading, self.twin)
        self.watch.check(event, decided, reading)

    def copy(self, say: Say = silent) -> "Together":
        """Another pair that goes on from here."""
        other = Together(say)
        other.twin, other.watch = copy.deepcopy(self.twin), copy.deepcopy(self.watch)
        other.machine = Machine(SMALL_LIMITS, self.machine.bytes.copy())
        other.told, other.decided = self.told.copy(), self.decided.copy()
        return other

    def crash(self) -> None:
        """All that is left of the machine is its state."""
        self.machine = Machine(SMALL_LIMITS, self.machine.bytes.copy())

    def replay(self) -> None:
        """The whole tape afresh comes to the same state and decisions."""
        afresh = Machine(SMALL_LIMITS)
        decisions = afresh.fold(np.concatenate(self.told)) if self.told else np.zeros(0, np.uint8)
        assert np.array_equal(decisions, np.concatenate([*self.decided, decisions[:0]])), "other decisions"
        assert np.array_equal(afresh.bytes, self.machine.bytes), "another state"


@dataclass(frozen=True)
class Flavour:
    """How a tape begins, and what may follow."""

    prologue: Callable[[], list[Event]]
    following: Callable[[Twin, Choose], Event]


def _of_risk(makers: list[tapes_risk.Maker], with_breakers: bool) -> Flavour:
    def following(twin: Twin, choose: Choose) -> Event:
        if with_breakers and tapes_risk.unfinished(twin):
            return tapes_risk.breaker_rule(twin, choose)
        return tapes_risk.next_event(twin, choose, makers)

    return Flavour(tapes_risk.prologue, following)


# Signals, sizing, checks and all the rest; brackets and groups; breakers and connections; and without anything defined.
KINDS: dict[str, list[Flavour]] = {
    "engine": [Flavour(tapes.prologue, tapes.next_event)],
    "brackets": [_of_risk(makers, with_breakers=False) for makers in tapes_risk.OF_BRACKETS],
    "breakers": [_of_risk(makers, with_breakers=True) for makers in tapes_risk.OF_BREAKERS],
    "books": [Flavour(tapes.prologue, tapes.next_of_books)],
    "bare": [Flavour(list, tapes.next_event)],
}


@cache
def _begun(kind: str, number: int) -> Together:
    both = Together()
    for event in KINDS[kind][number].prologue():
        both.tell(event)
    return both


@cache
def _twin_begun(kind: str, number: int) -> Twin:
    twin = Twin(SMALL_LIMITS)
    for event in KINDS[kind][number].prologue():
        twin.fold(event)
    return twin


def begun_twin(kind: str, number: int) -> Twin:
    """A twin alone, after the beginning of a tape."""
    return copy.deepcopy(_twin_begun(kind, number))


class Choices:
    """The next choice; plain ones after the last, so that what is drawn ends with a whole event."""

    def __init__(self, choices: bytes) -> None:
        self.stream = iter(choices)

    def __call__(self, below: int) -> int:
        return next(self.stream, 0) % below

    @property
    def are_left(self) -> bool:
        return self.stream.__length_hint__() > 0


def follow(kind: str, choices: bytes, say: Say = silent) -> None:
    """A tape of these choices: the first say which flavour, and after how many events the machine crashes."""
    choose = Choices(choices)
    number, crashes = choose(len(KINDS[kind])), 2 + choose(40)
    both = _begun(kind, number).copy(say)
    while choose.are_left:
        both.tell(KINDS[kind][number].following(both.twin, choose))
        if both.twin.seq % crashes == 0:
            both.crash()
    both.replay()


def follow_seed(kind: str, seed: int, events: int, say: Say = silent) -> Together:
    """The tape of a seed, the same under every version of Python: `events` after its beginning."""
    number, crashes = seed % len(KINDS[kind]), 2 + seed % 41
    both, choose = _begun(kind, number).copy(say), tapes.seeded_choices(seed)
    for _ in range(events):
        both.tell(KINDS[kind][number].following(both.twin, choose))
        if both.twin.seq % crashes == 0:
            both.crash()
    both.replay()
    return both
