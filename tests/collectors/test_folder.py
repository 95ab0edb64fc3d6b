"""A watched folder: each file in exactly once, bad files noted, others go on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.collectors import Collected, FileLedger
from faultsight.collectors._ledger import file_key
from faultsight.collectors.csv_export import CsvExport, CsvExportConfig
from faultsight.collectors.folder import FolderCollector, FolderConfig
from faultsight.core.errors import FaultSightError, InputError, SettingError
from faultsight.core.telemetry import TelemetryFolder

HEAD = "entity,timestamp,drops\n"
NOW = FolderConfig(settle_s=0.0)


@dataclass
class Told:
    n_rows: int
    n_files: int = 1
    quarantined: Mapping[str, int] = field(default_factory=dict)


class Sink:
    """Keeps what it is given; says that rows without an entity were set aside."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.tables: dict[str, pl.DataFrame] = {}
        self.fails_with: Exception | None = None

    def append_parts(
        self, tables: Iterable[Any], *, source: str = "", received_at_s: float = 0.0, key: str = ""
    ) -> Any:
        if self.fails_with is not None:
            raise self.fails_with
        if key in self.tables:
            return Told(0)
        return self.keep(pl.concat(tables), source, key)

    def keep(self, table: pl.DataFrame, source: str, key: str) -> Told:
        self.sources.append(source)
        self.tables[key] = table
        wrong = table["entity"].null_count() if "entity" in table.columns else 0
        return Told(table.height - wrong, quarantined={"no_entity": wrong} if wrong else {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def sink_of_rows() -> Sink:
    return Sink()


def collector(folder: Path, config: FolderConfig = NOW, **kwargs: Any) -> FolderCollector:
    """Return a collector as it is after a start: it remembers what its ledger remembers."""
    return FolderCollector(folder, FileLedger(folder.parent / "ledger"), config, **kwargs)


def notes(folder: Path) -> dict[str, dict[str, Any]]:
    told = [json.loads(path.read_text()) for path in (folder.parent / "ledger").glob("*.json")]
    return {Path(one["path"]).name: one for one in told}


def reasons(done: Collected) -> dict[str, int]:
    return {one.reason: one.count for one in done.set_aside}


def test_each_file_comes_in_once(folder: Path, sink_of_rows: Sink) -> None:
    (folder / "b.csv").write_text(HEAD + "007,2026-01-05 00:00,1\n")
    pl.DataFrame({"entity": ["x"], "timestamp": [0], "drops": [2.0]}).write_parquet(
        folder / "a.PARQUET"
    )
    watching = collector(folder)
    done = watching.collect(sink_of_rows)
    assert (done.polled, done.answered, done.rows, done.files) == (2, 2, 2, 2)
    assert sink_of_rows.sources == ["a.PARQUET", "b.csv"]
    for again in (watching, collector(folder)):
        assert again.collect(sink_of_rows).polled == 0
    (folder / "c.csv").write_text(HEAD + "008,0,1\n")
    (folder / "b.csv").write_text(HEAD + "007,2026-01-05 00:00,2\n")
    assert watching.collect(sink_of_rows).rows == 2
    assert sink_of_rows.sources == ["a.PARQUET", "b.csv", "b.csv", "c.csv"]


def test_names_stay_as_they_are_written(folder: Path, sink_of_rows: Sink) -> None:
    (folder / "a.csv").write_text("cell,when,site,drops\n007,1e3,01,1\n")
    config = FolderConfig(entity="cell", timestamp="when", names=("site",), settle_s=0.0)
    collector(folder, config).collect(sink_of_rows)
    (table,) = sink_of_rows.tables.values()
    assert table.rows(named=True) == [
        {"entity": "007", "timestamp": "1e3", "site": "01", "drops": 1}
    ]


def test_what_is_set_aside_is_counted_and_noted(folder: Path, sink_of_rows: Sink) -> None:
    (folder / "a.csv").write_text(HEAD + "x,0,1\n,0,2\n,0,3\n")
    done = collector(folder).collect(sink_of_rows)
    assert (done.rows, reasons(done)) == (1, {"no_entity": 2})
    assert notes(folder)["a.csv"] | {"path": ""} == {
        "path": "", "n_rows": 1, "n_quarantined": 2, "reasons": {"no_entity": 2},
    }  # fmt: skip


class TestBadFiles:
    """They are named, and others go on."""

    def check(
        self, folder: Path, sink: Sink, name: str, told: str, config: FolderConfig = NOW
    ) -> None:
        (folder / "zz.csv").write_text(HEAD + "x,0,1\n")
        done = collector(folder, config).collect(sink)
        assert (done.polled, done.answered, done.rows) == (2, 1, 1)
        assert sink.sources == ["zz.csv"]
        (aside,) = done.set_aside
        assert aside.reason == "the file cannot be used"
        assert aside.example.startswith(name)
        (reason,) = notes(folder)[name]["reasons"]
        assert told in reason
        # It is not tried again as it is, but it is when it was mended.
        assert collector(folder, config).collect(sink).polled == 0
        if name.endswith("csv"):
            (folder / name).write_text(HEAD + "y,0,1\n")
            assert collector(folder).collect(sink).rows == 1

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.csv", b""),
            ("a.csv", HEAD.encode() + b"\xff\xfe,0,1\n"),
            ("a.csv", HEAD.encode() + b"x,0,1,2,3\n"),
            ("a.parquet", b""),
            ("a.parquet", b"PAR1"),
            ("a.parquet", HEAD.encode()),
        ],
    )
    def test_no_table(self, folder: Path, sink_of_rows: Sink, name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)
        self.check(folder, sink_of_rows, name, "cannot be read as a table")

    @settings(deadline=None, max_examples=40)
    @given(st.data())
    def test_damaged_parquet_is_read_or_noted(
        self, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
    ) -> None:
        path = tmp_path_factory.mktemp("t") / "in"
        path.mkdir()
        table = pl.DataFrame({"entity": [f"c{i}" for i in range(50)], "timestamp": range(50),
                              "drops": [0.5] * 50})  # fmt: skip
        table.write_parquet(path / "a.parquet")
        content = bytearray((path / "a.parquet").read_bytes())
        for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=8)):
            content[place] = data.draw(st.integers(0, 255))
        length = data.draw(st.integers(0, len(content)))
        (path / "a.parquet").write_bytes(bytes(content[:length]))
        table.write_parquet(path / "b.parquet")
        sink = Sink()
        done = collector(path).collect(sink)
        assert "b.parquet" in sink.sources
        assert done.polled == 2
        assert done.answered + sum(reasons(done).values()) == 2

    def test_what_the_sink_refuses(self, folder: Path, sink_of_rows: Sink) -> None:
        class Picky(Sink):
            def keep(self, table: pl.DataFrame, source: str, key: str) -> Told:
                if "drops" not in table.columns:
                    raise InputError("no such column", source="a.csv", column="drops", row=3)
                return super().keep(table, source, key)

        (folder / "a.csv").write_text("entity,timestamp\nx,0\n")
        self.check(folder, Picky(), "a.csv", "row 3: column 'drops': no such column")

    def test_columns_that_would_be_one(self, folder: Path, sink_of_rows: Sink) -> None:
        (folder / "a.csv").write_text("cell,entity,timestamp\nx,y,0\n")
        (folder / "b.csv").write_text("cell,timestamp\nx,0\n")
        done = collector(folder, FolderConfig(entity="cell", settle_s=0)).collect(sink_of_rows)
        assert (sink_of_rows.sources, done.answered) == (["b.csv"], 1)
        assert list(notes(folder)["a.csv"]["reasons"]) == [
            "column 'cell': there is a column 'entity' too"
        ]

    def test_too_large(self, folder: Path, sink_of_rows: Sink) -> None:
        (folder / "a.csv").write_text(HEAD + "x,0,1\n" * 50)
        config = FolderConfig(settle_s=0, max_bytes=200)
        self.check(folder, sink_of_rows, "a.csv", "max_bytes", config)

    def test_a_bomb_is_refused_before_it_is_unpacked(
        self, folder: Path, sink_of_rows: Sink
    ) -> None:
        """Twenty million equal values take no room in Parquet, and much in memory."""
        pl.select(pl.repeat(0, 20_000_001, dtype=pl.Int8).alias("x")).write_parquet(
            folder / "a.parquet"
        )
        assert (folder / "a.parquet").stat().st_size < 100_000
        self.check(folder, sink_of_rows, "a.parquet", "20,000,001 rows are more than")


