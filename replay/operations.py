"""What operates a daemon, put together: the desk behind the control socket, metrics and health.

The daemon opens it before it connects, tells it of every block that is durable, and closes it at the end.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration, RulesInForce
from adapters.exchanges.inbox import Inbox
from adapters.operating.endpoints import LOCAL, Endpoints
from adapters.operating.health import Health
from adapters.operating.metrics import Metrics
from adapters.operating.socket import ControlSocket
from engine.kinds import EventKind
from engine.records import CONNECTION
from replay.desk import Desk
from replay.names import configured_names
from replay.status import readings_of, status_of

Bytes = NDArray[np.uint8]


class Operations:
    """Of the daemon that writes the journal in `folder`; `state` gives its state as a record.

    `in_force` are the rules that hold where the tape ends (`replay.desk.in_force_on_tape`).
    """

    def __init__(
        self,
        folder: Path,
        configuration: Configuration,
        in_force: RulesInForce,
        inbox: Inbox,
        state: Callable[[], Any],
    ) -> None:
        names = configured_names(configuration)
        accounts = {number: account.name for number, account in names.accounts.items()}
        self.health = Health(started_ns=inbox.now_ns(), connected=dict.fromkeys(accounts.values(), False))
        self.metrics = Metrics(lambda: readings_of(state(), names, self._looked_at()), accounts, names.breakers)
        self.desk = Desk(inbox, names, configuration.instruments, in_force, self._status, inbox.now_ns)
        self._inbox = inbox
        self._state = state
        self._names = names
        self._accounts = accounts
        # The streams that are lost, by the name of their account.
        self._lost: dict[str, set[int]] = {name: set() for name in accounts.values()}
        self._control = ControlSocket(folder, self.desk.handle)
        self._endpoints = Endpoints(self.metrics.registry, lambda: self._looked_at().not_ready())

    async def open(self, metrics_port: int | None, metrics_host: str = LOCAL) -> int | None:
        """Listen to operators, and to machines where there is a port (0: of the system's choice); returns that.

        Raises UserError.
        """
        await self._control.open()
        return None if metrics_port is None else await self._endpoints.open(metrics_host, metrics_port)

    def ready(self) -> None:
        """The exchanges are connected, and what they answered is on the tape."""
        self.health.is_reconciled = True
        for name, lost in self._lost.items():
            self.health.connected[name] = not lost

    def stopped(self, why: str) -> None:
        """The daemon does not trade any more; `why` is in words and holds no secret."""
        self.health.stopped = why

    def written(
        self, first_seq: int, events: Bytes, decisions: Bytes, refused: Mapping[int, int], append_s: float
    ) -> None:
        """A block is durable: its events, the decisions on them, the reasons of events that were not applied."""
        self.metrics.observe_batch(events, decisions, append_s)
        self._note_connections(events)
        self.desk.settle(first_seq, events, decisions, refused)

    async def close(self) -> None:
        """Answer whoever waits, and stop listening."""
        self.desk.close()
        await self._control.close()
        await self._endpoints.close()

    def _note_connections(self, events: Bytes) -> None:
        rows = events.view(CONNECTION)
        kinds = rows["kind"]
        for index in np.flatnonzero(
            (kinds == EventKind.CONNECTION_LOST) | (kinds == EventKind.CONNECTION_RESTORED)
        ).tolist():
            name = self._accounts[int(rows["account"][index])]
            stream = int(rows["stream"][index])
            if kinds[index] == EventKind.CONNECTION_LOST:
                self._lost[name].add(stream)
            else:
                self._lost[name].discard(stream)
            self.health.connected[name] = self.health.is_reconciled and not self._lost[name]

    def _looked_at(self) -> Health:
        """The health, with what changes at every moment brought up to date."""
        self.health.queue_depth = len(self._inbox)
        self.health.clock_steps_back = self._inbox.clock_steps_back
        return self.health

    def _status(self) -> dict[str, Any]:
        last_event_ns = self.metrics.last_event_ns()
        return status_of(self._state(), self._names, self._looked_at(), last_event_ns, self._inbox.now_ns())
