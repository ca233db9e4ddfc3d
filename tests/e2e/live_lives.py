"""A trial of many lives: a daemon is killed again and again, and in the end everything is compared."""

import math
import random
import time
from collections.abc import Sequence
from pathlib import Path

from replay.crash_points import POINTS
from tests.e2e.live_agreement import disagreements
from tests.e2e.live_processes import Trial, venue

# How long a daemon may take to come to its point, a slow start included.
_COMES_TO_ITS_POINT_S = 60.0
_QUIET_S = 4.0
# With faults an answer may be ten seconds away, and what was lost is asked for every three.
_QUIET_AMONG_FAULTS_S = 16.0
_SETTLES_WITHIN_S = 90.0
# A life that ends at random: from its first breath, which takes seconds, to some time of trading.
_LIFE_MOST_S = 9.0
_AT_MOST_NTH = 6

# Every step of an order's life, and of a restart's.
EVERY_POINT = tuple(
    f"{point}:{at}"
    for point, counts in {
        "before_append": (1, 4, 9),
        "after_commit": (1, 5, 12),
        "before_send": (1, 2, 4),
        "after_send": (1, 2, 4),
        "after_accepted": (1, 3),
        "after_part_fill": (1, 2),
        "after_fill": (1, 2),
        "before_cancel": (1, 2),
        "before_snapshot": (1,),
        "after_snapshot": (1,),
        "after_replay": (1,),
        "after_questions": (1,),
        "after_evidence": (1,),
    }.items()
    for at in counts
)
assert {point.partition(":")[0] for point in EVERY_POINT} == set(POINTS)


def lives_at_points(exchange: str, folder: Path, points: Sequence[str], speed: float = 3) -> None:
    """One life to each point, and a last one that ends well. Raises AssertionError."""
    with venue(exchange, folder / "venue.log", speed) as place:
        trial = Trial(place, folder)
        try:
            for point in points:
                trial.begin(point)
                assert trial.wait_for_crash(_COMES_TO_ITS_POINT_S), f"{point} was not reached"
            settle_and_compare(trial, _QUIET_S)
        finally:
            trial.end()


def random_lives(
    exchange: str,
    folder: Path,
    kills: int,
    seed: int,
    faults: Path | None,
    speed: float = 5,
    compared_every: int = 20,
    live_s: float = _LIFE_MOST_S,
    seconds: float = math.inf,
    goes_short: bool = False,
) -> None:
    """Lives killed at a random time or point, compared with the exchange every so many; so many of them, or until the
    time is over. Raises AssertionError."""
    deadline = time.monotonic() + seconds
    chance = random.Random(f"{exchange} {seed}")
    with venue(exchange, folder / "venue.log", speed, faults) as place:
        trial = Trial(place, folder, goes_short=goes_short)
        try:
            for number in range(1, kills + 1):
                if chance.random() < 0.5:
                    trial.begin()
                    trial.live_on(chance.uniform(0, live_s))
                else:
                    trial.begin(f"{chance.choice(POINTS)}:{chance.randint(1, _AT_MOST_NTH)}")
                    trial.wait_for_crash(live_s)
                is_last = number == kills or time.monotonic() > deadline
                if number % compared_every == 0 or is_last:
                    settle_and_compare(trial, _QUIET_AMONG_FAULTS_S if faults else _QUIET_S)
                    print(f"{exchange}: {number} kills, all agrees", flush=True)
                if is_last:
                    return
        finally:
            trial.end()


def settle_and_compare(trial: Trial, quiet_s: float) -> None:
    """A life in a market that stands still, until all is done that was begun; then both sides are compared."""
    trial.begin()
    trial.wait_for_ready()
    trial.venue.hold()
    trial.settle(quiet_s, _SETTLES_WITHIN_S)
    trial.stop()
    found = disagreements(trial)
    assert not found, "; ".join(found)
    trial.venue.go_on()
