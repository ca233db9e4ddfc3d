"""Every kind of event and decision has words of its own, with exact amounts and names."""

from typing import Any

import numpy as np
import pytest

from adapters.journal import ConfigurationDocument, TextDocument
from engine import rules
from engine.kinds import (
    Action,
    BracketChange,
    Condition,
    DecisionKind,
    EventKind,
    FillFlag,
    OperatorAction,
    OrderFlag,
    OrderType,
    RequestFailure,
    Setting,
    SizeLimit,
    SizingMethod,
    TimeInForce,
)
from engine.reasons import Reason
from engine.records import COMMAND, DECISIONS, EVENT, OVERLAYS
from replay.audit.wording import decision_text, event_text, kind_word, rule_name
from replay.names import Names, read_names
from tests.unit.statistics_tape import START_NS, Tape


@pytest.fixture(scope="module")
def names() -> Names:
    """A/USD: 0.01 a tick, 0.1 a lot; the account's money has three decimals."""
    tape = Tape()
    tape.instrument(0, "A/USD")
    found = read_names(tape.reader())
    found.breakers[1], found.conditions[1] = "crash", Condition.PRICE_JUMP
    return found


def event(kind: EventKind, **fields: int) -> Any:
    row = np.zeros(1, OVERLAYS[kind])
    row["kind"] = kind
    for name, value in fields.items():
        row[name] = value
    return row.view(EVENT)[0]


def decision(kind: DecisionKind, **fields: int) -> Any:
    row = np.zeros(1, DECISIONS[kind])
    row["kind"] = kind
    for name, value in fields.items():
        row[name] = value
    return row.view(COMMAND)[0]


