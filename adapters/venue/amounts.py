"""Exact numbers on the wire: ticks, lots and units as decimal text and back."""

from decimal import Decimal, InvalidOperation, localcontext

_DIGITS = 60


class Scale:
    """Counts of one step, such as ticks of 0.1, as decimal text."""

    def __init__(self, step: Decimal) -> None:
        _, digits, exponent = step.normalize().as_tuple()
        assert isinstance(exponent, int)
        self.step = step
        self.decimals = max(-exponent, 0)
        self._multiple = int("".join(map(str, digits))) * 10 ** max(exponent, 0)
        self._unit = 10**self.decimals

    def text(self, count: int) -> str:
        """`count` steps, with all decimals that a step has."""
        whole, part = divmod(abs(count) * self._multiple, self._unit)
        sign = "-" if count < 0 else ""
        return f"{sign}{whole}.{part:0{self.decimals}}" if self.decimals else f"{sign}{whole}"

    def count(self, text: str) -> int | None:
        """How many steps a decimal text is; None where it is no number or not a whole number of them."""
        try:
            with localcontext() as context:
                context.prec = _DIGITS
                steps = Decimal(text) / self.step
                return int(steps) if steps == steps.to_integral_value() else None
        except (InvalidOperation, OverflowError, ValueError):
            return None


def unit_scale(decimals: int) -> Scale:
    """Units of money of 10 ** -decimals."""
    return Scale(Decimal(1).scaleb(-decimals))


def ratio_text(numerator: int, denominator: int, step: Decimal, decimals: int = 8) -> str:
    """`numerator` / `denominator` steps, such as an average price in ticks, to so many decimals; 0 of nothing."""
    with localcontext() as context:
        context.prec = _DIGITS
        value = Decimal(numerator) / Decimal(denominator) * step if denominator else Decimal(0)
        return f"{value.quantize(Decimal(1).scaleb(-decimals)):f}"
