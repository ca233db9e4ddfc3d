"""What happened, a line each: number, time, words."""

import sys
from collections.abc import Mapping
from typing import Any, TextIO

_SEQ_WIDTH = 11
_TIME_WIDTH = 30


def where_to_print() -> TextIO | None:
    """Where lines go while a bar is shown: above it on a terminal, and never into the bar's own stream."""
    return None if sys.stdout.isatty() else sys.stdout


def print_event(entry: Mapping[str, Any], to: TextIO | None = None) -> None:
    """An event, with the decisions on it below it."""
    print_line(entry["seq"], entry["time"], entry["text"], to)
    for decision in entry["decisions"]:
        print(f"{'':{_SEQ_WIDTH}}  {'':{_TIME_WIDTH}}  → {decision['text']}", file=to)


def print_line(seq: int, time: str, text: str, to: TextIO | None = None) -> None:
    print(f"{seq:>{_SEQ_WIDTH}}  {time:<{_TIME_WIDTH}}  {text}", file=to)
