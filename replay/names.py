"""What the numbers on a tape are called: symbols, currencies, strategies, breakers; from its own documents."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from adapters.configuration import Configuration
from adapters.journal import (
    AccountDocument,
    Block,
    BreakerDocument,
    ConfigurationDocument,
    Document,
    InstrumentDocument,
    JournalReader,
    StrategyDocument,
    read_spans,
)
from engine.kinds import EventKind
from engine.records import ACCOUNT_DEFINITION, CONFIGURATION, EVENT
from engine.rules import BREAKER

# The events whose documents give names.
NAMING = [
    *(int(EventKind.CONFIGURATION_CHANGED), int(EventKind.INSTRUMENT_DEFINED)),
    *(int(EventKind.ACCOUNT_DEFINED), int(EventKind.STRATEGY_DEFINED)),
]


@dataclass(frozen=True, slots=True)
class AccountName:
    """What an account is called; its money is units of 10 ** -`money_decimals` of the currency."""

    name: str
    currency: str
    money_decimals: int


@dataclass(frozen=True, slots=True)
class InstrumentName:
    """What an instrument is called; a price is ticks * tick_size, a quantity lots * lot_size.

    `account` is the number of the one whose money it is in.
    """

    symbol: str
    tick_size: Decimal
    lot_size: Decimal
    account: int = 0


@dataclass(slots=True)
class Names:
    """By number; what the tape does not name is called by its number."""

    accounts: dict[int, AccountName] = field(default_factory=dict)
    instruments: dict[int, InstrumentName] = field(default_factory=dict)
    strategies: dict[int, str] = field(default_factory=dict)
    breakers: dict[int, str] = field(default_factory=dict)
    # What the breaker in a row watches.
    conditions: dict[int, int] = field(default_factory=dict)
    configuration: str = ""

    def account(self, number: int) -> AccountName:
        return self.accounts.get(number) or AccountName(f"account {number}", "", 0)

    def instrument(self, number: int) -> InstrumentName:
        return self.instruments.get(number) or InstrumentName(f"instrument {number}", Decimal(1), Decimal(1))

    def strategy(self, number: int) -> str:
        """The strategy's name; empty for the number of none."""
        return self.strategies.get(number, "" if number < 0 else f"strategy {number}")

    def breaker(self, number: int) -> str:
        """The name of the breaker in this row."""
        return self.breakers.get(number, f"breaker {number}")


def read_names(reader: JournalReader, until_seq: int | None = None) -> Names:
    """The names that events up to `until_seq` (None: all) have given. Raises JournalDamaged.

    Read is only what names something: a long tape may have a document for every signal.
    """
    names = Names()
    last_seq = reader.last_seq if until_seq is None else min(until_seq, reader.last_seq)
    spans = read_spans(reader)
    for span in spans[spans["event_counts"][:, NAMING].any(axis=1) & (spans["first_seq"] <= last_seq)]:
        seq, end = int(span["first_seq"]), min(int(span["last_seq"]), last_seq)
        while seq <= end:
            block = reader.block_at(seq)
            _read_block(reader, block, end, names)
            seq = block.last_seq + 1
    return names


def _read_block(reader: JournalReader, block: Block, last_seq: int, names: Names) -> None:
    rows = block.events.view(CONFIGURATION)[: last_seq - block.first_seq + 1]
    for place in np.flatnonzero(np.isin(rows["kind"], NAMING) & (rows["document_hash"] != 0)).tolist():
        document = reader.document(block.first_seq + place)
        if isinstance(document, ConfigurationDocument):
            names.configuration = names.configuration or document.text
        elif document is not None:
            _name(names, document, rows[place : place + 1].view(EVENT)[0])


def configured_names(configuration: Configuration) -> Names:
    """The names that a configuration gives, as its tape will."""
    return Names(
        accounts={a.number: AccountName(a.name, a.currency, a.money_decimals) for a in configuration.accounts},
        instruments={
            i.number: InstrumentName(i.symbol, i.tick_size, i.lot_size, i.account) for i in configuration.instruments
        },
        strategies={number: strategy.name for number, strategy in enumerate(configuration.strategies)},
        breakers=dict(enumerate(configuration.breakers)),
        conditions={rule.row: rule.value for rule in configuration.rules.settings if rule.setting == BREAKER.base},
        configuration=configuration.text,
    )


def _name(names: Names, document: Document, event: Any) -> None:
    if isinstance(document, InstrumentDocument):
        sizes = Decimal(document.tick_size), Decimal(document.lot_size)
        names.instruments[document.number] = InstrumentName(document.symbol, *sizes, int(event["account"]))
    elif isinstance(document, BreakerDocument):
        names.breakers[document.number] = document.name
        names.conditions[document.number] = int(event.view(CONFIGURATION)["value"])
    elif isinstance(document, StrategyDocument):
        names.strategies[int(event["source"])] = document.name
    elif isinstance(document, AccountDocument):
        decimals = int(event.view(ACCOUNT_DEFINITION)["money_decimals"])
        names.accounts[int(event["account"])] = AccountName(document.name, document.currency, decimals)
