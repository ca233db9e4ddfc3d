"""A real venue and real daemons as processes on loopback: begun, killed, begun again."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters.journal import read_journal
from engine.kinds import DecisionKind
from engine.records import DECISION_BYTES
from replay.crash_points import VARIABLE
from tests.support import ROOT

PATIENCE_S = 90.0
_LOOKS_EVERY_S = 0.1
_LATEST_EVENTS = 500

_TEXT = """
[run]
name = "live"
timer_interval = "200ms"

[journal]
snapshot_every_events = 150

[[accounts]]
name = "main"
kind = "margin"
currency = "{currency}"
balance = "0"

[[instruments]]
symbol = "BTC/{currency}:{currency}"
account = "main"
kind = "linear"
tick_size = "{tick_size}"
lot_size = "{lot_size}"
maker_fee_bps = 2
taker_fee_bps = 5
margin_initial = "0.05"
margin_maintenance = "0.025"
order_quantity = "{quantity}"
short_allowed = {short_allowed}

[bracket]
stop = "0.04%"
targets = [{{ at = "0.02%", share = "0.5" }}, {{ at = "0.04%", share = "0.5" }}]

[[strategies]]
name = "ema"
form = "compiled"
entry = "adapters.strategies.ema_cross"
[strategies.parameters]
fast = 6
slow = 24
price = "quote"

[live]
reconcile_interval = "3s"
[[live.connections]]
account = "main"
exchange = "{exchange}"
endpoint = "{endpoint}"
keys_env = "VENUE"
streams = ["quotes"]
"""
# Currency, tick and lot of the venue's BTC, and how much is traded: three are more than a quote shows, so that orders
# fill in parts. Hyperliquid has no market orders: it cancels what it cannot fill at once.
_TERMS = {
    "binanceusdm": ("USDT", "0.1", "0.001", "3"),
    "bitfinex": ("USDT", "0.1", "0.001", "3"),
    "hyperliquid": ("USDC", "1", "0.00001", "3"),
}
EXCHANGES = tuple(_TERMS)


def _started(arguments: Sequence[str], environment: Mapping[str, str], **pipes: Any) -> "subprocess.Popen[str]":
    """A process that runs interpreted, so that it starts at once."""
    command = [sys.executable, "-m", "adapters.cli", *arguments]
    own = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen(command, text=True, env=own, cwd=ROOT, **pipes)


@dataclass
class Venue:
    """A `tapefold venue`. `keys` are the environment in which a daemon finds its first customer's."""

    exchange: str
    address: str
    keys: dict[str, str]
    process: "subprocess.Popen[str]"

    def hold(self) -> None:
        """The market stands still."""
        self.process.send_signal(signal.SIGUSR1)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGUSR2)


@contextmanager
def venue(
    exchange: str, log: Path, speed: float = 3, faults: Path | None = None, data: Path | None = None
) -> Iterator[Venue]:
    arguments = ["venue", "--exchange", exchange, "--speed", str(speed), "--output", "json"]
    arguments += ["--faults", str(faults)] if faults is not None else []
    arguments += ["--data", str(data)] if data is not None else []
    with log.open("a", encoding="utf-8") as said:
        process = _started(arguments, {}, stdout=subprocess.PIPE, stderr=said)
    try:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], PATIENCE_S)[0], f"the venue says nothing, see {log}"
        line = json.loads(process.stdout.readline())
        key, secret = line["customers"][0]["key"], line["customers"][0]["secret"]
        keys = {"VENUE_KEY": key, "VENUE_SECRET": secret, "VENUE_WALLET": key if exchange == "hyperliquid" else ""}
        yield Venue(exchange, line["address"], keys, process)
        assert process.poll() is None, f"the venue has ended, see {log}"
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


@dataclass
class Trial:
    """A venue, a folder with the configuration, the journal and the log, and the daemons that live there in turn."""

    venue: Venue
    folder: Path
    # The configuration with {endpoint} in the place of the venue's address; one for the venue's own market where none.
    text: str = ""
    # Whether a signal may open a short position while the long one before it is still being closed.
    goes_short: bool = False
    lives: int = 0
    process: "subprocess.Popen[str] | None" = field(default=None, repr=False)
    _ready_before: int = 0

    def __post_init__(self) -> None:
        if self.text:
            self.configuration.write_text(self.text.replace("{endpoint}", self.venue.address), encoding="utf-8")
            return
        currency, tick_size, lot_size, quantity = _TERMS[self.venue.exchange]
        text = _TEXT.format(
            currency=currency,
            tick_size=tick_size,
            lot_size=lot_size,
            quantity=quantity,
            short_allowed="true" if self.goes_short else "false",
            exchange=self.venue.exchange,
            endpoint=self.venue.address,
        )
        self.configuration.write_text(text, encoding="utf-8")

    @property
    def configuration(self) -> Path:
        return self.folder / "live.toml"

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    @property
    def log(self) -> Path:
        return self.folder / "live.log"

    def begin(self, crash_at: str = "") -> None:
        """A daemon, which kills itself at a point where one is named."""
        self.end()
        self.lives += 1
        self._ready_before = self._times_ready()
        arguments = ["live", str(self.configuration), "--journal", str(self.journal)]
        with self.log.open("a", encoding="utf-8") as log:
            self.process = _started(arguments, {**self.venue.keys, VARIABLE: crash_at}, stdout=log, stderr=log)

    def wait_for_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self._times_ready() == self._ready_before:
            self._must_live()
            assert time.monotonic() < deadline, f"not ready after {PATIENCE_S:g} s, see {self.log}"
            time.sleep(_LOOKS_EVERY_S)

    def wait_for_crash(self, within_s: float) -> bool:
        """Whether the daemon came to its point in that time; it is killed where it did not."""
        assert self.process is not None
        try:
            code = self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            self.end()
            return False
        assert code == -signal.SIGKILL, f"the daemon ended with {code}, see {self.log}"
        return True

    def live_on(self, seconds: float) -> None:
        """Let the daemon live for a while, and then kill it."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._must_live()
            time.sleep(min(_LOOKS_EVERY_S, seconds))
        self.end()

    def settle(self, quiet_s: float, within_s: float) -> None:
        """With the market held: wait until nothing has been decided for a while."""
        deadline = time.monotonic() + within_s
        last, since = self._last_command(), time.monotonic()
        while time.monotonic() - since < quiet_s and time.monotonic() < deadline:
            self._must_live()
            time.sleep(0.5)
            if (now := self._last_command()) != last:
                last, since = now, time.monotonic()

    def stop(self) -> None:
        """End the daemon as an operator does, with the last answers on the tape."""
        assert self.process is not None
        self.process.terminate()
        code = self.process.wait(PATIENCE_S)
        assert code == 0, f"the daemon ended with {code}, see {self.log}"

    def end(self) -> None:
        """As `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)

    def _times_ready(self) -> int:
        """In all lives, which have one log."""
        return self.log.read_text(encoding="utf-8").count("ready at event") if self.log.exists() else 0

    def _must_live(self) -> None:
        assert self.process is not None
        code = self.process.poll()
        assert code is None, f"the daemon ended with {code}, see {self.log}"

    def _last_command(self) -> int:
        """The number of the block of the newest command, 0 for none."""
        newest = 0
        with read_journal(self.journal) as reader:
            for block in reader.blocks(max(1, reader.last_seq - _LATEST_EVENTS), verified=False):
                if any(kind <= DecisionKind.RELEASE_ORDER for kind in block.decisions[::DECISION_BYTES].tolist()):
                    newest = block.first_seq
        return newest
