"""`live` and `recover`: the daemon, and what a restart of it would find."""

import asyncio
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.cli.console import prepare_engine, print_json
from adapters.cli.outcome import FAULT, TRACEBACK
from adapters.cli.tapes import tell_engine
from adapters.errors import TapefoldError, UserError

if TYPE_CHECKING:
    from adapters.operating.logs import Redaction
    from replay.live import Daemon
    from replay.live_session import Recovered

log = logging.getLogger("tapefold.live")


def live(configuration: Path, journal: Path | None, dry_run: bool, paper: bool) -> int:
    """Trade until interrupted. Raises TapefoldError."""
    # Also before there is a loop that it could be told to.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if dry_run and paper:
        raise UserError("--dry-run and --paper: expected one of them")
    prepare_engine("drive")
    import uvloop

    from adapters.configuration import load_configuration
    from adapters.exchanges import connect
    from adapters.operating.logs import Redaction, log_to
    from replay.live_setup import Sending, live_of, open_daemon, secrets_of

    loaded = load_configuration(configuration)
    live_of(loaded)
    sending = Sending.DRY_RUN if dry_run else Sending.PAPER if paper else Sending.LIVE
    folder = journal if journal is not None else loaded.journal_directory
    secrets = secrets_of(loaded, sending)
    log_to(secrets=secrets)
    with _kept_secret(Redaction(secrets)), ExitStack() as opened:
        daemon, recovered = open_daemon(loaded, folder, sending, connect, opened)
        _say_found(folder, recovered)
        uvloop.run(_run(daemon))
    log.info("stopped at event %d; the tape is %s", daemon.session.row.seq, folder)
    return 0


@contextmanager
def _kept_secret(redaction: "Redaction") -> Iterator[None]:
    """Hide keys in the line of an error too. Where a fault of ours was is for the log, which hides them as well."""
    try:
        yield
    except TapefoldError as error:
        error.args = tuple(redaction.hide(part) for part in map(str, error.args))
        raise
    except Exception as error:
        if os.environ.get(TRACEBACK):
            log.error("a fault of tapefold", exc_info=error)
        what = f"{type(error).__name__}: {error} ({FAULT})"
        if isinstance(error, OSError) and error.strerror:
            what = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        raise TapefoldError(redaction.hide(what)) from None


async def _run(daemon: "Daemon") -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, daemon.stop)
    await daemon.run()


def _say_found(folder: Path, recovered: "Recovered") -> None:
    if recovered.events == 0:
        log.info("a new tape at %s", folder)
        return
    log.info("%s: back at event %d", folder, recovered.events)
    if recovered.divergences:
        log.warning(
            "the strategies said something else than on the tape %d times, first at event %d; nothing of it was told",
            recovered.divergences,
            recovered.diverged_seq,
        )


def recover(journal: Path, check: bool, output: str) -> int:
    """Print what a restart would find; with `check` the tape is verified as well. Raises TapefoldError."""
    prepare_engine("fold")
    from adapters.journal import read_journal
    from replay.recovery import look

    with read_journal(journal) as reader:
        tell_engine(reader)
        found = look(reader, check)
    if output == "json":
        print_json(found)
    else:
        _print_found(journal, found)
    return 0


def _print_found(journal: Path, found: Mapping[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    summary = Table(title=str(journal), show_header=False)
    for name in ("mode", "events", "last_time", "trading_state", "snapshot_seq", "state_digest", "checked"):
        summary.add_row(name.replace("_", " "), str(found[name]))
    console.print(summary)
    for title, rows in (
        ("A restart would ask about", found["asked_about"]),
        ("and compare with the exchange", found["positions"]),
    ):
        if not rows:
            console.print(f"{title}: nothing")
            continue
        table = Table(*(name.replace("_", " ") for name in rows[0]), title=title)
        for row in rows:
            table.add_row(*map(str, row.values()))
        console.print(table)
