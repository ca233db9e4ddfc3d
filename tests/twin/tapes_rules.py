"""Rules for random tapes, with figures so small that they bind."""

from collections.abc import Callable

from engine import rules
from engine.kinds import EventKind
from engine.rules import RuleTable
from tests.twin.engine import Twin
from tests.twin.events import event

Choose = Callable[[int], int]
Event = dict[str, int]

HOUR_NS = 3_600 * 10**9
_EXPOSURES = {
    "gross_max_units": (0, 2_000, 30_000, 500_000),
    "net_max_units": (0, 1_500, 20_000, 400_000),
    "long_max_units": (0, 1_500, 20_000, 400_000),
    "short_max_units": (0, 1_500, 20_000, 400_000),
    "leverage_max_ppm": (0, 3_000, 100_000, 1_000_000),
}
_BOOK = {
    **_EXPOSURES,
    "open_orders_max": (0, 1, 3),
    "open_positions_max": (0, 1, 2),
    "entries_per_day_max": (0, 1, 4),
    "order_rate": (0, 1, 2, 3),
    "order_rate_window_ns": (5_000, 0, 100, HOUR_NS, 7),
    "cancel_rate": (0, 1, 2),
    "cancel_rate_window_ns": (5_000, 0, 100, HOUR_NS, 7),
    "duplicate_window_ns": (0, 50, 5_000, 40 * HOUR_NS),
    "day_offset_ns": (0, HOUR_NS, -HOUR_NS),
    "sample_interval_ns": (0, 3, 1_000),
}
_ACCOUNT = {
    **_EXPOSURES,
    "daily_loss_max_units": (0, 20, 2_000),
    "daily_loss_max_ppm": (0, 100, 20_000),
    "drawdown_max_ppm": (0, 100, 20_000),
    "funds_checked": (0, 1, 1),
    "risk_hysteresis_ppm": (0, 100_000, 500_000, 1_000_000),
    "risk_hold_ns": (0, 5, 2_000),
}
_CHECKS = {
    "blocked": (0, 0, 1),
    "collar_ppm": (0, 10_000, 100_000),
    "reference_age_max_ns": (0, 30, 5_000),
    "order_quantity_max_lots": (0, 4, 11),
    "order_notional_max_units": (0, 500, 3_000, 2_000_000),
    "position_max_lots": (0, 5, 15),
    "position_weight_max_ppm": (0, 1_000, 20_000, 1_500_000),
    "entries_per_day_max": (0, 1, 3),
    "cooldown_ns": (0, 50, 5_000, 40 * HOUR_NS),
    "loss_cooldown_ns": (0, 500, 20 * HOUR_NS),
    "windows": (0, 1, 2),
    "zone_offset_ns": (0, HOUR_NS, -2 * HOUR_NS),
    "self_cross_refused": (0, 1),
}
_SIGNALS = {
    "signal_mode": (0, 1),
    "strength_min_ppm": (0, 300_000, 700_000),
    "entries_max": (0, 1, 2, 3),
    "target_weight_ppm": (20_000, 0, 500_000, 1_500_000),
    "band_ppm": (0, 1_000, 20_000),
    "trade_min_units": (0, 900, 20_000),
}
_SIZING = {
    "sizing_method": (0, 1, 2, 3, 4, 5),
    "amount_units": (1_000, 0, 50, 1_000_000),
    "fraction_ppm": (0, 2_000, 1_000_000),
    "risk_ppm": (1_000, 0, 20_000),
    "volatility_target_ppm": (5_000, 0, 100_000),
    "volatility_samples_min": (0, 2, 3),
    "kelly_fraction_ppm": (0, 1_000_000, 100_000),
    "kelly_win_ppm": (0, 600_000, 400_000),
    "kelly_payoff_ppm": (2_000_000, 0, 500_000),
    "kelly_trades_min": (0, 1, 2),
    "variance_weight_ppm": (0, 500_000),
    "slow_variance_weight_ppm": (0, 100_000),
}
_STRATEGY = {
    "weight_ppm": (0, 1, 500_000, 3_000_000),
    "confidence_min_ppm": (0, 400_000, 900_000),
    "loss_max_units": (0, 10, 500),
    "executions_max": (0, 1, 2),
    "executions_window_ns": (2_000, 0, 40 * HOUR_NS),
}
_PAIR = {"weight_ppm": (0, 1, 2_000_000), "confidence_min_ppm": (0, 700_000), "disabled": (0, 0, 1)}
_WINDOW = {
    "days": (127, 0, 8, 62),
    "starts_ns": (0, HOUR_NS, 23 * HOUR_NS),
    "ends_ns": (24 * HOUR_NS, 12 * HOUR_NS, 0),
}
_RISK_STEP = {
    "drawdown_ppm": (0, 500, 20_000, 100_000),
    "volatility_ratio_ppm": (0, 900_000, 1_200_000),
    "losing_streak": (0, 1, 2),
    "scale_ppm": (500_000, 0, 250_000, 1_000_000),
}
# What trips soon: drawdowns, losses, streaks, exposure, rejections, failures; and then blocks for a while.
_BREAKER = {
    "condition": (1, 2, 3, 4, 5, 10, 12, 13),
    "scope": (0,),
    "actions": (2, 3, 4, 16),
    "limit": (1, 50, 2_000),
    "window_ns": (5_000,),
    "rearm_rule": (1, 2, 0, 3),
    "cooldown_ns": (500, 0, HOUR_NS),
    "enabled": (1,),
}
_KINDS: list[tuple[RuleTable, dict[str, tuple[int, ...]]]] = [
    (rules.BOOK, _BOOK),
    (rules.ACCOUNT, _ACCOUNT),
    (rules.INSTRUMENT, _CHECKS),
    (rules.INSTRUMENT, _CHECKS),
    (rules.INSTRUMENT, _SIGNALS),
    (rules.INSTRUMENT, _SIGNALS),
    (rules.INSTRUMENT, _SIZING),
    (rules.INSTRUMENT, _SIZING),
    (rules.STRATEGY, _STRATEGY),
    (rules.STRATEGY, _STRATEGY),
    (rules.BOOK, _BOOK),
    (rules.PAIR, _PAIR),
    (rules.WINDOW, _WINDOW),
    (rules.RISK_STEP, _RISK_STEP),
    (rules.RISK_STEP, _RISK_STEP),
]


