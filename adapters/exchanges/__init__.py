"""Exchanges over the network: one client for each, all behind `adapters.exchanges.port.Exchange`."""

from adapters.errors import UserError
from adapters.exchanges.inbox import Inbox
from adapters.exchanges.port import Connection, Exchange

EXCHANGES = ("binanceusdm", "bitfinex", "hyperliquid")


def connect(connection: Connection, inbox: Inbox) -> Exchange:
    """The client of a connection, not open yet. Raises UserError for an exchange that there is none for."""
    # The library behind the clients takes seconds to import: nothing but trading needs it.
    if connection.exchange == "binanceusdm":
        from adapters.exchanges.binanceusdm import BinanceUsdm

        return BinanceUsdm(connection, inbox)
    if connection.exchange == "bitfinex":
        from adapters.exchanges.bitfinex import Bitfinex

        return Bitfinex(connection, inbox)
    if connection.exchange == "hyperliquid":
        from adapters.exchanges.hyperliquid import Hyperliquid

        return Hyperliquid(connection, inbox)
    raise UserError(f"exchange {connection.exchange!r} is not known: expected {', '.join(EXCHANGES)}")
