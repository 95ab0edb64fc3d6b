import csv
import io
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError
from faultsight.core.tables import as_polars, read_table, refuse_columns_told_twice, table_batches


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


CELLS = st.one_of(
    st.sampled_from(["", "1", "1.5", "-2", "x", "true", "007", "a\nb", 'say "x"', "a,b", " ", "é"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=6),
)


class TestParts:
    """What is read in parts is what is read at once."""

    @settings(deadline=None, max_examples=150)
    @given(st.lists(st.tuples(CELLS, CELLS), max_size=12), st.integers(60, 200), st.booleans())
    def test_of_a_csv(
        self, tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]],
        most_bytes: int, ends_in_a_row: bool,
    ) -> None:  # fmt: skip
        path = tmp_path_factory.mktemp("t") / "t.csv"
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(("entity", "say x"))
        writer.writerows(rows)
        told = text.getvalue() if ends_in_a_row else text.getvalue()[:-1]
        path.write_bytes(told.encode())
        whole = read_table(path, as_text=True)
        parts = list(table_batches(path, names=whole.columns, most_bytes=most_bytes))
        assert pl.concat(parts).equals(whole)
        kinds = [part.schema for part in table_batches(path, most_bytes=most_bytes)]
        assert all(list(kind) == whole.columns for kind in kinds)

    @pytest.mark.parametrize("group", [1, 7, 1000])
    @pytest.mark.parametrize("most_cells", [1, 6, 50, 10_000])
    def test_of_a_parquet(self, tmp_path: Path, group: int, most_cells: int) -> None:
        path = tmp_path / "t.parquet"
        table = pl.DataFrame({"a": range(100), "b": ["x", None] * 50, "c": [1.5] * 100})
        table.write_parquet(path, row_group_size=group)
        parts = list(table_batches(path, most_cells=most_cells))
        assert pl.concat(parts).equals(table)
        assert max(part.height for part in parts) <= max(most_cells // 3, 1)
        table.clear().write_parquet(path)
        assert [part.schema for part in table_batches(path)] == [table.schema]

    def test_kinds_are_those_of_the_whole(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        table = pl.DataFrame({
            "late": [None] * 1500 + [1.5] * 10, "names": ["1"] * 1510, "odd": ["1"] * 1509 + ["x"],
            "empty": [None] * 1510, "whole": range(1510),
        })  # fmt: skip
        table.write_csv(path)
        (part,) = table_batches(path, names=["names"])
        assert part.equals(read_table(path, names=["names"]))
        assert part.schema["late"] == pl.Float64
        assert part.schema["names"] == part.schema["odd"] == pl.String

    def test_what_is_no_table_is_refused_by_name(self, tmp_path: Path) -> None:
        path = tmp_path / "t.csv"
        path.write_bytes(b'a,b\n"' + b"x,1\n" * 1000)
        with pytest.raises(InputError, match=r"a row is longer than 2,000 bytes"):
            list(table_batches(path, most_bytes=2000))
        for content in (b"", b"a,b\n1,2\n\xff\xfe,1\n", b"a,b\n1,2\n1,2,3\n"):
            path.write_bytes(content)
            with pytest.raises(InputError, match=r"t\.csv: cannot be read as a table"):
                list(table_batches(path, most_bytes=8))
        path = path.with_suffix(".parquet")
        pl.DataFrame({"a": range(1000)}).write_parquet(path)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InputError, match=r"t\.parquet: cannot be read as a table"):
            list(table_batches(path))


def test_headings_have_no_blanks_around_them(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("entity , load\n007,1\n", encoding="utf-8")
    assert read_table(path, names=["entity"]).rows(named=True) == [{"entity": "007", "load": 1}]
    (part,) = table_batches(path, names=["entity"])
    assert part.rows(named=True) == [{"entity": "007", "load": 1}]


@pytest.mark.parametrize("heading", ["a,drops,drops", 'a,drops,"drops"', "a,drops, drops "])
def test_two_columns_of_one_name_are_refused(tmp_path: Path, heading: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{heading}\n1,2,3\n", encoding="utf-8")
    for read in (refuse_columns_told_twice, lambda path: list(table_batches(path, names=["a"]))):
        with pytest.raises(InputError, match=r"t\.csv, column 'drops': two columns have this name"):
            read(path)
    path.write_text("a,drops,,\n1,2,,\n", encoding="utf-8")
    refuse_columns_told_twice(path)  # columns without a name are nobody's
