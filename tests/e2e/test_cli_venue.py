"""`tapefold venue` as a user meets it: a process that prints its address and keys, answers, and stops when told."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support import ROOT

PATIENCE_S = 60


def started(*arguments: str) -> "subprocess.Popen[str]":
    """A process that runs interpreted, so that it starts at once."""
    command = [sys.executable, "-m", "adapters.cli", "venue", *arguments]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, cwd=ROOT)


@contextmanager
def venue(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    process = started(*arguments)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def get(address: str) -> object:
    with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_is_answers_and_stops(number: signal.Signals) -> None:
    with venue("--exchange", "binanceusdm", "--output", "json") as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["exchange"] == "binanceusdm" and len(said["customers"]) == 2
        answer = get(f"{said['address']}/fapi/v1/time")
        assert isinstance(answer, dict) and answer["serverTime"] > 0
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
        assert (process.returncode, out, err) == (0, "", "")


def test_it_plays_a_configuration_s_data_with_its_faults(tmp_path: Path) -> None:
    faults = tmp_path / "faults.toml"
    faults.write_text('[[faults]]\nkind = "server_error"\non = "market"\nat = [1]\n', encoding="utf-8")
    data = ("--data", "demo/crash-2017.toml", "--speed", "max", "--faults", str(faults))
    with venue("--exchange", "binanceusdm", "--output", "json", *data) as process:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        with pytest.raises(urllib.error.HTTPError, match="503"):
            get(f"{address}/fapi/v1/time")
        answer = get(f"{address}/fapi/v1/exchangeInfo")
        assert isinstance(answer, dict)
        assert [symbol["symbol"] for symbol in answer["symbols"]] == ["BTCUSD", "ETHUSD", "XRPUSD"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--speed", "fast"), "--speed: expected a number above 0, such as 1 or 10, or \"max\"; found 'fast'"),
        (("--port", "99999"), "--port: expected 0 to 65535, found 99999"),
        (("--data", "none.toml"), "none.toml: no such file; expected a configuration in TOML"),
        (("--faults", "none.toml"), "none.toml: cannot be read"),
    ],
)
def test_a_mistake_gets_one_line(arguments: tuple[str, ...], said: str) -> None:
    process = started("--exchange", "binanceusdm", *arguments)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out) == (2, "")
    assert said in err and err.count("\n") == 1


def test_a_port_in_use_is_said_to_be_so() -> None:
    with venue("--exchange", "binanceusdm", "--output", "json") as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["address"].rpartition(":")[2]
        second = started("--exchange", "binanceusdm", "--port", port)
        out, err = second.communicate(timeout=PATIENCE_S)
        assert (second.returncode, out, err.count("\n")) == (2, "", 1)
        assert f"port {port}: cannot be listened at" in err
