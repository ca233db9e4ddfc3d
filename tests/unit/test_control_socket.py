"""The control socket: who may open it, what it takes, and what is said where there is none."""

import asyncio
import getpass
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.errors import TapefoldError, UserError
from adapters.operating.requests import ACTIONS, LINE_BYTES_MAX, Answer, Refused, Request, read_request
from adapters.operating.socket import CONTROL_FILE, ControlSocket, ask
from tests.support import ROOT

STATUS = Request(action="status")


async def echo(request: Request, user: str) -> Answer:
    if request.action == "kill":
        raise Refused("breaker_unknown", "there is no such breaker")
    if request.action == "flatten":
        raise RuntimeError("the secret is 42")
    return {"ok": True, "action": request.action, "user": user}


def with_server(folder: Path, use: Callable[[], Any], handle: Callable[..., Awaitable[Answer]] = echo) -> Any:
    """What `use` gives, called in a thread while a server listens."""

    async def steps() -> Any:
        server = ControlSocket(folder, handle)
        await server.open()
        try:
            return await asyncio.wait_for(asyncio.to_thread(use), 20)
        finally:
            await server.close()

    return asyncio.run(steps())


def said(folder: Path, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(folder / CONTROL_FILE))
        connection.sendall(line)
        return connection.makefile("rb").readline()


def test_a_request_is_answered_with_the_user_who_made_it(tmp_path: Path) -> None:
    answer = with_server(tmp_path, lambda: ask(tmp_path, STATUS))
    assert answer == {"ok": True, "action": "status", "user": getpass.getuser()}


def test_only_the_owner_may_open_it(tmp_path: Path) -> None:
    mode = with_server(tmp_path, lambda: (tmp_path / CONTROL_FILE).stat().st_mode)
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_it_is_gone_when_the_daemon_is(tmp_path: Path) -> None:
    with_server(tmp_path, lambda: None)
    assert not (tmp_path / CONTROL_FILE).exists()
    with pytest.raises(UserError, match="no daemon is running there"):
        ask(tmp_path, STATUS)


# Root may open everything: there it is somebody else who asks.
AS_ANOTHER = """
import os, sys
from pathlib import Path
from adapters.errors import UserError
from adapters.operating.requests import Request
from adapters.operating.socket import ask
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    print(ask(Path(sys.argv[1]), Request(action="status")))
except UserError as error:
    print(error)
"""


def test_no_permission_is_said() -> None:
    def asked_by_another(folder: str) -> str:
        if os.geteuid() != 0:
            Path(folder, CONTROL_FILE).chmod(0)
        command = [sys.executable, "-c", AS_ANOTHER, folder]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        told = with_server(Path(folder), lambda: asked_by_another(folder))
    assert told == f"{folder}/{CONTROL_FILE}: no permission; expected the user that runs the daemon, or root\n"


def test_what_a_dead_daemon_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(tmp_path / CONTROL_FILE))
    with pytest.raises(UserError, match="no daemon is running there"):
        ask(tmp_path, STATUS)
    assert with_server(tmp_path, lambda: ask(tmp_path, STATUS))["ok"]


def test_a_living_daemon_is_not_replaced(tmp_path: Path) -> None:
    def second() -> None:
        with pytest.raises(UserError, match="another daemon is listening there"):
            with_server(tmp_path, lambda: None)
        assert ask(tmp_path, STATUS)["ok"]

    with_server(tmp_path, second)


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / CONTROL_FILE).write_text("precious")
    with pytest.raises(UserError, match="is no socket"):
        with_server(tmp_path, lambda: None)
    assert (tmp_path / CONTROL_FILE).read_text() == "precious"


def test_a_path_that_is_too_long_is_said_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    with pytest.raises(UserError, match=r"control socket's path has \d+ bytes, expected at most 107") as error:
        with_server(folder, lambda: None)
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match="expected at most 107"):
        ask(folder, STATUS)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"not json\n", b"malformed"),
        (b"{}\n", b"malformed"),
        (b'{"action":"kill","reason":"x","force":true}\n', b"malformed"),
        (b'{"action":"explode","reason":"x"}\n', b"action_unknown"),
        (b'{"action":"kill"}\n', b"reason_missing"),
        (b'{"action":"kill","reason":"  "}\n', b"reason_missing"),
        (b'{"action":"kill","reason":"two\\nlines"}\n', b"reason_invalid"),
        (b'{"action":"kill","reason":"x","operator":"\\u001b[2J"}\n', b"operator_invalid"),
        (b'{"action":"kill","reason":"%s"}\n' % (b"x" * 1001), b"reason_invalid"),
        (b'{"action":"close","reason":"x"}\n', b"symbol_missing"),
        (b'{"action":"set","reason":"x"}\n', b"key_missing"),
        (b"x" * (LINE_BYTES_MAX + 10) + b"\n", b"malformed"),
    ],
)
def test_what_makes_no_sense_is_answered_with_a_code(tmp_path: Path, line: bytes, code: bytes) -> None:
    answer = with_server(tmp_path, lambda: said(tmp_path, line))
    assert answer.startswith(b'{"ok":false,"error":{"code":"%s"' % code)


def test_every_action_can_be_asked_for() -> None:
    for action in ACTIONS:
        line = b'{"action":"%s","reason":"x","target":"y"}' % action.encode()
        assert read_request(line).action == action


def test_what_a_handler_refuses_comes_back_and_a_fault_says_nothing_of_its_insides(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def both() -> tuple[Answer, Answer, Answer]:
        refused = ask(tmp_path, Request(action="kill", reason="x"))
        failed = ask(tmp_path, Request(action="flatten", reason="x"))
        return refused, failed, ask(tmp_path, STATUS)

    refused, failed, after = with_server(tmp_path, both)
    assert refused["error"] == {"code": "breaker_unknown", "line": "there is no such breaker"}
    assert failed["error"] == {"code": "failed", "line": "RuntimeError; the daemon's log says more"}
    assert "42" in caplog.text
    assert after["ok"]


def test_one_who_says_nothing_keeps_nobody_waiting(tmp_path: Path) -> None:
    def beside_a_silent_one() -> Answer:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as silent:
            silent.connect(str(tmp_path / CONTROL_FILE))
            silent.sendall(b'{"action":')
            return ask(tmp_path, STATUS)

    assert with_server(tmp_path, beside_a_silent_one)["ok"]


def _peer(path: Path, after: Callable[[socket.socket], None]) -> threading.Thread:
    """Listen, and do something with the one who calls."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    listener.settimeout(10)

    def serve() -> None:
        with listener, listener.accept()[0] as connection:
            after(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_daemon_that_dies_before_it_answers(tmp_path: Path) -> None:
    thread = _peer(tmp_path / CONTROL_FILE, lambda connection: connection.recv(100) and None)
    with pytest.raises(TapefoldError, match="ended before it answered"):
        ask(tmp_path, STATUS)
    thread.join(10)


def test_a_daemon_that_does_not_answer(tmp_path: Path) -> None:
    done = threading.Event()
    thread = _peer(tmp_path / CONTROL_FILE, lambda connection: done.wait(10) and None)
    with pytest.raises(TapefoldError, match=r"no answer in 0.05 s"):
        ask(tmp_path, STATUS, timeout_s=0.05)
    done.set()
    thread.join(10)
