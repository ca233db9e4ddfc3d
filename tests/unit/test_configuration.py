"""A configuration is either right, or refused with one line that says where and what was expected."""

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.configuration import SlippageModel, load_configuration, parse_configuration
from adapters.configuration.values import parse_duration, parse_time
from adapters.errors import UserError
from engine.kinds import AccountKind, InstrumentKind
from tests.support import ROOT

GOOD = """\
[run]
name = "first"
timer_interval = "1h30m"

[journal]
directory = "tapes/first"
block_events = 1000
snapshot_every_events = 5000

[[accounts]]
name = "spot"
kind = "cash"
currency = "USDT"
balance = "1000.5"

[[accounts]]
name = "futures"
kind = "margin"
currency = "USD"
balance = 100_000
money_decimals = 9

[[instruments]]
symbol = "BTC/USDT"
account = "spot"
kind = "spot"
tick_size = "0.01"
lot_size = "0.00001"
quantity_step = "0.0001"
quantity_max = "100"
notional_min = 5
maker_fee_bps = 10
taker_fee_bps = 7.5
fee_currency = "base"
order_quantity = "0.01"

[[instruments]]
symbol = "ES"
account = "futures"
kind = "linear"
tick_size = 0.25
lot_size = "1"
multiplier = 50
margin_initial = "0.05"
margin_maintenance = 0.04

[exchange]
latency_in = "250ms"
latency_out = "3us"
slippage = "volume_share"
slippage_impact = "0.1"
bar_volume_share = "0.25"

[[strategies]]
name = "ema"
form = "compiled"
entry = "adapters.strategies.ema_cross"
[strategies.parameters]
fast = 10
slow = 20.5

[[data]]
path = "bars.csv"
instrument = "BTC/USDT"
kind = "bars"
interval = "30m"
time = {column = "Date", zone = "UTC"}
columns = {open = "o", high = "h", low = "l", close = 5}
start = 2017-12-01T00:00:00Z
end = "2018-01-01"
"""
PATH = Path("folder/first.toml")


def test_a_full_configuration_in_the_engines_integers() -> None:
    configuration = parse_configuration(GOOD, PATH)
    assert configuration.text == GOOD
    assert configuration.directory == Path("folder")
    assert configuration.journal_directory == Path("tapes/first")
    assert configuration.timer_interval_ns == 5_400_000_000_000
    spot, futures = configuration.accounts
    assert (spot.kind, spot.money_decimals, spot.balance_units) == (AccountKind.CASH, 8, 100_050_000_000)
    assert (futures.kind, futures.money_decimals, futures.balance_units) == (AccountKind.MARGIN, 9, 10**14)
    btc, es = configuration.instruments
    assert (btc.number, btc.base_currency, btc.quote_currency, btc.settlement_currency) == (0, "BTC", "USDT", "USDT")
    assert (btc.kind, btc.account, btc.fee_in_base, btc.short_allowed) == (InstrumentKind.SPOT, 0, True, False)
    assert (btc.tick_lot_units, btc.quantity_step_lots, btc.quantity_min_lots) == (10, 10, 10)
    assert (btc.quantity_max_lots, btc.order_quantity_lots) == (10_000_000, 1_000)
    assert (btc.notional_min_units, btc.maker_fee_ppm, btc.taker_fee_ppm) == (500_000_000, 1_000, 750)
    assert (es.kind, es.tick_lot_units, es.short_allowed) == (InstrumentKind.LINEAR, 12_500_000_000, True)
    assert (es.margin_initial_ppm, es.margin_maintenance_ppm) == (50_000, 40_000)
    assert (es.quantity_max_lots, es.order_quantity_lots) == (0, 0)
    exchange = configuration.exchange
    assert (exchange.latency_in_ns, exchange.latency_out_ns) == (250_000_000, 3_000)
    assert (exchange.slippage_model, exchange.impact_ppm) == (SlippageModel.VOLUME_SHARE, 100_000)
    assert (exchange.volume_share_ppm, exchange.slippage_ticks) == (250_000, 0)
    assert configuration.strategies[0].parameters == {"fast": 10, "slow": 20.5}
    data = configuration.data[0]
    assert (data.interval_ns, data.start_ns, data.end_ns) == (1_800 * 10**9, 1512086400 * 10**9, 1514764800 * 10**9)


