"""Printing: data on stdout, everything else on stderr, progress only where a person watches."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from adapters.report.amounts import shown_amount

COMPILING = "Compiling the engine for this machine, once; less than a minute, more on a busy machine."
_PIPE_COLUMNS = 400

Progress = Callable[[int], None]
Row = Sequence[str]


def tell(line: str) -> None:
    """One line for a person."""
    print(line, file=sys.stderr, flush=True)


def prepare_engine(*doors: str) -> None:
    """Name the folder of compiled kernels, and say so where those behind these functions are not in it yet.

    Must come before anything of the engine is imported.
    """
    from adapters.compile_cache import cache_folder, prepare

    is_new = prepare()
    folder = cache_folder()
    missing = is_new or folder is None or not all(any(folder.rglob(f"*.{door}-*.nbi")) for door in doors)
    if missing and not os.environ.get("NUMBA_DISABLE_JIT"):
        tell(COMPILING)


def print_json(value: Mapping[str, Any]) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Progress]:
    """A bar on a terminal's stderr, told how much is done; nothing at all elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Names and values, one pair a line."""
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        print(f"{name:<{width}}  {value}")


def print_table(title: str, columns: Row, rows: Sequence[Row], text_columns: int = 1) -> None:
    """A table whose first `text_columns` are text and whose others are numbers; coloured on a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console() if sys.stdout.isatty() else Console(width=_PIPE_COLUMNS)
    table = Table(box=None, padding=(0, 0, 0, 1), pad_edge=False, title_justify="left", header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if number < text_columns else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    print()
    console.print(Text(title, style="bold"))
    # Lines of a pipe end where their text ends.
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def shown(text: str | None, currency: str | None = None) -> str:
    """An exact amount for a table, rounded, with its currency where given."""
    return shown_amount(text) + (f" {currency}" if currency else "")


def counted(count: int, what: str) -> str:
    """So many of a thing, in the singular for one."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def ratio(value: float | None, digits: int = 2, unit: str = "") -> str:
    return "–" if value is None else f"{value:,.{digits}f}{unit}"
