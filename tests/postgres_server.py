"""A PostgreSQL server of one's own for a test: in a temporary folder, on a socket there, ended afterwards."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

USER = "tester"
PASSWORD = "not-to-be-seen-4711"
_UNPRIVILEGED = ("postgres", "nobody")
_START_S = 30


def programs() -> Path:
    """Where initdb and postgres are; skips the test where they are not."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: folder.parent.name, reverse=True)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip("PostgreSQL is not installed here (no initdb)")


@contextmanager
def postgres_server() -> Iterator[str]:
    """The address of a running server, without a database: a path may follow it. Its only user has a password."""
    pytest.importorskip("psycopg", reason="psycopg is not installed (the extra `postgres`)")
    bin_folder = programs()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        who = _somebody_else(folder)
        (folder / "password").write_text(PASSWORD)
        for path in (folder, folder / "password"):
            if who:
                shutil.chown(path, who)
        data = folder / "data"
        arguments = [f"--pgdata={data}", f"--username={USER}", f"--pwfile={folder / 'password'}"]
        arguments += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        subprocess.run([bin_folder / "initdb", *arguments], check=True, capture_output=True, cwd=folder, user=who)
        with _running([str(bin_folder / "postgres"), "-D", str(data)], folder, who):
            yield f"postgresql://{USER}:{PASSWORD}@/postgres?host={folder}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: list[str], folder: Path, who: str | None) -> Iterator[None]:
    settings = {"unix_socket_directories": folder, "listen_addresses": "", "fsync": "off", "max_connections": 50}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([*command, *options], cwd=folder, user=who, stdout=log, stderr=log)
    try:
        _wait(folder, server)
        yield
    finally:
        server.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed again
        try:
            server.wait(timeout=_START_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _wait(folder: Path, server: "subprocess.Popen[bytes]") -> None:
    import psycopg

    deadline = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(host=str(folder), user=USER, password=PASSWORD, dbname="postgres").close()
            return
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError((folder / "log").read_text()) from None
            time.sleep(0.05)


def _somebody_else(folder: Path) -> str | None:
    """Whom to run it as: it refuses to be run by root."""
    if os.getuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("PostgreSQL refuses to be run by root, and there is no other user to run it as")
