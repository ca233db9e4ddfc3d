"""Exact amounts of whole columns: so many ticks, lots or units as decimals of one type for all of a tape."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from replay.names import Names

Int64s = NDArray[np.int64]
Mask = NDArray[np.bool_]

DECIMAL_DIGITS = 38
_INT64_MAX = (1 << 63) - 1
_CLOSE = 65_536


@dataclass(frozen=True, slots=True)
class Scale:
    """What one tick, lot or unit is, by the number of its instrument or account.

    `factors` are in units of 10 ** -`decimals`; a number that is not in it counts as `whole`, which is 1.
    """

    decimals: int
    factors: Mapping[int, int]

    @property
    def whole(self) -> int:
        return int(10**self.decimals)

    @property
    def type(self) -> Any:
        return pa.decimal128(DECIMAL_DIGITS, self.decimals)

    def factor(self, number: int) -> int:
        return self.factors.get(number, self.whole)

    def amounts(self, counts: Int64s, numbers: NDArray[Any], shown: Mask | None = None) -> Any:
        """Each count times the factor of its number, as an Arrow array of decimals; null where not `shown`."""
        found, places = distinct(numbers)
        factors = [self.factor(number) for number in found.tolist()]
        return decimals(counts, factors, places, self.type, shown)


def distinct(numbers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Each number that occurs once, in order, and for every one its place among them; fast where they are close."""
    low = int(numbers.min()) if len(numbers) else 0
    if len(numbers) == 0 or int(numbers.max()) - low > _CLOSE:
        return np.unique(numbers, return_inverse=True)
    offsets = numbers.astype(np.int64) - low
    there = np.bincount(offsets) > 0
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[offsets]


def decimals(counts: Int64s, factors: list[int], places: NDArray[Any], type_: Any, shown: Mask | None = None) -> Any:
    """`counts` times the factor at its place, as decimals of a type in whose smallest unit the factors are."""
    largest = max(abs(int(counts.min())), abs(int(counts.max()))) if len(counts) else 0
    if largest * max(factors, default=0) > _INT64_MAX:
        return _of_large(counts, factors, places, type_, shown)
    words = np.empty((len(counts), 2), np.int64)
    np.multiply(counts, np.array(factors, np.int64)[places], out=words[:, 0])
    words[:, 1] = words[:, 0] >> 63
    bits = None if shown is None else pa.py_buffer(np.packbits(shown, bitorder="little"))
    return pa.Array.from_buffers(type_, len(counts), [bits, pa.py_buffer(words)])


def _of_large(counts: Int64s, factors: list[int], places: NDArray[Any], type_: Any, shown: Mask | None) -> Any:
    """The same where a product needs more than 64 bits: 16 bytes a number, the low ones first."""
    products = (count * factors[place] for count, place in zip(counts.tolist(), places.tolist(), strict=True))
    words = b"".join(product.to_bytes(16, "little", signed=True) for product in products)
    bits = None if shown is None else pa.py_buffer(np.packbits(shown, bitorder="little"))
    return pa.Array.from_buffers(type_, len(counts), [bits, pa.py_buffer(words)])


@dataclass(frozen=True, slots=True)
class Scales:
    """The three scales of a tape; each has as many digits as the finest size on it."""

    prices: Scale
    quantities: Scale
    money: Scale


def scales_of(names: Names) -> Scales:
    """The scales of a tape whose names these are."""
    return Scales(
        _scale({number: name.tick_size for number, name in names.instruments.items()}),
        _scale({number: name.lot_size for number, name in names.instruments.items()}),
        _scale({number: Decimal(1).scaleb(-name.money_decimals) for number, name in names.accounts.items()}),
    )


def _scale(sizes: Mapping[int, Decimal]) -> Scale:
    digits = max((_decimals(size) for size in sizes.values()), default=0)
    return Scale(digits, {number: int(size.scaleb(digits)) for number, size in sizes.items()})


def _decimals(size: Decimal) -> int:
    exponent = size.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(-exponent, 0)