def rule(twin: Twin, choose: Choose) -> Event:
    """One rule anew; those that bind stay a while, then one of them goes."""
    instrument = (0, 1, 2, 0)[choose(4)]
    account = int(instrument == 1)
    scope = {"instrument": instrument, "account": account, "source": choose(2), "row": choose(3)}
    table, values = _KINDS[choose(len(_KINDS))]
    if choose(2):
        return bundle(twin, choose)
    name = list(values)[choose(len(values))]
    value = values[name][choose(len(values[name]))]
    if choose(40) == 39:
        scope |= {"row": 4 * choose(3) - 1, "source": choose(5), "account": choose(4)}
    if choose(40) == 39:
        lowest, highest = table.bounds[name]
        value = (lowest - 1, highest + 1)[choose(2)]
    number = table.number(name) if choose(60) else 50 * choose(13) + 49
    return event(EventKind.CONFIGURATION_CHANGED, setting=number, value=value, **scope)


# Rules that do something only together.
_BUNDLES: list[list[tuple[RuleTable, dict[str, tuple[int, ...]]]]] = [
    [
        (
            rules.INSTRUMENT,
            {"signal_mode": (1,), "target_weight_ppm": (20_000, 500_000), "band_ppm": (0, 5_000, 400_000)},
        )
    ],
    [
        (
            rules.INSTRUMENT,
            {"signal_mode": (1,), "target_weight_ppm": (10_000, 800_000), "trade_min_units": (900, 9_000)},
        )
    ],
    [(rules.INSTRUMENT, {"sizing_method": (1,), "amount_units": (1_000, 3_000), "entries_max": (2, 3)})],
    [(rules.INSTRUMENT, {"sizing_method": (2,), "fraction_ppm": (2_000, 20_000), "entries_max": (1, 3)})],
    [(rules.INSTRUMENT, {"sizing_method": (3,), "risk_ppm": (100, 1_000), "bracketed": (1,), "stop_distance": (2,)})],
    [(rules.INSTRUMENT, {"sizing_method": (4,), "volatility_target_ppm": (5_000, 100_000)})],
    [(rules.INSTRUMENT, {"volatility_samples_min": (2, 1)}), (rules.BOOK, {"sample_interval_ns": (3, 0, 50)})],
    [(rules.INSTRUMENT, {"sizing_method": (5,), "kelly_trades_min": (1, 2), "kelly_win_ppm": (0, 0, 600_000)})],
    [
        (
            rules.INSTRUMENT,
            {"sizing_method": (5,), "kelly_win_ppm": (600_000, 300_000), "kelly_payoff_ppm": (2_000_000,)},
        )
    ],
    [(rules.BOOK, {"order_rate": (1, 2), "order_rate_window_ns": (5_000, HOUR_NS, 60)})],
    [(rules.BOOK, {"cancel_rate": (1, 2), "cancel_rate_window_ns": (5_000, HOUR_NS, 60)})],
    [(rules.STRATEGY, {"executions_max": (1, 2), "executions_window_ns": (500, HOUR_NS)})],
    [(rules.WINDOW, _WINDOW), (rules.INSTRUMENT, {"windows": (1, 2)})],
    [(rules.RISK_STEP, _RISK_STEP)],
    [(rules.RISK_STEP, {"drawdown_ppm": (100, 10_000), "scale_ppm": (500_000, 0, 300_000)})],
    [
        (rules.INSTRUMENT, {"sizing_method": (1,), "amount_units": (1_000,), "entries_max": (4,)}),
        (rules.BOOK, {"duplicate_window_ns": (5_000, 40 * HOUR_NS)}),
    ],
    [(rules.INSTRUMENT, {"sizing_method": (1,), "amount_units": (900,), "entries_max": (4,), "cooldown_ns": (5_000,)})],
    [(rules.INSTRUMENT, {"sizing_method": (2,), "self_cross_refused": (1,), "entries_max": (3,)})],
    [(rules.INSTRUMENT, {"self_cross_refused": (1,), "cooldown_ns": (0, 500), "entries_per_day_max": (0, 1, 2)})],
    [(rules.INSTRUMENT, {"order_quantity_max_lots": (4, 11), "order_notional_max_units": (0, 900)})],
    [(rules.INSTRUMENT, {"position_weight_max_ppm": (0, 800, 10_000), "position_max_lots": (0, 4, 14)})],
    [(rules.ACCOUNT, {"short_max_units": (500, 5_000), "long_max_units": (0, 900)})],
    [(rules.ACCOUNT, {"daily_loss_max_ppm": (10, 200), "drawdown_max_ppm": (0, 50), "daily_loss_max_units": (0, 10)})],
    [(rules.BOOK, {"open_orders_max": (1, 2), "open_positions_max": (1, 2), "entries_per_day_max": (0, 2, 3)})],
    [(rules.STRATEGY, {"loss_max_units": (1, 30)})],
    [(rules.ACCOUNT, {"transport_failures_max": (1, 2), "transport_backoff_ns": (500, HOUR_NS)})],
    [(rules.BREAKER, _BREAKER)],
    [(rules.BREAKER, _BREAKER)],
    [(rules.INSTRUMENT, {"collar_ppm": (5_000, 50_000)})],
    [(rules.INSTRUMENT, {"loss_cooldown_ns": (5_000, 40 * HOUR_NS)})],
    [(rules.ACCOUNT, {"funds_checked": (1,), "risk_hold_ns": (0, 500), "risk_hysteresis_ppm": (0, 300_000)})],
]


