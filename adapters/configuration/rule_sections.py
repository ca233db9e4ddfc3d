"""The sections of the rules that trading keeps, as the user writes them.

A field has the name of its rule in `engine.rules`, its alias is the key in the file; money and quantities are
decimals here and have no unit in their names yet.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from adapters.configuration.fields import (
    Clock,
    Count,
    Flag,
    MeasureText,
    Positive,
    Ppm,
    PpmOrNone,
    RateText,
    Section,
    Span,
    StopText,
    Text,
    TrailText,
)
from adapters.configuration.values import PPM, TimeText, ZoneText, shown, word_of, words_of
from engine.kinds import BreakerAction, Condition, LegPolicy, RearmRule, SignalMode, SizingMethod, TradingState
from engine.rules import RISK_STEPS, TARGETS_MAX

DAYS = {day: 1 << place for place, day in enumerate(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))}
EVERY_DAY = 127


def _named(kinds: Any) -> dict[str, int]:
    return {kind.name.lower(): int(kind) for kind in kinds}


def _inverse(value: Any) -> int:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {shown(value)}")
    return int(not value)


def _texts(value: Any) -> Any:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError(f"expected a list of at least one text, found {shown(value)}")
    return tuple(value)


Days = Annotated[int, BeforeValidator(words_of(DAYS))]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
NotFlag = Annotated[int, BeforeValidator(_inverse)]


class LevelSection(Section):
    """One step of the risk level: what is reached, and what sizes are multiplied by from then on."""

    drawdown_ppm: Ppm | None = Field(default=None, alias="drawdown")
    volatility_ratio_ppm: Ppm | None = Field(default=None, alias="volatility_ratio")
    losing_streak: Count | None = None
    scale_ppm: PpmOrNone = Field(alias="scale")


class LevelsSection(Section):
    risk_hysteresis_ppm: Ppm | None = Field(default=None, alias="hysteresis")
    risk_hold_ns: Span | None = Field(default=None, alias="hold")
    steps: Annotated[tuple[LevelSection, ...], Field(min_length=1, max_length=RISK_STEPS)]


class WindowSection(Section):
    """When entries are allowed, by the clock of `zone`; up to a time at or before `from` it passes midnight."""

    days: Days = EVERY_DAY
    starts_ns: Clock = Field(alias="from")
    ends_ns: Clock = Field(alias="to")
    zone: ZoneText = "UTC"


class AccountDefaults(Section):
    """Rules of an account that `[risk]` can give for all of them."""

    daily_loss_max_ppm: Ppm | None = Field(default=None, alias="daily_loss_max")
    daily_loss_max: Positive | None = Field(default=None, alias="daily_loss_max_amount")
    drawdown_max_ppm: Ppm | None = Field(default=None, alias="drawdown_max")
    funds_checked: Flag | None = Field(default=None, alias="check_funds")
    levels: LevelsSection | None = None


class ExposureSection(Section):
    """Limits of exposure: of one account, or of all together."""

    gross_max: Positive | None = None
    net_max: Positive | None = None
    long_max: Positive | None = None
    short_max: Positive | None = None
    leverage_max_ppm: Ppm | None = Field(default=None, alias="leverage_max")


class AccountRiskSection(AccountDefaults, ExposureSection):
    """`[accounts.risk]`."""


class InstrumentDefaults(Section):
    """Rules of an instrument that `[risk]` can give for all of them."""

    collar_ppm: Ppm | None = Field(default=None, alias="collar")
    reference_age_max_ns: Span | None = Field(default=None, alias="reference_age_max")
    order_quantity_max: Positive | None = None
    order_notional_max: Positive | None = None
    position_max: Positive | None = None
    position_weight_max_ppm: Ppm | None = Field(default=None, alias="position_weight_max")
    cooldown_ns: Span | None = Field(default=None, alias="cooldown")
    loss_cooldown_ns: Span | None = Field(default=None, alias="loss_cooldown")
    self_cross_refused: Annotated[int, BeforeValidator(word_of({"allow": 0, "refuse": 1}))] | None = Field(
        default=None, alias="self_cross"
    )
    opens: tuple[WindowSection, ...] | None = Field(default=None, alias="windows")
    volatility_samples_min: Count | None = None
    variance_weight_ppm: Ppm | None = Field(default=None, alias="variance_weight")
    slow_variance_weight_ppm: Ppm | None = Field(default=None, alias="slow_variance_weight")
    atr_samples: Count | None = None


class InstrumentRiskSection(InstrumentDefaults):
    """`[instruments.risk]`."""

    entries_per_day_max: Count | None = None


class RiskSection(AccountDefaults, InstrumentDefaults, ExposureSection):
    """`[risk]`: limits of all accounts together, and what holds for each account and instrument without its own."""

    trading_state: Annotated[int, BeforeValidator(word_of(_named(TradingState)))] = int(TradingState.ACTIVE)
    open_orders_max: Count | None = None
    open_positions_max: Count | None = None
    entries_per_day_max: Count | None = None
    orders: RateText | None = Field(default=None, alias="order_rate")
    cancels: RateText | None = Field(default=None, alias="cancel_rate")
    duplicate_window_ns: Span | None = Field(default=None, alias="duplicate_window")
    day_offset_ns: Clock | None = Field(default=None, alias="day_starts")
    sample_interval_ns: Span | None = Field(default=None, alias="sample_interval")
    allow: Texts | None = None


class SignalsSection(Section):
    """How an instrument acts on signals."""

    signal_mode: Annotated[int, BeforeValidator(word_of(_named(SignalMode)))] = Field(
        default=int(SignalMode.ENTRIES), alias="mode"
    )
    strength_min_ppm: Ppm | None = Field(default=None, alias="strength_min")
    entries_max: Count | None = None
    target_weight_ppm: Ppm | None = Field(default=None, alias="target_weight")
    band_ppm: Ppm | None = Field(default=None, alias="band")
    trade_min: Positive | None = None


class SizingSection(Section):
    """How large an entry is."""

    sizing_method: Annotated[int, BeforeValidator(word_of(_named(SizingMethod)))] = Field(alias="method")
    amount: Positive | None = None
    fraction_ppm: Ppm | None = Field(default=None, alias="fraction")
    risk_ppm: Ppm | None = Field(default=None, alias="risk")
    volatility_target_ppm: Ppm | None = Field(default=None, alias="volatility_target")
    kelly_fraction_ppm: Ppm | None = Field(default=None, alias="kelly_fraction")
    kelly_win_ppm: Ppm | None = Field(default=None, alias="win_rate")
    kelly_payoff_ppm: Ppm | None = Field(default=None, alias="payoff")
    kelly_trades_min: Count | None = Field(default=None, alias="trades_min")


class TargetSection(Section):
    at: MeasureText
    share_ppm: Ppm = Field(default=PPM, alias="share")


class BracketSection(Section):
    """What protects a position from its first fill on."""

    stop: StopText | None = None
    targets: Annotated[tuple[TargetSection, ...], Field(max_length=TARGETS_MAX)] = ()
    trail: TrailText | None = Field(default=None, alias="trailing")
    trail_activation_ppm: Ppm | None = Field(default=None, alias="trailing_activation")
    trail_step_ticks: Count | None = Field(default=None, alias="trailing_step")
    break_even_ppm: Ppm | None = Field(default=None, alias="break_even")
    break_even_offset_ticks: Count | None = Field(default=None, alias="break_even_offset")
    time_limit_ns: Span | None = Field(default=None, alias="time_limit")
    held_by_engine: Annotated[int, BeforeValidator(word_of({"exchange": 0, "engine": 1}))] = Field(
        default=0, alias="held_by"
    )
    leg_policy: Annotated[int, BeforeValidator(word_of(_named(LegPolicy)))] = Field(
        default=int(LegPolicy.REPLACE), alias="on_leg_rejected"
    )
    leg_replacements_max: Count | None = Field(default=None, alias="replacements_max")
    stop_optional: NotFlag = Field(default=0, alias="stop_required")


class TransportSection(Section):
    """When the connection of an account to its exchange is given a rest."""

    transport_failures_max: Count = Field(alias="failures_max")
    transport_backoff_ns: Span = Field(alias="backoff")
    transport_backoff_max_ns: Span | None = Field(default=None, alias="backoff_max")


class PairSection(Section):
    """A strategy on an instrument."""

    weight_ppm: Ppm | None = Field(default=None, alias="weight")
    confidence_min_ppm: Ppm | None = Field(default=None, alias="confidence_min")
    disabled: NotFlag = Field(default=0, alias="enabled")


class BreakerSection(Section):
    """A breaker watches one condition; without an account, instrument or strategy it watches everything.

    What `limit` is, and what else there must be, depends on the condition.
    """

    name: Text
    condition: Annotated[int, BeforeValidator(word_of(_named(Condition)))]
    account: Text | None = None
    instrument: Text | None = None
    strategy: Text | None = None
    limit: Any
    window_ns: Span | None = Field(default=None, alias="window")
    actions: Annotated[int, BeforeValidator(words_of(_named(BreakerAction)))]
    rearm_rule: Annotated[int, BeforeValidator(word_of(_named(RearmRule)))] = Field(
        default=int(RearmRule.OPERATOR), alias="rearm"
    )
    cooldown_ns: Span | None = Field(default=None, alias="cooldown")
    enabled: Flag = True


class ChangeSection(Section):
    """Keys of rules that are set or taken back at a time, by their paths."""

    at_ns: TimeText = Field(alias="at")
    values: Mapping[str, Any] = Field(default_factory=dict, alias="set")
    removed: Texts = Field(default=(), alias="unset")
