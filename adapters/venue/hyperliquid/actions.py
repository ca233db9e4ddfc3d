"""`/exchange`: who signed an action, and what it does.

Unlike at Hyperliquid a scheduled cancel (its dead man's switch) needs no traded volume, margin is that of the
configuration whatever the leverage, and groups of orders and builders' fees are not to be had. There are no rate
limits but those of a fault file.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from adapters.venue.core import VenueCore
from adapters.venue.hyperliquid import requests
from adapters.venue.hyperliquid.coins import Coin
from adapters.venue.hyperliquid.orders import Orders
from adapters.venue.hyperliquid.outbox import Outbox
from adapters.venue.hyperliquid.records import CustomerRecord
from adapters.venue.hyperliquid.signatures import Nonces, SignatureUnreadable, action_hash, signer
from adapters.venue.hyperliquid.wire import MS_NS, Json

_SCHEDULE_AHEAD_MIN_MS = 5_000


class Unreadable(ValueError):
    """A request that has no shape known here: answered with HTTP 422."""


class _Refused(Exception):
    """A whole action is refused, with Hyperliquid's message."""


class Actions:
    """Carries out actions for whoever signed them."""

    def __init__(
        self, core: VenueCore, coins: Sequence[Coin], records: Mapping[str, CustomerRecord], outbox: Outbox
    ) -> None:
        self._core = core
        self._coins = coins
        self._records = records
        self._outbox = outbox
        self._orders = Orders(core, coins, outbox)
        self._nonces = Nonces()
        self._schedules: dict[str, asyncio.TimerHandle] = {}

    def answer(self, body: bytes | str | msgspec.Raw) -> Json:
        """Check who signed a request and that it is new, and carry it out. Raises Unreadable."""
        try:
            request = msgspec.json.decode(body, type=requests.Signed)
            action = msgspec.convert(request.action, requests.Action)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unreadable(str(error)) from None
        try:
            record = self._signer(request)
            with self._outbox.action():
                response = self._carry_out(record, action)
        except _Refused as refusal:
            return {"status": "err", "response": str(refusal)}
        return {"status": "ok", "response": response}

    def _signer(self, request: requests.Signed) -> CustomerRecord:
        now_ms = self._core.clock_ns() // MS_NS
        vault = request.vaultAddress or ""
        try:
            address = signer(action_hash(request.action, request.nonce, vault, request.expiresAfter), request.signature)
        except SignatureUnreadable:
            raise _Refused("Unable to recover signer.") from None
        customer = self._core.customer_of(address)
        if customer is None:
            raise _Refused(f"User or API Wallet {address} does not exist.")
        if vault:
            raise _Refused(f"Vault not registered: {vault}")
        if objection := self._nonces.objection(address, request.nonce, now_ms):
            raise _Refused(objection)
        if request.expiresAfter is not None and request.expiresAfter < now_ms:
            raise _Refused("Action already expired")
        return self._records[customer.name]

    def _carry_out(self, record: CustomerRecord, action: requests.Action) -> Json:
        match action:
            case requests.Order():
                if action.grouping != "na":
                    raise _Refused(f"Grouping {action.grouping} is not to be had at this venue.")
                if action.builder is not None:
                    raise _Refused("Builder fee has not been approved.")
                return _statuses("order", [self._orders.place(record, order) for order in action.orders])
            case requests.Cancel():
                return _statuses("cancel", [self._orders.cancel(record, c.asset, c.oid) for c in action.cancels])
            case requests.CancelByCloid():
                return _statuses("cancel", [self._orders.cancel(record, c.asset, c.cloid) for c in action.cancels])
            case requests.BatchModify():
                return _statuses("order", [self._orders.modify(record, m.oid, m.order) for m in action.modifies])
            case requests.Modify():
                status = self._orders.modify(record, action.oid, action.order)
                if "error" in status:
                    raise _Refused(status["error"])
            case requests.ScheduleCancel():
                self._schedule(record, action.time_ms)
            case requests.UpdateLeverage():
                self._set_leverage(record, action)
            case requests.SetReferrer():
                raise _Refused("Referral code not registered")
        return {"type": "default"}

    def _schedule(self, record: CustomerRecord, time_ms: int | None) -> None:
        """Cancel everything at a time, unless another one is set before; None for never."""
        name = record.customer.name
        if time_ms is not None:
            ahead_ms = time_ms - self._core.clock_ns() // MS_NS
            if ahead_ms < _SCHEDULE_AHEAD_MIN_MS:
                raise _Refused("Scheduled cancel time must be at least 5 seconds in the future.")
        if name in self._schedules:
            self._schedules.pop(name).cancel()
        if time_ms is not None:
            loop = asyncio.get_running_loop()
            self._schedules[name] = loop.call_later(ahead_ms / 1_000, self._cancel_scheduled, record)

    def _cancel_scheduled(self, record: CustomerRecord) -> None:
        self._schedules.pop(record.customer.name, None)
        for order in record.customer.open_orders():
            record.scheduled.add(order.number)
            self._core.cancel(record.customer, order.number)

    def _set_leverage(self, record: CustomerRecord, action: requests.UpdateLeverage) -> None:
        if action.asset >= len(self._coins):
            raise _Refused("Asset does not exist.")
        if not 1 <= action.leverage <= self._coins[action.asset].leverage_max:
            raise _Refused("Invalid leverage value")
        if not action.is_cross:
            raise _Refused("Isolated margin is not to be had at this venue.")
        record.leverage[action.asset] = action.leverage


def _statuses(kind: str, statuses: list[Json] | list[Json | str]) -> Json:
    return {"type": kind, "data": {"statuses": statuses}}
