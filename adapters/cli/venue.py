"""`venue`: an exchange on this machine to try things at."""

import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.cli.console import prepare_engine
from adapters.errors import UserError

if TYPE_CHECKING:
    from adapters.venue.local import LocalVenue

_PORT_MAX = 65_535


def venue(exchange: str, data: Path | None, speed: str, port: int, faults: Path | None, output: str) -> int:
    """Serve a venue until it is interrupted. Raises TapefoldError."""
    prepare_engine("drive")
    import uvloop

    from adapters.venue.faults import load_faults
    from adapters.venue.local import LocalVenue

    if not 0 <= port <= _PORT_MAX:
        raise UserError(f"--port: expected 0 to {_PORT_MAX}, found {port}")
    rules = load_faults(faults) if faults is not None else None
    return uvloop.run(_serve(LocalVenue(exchange, data, _factor(speed), rules), port, output))


async def _serve(local: "LocalVenue", port: int, output: str) -> int:
    served = asyncio.create_task(_run(local, port, output))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, served.cancel)
    loop.add_signal_handler(signal.SIGUSR1, local.hold)
    loop.add_signal_handler(signal.SIGUSR2, local.go_on)
    try:
        await served
    except asyncio.CancelledError:
        return 0
    finally:
        await local.stop()
    return 0


async def _run(local: "LocalVenue", port: int, output: str) -> None:
    await local.start(port)
    if output == "json":
        customers = [{"key": key, "secret": secret} for key, secret in local.keys]
        line = json.dumps({"exchange": local.exchange, "address": local.address, "customers": customers})
    else:
        keys = ", ".join(f"key {key} secret {secret}" for key, secret in local.keys)
        line = f"{local.exchange} at {local.address}; {keys}"
    print(line, flush=True)
    await local.run()


def _factor(speed: str) -> float | None:
    """How many times as fast as recorded, None for as fast as it goes."""
    if speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1_000_000:
        raise UserError(f'--speed: expected a number above 0, such as 1 or 10, or "max"; found {speed!r}')
    return factor
