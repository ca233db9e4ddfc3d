"""The page of reason codes says what the code says."""

import importlib.util
from types import ModuleType

from engine.reasons import Reason
from tests.support import ROOT


def _maker() -> ModuleType:
    """docs is a folder of pages and not a package: its script is loaded by its path."""
    spec = importlib.util.spec_from_file_location("make_reasons", ROOT / "docs" / "make_reasons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_page_is_up_to_date() -> None:
    made = _maker()
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run: python -m docs.make_reasons"


def test_every_reason_has_its_line() -> None:
    page = _maker().page()
    for reason in Reason:
        assert page.count(f"| {int(reason)} | `{reason.name}` |") == 1, reason.name
