"""What was compared for one order or refusal among the decisions on an event: votes, size, checks."""

from typing import Any

import numpy as np

from engine.decisions import Stage
from engine.kinds import Action, DecisionKind, OrderRole
from engine.reasons import Reason
from engine.records import COMBINED, REFUSAL
from replay.audit.comparing import CHECKS, compared, refused
from replay.audit.story import find_order
from replay.audit.walk import Decided
from replay.audit.wording import decision_text
from replay.names import Names

Json = dict[str, Any]

PLACED, REFUSED = int(DecisionKind.PLACE_ORDER), int(DecisionKind.REFUSAL)


def place_of(decided: Decided, order: int) -> int:
    """Which of the decisions places an order."""
    placed = decided.decisions["kind"] == PLACED
    return int((placed & (decided.decisions["order"] == order)).argmax())


def decision_of(decided: Decided, place: int, names: Names) -> Json:
    """Votes, size and checks of the order or refusal at this place of the decisions."""
    item = decided.decisions[place]
    number = int(item["instrument"])
    rows = [compared(row, names, number) for row in _passed(decided, place)]
    checks_asked = len(CHECKS)
    if int(item["kind"]) == REFUSED:
        refusal = np.frombuffer(item.tobytes(), REFUSAL)[0]
        rows.append(refused(refusal, names, number))
        if int(refusal["reason"]) in CHECKS:
            checks_asked = CHECKS.index(Reason(int(refusal["reason"])))
    checked = [row["rule"] for row in rows if row["stage"] == "check"]
    unset = [reason.name.lower() for reason in CHECKS[:checks_asked] if reason.name.lower() not in checked]
    return {
        "votes": _votes(decided, names),
        "sized": _sized(decided, place, names),
        "compared": rows,
        "not_compared": unset if checked else [],
    }


def _sized(decided: Decided, place: int, names: Names) -> str | None:
    """What is recorded of the size of the entry at this place of the decisions."""
    began = _began(decided, place)
    sizes = [item for item in decided.decisions[began:place] if item["kind"] == DecisionKind.ORDER_SIZED]
    return decision_text(sizes[-1], names) if sizes and _is_entry(decided, place) else None


def _began(decided: Decided, place: int) -> int:
    """After which of the decisions the entry at a place is decided: behind the entry before it."""
    return max((i + 1 for i in range(place) if _is_entry(decided, i)), default=0)


def _passed(decided: Decided, place: int) -> list[Any]:
    """What was compared for the order or refusal at this place: since the entry before it, if there are several."""
    began = _began(decided, place)
    rows = [row for row in decided.passed if began <= int(row["decisions"]) <= place]
    if not _is_entry(decided, place):
        # What closes is asked for nothing but its own bounds; the checks are those of the entry that it makes room for.
        is_alone = not any(row["stage"] == Stage.CHECK for row in rows)
        kept = (Stage.SIGNAL, Stage.BOUNDS, Stage.ROOM) if is_alone else (Stage.SIGNAL,)
        return [row for row in rows if row["stage"] in kept]
    # Where targets are followed, other instruments' bounds were compared before.
    least = Reason.QUANTITY_BELOW_MINIMUM
    bounds = [i for i, row in enumerate(rows) if row["stage"] == Stage.BOUNDS and row["what"] == least]
    return [row for i, row in enumerate(rows) if row["stage"] != Stage.BOUNDS or i >= bounds[-1]]


def _is_entry(decided: Decided, place: int) -> bool:
    """Whether a decision is the order or the refusal of what would open something."""
    item = decided.decisions[place]
    if int(item["kind"]) != PLACED:
        return int(item["kind"]) == REFUSED
    row = find_order(decided.after, int(item["order"]))
    return row is not None and int(row["order_role"]) in (OrderRole.ENTRY, OrderRole.GROUPED)


def _votes(decided: Decided, names: Names) -> list[Json]:
    """What each strategy said, where more than one voted."""
    rows = decided.decisions[decided.decisions["kind"] == DecisionKind.SIGNALS_COMBINED]
    if not len(rows):
        return []
    combined = np.frombuffer(rows[0].tobytes(), COMBINED)[0]
    number, mask = int(combined["instrument"]), int(combined["contributors"])
    return [_vote(decided, names, strategy, number) for strategy in range(63) if mask >> strategy & 1]


def _vote(decided: Decided, names: Names, strategy: int, number: int) -> Json:
    pair = decided.after.pairs[strategy, number]
    weight = int(pair["rules"]["weight_ppm"]) or int(decided.after.strategies[strategy]["rules"]["weight_ppm"])
    action, confidence, weight = Action(int(pair["action"])), int(pair["confidence_ppm"]), weight or 1_000_000
    name = names.strategy(strategy)
    shares = f"confidence {confidence / 10_000:g} %, weight {weight / 1_000_000:g}"
    return {
        "strategy": name,
        "action": action.name.lower(),
        "confidence_ppm": confidence,
        "weight_ppm": weight,
        "signal_seq": int(pair["signal_seq"]),
        "text": f"{name} says {action.name.lower()} (event {int(pair['signal_seq'])}): {shares}",
    }
