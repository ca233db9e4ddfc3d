"""`journal keygen|seal|compact|restore` and what `verify` says of it, as a user meets them."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from adapters.journal import Durability, append_journal, create_journal, read_journal
from tests.conformance.journal_places import append_some, manifest
from tests.e2e.test_cli import one_line, tapefold, write_run

SECRET = re.compile(r"[A-Za-z0-9+/]{40,}={0,2}")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a backtest's journal, a key and its public half, and another key."""
    folder = tmp_path_factory.mktemp("run")
    write_run(folder)
    assert tapefold(folder, "backtest", "run.toml").returncode == 0
    for name in ("mine", "other"):
        done = tapefold(folder, "journal", "keygen", f"{name}.pem")
        assert done.returncode == 0 and one_line("tapefold: " + done.stderr)
        (folder / f"{name}.pub").write_text(done.stdout)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(made, tmp_path / "run"))
    folder.joinpath("journals", "small").rename(folder / "tape")
    return folder


def json_of(folder: Path, *arguments: str, code: int = 0) -> dict:  # type: ignore[type-arg]
    done = tapefold(folder, *arguments, "--output", "json")
    assert done.returncode == code, done.stderr
    result: dict = json.loads(done.stdout)  # type: ignore[type-arg]
    return result


def refused(folder: Path, *arguments: str, code: int) -> str:
    done = tapefold(folder, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return one_line(done.stderr)


def test_a_key_is_its_owners_alone_and_never_replaced(run: Path) -> None:
    assert (run / "mine.pem").stat().st_mode & 0o777 == 0o600
    assert "is there already" in refused(run, "journal", "keygen", "mine.pem", code=2)
    assert "PRIVATE" not in (run / "mine.pub").read_text()


def test_a_sealed_journal_is_told_from_one_that_was_cut(run: Path) -> None:
    seal = json_of(run, "journal", "seal", "tape", "--key", "mine.pem", "--name", "alice", "--to", "kept.json")
    with read_journal(run / "tape") as reader:
        assert seal["last_seq"] == reader.last_seq and len(seal["state_digest"]) == 64
    assert (run / seal["file"]).read_bytes() == (run / "kept.json").read_bytes()
    for option in ((), ("--chain-only",)):
        result = json_of(run, "verify", "tape", "--public-key", "mine.pub", *option)
        assert result["ok"] and [found["name"] for found in result["seals"]] == ["alice"]
        assert result["folded"] == (not option) and result["gb_per_s"] > 0
    table = tapefold(run, "verify", "tape", "--chain-only").stdout
    assert re.search(r"Chain +0\.\d\d MB", table) and "compared with none: give --public-key" in table
    again = tapefold(run, "journal", "seal", "tape", "--key", "mine.pem")
    assert again.returncode == 0 and "that seal stands" in again.stderr

    assert "signed with another key" in refused(run, "verify", "tape", "--public-key", "other.pub", code=4)
    shutil.rmtree(run / "tape" / "seals")
    assert json_of(run, "verify", "tape", "--seal", "kept.json")["seals"][0]["ok"]
    assert "there is no seal" in refused(run, "verify", "tape", "--public-key", "mine.pub", code=4)
    write_run(run, count=60)
    assert tapefold(run, "backtest", "run.toml", "--journal", "tape").returncode == 0
    line = refused(run, "verify", "tape", "--seal", "kept.json", code=4)
    assert "kept.json" in line and "what was behind it was cut off" in line


def test_bad_keys_and_seals_are_one_line(run: Path) -> None:
    (run / "broken.pem").write_text((run / "mine.pem").read_text().replace("A", "B", 2))
    (run / "broken.pem").chmod(0o600)
    (run / "mine.pub").chmod(0o600)
    (run / "open.pem").write_bytes((run / "mine.pem").read_bytes())
    (run / "open.pem").chmod(0o640)
    for arguments, words in (
        (("seal", "tape", "--key", "missing.pem"), "missing.pem: cannot be read"),
        (("seal", "tape", "--key", "open.pem"), "open.pem: can be read or written by others, expected chmod 600"),
        (("seal", "tape", "--key", "broken.pem"), "broken.pem: holds no key to sign with"),
        (("seal", "tape", "--key", "mine.pub"), "mine.pub: holds no key to sign with"),
        (("seal", "nowhere", "--key", "mine.pem"), "nowhere: does not exist"),
        (("compact", "tape", "--before", "0"), "--before 0: expected a sequence number"),
        (("compact", "tape", "--before", "1999-01-01"), "--before 1999-01-01: expected a time of the tape"),
        (("compact", "tape", "--keep", "soon"), "--keep: expected a duration"),
        (("compact", "tape", "--keep", "1d", "--before", "9"), "expected one of them"),
    ):
        line = refused(run, "journal", *arguments, code=2)
        assert words in line and not SECRET.search(line.replace(str(run), ""))
    assert "holds no public key" in refused(run, "verify", "tape", "--public-key", "mine.pem", code=2)
    assert "run.toml: holds no seal" in refused(run, "verify", "tape", "--seal", "run.toml", code=2)


def test_a_packed_journal_answers_as_before(run: Path) -> None:
    before = json_of(run, "replay", "tape")
    packed = json_of(run, "journal", "compact", "tape", "--keep", "3d")
    assert packed["segments"] == 1 and packed["file_bytes"] < packed["raw_bytes"]
    assert (run / packed["to"]).is_dir()
    for key in ("state_digest", "command_digest", "accounts", "last_seq"):
        assert json_of(run, "replay", "tape")[key] == before[key]
    assert json_of(run, "verify", "tape")["folded"]
    table = tapefold(run, "journal", "compact", "tape")
    assert table.returncode == 0 and "Packed       events up to" in table.stdout

    shutil.move(run / "tape" / "segments", run / "archive")
    line = refused(run, "replay", "tape", code=2)
    assert "segments/" in line and "which is not there" in line
    result = json_of(run, "verify", "tape")
    assert result["ok"] and not result["folded"] and len(result["absent"]) == 2
    assert "Moved away  events 1 to " in tapefold(run, "verify", "tape").stdout
    assert "restore with --from" in refused(run, "journal", "restore", "tape", code=2)
    assert json_of(run, "journal", "restore", "tape", "--from", "archive")["segments"] == 2
    assert json_of(run, "verify", "tape")["state_digest"] == before["state_digest"]


def test_a_journal_is_sealed_while_it_is_written_and_not_packed(made: Path, tmp_path: Path) -> None:
    key = str(made / "mine.pem")
    with create_journal(tmp_path / "tape", manifest(mode="live"), Durability.EVERY_COMMIT) as writer:
        append_some(writer, 5, 1, (2,))
        sealed = []
        for number in range(3):
            done = tapefold(tmp_path, "journal", "seal", "tape", "--key", key, "--output", "json")
            assert done.returncode == 0, done.stderr
            sealed.append(json.loads(done.stdout)["last_seq"])
            append_some(writer, 5, 1, (2,), number)
        assert sealed == [5, 10, 15]
        assert "is being written by process" in refused(tmp_path, "journal", "compact", "tape", code=2)
        assert len(json_of(tmp_path, "verify", "tape", "--chain-only")["seals"]) == 3
    with append_journal(tmp_path / "tape") as writer:
        append_some(writer, 5)
    result = json_of(tmp_path, "verify", "tape", "--chain-only", "--public-key", str(made / "mine.pub"))
    assert [found["ok"] for found in result["seals"]] == [True] * 3


def test_a_seal_of_a_folder_that_cannot_be_written_goes_elsewhere(run: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("everything can be written by root")
    (run / "tape").chmod(0o500)
    done = tapefold(run, "journal", "seal", "tape", "--key", "mine.pem", "--to", "kept.json")
    assert done.returncode == 0 and (run / "kept.json").is_file() and "cannot be written" in done.stderr
    assert "cannot be written" in refused(run, "journal", "seal", "tape", "--key", "other.pem", code=2)
