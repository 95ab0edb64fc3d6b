from datetime import date
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faultsight.core.combination import AttributeCombination
from faultsight.core.cube import MISSING_ELEMENT, KpiCube
from faultsight.core.errors import (
    DuplicateLeafError,
    InputError,
    MissingColumnError,
    SettingError,
)
from faultsight.core.kpi import Kpi


def frame(**columns: Any) -> pl.DataFrame:
    base = {
        "site": ["s2", "s1", "s1", "s3"],
        "os": ["ios", "android", "ios", None],
        "real": [1.0, 2.0, 3.0, 4.0],
        "predict": [1.5, 2.5, 3.5, 4.5],
    }
    return pl.DataFrame({**base, **columns})


def test_leaves_are_encoded_in_one_canonical_order() -> None:
    cube = KpiCube.from_frame(frame())
    assert cube.attributes == ("site", "os")
    assert cube.elements == (("s1", "s2", "s3"), (MISSING_ELEMENT, "android", "ios"))
    assert cube.codes.tolist() == [[0, 1], [0, 2], [1, 2], [2, 0]]
    assert cube.actual.tolist() == [[2.0, 3.0, 1.0, 4.0]]
    assert cube.forecast.tolist() == [[2.5, 3.5, 1.5, 4.5]]


@given(st.permutations(range(4)))
def test_row_order_gives_the_same_bytes(order: list[int]) -> None:
    first, second = KpiCube.from_frame(frame()), KpiCube.from_frame(frame()[order])
    assert first.codes.tobytes() == second.codes.tobytes()
    assert first.actual.tobytes() == second.actual.tobytes()
    assert first.elements == second.elements


def test_pandas_arrow_and_sql_results_are_read_alike() -> None:
    table = frame()
    expected = KpiCube.from_frame(table)
    with duckdb.connect() as connection:
        connection.register("leaves", table.to_arrow())
        query = connection.sql("select * from leaves order by real desc").to_arrow_table()
    columns = table.to_dict(as_series=False)
    for other in (table.lazy(), pd.DataFrame(columns), pa.table(columns), query):
        cube = KpiCube.from_frame(other)
        assert cube.elements == expected.elements
        assert cube.codes.tobytes() == expected.codes.tobytes()
        assert cube.actual.tobytes() == expected.actual.tobytes()


def test_a_cube_goes_to_a_frame_and_back() -> None:
    cube = KpiCube.from_frame(frame())
    again = KpiCube.from_frame(cube.to_frame())
    assert again.elements == cube.elements
    assert again.forecast.tobytes() == cube.forecast.tobytes()


def test_rows_without_a_value_are_set_aside_and_counted() -> None:
    cube = KpiCube.from_frame(frame(real=[float("nan"), 2.0, None, -1.0]))
    assert cube.n_leaves == 1
    assert [(q.column, q.rows, q.first_row) for q in cube.quarantined] == [
        ("real", 2, 1),
        ("real", 1, 4),
    ]


def test_a_negative_forecast_is_raised_to_zero_and_counted() -> None:
    cube = KpiCube.from_frame(frame(predict=[1.0, -0.5, 0.0, 4.0]))
    assert cube.forecast.min() == 0
    assert [(q.rows, q.first_row) for q in cube.quarantined] == [(1, 2)]
    assert "raised to 0" in cube.quarantined[0].reason


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"real": [1.0, float("inf"), 2.0, 3.0]}, r"c\.csv, column 'real', row 2: 1 infinite"),
        ({"predict": [1.0, 2.0, 3.0, -2e100]}, r"c\.csv, column 'predict', row 4: 1 values beyond"),
        (
            {"real": ["1", "2", "9" * 120, "4"]},
            r"c\.csv, column 'real', row 3: 1 values beyond 1e100",
        ),
        ({"real": ["1", "2", "x", "4"]}, r"c\.csv, column 'real', row 3: 'x' is not a number"),
        ({"real": [None, None, None, None]}, "no row with usable values"),
        ({"day": [date(2020, 1, 1)] * 4}, "column 'day': of type Date and neither"),
        ({"extra": [0.5, 0.5, 0.5, 0.5]}, "column 'extra': of type Float64 and neither"),
    ],
)
def test_unusable_values_name_file_column_and_row(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        KpiCube.from_frame(frame(**columns), name="c.csv")


def test_a_missing_column_lists_those_that_are_there() -> None:
    with pytest.raises(MissingColumnError, match="'value': no such column; the table has 'site'"):
        KpiCube.from_frame(frame(), actual="value")


def test_repeated_leaves_are_refused_or_added_up() -> None:
    repeated = pl.concat([frame(), frame().head(1)])
    with pytest.raises(DuplicateLeafError, match=r"row 5: 1 rows repeat a leaf"):
        KpiCube.from_frame(repeated)
    cube = KpiCube.from_frame(repeated, duplicates="sum")
    assert cube.actual[0].tolist() == [2.0, 3.0, 2.0, 4.0]
    assert cube.quarantined[0].rows == 1


def test_text_numbers_and_integers_are_values_too() -> None:
    cube = KpiCube.from_frame(frame(real=["1", "2", "3", "4"], predict=[1, 2, 3, 4]))
    assert cube.actual.sum() == cube.forecast.sum() == 10


def test_leaves_of_a_combination() -> None:
    cube = KpiCube.from_frame(frame())
    assert cube.leaves_of(AttributeCombination({"site": "s1"})).tolist() == [0, 1]
    assert cube.leaves_of(AttributeCombination({"site": "s1", "os": "ios"})).tolist() == [1]
    assert cube.leaves_of(AttributeCombination({"site": "nowhere"})).tolist() == []
    with pytest.raises(SettingError, match="no attribute 'city'"):
        cube.leaves_of(AttributeCombination({"city": "x"}))


def test_a_kpi_of_an_unknown_measure_is_refused() -> None:
    with pytest.raises(SettingError, match="needs the measure 'viewers'"):
        KpiCube.from_frame(frame(), kpis=[Kpi.ratio("r", "real", "viewers")])


def test_the_arrays_cannot_be_changed() -> None:
    cube = KpiCube.from_frame(frame())
    with pytest.raises(ValueError, match="read-only"):
        cube.actual[0, 0] = 1.0
    assert np.shares_memory(cube.measure("real")[0], cube.actual)
