"""The control socket: operators of this machine reach the daemon through a file in the journal's folder.

The file's mode is the permission: who may open it may command. One JSON line in, one JSON line out.
"""

import asyncio
import logging
import os
import pwd
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from adapters.errors import TapefoldError, UserError
from adapters.operating.requests import LINE_BYTES_MAX, Answer, Refused, Request, encode_line, read_request, refusal

CONTROL_FILE = "control.sock"
# Longer than the desk waits for the engine, so that its answer is the one that is heard.
ASK_TIMEOUT_S = 40.0

_MODE = 0o600
# What the system takes as the path of a socket, the zero at its end apart.
_PATH_BYTES_MAX = 107
_REQUEST_TIMEOUT_S = 10.0
_PEER = struct.Struct("iII")

# The request and the user of the system who makes it; a handler raises `Refused` for what makes no sense.
Handler = Callable[[Request, str], Awaitable[Answer]]

_log = logging.getLogger(__name__)


class ControlSocket:
    """Listens in a folder and hands each request to `handle`, one at a time for each connection."""

    def __init__(self, folder: Path, handle: Handler) -> None:
        self._path = folder / CONTROL_FILE
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._inode = 0

    async def open(self) -> None:
        """Begin to listen; a file that a dead daemon left is replaced. Raises UserError."""
        self._server = await asyncio.start_unix_server(self._serve, sock=_listening(self._path), limit=LINE_BYTES_MAX)
        self._inode = self._path.stat().st_ino

    async def close(self) -> None:
        """Stop listening and remove the file, unless another daemon has taken its place."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        if self._path.exists() and self._path.stat().st_ino == self._inode:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            user = user_of(writer.get_extra_info("socket"))
            while line := await asyncio.wait_for(reader.readline(), _REQUEST_TIMEOUT_S):
                writer.write(encode_line(await self._answer(line, user)))
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # Who asked has gone; what was asked is on the tape all the same.
        except ValueError:  # of a line that is too long
            writer.write(encode_line(refusal("malformed", f"expected a line of at most {LINE_BYTES_MAX} bytes")))
        finally:
            writer.close()

    async def _answer(self, line: bytes, user: str) -> Answer:
        try:
            return await self._handle(read_request(line), user)
        except Refused as refused:
            return refusal(refused.code, str(refused))
        except Exception as error:
            # A fault of a handler must neither end the daemon nor leave who asked without an answer.
            _log.exception("a request of %s failed", user)
            return refusal("failed", f"{type(error).__name__}; the daemon's log says more")


def _listening(path: Path) -> socket.socket:
    """A socket at `path` that only its owner may open. Raises UserError."""
    _check_length(path)
    _remove_stale(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        # Nobody can connect before `listen`, so there is no moment with a wider mode.
        path.chmod(_MODE)
        listener.listen()
    except OSError as error:
        listener.close()
        raise UserError(f"{path}: cannot listen there ({error.strerror}); expected a writable folder") from None
    listener.setblocking(False)
    return listener


def _check_length(path: Path) -> None:
    if (length := len(os.fsencode(path))) > _PATH_BYTES_MAX:
        raise UserError(
            f"{path}: the control socket's path has {length} bytes, expected at most {_PATH_BYTES_MAX}; "
            "use a journal folder with a shorter path"
        )


def _remove_stale(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{path}: cannot be looked at ({error.strerror})") from None
    if not stat.S_ISSOCK(mode):
        raise UserError(f"{path}: is no socket; expected nothing there, or what an earlier daemon left")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            raise UserError(f"{path}: cannot be looked at ({error.strerror})") from None
    raise UserError(f"{path}: another daemon is listening there")


def user_of(connection: socket.socket) -> str:
    """The name of the system's user at the other end; its number where it has no name."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    _, uid, _ = _PEER.unpack(credentials)
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def ask(folder: Path, request: Request, timeout_s: float = ASK_TIMEOUT_S) -> Answer:
    """Send a request to the daemon of a journal and wait for its answer. Raises TapefoldError."""
    path = folder / CONTROL_FILE
    _check_length(path)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(str(path))
            connection.sendall(encode_line(request))
            with connection.makefile("rb") as lines:
                line = lines.readline()
    except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
        raise UserError(f"{folder}: no daemon is running there; expected one that writes this journal") from None
    except PermissionError:
        raise UserError(f"{path}: no permission; expected the user that runs the daemon, or root") from None
    except TimeoutError:
        raise TapefoldError(
            f"{path}: no answer in {timeout_s:g} s; whether it was done is on the tape, `status` shows how it stands"
        ) from None
    except OSError as error:
        raise TapefoldError(f"{path}: the daemon did not answer ({error.strerror})") from None
    try:
        answer: Answer = msgspec.json.decode(line, type=dict)
    except msgspec.MsgspecError:
        raise TapefoldError(f"{path}: the daemon ended before it answered; `status` shows how it stands") from None
    return answer