class TestFailures:
    """What is not the file's fault is not held against it."""

    @pytest.mark.parametrize("error", [OSError(28, "No space left"), FaultSightError("later")])
    def test_a_sink_that_fails_is_tried_again(
        self, folder: Path, sink_of_rows: Sink, error: Exception
    ) -> None:
        for name in ("a.csv", "b.csv"):
            (folder / name).write_text(HEAD + f"{name},0,1\n")
        sink_of_rows.fails_with = error
        with pytest.raises(type(error)):
            collector(folder).collect(sink_of_rows)
        assert notes(folder) == {}
        sink_of_rows.fails_with = None
        assert collector(folder).collect(sink_of_rows).rows == 2

    def test_killed_between_sink_and_ledger_it_is_written_once(
        self, folder: Path, sink_of_rows: Sink
    ) -> None:
        class Forgetful(FileLedger):
            def record(self, *args: Any) -> None:
                raise KeyboardInterrupt

        (folder / "a.csv").write_text(HEAD + "x,0,1\n")
        watching = FolderCollector(folder, Forgetful(folder.parent / "ledger"), NOW)
        with pytest.raises(KeyboardInterrupt):
            watching.collect(sink_of_rows)
        collector(folder).collect(sink_of_rows)
        assert sink_of_rows.sources == ["a.csv"]
        assert collector(folder).collect(sink_of_rows).polled == 0

    def test_a_file_that_goes_away(self, folder: Path, sink_of_rows: Sink) -> None:
        (folder / "a.csv").write_text(HEAD + "x,0,1\n")
        (folder / "b.csv").write_text(HEAD + "y,0,1\n")
        watching = collector(folder)

        def gone(line: str) -> None:
            (folder / "b.csv").unlink(missing_ok=True)

        assert watching.collect(sink_of_rows, progress=gone).rows == 1


