"""Rules that change while the daemon runs: at the time that the file announces, and where the clocks are set anew."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adapters.configuration import parse_configuration
from adapters.configuration.settings import after_text
from adapters.journal import ConfigurationDocument, read_journal
from engine.kinds import EventKind
from engine.records import CONFIGURATION, EVENT
from engine.rules import INSTRUMENT
from replay.live import Daemon
from tests.simulation.daemon_lives import TEXT, Life, World, the_tape_is_sound

_HOUR_NS = 3_600 * 10**9
_MS_NS = 1_000_000
# The clocks of Berlin go back from +2 to +1.
_SUMMER_ENDS_NS = int(datetime(2023, 10, 29, 1, tzinfo=UTC).timestamp()) * 10**9
_RULES = """
[[risk.windows]]
from = "00:00"
to = "24:00"
zone = "Europe/Berlin"
"""
_CHANGE = """
[[changes]]
at = "{at}"
set = {{"risk.cooldown" = "{cooldown}"}}
"""
_ZONE_OFFSET = INSTRUMENT.number("zone_offset_ns")


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")


def world_of(folder: Path, now_ns: int, changes: str = "") -> World:
    text = TEXT.replace("[live]\n", f"{_RULES}{changes}\n[live]\n")
    return World(folder, 7, parse_configuration(text, Path("live.toml")), now_ns=now_ns)


def lived(world: World, ticks: int) -> Daemon:
    daemon = Life(world, ticks=ticks).live().daemon
    assert daemon is not None
    return daemon


def rules_of(daemon: Daemon):
    return daemon.session.engine.view(daemon.session.state).instruments[0].rules


def told(folder: Path, setting: int) -> list[tuple[int, int]]:
    """When a rule was told on the tape, but for its beginning, and to what."""
    with read_journal(folder) as reader:
        rows = np.concatenate([block.events.view(CONFIGURATION) for block in reader.blocks()])
    first_ns = rows["ts_ns"][0]
    chosen = rows[
        (rows["kind"] == EventKind.CONFIGURATION_CHANGED) & (rows["setting"] == setting) & (rows["ts_ns"] > first_ns)
    ]
    return [(int(row["ts_ns"]), int(row["value"])) for row in chosen]


def test_the_clocks_are_set_when_summer_time_ends(tmp_path: Path) -> None:
    world = world_of(tmp_path / "j", _SUMMER_ENDS_NS - 250 * _MS_NS)
    daemon = lived(world, ticks=200)
    assert world.now_ns > _SUMMER_ENDS_NS + 100 * _MS_NS
    ((ts_ns, offset_ns),) = told(world.folder, _ZONE_OFFSET)
    assert offset_ns == _HOUR_NS == int(rules_of(daemon).zone_offset_ns)
    assert ts_ns >= _SUMMER_ENDS_NS
    # Nothing else is told once more at the next start.
    last = lived(world, ticks=5)
    assert len(told(world.folder, _ZONE_OFFSET)) == 1
    the_tape_is_sound(world.folder, last)


def test_an_announced_change_is_told_at_its_time_and_once(tmp_path: Path) -> None:
    at = "2023-10-29T01:00:00Z"
    world = world_of(tmp_path / "j", _SUMMER_ENDS_NS - 250 * _MS_NS, _CHANGE.format(at=at, cooldown="7s"))
    daemon = lived(world, ticks=200)
    assert int(rules_of(daemon).cooldown_ns) == 7 * 10**9
    ((ts_ns, _),) = told(world.folder, INSTRUMENT.number("cooldown_ns"))
    assert ts_ns >= _SUMMER_ENDS_NS
    with read_journal(world.folder) as reader:
        texts = [document.text for _, document in reader.documents() if isinstance(document, ConfigurationDocument)]
    assert texts[1:] == [world.configuration.changes[0].text]
    assert after_text(world.configuration.in_force, texts[1]) == daemon.operations.desk.in_force
    last = lived(world, ticks=5)
    assert len(told(world.folder, INSTRUMENT.number("cooldown_ns"))) == 1
    assert last.operations.desk.in_force == daemon.operations.desk.in_force
    the_tape_is_sound(world.folder, last)


def test_what_was_due_while_no_daemon_ran_holds_before_anything_is_ordered(tmp_path: Path) -> None:
    at = "2023-10-29T01:00:00Z"
    later = _CHANGE.format(at="2023-10-29T03:00:00Z", cooldown="9s")
    changes = _CHANGE.format(at=at, cooldown="7s") + later
    world = world_of(tmp_path / "j", _SUMMER_ENDS_NS - _HOUR_NS, changes)
    assert int(rules_of(lived(world, ticks=5)).cooldown_ns) == 0
    world.now_ns = _SUMMER_ENDS_NS + _HOUR_NS
    daemon = lived(world, ticks=0)
    assert int(rules_of(daemon).cooldown_ns) == 7 * 10**9
    assert int(rules_of(daemon).zone_offset_ns) == _HOUR_NS
    ((ts_ns, _),) = told(world.folder, INSTRUMENT.number("cooldown_ns"))
    with read_journal(world.folder) as reader:
        rows = np.concatenate([block.events.view(EVENT) for block in reader.blocks()])
    quotes = rows["ts_ns"][(rows["kind"] == EventKind.QUOTE) & (rows["ts_ns"] > _SUMMER_ENDS_NS)]
    assert not np.any(quotes < ts_ns)
    the_tape_is_sound(world.folder, daemon)
