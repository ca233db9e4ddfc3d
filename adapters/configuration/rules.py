"""Rules as numbers: one for each that is set, with the scope that its configuration event has."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from adapters.configuration.fields import Section
from adapters.configuration.terms import Location, Problem, decimal_unit, whole
from adapters.configuration.values import PPM
from engine.kinds import Setting
from engine.rules import RuleTable


@dataclass(frozen=True, slots=True)
class Rule:
    """One value of the configuration, with the number of its setting and its scope."""

    setting: int
    value: int
    account: int = 0
    instrument: int = 0
    strategy: int = 0
    row: int = 0

    @property
    def place(self) -> tuple[int, ...]:
        """What the rule sets: its setting and scope."""
        return self.setting, self.account, self.instrument, self.strategy, self.row

    def with_value(self, value: int) -> "Rule":
        return Rule(self.setting, value, self.account, self.instrument, self.strategy, self.row)


@dataclass(frozen=True, slots=True)
class Rules:
    """All rules that are set, in the order in which they are told; by instrument the zone of its windows, or ""."""

    settings: tuple[Rule, ...]
    zones: tuple[str, ...]


def changed(before: Sequence[Rule], after: Sequence[Rule]) -> tuple[Rule, ...]:
    """What must be told for the rules `after` to be in force where `before` are: those taken back first."""
    old = {rule.place: rule for rule in before}
    new = {rule.place: rule for rule in after}
    gone = [rule.with_value(_value_unset(rule)) for place, rule in old.items() if place not in new]
    moved = [
        rule for place, rule in new.items() if rule.value != (old[place].value if place in old else _value_unset(rule))
    ]
    return (*gone, *moved)


def _value_unset(rule: Rule) -> int:
    return 1 if rule.setting == Setting.STRATEGY_ENABLED else 0


@dataclass(frozen=True, slots=True)
class Layer:
    """A section that may hold values of a rule table; of `kind`'s fields alone, where it holds others too."""

    section: Section | None
    at: Location
    kind: type[Section] | None = None

    def look(self, name: str) -> tuple[Any, Location] | None:
        """The value of a field where it is given, and where it stands."""
        if self.section is None or name not in (fields := (self.kind or type(self.section)).model_fields):
            return None
        value = getattr(self.section, name)
        return None if value is None else (value, (*self.at, fields[name].alias or name))


@dataclass(frozen=True, slots=True)
class Scope:
    """The numbers of what a rule is for, and what money and quantities are counted in there."""

    account: int = 0
    instrument: int = 0
    strategy: int = 0
    money_decimals: int = 0
    lot_size: Decimal = Decimal(1)


@dataclass(slots=True)
class RuleList:
    """Collects rules in order; what is 0 is not set and not told. Raises `Problem` for what a rule cannot be."""

    rules: list[Rule] = field(default_factory=list)

    def add(self, table: RuleTable, name: str, value: int, at: Location, scope: Scope, row: int = 0) -> None:
        lowest, highest = table.bounds[name]
        if value > highest:
            raise Problem(at, f"expected at most {_shown(name, highest, scope)}, found {_shown(name, value, scope)}")
        if value < lowest:
            raise Problem(at, f"expected at least {_shown(name, lowest, scope)}, found {_shown(name, value, scope)}")
        if value != 0:
            self.tell(table, name, value, scope, row)

    def tell(self, table: RuleTable, name: str, value: int, scope: Scope, row: int = 0) -> None:
        """Add a rule as it is, also where it is 0."""
        number = table.number(name)
        self.rules.append(Rule(number, value, scope.account, scope.instrument, scope.strategy, row))

    def take(self, table: RuleTable, layers: Sequence[Layer], scope: Scope, row: int = 0) -> None:
        """Add every rule of the table that a layer gives; the first layer that does counts."""
        for name in table.bounds:
            stem = name.removesuffix("_units").removesuffix("_lots")
            found = next((found for layer in layers if (found := layer.look(stem))), None)
            if found is not None:
                value, at = found
                self.add(table, name, _number(name, value, at, scope), at, scope, row)


def _number(name: str, value: Any, at: Location, scope: Scope) -> int:
    if name.endswith("_units"):
        unit = decimal_unit(scope.money_decimals)
        return whole(value, unit, at, f"units of {unit}")
    if name.endswith("_lots"):
        return whole(value, scope.lot_size, at, f"lots of {scope.lot_size}")
    return int(value)


def _shown(name: str, value: int, scope: Scope) -> str:
    """A rule's number as the user writes it."""
    if name.endswith("_ppm"):
        return f"{Decimal(value) / PPM:f}"
    if name.endswith("_units"):
        return f"{value * decimal_unit(scope.money_decimals):f}"
    if name.endswith("_lots"):
        return f"{value * scope.lot_size:f}"
    return str(value)
