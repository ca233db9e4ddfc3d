"""Columns of a table: what each one is called, what it means, and how it is made of records, many at a time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from replay.audit.tables.scales import Mask, Scales, distinct
from replay.names import Names

Rows = NDArray[Any]
Values = Callable[["Chunk"], Any]

TEXT = pa.dictionary(pa.int32(), pa.string())
TIME = pa.timestamp("ns")
INTEGER = pa.int64()
NO_NUMBER = 65_535


@dataclass(frozen=True)
class Tape:
    """What a column must know of its tape."""

    names: Names
    scales: Scales

    @cached_property
    def symbols(self) -> "Vocabulary":
        return _vocabulary(self.names.instruments, lambda number: self.names.instrument(number).symbol)

    @cached_property
    def accounts(self) -> "Vocabulary":
        return _vocabulary(self.names.accounts, lambda number: self.names.account(number).name)

    @cached_property
    def strategies(self) -> "Vocabulary":
        return _vocabulary(self.names.strategies, self.names.strategy)

    @cached_property
    def breakers(self) -> "Vocabulary":
        return _vocabulary(self.names.breakers, self.names.breaker)


@dataclass
class Chunk:
    """Some records of one type in their order: their sequence numbers, their times, and themselves."""

    tape: Tape
    seqs: NDArray[np.int64]
    ts_ns: NDArray[np.int64]
    rows: Rows

    def int64s(self, field: str) -> NDArray[np.int64]:
        """A field of the records, in memory of its own."""
        return np.array(self.rows[field], np.int64)


@dataclass(frozen=True)
class Vocabulary:
    """Names of numbers: those from 0 on in a list, and what any other number is called; None for no name."""

    listed: Sequence[str]
    other: Callable[[int], str | None]

    @cached_property
    def _listed(self) -> Any:
        return pa.array(self.listed, pa.string())

    def named(self, numbers: NDArray[Any]) -> Any:
        """The name of each number, as an Arrow dictionary."""
        if len(numbers) == 0 or (int(numbers.min()) >= 0 and int(numbers.max()) < len(self.listed)):
            return pa.DictionaryArray.from_arrays(pa.array(numbers.astype(np.int32)), self._listed)
        found, places = distinct(numbers)
        texts = [self._name(number) for number in found.tolist()]
        # Null is where the place is, not in the dictionary.
        nameless = np.array([text is None for text in texts])[places]
        indices = pa.array(places.astype(np.int32), mask=nameless)
        return pa.DictionaryArray.from_arrays(indices, pa.array([text or "" for text in texts], pa.string()))

    def _name(self, number: int) -> str | None:
        return self.listed[number] if 0 <= number < len(self.listed) else self.other(number)


def _vocabulary(known: Iterable[int], name: Callable[[int], str]) -> Vocabulary:
    count = max(known, default=-1) + 1
    return Vocabulary([name(number) for number in range(count)], lambda n: None if n in (NO_NUMBER, -1) else name(n))


def vocabulary_of(enum: type[IntEnum]) -> Vocabulary:
    """The names of an enumeration in lower case; a number that it does not have is called by its number."""
    members = {int(member): member.name.lower() for member in enum}
    word = enum.__name__.lower()
    listed = [members.get(number, f"{word}_{number}") for number in range(max(members) + 1)]
    return Vocabulary(listed, lambda number: members.get(number, f"{word}_{number}"))


def bits_of(enum: type[IntEnum]) -> Vocabulary:
    """The names of the bits of an enumeration that a number has, joined by commas."""
    return Vocabulary([], lambda number: ",".join(bit.name.lower() for bit in enum if number & bit))


@dataclass(frozen=True, slots=True)
class Column:
    """`meaning` says what a value is, with its unit; `type` may depend on the tape, as decimals do."""

    name: str
    meaning: str
    type: Callable[[Scales], Any]
    values: Values


def fixed(type_: Any) -> Callable[[Scales], Any]:
    return lambda _: type_


def integer(name: str, meaning: str, field: str | None = None) -> Column:
    read = field or name
    return Column(name, meaning, fixed(INTEGER), lambda chunk: pa.array(chunk.int64s(read)))


def times(values: NDArray[np.int64]) -> Any:
    """Times of nanoseconds since 1970, null for 0."""
    array = pa.array(values, mask=values == 0) if (values == 0).any() else pa.array(values)
    return array.cast(TIME)


def time(name: str, meaning: str, field: str) -> Column:
    return Column(name, meaning, fixed(TIME), lambda chunk: times(chunk.int64s(field)))


def boolean(name: str, meaning: str, mask: Callable[[Rows], Mask]) -> Column:
    return Column(name, meaning, fixed(pa.bool_()), lambda chunk: pa.array(mask(chunk.rows)))


def text(name: str, meaning: str, vocabulary: Callable[[Tape], Vocabulary], field: str) -> Column:
    return Column(name, meaning, fixed(TEXT), lambda chunk: vocabulary(chunk.tape).named(np.array(chunk.rows[field])))


def either(name: str, meaning: str, mask: Callable[[Rows], Mask], if_so: str, if_not: str) -> Column:
    """One of two words."""
    words = Vocabulary([if_not, if_so], lambda _: None)
    return Column(name, meaning, fixed(TEXT), lambda chunk: words.named(mask(chunk.rows).astype(np.int32)))


def price(name: str, field: str, zero_is_none: bool = True) -> Column:
    """The decimal of a field in ticks."""

    def values(chunk: Chunk) -> Any:
        counts = chunk.int64s(field)
        return chunk.tape.scales.prices.amounts(counts, chunk.rows["instrument"], counts != 0 if zero_is_none else None)

    none = "; null for 0" if zero_is_none else ""
    return Column(name, f"`{field}` as a price{none}", lambda scales: scales.prices.type, values)


def quantity(name: str, field: str) -> Column:
    """The decimal of a field in lots."""

    def values(chunk: Chunk) -> Any:
        return chunk.tape.scales.quantities.amounts(chunk.int64s(field), chunk.rows["instrument"])

    return Column(name, f"`{field}` as a quantity", lambda scales: scales.quantities.type, values)


def amount(name: str, field: str) -> Column:
    """The decimal of a field in units of the account's currency."""

    def values(chunk: Chunk) -> Any:
        return chunk.tape.scales.money.amounts(chunk.int64s(field), chunk.rows["account"])

    return Column(name, f"`{field}` as money of the account's currency", lambda scales: scales.money.type, values)
