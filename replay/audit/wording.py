"""One event or one decision in words: what happened, to what, at which exact amounts."""

from typing import Any

import numpy as np

from adapters.journal import Document
from engine.kinds import DecisionKind, EventKind
from engine.records import DECISIONS, OVERLAYS
from replay.audit.decision_words import DECISION_WORDS
from replay.audit.event_words import EVENT_WORDS
from replay.audit.rule_words import rule_name
from replay.audit.words import said_text
from replay.names import Names

__all__ = ["decision_text", "event_text", "kind_word", "rule_name"]


def event_text(event: Any, names: Names, document: Document | None = None) -> str:
    """An event (a row of EVENT) in words, with what its document says."""
    kind = int(event["kind"])
    if kind not in EVENT_WORDS:
        return f"event of the unknown kind {kind}"
    row = np.frombuffer(event.tobytes(), OVERLAYS[EventKind(kind)])[0]
    return EVENT_WORDS[EventKind(kind)](row, names) + said_text(document)


def decision_text(decision: Any, names: Names) -> str:
    """A decision (a row of COMMAND) in words."""
    kind = int(decision["kind"])
    if kind not in DECISION_WORDS:
        return f"decision of the unknown kind {kind}"
    row = np.frombuffer(decision.tobytes(), DECISIONS[DecisionKind(kind)])[0]
    return DECISION_WORDS[DecisionKind(kind)](row, names)


def kind_word(kind: EventKind | DecisionKind) -> str:
    """What a kind is called, such as `order-filled`."""
    return kind.name.lower().replace("_", "-")
