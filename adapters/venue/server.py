"""The venue as a server: a face's routes on loopback, with the faults between it and its clients."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol

from aiohttp import WSMsgType, web

from adapters.errors import UserError
from adapters.venue.faults import Fault, FaultKind, Faults, Messages, Requests

HOST = "127.0.0.1"
MESSAGES_WAITING_MAX = 1_000_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_BEFORE = {FaultKind.LOSE_REQUEST, FaultKind.RATE_LIMIT, FaultKind.SERVER_ERROR, FaultKind.DELAY_REQUEST}


class Face(Protocol):
    """One exchange's protocol over a `VenueCore`."""

    def routes(self) -> Sequence[web.AbstractRouteDef]:
        """The paths that it answers at."""

    async def about(self, request: web.Request) -> Requests | None:
        """What a request is about, None for one that no fault meets, such as the opening of a stream."""

    def rate_limited(self, retry_after_s: int) -> web.Response:
        """The exchange's answer to too many requests."""

    def server_error(self, status: int) -> web.Response:
        """The exchange's answer where something is wrong at its end."""


class VenueServer:
    """Serves a face at a port, until stopped."""

    def __init__(self, face: Face, faults: Faults) -> None:
        self._face = face
        self._faults = faults
        app = web.Application(middlewares=[self._with_faults])
        app.add_routes(face.routes())
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)

    async def start(self, port: int = 0) -> str:
        """Listen at a port of this machine, for 0 at one that is free; returns the address. Raises UserError."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            raise UserError(f"port {port}: cannot be listened at ({error.strerror}); expected a free port") from None
        host, bound = self._runner.addresses[0][:2]
        return f"http://{host}:{bound}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    @web.middleware
    async def _with_faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        about = await self._face.about(request)
        faults = self._faults.of_request(about) if about is not None else []
        for fault in faults:
            if fault.kind == FaultKind.LOSE_REQUEST:
                return _cut(request)
            if fault.kind == FaultKind.RATE_LIMIT:
                return self._face.rate_limited(fault.retry_after_s)
            if fault.kind == FaultKind.SERVER_ERROR:
                return self._face.server_error(fault.status)
            if fault.kind == FaultKind.DELAY_REQUEST:
                await asyncio.sleep(fault.delay_ms / 1_000)
        answer = await handler(request)
        for fault in faults:
            if fault.kind not in _BEFORE:
                answer = await self._spoil(request, answer, fault)
        return answer

    async def _spoil(self, request: web.Request, answer: web.StreamResponse, fault: Fault) -> web.StreamResponse:
        """What becomes of the answer to a request that has been carried out."""
        if fault.kind == FaultKind.LOSE_ANSWER:
            return _cut(request)
        if fault.kind == FaultKind.HANG:
            # As long as the client has patience; it ends with its connection.
            await asyncio.sleep(fault.duration_ms / 1_000)
            return _cut(request)
        if fault.kind == FaultKind.DELAY_ANSWER:
            await asyncio.sleep(fault.delay_ms / 1_000)
        elif fault.kind == FaultKind.SERVER_ERROR_AFTER:
            return self._face.server_error(fault.status)
        elif fault.kind == FaultKind.MALFORMED:
            return web.Response(text="<html>upstream", content_type="text/html")
        return answer


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class Stream:
    """One websocket connection. Messages are sent in their order, by a task of its own."""

    def __init__(
        self, socket: web.WebSocketResponse, faults: Faults, transport: asyncio.WriteTransport | None = None
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._faults = faults
        self._waiting: deque[str] = deque()
        self._held: str | None = None
        self._wake = asyncio.Event()
        self._is_open = True
        self._is_deaf = False

    @property
    def backlog(self) -> int:
        """Messages that wait to be sent."""
        return len(self._waiting)

    def send(self, about: Messages, text: str) -> None:
        """Send a message, or what the faults make of it."""
        faults = self._faults.of_message(about)
        if faults:
            self._send_with(faults, text)
        else:
            self._put(text)

    def write_frames(self, frames: bytes) -> None:
        """Write whole websocket frames that were made elsewhere; no fault meets them."""
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.write(frames)

    @property
    def unsent_bytes(self) -> int:
        """What was written and the client has not taken yet."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def answer(self, text: str) -> None:
        """Send what no fault meets: the answer to a client's own message."""
        self._put(text)

    def close(self) -> None:
        """End the connection after what is waiting."""
        self._is_open = False
        self._wake.set()

    async def run(self, on_text: Callable[[str], None]) -> None:
        """Serve the connection to its end; `on_text` is told every message of the client."""
        writer = asyncio.create_task(self._write())
        try:
            async for message in self._socket:
                if message.type == WSMsgType.TEXT:
                    on_text(message.data)
                elif message.type == WSMsgType.PING and not self._is_deaf:
                    await self._socket.pong(message.data)
        finally:
            self._is_open = False
            writer.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await writer

    def _put(self, text: str) -> None:
        if self._is_deaf or not self._is_open:
            return
        self._waiting.append(text)
        if self._held is not None:
            self._waiting.append(self._held)
            self._held = None
        if len(self._waiting) > MESSAGES_WAITING_MAX:
            self.close()
        self._wake.set()

    def _send_with(self, faults: Sequence[Fault], text: str) -> None:
        kinds = [fault.kind for fault in faults]
        if FaultKind.DISCONNECT in kinds:
            self._waiting.clear()
            self.close()
        elif FaultKind.HALF_OPEN in kinds:
            self._is_deaf = True
        elif FaultKind.LOSE_MESSAGE in kinds:
            return
        elif FaultKind.DELAY_MESSAGE in kinds:
            delay_ms = max(fault.delay_ms for fault in faults if fault.kind == FaultKind.DELAY_MESSAGE)
            asyncio.get_running_loop().call_later(delay_ms / 1_000, self._put, text)
        elif FaultKind.REORDER_MESSAGE in kinds and self._held is None:
            self._held = text
        else:
            for _ in range(2 if FaultKind.DUPLICATE_MESSAGE in kinds else 1):
                self._put(text)

    async def _write(self) -> None:
        while self._is_open or self._waiting:
            while self._waiting:
                await self._socket.send_str(self._waiting.popleft())
            if self._is_open:
                self._wake.clear()
                await self._wake.wait()
        await self._socket.close()


class Streams:
    """All websocket connections of a venue."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._open: list[Stream] = []

    def __len__(self) -> int:
        return len(self._open)

    @property
    def backlog(self) -> int:
        """The most messages that wait for one connection to take them."""
        return max((stream.backlog for stream in self._open), default=0)

    @contextlib.asynccontextmanager
    async def open(self, request: web.Request) -> AsyncIterator[tuple[web.WebSocketResponse, Stream]]:
        """Take a websocket connection in, for as long as it is served."""
        socket = web.WebSocketResponse(autoping=False, max_msg_size=1 << 20)
        await socket.prepare(request)
        stream = Stream(socket, self._faults, request.transport)
        self._open.append(stream)
        try:
            yield socket, stream
        finally:
            self._open.remove(stream)

    def close(self) -> None:
        """End all connections."""
        for stream in self._open:
            stream.close()
