"""Values of Arrow batches for printing: exact, and of types that JSON has."""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa

from adapters.report.amounts import amount_text, time_text

_PER_UNIT_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


def plain_rows(batch: Any) -> Iterator[list[Any]]:
    """The rows of a batch. Times are ISO texts in UTC, decimals exact texts without needless zeros."""
    columns = [_plain_column(batch.column(number)) for number in range(batch.num_columns)]
    for row in zip(*columns, strict=True):
        yield [*row]


def _plain_column(column: Any) -> list[Any]:
    type_ = column.type
    if pa.types.is_timestamp(type_):
        scale = _PER_UNIT_NS[type_.unit]
        return [None if value is None else time_text(value * scale) for value in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_nested(type_) and not pa.types.is_dictionary(type_):
        return [_plain_scalar(value) for value in column]
    return [_plain(value) for value in column.to_pylist()]


def _plain_scalar(scalar: Any) -> Any:
    """A value with others in it."""
    if not scalar.is_valid:
        return None
    if pa.types.is_struct(scalar.type):
        return {name: _plain_scalar(scalar[name]) for name in scalar.type.names}
    if pa.types.is_timestamp(scalar.type):
        return time_text(scalar.value * _PER_UNIT_NS[scalar.type.unit])
    if pa.types.is_list(scalar.type) or pa.types.is_large_list(scalar.type):
        return [_plain_scalar(value) for value in scalar.values]
    return str(scalar) if pa.types.is_nested(scalar.type) else _plain(scalar.as_py())


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return amount_text(value, 0) if value.is_finite() else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool | int | str) else str(value)
