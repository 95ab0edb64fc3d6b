"""Files of a bucket and day: which count, which were replaced, what a killed writer left."""

from __future__ import annotations

import os
import threading
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.bucketed import BucketedFiles, DayFile, day_window, locked, read_columns
from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow

DAY = date(2026, 1, 3)
TABLE = pl.DataFrame({"a": [1], "b": [2]})


@pytest.fixture
def files(tmp_path: Path) -> BucketedFiles:
    return BucketedFiles(tmp_path, 2)


def names(found: list[DayFile]) -> list[str]:
    return [file.path.name for file in found]


@pytest.mark.parametrize(
    "name",
    ["notes.parquet", "2026-01-03.parquet", "2026-13-03.0000.parquet", "2026-01-03.1.parquet",
     "2026-01-03.0000-.parquet", "2026-01-03.-0001.parquet", "2026-01-03.0000.parquet.bak"],
)  # fmt: skip
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="not a file of telemetry"):
        DayFile.at(Path(name))


def test_a_day_is_utc() -> None:
    assert day_window(date(2026, 3, 29)) == TimeWindow(1_774_742_400, 1_774_828_800)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), unique=True, max_size=8))
def test_a_file_counts_unless_another_holds_its_numbers(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, int]]
) -> None:
    ranges = [(a, b) for a, b in told if a <= b]
    # Merges are of files beside each other: two never overlap in part.
    ranges = [
        r
        for r in ranges
        if not any(a < r[0] <= b < r[1] or r[0] < a <= r[1] < b for a, b in ranges)
    ]
    files = BucketedFiles(tmp_path_factory.mktemp("t"), 1)
    for first, last in ranges:
        files.write(0, DAY, first, last, TABLE)
    outer = [r for r in ranges
             if not any(a <= r[0] and r[1] <= b and (a, b) != r for a, b in ranges)]  # fmt: skip
    assert [(file.first, file.last) for file in files.live(0)] == sorted(outer)
    assert len(files.replaced(0)) == len(ranges) - len(outer)


def test_numbers_go_on_after_merges(files: BucketedFiles) -> None:
    assert files.next_number(0, DAY) == 0
    files.write(0, DAY, 0, 11, TABLE)
    files.write(0, date(2026, 1, 4), 99, 99, TABLE)
    assert files.next_number(0, DAY) == 12
    assert names(files.live(0, up_to=50)) == ["2026-01-03.0000-0011.parquet"]


def test_what_was_replaced_stays_for_a_while(files: BucketedFiles) -> None:
    for number in (0, 1):
        files.write(1, DAY, number, number, TABLE)
    merge = files.write(1, DAY, 0, 1, TABLE)
    left = files.folder(1) / ".2026-01-03.0002.parquet.x1.tmp"
    left.write_bytes(b"half")
    assert files.sweep(grace_s=60.0) == 0
    assert (names(files.live(1)), len(files.all(1))) == ([merge.path.name], 3)
    for path in (merge.path, left):
        os.utime(path, (1.0, 1.0))
    assert files.sweep(grace_s=60.0) == 3
    assert [path.name for path in files.folder(1).iterdir()] == [merge.path.name]


def test_columns_are_read_by_their_exact_names(tmp_path: Path) -> None:
    path = tmp_path / "[a].parquet"
    TABLE.with_columns(pl.lit(3).alias("^.*$")).write_parquet(path)
    assert read_columns(path, ["^.*$", "*", "b"]).columns == ["^.*$", "b"]
    with pytest.raises(MissingColumnError, match="column 'c'"):
        read_columns(path, ["a"], needed=["c"])
    with pytest.raises(FileNotFoundError):
        read_columns(tmp_path / "a.parquet", ["a"])


def test_a_lock_keeps_others_out(tmp_path: Path) -> None:
    told: list[str] = []

    def other() -> None:
        with locked(tmp_path / "new" / ".lock"):
            told.append("other")

    with locked(tmp_path / "new" / ".lock"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        told.append("first")
    thread.join()
    assert told == ["first", "other"]
