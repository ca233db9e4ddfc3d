"""What changes in a daemon by the clock: the changes that its configuration announces, and the clocks of zones."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from adapters.configuration import Change, Configuration
from adapters.configuration.settings import after_change
from adapters.errors import UserError
from adapters.exchanges.inbox import Inbox
from adapters.journal import ConfigurationDocument, JournalReader
from replay.changes import change_document, offset_rule, told_rules, zone_changes, zone_offset_ns
from replay.desk import Desk

log = logging.getLogger("tapefold.live")

_DAY_NS = 86_400 * 10**9
# The change itself may have been left out of what the tape has of its time.
_UNSURE_NS = 60 * 10**9


class Announced:
    """`changes` are those that are still to come; `state` gives the engine's state, whose zones have their distance."""

    def __init__(
        self,
        changes: Sequence[Change],
        configuration: Configuration,
        desk: Desk,
        inbox: Inbox,
        state: Callable[[], Any],
    ) -> None:
        self._changes = list(changes)
        self._accounts = [instrument.account for instrument in configuration.instruments]
        self._desk = desk
        self._inbox = inbox
        self._state = state

    def tell_due(self, now_ns: int) -> None:
        """Put what is due by now, in its order."""
        while self._changes and self._changes[0].at_ns <= now_ns:
            self._tell(self._changes.pop(0))
        offsets = self._state().instruments["rules"]["zone_offset_ns"]
        for number, zone in enumerate(self._desk.in_force.zones):
            offset_ns = zone_offset_ns(zone, now_ns)
            if zone and offset_ns != int(offsets[number]):
                self._inbox.put_rules([offset_rule(number, self._accounts[number], offset_ns)])

    def next_due_ns(self, now_ns: int) -> int:
        """When there is something to be told next, at the latest in a day."""
        until_ns = self._changes[0].at_ns if self._changes else now_ns + _DAY_NS
        zones = {zone for zone in self._desk.in_force.zones if zone}
        clocks = [ts_ns for zone in zones for ts_ns, _ in zone_changes(zone, now_ns, min(until_ns, now_ns + _DAY_NS))]
        return min([until_ns, now_ns + _DAY_NS, *clocks])

    def _tell(self, announced: Change) -> None:
        """As it is to the rules in force now: some may have been set by hand since the file was written."""
        zones = self._desk.in_force.zones
        try:
            following, change = after_change(self._desk.in_force, announced.text)
        except UserError as error:
            log.warning("an announced change is left out: %s", error)
            return
        self._inbox.put_rules(told_rules(change, zones, self._accounts), change_document(announced))
        self._desk.in_force = following
        log.info("an announced change is in force: %s", " ".join(announced.text.split("\n")).strip())


def still_to_come(
    configuration: Configuration, reader: JournalReader | None = None, last_ts_ns: int = 0
) -> list[Change]:
    """The announced changes that the tape does not have; what was left out while a daemon ran stays so."""
    if reader is None:
        return list(configuration.changes)
    told = {document.text for _, document in reader.documents() if isinstance(document, ConfigurationDocument)}
    return [
        change for change in configuration.changes if change.text not in told and change.at_ns > last_ts_ns - _UNSURE_NS
    ]
