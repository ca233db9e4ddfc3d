"""Room for a new backtest journal: an earlier one of the same run gives way, nothing else does."""

import tomllib
from pathlib import Path

from adapters.cli.console import tell
from adapters.errors import JournalDamaged, UserError
from adapters.journal import ConfigurationDocument, read_journal
from adapters.journal.lmdb_environment import DATA_FILE, READERS_FILE, SHRUNK_FILE
from adapters.journal.writer_lock import LOCK_FILE, has_writer
from adapters.report.files import REPORT_FILES

# The journal's own file goes last: a folder that is half cleared is still known for what it is.
_OURS = (*REPORT_FILES, LOCK_FILE, READERS_FILE, SHRUNK_FILE, DATA_FILE)
_BACKTEST = "backtest"


def check_room(folder: Path, name: str) -> None:
    """Raise UserError where something is in the way that may not be replaced by a backtest called `name`."""
    if not (folder / DATA_FILE).is_file():
        return
    advice = "remove it or name another folder with --journal"
    if has_writer(folder):
        raise UserError(f"{folder}: a journal is being written there; name another folder with --journal")
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in _OURS)
    if foreign:
        raise UserError(f"{folder}: holds {foreign[0]}, which is no part of a backtest's journal; {advice}")
    mode, recorded = _recorded(folder, advice)
    if mode != _BACKTEST:
        raise UserError(f"{folder}: holds a journal of mode {mode}, which is never replaced; {advice}")
    if recorded not in (name, None):
        raise UserError(f"{folder}: holds the backtest {recorded!r}, not {name!r}; {advice}")


def make_room(folder: Path, name: str) -> None:
    """Remove the journal of an earlier backtest called `name` and its report. Raises UserError as `check_room`."""
    if not (folder / DATA_FILE).is_file():
        return
    check_room(folder, name)
    tell(f"Replacing the earlier backtest in {folder}.")
    for file in _OURS:
        (folder / file).unlink(missing_ok=True)


def _recorded(folder: Path, advice: str) -> tuple[str, str | None]:
    """The mode of a journal and the name of its run, None where it ended before its configuration."""
    try:
        with read_journal(folder) as reader:
            for _, document in reader.documents():
                if isinstance(document, ConfigurationDocument):
                    return reader.manifest.mode, tomllib.loads(document.text)["run"]["name"]
            return reader.manifest.mode, None
    except JournalDamaged as damage:
        raise UserError(f"{folder}: a damaged journal is in the way; {advice} ({damage})") from damage
