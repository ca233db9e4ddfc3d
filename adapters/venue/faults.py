"""What goes wrong at a venue, as a file of rules says; the same seed and the same requests meet the same faults.

A rule counts the requests, messages or market updates that it is about (`on`), and strikes at each with a
`probability`, or at `every` so many, or `at` those numbers, counted from 1.
"""

import random
import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from adapters.errors import UserError


class FaultKind(StrEnum):
    """What a rule does; see `docs/venue.md`."""

    # Requests.
    LOSE_REQUEST = "lose_request"
    LOSE_ANSWER = "lose_answer"
    HANG = "hang"
    DELAY_REQUEST = "delay_request"
    DELAY_ANSWER = "delay_answer"
    RATE_LIMIT = "rate_limit"
    SERVER_ERROR = "server_error"
    SERVER_ERROR_AFTER = "server_error_after"
    MALFORMED = "malformed"
    # Messages of a stream.
    LOSE_MESSAGE = "lose_message"
    DELAY_MESSAGE = "delay_message"
    DUPLICATE_MESSAGE = "duplicate_message"
    REORDER_MESSAGE = "reorder_message"
    DISCONNECT = "disconnect"
    HALF_OPEN = "half_open"
    # The venue itself.
    STALE_DATA = "stale_data"
    PARTIAL_FILL = "partial_fill"
    REPEAT_TRADE_ID = "repeat_trade_id"
    WRONG_ORDER_ID = "wrong_order_id"
    WRONG_CLIENT_ID = "wrong_client_id"
    CLOCK_SKEW = "clock_skew"


class Requests(StrEnum):
    """What requests are about; a face says which is which."""

    ORDER = "order"
    CANCEL = "cancel"
    AMEND = "amend"
    QUERY = "query"
    ACCOUNT = "account"
    MARKET = "market"


class Messages(StrEnum):
    """What messages of a stream are about."""

    QUOTES = "quotes"
    TRADES = "trades"
    BARS = "bars"
    MARKS = "marks"
    ORDERS = "orders"
    FILLS = "fills"
    BALANCES = "balances"


REQUEST_FAULTS = tuple(FaultKind)[:9]
MESSAGE_FAULTS = tuple(FaultKind)[9:15]
_ON = {
    **dict.fromkeys(REQUEST_FAULTS, tuple(Requests)),
    **dict.fromkeys(MESSAGE_FAULTS, tuple(Messages)),
    FaultKind.STALE_DATA: (Messages.QUOTES, Messages.TRADES, Messages.BARS, Messages.MARKS),
    FaultKind.PARTIAL_FILL: (Messages.QUOTES,),
    FaultKind.REPEAT_TRADE_ID: (Messages.FILLS,),
    FaultKind.WRONG_ORDER_ID: (Requests.ORDER, Messages.ORDERS, Messages.FILLS),
    FaultKind.WRONG_CLIENT_ID: (Requests.ORDER, Messages.ORDERS, Messages.FILLS),
    FaultKind.CLOCK_SKEW: (),
}


class Fault(BaseModel):
    """One rule. `on` is what it is about, "any" for everything that its kind can be about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    on: str = "any"
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    every: Annotated[int, Field(strict=True, ge=1)] | None = None
    at: tuple[Annotated[int, Field(strict=True, ge=1)], ...] | None = None
    delay_ms: Annotated[int, Field(strict=True, ge=0)] = 1_000
    duration_ms: Annotated[int, Field(strict=True, ge=0)] = 5_000
    retry_after_s: Annotated[int, Field(strict=True, ge=0)] = 1
    status: Annotated[int, Field(strict=True, ge=500, le=599)] = 503
    lots: Annotated[int, Field(strict=True, ge=1)] = 1
    skew_ms: Annotated[int, Field(strict=True)] = 0

    @model_validator(mode="after")
    def _check(self) -> "Fault":
        about = _ON[self.kind]
        if self.on != "any" and self.on not in about:
            raise ValueError(
                f"on: expected any{''.join(f', {name}' for name in about)} for {self.kind}; found {self.on}"
            )
        given = [name for name in ("probability", "every", "at") if getattr(self, name) is not None]
        wanted = 0 if self.kind == FaultKind.CLOCK_SKEW else 1
        if len(given) != wanted:
            expected = "none" if wanted == 0 else "exactly one"
            raise ValueError(f"expected {expected} of probability, every, at for {self.kind}; found {given or 'none'}")
        return self


class FaultFile(BaseModel):
    """A file of rules."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: Annotated[int, Field(strict=True)] = 1
    faults: tuple[Fault, ...] = ()


class _Rule:
    """A fault with its own count and its own chance, so that rules do not disturb each other."""

    def __init__(self, fault: Fault, seed: int, place: int) -> None:
        self.fault = fault
        self._random = random.Random(f"{seed} {place}")
        self._count = 0

    def strikes(self) -> bool:
        self._count += 1
        fault = self.fault
        if fault.probability is not None:
            return self._random.random() < fault.probability
        if fault.every is not None:
            return self._count % fault.every == 0
        return fault.at is not None and self._count in fault.at


class Faults:
    """The rules of a file, asked once about every request, message and market update."""

    def __init__(self, file: FaultFile | None = None) -> None:
        file = file or FaultFile()
        self._rules = [_Rule(fault, file.seed, place) for place, fault in enumerate(file.faults)]
        self.clock_skew_ns = 1_000_000 * sum(f.skew_ms for f in file.faults if f.kind == FaultKind.CLOCK_SKEW)
        self.struck: dict[FaultKind, int] = {}

    def of_request(self, about: Requests) -> list[Fault]:
        return self._strike(REQUEST_FAULTS, about)

    def of_message(self, about: Messages) -> list[Fault]:
        return self._strike(MESSAGE_FAULTS, about)

    def strike(self, kind: FaultKind, about: Requests | Messages) -> Fault | None:
        """The fault of one of the venue's own kinds that strikes now, None for none."""
        struck = self._strike((kind,), about)
        return struck[0] if struck else None

    def _strike(self, kinds: Sequence[FaultKind], about: str) -> list[Fault]:
        if not self._rules:
            return []
        concerned = [rule for rule in self._rules if rule.fault.kind in kinds and rule.fault.on in ("any", about)]
        struck = [rule.fault for rule in concerned if rule.strikes()]
        for fault in struck:
            self.struck[fault.kind] = self.struck.get(fault.kind, 0) + 1
        return struck


def load_faults(path: Path) -> Faults:
    """Read a file of rules. Raises UserError of one line."""
    try:
        return Faults(FaultFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected a file of faults in TOML") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = problem["msg"].removeprefix("Value error, ")
        raise UserError(f"{path}: {where}: {what[:1].lower()}{what[1:]}") from None
