"""The files beside a journal: tables as Parquet, the summary as JSON, and the page for a person."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adapters.errors import UserError
from adapters.report.page import page
from adapters.report.tables import Tables

PAGE = "report.html"
SUMMARY = "summary.json"
REPORT_FILES = (PAGE, SUMMARY, "equity.parquet", "trades.parquet", "fills.parquet")


def write_report(folder: Path, name: str, summary: Mapping[str, Any], tables: Tables, configuration: str) -> Path:
    """Write all of REPORT_FILES into `folder`; returns the page's path. Raises UserError where they cannot be written.

    `summary` is the object that `--output json` prints, `configuration` the text of the run's file.
    """
    path = folder / PAGE
    try:
        tables.equity.write_parquet(folder / "equity.parquet")
        tables.trades.write_parquet(folder / "trades.parquet")
        tables.fills.write_parquet(folder / "fills.parquet")
        (folder / SUMMARY).write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        path.write_text(page(name, summary, tables, configuration), encoding="utf-8")
    except OSError as error:
        raise UserError(f"{folder}: the report cannot be written: {error.strerror or error}") from error
    return path
