"""What loading a source found: how much was read, skipped and why."""

from collections import Counter
from dataclasses import dataclass, field
from enum import IntEnum

EXAMPLES_PER_FAULT = 3


class Fault(IntEnum):
    """Why a row cannot be used; 0 is a good row, and a blank one is passed over."""

    NONE = 0
    TIME = 1
    FIELDS = 2
    MISSING = 3
    PRICE = 4
    QUANTITY = 5
    CROSSED = 6
    BAR_SHAPE = 7
    OFF_TICK = 8
    TOO_LARGE = 9
    SIDE = 10
    TIME_BACK = 11
    BAR_OVERLAP = 12
    RATE = 13
    MESSAGE = 14
    BLANK = 15


# What was found, and what was expected.
FAULTS: dict[Fault, tuple[str, str]] = {
    Fault.TIME: ("time unreadable", "expected a time in the configured unit, format and zone"),
    Fault.FIELDS: ("too many fields", "expected as many as in the first line"),
    Fault.MISSING: ("value missing or not a number", "expected a number"),
    Fault.PRICE: ("price not above zero", "expected prices above zero"),
    Fault.QUANTITY: ("negative quantity", "expected quantities of zero or more"),
    Fault.CROSSED: ("bid above ask", "expected bid <= ask"),
    Fault.BAR_SHAPE: ("bar out of shape", "expected low <= open, close <= high"),
    Fault.OFF_TICK: ("price off the tick", "expected a multiple of the tick size {tick_size}"),
    Fault.TOO_LARGE: ("value too large", "expected less than 2^53 ticks or lots; take a coarser tick_size or lot_size"),
    Fault.SIDE: ("unknown side", "expected buy or sell, true or false"),
    Fault.TIME_BACK: ("time went back", "expected rows in order of time"),
    Fault.BAR_OVERLAP: ("bar opens before the one before it closed", "expected bars one after another, interval apart"),
    Fault.RATE: ("funding rate out of range", "expected a fraction between -1 and 1"),
    Fault.MESSAGE: ("message unreadable", "expected a local time in ns, a space, and a JSON message"),
}


@dataclass(slots=True)
class LoadReport:
    """One source's tally. `skipped` and `ignored` count rows by reason, `examples` are lines for a person.

    Skipped rows were bad; ignored rows hold what is not asked for. `prices_rounded` counts rows with a price
    moved to the tick, `received_before_sent` those whose local time is before the exchange's.
    """

    source: int
    path: str
    files: int = 0
    rows: int = 0
    events: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    prices_rounded: int = 0
    received_before_sent: int = 0
    first_ts_ns: int = 0
    last_ts_ns: int = 0

    def skip(self, fault: Fault, count: int) -> int:
        """Count bad rows; the number of them that are still wanted as examples."""
        name = FAULTS[fault][0]
        wanted = max(0, min(count, EXAMPLES_PER_FAULT - self.skipped[name]))
        self.skipped[name] += count
        return wanted
