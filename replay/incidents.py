"""What was decided in a run, in words: breakers, risk levels, connections, alerts."""

from typing import Any

import numpy as np

from adapters.report.amounts import duration_text, quantity_text, time_text
from engine.kinds import (
    BreakerAction,
    BreakerStatus,
    Condition,
    DecisionKind,
    RequestFailure,
    RiskLevel,
    TransportStatus,
)
from engine.reasons import Reason
from engine.records import DECISIONS
from replay.audit.words import word_of
from replay.names import Names
from replay.sampling import Observation

Json = dict[str, Any]

_COUNTS = (Condition.LOSING_STREAK, Condition.REJECTS, Condition.REQUEST_FAILURES)
_TIMES = (Condition.STALE_DATA, Condition.CLOCK_SKEW)
# What is a figure of one instrument; what else a breaker watches is of an account, a strategy or everything.
OF_INSTRUMENT = (
    *(Condition.POSITION_LOSS, Condition.VOLATILITY, Condition.PRICE_JUMP, Condition.SPREAD),
    *(Condition.STALE_DATA, Condition.FILL_SLIPPAGE, Condition.RECONCILIATION),
)
_OF_ACCOUNT = (Condition.ACCOUNT_DRAWDOWN, Condition.EXPOSURE, Condition.MARGIN_RATIO)
_OF_BREAKERS = (DecisionKind.BREAKER_TRIPPED, DecisionKind.BREAKER_CHANGED)
_OF_ORDERS = (
    *(DecisionKind.PLACE_ORDER, DecisionKind.CANCEL_ORDER, DecisionKind.AMEND_ORDER),
    DecisionKind.RELEASE_ORDER,
)
_NO_INSTRUMENT = 65_535
_NOT_COMPUTED = -1


def incidents_of(observation: Observation, names: Names) -> list[Json]:
    """The first incidents of a tape as {ts_ns, time, seq, kind, name, symbol, text}, in their order.

    `name` is the breaker's, None for what is not of one; `symbol` the instrument whose figure it was.
    """
    found = []
    for row in observation.incidents:
        decision = row["decision"]
        kind = DecisionKind(int(decision["kind"]))
        fields = np.frombuffer(decision.tobytes(), dtype=DECISIONS[kind])[0]
        found.append(
            {
                "ts_ns": int(row["ts_ns"]),
                "time": time_text(int(row["ts_ns"])),
                "seq": int(decision["seq"]),
                "kind": kind.name.lower(),
                "name": names.breaker(int(fields["breaker"])) if kind in _OF_BREAKERS else None,
                "symbol": _symbol(kind, fields, names),
                "text": _TEXTS[kind](fields, names),
            }
        )
    return found


def decision_text(decision: Any, names: Names) -> str:
    """A decision (a row of COMMAND) in words."""
    kind = DecisionKind(int(decision["kind"]))
    if kind in _TEXTS:
        return _TEXTS[kind](np.frombuffer(decision.tobytes(), dtype=DECISIONS[kind])[0], names)
    symbol = names.instrument(int(decision["instrument"])).symbol
    order = f" {int(decision['order'])}" if kind in _OF_ORDERS else ""
    return f"{_words(kind)}{order} at {symbol}"


def _symbol(kind: DecisionKind, fields: Any, names: Names) -> str | None:
    instrument = int(fields["instrument"])
    if kind in _OF_BREAKERS:
        is_of_one = int(fields["condition"]) in OF_INSTRUMENT
    else:
        is_of_one = kind != DecisionKind.TRANSPORT_CHANGED and instrument != _NO_INSTRUMENT
    return names.instrument(instrument).symbol if is_of_one else None


def trips_of(observation: Observation, names: Names) -> dict[str, int]:
    """How often each breaker tripped, by name."""
    return {names.breaker(number): count for number, count in observation.trips.items()}


def figure_text(condition: int, value: int, names: Names, instrument: int = _NO_INSTRUMENT) -> str:
    """A breaker's limit or figure in the unit of its condition."""
    if value == _NOT_COMPUTED:
        return "not computable"
    if condition in _COUNTS:
        return f"{value:,}"
    if condition in _TIMES:
        return duration_text(value)
    if condition == Condition.RECONCILIATION:
        if instrument == _NO_INSTRUMENT:
            return f"{value:,} lots"
        return quantity_text(value, names.instrument(instrument).lot_size)
    return f"{value / 10_000:.2f} %"


def _words(member: Any) -> str:
    return str(member.name).lower().replace("_", " ")


def _tripped(decision: Any, names: Names) -> str:
    condition, instrument = int(decision["condition"]), int(decision["instrument"])
    observed = figure_text(condition, int(decision["observed"]), names, instrument)
    limit = figure_text(condition, int(decision["limit"]), names, instrument)
    actions = [_words(action) for action in BreakerAction if int(decision["actions"]) & action]
    where = ""
    if condition in OF_INSTRUMENT:
        where = f" at {names.instrument(instrument).symbol}"
    elif condition in _OF_ACCOUNT:
        where = f" of {names.account(int(decision['account'])).name}"
    what = f"{word_of(Condition, condition)}{where} is {observed}, limit {limit}"
    return f"{names.breaker(int(decision['breaker']))} tripped: {what}; {', '.join(actions) or 'alert'}"


def _changed(decision: Any, names: Names) -> str:
    return f"{names.breaker(int(decision['breaker']))} is {_words(BreakerStatus(int(decision['status'])))}"


def _level(decision: Any, names: Names) -> str:
    instrument = int(decision["instrument"])
    whose = (
        f"account {names.account(int(decision['account'])).name}"
        if instrument == _NO_INSTRUMENT
        else names.instrument(instrument).symbol
    )
    before, after = RiskLevel(int(decision["level_before"])), RiskLevel(int(decision["risk_level"]))
    why = _words(Reason(int(decision["reason"]))) if decision["reason"] else "recovered"
    return f"risk level of {whose}: {_words(before)} to {_words(after)} ({why}), sizes times {_share(decision)}"


def _share(decision: Any) -> str:
    return f"{int(decision['scale_ppm']) / 1_000_000:g}"


def _transport(decision: Any, names: Names) -> str:
    status = TransportStatus(int(decision["transport_status"]))
    why = f" after {int(decision['failures'])} failed requests" if int(decision["failures"]) else ""
    last = f", the last {_words(RequestFailure(int(decision['failure'])))}" if status == TransportStatus.OPEN else ""
    return f"connection of {names.account(int(decision['account'])).name} is {_words(status)}{why}{last}"


def _alert(decision: Any, names: Names) -> str:
    order = f", order {int(decision['order'])}" if decision["order"] else ""
    symbol = names.instrument(int(decision["instrument"])).symbol
    return f"alert: {_words(Reason(int(decision['reason'])))} at {symbol}{order}"


_TEXTS = {
    DecisionKind.BREAKER_TRIPPED: _tripped,
    DecisionKind.BREAKER_CHANGED: _changed,
    DecisionKind.RISK_LEVEL_CHANGED: _level,
    DecisionKind.TRANSPORT_CHANGED: _transport,
    DecisionKind.ALERT: _alert,
}
