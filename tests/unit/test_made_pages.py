"""The pages that are made from the source say what the source says."""

import importlib.util
from types import ModuleType

import numpy as np
import pytest

from adapters.journal import MemoryJournal
from engine.kinds import DecisionKind, EventKind
from engine.reasons import RETIRED, Reason
from engine.records import EVENT
from engine.rules import TABLES
from replay.audit.tables.catalogue import TABLES as TABLES_OF_SQL
from replay.audit.tables.database import asked
from replay.audit.tables.plain import plain_rows
from tests.conformance.journal_places import manifest
from tests.support import ROOT


def _maker(name: str) -> ModuleType:
    """docs is a folder of pages and not a package: its scripts are loaded by their paths."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["make_audit_sql", "make_metrics", "make_reasons", "make_records"])
def test_page_is_up_to_date(name: str) -> None:
    made = _maker(name)
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), f"run: python -m docs.{name}"


def test_every_reason_has_its_line() -> None:
    page = _maker("make_reasons").page()
    for reason in Reason:
        assert page.count(f"| {int(reason)} | `{reason.name}` |") == 1, reason.name


def test_retired_codes_stay_retired() -> None:
    assert RETIRED == {205: "SIGNAL_EXPIRED", 210: "SHORT_NOT_ALLOWED"}
    assert not {int(reason) for reason in Reason} & RETIRED.keys()
    assert not {reason.name for reason in Reason} & set(RETIRED.values())


def test_every_kind_and_every_rule_has_its_place() -> None:
    page = _maker("make_records").page()
    for kind in (*EventKind, *DecisionKind):
        assert page.count(f"| {int(kind)} | `{kind.name}` |") == 1, kind.name
    for table in TABLES:
        for rule in table.bounds:
            assert f" {table.number(rule)} `{rule}`" in page, rule


def test_every_column_of_sql_has_the_type_on_its_page() -> None:
    made = _maker("make_audit_sql")
    journal = MemoryJournal()
    with journal.create(manifest()) as writer:
        event = np.zeros(64, np.uint8)
        event.view(EVENT)["kind"] = EventKind.QUOTE
        writer.append(event, event[:0], bytes(32))
    page = made.page()
    with journal.read() as reader:
        for table in TABLES_OF_SQL:
            section = page.split(f"\n## {table.name}\n")[1].split("\n## ")[0]
            with asked(reader, f"describe {table.name}", 1, 1) as answer:
                found = [row[:2] for batch in answer for row in plain_rows(batch)]
            assert len(found) == len(table.columns)
            for name, type_ in found:
                assert f"\n| `{name}` | {type_.split('(')[0]} | " in section, (table.name, name, type_)