REPORT = {"order": 17, "exchange_order_id": 5}
EVENTS: list[tuple[EventKind, dict[str, int], str]] = [
    (
        EventKind.QUOTE,
        {"bid_ticks": 123_456, "ask_ticks": 123_500, "bid_lots": 7, "ask_lots": 12_345},
        "quote of A/USD: bid 1,234.56 (0.7), ask 1,235 (1,234.5)",
    ),
    (
        EventKind.TRADE,
        {"price_ticks": 100, "quantity_lots": 5, "aggressor": 2},
        "trade of A/USD: 0.5 at 1, seller took",
    ),
    (
        EventKind.BAR,
        {"open_ticks": 100, "high_ticks": 120, "low_ticks": 90, "close_ticks": 110, "volume_lots": 10},
        "bar of A/USD: open 1, high 1.2, low 0.9, close 1.1, volume 1",
    ),
    (EventKind.MARK_PRICE, {"mark_ticks": 101, "index_ticks": 102}, "mark price of A/USD: 1.01, index 1.02"),
    (EventKind.FUNDING, {"rate_ppb": 100_000, "mark_ticks": 101}, "funding of A/USD: rate 0.01 % at 1.01"),
    (EventKind.FUNDING, {"basis": 1, "amount_units": -1_500}, "funding of A/USD: -1.50 USD to account-0"),
    (
        EventKind.SIGNAL,
        {"action": Action.BUY, "confidence_ppm": 800_000, "stop_ticks": 90, "valid_for_ms": 5_000},
        "signal of by hand: buy A/USD, confidence 80 %, stop 0.9, valid for 5s",
    ),
    (EventKind.TIMER, {"timer": 3, "due_ts_ns": START_NS}, "timer 3, due 2017-12-01T00:00:00Z"),
    (
        EventKind.ORDER_REQUESTED,
        {"order_type": OrderType.STOP_LIMIT, "order_flags": OrderFlag.SELL, "quantity_lots": 5}
        | {"limit_ticks": 90, "trigger_ticks": 95, "group_kind": 2, "group": 4},
        "order requested by by hand: sell 0.5 A/USD stop limit at 0.9, trigger 0.95, oco group 4",
    ),
    (EventKind.ORDER_SENT, REPORT, "order 17 at A/USD sent"),
    (EventKind.ORDER_ACCEPTED, REPORT, "order 17 at A/USD accepted as 5"),
    (
        EventKind.ORDER_REJECTED,
        REPORT | {"reason": Reason.EXCHANGE_MARGIN_INSUFFICIENT},
        "order 17 at A/USD rejected: exchange margin insufficient",
    ),
    (
        EventKind.ORDER_FILLED,
        {"order": 17, "trade_id": 812, "price_ticks": 1_395_010, "quantity_lots": 5, "fee": 3_490},
        "fill of order 17: bought 0.5 A/USD at 13,950.1, fee 3.49 USD, trade 812",
    ),
    (
        EventKind.ORDER_FILLED,
        {"trade_id": 1, "price_ticks": 100, "quantity_lots": 50, "fee": 2}
        | {"fill_flags": FillFlag.SELL | FillFlag.MAKER | FillFlag.FEE_IN_BASE},
        "fill of an order that is not of this tape: sold 5 A/USD at 1, fee 0.2 A, trade 1, maker",
    ),
    (EventKind.ORDER_CANCELED, REPORT, "order 17 at A/USD canceled"),
    (EventKind.ORDER_EXPIRED, REPORT, "order 17 at A/USD expired"),
    (EventKind.ORDER_AMENDED, REPORT | {"price_ticks": 110}, "order 17 at A/USD amended, now price 1.1"),
    (EventKind.CANCEL_REJECTED, REPORT, "order 17 at A/USD not canceled"),
    (EventKind.ORDER_TRIGGERED, REPORT, "order 17 at A/USD triggered"),
    (
        EventKind.CONFIGURATION_CHANGED,
        {"setting": rules.ACCOUNT.number("daily_loss_max_ppm"), "value": 25_000},
        "rule daily loss max of account-0 set to 2.5 %",
    ),
    (
        EventKind.CONFIGURATION_CHANGED,
        {"setting": rules.INSTRUMENT.number("order_notional_max_units"), "value": 5_000_000},
        "rule order notional max of A/USD set to 5,000.00 USD",
    ),
    (
        EventKind.CONFIGURATION_CHANGED,
        {"setting": rules.RISK_STEP.number("scale_ppm"), "row": 1, "value": 500_000},
        "rule scale 2 of account-0 set to 50 %",
    ),
    (
        EventKind.CONFIGURATION_CHANGED,
        {"setting": rules.BREAKER.number("cooldown_ns"), "row": 1, "value": 3_600 * 10**9},
        "rule cooldown of breaker crash set to 1h",
    ),
    (
        EventKind.CONFIGURATION_CHANGED,
        {"setting": Setting.TRADING_STATE, "value": 2},
        "rule trading state set to halted",
    ),
    (EventKind.INSTRUMENT_DEFINED, {}, "instrument 0 is A/USD of account-0: tick 0.01, lot 0.1"),
    (
        EventKind.INSTRUMENT_TERMS_DEFINED,
        {"margin_initial_ppm": 50_000, "margin_maintenance_ppm": 25_000, "maker_fee_ppm": 100, "taker_fee_ppm": 200},
        "terms of A/USD: margin 5 % and 2.5 %, maker fee 0.01 %, taker fee 0.02 %",
    ),
    (EventKind.ACCOUNT_DEFINED, {}, "account 0 is account-0 in USD"),
    (EventKind.STRATEGY_DEFINED, {}, "strategy 0 is by hand"),
    (EventKind.OPERATOR_COMMAND, {"operator_action": OperatorAction.KILL}, "operator's command: kill"),
    (EventKind.OPERATOR_COMMAND, {"operator_action": OperatorAction.CLOSE}, "operator's command: close A/USD"),
    (
        EventKind.OPERATOR_COMMAND,
        {"operator_action": OperatorAction.RESET_BREAKER, "target": 1},
        "operator's command: reset breaker crash",
    ),
    (
        EventKind.REQUEST_FAILED,
        {"order": 17, "failure": RequestFailure.RATE_LIMITED, "http_status": 429, "retry_after_ms": 1_500},
        "request of account-0 about order 17 failed: rate limited, HTTP 429, again in 1.5s",
    ),
    (EventKind.CONNECTION_LOST, {"stream": 2, "reason": 5}, "connection of account-0 lost: connection, stream 2"),
    (
        EventKind.CONNECTION_RESTORED,
        {"gap_started_ns": START_NS},
        "connection of account-0 restored, gone since 2017-12-01T00:00:00Z",
    ),
    (
        EventKind.BALANCE_REPORTED,
        {"total_units": 10_000_000, "available_units": 5_000},
        "balance of account-0 reported: 10,000.00 USD, 5.00 USD available",
    ),
    (
        EventKind.POSITION_REPORTED,
        {"quantity_lots": -5, "entry_ticks": 100},
        "position of account-0 reported: -0.5 A/USD at 1",
    ),
    (EventKind.CASH_MOVED, {"amount_units": 1_000_000}, "1,000.00 USD paid in to account-0"),
    (EventKind.CASH_MOVED, {"amount_units": -1_000}, "1.00 USD taken out of account-0"),
    (
        EventKind.ORDER_ADOPTED,
        {"order": 9, "order_type": 2, "source": 1, "quantity_lots": 20, "filled_lots": 5, "limit_ticks": 90},
        "order 9 taken over from the exchange: sell 2 A/USD limit at 0.9, 0.5 filled",
    ),
    (
        EventKind.NOTICE,
        {"reason": Reason.ORDER_FOREIGN, "order": 9, "observed": 3},
        "notice of account-0: order foreign, order 9, seen 3",
    ),
]

