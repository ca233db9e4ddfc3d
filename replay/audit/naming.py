"""What a person calls things, as numbers of the tape: kinds, symbols, strategies, orders."""

from collections.abc import Mapping, Sequence

from adapters.configuration.values import nearest
from adapters.errors import UserError
from adapters.journal import JournalReader, read_spans
from engine.kinds import DecisionKind, EventKind
from replay.audit.wording import kind_word
from replay.names import Names

Kinds = tuple[frozenset[EventKind] | None, frozenset[DecisionKind] | None]


def kinds_of(words: Sequence[str], option: str) -> Kinds:
    """The kinds of events and of decisions that words such as `order-filled` name; None and None for no words.

    Raises UserError.
    """
    if not words:
        return None, None
    known: dict[str, EventKind | DecisionKind] = {kind_word(kind): kind for kind in (*EventKind, *DecisionKind)}
    found = []
    for word in words:
        plain = word.lower().replace("_", "-")
        if plain not in known:
            raise UserError(f"{option} {word}: unknown kind{nearest(plain, known)}")
        found.append(known[plain])
    events = frozenset(kind for kind in found if isinstance(kind, EventKind))
    return events, frozenset(kind for kind in found if isinstance(kind, DecisionKind))


def instrument_of(names: Names, symbol: str, option: str) -> int:
    """The number of an instrument. Raises UserError."""
    return _number({number: name.symbol for number, name in names.instruments.items()}, symbol, "symbol", option)


def strategy_of(names: Names, name: str, option: str) -> int:
    """The number of a strategy. Raises UserError."""
    return _number(names.strategies, name, "strategy", option)


def check_order(reader: JournalReader, order: int, option: str) -> None:
    """Raises UserError where no such order was ever placed on the tape."""
    spans = read_spans(reader)
    placed = int(spans["placed_high"].max()) if len(spans) else 0
    if not 1 <= order <= placed:
        expected = f"expected one of the tape, 1 to {placed}" if placed else "the tape has none"
        raise UserError(f"{option} {order}: unknown order; {expected}")


def _number(named: Mapping[int, str], name: str, what: str, option: str) -> int:
    for number, known in named.items():
        if known == name:
            return number
    raise UserError(
        f"{option} {name}: unknown {what}{nearest(name, named.values()) if named else '; the tape has none'}"
    )
