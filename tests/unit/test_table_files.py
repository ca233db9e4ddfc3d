"""Tables as files: what they hold, and that none is replaced or left half written."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import replay.audit.tables.export as export_module
from adapters.errors import UserError
from adapters.journal.port import BlockDamaged, Table
from replay.audit.tables.export import export
from tests.unit.test_tables import random_tape, tape


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "tape_of", lambda _: tape())


def written(to: Path, name: str, first_seq: int = 1, last_seq: int | None = None) -> int:
    with random_tape().read() as reader:
        return export(reader, name, to, first_seq, last_seq or reader.last_seq)


@pytest.mark.parametrize("name", ["events", "fills", "refusals", "documents"])
def test_the_formats_hold_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(export_module, "_GROUP_ROWS", 20)
    counts = [written(tmp_path / f"x{suffix}", name, 3) for suffix in (".parquet", ".arrow", ".csv")]
    one = parquet.read_table(tmp_path / "x.parquet")
    with pa.ipc.open_file(tmp_path / "x.arrow") as file:
        assert file.read_all().equals(one)
    assert csv.read_csv(tmp_path / "x.csv")["seq"].to_pylist() == one["seq"].to_pylist()
    assert counts == [len(one)] * 3 and (name == "documents" or len(one) > 1)
    assert one.schema.metadata[b"journal_id"] == b"0123456789abcdef" * 2
    assert one.schema.field("seq").metadata[b"meaning"].startswith(b"sequence number of")


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("mine")
    with pytest.raises(UserError, match="is there already, expected a new file"):
        written(tmp_path / "x.csv", "events")
    assert (tmp_path / "x.csv").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "file", "said"),
    [
        ("fils", "x.csv", "--table fils: unknown table; did you mean 'fills'?"),
        ("fills", "x.txt", "ends with .txt, expected .parquet, .arrow, .csv"),
        ("fills", "nowhere/x.csv", "cannot be written: No such file or directory"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, name: str, file: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        written(tmp_path / file, name)
    assert said in str(raised.value) and "\n" not in str(raised.value)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("suffix", [".parquet", ".arrow", ".csv"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), OSError(28, os.strerror(28))], ids=["interrupted", "full"])
def test_nothing_is_left_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, failure: BaseException
) -> None:
    whole = export_module.batches_of

    def broken(*arguments: Any) -> Any:
        yield next(whole(*arguments))
        assert [file.name for file in tmp_path.iterdir()] == [f"x{suffix}.part"], "what a kill would leave"
        raise failure

    monkeypatch.setattr(export_module, "batches_of", broken)
    monkeypatch.setattr(export_module, "_GROUP_ROWS", 1)
    with pytest.raises((KeyboardInterrupt, UserError)) as raised:
        written(tmp_path / f"x{suffix}", "events")
    if isinstance(failure, OSError):
        assert str(raised.value).endswith("cannot be written: no space left on the disk")
    assert not [*tmp_path.iterdir()]


def test_damage_leaves_no_file(tmp_path: Path) -> None:
    journal = random_tape()
    blocks = journal.tables[Table.BLOCKS]
    key = sorted(blocks)[4]
    sound = blocks[key]
    try:
        blocks[key] = bytes(sound[:-1]) + bytes([sound[-1] ^ 1])
        with pytest.raises(BlockDamaged):
            written(tmp_path / "x.csv", "events")
    finally:
        blocks[key] = sound
    assert not [*tmp_path.iterdir()]