ORDER = {"order": 17, "quantity_lots": 5, "limit_ticks": 90}
DECIDED: list[tuple[DecisionKind, dict[str, int], str]] = [
    (
        DecisionKind.PLACE_ORDER,
        ORDER
        | {"order_type": OrderType.LIMIT, "order_flags": OrderFlag.SELL | OrderFlag.REDUCE_ONLY}
        | {"time_in_force": TimeInForce.IOC},
        "order 17 placed for by hand: sell 0.5 A/USD limit at 0.9 IOC reduce only",
    ),
    (DecisionKind.CANCEL_ORDER, ORDER, "order 17 at A/USD to be canceled"),
    (DecisionKind.AMEND_ORDER, ORDER, "order 17 at A/USD to be amended: quantity 0.5, limit 0.9"),
    (DecisionKind.RELEASE_ORDER, ORDER, "order 17 at A/USD released to the exchange"),
    (
        DecisionKind.REFUSAL,
        {"reason": Reason.DAILY_LOSS_MAX, "limit": 3_000_000, "observed": 3_001_000},
        "refused: by hand at A/USD: daily loss max, limit 3,000.00 USD, seen 3,001.00 USD",
    ),
    (
        DecisionKind.REFUSAL,
        {"reason": Reason.BREAKER_TRIPPED, "limit": 1, "observed": 542_400},
        "refused: by hand at A/USD: breaker tripped, crash at 54.24 %",
    ),
    (DecisionKind.ALERT, {"order": 17, "reason": Reason.EXIT_REJECTED}, "alert: exit rejected at A/USD, order 17"),
    (
        DecisionKind.SIGNALS_COMBINED,
        {"action": Action.SELL, "strength_ppm": 600_000, "contributors": 1},
        "signals of by hand combined: sell A/USD, strength 60 %",
    ),
    (
        DecisionKind.ORDER_SIZED,
        {"sizing_method": SizingMethod.RISK_BASED, "wanted_lots": 20, "quantity_lots": 15}
        | {"size_limit": SizeLimit.FUNDS, "equity_units": 1_000_000, "reference_ticks": 100},
        "sized by risk based: 1.5 A/USD of 2 wanted, bound by funds, equity 1,000.00 USD, price 1",
    ),
    (
        DecisionKind.BREAKER_TRIPPED,
        {"breaker": 1, "condition": Condition.PRICE_JUMP, "limit": 250_000, "observed": 542_400, "actions": 2},
        "crash tripped: price jump at A/USD is 54.24 %, limit 25.00 %; block entries",
    ),
    (DecisionKind.BREAKER_CHANGED, {"breaker": 1, "status": 2}, "crash is armed"),
    (
        DecisionKind.RISK_LEVEL_CHANGED,
        {"instrument": 65_535, "risk_level": 1, "reason": Reason.RISK_BY_DRAWDOWN, "scale_ppm": 500_000},
        "risk level of account account-0: normal to reduced (risk by drawdown), sizes times 0.5",
    ),
    (
        DecisionKind.BRACKET_CHANGED,
        {"bracket": 3, "bracket_change": BracketChange.CLOSED, "reason": Reason.STOP_REACHED, "stop_ticks": 90},
        "bracket 3 at A/USD closed: stop reached, holds 0, stop 0.9",
    ),
    (
        DecisionKind.TRANSPORT_CHANGED,
        {"transport_status": 1, "failures": 3, "failure": 1},
        "connection of account-0 is open after 3 failed requests, the last timeout",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "words"), EVENTS)
