"""What is wrong with a configuration, in one line: the file, the line, the key and what was expected."""

import re
from pathlib import Path
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from adapters.configuration.fields import Section
from adapters.configuration.sections import File
from adapters.configuration.terms import Location
from adapters.configuration.values import nearest, shown

_PART = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_PARTS = rf"{_PART}(?:\s*\.\s*{_PART})*"
_TABLE = re.compile(rf"^\s*(\[\[?)\s*({_PARTS})\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(rf"^\s*({_PARTS})\s*=")

_EXPECTED = {
    "missing": "expected a value, found none",
    "string_type": "expected a text in quotes",
    "string_too_short": "expected a text that is not empty",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "too_short": "expected at least one entry",
    "model_type": "expected a table",
    "model_attributes_type": "expected a table",
    "dict_type": "expected a table",
    "mapping_type": "expected a table",
    "tuple_type": "expected an array of tables, written with [[...]]",
    "string_pattern_mismatch": "expected letters, digits, dots, dashes and underscores",
}


def first_problem(error: ValidationError) -> tuple[Location, str]:
    """The place and the plain words of the first error."""
    detail: ErrorDetails = error.errors(include_url=False)[0]
    location, kind, found = tuple(detail["loc"]), detail["type"], detail["input"]
    if kind == "value_error":
        return location, str(detail["ctx"]["error"])
    if kind == "extra_forbidden":
        return location, f"unknown key{nearest(str(location[-1]), _known_keys(location))}"
    if kind == "missing":
        return location, _EXPECTED[kind]
    if kind == "literal_error":
        return location, f"expected {detail['ctx']['expected']}, found {shown(found)}"
    if kind == "too_long":
        return location, f"expected at most {detail['ctx']['max_length']} entries, found more"
    expected = _EXPECTED.get(kind, detail["msg"][:1].lower() + detail["msg"][1:])
    return location, f"{expected}, found {shown(found)}"


def key_text(location: Location) -> str:
    """A location as `instruments[0].tick_size`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def where(path: Path, text: str, location: Location) -> str:
    """`file:line: key` of a location."""
    lines = _key_lines(text)
    line = next((lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in lines), None)
    return f"{path}:{line}: {key_text(location)}" if line else f"{path}: {key_text(location)}"


def _known_keys(location: Location) -> list[str]:
    """The keys of the table that holds the last part of a location."""
    model: type[Section] = File
    for part in location[:-1]:
        annotations = [field.annotation for name, field in model.model_fields.items() if (field.alias or name) == part]
        model = next((found for annotation in annotations if (found := _section_in(annotation))), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _section_in(annotation: Any) -> type[Section] | None:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for part in get_args(annotation) if (found := _section_in(part))), None)


def _key_lines(text: str) -> dict[Location, int]:
    """The line of every table and key of a TOML text, by its location; good enough for messages."""
    lines: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = ()
            names = _names(header[2])
            for depth, name in enumerate(names, start=1):
                table = (*table, name)
                if header[1] == "[[" and depth == len(names):
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table = (*table, counts[table])
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            location = table
            for name in _names(key[1]):
                location = (*location, name)
                lines.setdefault(location, number)
    return lines


def _names(path: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_PART, path)]
