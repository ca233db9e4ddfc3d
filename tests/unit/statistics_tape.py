"""Tapes written by hand for the figures: one account or more, bars and fills as a test says."""

from dataclasses import asdict

import numpy as np

from adapters.journal import (
    AccountDocument,
    ConfigurationDocument,
    Document,
    InstrumentDocument,
    JournalReader,
    Manifest,
    MemoryJournal,
    StrategyDocument,
    document_hash,
)
from engine.kinds import EventKind, FillFlag, FundingBasis, Setting
from engine.records import OVERLAYS
from engine.state import DEFAULT_LIMITS
from replay.recorder import state_digest
from replay.refold import Folder

SECOND_NS = 1_000_000_000
HOUR_NS = 3_600 * SECOND_NS
DAY_NS = 24 * HOUR_NS
START_NS = 1_512_086_400 * SECOND_NS  # 2017-12-01, a Friday
CONFIGURATION = '[run]\nname = "by hand"\n'


class Tape:
    """Events in order; `ts_ns` is the time of the next. Prices are ticks of 0.01, sizes lots of 0.1."""

    def __init__(self, deposits: tuple[int, ...] = (1_000_000,), currencies: tuple[str, ...] = ("USD",)) -> None:
        self.ts_ns = START_NS + 1
        self.rows: list[np.ndarray] = []
        self.documents: dict[int, Document] = {}
        self.trade_id = 0
        text = ConfigurationDocument(text=CONFIGURATION, format="toml")
        self.add(EventKind.CONFIGURATION_CHANGED, text, setting=Setting.TRADING_STATE, value=0)
        for number, (deposit, currency) in enumerate(zip(deposits, currencies, strict=True)):
            name = AccountDocument(name=f"account-{number}", currency=currency, account_kind="margin")
            self.add(EventKind.ACCOUNT_DEFINED, name, account=number, account_kind=1, money_decimals=3)
            self.add(EventKind.CASH_MOVED, account=number, amount_units=deposit)
        strategy = StrategyDocument(name="by hand", form="compiled", entry="none", parameters={})
        self.add(EventKind.STRATEGY_DEFINED, strategy, source=0)

    def add(self, kind: EventKind, document: Document | None = None, **fields: int) -> None:
        row = np.zeros(64, dtype=np.uint8)
        event = row.view(OVERLAYS[kind])[0]
        event.ts_ns = self.ts_ns
        event.kind = kind
        for name, value in fields.items():
            event[name] = value
        self.rows.append(row)
        if document is not None:
            event.document_hash = document_hash(document)
            self.documents[len(self.rows)] = document

    def instrument(self, number: int, symbol: str, account: int = 0) -> None:
        document = InstrumentDocument(
            number=number,
            symbol=symbol,
            base_currency="B",
            quote_currency="Q",
            settlement_currency="Q",
            tick_size="0.01",
            lot_size="0.1",
            multiplier="1",
        )
        sizes = {"tick_lot_units": 1, "quantity_step_lots": 1, "instrument_kind": 1}
        self.add(EventKind.INSTRUMENT_DEFINED, document, instrument=number, account=account, **sizes)

    def bar(self, instrument: int, close_ticks: int, open_ticks: int = 0, length_ns: int = HOUR_NS) -> None:
        first = open_ticks or close_ticks
        self.add(
            EventKind.BAR,
            instrument=instrument,
            ts_exchange_ns=self.ts_ns - length_ns,
            open_ticks=first,
            high_ticks=max(first, close_ticks) + 1,
            low_ticks=min(first, close_ticks),
            close_ticks=close_ticks,
        )

    def quote(self, instrument: int, bid_ticks: int, ask_ticks: int) -> None:
        self.add(
            EventKind.QUOTE, instrument=instrument, bid_ticks=bid_ticks, ask_ticks=ask_ticks, bid_lots=1, ask_lots=1
        )

    def fill(
        self, instrument: int, lots: int, price_ticks: int, fee: int = 0, account: int = 0, in_base: bool = False
    ) -> None:
        """Buy `lots`, or sell where negative."""
        self.trade_id += 1
        flags = (FillFlag.SELL if lots < 0 else 0) | (FillFlag.FEE_IN_BASE if in_base else 0)
        self.add(
            EventKind.ORDER_FILLED,
            instrument=instrument,
            account=account,
            fill_flags=flags,
            trade_id=self.trade_id,
            price_ticks=price_ticks,
            quantity_lots=abs(lots),
            fee=fee,
        )

    def funding(self, instrument: int, amount_units: int, account: int = 0) -> None:
        paid = {"basis": FundingBasis.AMOUNT, "amount_units": amount_units}
        self.add(EventKind.FUNDING, instrument=instrument, account=account, **paid)

    def reader(self, block_events: int = 64) -> JournalReader:
        """The tape as a journal in memory."""
        journal = MemoryJournal()
        manifest = Manifest(
            journal_id="0" * 32,
            engine_version="test",
            layout=asdict(DEFAULT_LIMITS),
            configuration_hash="",
            mode="backtest",
            created_ns=0,
        )
        folder = Folder(DEFAULT_LIMITS)
        with journal.create(manifest) as writer:
            for first in range(0, len(self.rows), block_events):
                rows = self.rows[first : first + block_events]
                events = np.concatenate(rows)
                decided = np.frombuffer(folder.fold(events, len(rows)), dtype=np.uint8)
                last = first + len(rows)
                documents = {seq: text for seq, text in self.documents.items() if first < seq <= last}
                writer.append(events, decided, state_digest(folder.state), documents)
        return journal.read()
