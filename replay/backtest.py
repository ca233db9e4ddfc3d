"""Backtest: market data files through the loop and the simulated exchange, onto a journal."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from adapters.configuration import Configuration
from adapters.errors import UserError
from adapters.journal import Durability, JournalWriter, Manifest, create_journal, document_hash
from adapters.version import engine_version, layout_name
from engine.records import EVENT
from engine.state import DEFAULT_LIMITS, Limits, state_layout
from replay.changes import change_document, check_changes, with_changes
from replay.opening import opening_events
from replay.session import Outcome
from replay.setup import build_session

MODE = "backtest"

Bytes = NDArray[np.uint8]


def backtest_manifest(configuration: Configuration, limits: Limits = DEFAULT_LIMITS) -> Manifest:
    """The manifest of a backtest: everything in it follows from the configuration, so that a repeat is the same."""
    configuration_hash = blake3(configuration.text.encode()).hexdigest()
    return Manifest(
        journal_id=configuration_hash[:32],
        engine_version=engine_version(),
        layout=asdict(limits),
        state_layout=layout_name(state_layout(limits)),
        configuration_hash=configuration_hash,
        mode=MODE,
        created_ns=0,
    )


def run_backtest(
    configuration: Configuration,
    market: Iterator[Bytes],
    journal_folder: Path | None,
    progress: Callable[[int], None] | None = None,
    limits: Limits = DEFAULT_LIMITS,
    make_room: Callable[[], None] | None = None,
) -> Outcome:
    """Trade `market` (chunks of event records, in time order) and record it in a new journal, or in none.

    `make_room` is called before the journal is made, once nothing in the configuration and the first records is wrong.
    """
    first = next(market, None)
    if first is None or len(first) == 0:
        raise UserError(f"{configuration.path}: the data has no market records, expected at least one")
    starts_ns = int(first.view(EVENT)["ts_ns"][0])
    check_changes(configuration, starts_ns)
    opening, documents = opening_events(configuration, starts_ns)
    later = {document_hash(document): document for document in map(change_document, configuration.changes)}
    chunks = with_changes(configuration, _with_first(first, market), starts_ns)
    with ExitStack() as open_files:

        def open_journal() -> JournalWriter | None:
            if journal_folder is None:
                return None
            if make_room is not None:
                make_room()
            manifest = backtest_manifest(configuration, limits)
            return open_files.enter_context(create_journal(journal_folder, manifest, Durability.ON_CLOSE))

        session = build_session(configuration, open_journal, limits)
        return session.run(opening, documents, chunks, progress, later)


def _with_first(first: Bytes, rest: Iterator[Bytes]) -> Iterator[Bytes]:
    yield first
    yield from rest
