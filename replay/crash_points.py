"""Places in the daemon's work at which a test kills it, to see that nothing is lost or doubled there.

`TAPEFOLD_CRASH_AT=after_commit:3` ends the process as `kill -9` does when the third commit is done. Nothing is set
but in tests.
"""

import os
import signal
from collections.abc import Callable

POINTS = (
    "before_append",  # a batch is folded, and nothing of it is on the tape
    "after_commit",  # it is, and nothing of what it decided has left
    "before_send",  # a command is about to leave
    "after_send",  # it has left and been answered, and nothing of the answer is on the tape
    "before_cancel",  # what a leg's fill makes needless is about to be cancelled
    "after_accepted",  # that an order is there is on the tape
    "after_part_fill",  # a part of an order's fill is on the tape, and what it decided has not left
    "after_fill",  # the whole of it is
    "before_snapshot",
    "after_snapshot",
    "after_replay",  # a restart has been through the tape and asked nobody
    "after_questions",  # the exchanges' answers are there, and not on the tape
    "after_evidence",  # they are folded, and not on the tape
)
VARIABLE = "TAPEFOLD_CRASH_AT"


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class CrashPoints:
    """Counts how often the chosen point was reached, and ends the process there."""

    def __init__(self, chosen: str = "", end: Callable[[], None] = _die) -> None:
        point, _, at = chosen.partition(":")
        assert not chosen or (point in POINTS and at.isdecimal()), f"{chosen!r}: expected POINT:COUNT"
        self._point, self._at, self._end = point, int(at or 0), end
        self.any_chosen = bool(chosen)
        self._reached = 0

    def reach(self, point: str) -> None:
        if point == self._point:
            self._reached += 1
            if self._reached == self._at:
                self._end()


def from_environment() -> CrashPoints:
    return CrashPoints(os.environ.get(VARIABLE, ""))
