"""A client's error holds the keys and the signature of a request: nothing that anybody is shown has them."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from adapters import exchanges
from adapters.cli.outcome import exit_code_of
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Command, Connection
from replay.live import Daemon
from tests.simulation.daemon_lives import TEXT, World
from tests.simulation.direct_exchange import DirectExchange

KEY, SECRET, SIGNATURE = "vmPUZE6mv9SD5V5e14y7", "NhqPtmdSJYdKjVHjA7PZ", "c8db56825ae71d6d79447849e617115f"
SAID = f"GET https://venue/fapi/v1/order?apiKey={KEY}&secret={SECRET}&signature={SIGNATURE} failed"


class Talking(DirectExchange):
    """Logs what no client should, and then raises it."""

    async def open(self) -> None:
        await super().open()
        logging.getLogger("ccxt").warning("asking: %s", SAID, extra={"headers": {"bfx-signature": SIGNATURE}})

    async def send(self, command: Command) -> None:
        raise ValueError(SAID)


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.mark.parametrize("traceback", ["", "1"])
def test_neither_tape_nor_log_nor_metrics_nor_error_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], traceback: str
) -> None:
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setenv("TEST_SECRET", SECRET)
    monkeypatch.setenv("TAPEFOLD_TRACEBACK", traceback)
    path = tmp_path / "live.toml"
    path.write_text(TEXT, encoding="utf-8")
    world = World(tmp_path / "tape", seed=3)
    daemons: list[Daemon] = []

    def connect(connection: Connection, inbox: Inbox) -> DirectExchange:
        return Talking(world.core, world.customer, connection.ids, inbox)

    tell_operations = Daemon._tell_operations

    def tick(self: Daemon) -> None:
        tell_operations(self)
        daemons.append(self)
        world.tick()

    monkeypatch.setattr(exchanges, "connect", connect)
    monkeypatch.setattr(Daemon, "_tell_operations", tick)
    assert exit_code_of(["live", str(path), "--journal", str(world.folder)]) == 1
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == "" and any("asking: GET https://venue" in line for line in lines), "the log is there"
    assert lines[-1].startswith("tapefold: error: ValueError: GET https://venue/fapi/v1/order?apiKey=***")
    assert all("error" in json.loads(line) or not traceback for line in lines if '"a fault' in line)
    operations = daemons[0].operations
    assert operations is not None and operations.health.stopped == "ValueError"
    shown = out + err + generate_latest(operations.metrics.registry).decode() + json.dumps(operations._status())
    tape = b"".join(file.read_bytes() for file in world.folder.iterdir() if file.is_file())
    for secret in (KEY, SECRET, SIGNATURE):
        assert secret not in shown
        assert secret.encode() not in tape
