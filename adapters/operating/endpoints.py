"""/metrics, /healthz and /readyz, for machines: on this machine alone unless another address is named."""

from collections.abc import Callable, Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from adapters.errors import UserError

LOCAL = "127.0.0.1"


class Endpoints:
    """An HTTP server in the daemon's event loop. `not_ready` says why the daemon does not trade, in words."""

    def __init__(self, registry: CollectorRegistry, not_ready: Callable[[], Sequence[str]]) -> None:
        self._registry = registry
        self._not_ready = not_ready
        self._runner: web.AppRunner | None = None

    async def open(self, host: str = LOCAL, port: int = 0) -> int:
        """Listen, on a port of the system's choice for 0; returns the port. Raises UserError."""
        app = web.Application()
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._readiness)
        # Signals and the log are the daemon's.
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            await self.close()
            raise UserError(f"metrics at {host}:{port}: cannot listen there ({error.strerror})") from None
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _health(self, _: web.Request) -> web.Response:
        """Whoever can answer lives."""
        return web.json_response({"alive": True})

    async def _readiness(self, _: web.Request) -> web.Response:
        why = list(self._not_ready())
        return web.json_response({"ready": not why, "not_ready": why}, status=503 if why else 200)
