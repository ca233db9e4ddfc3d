"""From which event to which a command is asked for."""

from typing import TYPE_CHECKING

from adapters.errors import UserError

if TYPE_CHECKING:
    from adapters.journal import JournalReader


def range_of(reader: "JournalReader", start: str | None, end: str | None, end_option: str) -> tuple[int, int]:
    """The first and the last event, of those that are on the tape now. Raises UserError."""
    from replay.point import first_seq_at, seq_at

    first_seq, last_seq = first_seq_at(reader, start, "--from"), seq_at(reader, end, end_option)
    if last_seq < first_seq:
        raise UserError(f"{end_option} {end}: comes before --from {start}, expected a later event")
    return first_seq, last_seq
