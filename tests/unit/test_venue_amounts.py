"""Exact numbers on the wire."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.venue.amounts import Scale, ratio_text, unit_scale

STEPS = st.sampled_from(["0.1", "0.01", "0.5", "0.00025", "1", "25", "100", "0.001"]).map(Decimal)


@given(STEPS, st.integers(-(2**53), 2**53))
def test_text_is_the_exact_product_and_leads_back(step: Decimal, count: int) -> None:
    scale = Scale(step)
    assert Decimal(scale.text(count)) == step * count
    assert scale.count(scale.text(count)) == count


@pytest.mark.parametrize(
    ("step", "text", "count"),
    [
        ("0.1", "50000.10", 500_001),
        ("0.1", "5e4", 500_000),
        ("0.1", "50000.15", None),
        ("0.5", "0.3", None),
        ("1", "many", None),
        ("1", "NaN", None),
        ("1", "Infinity", None),
        ("1", "", None),
    ],
)
def test_what_is_no_whole_number_of_steps_has_no_count(step: str, text: str, count: int | None) -> None:
    assert Scale(Decimal(step)).count(text) == count


def test_money_and_averages() -> None:
    assert unit_scale(8).text(-1) == "-0.00000001"
    assert unit_scale(0).text(12) == "12"
    assert ratio_text(1_000_001, 2, Decimal("0.1")) == "50000.05000000"
    assert ratio_text(0, 0, Decimal("0.1")) == "0.00000000"
