"""Reading files: one or many, whole folders, and files that disagree."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.reading import frames_to_table, parquet_bytes, read_frames


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def column(frame: KpiFrame, kpi: str) -> list[float | None]:
    values = frame.values[:, frame.kpis.index(kpi)]
    return [None if np.isnan(v) else float(v) for v in values]


def test_a_file_without_an_entity_column_is_the_entity_of_its_name(tmp_path: Path) -> None:
    path = write(tmp_path / "cell-7.csv", "timestamp,load\n0,1\n60,2\n")
    (frame,) = read_frames([path])
    assert (frame.entity, frame.kpis, frame.interval_s) == ("cell-7", ("load",), 60)
    assert column(frame, "load") == [1.0, 2.0]


def test_a_folder_is_all_its_tables_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "b.csv", "timestamp,load\n0,1\n60,2\n")
    pl.DataFrame({"timestamp": [0, 60], "load": [3.0, 4.0]}).write_parquet(tmp_path / "a.parquet")
    write(tmp_path / "notes.txt", "not a table")
    frames = read_frames([tmp_path])
    assert [(f.entity, column(f, "load")) for f in frames] == [
        ("a", [3.0, 4.0]), ("b", [1.0, 2.0]),
    ]  # fmt: skip


def test_files_of_one_entity_are_joined_and_the_later_file_stays(tmp_path: Path) -> None:
    first = write(tmp_path / "1.csv", "timestamp,entity,load\n0,007,1\n60,007,2\n120,7,5\n")
    second = write(tmp_path / "2.csv", "timestamp,entity,load\n60,007,8\n180,007,3\n")
    seven, other = read_frames([first, second])
    assert (seven.entity, other.entity) == ("007", "7")
    assert column(seven, "load") == [1.0, 8.0, None, 3.0]
    assert dict(seven.dropped) == {"conflicting": 1}
    assert column(read_frames([second, first])[0], "load") == [1.0, 2.0, None, 3.0]


def test_a_kpi_that_one_file_lacks_is_missing_there(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "timestamp,load,vendor,label\n0,1,X,1\n60,2,X,0\n")
    write(tmp_path / "b.csv", "timestamp,drops\n0,3\n60,4\n")
    first, second = read_frames([tmp_path])
    assert first.kpis == second.kpis == ("load", "drops")
    assert column(first, "drops") == [None, None]
    assert column(second, "load") == [None, None]
    assert first.labels is not None
    assert first.labels.tolist() == [1, 0]
    assert second.labels is None  # nobody has said that nothing was wrong


def test_numbers_in_one_file_and_text_in_another_are_not_lost(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "timestamp,load,drops\n0,1,1\n60,2,1\n")
    # An empty column of a CSV has no kind of its own.
    write(tmp_path / "b.csv", "timestamp,load,drops\n0,,1\n60,,1\n")
    frames = read_frames([tmp_path])
    assert [column(f, "load") for f in frames] == [[1.0, 2.0], [None, None]]
    bad = write(tmp_path / "c.csv", "timestamp,load,drops\n0,5,1\n60,n/a,1\n")
    with pytest.raises(InputError) as caught:
        read_frames([tmp_path])
    assert str(caught.value) == f"{bad}, column 'load', row 2: 'n/a' is not a number"


def test_stamps_of_different_kinds_mean_the_same_moments(tmp_path: Path) -> None:
    moments = [datetime(2024, 1, 1, hour, tzinfo=UTC) for hour in (0, 1)]
    seconds = [int(moment.timestamp()) for moment in moments]
    pl.DataFrame({"timestamp": moments, "load": [1.0, 2.0]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"timestamp": seconds, "load": [1.0, 2.0]}).write_csv(tmp_path / "b.csv")
    write(tmp_path / "c.csv", "timestamp,load\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n")
    frames = read_frames([tmp_path])
    assert [(f.start_s, f.interval_s, len(f)) for f in frames] == [(seconds[0], 3600, 2)] * 3


def test_a_wrong_row_is_named_by_its_own_file(tmp_path: Path) -> None:
    good = write(tmp_path / "good.csv", "timestamp,entity,load\n0,a,1\n60,a,2\n")
    bad = write(tmp_path / "bad.csv", "timestamp,entity,load\n0,a,1\nsoon,a,2\n")
    for files in ([bad], [good, bad]):
        with pytest.raises(InputError, match=r"bad\.csv, column 'timestamp', row 2: 'soon'"):
            read_frames(files)
    bad = write(tmp_path / "bad.csv", "timestamp,entity,load\n0,a,1\n60,,2\n")
    for files in ([bad], [good, bad]):
        with pytest.raises(InputError, match=r"bad\.csv, column 'entity', row 2: the entity is"):
            read_frames(files)


def test_columns_may_have_other_names(tmp_path: Path) -> None:
    for name in ("1.csv", "2.csv"):
        write(tmp_path / name, f"time,cell,load,noise,bad\n0,{name[0]},1,9,1\n70,{name[0]},2,9,0\n")
    how: dict[str, Any] = {"timestamp": "time", "entity": "cell", "label": "bad"}
    for paths in ([tmp_path / "1.csv"], [tmp_path]):
        frame = read_frames(paths, **how, kpis=["load"], interval_s=30)[0]
        assert (frame.entity, frame.kpis, frame.interval_s) == ("1", ("load",), 30)
        assert column(frame, "load") == [1.0, None, 2.0]
        assert frame.labels is not None
        assert frame.labels.tolist() == [1, 0, 0]


def test_frames_written_are_read_again(tmp_path: Path) -> None:
    frames = [
        KpiFrame(entity, ("load", "drops"), 3600, 60, [[1.0, np.nan], [np.nan, np.nan], [3.0, 4.0]],
                 labels=[0, 1, 0])
        for entity in ("007", "7")
    ]  # fmt: skip
    (tmp_path / "fleet.parquet").write_bytes(parquet_bytes(frames_to_table(frames)))
    frames_to_table(frames).write_csv(tmp_path / "fleet.csv")
    for name in ("fleet.parquet", "fleet.csv"):
        again = read_frames([tmp_path / name])
        assert [frame.entity for frame in again] == ["007", "7"]
        for frame, read in zip(frames, again, strict=True):
            np.testing.assert_array_equal(frame.values, read.values)
            np.testing.assert_array_equal(frame.labels, read.labels)
            assert (read.window, read.kpis) == (frame.window, frame.kpis)


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no \.csv or \.parquet file"):
        read_frames([tmp_path])
    good = write(tmp_path / "good.csv", "timestamp,load\n0,1\n")
    bad = write(tmp_path / "bad.csv", "time,load\n0,1\n")
    with pytest.raises(MissingColumnError, match=r"bad\.csv, column 'timestamp': no such column"):
        read_frames([good, bad])
    for files in ([good], [good, good]):
        with pytest.raises(MissingColumnError, match=r"good\.csv.*column 'delay': no such column"):
            read_frames(files, kpis=["delay"])
    with pytest.raises(InputError, match=r"gone\.csv: no such file"):
        read_frames([tmp_path / "gone.csv"])
    with pytest.raises(InputError, match="no file was given"):
        read_frames([])
