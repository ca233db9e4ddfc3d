"""Tapes on which engine and twin once differed, the smallest that show it: each is folded by both.

A tape is a file of lines. The first says what it is about, each other one is an event: `kind` by name, and its
fields that are not 0.
"""

import json
from pathlib import Path

import pytest

from engine.kinds import EventKind
from tests.twin.events import event
from tests.twin.together import Together

TAPES = sorted((Path(__file__).parent / "regressions").glob("*.tape"))


def events_of(tape: Path) -> list[dict[str, int]]:
    heading, *lines = tape.read_text(encoding="utf-8").splitlines()
    assert heading.startswith("# ")
    fields = [json.loads(line) for line in lines]
    return [event(EventKind[item.pop("kind")], **item) for item in fields]


def test_there_are_tapes() -> None:
    assert TAPES


@pytest.mark.parametrize("tape", TAPES, ids=[tape.stem for tape in TAPES])
def test_engine_and_twin_agree_on_what_once_was_wrong(tape: Path) -> None:
    both = Together()
    for item in events_of(tape):
        both.tell(item)
        both.crash()
    both.replay()
