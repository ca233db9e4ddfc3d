"""Commands out: each order's requests one after the other, several orders in one request where there is one for them.

Every order has an outcome of its own: what the exchange says becomes a report, what nobody says REQUEST_FAILED.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from adapters.exchanges.answers import Refused
from adapters.exchanges.markets import Market
from adapters.exchanges.port import Command
from adapters.exchanges.transport import Endpoint
from engine.kinds import DecisionKind, EventKind
from engine.reasons import Reason

if TYPE_CHECKING:
    from adapters.exchanges.client import ExchangeClient

# Ends with a request.
Done = asyncio.Future[None]

_PLACES = frozenset((DecisionKind.PLACE_ORDER, DecisionKind.RELEASE_ORDER))


class Sending:
    """What a client sends."""

    def __init__(self, client: "ExchangeClient") -> None:
        self._client = client

    def send(self, command: Command) -> Coroutine[Any, Any, None]:
        """What sends a command; its place among the requests about its order is taken at once."""
        done, befores = self._begin([command])
        return self._send([command], done, befores)

    def send_all(self, commands: Sequence[Command]) -> Coroutine[Any, Any, None]:
        """The same of several commands about different orders, in as few requests as can be."""
        return self._send_parts([(part, *self._begin(part)) for part in self._parts(commands)])

    def _parts(self, commands: Sequence[Command]) -> list[Sequence[Command]]:
        """What goes in one request each; what has to wait for an earlier request alone, so that nobody waits for it."""
        batches: dict[tuple[bool, int], list[Command]] = {}
        for command in commands:
            batch = self._client.batch_of(command)
            alone = batch is None or command.order in self._client.on_their_way
            batches.setdefault((alone, command.order if alone or batch is None else batch), []).append(command)
        most = self._client.batch_most
        return [whole[start : start + most] for whole in batches.values() for start in range(0, len(whole), most)]

    async def _send_parts(self, parts: Sequence[tuple[Sequence[Command], Done, list[Done]]]) -> None:
        await asyncio.gather(*[self._send(commands, done, befores) for commands, done, befores in parts])

    async def _send(self, commands: Sequence[Command], done: Done, befores: list[Done]) -> None:
        try:
            for before in befores:
                await before
            if len(commands) > 1:
                await (self._place_batch if commands[0].kind in _PLACES else self._cancel_batch)(commands)
                return
            (command,) = commands
            market = self._client.markets[command.instrument]
            if command.kind in _PLACES:
                await self._send_place(market, command)
            elif command.kind == DecisionKind.CANCEL_ORDER:
                await self._send_cancel(market, command)
            else:
                await self._send_amend(market, command)
        finally:
            self._end(commands, done)

    def _begin(self, commands: Sequence[Command]) -> tuple[Done, list[Done]]:
        """Note that a request is on its way: when it has ended, and those before it that are about the same orders."""
        client = self._client
        done: Done = asyncio.get_running_loop().create_future()
        befores = []
        for command in commands:
            if command.order in client.on_their_way:
                befores.append(client.on_their_way[command.order])
            client.on_their_way[command.order] = done
            client.sent_while_asking.add(command.order)
            if command.kind in _PLACES:
                client.order_trades.began(command.order, client.clock_ns())
        return done, befores

    def _end(self, commands: Sequence[Command], done: Done) -> None:
        done.set_result(None)
        for command in commands:
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
