"""Taking a tape into a read model, once or for as long as it grows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from eventsourcing.persistence import IntegrityError, PersistenceError
from eventsourcing.projection import ProjectionRunner

from adapters.errors import UserError
from replay.notifications import Tape
from replay.notifications.identity import seq_of
from replay.projections.targets import Target, hidden
from replay.projections.trading import Trading, TradingView

_LOOK_S = 0.1

Progress = Callable[[int], None]


def project(journal: Path, target: Target, follow: bool, progress: Progress) -> dict[str, Any]:
    """Take a tape into `target` from where that was left, up to its end now, or with `follow` until interrupted.

    `progress` is told which event of the tape has been reached. Raises UserError, JournalDamaged.
    """
    try:
        runner: ProjectionRunner[Tape, TradingView] = ProjectionRunner(
            application_class=Tape,
            projection_class=Trading,
            view_class=target.view_class,
            env={**target.env, "TAPE_TAPEFOLD_JOURNAL": str(journal)},
        )
        try:
            with runner:
                return _run(runner, follow, progress)
        finally:
            runner.view.close()
    except IntegrityError:
        raise UserError(f"{target.shown}: another process takes this journal there; it takes one") from None
    except PersistenceError as error:
        password = target.env.get("TRADING_POSTGRES_PASSWORD", "")
        raise UserError(f"{target.shown}: {hidden(str(error), password)}; what was committed is kept") from None


def _run(runner: ProjectionRunner[Tape, TradingView], follow: bool, progress: Progress) -> dict[str, Any]:
    assert isinstance(runner.projection, Trading)
    name = runner.app.name
    end = runner.app.recorder.last_notification_id(Trading.topics) or 0
    reached = 0
    while follow or reached < end:
        runner.run_forever(timeout=_LOOK_S)
        if runner.is_interrupted.is_set():
            break
        reached = runner.view.max_tracking_id(name) or 0
        progress(seq_of(reached))
    return {
        "journal_id": runner.app.recorder.journal_id,
        "taken": runner.projection.taken,
        "to_seq": seq_of(reached),
        "notification_id": reached,
    }
