"""How one file is laid out: what the configuration says, and what only the file's own name can say."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from adapters.configuration import DataSection
from adapters.errors import UserError

_MS_PER_UNIT = {"m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_LEAN_INTERVAL_NS = {
    "tick": 0,
    "second": 1_000_000_000,
    "minute": 60_000_000_000,
    "hour": 3_600_000_000_000,
    "daily": 86_400_000_000_000,
}
# LEAN writes equity prices in deci-cents and stamps them with the time of the exchange.
_LEAN_PRICE_DIVISOR = {"equity": 10_000, "crypto": 1, "cryptofuture": 1, "forex": 1, "cfd": 1}
_LEAN_ZONE = {"equity": "America/New_York"}
_LEAN_EXAMPLE = "expected a LEAN path such as equity/usa/minute/spy/20131007_trade.zip"


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column plays which role ("time" is one), and how its values are read.

    `header` None is found out from the first line. Where `midnight` is given, times count from that day's
    start in `zone`. `one_sided` quotes give only the side that changed, the other is 0.
    """

    kind: str
    columns: Mapping[str, str | int]
    header: bool | None
    time_unit: str
    time_format: str | None
    zone: str
    stamps: str
    interval_ns: int
    midnight: date | None = None
    price_divisor: int = 1
    one_sided: bool = False


def layout_of(section: DataSection, path: Path) -> Layout:
    """The layout of a file of this `[[data]]` entry."""
    if section.profile == "lean":
        return _lean_layout(section, path)
    interval_ns = section.interval_ns or 0
    if section.profile == "freqtrade" and not interval_ns:
        interval_ns = _freqtrade_interval_ns(path)
    assert section.kind is not None, "the configuration requires a kind"
    return Layout(
        kind=section.kind,
        columns=section.columns if section.time.column is None else {**section.columns, "time": section.time.column},
        header=section.header,
        time_unit=section.time.unit,
        time_format=section.time.format,
        zone=section.time.zone or "UTC",
        stamps=section.time.stamps,
        interval_ns=interval_ns,
    )


def _freqtrade_interval_ns(path: Path) -> int:
    match = re.search(r"-(\d+)([mhdw])(?:-\w+)?\.feather$", path.name)
    if match is None:
        raise UserError(f"{path}: expected a name such as BTC_USDT-5m.feather, or the key interval")
    return int(match[1]) * _MS_PER_UNIT[match[2]] * 1_000_000


def _lean_layout(section: DataSection, path: Path) -> Layout:
    parts = path.parts
    resolution = next((part for part in reversed(parts[:-1]) if part in _LEAN_INTERVAL_NS), None)
    place = len(parts) - 1 - parts[::-1].index(resolution) if resolution else 0
    if resolution is None or place < 2 or parts[place - 2] not in _LEAN_PRICE_DIVISOR:
        raise UserError(f"{path}: the folders do not say what is inside; {_LEAN_EXAMPLE}")
    security = parts[place - 2]
    midnight = None if resolution in ("hour", "daily") else _lean_date(path)
    suffix = re.search(r"_(trade|quote)$", path.stem)
    content = suffix[1] if suffix else "quote" if security in ("forex", "cfd") else "trade"
    kind, columns = _lean_columns(security, resolution, content)
    if section.kind not in (None, kind):
        raise UserError(f'{path}: holds {kind}; the configuration expected kind = "{section.kind}"')
    return Layout(
        kind=kind,
        columns=columns,
        header=False,
        time_unit="text" if midnight is None else "ms",
        time_format="%Y%m%d %H:%M" if midnight is None else None,
        zone=section.time.zone or _LEAN_ZONE.get(security, "UTC"),
        stamps="open",
        interval_ns=_LEAN_INTERVAL_NS[resolution],
        midnight=midnight,
        price_divisor=_LEAN_PRICE_DIVISOR[security],
        one_sided=(security, resolution, content) == ("equity", "tick", "quote"),
    )


def _lean_date(path: Path) -> date:
    match = re.match(r"(\d{4})(\d\d)(\d\d)_", path.name)
    try:
        return date(*map(int, match.groups())) if match else date.fromisoformat("")
    except ValueError:
        raise UserError(f"{path}: the name does not start with a date; {_LEAN_EXAMPLE}") from None


def _lean_columns(security: str, resolution: str, content: str) -> tuple[str, Mapping[str, str | int]]:
    if resolution == "tick" and content == "trade":
        flags = {"suspicious": 6} if security == "equity" else {}
        return "trades", {"time": 1, "price": 2, "quantity": 3, **flags}
    if resolution == "tick" and security in ("forex", "cfd"):
        return "quotes", {"time": 1, "bid": 2, "ask": 3}
    if resolution == "tick":
        flags = {"suspicious": 8} if security == "equity" else {}
        return "quotes", {"time": 1, "bid": 2, "bid_size": 3, "ask": 4, "ask_size": 5, **flags}
    if content == "quote":
        # A quote bar becomes the quote at its close.
        return "quotes", {"time": 1, "bid": 5, "bid_size": 6, "ask": 10, "ask_size": 11}
    return "bars", {"time": 1, "open": 2, "high": 3, "low": 4, "close": 5, "volume": 6}
