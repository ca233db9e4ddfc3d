"""The daemon is killed at every step of its orders' lives; begun again, it and the exchange agree to the last unit.

`python -m tests.simulation.test_daemon_crashes FROM TO` tries random points under faults, one set of lives a seed.
"""

import os
import random
import sys
import tempfile
from pathlib import Path

import pytest

from replay.crash_points import POINTS
from tests.simulation.daemon_lives import Life, World, agree, live_on, the_tape_is_sound

# Each point is reached in the life of an entry, its fills, its legs and their ends.
_TIMES = (1, 2, 3, 5, 8)
_AT_THE_START = ("after_replay", "after_questions", "after_evidence")
_RANDOM_LIVES = 6


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")


def test_a_life_without_trouble(tmp_path: Path) -> None:
    world = World(tmp_path / "j", seed=1)
    life = Life(world, ticks=200, settles=True).live()
    assert life.daemon is not None and not life.killed
    assert len(world.customer.trades()) > 20 and len(world.customer.payments()) > 5
    agree(world, life.daemon)
    the_tape_is_sound(world.folder, life.daemon)


@pytest.mark.parametrize("point", [point for point in POINTS if point not in _AT_THE_START])
def test_killed_while_trading(tmp_path: Path, point: str) -> None:
    for at in _TIMES:
        live_on(World(tmp_path / f"{at}", seed=at), [f"{point}:{at}"])


@pytest.mark.parametrize("point", _AT_THE_START)
def test_killed_while_coming_back(tmp_path: Path, point: str) -> None:
    for seed in (1, 2):
        live_on(World(tmp_path / f"{seed}", seed=seed), ["after_commit:20", f"{point}:1", f"{point}:1"])


@pytest.mark.parametrize("seed", range(_RANDOM_LIVES))
def test_killed_anywhere_under_faults(tmp_path: Path, seed: int) -> None:
    lives_of(seed, tmp_path / "j")


def lives_of(seed: int, folder: Path) -> None:
    """Up to four lives that end at random points, with a third of all requests or answers lost."""
    chance = random.Random(seed)
    points = [f"{chance.choice(POINTS)}:{chance.randint(1, 40)}" for _ in range(chance.randint(1, 4))]
    try:
        live_on(World(folder, seed), points, faults=True)
    except AssertionError as difference:
        raise AssertionError(f"seed {seed}, lives that end at {', '.join(points)}: {difference}") from difference


if __name__ == "__main__":
    os.environ |= {"TEST_KEY": "k", "TEST_SECRET": "s"}
    for number in range(int(sys.argv[1]), int(sys.argv[2])):
        with tempfile.TemporaryDirectory() as place:
            lives_of(number, Path(place) / "j")
            print(f"seed {number}: agreed", flush=True)
