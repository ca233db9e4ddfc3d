"""One rule set by hand while it runs: `KEY=VALUE` as a change, with who did it and why."""

import json
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from adapters.configuration.changes import Change, RulesInForce
from adapters.configuration.messages import first_problem, key_text
from adapters.configuration.rule_sections import ChangeSection
from adapters.configuration.terms import Location, Problem
from adapters.errors import UserError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def set_by_hand(in_force: RulesInForce, key: str, text: str, at_ns: int) -> tuple[RulesInForce, Change]:
    """What is in force once the rule at the path `key` is what `text` says, and what that tells. Raises UserError."""
    return set_together(in_force, {key: text}, at_ns)


def set_together(in_force: RulesInForce, texts: Mapping[str, str], at_ns: int) -> tuple[RulesInForce, Change]:
    """The same for several rules at once, by their paths."""
    moment = _EPOCH + timedelta(microseconds=at_ns // 1_000)
    values = {key: value_of(text) for key, text in texts.items()}
    section = ChangeSection.model_validate({"at": moment, "set": values})
    try:
        return in_force.after(section)
    except Problem as problem:
        raise UserError(f"{_told_of(', '.join(texts), problem.location)}: {problem}") from None


def _told_of(key: str, location: Location) -> str:
    """The path that a problem is about; a problem of the whole change is one of its only key."""
    return key_text(location[1:]) or key


def value_of(text: str) -> Any:
    """A value as in the file; what is none there, such as 1% or reduce_only, is text that needs no quotes."""
    try:
        keys = tomllib.loads(f"value = {text}", parse_float=Decimal)
    except tomllib.TOMLDecodeError:
        return text
    value = keys["value"]
    return value if len(keys) == 1 and isinstance(value, bool | int | Decimal | str | list) else text


def change_text(change: Change, author: str, reason: str) -> str:
    """A change as TOML, with who did it and why."""
    by, why = (json.dumps(part, ensure_ascii=False) for part in (author, reason))
    return f"{change.text}by = {by}\nreason = {why}\n"


def after_text(in_force: RulesInForce, text: str) -> RulesInForce:
    """What is in force after a change that the tape has. Raises UserError where it does not fit any more."""
    try:
        return after_change(in_force, text)[0]
    except UserError as error:
        raise UserError(f"a change that the tape recorded does not fit the configuration: {error}") from None


def after_change(in_force: RulesInForce, text: str) -> tuple[RulesInForce, Change]:
    """What is in force after a change as TOML, and what it tells then. Raises UserError where it does not fit."""
    try:
        keys = tomllib.loads(text, parse_float=Decimal)
        section = ChangeSection.model_validate({name: keys[name] for name in ("at", "set", "unset") if name in keys})
        return in_force.after(section)
    except ValidationError as error:
        location, message = first_problem(error)
    except tomllib.TOMLDecodeError as error:
        location, message = (), str(error)
    except Problem as problem:
        location, message = problem.location, str(problem)
    raise UserError(f"{key_text(location)}: {message}")
