"""Telemetry in a folder: what is appended is read back, and what is damaged is named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable, node_polls
from faultsight.core.seed import random_stream
from faultsight.core.telemetry import TelemetryFolder, bucket_of

DAY_S = 86_400
START_S = 1_767_571_200  # 2026-01-05, midnight


def rows(n: int = 60, *, seed: int = 0, n_days: int = 3, n_fnodes: int = 3) -> pl.DataFrame:
    """Return polls of a few fiber nodes over a few days, in any order."""
    stream = random_stream(seed, "telemetry")
    return pl.DataFrame(
        {
            "timestamp": START_S + np.round(stream.random(n) * n_days * DAY_S, 3),
            "device_id": [f"m{i}" for i in stream.integers(0, 4, n)],
            "fnode": [f"F{i}" for i in stream.integers(0, n_fnodes, n)],
            "channel": [str(i) for i in stream.integers(1, 3, n)],
            "snr_db": stream.normal(35, 2, n).astype(np.float32),
            "t3_timeouts": stream.integers(0, 5, n).astype(np.float32),
            "round_id": stream.integers(0, 9, n),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> TelemetryFolder:
    return TelemetryFolder.create(tmp_path / "pnm", n_buckets=4)


def parquets(folder: TelemetryFolder) -> list[Path]:
    return sorted(folder.path.glob("bucket=*/*.parquet"))


def by_name(nodes: Any) -> dict[str, NodePolls]:
    return {node.fnode: node for node in nodes}


def assert_same(found: dict[str, NodePolls], expected: dict[str, NodePolls]) -> None:
    assert set(found) == set(expected)
    for fnode, node in found.items():
        other = expected[fnode]
        assert (node.device_ids, node.channels) == (other.device_ids, other.channels)
        np.testing.assert_array_equal(node.device_start, other.device_start)
        np.testing.assert_array_equal(node.time_s, other.time_s)
        assert set(node.values) == set(other.values)
        for metric, values in node.values.items():
            np.testing.assert_array_equal(values, other.values[metric])
        np.testing.assert_array_equal(
            np.asarray(node.round_id, float), np.asarray(other.round_id, float)
        )


class TestReading:
    @settings(deadline=None, max_examples=30)
    @given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 40))
    def test_appended_in_parts_or_in_memory_it_is_the_same(
        self, tmp_path_factory: pytest.TempPathFactory, seed: int, n_parts: int, n: int
    ) -> None:
        folder = TelemetryFolder.create(tmp_path_factory.mktemp("t") / "pnm", n_buckets=2)
        table = rows(n, seed=seed)
        part = np.sort(random_stream(seed, "parts").integers(0, n_parts, n))
        for i in range(n_parts):
            folder.append(table.filter(pl.Series(part == i)))
        assert_same(by_name(folder.nodes()), by_name(PollTable(node_polls(table)).nodes()))
        assert folder.fnodes == sorted(set(table["fnode"]))
        assert folder.window == PollTable(node_polls(table)).window

    @pytest.mark.parametrize("part_bytes", [1, 5_000])
    def test_however_many_days_are_read_at_a_time_it_is_the_same(
        self, folder: TelemetryFolder, monkeypatch: pytest.MonkeyPatch, part_bytes: int
    ) -> None:
        table = rows(300, n_days=9).with_columns(pre_equalization=pl.lit(b"\x08\x01"))
        early = pl.col("timestamp") < START_S + 4 * DAY_S
        later = pl.col("device_id") != "m0"
        folder.append(table.filter(early, pl.col("channel") == "1").drop("round_id"))
        folder.append(table.filter(~early, later).drop("snr_db"))
        window = TimeWindow(START_S + DAY_S // 2, START_S + 8 * DAY_S)
        expected = by_name(folder.nodes(window, with_pre_equalization=True))
        monkeypatch.setattr("faultsight.core.telemetry._PART_BYTES", part_bytes)
        found = by_name(folder.nodes(window, with_pre_equalization=True))
        assert_same(found, expected)
        assert len({len(node.device_ids) for node in found.values()}) == 1
        for fnode, node in found.items():
            told, wanted = node.pre_equalization, expected[fnode].pre_equalization
            assert told is not None
            assert wanted is not None
            np.testing.assert_array_equal(told.poll, wanted.poll)
            np.testing.assert_array_equal(told.channel, wanted.channel)

    def test_a_file_for_each_bucket_and_day(self, folder: TelemetryFolder) -> None:
        table = rows(300)
        n_written = folder.append(table)
        days = [(bucket_of(f, 4), int(t - START_S) // DAY_S)
                for f, t in table.select("fnode", "timestamp").iter_rows()]  # fmt: skip
        assert n_written == len(set(days)) == len(parquets(folder))
        assert {(f.parent.name, f.name) for f in parquets(folder)} == {
            (f"bucket={bucket:02d}", f"2026-01-{5 + day:02d}.0000.parquet") for bucket, day in days
        }

    def test_several_files_of_a_day_and_the_last_row_counts(self, folder: TelemetryFolder) -> None:
        for snr_db in (30.0, 31.0, 32.0):
            assert folder.append(rows(1).with_columns(snr_db=pl.lit(snr_db, pl.Float32))) == 1
        assert [f.name.split(".")[1] for f in parquets(folder)] == ["0000", "0001", "0002"]
        (node,) = folder.nodes()
        assert node.values["snr_db"].tolist() == [[32.0]]

    def test_polls_appended_after_a_look_are_seen(self, folder: TelemetryFolder) -> None:
        folder.append(rows(1))
        assert folder.fnodes == ["F0"]
        later = rows(1).with_columns(fnode=pl.lit("F9"), timestamp=pl.col("timestamp") + DAY_S)
        folder.append(later)
        assert folder.fnodes == ["F0", "F9"]
        assert [node.fnode for node in TelemetryFolder(folder.path).nodes(fnodes=["F9"])] == ["F9"]

    @settings(deadline=None, max_examples=60)
    @given(st.integers(-DAY_S, 4 * DAY_S), st.integers(0, 2 * DAY_S))
    def test_windows_are_cut_as_in_memory(self, start: int, length: int) -> None:
        window = TimeWindow(START_S + start, START_S + start + length)
        expected = by_name(_MEMORY.nodes(window))
        found = by_name(_folder().nodes(window))
        assert set(found) == set(expected)
        for fnode, node in found.items():
            # In memory every device stays; a folder knows only those it reads.
            other = expected[fnode]
            has_poll = np.diff(other.device_start) > 0
            assert node.device_ids == tuple(np.array(other.device_ids)[has_poll].tolist())
            np.testing.assert_array_equal(node.time_s, other.time_s)

    def test_a_window_is_half_open_at_midnight(self, folder: TelemetryFolder) -> None:
        stamps = [START_S - 0.001, START_S, START_S + DAY_S - 0.001, START_S + DAY_S]
        table = pl.concat([rows(1)] * 4).with_columns(timestamp=pl.Series(stamps))
        folder.append(table)
        (node,) = folder.nodes(TimeWindow(START_S, START_S + DAY_S))
        assert node.time_s.tolist() == stamps[1:3]
        assert folder.window == TimeWindow(START_S - 1, START_S + DAY_S + 1)

    def test_a_window_is_half_open_within_a_day(self, folder: TelemetryFolder) -> None:
        stamps = [START_S + 5.0, START_S + 10.0]
        folder.append(pl.concat([rows(1)] * 2).with_columns(timestamp=pl.Series(stamps)))
        for start, end, expected in ((5, 10, stamps[:1]), (6, 11, stamps[1:]), (5, 11, stamps)):
            (node,) = folder.nodes(TimeWindow(START_S + start, START_S + end))
            assert node.time_s.tolist() == expected
        assert list(folder.nodes(TimeWindow(START_S + 6, START_S + 10))) == []

    def test_only_what_is_asked_for(self, folder: TelemetryFolder) -> None:
        sent = rows().with_columns(
            pre_equalization=pl.lit(b"\x08\x01"), answered=pl.lit(value=True)
        )
        folder.append(sent)
        assert all(set(node.values) == {"snr_db"} for node in folder.nodes())
        assert all(node.pre_equalization is None for node in folder.nodes())
        (node,) = folder.nodes(
            fnodes=["F1", "unknown"], metrics=("t3_timeouts",), with_pre_equalization=True
        )
        assert (node.fnode, set(node.values)) == ("F1", {"t3_timeouts"})
        assert node.pre_equalization is not None
        assert set(node.pre_equalization.data) == {b"\x08\x01"}
        assert node.answered is not None

    def test_files_may_bring_other_columns(self, folder: TelemetryFolder) -> None:
        folder.append(rows(40))
        later = rows(40, seed=1).drop("round_id", "t3_timeouts")
        folder.append(later.with_columns(tx_power_dbmv=pl.lit(44.0, pl.Float32)))
        merged = pl.concat(
            [rows(40), later.with_columns(tx_power_dbmv=pl.lit(44.0, pl.Float32))], how="diagonal"
        )
        found = by_name(folder.nodes(metrics=("snr_db", "tx_power_dbmv", "t3_timeouts")))
        assert_same(found, by_name(node_polls(merged)))

    def test_what_nobody_asks_for_may_be_in_some_files(self, folder: TelemetryFolder) -> None:
        states = {"is_muted": True, "ranging": "success", "snr_std_db": 1.5}
        parts = [rows(40, seed=seed) for seed in range(3)]
        for number, part in enumerate(parts):
            more = [pl.lit(value).alias(column) for column, value in states.items()]
            folder.append(part.with_columns(more if number == 1 else []))
        found = by_name(folder.nodes(metrics=("snr_db", "t3_timeouts")))
        assert_same(found, by_name(node_polls(pl.concat(parts))))
        kept = pl.concat([pl.read_parquet(file) for file in parquets(folder)], how="diagonal")
        assert kept.select(*states).unique().sort("ranging").rows() == [
            (None, None, None), (True, "success", 1.5),
        ]  # fmt: skip

    def test_an_empty_folder(self, folder: TelemetryFolder) -> None:
        assert (folder.fnodes, folder.window) == ([], TimeWindow(0, 0))
        assert list(folder.nodes()) == []
        assert folder.append(rows().clear()) == 0
        assert (parquets(folder), list(folder.nodes())) == ([], [])


_TABLE = rows(200)
_MEMORY = PollTable(node_polls(_TABLE))
_FOLDERS: list[TelemetryFolder] = []


@pytest.fixture(autouse=True, scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> None:
    _FOLDERS[:] = [TelemetryFolder.create(tmp_path_factory.mktemp("shared") / "pnm", n_buckets=3)]
    _folder().append(_TABLE)


def _folder() -> TelemetryFolder:
    return _FOLDERS[0]


class TestRefusals:
    @pytest.mark.parametrize("column", ["timestamp", "device_id", "fnode", "channel"])
    def test_a_key_that_is_missing(self, folder: TelemetryFolder, column: str) -> None:
        with pytest.raises(MissingColumnError, match=column):
            folder.append(rows().drop(column))
        assert parquets(folder) == []

    def test_a_column_that_telemetry_does_not_know(self, folder: TelemetryFolder) -> None:
        with pytest.raises(InputError, match="column 'snr': telemetry has no such column"):
            folder.append(rows().with_columns(snr=pl.lit(1.0)))
        assert parquets(folder) == []

    @pytest.mark.parametrize("column", ["timestamp", "device_id", "fnode"])
    def test_a_row_without_a_key(self, folder: TelemetryFolder, column: str) -> None:
        table = rows(5)
        holed = table.with_columns(
            pl.when(pl.int_range(pl.len()) == 2).then(None).otherwise(pl.col(column)).alias(column)
        )
        with pytest.raises(InputError, match=f"column '{column}', row 3"):
            folder.append(holed)
        assert parquets(folder) == []
        assert list(folder.nodes()) == []

    def test_a_stamp_that_is_not_a_number(self, folder: TelemetryFolder) -> None:
        table = rows(3).with_columns(timestamp=pl.Series([0.0, float("nan"), float("inf")]))
        with pytest.raises(InputError, match="column 'timestamp', row 2"):
            folder.append(table)

    @pytest.mark.parametrize(
        "told",
        [
            "",
            "{",
            "[]",
            "7",
            '{"format": "other", "n_buckets": 4}',
            '{"format": "faultsight telemetry 1"}',
            '{"format": "faultsight telemetry 1", "n_buckets": 0}',
            '{"format": "faultsight telemetry 1", "n_buckets": "many"}',
        ],
    )
    def test_what_is_no_folder_of_telemetry(self, tmp_path: Path, told: str) -> None:
        (tmp_path / "telemetry.json").write_text(told)
        with pytest.raises(InputError, match=tmp_path.name):
            TelemetryFolder(tmp_path)

    def test_no_folder_at_all(self, tmp_path: Path) -> None:
        assert not TelemetryFolder.is_telemetry(tmp_path)
        with pytest.raises(InputError, match="nowhere: not a folder of telemetry"):
            TelemetryFolder(tmp_path / "nowhere")

    def test_an_existing_folder_keeps_its_buckets(self, folder: TelemetryFolder) -> None:
        folder.append(rows())
        again = TelemetryFolder.create(folder.path, n_buckets=9)
        assert again.n_buckets == 4
        assert again.fnodes == folder.fnodes
        assert json.loads((folder.path / "telemetry.json").read_text())["n_buckets"] == 4


class TestDamage:
    @pytest.fixture
    def damaged(self, folder: TelemetryFolder) -> tuple[TelemetryFolder, Path]:
        folder.append(rows(n_days=1, n_fnodes=1))
        (file,) = parquets(folder)
        return folder, file

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
    def test_a_truncated_file_is_named(
        self, damaged: tuple[TelemetryFolder, Path], share: float
    ) -> None:
        folder, file = damaged
        data = file.read_bytes()
        file.write_bytes(data[: int(share * len(data))])
        self.check(folder, file)

    @pytest.mark.parametrize("seed", range(8))
    def test_a_corrupt_file_is_read_or_named(
        self, damaged: tuple[TelemetryFolder, Path], seed: int
    ) -> None:
        folder, file = damaged
        stream = random_stream(seed, "corrupt")
        data = np.frombuffer(file.read_bytes(), np.uint8).copy()
        data[stream.integers(0, len(data), 40)] = stream.integers(0, 256, 40)
        file.write_bytes(data.tobytes())
        # Either all 40 bytes fell into values, or the file is named.
        told = self.told(folder)
        assert told == str(file) or int(told) > 0

    def test_one_file_of_many_is_named(self, folder: TelemetryFolder) -> None:
        folder.append(rows(300, n_days=9))
        file = parquets(folder)[5]
        data = file.read_bytes()
        file.write_bytes(data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :])
        with pytest.raises(InputError, match="cannot be read") as caught:
            list(folder.nodes())
        assert caught.value.source == str(file)

    def test_a_file_that_is_something_else(self, damaged: tuple[TelemetryFolder, Path]) -> None:
        folder, file = damaged
        file.write_text("timestamp,device_id\n")
        self.check(folder, file)

    def test_a_file_that_lacks_a_key(self, damaged: tuple[TelemetryFolder, Path]) -> None:
        folder, file = damaged
        pl.read_parquet(file).drop("device_id").write_parquet(file)
        with pytest.raises(InputError, match="device_id") as caught:
            list(folder.nodes())
        assert caught.value.source == str(file)

    @pytest.mark.parametrize("name", ["notes.0000.parquet", "2026-01-05.x.parquet"])
    def test_a_stray_file_is_named(self, damaged: tuple[TelemetryFolder, Path], name: str) -> None:
        folder, file = damaged
        stray = file.with_name(name)
        stray.write_bytes(file.read_bytes())
        with pytest.raises(InputError, match="not a file of telemetry") as caught:
            list(TelemetryFolder(folder.path).nodes())
        assert caught.value.source == str(stray)

    def told(self, folder: TelemetryFolder) -> str:
        """Return how many polls there are, or which file cannot be read."""
        try:
            return str(sum(node.n_polls for node in folder.nodes()))
        except InputError as error:
            return str(error.source)

    def check(self, folder: TelemetryFolder, file: Path) -> None:
        for attempt in (lambda: list(folder.nodes()), lambda: folder.window):
            with pytest.raises(InputError, match="cannot be read") as caught:
                attempt()
            assert caught.value.source == str(file)


class TestAWriterThatIsKilled:
    def test_what_it_left_is_not_looked_at(self, folder: TelemetryFolder) -> None:
        folder.append(rows())
        expected = by_name(folder.nodes())
        for file in parquets(folder):
            half = file.read_bytes()[:100]
            (file.parent / f".{file.name}.x1y2z3.tmp").write_bytes(half)
            (file.parent / f".{file.name.replace('.0000.', '.0001.')}.x1y2z3.tmp").write_bytes(half)
        again = TelemetryFolder(folder.path)
        assert_same(by_name(again.nodes()), expected)
        again.append(rows(seed=1))
        both = pl.concat([rows(), rows(seed=1)])
        assert_same(by_name(again.nodes()), by_name(PollTable(node_polls(both)).nodes()))

    def test_it_leaves_whole_files_only(
        self, folder: TelemetryFolder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, calls = os.fsync, []

        def fsync(handle: int) -> None:
            calls.append(handle)
            if len(calls) == 3:
                raise KeyboardInterrupt
            real(handle)

        monkeypatch.setattr(os, "fsync", fsync)
        with pytest.raises(KeyboardInterrupt):
            folder.append(rows(300))
        left = [file for file in folder.path.rglob("*") if file.is_file()]
        assert sorted(file.name for file in left if file.suffix != ".json") == sorted(
            file.name for file in parquets(folder)
        )
        assert len(parquets(folder)) == 2
        for file in parquets(folder):
            assert pl.read_parquet(file).height > 0
        assert {node.fnode for node in TelemetryFolder(folder.path).nodes()} <= {"F0", "F1", "F2"}
