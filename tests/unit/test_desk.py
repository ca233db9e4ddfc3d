"""What operators ask for comes onto the tape with their names and reasons, and what came of it goes back to them."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters.configuration import parse_configuration
from adapters.errors import UserError
from adapters.journal import ConfigurationDocument, TextDocument, read_journal
from adapters.operating.requests import Refused, Request
from engine.kinds import BreakerStatus, EventKind, OperatorAction, TradingState
from engine.records import CONFIGURATION, OPERATOR
from engine.rules import INSTRUMENT
from replay import desk as desk_module
from replay.desk import in_force_on_tape, operator_hash
from replay.recorder import state_digest
from replay.refold import refold
from tests.stand_in import CONFIGURATION as TEXT
from tests.stand_in import StandIn

START_NS = 1_700_000_000_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now_ns = START_NS

    def __call__(self) -> int:
        self.now_ns += 1_000_000
        return self.now_ns


@pytest.fixture
def daemon(tmp_path: Path) -> StandIn:
    standing = StandIn(tmp_path, Clock())
    standing.trade()
    return standing


def run(steps: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(asyncio.wait_for(steps(), 20))


def asked(daemon: StandIn, *requests: Request, user: str = "root") -> list[dict]:
    """Ask for all of them at once, turn the daemon's loop until they are answered, and give the answers."""

    async def steps() -> list[dict]:
        waiting = [asyncio.create_task(daemon.desk.handle(request, user)) for request in requests]
        for _ in range(100):
            await asyncio.sleep(0)
            if len(daemon.inbox):
                daemon.pump()
            if all(task.done() for task in waiting):
                break
        return await asyncio.gather(*waiting)

    return run(steps)


def request(action: str, target: str = "", value: str = "", operator: str = "") -> Request:
    return Request(action=action, target=target, value=value, operator=operator, reason="because")


def recorded(daemon: StandIn, seq: int) -> tuple[Any, Any]:
    """The event with this number and its document."""
    with read_journal(daemon.folder) as reader:
        block = next(iter(reader.blocks(seq)))
        row = block.events[(seq - block.first_seq) * 64 : (seq - block.first_seq + 1) * 64].copy()
        documents = dict(reader.documents())
    return row, documents.get(seq)


def test_a_kill_is_on_the_tape_with_its_operator_and_reason(daemon: StandIn) -> None:
    (answer,) = asked(daemon, request("kill"))
    assert answer["ok"]
    row, document = recorded(daemon, answer["seq"])
    assert document == TextDocument(text="because", author="root")
    event = row.view(OPERATOR)[0]
    assert event["kind"] == EventKind.OPERATOR_COMMAND
    assert event["operator_action"] == OperatorAction.KILL
    assert event["operator_hash"] == operator_hash("root") != 0
    assert daemon.state.trading_state == TradingState.HALTED


def test_a_name_that_is_given_stands_beside_the_user_that_is_known(daemon: StandIn) -> None:
    (answer,) = asked(daemon, request("reduce_only", operator="alice"))
    assert recorded(daemon, answer["seq"])[1].author == "alice (root)"
    (answer,) = asked(daemon, request("resume", operator="root"))
    assert recorded(daemon, answer["seq"])[1].author == "root"
    assert daemon.state.trading_state == TradingState.ACTIVE


@pytest.mark.parametrize(("action", "target"), [("flatten", ""), ("close", "BTC/USD")])
def test_positions_are_closed_while_halted(daemon: StandIn, action: str, target: str) -> None:
    killed, closed = asked(daemon, request("kill"), request(action, target))
    assert closed["seq"] == killed["seq"] + 1
    assert closed["decided"] == 1
    assert closed["decisions"] == ["place order 1 at BTC/USD"]
    order = daemon.state.orders[0]
    assert (int(order.instrument), int(order.side), int(order.quantity_lots)) == (0, -1, 500)
    (canceled,) = asked(daemon, request("cancel_all"))
    assert canceled["decisions"] == ["cancel order 1 at BTC/USD"]