class TestWhatIsLookedAt:
    """Regular tables that nobody is writing."""

    def test_a_file_is_left_until_it_has_settled(self, folder: Path, sink_of_rows: Sink) -> None:
        (folder / "a.csv").write_text(HEAD + "x,0,1\n")
        os.utime(folder / "a.csv", (1000.0, 1000.0))
        now_s = [1004.9]
        watching = collector(folder, FolderConfig(settle_s=5.0), clock=lambda: now_s[0])
        assert watching.collect(sink_of_rows).polled == 0
        now_s[0] = 1005.0
        assert watching.collect(sink_of_rows).polled == 1

    def test_links_folders_and_hidden_files_are_not(
        self, folder: Path, sink_of_rows: Sink, tmp_path: Path
    ) -> None:
        (tmp_path / "secret.csv").write_text(HEAD + "x,0,1\n")
        (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
        (folder / "inner.csv").mkdir()
        (folder / "inner.csv" / "a.csv").write_text(HEAD + "x,0,1\n")
        for name in (".hidden.csv", "a.csv.tmp", "notes.txt", "model.pkl"):
            (folder / name).write_text(HEAD + "x,0,1\n")
        os.mkfifo(folder / "pipe.csv")
        assert collector(folder).collect(sink_of_rows).polled == 0

    @pytest.mark.parametrize(
        "name",
        ["[a].csv", "a*.csv", "^b$.csv", "a b.csv", "-rf.csv", "$(x).csv", "=cmd().csv", "ü.csv",
         "'; DROP TABLE x;--.csv", "a\nb.csv", "..csv..csv", "bucket=07.csv"],
    )  # fmt: skip
    def test_names_are_only_names(self, folder: Path, sink_of_rows: Sink, name: str) -> None:
        hidden = name.startswith(".")
        (folder / name).write_text(HEAD + "x,0,1\n")
        assert collector(folder).collect(sink_of_rows).rows == (0 if hidden else 1)
        assert sink_of_rows.sources == ([] if hidden else [name])
        kept = sorted(path.name for path in (folder.parent / "ledger").glob("*"))
        assert all(len(file) == 69 for file in kept)
        assert sorted(path.name for path in folder.parent.iterdir()) == (
            ["in"] if hidden else ["in", "ledger"]
        )

    def test_name_size_and_content_make_a_key(self, tmp_path: Path) -> None:
        paths = [tmp_path / name for name in ("a.csv", "b.csv", "c/a.csv")]
        (tmp_path / "c").mkdir()
        for path in paths:
            path.write_text("x")
        first, second, third = map(file_key, paths)
        assert first == third != second
        paths[0].write_text("y")
        assert file_key(paths[0]) != first

    def test_content_is_read_once(
        self, folder: Path, sink_of_rows: Sink, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (folder / "a.csv").write_text(HEAD + "x,0,1\n")
        watching = collector(folder)
        watching.collect(sink_of_rows)
        monkeypatch.setattr("faultsight.collectors.folder.file_key", pytest.fail)
        watching.collect(sink_of_rows)

    def test_no_folder(self, tmp_path: Path, sink_of_rows: Sink) -> None:
        with pytest.raises(InputError, match="nowhere: cannot be watched"):
            collector(tmp_path / "nowhere").collect(sink_of_rows)

    def test_settings_that_are_none(self) -> None:
        for wrong in ({"settle_s": -1}, {"max_bytes": 0}, {"max_rows": 0}):
            with pytest.raises(SettingError):
                FolderConfig(**wrong)  # type: ignore[arg-type]


def test_polls_are_read_by_another_collector(
    folder: Path, sink: TelemetryFolder, tmp_path: Path
) -> None:
    for hour in range(2):
        (folder / f"{hour}.csv").write_text(
            f"timestamp,device_id,fnode,channel,snr_db\n{hour * 3600},m,F1,1,365\n"
            f"{hour * 3600},m,F1,2,x\n"
        )
    (folder / "2.csv").write_text("timestamp\n0\n")
    config = CsvExportConfig(units={"snr_db": "tenth"})
    watching = collector(folder, reader=lambda path: CsvExport([path], config))
    done = watching.collect(sink)
    assert (done.polled, done.answered, done.rows, done.files) == (3, 2, 4, 2)
    assert reasons(done) == {"not a number": 2, "the file cannot be used": 1}
    (node,) = sink.nodes()
    assert node.values["snr_db"][:, 0].tolist() == [36.5, 36.5]
    assert watching.collect(sink).polled == 0
