"""Sources merge in order of time, ties in the order of the sources and of their rows."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.market_data import market_events, merged
from engine.records import EVENT
from tests.unit.market_data_support import BARS, T0, TRADES, configured

# Each source is a list of arrays, each array a list of times; few distinct times make many ties.
Sources = list[list[list[int]]]


@st.composite
def sources(draw: st.DrawFn) -> Sources:
    result: Sources = []
    for _ in range(draw(st.integers(1, 5))):
        times = sorted(draw(st.lists(st.integers(1, draw(st.sampled_from([3, 30, 1000]))), max_size=30)))
        cuts = sorted({0, len(times), *draw(st.lists(st.integers(0, len(times)), max_size=6))})
        result.append([times[a:b] for a, b in pairwise(cuts)])
    return result


def _arrays(source: int, parts: list[list[int]]) -> Iterator[Any]:
    row = 0
    for times in parts:
        events = np.zeros(len(times), EVENT)
        events["ts_ns"] = times
        events["source"] = source
        events["payload"][:, 0] = np.arange(row, row + len(times))
        row += len(times)
        yield events


@settings(max_examples=300, deadline=None, derandomize=True)
@given(sources())
def test_the_merge_is_a_stable_sort(parts: Sources) -> None:
    found = [
        (int(event["ts_ns"]), int(event["source"]), int(event["payload"][0]))
        for chunk in merged([_arrays(number, source) for number, source in enumerate(parts)])
        for event in chunk
    ]
    expected = []
    for number, source in enumerate(parts):
        times = [time for array in source for time in array]
        expected.extend((time, number, row) for row, time in enumerate(times))
    assert found == sorted(expected)


def test_the_merge_reads_no_source_further_than_it_must() -> None:
    read = {0: 0, 1: 0}

    def counted(source: int, parts: list[list[int]]) -> Iterator[Any]:
        for array in _arrays(source, parts):
            read[source] += 1
            yield array

    merging = merged([counted(0, [[1], [2], [3], [4]]), counted(1, [[100], [200]])])
    assert next(merging)["ts_ns"].tolist() == [1]
    assert read == {0: 1, 1: 1}
    assert next(merging)["ts_ns"].tolist() == [2]
    assert read == {0: 2, 1: 1}


def test_files_of_several_kinds_and_time_frames_merge(tmp_path: Any) -> None:
    (tmp_path / "minutes.csv").write_text("t,o,h,l,c,v\n" + "".join(f"{T0 + 60 * i},1,1,1,1,1\n" for i in range(5)))
    (tmp_path / "hours.csv").write_text("t,o,h,l,c,v\n" + "".join(f"{T0 - 3540 + 60 * i},2,2,2,2,1\n" for i in (0, 60)))
    for day in (1, 2):
        lines = "".join(f"{T0 + 60 * i},3,1\n" for i in range(2 * day, 2 * day + 2))
        (tmp_path / f"trades-{day}.csv").write_text(lines)
    configuration = configured(
        tmp_path,
        f'path = "trades-*.csv"\ninstrument = "OTHER"\n{TRADES}',
        f'path = "minutes.csv"\n{BARS}',
        f'path = "hours.csv"\n{BARS}'.replace('"1m"', '"1h"'),
    )
    events = np.concatenate(list(market_events(configuration)))
    found = [((int(event["ts_ns"]) // 10**9 - T0) // 60, int(event["source"])) for event in events]
    assert found == [(1, 1), (1, 2), (2, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1), (5, 0), (5, 1), (61, 2)]


def test_large_arrays_come_in_bounded_chunks(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("adapters.market_data.merge.EVENTS_PER_CHUNK", 10)
    (tmp_path / "t.csv").write_text("".join(f"{T0 + i},3,1\n" for i in range(25)))
    chunks = list(market_events(configured(tmp_path, f'path = "t.csv"\n{TRADES}')))
    assert [len(chunk) for chunk in chunks] == [10, 10, 5]
    assert all(chunk.dtype == EVENT and chunk.flags.c_contiguous for chunk in chunks)
