"""Following a log that grows, also one that another process writes."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from eventsourcing.persistence import (
    ApplicationRecorder,
    ListenNotifySubscription,
    Notification,
    ShutDown,
)

# How late news from another process may be; that of this process rings.
POLL_S = 0.05
# How many notifications are fetched at a time: a tape's block is read again for each time.
_AT_ONCE = 2_000

Listening = Callable[[threading.Event], AbstractContextManager[None]]


class Log(Protocol):
    """What is followed: notifications, and the position up to which all of them are there."""

    def log_end(self) -> int: ...

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]: ...


class PollingSubscription(ListenNotifySubscription[ApplicationRecorder]):
    """Yields notifications as they come. It looks at each part of the log once, whatever the topics leave of it."""

    def __init__(
        self,
        log: Log,
        gt: int | None = None,
        topics: Sequence[str] = (),
        listening: Listening = lambda _: nullcontext(),
    ) -> None:
        assert isinstance(log, ApplicationRecorder)
        self._log = log
        self._listening = listening
        super().__init__(recorder=log, gt=gt, topics=topics)

    def _loop_on_pull(self) -> None:
        try:
            with self._listening(self._has_been_notified):
                while not self._has_been_stopped:
                    self._has_been_notified.clear()
                    self._pull()
                    if not self._has_been_stopped:
                        self._has_been_notified.wait(POLL_S)
        except BaseException as error:
            self._thread_error = self._thread_error or error
            self.stop()

    def _pull(self) -> None:
        seen = self._last_notification_id or 0
        end = self._log.log_end()
        while seen < end and not self._has_been_stopped:
            found = self._log.select_notifications(seen, _AT_ONCE, end, self._topics, inclusive_of_start=False)
            if found:
                try:
                    self._notifications_queue.put(found)
                except ShutDown:
                    return
            seen = found[-1].id if len(found) == _AT_ONCE else end
            self._last_notification_id = seen