def bundle(twin: Twin, choose: Choose) -> Event:
    """The first of some rules that belong together; the others are what the tape says next."""
    instrument = (0, 1, 2, 0)[choose(4)]
    scope = {"instrument": instrument, "account": int(instrument == 1), "source": choose(2), "row": choose(2)}
    made = [
        event(EventKind.CONFIGURATION_CHANGED, setting=table.number(name), value=values[choose(len(values))], **scope)
        for table, names in _BUNDLES[choose(len(_BUNDLES))]
        for name, values in names.items()
    ]
    twin.planned += made[1:]
    return made[0]


def mildly(twin: Twin, choose: Choose) -> Event:
    """A rule that is set is taken back, so that a tape goes on trading."""
    found = [(rules.BOOK, {}, name) for name, value in twin.book.items() if value]
    for number, row in twin.account_rules.items():
        found += [(rules.ACCOUNT, {"account": number}, name) for name, value in row.items() if value]
    for number, row in twin.instrument_rules.items():
        names = [name for name, value in row.items() if value and name in _CHECKS]
        found += [(rules.INSTRUMENT, {"instrument": number}, name) for name in names]
    for number, row in twin.strategy_rules.items():
        found += [(rules.STRATEGY, {"source": number}, name) for name, value in row.items() if value]
    if not found:
        return rule(twin, choose)
    table, scope, name = found[choose(len(found))]
    return event(EventKind.CONFIGURATION_CHANGED, setting=table.number(name), value=0, **scope)
