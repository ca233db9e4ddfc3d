"""Commands out: each order's requests one after the other, several orders in one request where there is one for them.

Every order has an outcome of its own: what the exchange says becomes a report, what nobody says REQUEST_FAILED.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters.exchanges.answers import Refused
from adapters.exchanges.markets import Market
from adapters.exchanges.port import Command
from adapters.exchanges.transport import Endpoint
from engine.kinds import DecisionKind, EventKind
from engine.reasons import Reason

if TYPE_CHECKING:
    from adapters.exchanges.client import ExchangeClient

_PLACES = frozenset((DecisionKind.PLACE_ORDER, DecisionKind.RELEASE_ORDER))


class Sending:
    """What a client sends."""

    def __init__(self, client: "ExchangeClient") -> None:
        self._client = client

    async def send(self, command: Command) -> None:
        market = self._client.markets[command.instrument]
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        before = self._begin(command, done)
        try:
            if before is not None:
                await before
            if command.kind in _PLACES:
                await self._send_place(market, command)
            elif command.kind == DecisionKind.CANCEL_ORDER:
                await self._send_cancel(market, command)
            else:
                await self._send_amend(market, command)
        finally:
            self._end(command, done)

    async def send_all(self, commands: Sequence[Command]) -> None:
        batches: dict[tuple[bool, int], list[Command]] = {}
        for command in commands:
            batch = self._client.batch_of(command)
            batches.setdefault((batch is None, command.order if batch is None else batch), []).append(command)
        parts = [
            whole[start : start + self._client.batch_most]
            for whole in batches.values()
            for start in range(0, len(whole), self._client.batch_most)
        ]
        await asyncio.gather(*[self._send_part(part) for part in parts])

    async def _send_part(self, commands: Sequence[Command]) -> None:
        await (self.send(commands[0]) if len(commands) == 1 else self._send_batch(commands))

    async def _send_batch(self, commands: Sequence[Command]) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        befores = [self._begin(command, done) for command in commands]
        try:
            for before in befores:
                if before is not None:
                    await before
            if commands[0].kind in _PLACES:
                await self._place_batch(commands)
            else:
                await self._cancel_batch(commands)
        finally:
            for command in commands:
                self._end(command, done)

    def _begin(self, command: Command, done: asyncio.Future[None]) -> asyncio.Future[None] | None:
        """Note that a request is on its way; returns the one before it about the same order."""
        order = command.order
        before = self._client.on_their_way.get(order)
        self._client.on_their_way[order] = done
        self._client.sent_while_asking.add(order)
        if command.kind in _PLACES:
            self._client.order_trades.began(order, self._client.clock_ns())
        return before

    def _end(self, command: Command, done: asyncio.Future[None]) -> None:
        if not done.done():
            done.set_result(None)
        if self._client.on_their_way.get(command.order) is done:
            del self._client.on_their_way[command.order]

    async def _send_place(self, market: Market, command: Command) -> None:
        outcome: int | Exception
        try:
            self._check(market, command)
            outcome = await self._client.place(market, command)
        except Exception as error:
            outcome = error
        self._placed(command, outcome)

    async def _place_batch(self, commands: Sequence[Command]) -> None:
        """What cannot be asked for is refused at once, the rest goes together."""
        sent, bodies = [], []
        for command in commands:
            market = self._client.markets[command.instrument]
            try:
                self._check(market, command)
                bodies.append(await self._client.order_body(market, command))
                sent.append(command)
            except Exception as error:
                self._placed(command, error)
        outcomes: list[int | Exception]
        try:
            outcomes = await self._client.place_all(sent, bodies) if sent else []
        except Exception as error:
            outcomes = [error] * len(sent)
        for command, outcome in zip(sent, outcomes, strict=True):
            self._placed(command, outcome)

    def _check(self, market: Market, command: Command) -> None:
        """Raise Refused for an order that breaks the rules of its market."""
        reason = market.objection(command)
        if reason != Reason.NONE:
            raise Refused(reason)

    def _placed(self, command: Command, outcome: int | Exception) -> None:
        """Tell what became of a placement: the exchange's id, or an error."""
        if not isinstance(outcome, Exception):
            self._client.whole_quantities.know(command.order, command.quantity_lots)
            self._client.report(EventKind.ORDER_ACCEPTED, command, outcome)
            return
        refused = self._refusal(outcome, Endpoint.PLACE, command)
        if refused is not None:
            self._client.report(EventKind.ORDER_REJECTED, command, reason=refused)

    async def _send_cancel(self, market: Market, command: Command) -> None:
        try:
            await self._client.cancel(market, command)
        except Exception as error:
            self._not_cancelled(command, error)

    async def _cancel_batch(self, commands: Sequence[Command]) -> None:
        outcomes: list[Exception | None]
        try:
            outcomes = await self._client.cancel_all(commands)
        except Exception as error:
            outcomes = [error] * len(commands)
        for command, outcome in zip(commands, outcomes, strict=True):
            if outcome is not None:
                self._not_cancelled(command, outcome)

    def _not_cancelled(self, command: Command, error: Exception) -> None:
        refused = self._refusal(error, Endpoint.CANCEL, command)
        if refused is not None:
            self._client.report(EventKind.CANCEL_REJECTED, command, reason=refused)

    async def _send_amend(self, market: Market, command: Command) -> None:
        try:
            self._check(market, command)
            amended = await self._client.amend(market, command)
        except Exception as error:
            refused = self._refusal(error, Endpoint.AMEND, command)
            if refused is None:
                self._client.whole_quantities.forget(command.order)
            else:
                self._client.report(EventKind.CANCEL_REJECTED, command, reason=refused)
            return
        self._client.whole_quantities.know(command.order, amended.quantity_lots)
        self._client.inbox.order_report(
            EventKind.ORDER_AMENDED,
            self._client.account,
            market.number,
            command.order,
            quantity_lots=amended.quantity_lots,
            price_ticks=amended.price_ticks,
        )

    def _refusal(self, error: Exception, endpoint: Endpoint, command: Command) -> Reason | None:
        """Why the exchange refused; None, with REQUEST_FAILED put, where it did not say so."""
        said = self._client.meaning(error)
        if isinstance(said, Reason):
            return said
        self._client.failed(error, endpoint, command.order, command.instrument)
        return None
