"""Random records for the readers of a tape: kinds, orders and names that fit together, prices that do not matter."""

import numpy as np

from engine.kinds import DecisionKind, EventKind
from engine.records import BRACKET_DECISION, COMMAND, EVENT

# Kinds that nobody knows are on a tape too, as refused events.
_EVENT_KINDS = [*(int(kind) for kind in EventKind), 61]
_DECISION_KINDS = [int(kind) for kind in DecisionKind]
# Of ten events so many are of the market.
_MARKET_OF_TEN = 6
ORDERS = 160


def random_block(random: np.random.Generator, first_seq: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """So many events (EVENT) and some decisions on them (COMMAND); a time may go back now and then."""
    events = np.zeros(count, EVENT)
    market = random.integers(0, 10, count) < _MARKET_OF_TEN
    events["kind"] = np.where(market, EventKind.QUOTE, random.choice(_EVENT_KINDS, count))
    events["ts_ns"] = 1_000 * np.arange(first_seq, first_seq + count) - 5_000 * (random.integers(0, 12, count) == 0)
    events["source"] = random.integers(0, 3, count)
    events["instrument"] = random.choice([0, 1, 2, 70, 65_535], count)
    events["payload"][:, 0] = random.integers(0, ORDERS, count)
    events["payload"][:, 1] = random.integers(0, 50, count)
    decided = int(random.integers(0, count + 1))
    decisions = np.zeros(decided, COMMAND)
    places = random.integers(0, 3, decided) == 0
    decisions["kind"] = np.where(places, DecisionKind.PLACE_ORDER, random.choice(_DECISION_KINDS, decided))
    decisions["seq"] = np.sort(random.integers(first_seq, first_seq + count, decided))
    decisions["instrument"] = random.choice([0, 1, 2, 70], decided)
    decisions["strategy"] = random.integers(0, 3, decided)
    decisions["order"] = random.integers(0, ORDERS, decided)
    brackets = decisions.view(BRACKET_DECISION)
    brackets["order"] = random.integers(0, ORDERS, decided)
    # Orders are placed in the order of their numbers, and each once.
    places = np.flatnonzero(decisions["kind"] == DecisionKind.PLACE_ORDER)
    decisions["order"][places] = first_seq + np.arange(len(places))
    return events, decisions
