"""What the engine refused, in words: every reason has some, with its figures in their own unit."""

from types import SimpleNamespace

import numpy as np
import pytest

from engine.kinds import Condition, SizeLimit
from engine.reasons import Reason
from engine.records import REFUSAL
from replay.names import read_names
from replay.refusals import refused_of
from replay.sampling import INCIDENT
from tests.unit.statistics_tape import START_NS, Tape


def refused(reason: int, limit: int, observed: int, instrument: int = 0) -> dict:
    """One refusal of an instrument of 0.01 a tick and 0.1 a lot; the account's money has three decimals."""
    tape = Tape()
    tape.instrument(0, "A/USD")
    rows = np.zeros(1, dtype=INCIDENT)
    rows["ts_ns"] = START_NS
    refusal = rows["decision"].view(REFUSAL)
    refusal["seq"] = 7
    refusal["instrument"] = instrument
    refusal["reason"], refusal["limit"], refusal["observed"] = reason, limit, observed
    names = read_names(tape.reader())
    names.conditions[2] = Condition.PRICE_JUMP
    (found,) = refused_of(SimpleNamespace(refused=rows), names)
    return found


@pytest.mark.parametrize(
    ("reason", "limit", "observed", "words"),
    [
        (Reason.DAILY_LOSS_MAX, 3_000_000, 3_000_001, "daily loss max, limit 3,000.00 USD, seen 3,000.00 USD"),
        (Reason.POSITION_QUANTITY_MAX, 5, 12, "position quantity max, limit 0.5, seen 1.2"),
        (Reason.STOP_INVALID, 1_000, 1_001, "stop invalid, limit 10, seen 10.01"),
        (Reason.PRICE_OUTSIDE_COLLAR, 50_000, 62_500, "price outside collar, limit 5.00 %, seen 6.25 %"),
        (Reason.LOSS_COOLDOWN, 3_600 * 10**9, 90 * 10**9, "loss cooldown, limit 1h, seen 1m 30s"),
        (Reason.OPEN_POSITIONS_MAX, 2, 2, "open positions max, limit 2, seen 2"),
        (Reason.BREAKER_TRIPPED, 2, 542_400, "breaker tripped, breaker 2 at 54.24 %"),
        (Reason.SIZE_ZERO, SizeLimit.FUNDS, 3, "size zero, 0.3 wanted, limit funds"),
        (Reason.TRADING_HALTED, 0, 2, "trading halted"),
    ],
)
def test_a_refusal_says_its_rule_its_limit_and_its_figure(
    reason: Reason, limit: int, observed: int, words: str
) -> None:
    found = refused(reason, limit, observed)
    assert found["text"] == f"by hand at A/USD: {words}"
    assert (found["limit"], found["observed"], found["seq"], found["symbol"]) == (limit, observed, 7, "A/USD")
    assert (found["reason"], found["time"]) == (reason.name.lower(), "2017-12-01T00:00:00Z")


@pytest.mark.parametrize("reason", [*Reason, 650])
@pytest.mark.parametrize("instrument", [0, 65_535])
def test_every_reason_has_words(reason: int, instrument: int) -> None:
    """Also codes of another version, and instruments that are not there."""
    assert refused(int(reason), 2, 1, instrument)["text"]
