"""Which commands of one commit go together."""

from collections.abc import Sequence

from adapters.exchanges.port import Command
from engine.kinds import DecisionKind


def in_batches(commands: Sequence[Command]) -> list[list[Command]]:
    """Orders to be placed for one account go together, and so do cancels; each batch stands where its first one stood.

    What changes an order goes alone, and so does what follows on an earlier command about its order.
    """
    batches: dict[tuple[int, ...], list[Command]] = {}
    seen: set[int] = set()
    for place, command in enumerate(commands):
        alone = command.order in seen or command.kind == DecisionKind.AMEND_ORDER
        cancels = command.kind == DecisionKind.CANCEL_ORDER
        batches.setdefault((place,) if alone else (command.account, cancels), []).append(command)
        seen.add(command.order)
    return list(batches.values())
