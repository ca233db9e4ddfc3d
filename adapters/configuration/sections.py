"""The sections of a configuration file as the user writes them; unknown keys are refused."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from adapters.configuration.fields import Count, Flag, Fraction, NotNegative, Positive, Ppm, Section, Span, Text
from adapters.configuration.live_section import LiveSection
from adapters.configuration.profiles import PROFILES, with_profile
from adapters.configuration.rule_sections import (
    AccountRiskSection,
    BracketSection,
    BreakerSection,
    ChangeSection,
    InstrumentRiskSection,
    PairSection,
    RiskSection,
    SignalsSection,
    SizingSection,
    TransportSection,
)
from adapters.configuration.values import DurationText, TimeText, shown

DataKind = Literal["bars", "quotes", "trades", "funding", "stream"]
DataFormat = Literal["csv", "parquet", "feather", "stream"]
TimeUnit = Literal["auto", "ns", "us", "ms", "s", "text"]

REQUIRED_COLUMNS: Mapping[str, frozenset[str]] = {
    "bars": frozenset({"open", "high", "low", "close"}),
    "quotes": frozenset({"bid", "ask"}),
    "trades": frozenset({"price", "quantity"}),
    "funding": frozenset({"rate"}),
    "stream": frozenset(),
}
OPTIONAL_COLUMNS: Mapping[str, frozenset[str]] = {
    "bars": frozenset({"volume"}),
    "quotes": frozenset({"bid_size", "ask_size", "sequence", "exchange_time"}),
    "trades": frozenset({"trade_id", "buyer_is_maker", "side", "exchange_time"}),
    "funding": frozenset({"mark"}),
    "stream": frozenset(),
}


def _column(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError(f"expected a column's name, or its number counted from 1, found {shown(value)}")
    if isinstance(value, int) and value < 1:
        raise ValueError(f"expected a column's number counted from 1, found {value}")
    return value


def _parameter(value: Any) -> Any:
    if not isinstance(value, bool | int | Decimal | str):
        raise ValueError(f"expected a number, a text, true or false, found {shown(value)}")
    return float(value) if isinstance(value, Decimal) else value


def _profile(value: Any) -> Any:
    if value not in PROFILES:
        raise ValueError(f"expected one of {', '.join(PROFILES)}; found {shown(value)}")
    return value


Column = Annotated[str | int, BeforeValidator(_column)]
Parameter = Annotated[bool | int | float | str, BeforeValidator(_parameter)]


class RunSection(Section):
    """`name` names the journal's folder, so it is letters, digits, dots, dashes and underscores."""

    name: Annotated[str, Field(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]
    timer_interval_ns: DurationText = Field(default=0, alias="timer_interval")


class JournalSection(Section):
    directory: Text | None = None
    block_events: Annotated[int, Field(strict=True, ge=1, le=1 << 20)] = 65_536
    snapshot_every_events: Count = 1_000_000


class AccountSection(Section):
    name: Text
    kind: Literal["cash", "margin"]
    currency: Text
    balance: NotNegative
    money_decimals: Annotated[int, Field(strict=True, ge=0, le=18)] | None = None
    risk: AccountRiskSection = AccountRiskSection()
    transport: TransportSection | None = None


class InstrumentSection(Section):
    symbol: Text
    account: Text
    kind: Literal["spot", "linear"]
    tick_size: Positive
    lot_size: Positive
    multiplier: Positive = Decimal(1)
    quantity_step: Positive | None = None
    quantity_min: Positive | None = None
    quantity_max: Positive | None = None
    notional_min: NotNegative = Decimal(0)
    maker_fee_bps: NotNegative = Decimal(0)
    taker_fee_bps: NotNegative = Decimal(0)
    fee_currency: Literal["quote", "base"] = "quote"
    margin_initial: Fraction | None = None
    margin_maintenance: Fraction | None = None
    order_quantity: Positive | None = None
    short_allowed: Flag | None = None
    risk: InstrumentRiskSection = InstrumentRiskSection()
    signals: SignalsSection | None = None
    sizing: SizingSection | None = None
    bracket: BracketSection | None = None


class ExchangeSection(Section):
    """The simulated exchange."""

    latency_in_ns: DurationText = Field(default=0, alias="latency_in")
    latency_out_ns: DurationText = Field(default=0, alias="latency_out")
    slippage: Literal["none", "ticks", "volume_share"] = "none"
    slippage_ticks: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    slippage_impact: Fraction | None = None
    bar_volume_share: Fraction | None = None
    queue: Literal["conservative"] = "conservative"


class StrategySection(Section):
    name: Text
    form: Literal["compiled", "python"]
    entry: Text
    parameters: Mapping[str, Parameter] = Field(default_factory=dict)
    enabled: Flag | None = None
    weight_ppm: Ppm | None = Field(default=None, alias="weight")
    confidence_min_ppm: Ppm | None = Field(default=None, alias="confidence_min")
    loss_max: Positive | None = None
    executions_max: Count | None = None
    executions_window_ns: Span | None = Field(default=None, alias="executions_window")
    instruments: Mapping[str, PairSection] = Field(default_factory=dict)


class TimeSection(Section):
    """Which column holds the time and how to read it.

    `unit` "auto" reads numbers by their size and text by its shape; `zone` is that of text without one;
    `stamps` says whether a bar's time is that of its open or of its close.
    """

    column: Column | None = None
    unit: TimeUnit = "auto"
    format: Text | None = None
    zone: Text | None = None
    stamps: Literal["open", "close"] = "open"


class DataSection(Section):
    """One source of market data. `path` is relative to the configuration file and may be a glob."""

    path: Text
    instrument: Text
    kind: DataKind | None = None
    format: DataFormat | None = None
    profile: Annotated[str, BeforeValidator(_profile)] | None = None
    interval_ns: DurationText | None = Field(default=None, alias="interval")
    time: TimeSection = TimeSection()
    columns: Mapping[str, Column] = Field(default_factory=dict)
    header: Flag | None = None
    symbol: Text | None = None
    bad_rows: Literal["stop", "skip"] = "stop"
    off_tick: Literal["bad", "round"] = "bad"
    start_ns: TimeText | None = Field(default=None, alias="start")
    end_ns: TimeText | None = Field(default=None, alias="end")

    @model_validator(mode="before")
    @classmethod
    def _merge_profile(cls, keys: Any) -> Any:
        return with_profile(keys) if isinstance(keys, Mapping) else keys


class File(Section):
    """A whole configuration file."""

    run: RunSection
    journal: JournalSection = JournalSection()
    accounts: Annotated[tuple[AccountSection, ...], Field(min_length=1)]
    instruments: Annotated[tuple[InstrumentSection, ...], Field(min_length=1)]
    exchange: ExchangeSection = ExchangeSection()
    strategies: tuple[StrategySection, ...] = ()
    data: tuple[DataSection, ...] = ()
    risk: RiskSection | None = None
    signals: SignalsSection | None = None
    sizing: SizingSection | None = None
    bracket: BracketSection | None = None
    transport: TransportSection | None = None
    breakers: tuple[BreakerSection, ...] = ()
    changes: tuple[ChangeSection, ...] = ()
    live: LiveSection | None = None
