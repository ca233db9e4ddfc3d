"""Parts of a page: every text from outside is escaped here."""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

# What is shown, its tone (up, down or none), and what the column is sorted by.
Cell = tuple[str, str, str]

_FOLDER = Path(__file__).parent


def page_head(title: str) -> str:
    """Everything before the body; `title` is escaped."""
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"
    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>{style}</style></head>"
    )


def html_tile(label: str, value: str, note: str, tone: str = "", exact: str = "") -> str:
    """A figure; `exact` is shown where a person points at it."""
    title = f' title="{escape(exact)}"' if exact else ""
    return (
        f'<div class="tile"><div class="label">{escape(label)}</div>'
        f'<div class="value {tone}"{title}>{escape(value)}</div><div class="note">{escape(note)}</div></div>'
    )


def html_table(columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[Cell]], sortable: bool = False) -> str:
    """A table; a column is (title, is text), a cell (shown, tone, sort key)."""
    heads = []
    for title, is_text in columns:
        label = f'<button type="button">{escape(title)}</button>' if sortable else escape(title)
        heads.append(f'<th scope="col"{" class=text" if is_text else ""}>{label}</th>')
    body = "".join(
        "<tr>" + "".join(html_cell(cell, is_text) for cell, (_, is_text) in zip(row, columns, strict=True)) + "</tr>"
        for row in rows
    )
    kind = ' class="sortable"' if sortable else ""
    return (
        f'<div class="scroll"><table{kind}><thead><tr>{"".join(heads)}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def html_cell(cell: Cell, is_text: bool) -> str:
    shown, tone, key = cell
    classes = " ".join(name for name in ("text" if is_text else "", tone) if name)
    attributes = (f' class="{classes}"' if classes else "") + (f' data-key="{escape(key)}"' if key else "")
    return f"<td{attributes}>{escape(shown)}</td>"


def plain_cell(shown: str, key: str = "") -> Cell:
    return shown, "", key