def test_an_event_in_words(names: Names, kind: EventKind, fields: dict[str, int], words: str) -> None:
    assert event_text(event(kind, **fields), names) == words


@pytest.mark.parametrize(("kind", "fields", "words"), DECIDED)
def test_a_decision_in_words(names: Names, kind: DecisionKind, fields: dict[str, int], words: str) -> None:
    assert decision_text(decision(kind, **fields), names) == words


def test_every_kind_has_words() -> None:
    assert {kind for kind, _, _ in EVENTS} == set(EventKind)
    assert {kind for kind, _, _ in DECIDED} == set(DecisionKind)
    words = [kind_word(kind) for kind in (*EventKind, *DecisionKind)]
    assert len(set(words)) == len(words)


def test_what_people_wrote_stands_behind_it(names: Names) -> None:
    command = event(EventKind.OPERATOR_COMMAND, operator_action=OperatorAction.KILL)
    told = TextDocument(text="news\nfrom the  exchange", author="anna")
    assert event_text(command, names, told) == 'operator\'s command: kill: "news from the exchange" (anna)'
    assert event_text(command, names, TextDocument(text="", author="anna")) == "operator's command: kill (anna)"
    assert len(event_text(command, names, TextDocument(text="x" * 5_000, author="anna"))) < 400
    change = event(EventKind.CONFIGURATION_CHANGED, setting=Setting.TRADING_STATE)
    text = ConfigurationDocument(text='at = 1\nby = "anna"\n', format="toml")
    assert event_text(change, names, text) == 'rule trading state set to active (at = 1; by = "anna")'
    whole = ConfigurationDocument(text="a = 1\n" * 100, format="toml")
    assert event_text(change, names, whole) == "rule trading state set to active (100 lines of toml)"


def test_what_another_version_wrote_has_its_numbers(names: Names) -> None:
    unknown = np.zeros(1, EVENT)
    unknown["kind"] = 61
    assert event_text(unknown[0], names) == "event of the unknown kind 61"
    other = np.zeros(1, COMMAND)
    other["kind"] = 30
    assert decision_text(other[0], names) == "decision of the unknown kind 30"
    assert event_text(event(EventKind.ORDER_REJECTED, order=1, reason=698), names).endswith("rejected: reason 698")
    assert event_text(event(EventKind.BAR, instrument=9), names).startswith("bar of instrument 9: open 0")


def test_every_setting_has_a_name() -> None:
    for table in rules.TABLES:
        for name in table.bounds:
            assert rule_name(table.number(name)) == name
    assert rule_name(599) == "setting 599"
