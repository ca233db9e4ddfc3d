"""The pages that are made from the source say what the source says."""

import importlib.util
from types import ModuleType

import pytest

from engine.kinds import DecisionKind, EventKind
from engine.reasons import RETIRED, Reason
from engine.rules import TABLES
from tests.support import ROOT


def _maker(name: str) -> ModuleType:
    """docs is a folder of pages and not a package: its scripts are loaded by their paths."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["make_metrics", "make_reasons", "make_records"])
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
