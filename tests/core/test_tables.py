from pathlib import Path

import polars as pl
import pytest

from faultsight.core.errors import InputError
from faultsight.core.tables import as_polars, read_table


def test_csv_and_parquet_hold_the_same_table(tmp_path: Path) -> None:
    table = pl.DataFrame({"site": ["a", "b"], "real": [1.5, 2.0]})
    table.write_csv(tmp_path / "t.csv")
    table.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.csv").equals(read_table(tmp_path / "t.parquet"))


def test_names_are_read_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "site,release,on,real\n007,1.10,True,1\n7,1.1,False,2.5\n", encoding="utf-8-sig"
    )
    table = read_table(path, as_text=["release"])
    assert table["site"].to_list() == ["007", "7"]
    assert table["release"].to_list() == ["1.10", "1.1"]
    assert table["on"].to_list() == ["True", "False"]
    assert table["real"].to_list() == [1.0, 2.5]
    # What is not named and may be a value stays a number, so that it is no attribute by mistake.
    assert read_table(path, as_text=[])["release"].to_list() == [1.1, 1.1]


@pytest.mark.parametrize(
    "content",
    [b"site,real\n\xff\xfe,1\n", b"site,real\na,1\nb,1,2\n"],
    ids=["not UTF-8", "too long a row"],
)
def test_a_damaged_csv_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    for as_text in (False, True, ["site"]):
        with pytest.raises(InputError, match=r"t\.csv: cannot be read as a table"):
            read_table(path, as_text=as_text)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.xlsx"])
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with pytest.raises(InputError, match=name):
        read_table(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=name):
        read_table(path)


def test_a_truncated_parquet_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "cut.parquet"
    pl.DataFrame({"a": range(1000)}).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cut\.parquet"):
        read_table(path)


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(InputError, match="a dict is not a table"):
        as_polars({"a": [1]})
