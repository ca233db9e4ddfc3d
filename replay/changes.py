"""Rules on the tape: those it starts with, and those that change while it runs, at their times between the market.

Trading windows are in the time of a zone, the engine knows the zone's distance from UTC: each change of it (summer
time) is an event on the tape like any other change of a rule.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Change, Configuration, Rule
from adapters.errors import UserError
from adapters.journal import BreakerDocument, ConfigurationDocument, Document, document_hash
from engine.kinds import EventKind
from engine.records import CONFIGURATION, EVENT, EVENT_BYTES
from engine.rules import BREAKER, INSTRUMENT

Bytes = NDArray[np.uint8]

_NS_PER_SECOND = 1_000_000_000
_DAY_S = 86_400
_ZONE_OFFSET = INSTRUMENT.number("zone_offset_ns")
_BREAKER_FIRST = BREAKER.base


def fields_of(rule: Rule) -> dict[str, int]:
    """The fields of the configuration event that tells a rule."""
    return {
        "setting": rule.setting,
        "value": rule.value,
        "account": rule.account,
        "instrument": rule.instrument,
        "source": rule.strategy,
        "row": rule.row,
    }


def opening_rules(configuration: Configuration, ts_ns: int) -> Iterator[tuple[Rule, Document | None]]:
    """The rules that hold from the start, in their order, with the documents that name breakers."""
    for rule in configuration.rules.settings:
        is_breaker = rule.setting == _BREAKER_FIRST
        yield rule, BreakerDocument(number=rule.row, name=configuration.breakers[rule.row]) if is_breaker else None
    for instrument, zone in zip(configuration.instruments, configuration.rules.zones, strict=True):
        if offset_ns := zone_offset_ns(zone, ts_ns):
            yield Rule(_ZONE_OFFSET, offset_ns, account=instrument.account, instrument=instrument.number), None


def zone_offset_ns(zone: str, ts_ns: int) -> int:
    """How far the clocks of a zone are ahead of UTC at a time; 0 for no zone."""
    return _offset_s(ZoneInfo(zone), ts_ns // _NS_PER_SECOND) * _NS_PER_SECOND if zone else 0


def zone_changes(zone: str, after_ns: int, until_ns: int) -> Iterator[tuple[int, int]]:
    """When the clocks of a zone are set anew, in (after_ns, until_ns], and how far ahead of UTC they then are."""
    info = ZoneInfo(zone)
    time_s, until_s = after_ns // _NS_PER_SECOND, until_ns // _NS_PER_SECOND
    offset_s = _offset_s(info, time_s)
    while time_s < until_s:
        low_s, time_s = time_s, min(time_s + _DAY_S, until_s)
        if (later_s := _offset_s(info, time_s)) == offset_s:
            continue
        high_s = time_s
        while high_s - low_s > 1:
            middle_s = (low_s + high_s) // 2
            if _offset_s(info, middle_s) == offset_s:
                low_s = middle_s
            else:
                high_s = middle_s
        offset_s = later_s
        yield high_s * _NS_PER_SECOND, offset_s * _NS_PER_SECOND


def _offset_s(info: ZoneInfo, time_s: int) -> int:
    offset = datetime.fromtimestamp(time_s, info).utcoffset()
    assert offset is not None
    return offset.days * _DAY_S + offset.seconds


def change_document(change: Change) -> Document:
    """What the first event of a change carries."""
    return ConfigurationDocument(text=change.text, format="toml")


def told_rules(change: Change, zones: Sequence[str], accounts: Sequence[int]) -> list[Rule]:
    """What a change tells where windows were in `zones`; both of these are by instrument."""
    moved = [
        offset_rule(number, accounts[number], zone_offset_ns(zone, change.at_ns))
        for number, zone in enumerate(change.zones)
        if zone != zones[number]
    ]
    return [*change.settings, *moved]


def offset_rule(instrument: int, account: int, offset_ns: int) -> Rule:
    """The distance of an instrument's zone from UTC."""
    return Rule(_ZONE_OFFSET, offset_ns, account=account, instrument=instrument)


def check_changes(configuration: Configuration, starts_ns: int) -> None:
    """Raise UserError where a change lies before the first market record."""
    for number, change in enumerate(configuration.changes):
        if change.at_ns < starts_ns:
            moment = datetime.fromtimestamp(starts_ns // _NS_PER_SECOND, ZoneInfo("UTC"))
            raise UserError(
                f"{configuration.where('changes', number, 'at')}: expected a time at or after the first market record, "
                f"of {moment:%Y-%m-%dT%H:%M:%SZ}"
            )


def with_changes(configuration: Configuration, market: Iterator[Bytes], starts_ns: int) -> Iterator[Bytes]:
    """Chunks of market records with the changes of rules between them, each before the records of its time.

    The market must be in order of time and start at `starts_ns`, and no change may lie before that. Changes after the
    last record do not happen.
    """
    if not configuration.changes and not any(configuration.rules.zones):
        return market
    return _interleaved(_Schedule(configuration, starts_ns), market)


def _interleaved(schedule: "_Schedule", market: Iterator[Bytes]) -> Iterator[Bytes]:
    for chunk in market:
        times = chunk.view(EVENT)["ts_ns"]
        first = 0
        for ts_ns, events in schedule.until(int(times[-1])):
            place = int(np.searchsorted(times, ts_ns, side="left"))
            if place > first:
                yield chunk[first * EVENT_BYTES : place * EVENT_BYTES]
            first = place
            yield events
        yield chunk[first * EVENT_BYTES :]


class _Schedule:
    """What changes next: the configuration's own changes, and the clocks of the zones in force."""

    def __init__(self, configuration: Configuration, starts_ns: int) -> None:
        self._accounts = [instrument.account for instrument in configuration.instruments]
        self._changes = list(configuration.changes)
        self._zones = configuration.rules.zones
        self._told_ns = starts_ns

    def until(self, end_ns: int) -> Iterator[tuple[int, Bytes]]:
        """The changes from where it stands to `end_ns`, that included: their times and events."""
        while self._changes and self._changes[0].at_ns <= end_ns:
            change = self._changes.pop(0)
            yield from self._clocks_until(change.at_ns)
            yield change.at_ns, self._events(change)
            self._zones = change.zones
        yield from self._clocks_until(end_ns)

    def _clocks_until(self, end_ns: int) -> Iterator[tuple[int, Bytes]]:
        moments = sorted(
            (ts_ns, zone, offset_ns)
            for zone in dict.fromkeys(self._zones)
            if zone
            for ts_ns, offset_ns in zone_changes(zone, self._told_ns, end_ns)
        )
        self._told_ns = max(self._told_ns, end_ns)
        for ts_ns, zone, offset_ns in moments:
            told = [
                offset_rule(number, self._accounts[number], offset_ns)
                for number, other in enumerate(self._zones)
                if other == zone
            ]
            yield ts_ns, _events(told, ts_ns)

    def _events(self, change: Change) -> Bytes:
        events = _events(told_rules(change, self._zones, self._accounts), change.at_ns)
        events.view(CONFIGURATION)["document_hash"][0] = document_hash(change_document(change))
        return events


def _events(rules: Sequence[Rule], ts_ns: int) -> Bytes:
    rows = np.zeros(len(rules), dtype=CONFIGURATION)
    rows["ts_ns"] = ts_ns
    rows["kind"] = EventKind.CONFIGURATION_CHANGED
    for row, rule in zip(rows, rules, strict=True):
        for name, value in fields_of(rule).items():
            row[name] = value
    return rows.view(np.uint8)
