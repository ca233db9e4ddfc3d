"""What sections of a configuration file are made of: the closed table, and the types of its values."""

from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from adapters.configuration.values import (
    DecimalText,
    Measure,
    Rate,
    parse_clock,
    parse_duration,
    parse_fraction,
    parse_measure,
    parse_rate,
    parse_stop,
    within_price,
)


class Section(BaseModel):
    """A table of the file: frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


def _above_zero(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError(f"expected a decimal above 0, found {value}")
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError(f"expected 0 or more, found {value}")
    return value


def _fraction(value: Decimal) -> Decimal:
    if not 0 < value <= 1:
        raise ValueError(f"expected a fraction above 0 and up to 1, such as '0.1', found {value}")
    return value


def _longer_than_nothing(duration_ns: int) -> int:
    if duration_ns == 0:
        raise ValueError("expected a duration above 0, found 0")
    return duration_ns


def _some(ppm: int) -> int:
    if ppm == 0:
        raise ValueError("expected a fraction above 0, found 0")
    return ppm


Positive = Annotated[DecimalText, AfterValidator(_above_zero)]
NotNegative = Annotated[DecimalText, AfterValidator(_not_negative)]
Fraction = Annotated[DecimalText, AfterValidator(_fraction)]
Count = Annotated[int, Field(strict=True, ge=1)]
Text = Annotated[str, Field(strict=True, min_length=1)]
Flag = Annotated[bool, Field(strict=True)]

# Already in the engine's integers: millionths, nanoseconds, so many in a time, a distance of a bracket.
PpmOrNone = Annotated[int, BeforeValidator(parse_fraction)]
Ppm = Annotated[PpmOrNone, AfterValidator(_some)]
Span = Annotated[int, BeforeValidator(parse_duration), AfterValidator(_longer_than_nothing)]
Clock = Annotated[int, BeforeValidator(parse_clock)]
RateText = Annotated[Rate, BeforeValidator(parse_rate)]
MeasureText = Annotated[Measure, BeforeValidator(parse_measure)]
StopText = Annotated[Measure, BeforeValidator(parse_stop), AfterValidator(within_price)]
TrailText = Annotated[MeasureText, AfterValidator(within_price)]
