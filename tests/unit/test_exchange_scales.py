"""Decimal numbers of exchanges become steps exactly, or not at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exchanges.scales import INT64_MAX, Malformed, Scale

STEPS = st.sampled_from([Decimal(text) for text in ("1", "0.1", "0.05", "0.25", "10", "1e-8", "2.5", "1000", "0.0003")])


@given(STEPS, st.integers(-(10**15), 10**15))
def test_steps_become_text_and_the_same_steps_again(step, steps):
    scale = Scale(step)
    text = scale.text(steps)
    assert Decimal(text) == steps * step
    assert scale.exact(text) == scale.exact(text + "00" if "." in text else text) == steps
    assert scale.exact(Decimal(text)) == steps and scale.rounded == 0


@given(STEPS, st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=10))
def test_the_nearest_is_at_most_half_a_step_away(step, number):
    scale = Scale(step)
    for value in (number, str(number), f"{number:f}"):
        steps = scale.nearest(value)
        assert abs(steps * step - number) * 2 <= step
    if number % step:
        assert scale.rounded == 3
        with pytest.raises(Malformed, match="not a multiple"):
            scale.exact(str(number))
    else:
        assert scale.rounded == 0


@given(st.integers(-(10**14), 10**14))
def test_a_float_is_what_it_is_written_as(units):
    scale = Scale(Decimal("0.01"))
    assert scale.exact(units / 100) == units


@pytest.mark.parametrize("value", ["", "abc", "NaN", "Infinity", "-", ".", None, True, [], "1.2.3", "0x10", b"1"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(Malformed):
        Scale(Decimal("0.1")).nearest(value)


@pytest.mark.parametrize("value", [str(INT64_MAX + 1), "9e30", str(-INT64_MAX * 100), 1e300])
def test_what_does_not_fit_the_tape_is_refused(value):
    with pytest.raises(Malformed, match="does not fit"):
        Scale(Decimal(1)).nearest(value)


def test_halves_go_up_and_a_small_rest_does_not():
    scale = Scale(Decimal(1))
    assert [scale.nearest(text) for text in ("2.5", "2.3", "2.0000001", "-2.5", "1e-9", "0.7")] == [3, 2, 2, -2, 0, 1]
