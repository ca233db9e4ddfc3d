"""The commands for journals themselves and their arguments; what they do is in the module that each one imports."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.options import Output

journal = App(
    name="journal", help="Journals themselves: which there are, what is in one, and what comes in at its end."
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
