"""What an exchange answers to several orders at once, taken apart: each order has an outcome of its own."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from adapters.exchanges.port import Command
from adapters.exchanges.transport import Unreadable

Outcome = TypeVar("Outcome")


def each_of(
    commands: Sequence[Command], answers: Any, outcome_of: Callable[[Command, Any], Outcome]
) -> list[Outcome | Exception]:
    """The outcome of each command by its answer, or the error that it raises. Raises Unreadable."""
    if not isinstance(answers, list) or len(answers) != len(commands):
        raise Unreadable("a batch was answered with another number of answers")
    return [_tried(outcome_of, command, said) for command, said in zip(commands, answers, strict=True)]


def _tried(outcome_of: Callable[[Command, Any], Outcome], command: Command, said: Any) -> Outcome | Exception:
    try:
        return outcome_of(command, said)
    except Exception as error:
        return error


def check_id(asked: object, said: object) -> None:
    """Raise Unreadable for an answer that is about another order than the one that was asked about."""
    if asked != said:
        raise Unreadable("the answer is about another order")