def test_what_another_instrument_holds_is_left_alone(daemon: StandIn) -> None:
    (answer,) = asked(daemon, request("close", "ETH/USD"))
    assert answer["ok"]
    assert answer["decided"] == 0
    assert daemon.state.orders_placed == 0


def test_breakers_are_disabled_and_reset_by_name(daemon: StandIn) -> None:
    (answer,) = asked(daemon, request("breaker_disable", "bad day"))
    assert answer["decisions"] == ["bad day is disabled"]
    assert daemon.state.breakers[0].status == BreakerStatus.DISABLED
    (answer,) = asked(daemon, request("breaker_reset", "bad day"))
    assert daemon.state.breakers[0].status == BreakerStatus.ARMED


def test_a_throttled_strategy_is_enabled(daemon: StandIn) -> None:
    daemon.state.strategies[0].throttled = 1
    (answer,) = asked(daemon, request("strategy_enable", "ema"))
    assert answer["ok"]
    assert daemon.state.strategies[0].throttled == 0


def test_what_the_engine_refuses_is_told_with_its_reason(daemon: StandIn) -> None:
    daemon.state.breakers[0].status = BreakerStatus.NONE
    (answer,) = asked(daemon, request("breaker_reset", "bad day"))
    assert not answer["ok"]
    assert answer["error"] == {"code": "value_invalid", "line": "the engine refused it: value invalid"}
    assert answer["seq"] == daemon.state.last_refused_seq


@pytest.mark.parametrize(
    ("action", "target", "code", "words"),
    [
        ("close", "BTC/USDT", "symbol_unknown", "did you mean 'BTC/USD'?"),
        ("breaker_reset", "x", "breaker_unknown", "expected one of bad day"),
        ("strategy_enable", "x", "strategy_unknown", "expected one of ema"),
    ],
)
def test_an_unknown_name_is_refused_before_it_is_an_event(
    daemon: StandIn, action: str, target: str, code: str, words: str
) -> None:
    with pytest.raises(Refused, match=words.replace("?", r"\?")) as refused:
        asked(daemon, request(action, target))
    assert refused.value.code == code
    assert len(daemon.inbox) == 0


def test_a_rule_that_is_set_is_on_the_tape_as_a_change_with_its_author(daemon: StandIn) -> None:
    (answer,) = asked(daemon, request("set", "risk.cooldown", "5m", operator="bob"))
    assert answer["ok"]
    row, document = recorded(daemon, answer["seq"])
    assert isinstance(document, ConfigurationDocument)
    assert document.text == (
        'at = "2023-11-14T22:13:20.008000000Z"\nset = {"risk.cooldown" = "5m"}\nby = "bob (root)"\nreason = "because"\n'
    )
    assert row.view(CONFIGURATION)[0]["setting"] == INSTRUMENT.number("cooldown_ns")
    assert {int(instrument.rules.cooldown_ns) for instrument in daemon.state.instruments[:2]} == {300_000_000_000}
    assert daemon.state.events_refused == 0


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("risk.cooldwn", "5m", "risk.cooldwn: unknown key; did you mean 'cooldown'?"),
        ("risk.cooldown", "1m", "risk.cooldown: expected a rule that changes, everything is as before"),
        ("risk.cooldown", "soon", "risk.cooldown: expected a duration"),
        ("rsk.cooldown", "5m", "rsk.cooldown: expected a path into one of risk"),
        ("accounts.main.balance", "5", "accounts.main.balance: 'balance' does not change while it runs"),
        ("breakers.good day.limit", "5%", "breakers.good day.limit: expected one of the breakers bad day"),
    ],
)
def test_a_setting_is_refused_as_in_the_file(daemon: StandIn, key: str, value: str, line: str) -> None:
    before = daemon.desk.in_force
    with pytest.raises(Refused) as refused:
        asked(daemon, request("set", key, value))
    assert str(refused.value).startswith(line)
    assert refused.value.code == "setting_refused"
    assert len(daemon.inbox) == 0
    assert daemon.desk.in_force is before


