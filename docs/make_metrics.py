"""Writes docs/metrics.md, the table of all metrics, from adapters/operating: `python -m docs.make_metrics`."""

from pathlib import Path

from prometheus_client.registry import Collector

from adapters.operating.figures import COUNTED, MEASURED, READ
from adapters.operating.metrics import Metrics

PAGE = Path(__file__).with_name("metrics.md")

_HEAD = """\
# Metrics

What Prometheus can ask a running daemon, at `/metrics` of its `metrics_port` ([live trading](live.md)). Counters count
since the daemon started. Amounts are floating point here and exact on the tape. `process_*` (memory, files, CPU time)
are those of Prometheus's own library. This page is made from `adapters/operating` by `python -m docs.make_metrics`; a
test keeps it up to date.

| name | type | labels | meaning |
| --- | --- | --- | --- |
"""


def page() -> str:
    """The text of the page: what the registry says there is, with the labels that each has."""
    labels = {figure.name: ", ".join(map("`{}`".format, figure.labels)) for figure in (*COUNTED, *READ, *MEASURED)}
    registry: Collector = Metrics(lambda: (), {}, {}).registry
    rows = []
    for family in registry.collect():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if not name.startswith("process_"):
            rows.append(f"| `{name}` | {family.type} | {labels[name]} | {family.documentation} |\n")
    return _HEAD + "".join(sorted(rows))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
