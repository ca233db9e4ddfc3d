"""Writes docs/audit-sql.md, the tables of `tapefold audit sql`, from replay/: `python -m docs.make_audit_sql`."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from replay.audit.tables.catalogue import TABLES, Table
from replay.audit.tables.columns import Column
from replay.audit.tables.scales import scales_of
from replay.names import Names

PAGE = Path(__file__).with_name("audit-sql.md")

_HEAD = """\
# SQL over a journal

```
$ tapefold audit sql journals/crash-2017 "select reason, count(*) from refusals group by 1 order by 2 desc"
$ tapefold audit sql journals/crash-2017 "select time, symbol, price, fee from fills" --output csv > fills.csv
$ tapefold audit sql journals/live "select * from orders where status = 'unknown'" --from 2026-11-21T07:00:00Z
$ tapefold journal export journals/crash-2017 --table quotes --to quotes.parquet
```

The query is [DuckDB](https://duckdb.org)'s SQL: one statement, which only reads. It reaches the tables below and
nothing else: no files, network, extensions or settings of this machine. Only the columns that it needs are read,
and blocks of the tape without any of its records are passed over; what is in memory does not grow with the tape,
but with what the query keeps (a sort or a join of millions of rows, say). Of a journal that is being written, a
query sees what was there when it began.

`--from` and `--to` are a sequence number or an ISO time (UTC where it has no zone) and spare reading the rest.
`--output` is `table` (the first 200 rows, and how many there are), `csv`, or `json`: `{"columns": [{"name",
"type"}], "rows": [[...]]}`, with decimals and times as exact texts. A mistake in a query is one line, and exit code
2.

`journal export` writes a table to a new `.parquet`, `.arrow` or `.csv` file, from `--from` to `--until`. What a
column means is in the file's schema (`meaning`), with the journal's id. A file that is there is never replaced, and
none is left half written.

## Types and units

Integers are as they are on the tape: prices in ticks, sizes in lots, money in the smallest units of the account's
money, ratios in millionths, times in nanoseconds since 1970 UTC. Beside them are exact decimals (`DECIMAL`, with as
many digits behind the point as the finest size on the tape has), times (`TIMESTAMP_NS`, UTC) and names in small
letters, as in [records](records.md) and [reasons](reasons.md); a number without a name is called by its number.
`order`, `group` and `limit` are words of SQL: the columns are `order_number`, `group_number` and `limit_value`.

Tables of records are what was recorded. `orders`, `positions` and `equity` are folded from the tape's start, which
takes as long as `tapefold replay` does; `orders` is compared with the recorded decisions as it goes, and a
difference is said (exit code 3). The spans of time of `positions` and `equity` are those of [the
report](report.md).

What people and strategies wrote is in `documents`, by the event that it belongs to:

```
select time, operator_action, author, text from operator_commands join documents using (seq)
```

This page is made from `replay/audit/tables/` by `python -m docs.make_audit_sql`; a test keeps it up to date.
"""
_SCALES = scales_of(Names())


def sql_type(column: Column) -> str:
    """What DuckDB calls a column's type."""
    found: Any = column.type(_SCALES)
    if pa.types.is_decimal(found):
        return "DECIMAL"
    known = {"int64": "BIGINT", "timestamp[ns]": "TIMESTAMP_NS", "bool": "BOOLEAN", "string": "VARCHAR"}
    return "VARCHAR" if pa.types.is_dictionary(found) else known[str(found)]


def _section(table: Table) -> str:
    rows = "".join(f"| `{column.name}` | {sql_type(column)} | {column.meaning} |\n" for column in table.columns)
    meaning = f"{table.meaning[0].upper()}{table.meaning[1:]}."
    return f"\n## {table.name}\n\n{meaning}\n\n| column | type | what it is |\n| --- | --- | --- |\n{rows}"


def page() -> str:
    return _HEAD + "".join(_section(table) for table in TABLES)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