def test_a_window_in_a_zone_comes_with_the_distance_of_its_clocks(daemon: StandIn) -> None:
    windows = '[{from = "09:00", to = "17:00", zone = "Asia/Tokyo"}]'
    (answer,) = asked(daemon, request("set", "instruments.BTC/USD.risk.windows", windows))
    assert answer["ok"]
    assert daemon.state.instruments[0].rules.windows == 1
    assert daemon.state.instruments[0].rules.zone_offset_ns == 9 * 3_600_000_000_000
    assert daemon.desk.in_force.zones == ("Asia/Tokyo", "")


def test_many_at_once_are_answered_each_with_its_own(daemon: StandIn) -> None:
    """More events than a batch takes, so that a change of many rules is divided between two."""
    windows = '[{from = "09:00", to = "17:00", zone = "Asia/Tokyo"}]'
    requests = [request("cancel_all") for _ in range(61)]
    answers = asked(daemon, *requests, request("set", "risk.windows", windows), request("kill"), request("kill"))
    seqs = [answer["seq"] for answer in answers]
    assert seqs[:62] == list(range(seqs[0], seqs[0] + 62))
    assert seqs[62] > seqs[61] + 3
    assert seqs[63] == seqs[62] + 1
    assert all(answer["ok"] for answer in answers)
    assert daemon.state.instruments[1].rules.windows == 1


def test_a_change_that_nobody_asked_for_is_not_taken_for_an_answer(daemon: StandIn) -> None:
    """Such as that of a zone's clocks, in the same batch."""
    words = INSTRUMENT.number("zone_offset_ns"), 3_600_000_000_000, 0, 0, 0
    daemon.inbox.put(EventKind.CONFIGURATION_CHANGED, words=words)
    before = int(daemon.state.seq)
    (answer,) = asked(daemon, request("kill"))
    assert answer["seq"] == before + 2


def test_a_restart_finds_in_force_what_was_set(daemon: StandIn) -> None:
    asked(
        daemon, request("set", "risk.cooldown", "5m"), request("kill"), request("set", "breakers.bad day.limit", "2%")
    )
    configuration = parse_configuration(TEXT, Path("stand-in.toml"))
    with read_journal(daemon.folder) as reader:
        in_force = in_force_on_tape(reader, configuration.in_force)
        assert in_force == daemon.desk.in_force != configuration.in_force
        other = parse_configuration(TEXT.replace("bad day", "good day"), Path("stand-in.toml"))
        with pytest.raises(UserError, match=r"event \d+: .*does not fit the configuration.*breakers.bad day.limit"):
            in_force_on_tape(reader, other.in_force)
        assert refold(reader).state_digest == state_digest(daemon.folded.state).hex()


def test_who_waits_hears_that_the_daemon_stops(daemon: StandIn) -> None:
    async def steps() -> tuple[dict, Refused]:
        waiting = asyncio.create_task(daemon.desk.handle(request("kill"), "root"))
        await asyncio.sleep(0)
        daemon.desk.close()
        with pytest.raises(Refused) as refused:
            await daemon.desk.handle(request("kill"), "root")
        return await waiting, refused.value

    answer, refused = run(steps)
    assert answer["error"]["code"] == refused.code == "stopping"


def test_no_answer_is_said_too(daemon: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "ANSWER_TIMEOUT_S", 0.01)
    answer = run(lambda: daemon.desk.handle(request("kill"), "root"))
    assert answer["error"]["code"] == "no_answer"
    daemon.pump()
    assert daemon.state.trading_state == TradingState.HALTED


def test_a_batch_in_which_nobody_asked_is_passed_over(daemon: StandIn) -> None:
    daemon.desk.settle(1, np.zeros(0, np.uint8), np.zeros(0, np.uint8), {})
    daemon.trade()
    assert daemon.state.positions[0, 0].quantity_lots == 500
