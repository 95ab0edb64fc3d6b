from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest

from faultsight.core.combination import AttributeCombination
from faultsight.core.errors import (
    DuplicateLeafError,
    InputError,
    MissingColumnError,
    SettingError,
)
from faultsight.core.kpi import Kpi
from faultsight.localize.forecasts.moving_average import MovingAverage, MovingAverageConfig
from faultsight.localize.history import cube_from_history

TABLE = pl.DataFrame(
    {
        "minute": [0, 0, 60, 120, 120, 180, 180, 180],
        "site": ["a", "b", "a", "a", "b", "a", "b", "c"],
        "os": ["x", "x", "x", "x", "x", "x", "x", "x"],
        "stalls": [2.0, 4.0, 4.0, 6.0, 2.0, 9.0, 1.0, 5.0],
        "viewers": [20.0, 40.0, 40.0, 60.0, 20.0, 30.0, 10.0, 5.0],
    }
)


def test_the_last_moment_against_the_mean_of_the_earlier_ones() -> None:
    history = cube_from_history(TABLE, time="minute", measures=["stalls", "viewers"])
    cube = history.cube
    assert cube.attributes == ("site", "os")
    assert cube.elements == (("a", "b", "c"), ("x",))
    # b is absent at minute 60: nothing was counted, so its mean is (4 + 0 + 2) / 3.
    assert cube.actual.tolist() == [[9.0, 1.0, 5.0], [30.0, 10.0, 5.0]]
    assert cube.forecast.tolist() == [[4.0, 2.0, 0.0], [40.0, 20.0, 0.0]]
    assert history.at_text == "1970-01-01 00:03:00 UTC"


def test_what_is_unknown_is_not_0() -> None:
    history = cube_from_history(
        TABLE, time="minute", measures=["stalls"], at=120, missing="unknown",
        attributes=["site"],
    )  # fmt: skip
    # b was 4 at minute 0 and is unknown at 60; c is not seen at 120 and is no leaf.
    assert history.cube.elements == (("a", "b"),)
    assert history.cube.forecast.tolist() == [[3.0, 4.0]]


def test_later_rows_are_never_looked_at() -> None:
    changed = TABLE.with_columns(
        pl.when(pl.col("minute") > 120).then(1e9).otherwise(pl.col("stalls")).alias("stalls")
    )
    first, second = (
        cube_from_history(t, time="minute", measures=["stalls", "viewers"], at=120).cube
        for t in (TABLE, changed)
    )
    assert first.forecast.tolist() == second.forecast.tolist()
    assert first.actual.tolist() == second.actual.tolist()
    assert first.elements == second.elements


def test_a_baseline_may_end_before_the_fault() -> None:
    history = cube_from_history(
        TABLE, time="minute", measures=["stalls"], attributes=["site"], baseline_before=60
    )
    assert history.cube.forecast.tolist() == [[2.0, 4.0, 0.0]]


def test_row_order_changes_nothing() -> None:
    shuffled = TABLE[[5, 0, 7, 2, 1, 6, 4, 3]]
    first, second = (
        cube_from_history(t, time="minute", measures=["stalls", "viewers"]).cube
        for t in (TABLE, shuffled)
    )
    assert first.codes.tolist() == second.codes.tolist()
    assert first.forecast.tobytes() == second.forecast.tobytes()


@pytest.mark.parametrize(
    ("times", "at"),
    [
        (["1970-01-01T00:00:00", "1970-01-01T00:01:00", "1970-01-01T00:02:00"], "60"),
        (["1970-01-01T01:00:00+01:00", "1970-01-01 00:01Z", "1970-01-01T00:02"], 60),
        ([datetime(1970, 1, 1, 0, m, tzinfo=UTC) for m in range(3)], "1970-01-01T00:01"),
        ([datetime(1970, 1, 1, 0, m) for m in range(3)], datetime(1970, 1, 1, 0, 1)),
        ([0.0, 60.0, 120.0], 60),
    ],
)
def test_times_in_many_forms_are_utc(times: list[Any], at: Any) -> None:
    table = pl.DataFrame({"t": times, "site": ["a"] * 3, "v": [1.0, 5.0, 100.0]})
    history = cube_from_history(table, time="t", measures=["v"], at=at)
    assert history.at == 60
    assert history.cube.actual.tolist() == [[5.0]]
    assert history.cube.forecast.tolist() == [[1.0]]


def test_curves_show_what_would_have_been_said_then() -> None:
    history = cube_from_history(
        TABLE, time="minute", measures=["stalls", "viewers"],
        kpis=[Kpi.ratio("stall_ratio", "stalls", "viewers")],
        forecaster=MovingAverage(config=MovingAverageConfig(window=1)),
    )  # fmt: skip
    whole, a = history.curves(history.cube.kpis[0], [AttributeCombination({"site": "a"})])
    assert whole.times.tolist() == [0, 60, 120, 180]
    assert whole.actual == pytest.approx([6 / 60, 4 / 40, 8 / 80, 15 / 45])
    assert a.actual == pytest.approx([0.1, 0.1, 0.1, 0.3])
    assert np.isnan(whole.forecast[0])
    assert whole.forecast[1:] == pytest.approx([0.1, 0.1, 0.1])


def test_bad_rows_are_set_aside_and_counted() -> None:
    table = TABLE.with_columns(
        stalls=pl.Series([2.0, None, 4.0, 6.0, -2.0, 9.0, 1.0, float("nan")])
    )
    cube = cube_from_history(table, time="minute", measures=["stalls"], attributes=["site"]).cube
    assert [(q.column, q.rows, q.first_row) for q in cube.quarantined] == [
        ("stalls", 2, 2),
        ("stalls", 1, 5),
    ]
    assert cube.elements == (("a", "b"),)


def test_unusable_histories_are_refused() -> None:
    with pytest.raises(MissingColumnError, match="'when'"):
        cube_from_history(TABLE, time="when", measures=["stalls"])
    with pytest.raises(SettingError, match="cannot be a value"):
        cube_from_history(TABLE, time="minute", measures=["minute"])
    with pytest.raises(InputError, match="no row at 90"):
        cube_from_history(TABLE, time="minute", measures=["stalls"], at=90)
    with pytest.raises(InputError, match="no earlier time"):
        cube_from_history(TABLE, time="minute", measures=["stalls", "viewers"], at=0)
    with pytest.raises(InputError, match="neither ISO 8601"):
        cube_from_history(TABLE, time="site", measures=["stalls"])
    blank = TABLE.with_columns(minute=pl.Series([0, 0, None, 1, 1, 2, 2, 2]))
    with pytest.raises(InputError, match="row 3"):
        cube_from_history(blank, time="minute", measures=["stalls"])
    with pytest.raises(DuplicateLeafError):
        cube_from_history(pl.concat([TABLE, TABLE]), time="minute", measures=["stalls", "viewers"])
    doubled = cube_from_history(
        pl.concat([TABLE, TABLE]), time="minute", measures=["stalls", "viewers"], duplicates="sum"
    )
    assert doubled.cube.actual[0].tolist() == [18.0, 2.0, 10.0]
