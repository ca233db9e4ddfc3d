"""Plain access to the int64 fields of a record: a numpy record row takes a microsecond for each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class IntRow:
    """The int64 fields of `data`, one record of type `dtype`, by name, as Python integers; a view."""

    __slots__ = ("_places", "_words")
    _places: dict[str, int]
    _words: memoryview

    def __init__(self, data: NDArray[np.uint8], dtype: np.dtype[Any]) -> None:
        assert dtype.fields is not None
        places = {name: at[1] // 8 for name, at in dtype.fields.items() if at[0] == np.int64 and at[1] % 8 == 0}
        object.__setattr__(self, "_places", places)
        object.__setattr__(self, "_words", data.data.cast("B").cast("q"))

    def __getattr__(self, name: str) -> int:
        return int(self._words[self._places[name]])

    def __setattr__(self, name: str, value: int) -> None:
        self._words[self._places[name]] = value