def test_the_journal_lands_under_the_runs_name_by_default() -> None:
    text = GOOD.replace('directory = "tapes/first"\n', "")
    assert parse_configuration(text, PATH).journal_directory == Path("journals/first")


def test_money_takes_as_many_decimals_as_a_tick_of_a_lot_needs() -> None:
    text = GOOD.replace('lot_size = "0.00001"', 'lot_size = "0.00000001"')
    assert parse_configuration(text, PATH).accounts[0].money_decimals == 10


def test_money_takes_fewer_decimals_where_the_balance_is_large() -> None:
    text = GOOD.replace('balance = "1000.5"', 'balance = "900000000"')
    assert parse_configuration(text, PATH).accounts[0].money_decimals == 7


# What is replaced, by what, the line that is named, the key and the words of the message.
BAD = [
    ('name = "first"', "", 1, "run.name", "expected a value, found none"),
    ('name = "first"', 'name = "a/b"', 2, "run.name", "expected letters, digits"),
    ('name = "first"', 'name = ""', 2, "run.name", "expected letters, digits"),
    ('timer_interval = "1h30m"', 'timer_interval = "soon"', 3, "run.timer_interval", "expected a duration such as"),
    ('timer_interval = "1h30m"', 'timer_interval = "1000000d"', 3, "run.timer_interval", "at most 100 years"),
    ("block_events = 1000", 'block_events = "many"', 7, "journal.block_events", "whole number, found 'many'"),
    ("block_events = 1000", "block_events = 0", 7, "journal.block_events", "greater than or equal to 1"),
    ("block_events = 1000", "block_evnts = 1000", 7, "journal.block_evnts", "did you mean 'block_events'?"),
    ("[journal]", "[jurnal]", 5, "jurnal", "did you mean 'journal'?"),
    ('kind = "cash"', 'kind = "savings"', 12, "accounts[0].kind", "expected 'cash' or 'margin', found 'savings'"),
    ('balance = "1000.5"', 'balance = "-5"', 14, "accounts[0].balance", "expected 0 or more, found -5"),
    ('balance = "1000.5"', 'balance = "much"', 14, "accounts[0].balance", "expected a decimal such as '0.01'"),
    ('balance = "1000.5"', "balance = true", 14, "accounts[0].balance", "such as '0.01', found true"),
    ('balance = "1000.5"', "balance = nan", 14, "accounts[0].balance", "expected a finite decimal"),
    ('balance = "1000.5"', 'balance = "1e17"', 14, "accounts[0].balance", "expected money that fits 64 bits"),
    ('name = "futures"', 'name = "spot"', 17, "accounts[1].name", "'spot' is used twice"),
    ("money_decimals = 9", "money_decimals = 0", 21, "accounts[1].money_decimals", "expected at least 1"),
    ('account = "spot"', 'account = "sport"', 25, "instruments[0].account", "one of the accounts spot, futures"),
    ('symbol = "ES"', 'symbol = "BTC/USDT"', 38, "instruments[1].symbol", "'BTC/USDT' is used twice"),
    ('symbol = "BTC/USDT"', 'symbol = "BTC/EUR"', 24, "instruments[0].symbol", "that settles in USDT"),
    ('tick_size = "0.01"', 'tick_size = "0"', 27, "instruments[0].tick_size", "expected a decimal above 0, found 0"),
    ('tick_size = "0.01"', "", 23, "instruments[0].tick_size", "expected a value, found none"),
    ('lot_size = "0.00001"', 'lot_size = "-1"', 28, "instruments[0].lot_size", "expected a decimal above 0, found -1"),
    ('quantity_step = "0.0001"', 'quantity_step = "0.000015"', 29, "instruments[0].quantity_step", "number of lots"),
    ('quantity_max = "100"', 'quantity_max = "0.00015"', 30, "instruments[0].quantity_max", "whole number of steps"),
    ('order_quantity = "0.01"', 'order_quantity = "0.00001"', 35, "instruments[0].order_quantity", "number of steps"),
    ('order_quantity = "0.01"', 'order_quantity = "101"', 35, "instruments[0].order_quantity", "at most quantity_max"),
    ('quantity_max = "100"', 'quantity_min = "0.02"', 35, "instruments[0].order_quantity", "at least quantity_min"),
    ("maker_fee_bps = 10", "maker_fee_bps = 0.001", 32, "instruments[0].maker_fee_bps", "hundredths of a basis point"),
    ("maker_fee_bps = 10", "maker_fee_bps = -1", 32, "instruments[0].maker_fee_bps", "expected 0 or more, found -1"),
    ("maker_fee_bps = 10", "maker_fee_bps = 10000", 32, "instruments[0].maker_fee_bps", "less than 10000"),
    ("maker_fee_bps = 10", "multiplier = 2", 32, "instruments[0].multiplier", "expected 1 for a spot instrument"),
    ("maker_fee_bps = 10", "margin_initial = 0.1", 32, "instruments[0].margin_initial", "is a cash account"),
    ("maker_fee_bps = 10", "short_allowed = true", 32, "instruments[0].short_allowed", "is a cash account"),
    ("maker_fee_bps = 10", 'short_allowed = "no"', 32, "instruments[0].short_allowed", "true or false, found 'no'"),
    ('kind = "linear"', 'kind = "inverse"', 40, "instruments[1].kind", "expected 'spot' or 'linear', found 'inverse'"),
    ('kind = "spot"', 'kind = "linear"', 26, "instruments[0].kind", "is a cash account"),
    ('margin_initial = "0.05"', 'margin_initial = "1.5"', 44, "instruments[1].margin_initial", "expected a fraction"),
    ("margin_maintenance = 0.04", "margin_maintenance = 0.4", 45, "instruments[1].margin_maintenance", "at most"),
    ("multiplier = 50", 'fee_currency = "base"', 43, "instruments[1].fee_currency", 'expected "quote"'),
    ('latency_in = "250ms"', "latency_in = 250", 48, "exchange.latency_in", "expected a duration such as"),
    ('slippage_impact = "0.1"', "slippage_ticks = 1", 51, "exchange.slippage_ticks", 'expected slippage = "ticks"'),
    ('slippage_impact = "0.1"', "", 50, "exchange.slippage", "expected slippage_impact beside"),
    ('slippage = "volume_share"', 'slippage = "lots"', 50, "exchange.slippage", "'none', 'ticks' or 'volume_share'"),
    ('bar_volume_share = "0.25"', "bar_volume_share = 2", 52, "exchange.bar_volume_share", "expected a fraction"),
    ('form = "compiled"', 'form = "python"', 57, "strategies[0].entry", "expected 'module:Class'"),
    ('"adapters.strategies.ema_cross"', '"missing.py"', 57, "strategies[0].entry", "expected a Python file"),
    ("fast = 10", "fast = [1]", 59, "strategies[0].parameters.fast", "found [1]"),
    ('instrument = "BTC/USDT"', 'instrument = "BTC"', 64, "data[0].instrument", "one of the symbols BTC/USDT, ES"),
    ('kind = "bars"', "", 62, "data[0].kind", 'expected "bars", "quotes"'),
    ('kind = "bars"', 'profile = "binance"', 65, "data[0].profile", "expected one of binance-klines"),
    ('kind = "bars"', 'kind = "stream"', 65, "data[0].kind", "expected a stream profile"),
    ('interval = "30m"', "", 62, "data[0].interval", "expected the length of a bar"),
    ('column = "Date", ', "", 67, "data[0].time.column", "expected the column that holds the time"),
    ('zone = "UTC"', 'zon = "UTC"', 67, "data[0].time.zon", "did you mean 'zone'?"),
    ("close = 5", "clse = 5", 68, "data[0].columns.clse", "did you mean 'close'?"),
    ("close = 5", "volume = 5", 68, "data[0].columns", "expected a column for close, found none"),
    ("close = 5", "close = 0", 68, "data[0].columns.close", "counted from 1, found 0"),
    ("close = 5", "close = 1.5", 68, "data[0].columns.close", "expected a column's name, or its number"),
    ('end = "2018-01-01"', "header = false", 70, "data[0].header", "expected columns by number"),
    ('end = "2018-01-01"', 'end = "2016-01-01"', 70, "data[0].end", "expected a time after start"),
    ('end = "2018-01-01"', 'end = "May"', 70, "data[0].end", "expected an ISO time"),
    ('end = "2018-01-01"', 'bad_rows = "fix"', 70, "data[0].bad_rows", "expected 'stop' or 'skip', found 'fix'"),
    ('end = "2018-01-01"', 'ends = "2018"', 70, "data[0].ends", "did you mean 'end'?"),
]


