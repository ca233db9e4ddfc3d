"""From an exchange's decimal numbers to whole steps and back, exactly."""

from decimal import ROUND_FLOOR, Decimal, InvalidOperation

INT64_MAX = (1 << 63) - 1
# So short a number fits into 64 bits.
_PLAIN_CHARACTERS = 19


class Malformed(Exception):
    """What an exchange sent does not fit the tape: a field is missing, is no number, or is off its step."""


class Scale:
    """Counts the steps of a decimal number: ticks of a price, lots of a size, units of money.

    `rounded` counts the numbers that `nearest` had to round.
    """

    __slots__ = ("_decimals", "_point", "_width", "rounded", "step")

    def __init__(self, step: Decimal) -> None:
        assert step.is_finite() and step > 0, "a step is a positive number"
        exponent = step.normalize().as_tuple().exponent
        assert isinstance(exponent, int)
        self.step = step
        self._decimals = max(-exponent, 0)
        # The step as a whole number of its last decimal place: 5 for 0.05, 10 for 10.
        self._width = int(step.scaleb(self._decimals))
        # Where the point stands in a text with all decimal places of the step, counted from its end.
        self._point = -self._decimals - 1
        self.rounded = 0

    def exact(self, value: object) -> int:
        """The steps in a number: text, an integer, or a float as it is written. Raises Malformed off the step."""
        steps, rest = self._divided(value)
        if rest:
            raise Malformed(f"{value!r} is not a multiple of {self.step}")
        return steps

    def nearest(self, value: object) -> int:
        """The same, but what is off the step goes to the nearest (halves up) and is counted. Raises Malformed."""
        steps, rest = self._divided(value)
        if rest:
            self.rounded += 1
            if 2 * rest >= self._width:
                steps += 1
        return steps

    def text(self, steps: int) -> str:
        """The decimal text of so many steps, with the decimal places of the step."""
        places = self._decimals
        digits = str(abs(steps) * self._width).rjust(places + 1, "0")
        sign = "-" if steps < 0 else ""
        return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else sign + digits

    def _divided(self, value: object) -> tuple[int, int | Decimal]:
        """The whole steps below a number and what is left, in last decimal places of the step."""
        places = self._decimals
        if type(value) is str:
            # Quotes are four numbers each, and most have just the step's places.
            if value.find(".") - len(value) == self._point and self._width == 1 and len(value) < _PLAIN_CHARACTERS:
                try:
                    return int(value.replace(".", "", 1)), 0
                except ValueError:
                    return self._divided_slowly(value)
            # Plain decimal text with no more places than the step has, or zeros behind them.
            whole, _, fraction = value.partition(".")
            more = len(fraction) - places
            if more > 0 and fraction[places:].strip("0") == "":
                fraction = fraction[:places]
                more = 0
            if more <= 0 and (fraction or whole[-1:].isdecimal()):
                try:
                    smallest = int(whole + fraction + "0" * -more)
                except ValueError:
                    return self._divided_slowly(value)
                if -INT64_MAX <= smallest <= INT64_MAX:
                    return (smallest, 0) if self._width == 1 else divmod(smallest, self._width)
        return self._divided_slowly(value)

    def _divided_slowly(self, value: object) -> tuple[int, int | Decimal]:
        """Any number that has a decimal text."""
        if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
            raise Malformed(f"{value!r} is not a number")
        try:
            number = Decimal(value if isinstance(value, int | Decimal) else str(value).strip())
        except InvalidOperation:
            raise Malformed(f"{value!r} is not a number") from None
        if not number.is_finite() or abs(number) > INT64_MAX * self.step:
            raise Malformed(f"{value!r} does not fit the tape")
        steps = int((number / self.step).to_integral_value(ROUND_FLOOR))
        return steps, (number - steps * self.step).scaleb(self._decimals)
