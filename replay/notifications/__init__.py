"""A tape as a notification log of the `eventsourcing` library: its orders, fills and breakers, to read and to follow.

`PERSISTENCE_MODULE=replay.notifications` and `TAPEFOLD_JOURNAL=FOLDER` open it for any application or projection.
"""

from replay.notifications.application import Tape, TapeFactory
from replay.notifications.recorder import TapeRecorder

Factory = TapeFactory

__all__ = ["Factory", "Tape", "TapeFactory", "TapeRecorder"]
