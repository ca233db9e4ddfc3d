"""Tapes of many seeds: `python -m tests.twin.seeds KIND FROM TO [--events N] [--shrink FOLDER]`.

Prints each seed on which engine and twin differ. `--shrink` makes the smallest tape that shows the same difference, for
tests/golden/regressions. Kinds: engine, brackets, breakers, books, bare.
"""

from adapters import compile_cache

compile_cache.prepare()

import json  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from collections.abc import Iterable  # noqa: E402
from pathlib import Path  # noqa: E402

from engine.kinds import EventKind  # noqa: E402
from tests.twin.together import KINDS, Event, Together, follow_seed  # noqa: E402

EVENTS = 60


def run(kind: str, seeds: Iterable[int], events: int = EVENTS) -> None:
    """Fold the tapes of these seeds; a difference says which one shows it."""
    for seed in seeds:
        try:
            follow_seed(kind, seed, events)
        except Exception as error:
            raise AssertionError(f"python -m tests.twin.seeds {kind} {seed} {seed + 1} --events {events}") from error


def told_before(kind: str, seed: int, events: int) -> tuple[list[Event], str]:
    """The events of a seed's tape up to where it fails, and what is in the way there; none where it does not."""
    told: list[Event] = []
    tell = Together.tell
    flavour = KINDS[kind][seed % len(KINDS[kind])]

    def noting(both: Together, event: Event) -> None:
        told.append(dict(event))
        tell(both, event)

    Together.tell = noting  # type: ignore[method-assign]
    try:
        follow_seed(kind, seed, events)
    except Exception as error:
        return [*flavour.prologue(), *told[-_count(told, flavour.prologue()) :]], _place_of(error)
    finally:
        Together.tell = tell  # type: ignore[method-assign]
    return [], ""


def _count(told: list[Event], prologue: list[Event]) -> int:
    """How many were told after the beginning, which is told once for many tapes."""
    begins = told[: len(prologue)] == prologue
    return len(told) - len(prologue) if begins else len(told)


def _place_of(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {last.name}: {str(error).splitlines()[0][:40] if str(error) else ''}"


def fails_at(events: list[Event], place: str) -> int:
    """How many of these events it takes to fail in the same way; 0 where they do not."""
    both = Together()
    for count, event in enumerate(events, start=1):
        try:
            both.tell(dict(event))
        except Exception as error:
            return count if _place_of(error) == place else 0
    return 0


def shrink(events: list[Event], place: str) -> list[Event]:
    """Leave out events, in pieces that grow smaller, and then fields, as long as it fails in the same way."""
    size = max(len(events) // 2, 1)
    while size:
        first, before = 0, len(events)
        while first < len(events):
            fewer = events[:first] + events[first + size :]
            count = fails_at(fewer, place)
            if count:
                events = fewer[:count]
            else:
                first += size
        if size > 1 or len(events) == before:
            size //= 2
    for number, event in enumerate(events):
        for name in [name for name, value in event.items() if value and name != "kind"]:
            plainer = [*events[:number], events[number] | {name: 0}, *events[number + 1 :]]
            if fails_at(plainer, place) == len(events):
                events = plainer
    return events


def write_tape(file: Path, heading: str, events: list[Event]) -> None:
    """A tape as tests/golden/regressions has them: a heading, then an event a line."""
    lines = [
        json.dumps(
            {"kind": EventKind(event["kind"]).name}
            | {name: int(v) for name, v in event.items() if v and name != "kind"}
        )
        for event in events
    ]
    file.write_text("\n".join([f"# {heading}", *lines]) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    kind, first, last = arguments[0], int(arguments[1]), int(arguments[2])
    options = dict(zip(arguments[3::2], arguments[4::2], strict=True))
    events, failed = int(options.get("--events", EVENTS)), 0
    for seed in range(first, last):
        try:
            follow_seed(kind, seed, events)
        except Exception as error:
            failed += 1
            print(f"{kind} {seed}: {_place_of(error)}", flush=True)
            if "--shrink" in options:
                told, place = told_before(kind, seed, events)
                file = Path(options["--shrink"]) / f"{kind}-{seed}.tape"
                write_tape(file, place, shrink(told, place))
                print(f"  {file}", flush=True)
    print(f"{kind}: {last - first} tapes, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
