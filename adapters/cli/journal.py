"""The commands for journals themselves and their arguments; what they do is in the module that each one imports."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.options import Output

journal = App(
    name="journal", help="Journals themselves: what is in one and comes in at its end, sealing, packing what is old."
)

Kinds = Annotated[list[str] | None, Parameter(negative="")]


@journal.command(name="ls")
def list_journals(folder: Path = Path("journals"), /, *, output: Output = "table") -> int:
    """List the journals in a folder: what they are of, how much is on them, and how they ended.

    Parameters
    ----------
    folder
        A folder of journals.
    """
    from adapters.cli.journals import list_journals as run

    return run(folder, output)


@journal.command
def info(journal: Path, /, *, output: Output = "table") -> int:
    """Print what a journal is, how it ends, and how many events and decisions of each kind are on it.

    Parameters
    ----------
    journal
        The journal's folder.
    """
    from adapters.cli.journals import info as run

    return run(journal, output)


@journal.command
def tail(
    journal: Path,
    /,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"])] = 10,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], negative="")] = False,
    kind: Kinds = None,
    output: Output = "table",
) -> int:
    """Print the last events of a journal with what was decided on them.

    Parameters
    ----------
    journal
        The journal's folder.
    count
        How many events.
    follow
        Go on with what is written to the journal, until interrupted; with JSON, one object a line.
    kind
        Only events or decisions of this kind, such as order-filled or refusal; may be given several times.
    """
    from adapters.cli.journals import tail as run

    return run(journal, count, follow, kind or [], output)


@journal.command
def keygen(key: Path, /, *, output: Output = "table") -> int:
    """Make a key to seal journals with (Ed25519), and print its public key.

    Parameters
    ----------
    key
        A new file for the private key, which only its owner can read then. Keep it away from the journals.
    """
    from adapters.cli.sealing import keygen as run

    return run(key, output)


@journal.command
def seal(journal: Path, /, *, key: Path, name: str = "", to: Path | None = None, output: Output = "table") -> int:
    """Sign what a journal is at its end now, also while a daemon writes it: verify tells if it is ever another.

    Parameters
    ----------
    journal
        The journal's folder. The seal is kept in it, in seals/.
    key
        The file of the private key.
    name
        Who seals.
    to
        A file to write the seal to as well, best on another machine.
    """
    from adapters.cli.sealing import seal as run

    return run(journal, key, name, to, output)


@journal.command
def compact(
    journal: Path,
    /,
    *,
    before: str | None = None,
    keep: str | None = None,
    to: Path | None = None,
    output: Output = "table",
) -> int:
    """Pack older blocks into compressed files and shrink the journal. Nothing else changes: not one hash.

    Parameters
    ----------
    journal
        The journal's folder; nobody may be writing it.
    before
        Pack what is before this sequence number, or before this ISO time (UTC where it has no zone); everything but
        the last block where neither this nor --keep is given.
    keep
        Pack what is older than this, such as 30d, counted from the last event of the tape.
    to
        A folder for the compressed files, to archive them; without it they stay in the journal's folder.
    """
    from adapters.cli.packing import compact as run

    return run(journal, before, keep, to, output)


@journal.command
def restore(
    journal: Path, /, *, source: Annotated[Path | None, Parameter(name="--from")] = None, output: Output = "table"
) -> int:
    """Put packed blocks back into the journal, byte for byte.

    Parameters
    ----------
    journal
        The journal's folder; nobody may be writing it.
    source
        The folder where archived files are; they stay there.
    """
    from adapters.cli.packing import restore as run

    return run(journal, source, output)


@journal.command
def project(
    journal: Path,
    /,
    *,
    to: str,
    follow: Annotated[bool, Parameter(negative="")] = False,
    output: Output = "table",
) -> int:
    """Take orders, fills, trades and positions of a journal into a database, each exactly once.

    It goes on where it was left, also after it was killed.

    Parameters
    ----------
    journal
        The journal's folder.
    to
        sqlite:///FILE, or postgresql://USER@HOST/DATABASE; a password is better left to PGPASSWORD or ~/.pgpass.
    follow
        Go on as the journal grows, until interrupted.
    """
    from adapters.cli.projecting import project as run

    return run(journal, to, follow, output)


@journal.command
def export(
    journal: Path,
    /,
    *,
    to: Path,
    table: str = "events",
    start: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--until")] = None,
    output: Output = "table",
) -> int:
    """Write a table of a journal to a file; the tables and their columns are in docs/audit-sql.md.

    Parameters
    ----------
    journal
        The journal's folder.
    to
        The new file; its name ends with .parquet, .arrow or .csv.
    table
        Which table.
    start
        Only what is on events from this sequence number on, or from this ISO time (UTC where it has no zone).
    end
        Up to this sequence number or time.
    """
    from adapters.cli.querying import export as run

    return run(journal, to, table, start, end, output)
