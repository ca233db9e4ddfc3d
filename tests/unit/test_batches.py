"""Which commands of one commit go together."""

from adapters.exchanges.port import Command
from engine.kinds import DecisionKind
from replay.batches import in_batches

PLACE, CANCEL, AMEND = DecisionKind.PLACE_ORDER, DecisionKind.CANCEL_ORDER, DecisionKind.AMEND_ORDER
RELEASE = DecisionKind.RELEASE_ORDER


def command(kind: DecisionKind, order: int, account: int = 0) -> Command:
    return Command(kind, 0, 0, 0, 0, account, 0, 0, order, 0, 0, 0, 0, 0)


def batches(*commands: Command) -> list[list[int]]:
    return [[one.order for one in batch] for batch in in_batches(commands)]


def test_orders_and_cancels_go_together_each_with_their_kind() -> None:
    assert batches() == []
    assert batches(command(CANCEL, 1), command(PLACE, 2), command(CANCEL, 3), command(RELEASE, 4)) == [[1, 3], [2, 4]]


def test_accounts_are_apart() -> None:
    assert batches(command(PLACE, 1), command(PLACE, 2, account=1), command(PLACE, 3)) == [[1, 3], [2]]


def test_amendments_go_alone() -> None:
    assert batches(command(AMEND, 1), command(AMEND, 2), command(PLACE, 3)) == [[1], [2], [3]]


def test_what_follows_on_an_earlier_command_goes_alone_and_after_it() -> None:
    assert batches(command(PLACE, 1), command(PLACE, 2), command(CANCEL, 1), command(CANCEL, 3)) == [[1, 2], [1], [3]]
