"""Whether everything that brackets brought in is protected: a stop where it is held, else an order that closes it."""

from typing import Any

import numpy as np

from engine.brackets.leftovers import LEFTOVER
from engine.kinds import BracketStatus, OrderRole
from replay.standing import are_open


def unprotected(state: Any, account: int = 0, instrument: int = 0) -> list[str]:
    """What of a position has no stop, and no closing order under way or waiting for the end of a pause.

    Nothing but brackets may have traded the instrument, and nothing may be moving.
    """
    row, position = state.instruments[instrument], state.positions[account, instrument]
    orders = state.orders[are_open(state.orders) & (state.orders["instrument"] == instrument)]
    brackets = state.brackets[: int(state.bracket_slots_used)]
    found = _without_stops(orders, brackets[brackets["instrument"] == instrument], int(position["quantity_lots"]))
    if position["quantity_lots"] != position["bracket_lots"]:
        found.append(f"{position['quantity_lots']} lots are held, of brackets {position['bracket_lots']}")
    are_closing = (brackets["instrument"] == instrument) & (brackets["status"] == BracketStatus.CLOSING)
    for place in np.flatnonzero(are_closing & (brackets["exit_due_ts_ns"] <= state.ts_ns)):
        lots = int(_held_lots(brackets)[place])
        found += _without_exits(orders, int(place) + 1, lots, f"closing bracket {brackets['number'][place]}")
    if row["leftover_due_ts_ns"] <= state.ts_ns:
        found += _without_exits(orders, int(LEFTOVER), int(row["leftover_lots"]), "what gone brackets left")
    legs = orders[np.isin(orders["order_role"], [OrderRole.STOP, OrderRole.TARGET])]
    are_needless = brackets["status"][legs["bracket_slot"] - 1] != BracketStatus.OPEN
    return found + [f"leg {order} of a bracket that is not open" for order in legs["order"][are_needless]]


def _held_lots(brackets: Any) -> Any:
    return brackets["side"] * (brackets["entered_lots"] - brackets["exited_lots"])


def _left_lots(orders: Any) -> int:
    return int(np.sum(orders["quantity_lots"] - orders["filled_lots"]))


def _without_stops(orders: Any, brackets: Any, position_lots: int) -> list[str]:
    """Stops are of what open brackets hold, but of no more than the position: exchanges cut what only reduces."""
    held = _held_lots(brackets)[brackets["status"] == BracketStatus.OPEN]
    found = []
    for side in (1, -1):
        wanted = min(int(np.sum(held[held * side > 0])) * side, max(position_lots * side, 0))
        stops = _left_lots(orders[(orders["order_role"] == OrderRole.STOP) & (orders["side"] == -side)])
        if stops < wanted:
            found.append(f"open brackets hold {wanted * side} lots of the position, stops are of {stops}")
    return found


def _without_exits(orders: Any, slot: int, held_lots: int, what: str) -> list[str]:
    ours = orders[(orders["bracket_slot"] == slot) & (orders["order_role"] == OrderRole.EXIT)]
    exits = _left_lots(ours[ours["side"] * np.sign(held_lots) < 0])
    return [f"{what} holds {held_lots} lots, exits are of {exits}"] if exits < abs(held_lots) else []
