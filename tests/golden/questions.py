"""A stranger's questions to the reference journals, with what is printed.

`python -m tests.golden.questions` writes the page. The answers are those of the real commands, asked in a folder where
the journals lie as they do for a reader who unpacked them with `python -m tests.golden.reference`.
"""

from adapters import compile_cache

compile_cache.prepare()

import os  # noqa: E402
import shlex  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from adapters.journal import JournalReader, read_journal  # noqa: E402
from engine.kinds import DecisionKind, EventKind, OrderStatus  # noqa: E402
from replay.audit.seek import Question, find  # noqa: E402
from replay.audit.state_at import state_at  # noqa: E402
from tests.golden.reference import FOLDER, names, unpack  # noqa: E402
from tests.support import ROOT  # noqa: E402

PAGE = ROOT / "docs" / "questions.md"
_PLACE = FOLDER.relative_to(ROOT)

_HEAD = """\
# A stranger's questions

Somebody who was not there asks the [reference journals](../journals/README.md) what happened. Each answer is what the
command prints; `python -m tests.golden.reference` unpacks the journals, so that all of it can be asked again. This page
is made by `python -m tests.golden.questions`; a test keeps it up to date.
"""

_LIVE = "live-with-faults"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, what there is to say about the answer, and the commands that give it."""

    question: str
    text: str
    commands: Sequence[str]


def asked(live: JournalReader) -> list[Asked]:
    """The questions; where the tape of the live session is asked, its own event numbers are in them."""
    trip = _first(live, Question(decision_kinds=frozenset({DecisionKind.BREAKER_TRIPPED})))
    return [
        Asked(
            "Why was this order this size?",
            "The size that the risk allows was 87.897; the position's weight bound it.",
            ["audit explain crash-2017 12"],
        ),
        Asked(
            "Which rule refused that one?",
            "A breaker that had tripped in the afternoon, after all before it had passed.",
            ["audit explain crash-2017 --at 3529"],
        ),
        Asked(
            "Who re-armed the breaker, and why?",
            "Two requests had failed within a minute.",
            [f"audit timeline {_LIVE} {_kinds('operator-command', 'breaker-tripped')} --from {trip}"],
        ),
        Asked(
            "What was the position at 07:31?",
            "In the crash, right after the breaker: what is left of a short is on its way out.",
            ["audit state crash-2017 --at 2017-12-22T07:31:00Z"],
        ),
        Asked(
            "Which orders were unknown during the disconnect?",
            "Where the requests failed, and how the orders stood then.",
            [
                f"audit timeline {_LIVE} {_kinds('request-failed', 'connection-lost', 'connection-restored')}",
                f"audit state {_LIVE} --at {_doubted(live)}",
            ],
        ),
        Asked(
            "What if the daily limit had been half?",
            "The tape is played again, as it was and with the other limit.",
            ["audit whatif crash-2017 --set breakers.bad-day.limit=1.5% --limit 5"],
        ),
        Asked(
            "Would this version have decided the same?",
            "A tape of version 0.1.0 whose closings were not yet reduce-only, and one that is decided as it was then.",
            ["audit bisect 0.1.0-closings", "audit bisect 0.1.0-crash"],
        ),
    ]


def page() -> str:
    """The page, from journals that are unpacked for it."""
    parts = [_HEAD]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for journal in names():
            unpack(journal, folder / _PLACE)
        with read_journal(folder / _PLACE / _LIVE) as live:
            questions = asked(live)
        for question in questions:
            answers = "\n".join(
                f"$ tapefold {_shown(command)}\n{_answer(command, folder)}" for command in question.commands
            )
            parts.append(f"## {question.question}\n\n{question.text}\n\n```\n{answers}```\n")
    return "\n".join(parts)


def _shown(command: str) -> str:
    """The command with the places of its journals."""
    return " ".join(str(_PLACE / word) if word in names() else word for word in command.split())


def _answer(command: str, folder: Path) -> str:
    """What the command prints, on a terminal of no particular width. Bisect says with 1 that two part."""
    own = os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "adapters.cli", *shlex.split(_shown(command))],
        cwd=folder,
        env=own,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())


def _kinds(*names: str) -> str:
    return " ".join(f"--kind {name}" for name in names)


def _first(reader: JournalReader, question: Question, holds: Callable[[int], bool] = bool) -> int:
    return next(found.seq for found in find(reader, question) if holds(found.seq))


def _doubted(reader: JournalReader) -> int:
    """The first failed request after which an order is unknown."""

    def is_unknown(seq: int) -> bool:
        folded = state_at(reader, seq)
        return bool(np.any(folded.engine.view(folded.state).orders["status"] == OrderStatus.UNKNOWN))

    return _first(reader, Question(kinds=frozenset({EventKind.REQUEST_FAILED})), is_unknown)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
