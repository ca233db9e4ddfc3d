"""Exact int64 arithmetic for money and time: the guard comes before the operation, never after.

Overflow of a signed integer is undefined in compiled code, so every product is checked first, with a
float64 estimate whose error (a few parts in 10**16) is far smaller than the room left below 2**63.
"""

from typing import Any

import numpy as np

from engine.jit import inner_kernel

# No single amount of money may exceed 2**60 units, so that a sum of a few amounts always fits an int64.
MONEY_MAX = 1 << 60
INT64_MAX = (1 << 63) - 1
_MONEY_MAX_ESTIMATE = 1.15e18
PPM = np.int64(1_000_000)
# Up to this many ppm nothing has to be divided but by the constant.
_PPM_PLAIN = 9_000_000_000_000
# Lowers a bound that was estimated in float64, by far more than its error.
ALMOST_ONE = 1.0 - 1e-12
_LAST_TS_NS = np.int64(INT64_MAX)


@inner_kernel
def product_fits(a: Any, b: Any, c: Any) -> Any:
    """Whether a*b*c, three int64, is an amount of money that fits."""
    return abs(np.float64(a) * np.float64(b) * np.float64(c)) < _MONEY_MAX_ESTIMATE


@inner_kernel
def money_fits(units: Any) -> Any:
    """Whether `units`, itself within int64, is within the amount of money that the ledger allows."""
    return -MONEY_MAX <= units <= MONEY_MAX


@inner_kernel
def _digit_bits(c: Any) -> Any:
    """How many bits can be divided by `c` at once without overflow: c * 2**bits stays below 2**62."""
    if c < 1 << 31:
        return 31
    if c < 1 << 46:
        return 16
    if c < 1 << 54:
        return 8
    if c < 1 << 58:
        return 4
    return 1


@inner_kernel
def _mul_div_remainder(a: Any, b: Any, c: Any) -> Any:
    """(a*b // c, a*b % c) for a < c <= 2**61 where a*b does not fit an int64.

    Long division with the digits of b, as many bits in a digit as the divisor leaves room for.
    """
    bits = _digit_bits(c)
    digit_mask = (1 << bits) - 1
    shift = (62 // bits) * bits
    while b >> shift == 0:
        shift -= bits
    quotient = np.int64(0)
    remainder = np.int64(0)
    while shift >= 0:
        remainder = (remainder << bits) + a * ((b >> shift) & digit_mask)
        digit = remainder // c
        quotient = (quotient << bits) + digit
        remainder -= digit * c
        shift -= bits
    return quotient, remainder


@inner_kernel
def mul_div(a: Any, b: Any, c: Any) -> Any:
    """floor(a*b / c), exact; a, b >= 0 and 0 < c <= 2**61; the result must fit an int64."""
    if b == 0 or a <= INT64_MAX // b:
        return a * b // c
    rest = a % c
    if rest <= INT64_MAX // b:
        return (a // c) * b + rest * b // c
    quotient, _ = _mul_div_remainder(rest, b, c)
    return (a // c) * b + quotient


@inner_kernel
def _div_up(a: Any, c: Any) -> Any:
    floor = a // c
    return floor + 1 if floor * c != a else floor


@inner_kernel
def mul_div_up(a: Any, b: Any, c: Any) -> Any:
    """ceil(a*b / c), exact; a, b >= 0 and 0 < c <= 2**61; the result must fit an int64."""
    if b == 0 or a <= INT64_MAX // b:
        return _div_up(a * b, c)
    rest = a % c
    if rest <= INT64_MAX // b:
        return (a // c) * b + _div_up(rest * b, c)
    quotient, remainder = _mul_div_remainder(rest, b, c)
    return (a // c) * b + quotient + (1 if remainder > 0 else 0)


@inner_kernel
def ppm_part(amount: Any, ppm: Any) -> Any:
    """floor(amount * ppm / 10**6), exact; amount, ppm >= 0; the result must fit an int64."""
    if ppm <= _PPM_PLAIN:
        return (amount // PPM) * ppm + (amount % PPM) * ppm // PPM
    return mul_div(amount, ppm, PPM)


@inner_kernel
def ppm_part_up(amount: Any, ppm: Any) -> Any:
    """ceil(amount * ppm / 10**6), exact; amount, ppm >= 0; the result must fit an int64."""
    if ppm <= _PPM_PLAIN:
        return (amount // PPM) * ppm + _div_up((amount % PPM) * ppm, PPM)
    return mul_div_up(amount, ppm, PPM)


@inner_kernel
def share(amount: Any, part: Any, whole: Any) -> Any:
    """amount * part / whole, rounded towards zero, for any sign of amount and 0 <= part <= whole."""
    if amount < 0:
        return -mul_div(-amount, part, whole)
    return mul_div(amount, part, whole)


@inner_kernel
def later(ts_ns: Any, delay_ns: Any) -> Any:
    """The time `delay_ns` after `ts_ns`, or the last there is."""
    return ts_ns + delay_ns if ts_ns <= _LAST_TS_NS - delay_ns else _LAST_TS_NS


@inner_kernel
def root(n: Any) -> Any:
    """floor(sqrt(n)), exact for every int64 n >= 0: one bit of the result after the other, from the highest."""
    bit = np.int64(1) << np.int64(62)
    rest = n
    found = np.int64(0)
    while bit > rest:
        bit = bit >> 2
    while bit != 0:
        if rest >= found + bit:
            rest -= found + bit
            found = (found >> 1) + bit
        else:
            found = found >> 1
        bit = bit >> 2
    return found
