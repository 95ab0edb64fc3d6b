"""The family of datasets: names, folders, streams, simulations."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from faultsight.core.errors import InputError, MissingDataError, UnknownMemberError
from faultsight.localize.data import (
    DATASETS,
    CaseDataset,
    StreamDataset,
    data_folder,
    open_dataset,
)


@pytest.mark.parametrize("name", DATASETS.names())
def test_every_dataset_tells_origin_licence_and_how_to_get_it(name: str, tmp_path: Path) -> None:
    dataset = open_dataset(name, tmp_path)
    assert dataset.name.lower() == name
    assert dataset.description
    assert dataset.source.licence
    assert dataset.source.obtain
    assert dataset.is_present == (dataset.kind != "folder")


def test_the_names_of_the_public_sets_are_their_folders() -> None:
    names = {open_dataset(name).name for name in DATASETS.names()}
    assert {
        "aiops2019_injected",
        "aiops2019_pv",
        "rapmd_like",
        "riskloc_L",
        "riskloc_S",
        "rs_robustspot",
        "squeeze_B0",
        "squeeze_B0_noise06",
        "squeeze_B0_noise12",
    } <= names
    with pytest.raises(UnknownMemberError, match="squeeze_b0"):
        open_dataset("squeeze_C9")


def test_which_folder_holds_the_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAULTSIGHT_DATA", str(tmp_path / "named"))
    assert data_folder() == tmp_path / "named"
    assert data_folder(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("FAULTSIGHT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert data_folder() == tmp_path / "faultsight" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert data_folder() == Path.home() / ".cache" / "faultsight" / "data"


@pytest.mark.parametrize(
    "name",
    [
        n
        for n in DATASETS.names()
        if n.startswith("sim_") and n not in ("sim_riskloc_h", "sim_cdn_stream")
    ],
)
def test_simulated_cases_depend_on_seed_and_number_alone(name: str) -> None:
    few, many, other = (
        open_dataset(name, n_cases=n, seed=seed) for n, seed in ((2, 0), (5, 0), (2, 1))
    )
    assert isinstance(few, CaseDataset)
    assert isinstance(many, CaseDataset)
    assert isinstance(other, CaseDataset)
    assert len(many.case_names()) == 5
    case, same, different = few.read("1"), many.read("1"), other.read("1")
    assert case.truth == same.truth
    assert case.cube.actual.tobytes() == same.cube.actual.tobytes()
    assert case.cube.actual.tobytes() != different.cube.actual.tobytes()
    assert all(case.cube.leaves_of(root).size for root in case.truth)
    with pytest.raises(InputError, match="numbered"):
        few.read("x")


def test_page_views_are_cut_into_ticks(tmp_path: Path) -> None:
    stream = open_dataset("aiops2019_pv", tmp_path)
    assert isinstance(stream, StreamDataset)
    with pytest.raises(MissingDataError, match="aiops2019_pv"):
        next(iter(stream.ticks()))
    (tmp_path / "localize").mkdir()
    first, second = datetime(2018, 9, 1, tzinfo=UTC), datetime(2018, 9, 1, 0, 5, tzinfo=UTC)
    pl.DataFrame(
        {"timestamp": [second, first, second], "i": ["x", "x", "y"], "pv": [1.0, 2.0, 3.0]}
    ).write_parquet(tmp_path / "localize" / "aiops2019_pv.parquet")
    ticks = list(stream.ticks())
    assert [(t.time, t.table.rows()) for t in ticks] == [
        (first, [("x", 2.0)]),
        (second, [("x", 1.0), ("y", 3.0)]),
    ]
    (tmp_path / "localize" / "aiops2019_pv.parquet").unlink()
    (tmp_path / "localize" / "aiops2019_pv.csv").write_text(
        "timestamp,i,pv\n2018-09-01 00:00:00,x,2\n2018-09-01 00:05:00,y,3\n"
    )
    assert [t.time for t in stream.ticks()] == [first, second]
