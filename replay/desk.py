"""The operators' desk: what they ask for goes onto the tape with their name and reason, what came of it goes back."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from adapters.configuration import Instrument, RulesInForce
from adapters.configuration.settings import after_text, change_text, set_by_hand
from adapters.configuration.values import nearest
from adapters.errors import UserError
from adapters.exchanges.inbox import Inbox
from adapters.journal import ConfigurationDocument, Document, JournalReader, TextDocument, document_hash
from adapters.operating.requests import STATUS, Answer, Refused, Request, refusal
from engine.kinds import EventKind, OperatorAction
from engine.reasons import Reason
from engine.records import COMMAND, CONFIGURATION
from replay.changes import told_rules
from replay.incidents import decision_text
from replay.names import Names

Bytes = NDArray[np.uint8]
Json = dict[str, Any]

ANSWER_TIMEOUT_S = 30.0
# What an answer tells of; the tape has them all.
_DECISIONS_TOLD_MAX = 100
# The closing of an instrument in no strategy's name is booked to the one that holds most.
_NOBODY = 65_535
_ACTIONS = {
    "kill": OperatorAction.KILL,
    "resume": OperatorAction.RESUME,
    "reduce_only": OperatorAction.REDUCE_ONLY,
    "cancel_all": OperatorAction.CANCEL_ALL,
    "flatten": OperatorAction.FLATTEN,
    "close": OperatorAction.CLOSE,
    "breaker_reset": OperatorAction.RESET_BREAKER,
    "breaker_disable": OperatorAction.DISABLE_BREAKER,
    "strategy_enable": OperatorAction.ENABLE_STRATEGY,
}


@dataclass(slots=True)
class _Asked:
    """What was put into the inbox for one request, `events` one after another, and what the engine made of it."""

    document_hash: int
    events: int
    answer: "asyncio.Future[Answer]"
    seqs: list[int] = field(default_factory=list)
    decisions: list[str] = field(default_factory=list)
    decided: int = 0
    refused: int = 0


class Desk:
    """Answers requests of the control socket; lives in the daemon's event loop.

    `status` says how everything stands. `in_force` moves on with each rule that is set.
    """

    def __init__(
        self,
        inbox: Inbox,
        names: Names,
        instruments: Sequence[Instrument],
        in_force: RulesInForce,
        status: Callable[[], Json],
        clock_ns: Callable[[], int],
    ) -> None:
        self.in_force = in_force
        self._inbox = inbox
        self._names = names
        self._accounts = [instrument.account for instrument in instruments]
        self._status = status
        self._clock_ns = clock_ns
        self._asked: deque[_Asked] = deque()
        self._is_closed = False

    async def handle(self, request: Request, user: str) -> Answer:
        """Do what `user` of the system asks, and answer when it is on the tape. Raises Refused."""
        if request.action == STATUS:
            return {"ok": True, "status": self._status()}
        if self._is_closed:
            raise Refused("stopping", "the daemon is stopping; expected one that runs")
        author = request.operator or user
        # A name that somebody gives is kept beside the user that the system knows.
        author = author if author == user else f"{author} ({user})"
        asked = self._set(request, author) if request.action == "set" else self._command(request, author)
        self._asked.append(asked)
        try:
            return await asyncio.wait_for(asyncio.shield(asked.answer), ANSWER_TIMEOUT_S)
        except TimeoutError:
            return refusal("no_answer", f"it is queued, but was not applied within {ANSWER_TIMEOUT_S:g} s; see status")

    def settle(self, first_seq: int, events: Bytes, decisions: Bytes, refused: Mapping[int, int]) -> None:
        """Answer what was asked in a batch that is now durable.

        `events` are 64 bytes each, the first with sequence number `first_seq`; `decisions` those made on them, with
        theirs; `refused` the `Reason` by sequence number of events that were not applied.
        """
        if not self._asked:
            return
        rows = events.view(CONFIGURATION)
        is_ours = (rows["kind"] == EventKind.OPERATOR_COMMAND) | (rows["kind"] == EventKind.CONFIGURATION_CHANGED)
        for index in np.flatnonzero(is_ours).tolist():
            asked = self._asked[0]
            if not asked.seqs and int(rows["document_hash"][index]) != asked.document_hash:
                continue
            self._note(asked, first_seq + index, decisions.view(COMMAND), refused)
            if len(asked.seqs) == asked.events:
                self._asked.popleft()
                _settle(asked, _outcome(asked))
                if not self._asked:
                    return

    def close(self) -> None:
        """Tell everybody who still waits that the daemon stops; nothing is taken any more."""
        self._is_closed = True
        for asked in self._asked:
            _settle(asked, refusal("stopping", "the daemon stopped before it was done, or as it was; the tape says"))
        self._asked.clear()

    def _command(self, request: Request, author: str) -> _Asked:
        instrument = target = source = 0
        if request.action == "close":
            symbols = {number: name.symbol for number, name in self._names.instruments.items()}
            instrument, source = _number(symbols, request.target, "symbol"), _NOBODY
        elif request.action.startswith("breaker"):
            target = _number(self._names.breakers, request.target, "breaker")
        elif request.action.startswith("strategy"):
            target = _number(self._names.strategies, request.target, "strategy")
        document = TextDocument(text=request.reason, author=author)
        self._inbox.put_stated(
            EventKind.OPERATOR_COMMAND,
            document,
            byte=_ACTIONS[request.action],
            source=source,
            instrument=instrument,
            words=(operator_hash(author), target, 0, 0, 0),
        )
        return _asked(document, 1)

    def _set(self, request: Request, author: str) -> _Asked:
        zones = self.in_force.zones
        try:
            following, change = set_by_hand(self.in_force, request.target, request.value, self._clock_ns())
        except UserError as error:
            raise Refused("setting_refused", str(error)) from None
        rules = told_rules(change, zones, self._accounts)
        document = ConfigurationDocument(text=change_text(change, author, request.reason), format="toml")
        self._inbox.put_rules(rules, document)
        self.in_force = following
        return _asked(document, len(rules))

    def _note(self, asked: _Asked, seq: int, decisions: Any, refused: Mapping[int, int]) -> None:
        asked.seqs.append(seq)
        asked.refused = asked.refused or refused.get(seq, 0)
        rows = decisions[decisions["seq"] == seq]
        asked.decided += len(rows)
        room = _DECISIONS_TOLD_MAX - len(asked.decisions)
        asked.decisions += [decision_text(row, self._names) for row in rows[:room]]


def operator_hash(author: str) -> int:
    """What stands for an operator's name in a record; never 0, which is nobody."""
    return int.from_bytes(blake3(author.encode()).digest()[:8], "little", signed=True) or 1


