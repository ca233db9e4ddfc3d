"""Parts of sentences about a tape: names, and exact amounts in the units of their instrument or account."""

from decimal import Decimal
from typing import Any

from adapters.journal import ConfigurationDocument, Document, TextDocument
from adapters.report.amounts import money_text, quantity_text
from engine.kinds import OrderFlag, OrderType, TimeInForce
from replay.names import Names

_TEXT_SHOWN = 300
_PPM = Decimal(10_000)


def word_of(enum: Any, number: Any) -> str:
    """A number's name as words; the number where it has none."""
    try:
        return str(enum(int(number)).name).lower().replace("_", " ")
    except ValueError:
        return f"{enum.__name__.lower()} {int(number)}"


def grouped(text: str) -> str:
    return f"{Decimal(text):,f}"


def price_text(ticks: Any, row: Any, names: Names) -> str:
    return grouped(quantity_text(int(ticks), names.instrument(int(row["instrument"])).tick_size))


def lots_text(lots: Any, row: Any, names: Names) -> str:
    return grouped(quantity_text(int(lots), names.instrument(int(row["instrument"])).lot_size))


def units_text(units: Any, account: int, names: Names) -> str:
    name = names.account(account)
    return f"{grouped(money_text(int(units), name.money_decimals))} {name.currency}".rstrip()


def symbol_of(row: Any, names: Names) -> str:
    return names.instrument(int(row["instrument"])).symbol


def share_text(ppm: Any) -> str:
    return f"{Decimal(int(ppm)) / _PPM:f} %"


def owner_of(row: Any, names: Names) -> str:
    return names.account(int(row["account"])).name


def said_text(document: Document | None) -> str:
    """What a person or program wrote beside an event, on one line."""
    if isinstance(document, TextDocument):
        return f': "{_shortened(document.text)}" ({document.author})' if document.text else f" ({document.author})"
    if isinstance(document, ConfigurationDocument):
        lines = document.text.strip().splitlines()
        return (
            f" ({len(lines)} lines of {document.format})"
            if len(document.text) > _TEXT_SHOWN
            else f" ({'; '.join(lines)})"
        )
    return ""


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_SHOWN else line[: _TEXT_SHOWN - 1] + "…"


def terms_text(row: Any, names: Names, is_sell: bool) -> str:
    """Side, quantity, type and prices of an order."""
    parts = [f"{'sell' if is_sell else 'buy'} {lots_text(row['quantity_lots'], row, names)}", symbol_of(row, names)]
    parts.append(word_of(OrderType, row["order_type"]) if row["order_type"] else "")
    prices = [price_text(row[name], row, names) for name in ("limit_ticks", "trigger_ticks") if row[name]]
    parts.append(f"at {', trigger '.join(prices)}" if prices else "")
    if row["time_in_force"] not in (0, TimeInForce.GTC):
        parts.append(TimeInForce(int(row["time_in_force"])).name)
    flags = int(row["order_flags"])
    words = {OrderFlag.POST_ONLY: "post only", OrderFlag.REDUCE_ONLY: "reduce only"}
    parts += [word for flag, word in words.items() if flags & flag]
    parts += ["held by the engine"] if flags & OrderFlag.HELD_BY_ENGINE else []
    return " ".join(part for part in parts if part)
