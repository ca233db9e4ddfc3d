"""A live tape once more with its strategies: what they say of its events must be what they said then."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from adapters.configuration import Configuration, parse_configuration
from adapters.errors import Divergence, UserError
from adapters.journal import ConfigurationDocument, JournalReader
from engine.entry import engine_for
from replay.live_session import LiveSession
from replay.live_setup import Sending
from replay.loop import Gateway, loop_for
from replay.refold import limits_of
from replay.setup import bind_strategies, new_exchange

_LIVE_MODES = frozenset(sending.value for sending in Sending)


@dataclass(frozen=True, slots=True)
class Parity:
    """Whether strategies were asked again; if not, `why_not` says what keeps them from it."""

    asked: bool
    why_not: str = ""


def ask_again(reader: JournalReader, folder: Path, progress: Callable[[int], None] | None = None) -> Parity:
    """Show a live tape to the strategies that its configuration names, from its first event to its last.

    Entries of strategies start from `folder`. Of a paper tape the simulated exchange is asked again too. Raises
    Divergence at the first signal, or event of the simulated exchange, that is another one.
    """
    if reader.manifest.mode not in _LIVE_MODES:
        return Parity(False, "not the tape of a live session")
    if reader.last_seq == 0:
        return Parity(False, "the tape is empty")
    try:
        session = _session(_configuration(reader, folder), reader)
    except UserError as error:
        return Parity(False, str(error))
    found = session.recover(reader, progress, from_start=True)
    if found.divergences:
        raise Divergence(
            f"event {found.diverged_seq}: the strategies say something else than on the tape, "
            f"{found.divergences} times from there on"
        )
    return Parity(True)


def _configuration(reader: JournalReader, folder: Path) -> Configuration:
    document = reader.document(1)
    if not isinstance(document, ConfigurationDocument):
        raise UserError("the tape does not begin with its configuration")
    return parse_configuration(document.text, folder / "the tape's configuration")


def _session(configuration: Configuration, reader: JournalReader) -> LiveSession:
    limits = limits_of(reader)
    strategies = bind_strategies(configuration)
    gateway = Gateway.SIMULATED if reader.manifest.mode == Sending.PAPER.value else Gateway.RECORDED
    return LiveSession(
        engine_for(limits),
        loop_for(limits),
        new_exchange(configuration, limits),
        strategies.binding,
        strategies.host,
        gateway,
    )