def in_force_on_tape(reader: JournalReader, in_force: RulesInForce) -> RulesInForce:
    """What is in force after all that was set by hand on a tape that began with `in_force`. Raises UserError."""
    is_first = True
    for seq, document in reader.documents():
        if not isinstance(document, ConfigurationDocument):
            continue
        if not is_first:
            try:
                in_force = after_text(in_force, document.text)
            except UserError as error:
                raise UserError(f"{reader.store.name}: event {seq}: {error}") from None
        is_first = False
    return in_force


def _asked(document: Document, events: int) -> _Asked:
    return _Asked(document_hash(document), events, asyncio.get_running_loop().create_future())


def _settle(asked: _Asked, answer: Answer) -> None:
    if not asked.answer.done():
        asked.answer.set_result(answer)


def _outcome(asked: _Asked) -> Answer:
    told: Answer = {"seq": asked.seqs[0], "decisions": asked.decisions, "decided": asked.decided}
    if asked.refused:
        name = Reason(asked.refused).name.lower()
        return refusal(name, f"the engine refused it: {name.replace('_', ' ')}") | told
    return {"ok": True} | told


def _number(names: Mapping[int, str], name: str, what: str) -> int:
    """The number of a thing by its name. Raises Refused."""
    for number, known in names.items():
        if known == name:
            return number
    if not names:
        raise Refused(f"{what}_unknown", f"there is no {what} {name!r}: the configuration has none")
    raise Refused(f"{what}_unknown", f"there is no {what} {name!r}{nearest(name, names.values())}")
