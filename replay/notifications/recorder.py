"""The notification log of a tape: read-only, whole or by topic, and followed while a daemon writes it."""

import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    NotSupportedError,
    StoredEvent,
    Subscription,
)
from eventsourcing.utils import get_topic

from adapters.eventsourcing.subscriptions import PollingSubscription
from adapters.journal import JournalReader
from replay.notifications.events import TapeEvent
from replay.notifications.identity import last_id_of, seq_of
from replay.notifications.translating import Translator

# How many events are looked through first for the last notification; then twice as many, and so on.
_STEP_EVENTS = 1 << 12


class TapeRecorder(ApplicationRecorder):
    """Notifications in the order of the tape. An id is a function of where on the tape it is, and has gaps.

    Every method may raise `JournalDamaged`.
    """

    def __init__(self, reader: JournalReader) -> None:
        self.journal_id = reader.manifest.journal_id
        self._reader = reader
        self._translator = Translator(reader)
        self._lock = threading.Lock()  # a reader is for one thread, and a subscription has its own

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        raise NotSupportedError(f"{self._reader.store.name}: a tape is written by its engine alone")

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first_id = 0 if start is None else start if inclusive_of_start else start + 1
        with self._lock:
            return list(islice(self._notifications(first_id, stop, topics), limit))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The events of one order, instrument or breaker. It reads the tape through: versions are notification ids."""
        with self._lock:
            found: list[StoredEvent] = [
                StoredEvent(one.originator_id, one.originator_version, one.topic, one.state)
                for one in self._notifications(0 if gt is None else gt + 1, lte, ())
                if one.originator_id == originator_id
            ]
        return (found[::-1] if desc else found)[:limit]

    def max_notification_id(self) -> int | None:
        return self.last_notification_id()

    def last_notification_id(self, topics: Sequence[str] = ()) -> int | None:
        """The id of the last notification of these topics (of any, where none is named); None where there is none."""
        with self._lock:
            last_seq, step = self._reader.last_seq, _STEP_EVENTS
            while last_seq > 0:
                first_seq, step = max(1, last_seq - step + 1), 2 * step
                ids = [one.id for one in self._notifications(last_id_of(first_seq - 1), last_id_of(last_seq), topics)]
                if ids:
                    return ids[-1]
                last_seq = first_seq - 1
        return None

    def log_end(self) -> int:
        """The id up to which all notifications are there."""
        with self._lock:
            return last_id_of(self._reader.last_seq)

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        return PollingSubscription(self, gt, topics)

    def close(self) -> None:
        with self._lock:
            self._reader.close()

    def _notifications(self, first_id: int, last_id: int | None, topics: Sequence[str]) -> Iterator[Notification]:
        last_seq = self._reader.last_seq
        if last_id is not None:
            last_seq = min(last_seq, seq_of(last_id))
        first_seq = max(1, seq_of(first_id))
        if first_seq > last_seq:
            return
        self._translator.learn()
        for block in self._reader.blocks(first_seq, last_seq):
            for number, event in self._translator.events_of(block, first_id, topics):
                if last_id is not None and number > last_id:
                    return
                yield _notification(number, event)


def _notification(number: int, event: TapeEvent) -> Notification:
    fields = dict(vars(event))
    originator_id, version = fields.pop("originator_id"), fields.pop("originator_version")
    return Notification(originator_id, version, get_topic(type(event)), msgspec.json.encode(fields), number)
