"""The first events of a tape: what is traded, with what money, by which strategies, under which rules."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from adapters.configuration import Configuration, Instrument, instrument_settings
from adapters.journal import (
    AccountDocument,
    ConfigurationDocument,
    Document,
    InstrumentDocument,
    StrategyDocument,
    document_hash,
)
from engine.kinds import EventKind, Setting, TradingState
from engine.records import EVENT_BYTES, OVERLAYS
from replay.changes import fields_of, opening_rules


class _Tape:
    """Builds stated events one after another; the first has sequence number 1."""

    def __init__(self, ts_ns: int) -> None:
        self.ts_ns = ts_ns
        self.rows: list[NDArray[np.uint8]] = []
        self.documents: dict[int, Document] = {}

    def add(self, kind: EventKind, document: Document | None = None, **fields: int) -> None:
        row = np.zeros(EVENT_BYTES, dtype=np.uint8)
        event = row.view(OVERLAYS[kind])[0]
        event.ts_ns = self.ts_ns
        event.kind = kind
        for name, value in fields.items():
            event[name] = value
        self.rows.append(row)
        if document is not None:
            event.document_hash = document_hash(document)
            self.documents[len(self.rows)] = document


def opening_events(configuration: Configuration, ts_ns: int) -> tuple[NDArray[np.uint8], dict[int, Document]]:
    """The events (uint8, 64 bytes each) that start a tape at `ts_ns`, and the documents by sequence number."""
    tape = _Tape(ts_ns)
    tape.add(
        EventKind.CONFIGURATION_CHANGED,
        ConfigurationDocument(text=configuration.text, format="toml"),
        setting=Setting.TRADING_STATE,
        value=TradingState.ACTIVE,
    )
    _accounts(tape, configuration)
    _instruments(tape, configuration.instruments)
    for number, strategy in enumerate(configuration.strategies):
        document = StrategyDocument(
            name=strategy.name, form=strategy.form, entry=strategy.entry, parameters=dict(strategy.parameters)
        )
        tape.add(EventKind.STRATEGY_DEFINED, document, source=number)
    for rule, name in opening_rules(configuration, ts_ns):
        tape.add(EventKind.CONFIGURATION_CHANGED, name, **fields_of(rule))
    return np.concatenate(tape.rows), tape.documents


def _accounts(tape: _Tape, configuration: Configuration) -> None:
    for account in configuration.accounts:
        document = AccountDocument(name=account.name, currency=account.currency, account_kind=account.kind.name.lower())
        tape.add(
            EventKind.ACCOUNT_DEFINED,
            document,
            account=account.number,
            account_kind=account.kind,
            money_decimals=account.money_decimals,
        )
        tape.add(EventKind.CASH_MOVED, account=account.number, amount_units=account.balance_units)


def _instruments(tape: _Tape, instruments: Iterable[Instrument]) -> None:
    for instrument in instruments:
        document = InstrumentDocument(
            number=instrument.number,
            symbol=instrument.symbol,
            base_currency=instrument.base_currency,
            quote_currency=instrument.quote_currency,
            settlement_currency=instrument.settlement_currency,
            tick_size=str(instrument.tick_size),
            lot_size=str(instrument.lot_size),
            multiplier=str(instrument.multiplier),
        )
        tape.add(
            EventKind.INSTRUMENT_DEFINED,
            document,
            instrument=instrument.number,
            account=instrument.account,
            instrument_kind=instrument.kind,
            tick_lot_units=instrument.tick_lot_units,
            quantity_step_lots=instrument.quantity_step_lots,
            quantity_min_lots=instrument.quantity_min_lots,
            quantity_max_lots=instrument.quantity_max_lots,
            notional_min_units=instrument.notional_min_units,
        )
        tape.add(
            EventKind.INSTRUMENT_TERMS_DEFINED,
            instrument=instrument.number,
            account=instrument.account,
            margin_initial_ppm=instrument.margin_initial_ppm,
            margin_maintenance_ppm=instrument.margin_maintenance_ppm,
            maker_fee_ppm=instrument.maker_fee_ppm,
            taker_fee_ppm=instrument.taker_fee_ppm,
        )
        for rule in instrument_settings([instrument]):
            tape.add(EventKind.CONFIGURATION_CHANGED, None, **fields_of(rule))