@pytest.mark.parametrize(("old", "new", "line", "key", "expected"), BAD)
def test_what_is_wrong_is_one_line_with_place_and_expectation(
    old: str, new: str, line: int, key: str, expected: str
) -> None:
    assert old in GOOD
    with pytest.raises(UserError) as caught:
        parse_configuration(GOOD.replace(old, new, 1), PATH)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{PATH}:{line}: {key}: "), message
    assert expected in message, message


def test_bad_toml_is_one_line_with_its_place() -> None:
    with pytest.raises(UserError, match=r"^folder/first.toml: not valid TOML: .*line 2") as caught:
        parse_configuration(GOOD.replace('"first"', '"first'), PATH)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("section", ["accounts", "instruments", "run"])
def test_a_missing_section_is_named(section: str) -> None:
    text = GOOD.replace(f"[[{section}]]", "[[data]]").replace(f"[{section}]", "[exchange]", 1)
    with pytest.raises(UserError) as caught:
        parse_configuration(text, PATH)
    assert str(caught.value).startswith("folder/first.toml") and "\n" not in str(caught.value)


def test_an_empty_file_names_the_first_missing_key() -> None:
    with pytest.raises(UserError, match=r"^folder/first.toml: run: expected a value, found none$"):
        parse_configuration("", PATH)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_configuration(tmp_path / "none.toml")
    with pytest.raises(UserError, match="is a folder"):
        load_configuration(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"[run]\nname = '\xff'")
    with pytest.raises(UserError, match="not UTF-8 text at byte 14"):
        load_configuration(tmp_path / "latin.toml")


