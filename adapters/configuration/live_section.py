"""The section of live trading: which account is at which exchange, and how keys are found."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from adapters.configuration.fields import Positive, Section, Span, Text
from adapters.configuration.values import parse_duration

ExchangeName = Literal["binanceusdm", "bitfinex", "hyperliquid"]
StreamName = Literal["quotes", "trades", "bars", "marks"]
Port = Annotated[int, Field(strict=True, ge=0, le=65_535)]

LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
_SECOND_NS = 1_000_000_000
_SWITCH_MIN_NS = 10 * _SECOND_NS
_ON_DISCONNECT = "on-disconnect"


def _of_this_machine(address: str) -> str:
    try:
        parts = urlsplit(address)
        is_local = parts.scheme == "http" and parts.hostname in LOOPBACK and parts.port
        is_whole = parts.username is None and parts.path in ("", "/") and not (parts.query or parts.fragment)
    except ValueError:
        is_local = is_whole = False
    if address and not (is_local and is_whole):
        raise ValueError("expected the address of a venue on this machine, such as 'http://127.0.0.1:8080'")
    return address.rstrip("/")


def _parse_switch(value: object) -> int:
    """0 for a switch that acts when the connection ends."""
    if value == _ON_DISCONNECT:
        return 0
    after_ns = parse_duration(value)
    if after_ns < _SWITCH_MIN_NS:
        raise ValueError(f"expected at least '10s', or {_ON_DISCONNECT!r} at bitfinex, found {value!r}")
    return after_ns


Switch = Annotated[int, BeforeValidator(_parse_switch)]


class ConnectionSection(Section):
    """An account's exchange. `endpoint` is a local venue's address; empty, it is the exchange itself.

    After `dead_man_switch_ns` without a sign of life the exchange cancels the orders; 0 is when the connection ends,
    which is what Bitfinex has, and None never.

    Keys come from the environment (`keys_env` names the prefix: PREFIX_KEY, PREFIX_SECRET, PREFIX_WALLET) or from a
    TOML file that nobody else can read (`keys_file` with key, secret, wallet). `fee_rates` is what one of another
    currency is worth in the account's, for fees that are paid in it.
    """

    account: Text
    exchange: ExchangeName
    endpoint: Annotated[str, AfterValidator(_of_this_machine)] = ""
    keys_env: Text | None = None
    keys_file: Text | None = None
    streams: Annotated[tuple[StreamName, ...], Field(min_length=1)] = ("quotes", "trades")
    dead_man_switch_ns: Switch | None = Field(default=None, alias="dead_man_switch")
    fee_rates: Mapping[str, Positive] = Field(default_factory=dict)

    @property
    def fitting_switch(self) -> str:
        """What kind of switch the exchange has, where the configured one is of another kind; else empty."""
        if self.dead_man_switch_ns is None or (self.dead_man_switch_ns == 0) == (self.exchange == "bitfinex"):
            return ""
        return repr(_ON_DISCONNECT) if self.exchange == "bitfinex" else "a duration such as '60s'"


class LiveSection(Section):
    """How the daemon trades. A `metrics_port` of 0 is chosen by the system; without one there are no metrics.

    `unknown_orders` are open ones of this tape that the engine does not know to be open, `foreign_orders` all others.
    """

    connections: Annotated[tuple[ConnectionSection, ...], Field(min_length=1)]
    reconcile_interval_ns: Span = Field(default=60 * _SECOND_NS, alias="reconcile_interval")
    metrics_port: Port | None = None
    metrics_host: Text = "127.0.0.1"
    unknown_orders: Literal["cancel", "adopt"] = "cancel"
    foreign_orders: Literal["leave", "cancel"] = "leave"
