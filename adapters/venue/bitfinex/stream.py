"""One websocket connection: subscriptions to public channels, and channel 0 for who has signed in."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from adapters.venue.bitfinex.channels import BookChannel, Channel, open_channel
from adapters.venue.bitfinex.desk import Desk
from adapters.venue.bitfinex.errors import (
    ALREADY_SUBSCRIBED,
    GENERIC,
    INVALID_PARAMETER,
    NOT_SUBSCRIBED,
    SUBSCRIPTION_LIMIT,
    Refused,
)
from adapters.venue.bitfinex.market import Listing
from adapters.venue.bitfinex.numbers import decode, encode, milliseconds
from adapters.venue.bitfinex.statement import Notice
from adapters.venue.faults import Messages
from adapters.venue.market import MarketUpdate
from adapters.venue.server import Stream

CHANNELS_MAX = 30
# Flags of `conf`: messages carry a number of their own, books are followed by checksums.
NUMBERED = 65_536
CHECKSUMS = 131_072
CANCEL_ON_CLOSE = 4

_ACCOUNT = 0
_RIGHTS = ("orders", "account", "funding", "history", "wallets", "withdraw", "positions", "ui_withdraw")


class Session:
    """What a connection is subscribed to. `sign_in` finds the desk of who signed an `auth` event, or raises Refused."""

    def __init__(
        self,
        stream: Stream,
        listings: Mapping[str, Listing],
        channel_numbers: Iterator[int],
        sign_in: Callable[[Mapping[str, Any]], Desk],
        clock_ns: Callable[[], int],
    ) -> None:
        self.desk: Desk | None = None
        self._stream = stream
        self._listings = listings
        self._channel_numbers = channel_numbers
        self._sign_in = sign_in
        self._clock_ns = clock_ns
        self._channels: dict[int, Channel] = {}
        self._flags = 0
        self._sent = 0
        self._switch = False
        self._quiet: set[int] = set()
        self._say({"event": "info", "version": 2, "serverId": str(uuid.uuid4()), "platform": {"status": 1}})

    def on_text(self, text: str) -> None:
        """Answer a message of the client."""
        try:
            message = decode(text)
            if not isinstance(message, dict):
                raise ValueError
        except ValueError:
            self._say({"event": "error", "msg": "json: invalid", "code": INVALID_PARAMETER})
            return
        answers = {
            "ping": self._ping,
            "conf": self._configure,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "auth": self._authenticate,
        }
        answer = answers.get(str(message.get("event")))
        if answer is None:
            self._say({"event": "error", "msg": "event: unknown", "code": GENERIC})
        else:
            answer(message)

    def market(self, update: MarketUpdate) -> None:
        """Tell the subscribers of an instrument what has happened to it."""
        for number, channel in self._channels.items():
            if channel.listing.instrument.number == update.instrument:
                for tail in channel.take(update):
                    self._send(channel.about, number, tail)

    def account(self, notice: Notice) -> None:
        """Tell what has happened to the account that has signed in."""
        about, name, array = notice
        self._send(about, _ACCOUNT, [name, array])

    def beat(self) -> None:
        """Show that the connection is alive where nothing was sent since it was shown last."""
        for number in [*self._channels, *([_ACCOUNT] if self.desk is not None else [])]:
            if number in self._quiet:
                channel = self._channels.get(number)
                self._send(channel.about if channel else Messages.ORDERS, number, ["hb"])
            self._quiet.add(number)

    def close(self) -> None:
        """The connection has ended."""
        if self.desk is not None and self._switch:
            self.desk.cancel_all()

    def _ping(self, message: Mapping[str, Any]) -> None:
        self._say({"event": "pong", "ts": milliseconds(self._clock_ns()), "cid": message.get("cid")})

    def _configure(self, message: Mapping[str, Any]) -> None:
        flags = message.get("flags")
        if not isinstance(flags, int) or flags & ~(NUMBERED | CHECKSUMS):
            self._say({"event": "conf", "status": "FAILED", "flags": flags})
            return
        self._flags = flags
        for channel in self._channels.values():
            self._apply_flags(channel)
        self._say({"event": "conf", "status": "OK", "flags": flags})

    def _subscribe(self, message: Mapping[str, Any]) -> None:
        try:
            channel = open_channel(message, self._listings)
            if any(other.terms == channel.terms for other in self._channels.values()):
                raise Refused(ALREADY_SUBSCRIBED, "subscribe: dup")
            if len(self._channels) >= CHANNELS_MAX:
                raise Refused(SUBSCRIPTION_LIMIT, "subscribe: limit")
        except Refused as refused:
            said = {name: message[name] for name in ("channel", "symbol", "key") if name in message}
            self._say({"event": "error", "msg": refused.text, "code": refused.code, **said})
            return
        number = next(self._channel_numbers)
        self._apply_flags(channel)
        name = channel.terms["channel"]
        self._say({"event": "subscribed", "channel": name, "chanId": number, **channel.terms})
        for tail in channel.snapshot():
            self._send(channel.about, number, tail)
        self._channels[number] = channel

    def _unsubscribe(self, message: Mapping[str, Any]) -> None:
        given = str(message.get("chanId"))
        number = int(given) if given.isdecimal() else None
        if number is None or self._channels.pop(number, None) is None:
            self._say({"event": "error", "msg": "unsubscribe: invalid", "code": NOT_SUBSCRIBED, "chanId": number})
            return
        self._quiet.discard(number)
        self._say({"event": "unsubscribed", "status": "OK", "chanId": number})

    def _authenticate(self, message: Mapping[str, Any]) -> None:
        answer: dict[str, Any] = {"event": "auth", "status": "FAILED", "chanId": _ACCOUNT}
        try:
            if self.desk is not None:
                raise Refused(GENERIC, "auth: dup")
            desk = self._sign_in(message)
        except Refused as refused:
            self._say({**answer, "code": refused.code, "msg": refused.text})
            return
        self._switch = message.get("dms") == CANCEL_ON_CLOSE
        rights = {name: {"read": 1, "write": 0 if "withdraw" in name else 1} for name in _RIGHTS}
        user = int(desk.customer.name.rpartition("-")[2])
        self._say({**answer, "status": "OK", "userId": user, "auth_id": str(uuid.uuid4()), "caps": rights})
        self.account((Messages.BALANCES, "ps", desk.statement.positions()))
        self.account((Messages.BALANCES, "ws", desk.statement.wallets()))
        self.account((Messages.ORDERS, "os", desk.statement.orders(desk.customer.open_orders())))
        self.desk = desk

    def _apply_flags(self, channel: Channel) -> None:
        if isinstance(channel, BookChannel):
            channel.checksums = bool(self._flags & CHECKSUMS)

    def _send(self, about: Messages, number: int, tail: list[object]) -> None:
        self._quiet.discard(number)
        message = [number, *tail]
        if self._flags & NUMBERED:
            self._sent += 1
            message.append(self._sent)
        self._stream.send(about, encode(message).decode())

    def _say(self, event: Mapping[str, Any]) -> None:
        self._stream.answer(encode(event).decode())
