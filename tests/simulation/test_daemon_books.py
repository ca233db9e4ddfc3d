"""What an exchange did while nobody listened: it is on the tape once, and by the rules that the configuration names."""

from pathlib import Path

import pytest

from adapters.configuration import parse_configuration
from adapters.exchanges.client_ids import ClientIds
from adapters.journal import read_journal
from adapters.venue.orders import OrderRequest, Placed, VenueOrder
from engine.kinds import EventKind, OrderStatus, OrderType, Side
from engine.records import EVENT
from replay.live import Daemon
from replay.sessions import sessions_of
from tests.simulation.daemon_lives import TEXT, Life, World, agree, the_tape_is_sound

_LIVES_MOST = 20


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "k")
    monkeypatch.setenv("TEST_SECRET", "s")


def adopting(world: World) -> World:
    text = TEXT.replace("[live]\n", '[live]\nunknown_orders = "adopt"\n')
    world.configuration = parse_configuration(text, Path("live.toml"))
    return world


def lived(world: World, ticks: int, point: str = "", settles: bool = False) -> Daemon:
    daemon = Life(world, point, ticks=ticks, settles=settles).live().daemon
    assert daemon is not None
    return daemon


def stray(world: World, daemon: Daemon, number: int, quantity_lots: int = 7) -> VenueOrder:
    """An order with the tape's id of a number comes late, far from the market."""
    client_id = ClientIds(daemon.journal.manifest.journal_id).binance(number)
    limit_ticks = world.price_ticks - 50_000
    # The id of an order that has ended is free again.
    world.customer._client_id_kept_ns = 0
    request = OrderRequest(0, Side.BUY, OrderType.LIMIT, quantity_lots, limit_ticks, client_id=client_id)
    answer = world.core.place(world.customer, request)
    assert isinstance(answer, Placed)
    return answer.order


def row_of(daemon: Daemon, number: int):
    orders = daemon.session.engine.view(daemon.session.state).orders
    (row,) = orders[orders["order"] == number]
    return row


@pytest.mark.parametrize("point", ["before_append:9", "after_commit:9", "after_fill:1", "after_questions:1"])
def test_funding_that_was_paid_to_nobody_who_listened_is_booked_once(tmp_path: Path, point: str) -> None:
    world = World(tmp_path / "j", seed=2)
    lived(world, ticks=60, point=point)
    paid = len(world.customer.payments())
    for _ in range(_LIVES_MOST):
        if world.customer.position(0).quantity_lots:
            break
        lived(world, ticks=5)
    assert world.customer.position(0).quantity_lots != 0
    for _ in range(3):
        world.pay_funding()
    assert len(world.customer.payments()) >= paid + 3
    # Asked for at the start, told once more at each.
    for _ in range(2):
        lived(world, ticks=0)
    daemon = lived(world, ticks=0, settles=True)
    agree(world, daemon)
    the_tape_is_sound(world.folder, daemon)
    with read_journal(world.folder) as reader:
        ends = [session["end"] for session in sessions_of(reader, is_written=False)["sessions"]]
    # A payment that a restart learns of is no sign that the daemon before was still there.
    assert ends[-3:] == ["stopped"] * 3


def test_a_new_tape_begins_with_the_money_that_is_there_and_books_no_payment_from_before(tmp_path: Path) -> None:
    world = World(tmp_path / "other", seed=2)
    for _ in range(_LIVES_MOST):
        lived(world, ticks=20)
        if world.customer.position(0).quantity_lots:
            break
    for _ in range(3):
        world.pay_funding()
    # The clock of the second tape is not long past them.
    world.folder = tmp_path / "j"
    daemon = lived(world, ticks=0)
    account = daemon.session.engine.view(daemon.session.state).accounts[0]
    assert (int(account["funding_units"]), int(account["deposits_units"])) == (
        0,
        world.customer.balance(0).wallet_units,
    )


@pytest.mark.parametrize("known", [True, False])
def test_an_unknown_order_with_an_id_of_ours_is_adopted(tmp_path: Path, known: bool) -> None:
    world = adopting(World(tmp_path / "j", seed=4))
    first = lived(world, ticks=60, settles=True)
    state = first.session.engine.view(first.session.state)
    ended = state.orders[state.orders["status"] == OrderStatus.CANCELED]["order"]
    placed = int(state.orders_placed)
    number = int(ended[0]) if known else placed + 5
    order = stray(world, first, number)
    before = lived(world, ticks=0)
    adopted = row_of(before, number)
    assert adopted["status"] in (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED)
    assert int(adopted["quantity_lots"] - adopted["filled_lots"]) == 7
    assert (int(adopted["limit_ticks"]), int(adopted["side"])) == (order.limit_ticks, 1)
    assert order.is_open
    # It is the strategy's like any other: a change of its mind may cancel it.
    daemon = lived(world, ticks=60, settles=True)
    assert int(row_of(daemon, number)["exchange_order_id"]) == order.number
    # Nothing that is placed afterwards has a number that is taken.
    assert daemon.session.row.orders_placed >= max(placed, number)
    agree(world, daemon)
    the_tape_is_sound(world.folder, daemon)


def test_an_unknown_order_is_cancelled_where_nothing_is_said(tmp_path: Path) -> None:
    world = World(tmp_path / "j", seed=4)
    first = lived(world, ticks=30, settles=True)
    order = stray(world, first, 5_000)
    daemon = lived(world, ticks=0, settles=True)
    assert order.status == OrderStatus.CANCELED
    assert daemon.session.row.orders_placed < 5_000
    agree(world, daemon)


def test_an_adopted_order_is_filled_and_cancelled_like_any_other(tmp_path: Path) -> None:
    world = adopting(World(tmp_path / "j", seed=5))
    first = lived(world, ticks=30, settles=True)
    number = int(first.session.row.orders_placed) + 1
    order = stray(world, first, number, quantity_lots=3)
    lived(world, ticks=0)
    world.core.cancel(world.customer, order.number)
    daemon = lived(world, ticks=0, settles=True)
    assert row_of(daemon, number)["status"] == OrderStatus.CANCELED
    agree(world, daemon)


def test_the_kinds_of_this_page_are_on_the_tape(tmp_path: Path) -> None:
    world = adopting(World(tmp_path / "j", seed=5))
    first = lived(world, ticks=60, settles=True)
    stray(world, first, int(first.session.row.orders_placed) + 1)
    lived(world, ticks=0)
    with read_journal(world.folder) as reader:
        kinds = {int(kind) for block in reader.blocks() for kind in block.events.view(EVENT)["kind"]}
    assert {EventKind.FUNDING, EventKind.ORDER_ADOPTED} <= kinds
