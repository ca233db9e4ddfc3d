"""Exact arithmetic against Python's own, over the whole range."""

from fractions import Fraction
from math import ceil, isqrt, trunc

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine import arithmetic
from engine.arithmetic import INT64_MAX, MONEY_MAX
from tests.support import from_python

money_fits = from_python(arithmetic.money_fits)
mul_div = from_python(arithmetic.mul_div)
mul_div_up = from_python(arithmetic.mul_div_up)
product_fits = from_python(arithmetic.product_fits)
root = from_python(arithmetic.root)
share = from_python(arithmetic.share)

NOT_NEGATIVE = st.integers(0, INT64_MAX)
DIVISOR_MAX = 2**61
# Every number of bits, and both sides of each power of two: the division takes as many bits at once as it can.
DIVISOR = st.builds(
    lambda bits, more: min(max(2**bits + more, 1), DIVISOR_MAX),
    st.integers(0, 61),
    st.one_of(st.integers(-2, 2), st.integers(0, 2**60)),
)
INT64 = st.integers(-(2**63), INT64_MAX)
INT8 = st.integers(-128, 127)


@given(NOT_NEGATIVE, NOT_NEGATIVE, DIVISOR)
@example(INT64_MAX, INT64_MAX, 2**61)
@example(INT64_MAX, 1, 1)
@example(0, INT64_MAX, 1)
@example(INT64_MAX, 0, 2**61)
@example(2**62, 2**62, 2**61)
@example(2**62 - 1, INT64_MAX, 2**61)
@example(3, INT64_MAX, 4)
def test_mul_div_is_the_exact_floor_and_ceiling(a: int, b: int, c: int) -> None:
    floor, up = a * b // c, -(-a * b // c)
    assume(up <= INT64_MAX)
    assert mul_div(a, b, c) == floor
    assert mul_div_up(a, b, c) == up == ceil(Fraction(a * b, c))


@given(NOT_NEGATIVE, DIVISOR, st.data())
def test_mul_div_where_the_result_is_large(a: int, c: int, data: st.DataObject) -> None:
    b = data.draw(st.integers(0, min(INT64_MAX, INT64_MAX * c // a)) if a else NOT_NEGATIVE)
    assert mul_div(a, b, c) == a * b // c


@given(st.integers(-MONEY_MAX * 4, MONEY_MAX * 4), st.integers(1, 2**61), st.data())
def test_share_is_rounded_towards_zero(amount: int, whole: int, data: st.DataObject) -> None:
    part = data.draw(st.integers(0, whole))
    found = share(amount, part, whole)
    assert found == trunc(Fraction(amount * part, whole))
    assert abs(found) <= abs(amount)
    assert share(amount, whole, whole) == amount


@given(INT64, INT64, INT64)
@example(-(2**63), -(2**63), -(2**63))
@example(2**60, 1, 1)
@example(2**30, 2**30, 1)
def test_product_fits_never_lets_too_much_through(a: int, b: int, c: int) -> None:
    fits = product_fits(a, b, c)
    product = abs(a * b * c)
    if fits:
        assert product < MONEY_MAX
    else:
        assert product > MONEY_MAX - MONEY_MAX // 256


@given(st.integers(1, 2**20), st.integers(1, 2**20), st.integers(1, 2**20))
def test_every_product_well_below_the_limit_fits(a: int, b: int, c: int) -> None:
    assert product_fits(a, -b, c) == (a * b * c < 1.15e18)


@pytest.mark.parametrize(
    ("units", "fits"),
    [
        (0, True),
        (MONEY_MAX, True),
        (-MONEY_MAX, True),
        (MONEY_MAX + 1, False),
        (-MONEY_MAX - 1, False),
        (INT64_MAX, False),
        (-(2**63), False),
    ],
)
def test_money_fits_up_to_the_limit(units: int, fits: bool) -> None:
    assert bool(money_fits(units)) is fits


@given(
    st.one_of(NOT_NEGATIVE, st.builds(lambda whole, more: max(whole * whole + more, 0), st.integers(0, 2**31), INT8))
)
@example(0)
@example(1)
@example(3)
@example(4)
@example(2**62)
@example(2**62 - 1)
@example(INT64_MAX)
@example(3_037_000_499**2)
@example(3_037_000_499**2 - 1)
def test_root_is_the_exact_whole_square_root(n: int) -> None:
    assert root(np.int64(n)) == isqrt(n)
