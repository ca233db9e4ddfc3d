"""A live tape says the same once more: its events shown to its strategies give its signals and its commands."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.cli.outcome import exit_code_of
from adapters.configuration import parse_configuration
from adapters.errors import Divergence
from adapters.journal import MemoryJournal, read_journal
from engine.entry import engine_for
from engine.kinds import EventKind
from engine.records import EVENT
from engine.state import DEFAULT_LIMITS
from replay.backtest import backtest_manifest
from replay.live_session import LiveSession
from replay.loop import Gateway, loop_for
from replay.parity import ask_again
from replay.setup import bind_strategies, new_exchange
from tests.simulation.daemon_lives import TEXT, Life, World


@pytest.fixture(params=["compiled", "python"])
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> World:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")
    world = World(tmp_path / "tape", seed=3)
    if request.param == "python":
        text = TEXT.replace('"compiled"', '"python"').replace("ema_cross", "ema_cross:EmaCross")
        world.configuration = parse_configuration(text, Path("live.toml"))
    return world


def lives(world: World) -> None:
    """Two killed in the middle of their work, with requests that get lost, and one that ends."""
    for chosen in ("after_commit:40", "before_send:9", ""):
        Life(world, chosen, ticks=50, faults=True).live()


def kinds(events: np.ndarray) -> list[int]:
    return [int(kind) for kind in events.view(EVENT)["kind"]]


def test_the_events_and_answers_of_a_tape_give_its_signals_and_commands(world: World) -> None:
    lives(world)
    with read_journal(world.folder) as reader:
        blocks = list(reader.blocks())
        events = np.concatenate([block.events.copy() for block in blocks])
        decisions = b"".join(block.decisions.tobytes() for block in blocks)
        documents = dict(reader.documents())
    # What the strategies said is taken out: they have to say it again.
    rows = events.view(EVENT)
    signals = rows["kind"] == EventKind.SIGNAL
    numbers = np.cumsum(~signals) - 1
    left = np.ascontiguousarray(rows[~signals]).view(np.uint8)
    assert np.count_nonzero(signals) > 5

    chosen = world.configuration
    strategies = bind_strategies(chosen)
    exchange = new_exchange(chosen, DEFAULT_LIMITS)
    engine, loop = engine_for(DEFAULT_LIMITS), loop_for(DEFAULT_LIMITS)
    session = LiveSession(engine, loop, exchange, strategies.binding, strategies.host, Gateway.OUTSIDE)
    journal = MemoryJournal()
    stated = {int(numbers[seq - 1]): words for seq, words in documents.items() if not signals[seq - 1]}
    with journal.create(backtest_manifest(chosen)) as writer:
        session.attach(writer)
        session.take(left, stated)
        session.close()
    with journal.read() as reader:
        again = list(reader.blocks())
        assert b"".join(block.events.tobytes() for block in again) == events.tobytes()
        assert b"".join(block.decisions.tobytes() for block in again) == decisions
        assert dict(reader.documents()) == documents


def test_verify_asks_the_strategies_of_a_live_tape_again(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    lives(world)
    assert exit_code_of(["verify", str(world.folder), "--output", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] and said["strategies_asked"]
    assert exit_code_of(["verify", str(world.folder)]) == 0
    assert "asked again: they say what they said" in capsys.readouterr().out


def test_strategies_that_say_something_else_are_a_divergence(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lives(world)

    def slower(text: str, path: Path) -> Any:
        return parse_configuration(text.replace("slow = 5", "slow = 7"), path)

    monkeypatch.setattr("replay.parity.parse_configuration", slower)
    with read_journal(world.folder) as reader, pytest.raises(Divergence) as raised:
        ask_again(reader, Path.cwd())
    first = int(str(raised.value).split(":")[0].removeprefix("event "))
    with read_journal(world.folder) as reader:
        events = np.concatenate([block.events.copy() for block in reader.blocks()])
    assert EventKind.SIGNAL in kinds(events)[first - 2 : first], "a signal there, or on the event before"
    assert exit_code_of(["verify", str(world.folder)]) == 3
    assert f"event {first}: the strategies say something else" in capsys.readouterr().err


def test_strategies_that_are_not_here_are_said_to_be_missing(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lives(world)
    monkeypatch.setattr(
        "replay.parity.parse_configuration",
        lambda text, path: parse_configuration(text.replace(".ema_cross", ".gone"), path),
    )
    assert exit_code_of(["verify", str(world.folder), "--output", "json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["ok"] and not said["strategies_asked"] and "gone" in said["strategies_not_asked"]
