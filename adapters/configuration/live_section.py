"""The section of live trading: which account is at which exchange, and how keys are found."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from adapters.configuration.fields import Positive, Section, Span, Text

ExchangeName = Literal["binanceusdm", "bitfinex", "hyperliquid"]
StreamName = Literal["quotes", "trades", "bars", "marks"]
Port = Annotated[int, Field(strict=True, ge=0, le=65_535)]

_SECOND_NS = 1_000_000_000


class ConnectionSection(Section):
    """An account's exchange. `endpoint` is a local venue's address; empty, it is the exchange itself.

    Keys come from the environment (`keys_env` names the prefix: PREFIX_KEY, PREFIX_SECRET, PREFIX_WALLET) or from a
    TOML file that nobody else can read (`keys_file` with key, secret, wallet). `fee_rates` is what one of another
    currency is worth in the account's, for fees that are paid in it.
    """

    account: Text
    exchange: ExchangeName
    endpoint: str = ""
    keys_env: Text | None = None
    keys_file: Text | None = None
    streams: Annotated[tuple[StreamName, ...], Field(min_length=1)] = ("quotes", "trades")
    fee_rates: Mapping[str, Positive] = Field(default_factory=dict)


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