@pytest.mark.parametrize("name", ["crash-2017.toml", "ticks-es.toml"])
def test_the_demonstrations_load(name: str) -> None:
    assert load_configuration(ROOT / "demo" / name).data


@given(st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(["ns", "us", "ms", "s", "m", "h"])), min_size=1))
def test_durations_add_up(parts: list[tuple[int, str]]) -> None:
    seconds = {"ns": "1e-9", "us": "1e-6", "ms": "1e-3", "s": "1", "m": "60", "h": "3600"}
    expected = sum(count * Decimal(seconds[unit]) * 10**9 for count, unit in parts)
    assert parse_duration("".join(f"{count}{unit}" for count, unit in parts)) == expected


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01", 0),
        ("1970-01-01T00:00:01.000001Z", 1_000_001_000),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59", -1_000_000_000),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, ns: int) -> None:
    assert parse_time(text) == ns


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    line=st.integers(0, GOOD.count("\n") - 1),
    value=st.sampled_from(
        [
            "",
            "x",
            "1",
            '"1"',
            "-1",
            "0",
            "1e400",
            "nan",
            "[]",
            "{}",
            "[[1]]",
            "true",
            '""',
            "1979-05-27",
            "{a = 1}",
            "'''",
        ]
    ),
)
def test_no_value_anywhere_leads_to_a_traceback(line: int, value: str) -> None:
    lines = GOOD.splitlines()
    key, equals, _ = lines[line].partition("=")
    lines[line] = f"{key}= {value}" if equals else value
    message = str(PATH)
    try:
        parse_configuration("\n".join(lines), PATH)
    except UserError as error:
        message = str(error)
    assert message.startswith(str(PATH)) and "\n" not in message
