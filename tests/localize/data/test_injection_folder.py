"""The layout of the public sets, on folders made here."""

from pathlib import Path

import polars as pl
import pytest

from faultsight.core.errors import InputError, MissingColumnError, MissingDataError
from faultsight.localize.data import CaseDataset, open_dataset

_LEAVES = {"a": ["a1", "a1", "a2"], "b": ["b1", "b2", "b1"]}
_TABLE = pl.DataFrame({**_LEAVES, "real": [1.0, 2.0, 3.0], "predict": [1.0, 4.0, 3.0]})


def _dataset(root: Path, name: str = "squeeze_B0") -> CaseDataset:
    dataset = open_dataset(name, root)
    assert isinstance(dataset, CaseDataset)
    return dataset


def _folder(root: Path, *parts: str) -> Path:
    folder = root.joinpath("localize", *parts)
    folder.mkdir(parents=True)
    return folder


def test_csv_and_parquet_in_sub_folders(tmp_path: Path) -> None:
    for layer, write in ((1, "csv"), (2, "parquet")):
        folder = _folder(tmp_path, "squeeze_B0", f"B_cuboid_layer_{layer}_n_ele_1")
        (folder / "injection_info.csv").write_text("timestamp,set\n1450653900,b=b2&a=a1\n")
        if write == "csv":
            _TABLE.write_csv(folder / "1450653900.csv")
        else:
            _TABLE.with_columns(pl.col("a", "b").cast(pl.Categorical)).write_parquet(
                folder / "1450653900.parquet"
            )
    cases = list(_dataset(tmp_path).cases())
    assert [case.name for case in cases] == [
        "B_cuboid_layer_1_n_ele_1/1450653900",
        "B_cuboid_layer_2_n_ele_1/1450653900",
    ]
    assert [case.group for case in cases] == ["layer_1_roots_1", "layer_2_roots_1"]
    for case in cases:
        assert sorted(map(str, case.truth)) == ["a=a1&b=b2"]
        assert case.cube.forecast.tolist() == [[1.0, 4.0, 3.0]]
        (root,) = case.truth
        assert case.cube.leaves_of(root).tolist() == [1]


def test_a_root_named_twice_is_one_root(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "riskloc_S")
    (folder / "injection_info.csv").write_text("timestamp,set\n7,a=a1;b=b1&a=a2;a=a1\n")
    _TABLE.write_csv(folder / "7.csv")
    (case,) = _dataset(tmp_path, "riskloc_S").cases()
    assert sorted(map(str, case.truth)) == ["a=a1", "a=a2&b=b1"]
    assert case.group == ""


def test_numbers_as_element_names_match_the_label(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "rapmd_like")
    (folder / "injection_info.csv").write_text("timestamp,set\n7,a=2\n")
    (folder / "7.csv").write_text("a,real,predict\n1,5,5\n2,1,5\n")
    (case,) = _dataset(tmp_path, "rapmd_like").cases()
    (root,) = case.truth
    assert case.cube.leaves_of(root).tolist() == [1]


def test_names_are_taken_as_they_are_written(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "rapmd_like")
    (folder / "injection_info.csv").write_text("timestamp,set\n000007,a=07\n")
    (folder / "000007.csv").write_text("a,real,predict\n7,5,5\n07,1,5\n1.50,2,2\n")
    (case,) = _dataset(tmp_path, "rapmd_like").cases()
    assert case.name == "000007"
    assert case.cube.elements == (("07", "1.50", "7"),)
    (root,) = case.truth
    assert case.cube.leaves_of(root).tolist() == [0]


def test_rows_without_a_table_are_no_cases(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "riskloc_L")
    (folder / "injection_info.csv").write_text("timestamp,set\n8,a=a1\n7,a=a1\n../x,a=a1\n")
    _TABLE.write_csv(folder / "7.csv")
    _TABLE.write_csv(folder.parent / "x.csv")
    assert _dataset(tmp_path, "riskloc_L").case_names() == ["7"]


def test_limit_spreads_over_the_set(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "riskloc_S")
    rows = "".join(f"{n},a=a1\n" for n in range(10, 20))
    (folder / "injection_info.csv").write_text("timestamp,set\n" + rows)
    for n in range(10, 20):
        _TABLE.write_csv(folder / f"{n}.csv")
    dataset = _dataset(tmp_path, "riskloc_S")
    assert [case.name for case in dataset.cases(2)] == ["10", "15"]
    assert len(list(dataset.cases(99))) == 10


def test_a_missing_set_says_where_it_was_looked_for_and_how_to_get_it(tmp_path: Path) -> None:
    dataset = _dataset(tmp_path)
    assert not dataset.is_present
    with pytest.raises(MissingDataError) as raised:
        dataset.case_names()
    assert str(tmp_path / "localize" / "squeeze_B0") in str(raised.value)
    assert "8153367" in str(raised.value)
    with pytest.raises(MissingDataError):
        dataset.read("x")


def test_labels_that_do_not_fit(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "riskloc_S")
    info = folder / "injection_info.csv"
    _TABLE.write_csv(folder / "7.csv")
    info.write_text("timestamp,set\n7,c=c1\n")
    with pytest.raises(InputError, match="not a column"):
        list(_dataset(tmp_path, "riskloc_S").cases())
    info.write_text("timestamp,set\n7,a1\n")
    with pytest.raises(InputError, match="attribute=element"):
        list(_dataset(tmp_path, "riskloc_S").cases())
    info.write_text("timestamp,root\n7,a=a1\n")
    with pytest.raises(MissingColumnError, match="set"):
        _dataset(tmp_path, "riskloc_S").case_names()
    info.write_text("timestamp,set\n7,a=a1\n")
    with pytest.raises(InputError, match="no case '9'"):
        _dataset(tmp_path, "riskloc_S").read("9")
