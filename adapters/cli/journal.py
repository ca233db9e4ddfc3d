"""The commands of `tapefold journal`; what they do is in the module that each one imports when it is called."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.app import Output

app = App(name="journal", help="Look after journals, and take what is in them elsewhere.")


@app.command
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
