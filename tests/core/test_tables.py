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
