"""The daemon is killed at every step of its orders' lives; begun again, it and the exchange agree to the last unit."""

from pathlib import Path

import pytest

from tests.simulation.daemon_lives import Life, World, agree, the_tape_is_sound


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")


def test_a_life_without_trouble(tmp_path: Path) -> None:
    world = World(tmp_path / "j", seed=1)
    life = Life(world, ticks=200).live()
    assert life.daemon is not None
    assert len(world.customer.trades()) > 20
    agree(world, life.daemon)
    the_tape_is_sound(world.folder, life.daemon)
