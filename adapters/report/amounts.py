"""Exact amounts as text for people and programs."""

from datetime import UTC, datetime
from decimal import Decimal

_NS_PER_SECOND = 1_000_000_000


def money(units: int, decimals: int) -> Decimal:
    """The amount of `units` of 10 ** -`decimals`, exact."""
    return Decimal(int(units)).scaleb(-decimals)


def amount_text(amount: Decimal, digits_min: int = 2) -> str:
    """The full exact value without needless zeros, but with at least `digits_min` digits behind the point."""
    sign, digits, exponent = amount.as_tuple()
    assert isinstance(exponent, int), "an amount is a number"
    units = int("".join(map(str, digits)) or "0") * 10 ** max(exponent, 0)
    return _point(-units if sign else units, max(-exponent, 0), digits_min)


def money_text(units: int, decimals: int) -> str:
    """`units` of 10 ** -`decimals` as a decimal text such as "12.34"."""
    return _point(int(units), decimals, min(2, decimals))


def quantity_text(count: int, size: Decimal) -> str:
    """`count` ticks or lots of `size` as a decimal text."""
    return amount_text(count * size, 0)


def _point(units: int, decimals: int, digits_min: int) -> str:
    """Put the point into a whole number of units, and take zeros away behind it."""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    whole, fraction = digits[: len(digits) - decimals], digits[len(digits) - decimals :]
    fraction = fraction.rstrip("0").ljust(digits_min, "0")
    sign = "-" if units < 0 else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def time_text(ts_ns: int) -> str:
    """An ISO time in UTC with as many digits of a second as it takes (0, 3, 6 or 9)."""
    seconds, ns = divmod(int(ts_ns), _NS_PER_SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    if ns == 0:
        return text + "Z"
    digits = next(digits for digits in (3, 6, 9) if ns % 10 ** (9 - digits) == 0)
    return f"{text}.{ns // 10 ** (9 - digits):0{digits}d}Z"


def shown_time(text: str) -> str:
    """An ISO time to the minute, for the eye."""
    return text[:16].replace("T", " ")


def duration_text(duration_ns: int) -> str:
    """A duration in its two largest units, such as "3d 4h", "12m 5s" or "1.25s"."""
    seconds, ns = divmod(int(duration_ns), _NS_PER_SECOND)
    if seconds < 60:
        return f"{seconds + round(ns / 1e7) / 100:g}s"
    parts: list[str] = []
    for name, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count or parts:
            parts.append(f"{count}{name}")
    return " ".join(part for part in parts[:2] if part[0] != "0")


def shown_amount(text: str | None, digits: int = 2) -> str:
    """An exact amount rounded for the eye, with thousands apart; a dash for none."""
    return "–" if text is None else f"{Decimal(text):,.{digits}f}"
