"""The [live] section: whose exchange is which, keys, and the breaker that live trading has anyway."""

import os
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.configuration import Configuration, parse_configuration
from adapters.configuration.breakers import RECONCILIATION_NAME
from adapters.configuration.live_section import ConnectionSection
from adapters.errors import UserError
from adapters.exchanges.keys import load_keys

TEXT = """
[run]
name = "live"

[[accounts]]
name = "main"
kind = "margin"
currency = "USDT"
balance = "0"

[[instruments]]
symbol = "BTC/USDT:USDT"
account = "main"
kind = "linear"
tick_size = "0.1"
lot_size = "0.001"
"""
CONNECTION = """
[live]
[[live.connections]]
account = "main"
exchange = "bitfinex"
keys_env = "BFX"
"""


def loaded(text: str) -> Configuration:
    return parse_configuration(TEXT + text, Path("live.toml"))


def test_live_trading_has_a_breaker_for_what_differs_from_the_exchange() -> None:
    assert loaded("").breakers == ()
    assert loaded(CONNECTION).breakers == (RECONCILIATION_NAME,)
    own = '[[breakers]]\nname = "mine"\ncondition = "reconciliation"\nlimit = "0.01"\nactions = ["kill_switch"]\n'
    assert loaded(own + CONNECTION).breakers == ("mine",)


def test_what_is_not_said_is_the_careful_choice() -> None:
    live = loaded(CONNECTION).live
    assert live is not None
    assert (live.unknown_orders, live.foreign_orders, live.metrics_host) == ("cancel", "leave", "127.0.0.1")
    assert live.connections[0].fee_rates == {}
    said = loaded(CONNECTION + 'fee_rates = { BNB = "612.5" }\n').live
    assert said is not None and said.connections[0].fee_rates == {"BNB": Decimal("612.5")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CONNECTION.replace('"main"', '"mian"'), "live.connections[0].account: unknown account 'mian'"),
        (CONNECTION.replace("bitfinex", "mtgox"), "live.connections[0].exchange"),
        (CONNECTION.replace('keys_env = "BFX"', ""), "expected either keys_env or keys_file"),
        (CONNECTION + 'keys_file = "keys.toml"\n', "expected either keys_env or keys_file"),
        (CONNECTION + CONNECTION.replace("[live]", ""), "expected one connection an account, 'main' has two"),
        ("[live]\nconnections = []\n", "live.connections"),
        (CONNECTION + "metrics_port = 70000\n", "live.connections[0].metrics_port"),
        *[
            (CONNECTION + f'endpoint = "{address}"\n', "endpoint: expected the address of a venue on this machine")
            for address in (
                "https://127.0.0.1:8080",
                "http://api.bitfinex.com:80",
                "127.0.0.1:8080",
                "http://127.0.0.1",
                "http://127.0.0.1:port",
                "http://127.0.0.1:99999",
                "http://127.0.0.1:8080/v2",
                "http://[::1:8080",
            )
        ],
        (CONNECTION + 'dead_man_switch = "60s"\n', "expected 'on-disconnect', the only one that bitfinex has"),
        (CONNECTION + 'dead_man_switch = "9s"\n', "dead_man_switch: expected at least '10s'"),
        (CONNECTION + "dead_man_switch = true\n", "dead_man_switch"),
        (
            CONNECTION.replace("bitfinex", "hyperliquid") + 'dead_man_switch = "on-disconnect"\n',
            "expected a duration such as '60s', the only one that hyperliquid has",
        ),
        (CONNECTION + 'fee_rates = { BNB = "0" }\n', "live.connections[0].fee_rates.BNB"),
        (CONNECTION.replace("[live]", '[live]\nunknown_orders = "keep"'), "live.unknown_orders"),
        (CONNECTION.replace("[live]", '[live]\nforeign_orders = "adopt"'), "live.foreign_orders"),
    ],
)
def test_what_is_wrong_is_one_line(text: str, message: str) -> None:
    with pytest.raises(UserError) as refused:
        loaded(text)
    line = str(refused.value)
    assert message.replace(" 'mian'", "") in line and "\n" not in line and line.startswith("live.toml:")


def test_what_is_right_of_a_connection() -> None:
    local = 'endpoint = "http://127.0.0.1:8080/"\ndead_man_switch = "on-disconnect"\n'
    (connection,) = loaded(CONNECTION + local).live.connections
    assert (connection.endpoint, connection.dead_man_switch_ns) == ("http://127.0.0.1:8080", 0)
    timed = CONNECTION.replace("bitfinex", "binanceusdm") + 'dead_man_switch = "1m"\n'
    assert loaded(timed).live.connections[0].dead_man_switch_ns == 60 * 10**9
    assert loaded(CONNECTION).live.connections[0].dead_man_switch_ns is None


def section(**keys: str) -> ConnectionSection:
    return ConnectionSection.model_validate({"account": "main", "exchange": "bitfinex", **keys})


def test_keys_from_the_environment() -> None:
    environment = {"BFX_KEY": "k", "BFX_SECRET": "s"}
    keys = load_keys(section(keys_env="BFX"), Path(), environment)
    assert (keys.key, keys.secret, keys.wallet) == ("k", "s", "")
    assert "'k'" not in repr(keys) and "'s'" not in repr(keys)
    with pytest.raises(UserError, match="BFX_SECRET is missing"):
        load_keys(section(keys_env="BFX"), Path(), {"BFX_KEY": "k"})


def test_a_wallet_has_no_key() -> None:
    wallet = section(keys_env="HL", exchange="hyperliquid")
    keys = load_keys(wallet, Path(), {"HL_SECRET": "s", "HL_WALLET": "w"})
    assert (keys.key, keys.secret, keys.wallet) == ("", "s", "w")
    with pytest.raises(UserError, match="HL_WALLET is missing, expected the wallet of account main"):
        load_keys(wallet, Path(), {"HL_KEY": "k", "HL_SECRET": "s"})


def test_a_file_of_keys_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text('key = "k"\nsecret = "s"\nwallet = "w"\n')
    os.chmod(file, 0o600)
    assert load_keys(section(keys_file="keys.toml"), tmp_path).wallet == "w"
    os.chmod(file, 0o640)
    with pytest.raises(UserError, match=r"others may read or write it .* expected chmod 600"):
        load_keys(section(keys_file="keys.toml"), tmp_path)


@pytest.mark.parametrize("text", ['key = "top-secret', 'key = "top-secret"\nsercet = "top-secret"', "key = 1"])
def test_a_broken_file_of_keys_shows_none_of_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    os.chmod(file, 0o600)
    with pytest.raises(UserError) as refused:
        load_keys(section(keys_file="keys.toml"), tmp_path)
    assert "top-secret" not in str(refused.value) and refused.value.__cause__ is None
