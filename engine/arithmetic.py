"""Exact int64 arithmetic for money: the guard comes before the operation, never after.

Overflow of a signed integer is undefined in compiled code, so every product is checked first, with a
float64 estimate whose error (a few parts in 10**16) is far smaller than the room left below 2**63.
"""

from typing import Any

import numpy as np

from engine.jit import kernel

# No single amount of money may exceed 2**60 units, so that a sum of a few amounts always fits an int64.
MONEY_MAX = 1 << 60
INT64_MAX = (1 << 63) - 1
_MONEY_MAX_ESTIMATE = 1.15e18


@kernel
def product_fits(a: Any, b: Any, c: Any) -> Any:
    """Whether a*b*c, three int64, is an amount of money that fits."""
    return abs(np.float64(a) * np.float64(b) * np.float64(c)) < _MONEY_MAX_ESTIMATE


@kernel
def money_fits(units: Any) -> Any:
    """Whether `units`, itself within int64, is within the amount of money that the ledger allows."""
    return -MONEY_MAX <= units <= MONEY_MAX


@kernel
def _mul_div_remainder(a: Any, b: Any, c: Any) -> Any:
    """(a*b // c, a*b % c) by binary long division, for a < c <= 2**62 where a*b does not fit an int64."""
    quotient = np.int64(0)
    remainder = np.int64(0)
    for bit in range(62, -1, -1):
        quotient = quotient << 1
        remainder = remainder << 1
        if remainder >= c:
            remainder -= c
            quotient += 1
        if (b >> bit) & 1:
            remainder += a
            if remainder >= c:
                remainder -= c
                quotient += 1
    return quotient, remainder


@kernel
def mul_div(a: Any, b: Any, c: Any) -> Any:
    """floor(a*b / c), exact; a, b >= 0 and 0 < c <= 2**62; the result must fit an int64."""
    if b == 0 or a <= INT64_MAX // b:
        return a * b // c
    quotient, _ = _mul_div_remainder(a % c, b, c)
    return (a // c) * b + quotient


@kernel
def mul_div_up(a: Any, b: Any, c: Any) -> Any:
    """ceil(a*b / c), exact; a, b >= 0 and 0 < c <= 2**62; the result must fit an int64."""
    if b == 0 or a <= INT64_MAX // b:
        product = a * b
        floor = product // c
        return floor + 1 if floor * c != product else floor
    quotient, remainder = _mul_div_remainder(a % c, b, c)
    return (a // c) * b + quotient + (1 if remainder > 0 else 0)


@kernel
def share(amount: Any, part: Any, whole: Any) -> Any:
    """amount * part / whole, rounded towards zero, for any sign of amount and 0 <= part <= whole."""
    if amount < 0:
        return -mul_div(-amount, part, whole)
    return mul_div(amount, part, whole)
