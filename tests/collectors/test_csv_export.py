"""Exports of other tools: columns are mapped, units are stated, bad cells are counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from faultsight.collectors import DeviceIds
from faultsight.collectors.csv_export import CsvExport, CsvExportConfig
from faultsight.core.errors import InputError, MissingColumnError, SettingError
from faultsight.core.telemetry import TelemetryFolder

RowsOf = Callable[[TelemetryFolder], pl.DataFrame]

EXPORT = """when,cm,node,us,snr,tx,rx,corr
2026-03-01 00:05:00,00:11:00:00:00:01,FN1,1,365,172,-1.5,100
2026-03-01 00:05:00,00:11:00:00:00:01,FN1,2,350,176,0,200
2026-03-01 04:05:00,00:11:00:00:00:01,FN1,1,361,180,0,150
2026-03-01 00:06:00,00:11:00:00:00:02,FN2,1,377,190,2.5,7
"""
MAPPED = CsvExportConfig(
    columns={"timestamp": "when", "mac": "cm", "fnode": "node", "channel": "us", "snr_db": "snr",
             "tx_power_dbmv": "tx", "rx_power_dbmv": "rx", "codewords_corrected": "corr"},
    units={"snr_db": "tenth", "tx_power_dbmv": "quarter"},
    counters="totals",
    device_ids=DeviceIds(hashed=False),
)  # fmt: skip


@pytest.fixture
def export(tmp_path: Path) -> Path:
    path = tmp_path / "export.csv"
    path.write_text(EXPORT)
    return path


def test_a_mapped_export(export: Path, sink: TelemetryFolder, rows_of: RowsOf) -> None:
    done = CsvExport([export], MAPPED).collect(sink)
    assert (done.polled, done.answered, done.rows, done.set_aside) == (3, 3, 4, ())
    rows = rows_of(sink).sort("device_id", "timestamp", "channel")
    assert rows["snr_db"].to_list() == pytest.approx([36.5, 35.0, 36.1, 37.7])
    assert rows["tx_power_dbmv"].to_list() == pytest.approx([43.0, 44.0, 45.0, 47.5])
    assert rows["rx_power_dbmv"].to_list() == pytest.approx([-1.5, 0.0, 0.0, 2.5])
    assert rows["codewords_corrected"].to_list() == [None, None, 50.0, None]
    assert str(rows["timestamp"][0]) == "2026-03-01 00:05:00+00:00"
    assert rows["device_id"][0] == "00:11:00:00:00:01"


def test_parquet_and_csv_are_one(
    export: Path, tmp_path: Path, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    table = pl.read_csv(export, try_parse_dates=True)
    table.write_parquet(tmp_path / "export.parquet")
    CsvExport([export], MAPPED).collect(sink)
    first = rows_of(sink)
    other = TelemetryFolder.create(tmp_path / "other", n_buckets=4)
    CsvExport([tmp_path / "export.parquet"], MAPPED).collect(other)
    key = ["device_id", "timestamp", "channel"]
    assert rows_of(other).sort(key).equals(first.sort(key))


def test_columns_of_our_own_names_need_no_mapping(
    tmp_path: Path, sink: TelemetryFolder, rows_of: RowsOf
) -> None:
    path = tmp_path / "own.csv"
    path.write_text(
        "timestamp,device_id,fnode,channel,snr_db,t3_timeouts,requested_at,round_id,answered,"
        "pre_equalization,other\n"
        f"1700000000,007,F1,1,36.5,2,1699999999.5,118,true,0x080108{'00' * 33},x\n"
        "1700000060,008,F1,,,,1700000058,118,no,,x\n"
    )
    done = CsvExport([path], CsvExportConfig(counters="deltas")).collect(sink)
    assert (done.polled, done.answered, done.set_aside) == (2, 1, ())
    first, second = rows_of(sink).sort("device_id").rows(named=True)
    assert (first["device_id"], first["t3_timeouts"], first["round_id"]) == ("007", 2.0, 118)
    assert first["requested_at"].timestamp() == 1_699_999_999.5
    assert first["pre_equalization"] == bytes([8, 1, 8]) + bytes(33)
    assert (second["channel"], second["answered"], second["snr_db"]) == (None, False, None)


FIRST = "2026-03-01 00:05:00,00:11:00:00:00:01,FN1,1"


@pytest.mark.parametrize(
    ("cell", "bad", "column", "reason", "place", "rows"),
    [
        ("365", "n/a", "snr_db", "not a number", "column 'snr', row 1: 'n/a'", 4),
        ("365", "36500", "snr_db", "outside 0 to 50", "3650 of 00:11:00:00:00:01", 4),
        ("172", "17", "tx_power_dbmv", "outside 17 to 61", "4.25 of 00:11:00:00:00:01", 4),
        (",100\n", ",-1\n", "codewords_corrected", "a counter below 0", "'corr', row 1: '-1'", 4),
        (FIRST, "soon" + FIRST[19:], "timestamp", "not a time", "'when', row 1: 'soon'", 3),
        ("00:00:02", "00:02", "device_id", "not a MAC address", "'cm', row 4: '00:11:00:00:02'", 3),
        (
            "00:11:00:00:00:02",
            "",
            "device_id",
            "the row lacks it and is left out",
            "'cm', row 4",
            3,
        ),
        ("FN2,1", "FN2,", "channel", "the row lacks it and is left out", "'us', row 4", 3),
        ("FN2", "", "fnode", "its fiber node is not known", "00:11:00:00:00:02", 3),
    ],
)
def test_a_bad_cell_is_counted_with_file_column_and_row(
    export: Path, sink: TelemetryFolder, cell: str, bad: str, column: str, reason: str, place: str,
    rows: int,
) -> None:  # fmt: skip
    assert cell in EXPORT
    export.write_text(EXPORT.replace(cell, bad, 1))
    done = CsvExport([export], MAPPED).collect(sink)
    one = next(one for one in done.set_aside if one.reason == reason)
    assert (one.column, one.count, done.rows) == (column, 1, rows)
    assert place in one.example


@pytest.mark.parametrize(
    ("changes", "error", "reason"),
    [
        ({"columns": {"snr": "snr"}}, SettingError, "telemetry has no 'snr'"),
        ({"units": {"snr_db": "tens"}}, SettingError, "one of whole, tenth"),
        ({"units": {"channel": "tenth"}}, SettingError, "has no unit"),
        ({"counters": "sums"}, SettingError, "deltas or totals"),
    ],
)
def test_a_setting_that_cannot_be(
    changes: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        replace(MAPPED, **changes)


def test_what_is_not_told_is_not_guessed(export: Path, sink: TelemetryFolder) -> None:
    with pytest.raises(SettingError, match=r"counters \(codewords_corrected\)"):
        CsvExport([export], replace(MAPPED, counters=None)).collect(sink)
    columns = {**MAPPED.columns, "snr_db": "SNR"}
    with pytest.raises(MissingColumnError, match="'SNR'"):
        CsvExport([export], replace(MAPPED, columns=columns)).collect(sink)
    with pytest.raises(MissingColumnError, match="'timestamp'"):
        CsvExport([export], replace(MAPPED, columns={"mac": "cm", "channel": "us"})).collect(sink)
    both = {**MAPPED.columns, "device_id": "cm"}
    with pytest.raises(SettingError, match="either mac or device_id"):
        CsvExport([export], replace(MAPPED, columns=both)).collect(sink)
    with pytest.raises(SettingError, match="no file"):
        CsvExport([])
    assert sink.fnodes == []


def test_where_no_row_can_be_used_the_reasons_are_told(export: Path, sink: TelemetryFolder) -> None:
    export.write_text(EXPORT.replace("2026-03-01", "soon"))
    with pytest.raises(InputError, match=r"export\.csv, column 'timestamp', row 1: no row.*a time"):
        CsvExport([export], MAPPED).collect(sink)
    export.write_text(EXPORT.splitlines()[0] + "\n")
    with pytest.raises(InputError, match=r"export\.csv: no row can be used: the table is empty"):
        CsvExport([export], MAPPED).collect(sink)


def test_one_bad_file_of_two_writes_nothing(
    export: Path, tmp_path: Path, sink: TelemetryFolder
) -> None:
    with pytest.raises(InputError, match=r"none\.csv"):
        CsvExport([export, tmp_path / "none.csv"], MAPPED).collect(sink)
    assert sink.fnodes == []


class TestParts:
    """A large export is read part by part: the same polls, or none."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("faultsight.collectors.csv_export._PART_CELLS", 21)
        monkeypatch.setattr("faultsight.collectors.csv_export._PART_BYTES", 150)

    def rows(self) -> pl.DataFrame:
        return pl.DataFrame({
            "timestamp": [f"2026-03-01 {n // 6:02d}:00:00" for n in range(60)],
            "device_id": [f"m{n % 6}" if n != 7 else None for n in range(60)],
            "fnode": ["FN1", "FN2"] * 30, "channel": ["1"] * 60,
            "snr_db": [str(30 + n % 6) if n % 10 != 9 else "n/a" for n in range(60)],
        })  # fmt: skip

    @pytest.mark.parametrize("suffix", [".csv", ".parquet"])
    def test_they_are_the_whole(
        self, tmp_path: Path, rows_of: RowsOf, suffix: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / f"export{suffix}"
        (self.rows().write_csv if suffix == ".csv" else self.rows().write_parquet)(path)
        sinks = [TelemetryFolder.create(tmp_path / name) for name in ("parts", "whole")]
        told = CsvExport([path]).collect(sinks[0])
        monkeypatch.undo()
        expected = CsvExport([path]).collect(sinks[1])
        keys = ("device_id", "timestamp")
        first, second = (rows_of(sink).sort(*keys) for sink in sinks)
        assert first.equals(second)
        assert (told.rows, told.polled, told.answered) == (59, 59, 59)
        assert set(told.set_aside) == set(expected.set_aside)
        assert {one.count for one in told.set_aside} == {1, 6}

    def test_a_part_that_cannot_be_read_leaves_nothing(
        self, tmp_path: Path, sink: TelemetryFolder
    ) -> None:
        path = tmp_path / "export.csv"
        path.write_text(self.rows().write_csv() + "2026-03-01,m1,FN1,1,30,more,and,more\n")
        with pytest.raises(InputError, match=r"export\.csv: cannot be read as a table"):
            CsvExport([path]).collect(sink)
        assert TelemetryFolder(sink.path).fnodes == []

    def test_no_part_can_be_used(self, tmp_path: Path, sink: TelemetryFolder) -> None:
        path = tmp_path / "export.csv"
        self.rows().with_columns(device_id=pl.lit(None, pl.String)).write_csv(path)
        with pytest.raises(InputError, match="no row can be used: the row lacks it") as told:
            CsvExport([path]).collect(sink)
        assert told.value.row == 1
        # A single good row is enough.
        good = self.rows().with_columns(
            device_id=pl.when(pl.int_range(pl.len()) == 55).then(pl.lit("m"))
        )
        good.write_csv(path)
        assert CsvExport([path]).collect(sink).rows == 1

    def test_files_after_one_another(self, tmp_path: Path, sink: TelemetryFolder) -> None:
        for name, rows in (("a", self.rows()[:30]), ("b", self.rows()[30:])):
            rows.write_csv(tmp_path / f"{name}.csv")
        done = CsvExport([tmp_path / "a.csv", tmp_path / "b.csv"]).collect(sink)
        assert done.rows == 59
        (tmp_path / "b.csv").write_text("timestamp,device_id,fnode,channel\n")
        with pytest.raises(InputError, match=r"b\.csv: no row can be used"):
            CsvExport([tmp_path / "a.csv", tmp_path / "b.csv"]).collect(sink)
