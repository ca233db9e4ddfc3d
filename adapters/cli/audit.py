"""The questions to a journal and their arguments; what they do is in the module that each one imports."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from adapters.cli.options import Output

audit = App(name="audit", help="Ask a journal what happened, how everything stood, and why.")


@audit.command
def timeline(
    journal: Path,
    /,
    *,
    symbol: str | None = None,
    strategy: str | None = None,
    order: int | None = None,
    start: Annotated[str | None, Parameter(name="--from")] = None,
    end: Annotated[str | None, Parameter(name="--to")] = None,
    kind: Annotated[list[str] | None, Parameter(negative="")] = None,
    limit: int | None = None,
    output: Output = "table",
) -> int:
    """Print what happened, one line for an event or a decision; market data and timers only where asked for by kind.

    Parameters
    ----------
    journal
        The journal's folder.
    symbol
        Only what is about this instrument.
    strategy
        Only what this strategy said, and what is about its orders.
    order
        Only what is about the order of this number.
    start
        From this sequence number on, or from this ISO time (UTC where it has no zone).
    end
        Up to this sequence number or time.
    kind
        Only events or decisions of this kind, such as order-filled or refusal; may be given several times.
    limit
        No more than so many events.
    """
    from adapters.cli.auditing import timeline as run

    return run(journal, symbol, strategy, order, start, end, kind or [], limit, output)


@audit.command
def state(journal: Path, /, *, at: str, diff: str | None = None, output: Output = "table") -> int:
    """Print accounts, positions, orders, brackets and breakers as they stood after an event.

    Parameters
    ----------
    journal
        The journal's folder.
    at
        The event: its sequence number, or the last one that is not later than this ISO time (UTC where it has no zone).
    diff
        Another event: print what differs at it instead.
    """
    from adapters.cli.auditing import state as run

    return run(journal, at, diff, output)


@audit.command
def explain(journal: Path, order: int | None = None, /, *, at: str | None = None, output: Output = "table") -> int:
    """Print why an order was placed as it was, or why a signal was refused: with every figure that was compared.

    Parameters
    ----------
    journal
        The journal's folder.
    order
        The number of the order.
    at
        An event instead: its sequence number, or the last one that is not later than this ISO time (UTC where it has
        no zone).
    """
    from adapters.cli.explaining import explain as run

    return run(journal, order, at, output)


@audit.command
def whatif(
    journal: Path,
    /,
    *,
    changes: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    at: str | None = None,
    limit: int = 20,
    output: Output = "table",
) -> int:
    """Play the tape again under other rules, and print what would have been different and what it would have cost.

    Parameters
    ----------
    journal
        The journal's folder.
    changes
        A rule and its value such as risk.daily_loss_max=1%, as ctl set takes them; may be given several times.
    at
        Tell the change after this event (its sequence number, or the last one that is not later than this ISO time);
        at the start of the tape where not given.
    limit
        No more than so many differences in the table.
    """
    from adapters.cli.whatif import whatif as run

    return run(journal, changes or [], at, limit, output)


@audit.command
def bisect(journal: Path, other: Path | None = None, /, *, output: Output = "table") -> int:
    """Print where two tapes part, or where this engine decides something else than the tape says.

    Exit code 0 where they are the same, 1 where they part.

    Parameters
    ----------
    journal
        The journal's folder.
    other
        Another journal's folder; where not given, the tape's decisions are compared with those of this engine.
    """
    from adapters.cli.bisecting import bisect as run

    return run(journal, other, output)
