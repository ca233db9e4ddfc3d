"""`tapefold bench live-load` and `live-latency`: small runs that lose nothing and say how late they were."""

import json
import os
import subprocess
import sys

import pytest

from tests.support import ROOT

PATIENCE_S = 120


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "adapters.cli", "bench", *arguments, "--output", "json"]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=PATIENCE_S)


def test_every_quote_that_was_sent_is_on_the_tape_once() -> None:
    done = bench("live-load", "--rate", "500", "--seconds", "1", "--instruments", "3")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["sent"] == figures["on_tape"] == 500
    assert figures["lost"] == figures["doubled"] == 0
    assert figures["commands"] >= 1


def test_commands_are_later_than_the_quotes_that_caused_them() -> None:
    done = bench("live-latency", "--rate", "100", "--seconds", "1", "--instruments", "3")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["commands"] >= 5
    assert 0 < figures["p50_us"] <= figures["p90_us"] <= figures["p99_us"] <= figures["max_us"]
    assert sum(figures["histogram_us"].values()) == figures["commands"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("live-load", "--instruments", "129"), "--instruments: expected 1 to 128, found 129"),
        (("live-load", "--rate", "0"), "--rate 0 and --seconds 10: expected one quote at least"),
        (("ticks", "--rate", "5"), "--rate: expected it with live-load or live-latency, ticks has no such choice"),
        (
            ("live-load", "--events", "5"),
            "or audit, live-load has no such choice",
        ),
        (
            ("live-latency", "--keep", "x"),
            "--keep: expected it with ticks, bars, audit or live-load, ",
        ),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], said: str) -> None:
    done = bench(*arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
