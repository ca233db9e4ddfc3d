"""Rules that cannot be are refused when they are loaded, in one line that says what and where."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.configuration import parse_configuration
from adapters.configuration.fields import Section
from adapters.configuration.sections import DataSection, File
from adapters.configuration.values import parse_clock, parse_fraction, parse_measure, parse_rate
from adapters.errors import UserError
from engine import rules
from engine.kinds import Distance, Setting
from tests.support import ROOT
from tests.unit.configuration_support import FULL, PATH


def refusal(text: str) -> tuple[str, str, str]:
    """The line of the text that a refusal names, its key and its words."""
    with pytest.raises(UserError) as caught:
        parse_configuration(text, PATH)
    found = re.fullmatch(rf"{PATH}:(\d+): (\S+): (.*)", str(caught.value))
    assert found, str(caught.value)
    return text.splitlines()[int(found[1]) - 1].strip(), found[2], found[3]


# What is replaced, by what, how the line begins that is named (None: the replacement's last), the key, the words.
Bad = tuple[str, str, str | None, str, str]

RISK: list[Bad] = [
    ("duplicate_window", "duplicat_window", None, "risk.duplicat_window", "did you mean 'duplicate_window'?"),
    ('trading_state = "reduce_only"', 'trading_state = "halt"', None, "risk.trading_state", "did you mean 'halted'?"),
    ('gross_max = "50000"', 'gross_max = "0"', None, "risk.gross_max", "expected a decimal above 0, found 0"),
    ('gross_max = "50000"', 'gross_max = "5e10"', None, "risk.gross_max", "expected at most 11529215046.06846976"),
    ('leverage_max = "3"', 'leverage_max = "1001"', None, "risk.leverage_max", "expected at most 1000, found 1001"),
    ("open_orders_max = 20", "open_orders_max = 0", None, "risk.open_orders_max", "greater than or equal to 1"),
    ("open_orders_max = 20", "open_orders_max = 4294967296", None, "risk.open_orders_max", "at most 2147483648"),
    ('"10/1s"', '"10"', 'order_rate = "10"', "risk.order_rate", "expected a count in a time such as '10/1s'"),
    ('"10/1s"', '"0/1s"', 'order_rate = "0/1s"', "risk.order_rate", "expected a count in a time such as '10/1s'"),
    ('"10/1s"', '"10/5ns"', 'order_rate = "10/5ns"', "risk.order_rate", "expected at most one a nanosecond"),
    ('duplicate_window = "5s"', 'duplicate_window = "0s"', None, "risk.duplicate_window", "a duration above 0"),
    ('day_starts = "17:00"', 'day_starts = "25:00"', None, "risk.day_starts", "expected a time of day such as"),
    ('allow = ["BTC/USD"]', 'allow = ["BTC/USDT"]', None, "risk.allow", "did you mean 'BTC/USD'?"),
    ('allow = ["BTC/USD"]', "allow = []", None, "risk.allow", "expected a list of at least one text"),
    ('allow = ["BTC/USD"]', 'allow = "BTC/USD"', None, "risk.allow", "expected a list of at least one text"),
    ('collar = "0.02"', 'collar = "0.0000001"', None, "risk.collar", "whole millionths"),
    ('collar = "0.02"', 'collar = "-2%"', None, "risk.collar", "expected a fraction of 0 or more"),
    ('collar = "0.02"', 'collar = "2 %%"', None, "risk.collar", "expected a fraction such as '0.02' or '2%'"),
    ('order_quantity_max = "10"', 'order_quantity_max = "0.5"', None, "risk.order_quantity_max", "lots of 1,"),
    ('position_max = "20"', 'position_max = "0.00001"', None, "risk.position_max", "whole number of lots of 0.0001"),
    ('self_cross = "refuse"', 'self_cross = "refused"', None, "risk.self_cross", "did you mean 'refuse'?"),
    ('daily_loss_max = "0.03"', 'daily_loss_max = "1.5"', None, "risk.daily_loss_max", "expected at most 1, found 1.5"),
    ('drawdown_max = "0.2"', 'drawdown_max = "101%"', None, "risk.drawdown_max", "expected at most 1, found 1.01"),
    ("check_funds = false", 'check_funds = "no"', None, "accounts[0].risk.check_funds", "true or false, found 'no'"),
    ('gross_max = "900"', 'gros_max = "900"', None, "accounts[0].risk.gros_max", "did you mean 'gross_max'?"),
    ('collar = "1%"', 'colar = "1%"', None, "instruments[1].risk.colar", "did you mean 'collar'?"),
    ('backoff_max = "1m"', 'backoff_max = "1ms"', None, "transport.backoff_max", "expected at least backoff"),
    ('backoff = "2s"', "", "[accounts.transport]", "accounts[1].transport.backoff", "expected a value, found none"),
]
WINDOWS: list[Bad] = [
    ('"mon", "fri"', '"mon", "mon"', "days", "risk.windows[0].days", "expected each word once, found 'mon' again"),
    ('from = "22:00"', "from = 22:00:00", None, "risk.windows[1].from", "such as '09:30', found 22:00:00"),
    ('"mon", "fri"', '"mon", "fry"', "days", "risk.windows[0].days", "did you mean 'fri'?"),
    ('["mon", "fri"]', "[]", "days", "risk.windows[0].days", "expected a list of at least one of mon, tue"),
    ('to = "16:00"\nzone = "America/New', 'to = "09:30"\nzone = "America/New', "[[", "risk.windows[0]", "that opens"),
    ('from = "09:30"', 'from = "24:00"', "[[risk.windows]]", "risk.windows[0]", "expected a window that opens"),
    ('from = "09:30"', 'from = "9:30"', None, "risk.windows[0].from", "expected a time of day such as '09:30'"),
    ('from = "09:30"', 'from = "09:60"', None, "risk.windows[0].from", "expected a time of day such as '09:30'"),
    ('to = "02:00:30"', 'to = "24:00:01"', None, "risk.windows[1].to", "expected a time of day such as '09:30'"),
    ('zone = "America/New_York"', 'zone = "America/NewYork"', None, "risk.windows[0].zone", "mean 'America/New_York'?"),
    ('zone = "America/New_York"', 'zone = "?"', None, "risk.windows[0].zone", "one such as 'America/New_York'"),
    ('zone = "America/New_York"', 'zone = "Asia/Tokyo"', "zone", "risk.windows[1].zone", "expected one zone for all"),
    (
        "[signals]\nstrength_min",
        '[[risk.windows]]\nfrom = "05:00"\nto = "04:00"\nzone = "America/New_York"\n[signals]\nstrength_min',
        "[[risk.windows]]",
        "risk.windows[2]",
        "at most 4 windows, where one that passes midnight counts as two",
    ),
]
LEVELS: list[Bad] = [
    ('drawdown = "0.1"', 'drawdown = "0.05"', None, "risk.levels.steps[1].drawdown", "more than in the steps before"),
    ("losing_streak = 6", "losing_streak = 3", None, "risk.levels.steps[2].losing_streak", "more than in the steps"),
    ('"3.5"', '"1.5"', "volatility", "risk.levels.steps[2].volatility_ratio", "more than in the steps before"),
    ('scale = "0.25"', 'scale = "0.5"', None, "risk.levels.steps[1].scale", "expected less than the step before"),
    (
        'losing_streak = 4\nscale = "0.5"',
        'losing_streak = 4\nscale = "1"',
        None,
        "accounts[1].risk.levels.steps[0].scale",
        "than 1",
    ),
    ('drawdown = "0.1"\n', "", "[[risk.levels.steps]]", "risk.levels.steps[1]", "expected at least one of drawdown"),
    (
        "[[risk.windows]]",
        '[[risk.levels.steps]]\ndrawdown = "0.5"\nscale = 0\n[[risk.windows]]',
        "[risk.levels]",
        "risk.levels.steps",
        "expected at most 3 entries",
    ),
]
ENTRIES: list[Bad] = [
    (
        'payoff = "1.5"',
        'payoff = "0.8"',
        None,
        "instruments[1].sizing.payoff",
        "more than 0.818182, which wins nothing",
    ),
    ('target_weight = "1.2"', "", "[instruments.signals]", "instruments[1].signals.target_weight", "expected a share"),
    ("entries_max = 2", 'band = "0.1"', None, "signals.band", 'expected mode = "targets" with it'),
    ('mode = "targets"', 'mode = "target"', None, "instruments[1].signals.mode", "did you mean 'targets'?"),
    ('band = "0.02"', "entries_max = 2", None, "instruments[1].signals.entries_max", 'expected mode = "entries" with'),
    ("entries_max = 2", 'mode = "targets"\ntarget_weight = "1.5"', None, "signals.target_weight", "a cash account"),
    ('band = "0.02"', 'band = "1.2"', None, "instruments[1].signals.band", "expected at most 1, found 1.2"),
    ('method = "risk_based"', 'method = "risk_bsed"', None, "sizing.method", "did you mean 'risk_based'?"),
    ('risk = "1%"', "", "[sizing]", "sizing.risk", 'expected a value for method = "risk_based", found none'),
    ('risk = "1%"', 'risk = "1%"\namount = 5', None, "sizing.amount", 'expected method = "fixed_amount" with it'),
    ('risk = "1%"', 'risk = "101%"', None, "sizing.risk", "expected at most 1, found 1.01"),
    ('payoff = "1.5"', "", "[instruments.sizing]", "instruments[1].sizing.payoff", "win_rate and payoff together"),
    ('win_rate = "0.55"', "", "[instruments.sizing]", "instruments[1].sizing.win_rate", "win_rate and payoff together"),
    ('payoff = "1.5"', 'payoff = "1.5"\ntrades_min = 5', None, "instruments[1].sizing.trades_min", "without win_rate"),
    (
        'method = "risk_based"\nrisk = "1%"',
        'method = "fixed_fraction"\nfraction = "1.1"',
        None,
        "sizing.fraction",
        "expected at most 1 on a cash account",
    ),
    ('method = "risk_based"\nrisk = "1%"', 'method = "fixed_amount"', "[sizing]", "sizing.amount", "found none"),
    ('method = "risk_based"\nrisk = "1%"', 'method = "volatility_based"', "[sizing]", "sizing.volatility_target", ""),
    ('stop = "2%"\n', "", 'method = "risk_based"', "sizing.method", "expected a bracket of BTC/USD with a stop"),
]
BRACKETS: list[Bad] = [
    ('stop = "2%"', "stop = inf", None, "bracket.stop", "'150 ticks' or '2.5 ATR', found Infinity"),
    ('trailing = "3 ATR"', 'trailing = "9 ticks"', "trailing_step", "bracket.trailing_step", "distance of trailing, 9"),
    ('time_limit = "4h"', 'time_limit = "0s"', None, "bracket.time_limit", "expected a duration above 0, found 0"),
    ('stop = "2%"', 'stop = "100%"', None, "bracket.stop", "expected less than the whole price, found 100%"),
    ('stop = "2%"', 'stop = "0 ticks"', None, "bracket.stop", "expected a distance above 0 in whole ticks"),
    ('stop = "2%"', 'stop = "-5 ticks"', None, "bracket.stop", "expected a distance above 0 in whole ticks"),
    ('stop = "2%"', 'stop = "1.5 ticks"', None, "bracket.stop", "in whole ticks, found '1.5 ticks'"),
    ('stop = "2%"', 'stop = "0.02"', None, "bracket.stop", "expected a distance such as '2%', '150 ticks'"),
    ('stop = "2%"', 'stop = "1.2.3 ATR"', None, "bracket.stop", "expected a distance such as '2%', '150 ticks'"),
    ('stop = "2%"', 'stop = "2000 ATR"', None, "bracket.stop", "expected at most 1000000000"),
    ('at = "3%"', 'at = "0%"', "targets", "bracket.targets[1].at", "expected a distance above 0"),
    ('at = "3%"', 'at = "signal"', "targets", "bracket.targets[1].at", "expected a distance such as"),
    ('at = "3%", share = "0.5"', 'at = "3%", share = "0.6"', "targets", "bracket.targets[1].share", "found 1.1"),
    (
        '{at = "3%", share = "0.5"}',
        '{at = "3%"}',
        "targets",
        "bracket.targets[1].share",
        "expected shares of at most 1",
    ),
    ('at = "3%", share = "0.5"', 'at = "3%", share = 0', "targets", "bracket.targets[1].share", "above 0, found 0"),
    ('{at = "3%", share = "0.5"}', '{at="1%"}, ' * 4, "targets", "bracket.targets", "expected at most 4 entries"),
    ('trailing = "3 ATR"', 'trailing = "signal"', None, "bracket.trailing", "expected a distance such as"),
    ('trailing = "3 ATR"', 'trailing = "150%"', None, "bracket.trailing", "less than the whole price, found 150%"),
    ('trailing = "3 ATR"\n', "", "trailing_activation", "bracket.trailing_activation", "expected trailing with it"),
    ('break_even = "1.5%"\n', "", "break_even_offset", "bracket.break_even_offset", "expected break_even with it"),
    ('on_leg_rejected = "close"', 'on_leg_rejected = "shut"', None, "bracket.on_leg_rejected", "one of replace, close"),
    ('held_by = "engine"', 'held_by = "us"', None, "instruments[1].bracket.held_by", "one of exchange, engine"),
    ("stop_required = false", 'stop_required = "no"', None, "bracket.stop_required", "expected true or false"),
    ('stop = "40 ticks"\n', "", "[instruments.bracket]", "instruments[1].bracket.stop", "stop_required = false"),
    (
        'stop = "40 ticks"\ntargets = [{at = "2.5 ATR"}]',
        "stop_required = false",
        "[instruments.bracket]",
        "instruments[1].bracket",
        "expected at least one of stop, targets, trailing, time_limit",
    ),
]
STRATEGIES: list[Bad] = [
    ('weight = "2"', 'weight = "0"', None, "strategies[0].weight", "expected a fraction above 0, found 0"),
    ('weight = "2"', 'weight = "-1"', None, "strategies[0].weight", "expected a fraction of 0 or more"),
    ('weight = "2"', 'weight = "1001"', None, "strategies[0].weight", "expected at most 1000, found 1001"),
    ('confidence_min = "0.6"', 'confidence_min = "6"', None, "strategies[0].confidence_min", "at most 1, found 6"),
    ("executions_max = 32", "executions_max = 33", None, "strategies[0].executions_max", "expected at most 32"),
    ("executions_max = 32\n", "", "[[strategies]]", "strategies[0].executions_max", "executions_window together"),
    ('executions_window = "1h"\n', "", "[[strategies]]", "strategies[0].executions_window", "together"),
    (
        'instruments."ES"',
        'instruments."EX"',
        "[strategies",
        "strategies[0].instruments.EX",
        "expected one of BTC/USD, ES",
    ),
    ('weight = "0.5"', 'wieght = "0.5"', None, "strategies[0].instruments.ES.wieght", "did you mean 'weight'?"),
    ('name = "other"', 'name = "other"\nenabled = false', None, "strategies[1].enabled", "weights sum to 0"),
]
BREAKERS: list[Bad] = [
    (
        'actions = ["close_position", "block_entries"]',
        'actions = ["block_entries", "block_entries"]',
        None,
        "breakers[0].actions",
        "expected each word once, found 'block_entries' again",
    ),
    ('name = "drift"', 'name = "crash"', None, "breakers[2].name", "'crash' is used twice"),
    ('"price_jump"', '"price_jumps"', "condition", "breakers[0].condition", "did you mean 'price_jump'?"),
    (
        '"close_position", "block_entries"',
        '"close_positions"',
        "actions",
        "breakers[0].actions",
        "did you mean 'close_position'?",
    ),
    ('["alert"]', "[]", "actions", "breakers[1].actions", "expected a list of at least one of alert, block_entries"),
    ('rearm = "clear"', 'rearm = "cleared"', None, "breakers[0].rearm", "did you mean 'clear'?"),
    ('strategy = "other"', 'instrument = "ES"', None, "breakers[1].instrument", "one of everything, account, strategy"),
    ('strategy = "other"', 'strategy = "othr"', None, "breakers[1].strategy", "did you mean 'other'?"),
    (
        'strategy = "other"',
        'strategy = "other"\naccount = "spot"',
        "strategy",
        "breakers[1].strategy",
        "at most one of",
    ),
    ('window = "1m"\n', "", "[[breakers]]", "breakers[0].window", "expected the time that price_jump looks back"),
    ('limit = "0.8"', 'limit = "0.8"\nwindow = "1m"', None, "breakers[4].window", "margin_ratio has no window"),
    ("limit = 32", "limit = 33", None, "breakers[1].limit", "expected at most 32 in a window, found 33"),
    ("limit = 32", "limit = 0", None, "breakers[1].limit", "expected a limit above 0, found 0"),
    ("limit = 32", 'limit = "32"', None, "breakers[1].limit", "expected a whole number, found '32'"),
    ("limit = 32", "", "[[breakers]]", "breakers[1].limit", "expected a value, found none"),
    ('limit = "5%"', "limit = 0", None, "breakers[0].limit", "expected a limit above 0, found 0"),
    ('limit = "5%"', "limit = [1]", None, "breakers[0].limit", "expected a fraction such as"),
    ('limit = "30s"', "limit = 30", None, "breakers[3].limit", "expected a duration such as"),
    ('limit = "0.0003"', 'limit = "0.00031"', None, "breakers[2].limit", "expected a whole number of lots"),
    (
        'instrument = "BTC/USD"\nlimit = "0.0003"',
        "limit = 3",
        None,
        "breakers[2].limit",
        "a breaker for each instrument",
    ),
    (
        'condition = "margin_ratio"\naccount = "futures"\nlimit = "0.8"',
        'condition = "daily_loss"\naccount = "futures"\nlimit = "1.8"',
        None,
        "breakers[4].limit",
        "expected a fraction of at most 1",
    ),
    (
        'rearm = "cooldown"\ncooldown = "1m"',
        'rearm = "cooldown"',
        "[[breakers]]",
        "breakers[3].cooldown",
        "a duration for",
    ),
    ('limit = "0.8"', 'limit = "0.8"\ncooldown = "1m"', None, "breakers[4].cooldown", 'expected rearm = "cooldown"'),
    ('timer_interval = "1s"', "", "condition", "breakers[3].condition", "expected run.timer_interval with it"),
]
_FIRST = '{"risk.daily_loss_max" = "0.01", "breakers.rejections.enabled" = true}'
CHANGES: list[Bad] = [
    (
        _FIRST,
        '{"risk.daily_los_max" = "0.01"}',
        "set",
        "changes[0].set.risk.daily_los_max",
        "did you mean 'daily_loss_max'",
    ),
    (
        _FIRST,
        '{"risk.daily_loss_max" = "5"}',
        "set",
        "changes[0].set.risk.daily_loss_max",
        "expected at most 1, found 5",
    ),
    (_FIRST, '{"run.name" = "x"}', "set", "changes[0].set.run.name", "expected a path into one of risk, signals"),
    (_FIRST, '{"instruments.ES.tick_size" = 1}', "set", "changes[0].set.instruments.ES.tick_size", "does not change"),
    (_FIRST, '{"instruments.EX.risk.collar" = 1}', "set", "changes[0].set.instruments.EX.risk.collar", "BTC/USD, ES"),
    (_FIRST, '{"breakers.crash.name" = "x"}', "set", "changes[0].set.breakers.crash.name", "does not change"),
    (_FIRST, '{"breakers.crash.limit" = 0}', "set", "changes[0].set.breakers.crash.limit", "limit above 0, found 0"),
    (
        _FIRST,
        '{"risk.windows.from" = "08:00"}',
        "set",
        "changes[0].set.risk.windows.from",
        "an array is set as a whole",
    ),
    (_FIRST, '{"risk.collar.x" = "08:00"}', "set", "changes[0].set.risk.collar.x", "expected a table at collar"),
    (_FIRST, '{"risk.daily_loss_max" = "0.03"}', "[[changes]]", "changes[0]", "everything is as before"),
    (_FIRST, "{}", "[[changes]]", "changes[0]", "expected set or unset, found neither"),
    (_FIRST, "{risk = {}}", "[[changes]]", "changes[0]", "everything is as before"),
    (
        _FIRST,
        '{"strategies.ema.instruments.EX.weight" = 1}',
        "set",
        "changes[0].set.strategies.ema.instruments.EX.weight",
        "expected a symbol and a key",
    ),
    ('["risk.duplicate_window"]', '["risk.collars"]', "unset", "changes[1].unset", "that is set, found 'risk.collars'"),
    (
        '["risk.duplicate_window"]',
        '["bracket.stop"]',
        "unset",
        "changes[1].unset",
        "then sizing.method: expected a bra",
    ),
    ('at = "2018-01-02T18:00:00Z"', 'at = "2018-01-02T12:00:00Z"', None, "changes[1].at", "after the change before it"),
    ('at = "2018-01-02T18:00:00Z"', 'at = "noon"', None, "changes[1].at", "expected an ISO time"),
]
BAD = RISK + WINDOWS + LEVELS + ENTRIES + BRACKETS + STRATEGIES + BREAKERS + CHANGES


@pytest.mark.parametrize(("old", "new", "begins", "key", "words"), BAD, ids=lambda item: str(item)[:30])
def test_what_cannot_be_is_one_line_with_its_place(
    old: str, new: str, begins: str | None, key: str, words: str
) -> None:
    assert old in FULL
    line, named, message = refusal(FULL.replace(old, new, 1))
    assert named == key, (named, message)
    assert words in message, message
    assert line.startswith(begins if begins is not None else new.splitlines()[-1]), (line, message)


@pytest.mark.parametrize("key", ["gross_max", "net_max", "long_max", "short_max", "leverage_max"])
@pytest.mark.parametrize(("old", "new"), [("money_decimals = 8\n[accounts.tr", "money_decimals = 9\n[accounts.tr")])
def test_sums_over_accounts_need_one_money(key: str, old: str, new: str) -> None:
    text = FULL.replace(old, new)
    for other in ("gross_max", "net_max", "long_max", "short_max", "leverage_max"):
        if other != key:
            head, tail = text.split("\n[risk]\n")
            text = head + "\n[risk]\n" + re.sub(rf"^{other} = .*\n", "", tail, count=1, flags=re.MULTILINE)
    line, named, message = refusal(text)
    assert (named, line.split(" ")[0]) == (f"risk.{key}", key)
    assert "found spot USD with 8, futures USD with 9" in message


def test_a_strategys_loss_is_a_sum_over_accounts_too() -> None:
    text = FULL.replace("money_decimals = 8\n[accounts.tr", "money_decimals = 9\n[accounts.tr")
    text = re.sub(r"^\[risk\]\n(?:\S+ = .*\n)*", "[risk]\n", text, flags=re.MULTILINE)
    text = text[: text.index("[[changes]]")]
    line, named, _ = refusal(text)
    assert (line, named) == ('loss_max = "250"', "strategies[0].loss_max")


def test_reconciliation_of_instruments_with_one_lot_size_can_be_watched_together() -> None:
    text = FULL.replace('lot_size = "1"', 'lot_size = "0.0001"').replace(
        '\ninstrument = "BTC/USD"\nlimit = "0.0003"', "\nlimit = 3"
    )
    told = {rule.place: rule.value for rule in parse_configuration(text, PATH).rules.settings}
    assert told[rules.BREAKER.number("limit"), 0, 0, 0, 2] == 30_000


def values(text: str, table: rules.RuleTable, name: str) -> dict[int, int]:
    """The values of an account's or instrument's rule by the number of the account or instrument."""
    told = parse_configuration(text, PATH).rules.settings
    number = table.number(name)
    return {
        rule.account if table is rules.ACCOUNT else rule.instrument: rule.value
        for rule in told
        if rule.setting == number
    }


def test_funds_are_checked_where_there_is_a_table_of_risk() -> None:
    text = FULL.replace("check_funds = false\n", "")
    assert values(text, rules.ACCOUNT, "funds_checked") == {0: 1, 1: 1}
    without = text[: text.index("[risk]\n")]
    assert values(without, rules.ACCOUNT, "funds_checked") == {}
    assert values(text.replace("[risk]\n", "[risk]\ncheck_funds = false\n"), rules.ACCOUNT, "funds_checked") == {}


def test_an_instruments_own_sizing_takes_nothing_from_the_files() -> None:
    assert values(FULL, rules.INSTRUMENT, "risk_ppm") == {0: 10_000}
    assert values(FULL, rules.INSTRUMENT, "entries_per_day_max") == {1: 6}


def test_a_window_may_be_the_whole_day() -> None:
    text = FULL.replace('from = "17:00"\nto = "16:00"', 'from = "00:00"\nto = "24:00"')
    assert values(text, rules.WINDOW, "ends_ns")[1] == 86_400 * 10**9
    text = FULL.replace('from = "17:00"\nto = "16:00"', 'from = "17:00"\nto = "00:00"')
    assert values(text, rules.INSTRUMENT, "windows")[1] == 1


def test_what_changes_is_told_and_no_more() -> None:
    text = FULL.replace('["risk.duplicate_window"]', '["sizing", "bracket.targets", "bracket.trailing_step"]')
    first, second = parse_configuration(text, PATH).changes
    assert [rule.setting for rule in first.settings] == [
        rules.ACCOUNT.number("daily_loss_max_ppm"),
        rules.BREAKER.number("enabled"),
    ]
    gone = {rule.place[0] for rule in second.settings if rule.value == 0}
    names = ("sizing_method", "risk_ppm", "trail_step_ticks")
    assert gone == {
        *(rules.INSTRUMENT.number(name) for name in names),
        *(rules.TARGET.number(name) for name in rules.TARGET.bounds),
        Setting.TRADING_STATE,
        Setting.STRATEGY_ENABLED,
    }
    assert all(rule.instrument == 0 for rule in second.settings if rule.setting >= 300 and rule.setting < 400)


def test_the_longest_name_is_meant() -> None:
    text = FULL.replace('name = "drift"', 'name = "crash.btc"').replace(
        '"breakers.rejections.enabled" = true', '"breakers.crash.btc.limit" = "0.0005"'
    )
    change = parse_configuration(text, PATH).changes[0]
    assert (change.settings[-1].row, change.settings[-1].value) == (2, 5)


def keys_of(model: type[Section]) -> Iterator[str]:
    """The keys of a section and of those within it."""
    for name, field in model.model_fields.items():
        yield field.alias or name
        for annotation in (field.annotation, *get_args(field.annotation)):
            for part in (annotation, *get_args(annotation)):
                if isinstance(part, type) and issubclass(part, Section):
                    yield from keys_of(part)


def test_every_key_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    of_other_pages = {*keys_of(DataSection), "data"}
    keys = {key for key in keys_of(File) if key not in of_other_pages}
    assert {"drawdown_max", "share", "volatility_ratio", "at", "cancel_rate", "payoff"} <= keys
    assert not [key for key in sorted(keys) if not re.search(rf"\b{key}\b", page)]


def test_the_example_of_the_documentation_is_right() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    text = FULL[: FULL.index("[[changes]]")]
    text = text.replace(
        'order_quantity = "0.01"\n', 'order_quantity = "0.01"\n[instruments.sizing]\nmethod = "fixed_quantity"\n'
    )
    first, second = parse_configuration(text + example, PATH).changes
    assert len(first.settings) == 2
    assert len(second.settings) >= 4


@pytest.mark.parametrize(
    ("text", "expected"), [("2%", 20_000), ("0.02", 20_000), (1, 1_000_000), ("0.0001%", 1), ("250 %", 2_500_000)]
)
def test_fractions(text: Any, expected: int) -> None:
    assert parse_fraction(text) == expected


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("2%", Distance.PPM, 20_000),
        ("0.5 %", Distance.PPM, 5_000),
        ("150 ticks", Distance.TICKS, 150),
        ("1 tick", Distance.TICKS, 1),
        ("2.5 ATR", Distance.ATR, 2_500_000),
    ],
)
def test_distances(text: str, kind: Distance, value: int) -> None:
    measure = parse_measure(text)
    assert (measure.kind, measure.value) == (kind, value)


def test_clocks_and_rates() -> None:
    assert parse_clock("24:00") == 86_400 * 10**9
    assert parse_clock("09:30:15") == 34_215 * 10**9
    rate = parse_rate("20 / 1m30s")
    assert (rate.count, rate.window_ns) == (20, 90 * 10**9)


_VALUES = ["", "x", "1", '"1"', "-1", "0", "1e400", "nan", "[]", "{}", "[[1]]", "true", '""', "1979-05-27", "{a = 1}"]


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    line=st.integers(0, FULL.count("\n") - 1),
    value=st.sampled_from([*_VALUES, "'''", '"5%"', '["risk"]', "{risk = 1}"]),
)
def test_no_value_anywhere_leads_to_a_traceback(line: int, value: str) -> None:
    lines = FULL.splitlines()
    key, equals, _ = lines[line].partition("=")
    lines[line] = f"{key}= {value}" if equals else value
    message = str(PATH)
    try:
        parse_configuration("\n".join(lines), PATH)
    except UserError as error:
        message = str(error)
    assert message.startswith(str(PATH)) and "\n" not in message
