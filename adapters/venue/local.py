"""A whole venue: one exchange's face over a core, served on this machine, with market data playing."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from adapters.configuration import Configuration, load_configuration
from adapters.venue.binanceusdm import BinanceFace
from adapters.venue.bitfinex import BitfinexFace
from adapters.venue.core import CUSTOMERS, VenueCore, default_keys
from adapters.venue.defaults import default_configuration
from adapters.venue.faults import Faults
from adapters.venue.feed import Feed
from adapters.venue.hyperliquid import CLIENT_ID_KEPT_NS, HyperliquidFace, wallets
from adapters.venue.hyperliquid import default_configuration as hyperliquid_configuration
from adapters.venue.server import Face, Streams, VenueServer


class _Exchange(NamedTuple):
    """What a venue needs to know to be an exchange; a key is whatever the exchange knows customers by."""

    configuration: Callable[[], Configuration]
    keys: Callable[[int], list[tuple[str, str]]]
    client_id_kept_ns: int
    face: Callable[[VenueCore, Streams], Face]


_EXCHANGES = {
    "binanceusdm": _Exchange(lambda: default_configuration("USDT"), default_keys, 0, BinanceFace),
    "bitfinex": _Exchange(lambda: default_configuration("USDT", "0"), default_keys, 0, BitfinexFace),
    "hyperliquid": _Exchange(hyperliquid_configuration, wallets, CLIENT_ID_KEPT_NS, HyperliquidFace),
}
EXCHANGES = tuple(_EXCHANGES)


class LocalVenue:
    """Built, started and stopped; `address` is where it is served once it has started.

    `data` is a configuration whose accounts each customer gets, whose instruments are traded and whose market data are
    played; a default with a random market where not given. `speed` is as of `Feed`. Nothing plays by itself where
    `plays` is False: then whoever has the venue moves its market by `core.apply`.
    """

    def __init__(
        self,
        exchange: str,
        data: Path | None = None,
        speed: float | None = 1.0,
        faults: Faults | None = None,
        plays: bool = True,
    ) -> None:
        """Raises UserError for data that cannot be used."""
        terms = _EXCHANGES[exchange]
        configuration = load_configuration(data) if data is not None else terms.configuration()
        self.exchange = exchange
        self.keys = terms.keys(CUSTOMERS)
        self.core = VenueCore(configuration, time.time_ns, self.keys, terms.client_id_kept_ns, faults)
        self.streams = Streams(self.core.faults)
        self.face = terms.face(self.core, self.streams)
        self._server = VenueServer(self.face, self.core.faults)
        self._feed = Feed(self.core, configuration, speed, backlog=lambda: self.streams.backlog) if plays else None
        self._playing: asyncio.Task[None] | None = None
        self.address = ""

    async def start(self, port: int = 0) -> None:
        """Serve at a port, for 0 at one that is free, and let the data play. Raises UserError."""
        self.address = await self._server.start(port)
        if self._feed is not None:
            self._playing = asyncio.create_task(self._feed.run())

    async def run(self) -> None:
        """Until the data cannot go on. Raises UserError for a bad row among them."""
        if self._playing is not None:
            await self._playing

    def hold(self) -> None:
        """The market stands still until `go_on`."""
        if self._feed is not None:
            self._feed.hold()

    def go_on(self) -> None:
        if self._feed is not None:
            self._feed.go_on()

    async def stop(self) -> None:
        """End the data, all connections and the server."""
        if self._playing is not None:
            self._playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._playing
        self.streams.close()
        await self._server.stop()
