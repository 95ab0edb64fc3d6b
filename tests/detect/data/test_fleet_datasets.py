"""The detection datasets: read from folders laid out as documented, refused where they are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from faultsight.core.errors import InputError, MissingDataError, UnknownMemberError
from faultsight.detect.data import FLEET_DATASETS, open_fleets

NAMES = FLEET_DATASETS.names()


def write_entity(
    folder: Path, n_kpis: int = 2, *, stamps: bool = False, label: bool = True
) -> None:
    folder.mkdir(parents=True)
    kpis = [f"k{i}" for i in range(n_kpis)]
    for part, n_rows in (("train", 10), ("test", 20)):
        if part == "test" and not label:
            continue
        values = np.arange(n_rows * n_kpis, dtype=np.float32).reshape(n_rows, n_kpis)
        pl.DataFrame(values, schema=kpis).write_parquet(folder / f"{part}.parquet")
        if stamps:
            first = 3000 if part == "train" else 9000
            at = first + 300 * np.arange(n_rows) + 7  # beside the grid
            pl.DataFrame({"ts": at}).write_parquet(folder / f"{part}_time.parquet")
    labels = np.zeros(20, np.int8)
    labels[[2, 3, 15]] = 1
    pl.DataFrame({"label": labels}).write_parquet(folder / "label.parquet")


@pytest.mark.parametrize("name", NAMES)
def test_every_set_says_where_it_comes_from(name: str) -> None:
    dataset = open_fleets(name)
    assert dataset.name.lower() == name
    assert dataset.description
    assert dataset.source.licence
    assert dataset.source.obtain
    assert dataset.kind == "simulated" or dataset.source.url.startswith("https://")


@pytest.mark.parametrize("name", [n for n in NAMES if n != "sim_stations"])
def test_a_missing_set_says_where_to_get_it(name: str, tmp_path: Path) -> None:
    dataset = open_fleets(name, tmp_path)
    assert not dataset.is_present
    with pytest.raises(MissingDataError, match=f"detect/{dataset.name}") as caught:
        dataset.fleets()
    assert dataset.source.url in str(caught.value)


def test_entities_are_read_in_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("service10", "service2"):
        write_entity(tmp_path / "detect" / "JS2" / name)
    (fleet,) = open_fleets("JS2", tmp_path).fleets()
    assert [frame.entity for frame in fleet.train] == ["service2", "service10"]
    assert fleet.train[0].interval_s == 300
    assert fleet.test[0].start_s == fleet.train[0].window.end_s
    assert fleet.test[0].labels is not None
    assert np.flatnonzero(fleet.test[0].labels).tolist() == [2, 3, 15]
    assert len(fleet.whole()[0]) == 30


def test_entities_with_other_kpis_are_fleets_of_their_own_and_stamps_are_kept(
    tmp_path: Path,
) -> None:
    write_entity(tmp_path / "detect" / "CDN" / "live", 3, stamps=True)
    write_entity(tmp_path / "detect" / "CDN" / "vod1", 2, stamps=True)
    dataset = open_fleets("CDN", tmp_path)
    live, vod = dataset.fleets()
    assert (live.name, vod.name) == ("live", "vod1")
    assert (live.train[0].start_s, live.test[0].start_s) == (3000, 9000)
    # Ten rows from 3000 on end at 6000: ten more are missing before the test.
    whole = live.whole()[0]
    assert len(whole) == 40
    assert np.isnan(whole.values[10:20]).all()
    told = dataset.describe()
    assert told["kpis"] == "2-3"
    assert told["anomalies"] == 4
    assert told["entities_with_feedback"] == 2
    assert told["anomaly_percent"] == pytest.approx(15.0)


def test_a_set_without_labels_has_no_test_part(tmp_path: Path) -> None:
    write_entity(tmp_path / "detect" / "CELLPAD" / "cc", label=False)
    dataset = open_fleets("CELLPAD", tmp_path)
    assert dataset.fleets()[0].test == ()
    assert dataset.not_benchmarked
    assert dataset.describe()["anomaly_percent"] is None


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "detect" / "ASD" / "omi-1"
    write_entity(folder)
    (folder / "test.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"test\.parquet"):
        open_fleets("ASD", tmp_path).fleets()
    with pytest.raises(UnknownMemberError):
        open_fleets("nothing")


def test_samples_without_dates_are_a_table_and_no_series(tmp_path: Path) -> None:
    folder = tmp_path / "detect" / "LTE_QT1920"
    folder.mkdir(parents=True)
    pl.DataFrame({"Time": ["10:45"], "Unusual": [1]}).write_parquet(folder / "tabular.parquet")
    dataset = FLEET_DATASETS.load("lte_qt1920")(tmp_path)
    assert dataset.samples().height == 1  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="no dates"):
        dataset.fleets()


def test_the_water_plants_are_read_from_their_owners_files(tmp_path: Path) -> None:
    folder = tmp_path / "detect" / "SWaT"
    folder.mkdir(parents=True)
    rows = [f"28/12/2015 10:00:{i:02d} AM,{i}.5, 7,Normal" for i in range(40)]
    head = "Timestamp, FIT101,MV101,Normal/Attack\n"
    (folder / "SWaT_Dataset_Normal_v1.csv").write_text(head + "\n".join(rows))
    rows[25] = rows[25].replace("Normal", "Attack")
    (folder / "SWaT_Dataset_Attack_v0.csv").write_text(head + "\n".join(rows))
    (fleet,) = open_fleets("SWaT", tmp_path).fleets()
    assert fleet.train[0].kpis == ("FIT101", "MV101")
    assert fleet.train[0].interval_s == 10
    assert fleet.train[0].values[:, 0].tolist() == [5.0, 15.0, 25.0, 35.0]
    assert fleet.test[0].labels is not None
    assert fleet.test[0].labels.tolist() == [0, 0, 1, 0]
    assert fleet.test[0].start_s == 40


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("SWaT", ("SWaT_Dataset_Normal_v1.csv", "SWaT_Dataset_Attack_v0.csv")),
        ("WADI", ("WADI_14days_new.csv", "WADI_attackdataLABLE.csv")),
    ],
)
def test_a_plant_without_a_file_names_both_their_folder_and_where_to_apply(
    name: str, files: tuple[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "detect" / name
    dataset = open_fleets(name, tmp_path)
    # Nothing at all, an empty folder, the history alone, the attacks alone.
    for there in (None, (), files[:1], files[1:]):
        if there is not None:
            folder.mkdir(parents=True, exist_ok=True)
            for file in files:
                (folder / file).unlink(missing_ok=True)
            for file in there:
                (folder / file).write_text("x\n1\n")
        assert not dataset.is_present
        with pytest.raises(MissingDataError) as caught:
            dataset.fleets()
        said, _, gone = str(caught.value).rpartition(". Not there: ")
        for told in (*files, str(folder), dataset.source.url, "apply to iTrust"):
            assert told in said
        assert gone.split(" and ") == [file for file in files if file not in (there or ())]
    for file in files:
        (folder / file).write_text("x\n1\n")
    assert dataset.is_present


def test_the_stations_are_simulated_by_seed() -> None:
    first, second = open_fleets("sim_stations", seed=3), open_fleets("sim_stations", seed=4)
    (a,), (again,), (b,) = first.fleets(), first.fleets(), second.fleets()
    assert len(a.train) == 200
    assert a.test[7].values.tobytes() == again.test[7].values.tobytes()
    assert a.test[7].values.tobytes() != b.test[7].values.tobytes()
