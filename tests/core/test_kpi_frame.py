"""KPI frames: what reading puts on the grid, what it puts aside, and what it refuses."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError, MissingColumnError
from faultsight.core.kpi_frame import KpiFrame, TimeWindow, epoch_seconds, numbers

HOUR_S = 3600


def column(frame: KpiFrame, kpi: int = 0) -> list[float | None]:
    return [None if np.isnan(v) else float(v) for v in frame.values[:, kpi]]


def frame(n_rows: int = 10, *, start_s: int = 0, interval_s: int = 60) -> KpiFrame:
    values = np.arange(2.0 * n_rows).reshape(n_rows, 2)
    labels = np.arange(n_rows) % 2
    return KpiFrame("cell", ("load", "drops"), start_s, interval_s, values, labels=labels)


def test_a_window_is_half_open() -> None:
    window = TimeWindow(10, 20)
    assert [window.holds(t) for t in (9, 10, 19, 20)] == [False, True, True, False]
    assert window.overlaps(TimeWindow(19, 30))
    assert window.overlaps(TimeWindow(0, 11))
    assert not window.overlaps(TimeWindow(20, 30))
    assert not window.overlaps(TimeWindow(0, 10))
    with pytest.raises(InputError, match=r"ends \(3\) before it starts \(4\)"):
        TimeWindow(4, 3)


def test_infinite_and_too_large_values_are_missing_and_the_input_stays_as_it_was() -> None:
    given_values = np.array([[np.inf], [-np.inf], [1e300], [np.nan], [7.0]])
    read = KpiFrame("cell", ["load"], 0, 60, given_values)
    assert column(read) == [None, None, None, None, 7.0]
    assert read.values.dtype == np.float32
    assert (read.n_infinite, read.with_kpis(["other", "load"]).n_infinite) == (3, 3)
    assert np.isposinf(given_values[0, 0])
    singles = np.array([[np.inf], [1.0]], dtype=np.float32)
    KpiFrame("cell", ["load"], 0, 60, singles)
    assert np.isposinf(singles[0, 0])


@pytest.mark.parametrize(
    ("problem", "kpis", "interval_s", "values", "labels"),
    [
        ("2 KPIs need values of shape", ("a", "b"), 60, [[1.0]], None),
        ("1 KPIs need values of shape", ("a",), 60, [1.0], None),
        ("two KPIs have one name", ("a", "a"), 60, [[1.0, 2.0]], None),
        ("interval must be positive, not 0 s", ("a",), 0, [[1.0]], None),
        ("1 rows, but .* labels", ("a",), 60, [[1.0]], [0, 1]),
    ],
)
def test_what_does_not_fit_is_refused(
    problem: str,
    kpis: tuple[str, ...],
    interval_s: int,
    values: list[list[float]],
    labels: list[int] | None,
) -> None:
    with pytest.raises(InputError, match=f"^cell-9: .*{problem}"):
        KpiFrame("cell-9", kpis, 0, interval_s, values, labels=labels)


def test_slices_are_views_and_keep_their_time() -> None:
    whole = frame(start_s=600)
    part = whole[3:7]
    assert np.shares_memory(part.values, whole.values)
    assert part.labels is not None
    assert whole.labels is not None
    assert np.shares_memory(part.labels, whole.labels)
    assert part.labels.tolist() == [1, 0, 1, 0]
    assert (part.start_s, len(part)) == (780, 4)
    assert part.window == TimeWindow(780, 1020)
    assert part.times_s.tolist() == [780, 840, 900, 960]
    assert whole[-2:].start_s == 1080
    assert len(whole[7:3]) == 0
    with pytest.raises(InputError, match="slices have no step"):
        whole[::2]


@given(
    start_s=st.integers(-500, 500),
    interval_s=st.integers(1, 90),
    n_rows=st.integers(0, 12),
    bounds=st.tuples(st.integers(-2000, 2000), st.integers(-2000, 2000)).map(sorted),
)
def test_rows_in_a_window_are_those_whose_interval_starts_inside(
    start_s: int, interval_s: int, n_rows: int, bounds: list[int]
) -> None:
    made = KpiFrame("cell", ("load",), start_s, interval_s, np.zeros((n_rows, 1)))
    window = TimeWindow(*bounds)
    inside = [row for row, time_s in enumerate(made.times_s) if window.holds(int(time_s))]
    rows = made.rows_in(window)
    assert list(range(n_rows))[rows] == inside
    assert 0 <= rows.start <= n_rows
    assert 0 <= rows.stop <= n_rows


def test_kpis_are_reordered_and_those_that_lack_are_missing() -> None:
    made = frame(3)
    other = made.with_kpis(["drops", "delay", "load"])
    assert other.kpis == ("drops", "delay", "load")
    assert column(other, 0) == [1.0, 3.0, 5.0]
    assert column(other, 1) == [None, None, None]
    assert column(other, 2) == [0.0, 2.0, 4.0]
    assert other.labels is not None
    assert other.labels.tolist() == [0, 1, 0]
    assert made.with_kpis(["load", "drops"]) is made


def test_what_follows_is_joined_with_a_hole_between() -> None:
    made = frame(10)
    joined = made[:4].then(made[6:])
    assert len(joined) == 10
    assert column(joined) == [0.0, 2.0, 4.0, 6.0, None, None, 12.0, 14.0, 16.0, 18.0]
    assert joined.labels is not None
    assert joined.labels.tolist() == [0, 1, 0, 1, 0, 0, 0, 1, 0, 1]
    unlabelled = KpiFrame("cell", made.kpis, 600, 60, [[1.0, 2.0]])
    assert made.then(unlabelled).labels is None


@given(st.integers(0, 10))
def test_a_cut_frame_joins_to_itself(row: int) -> None:
    made = frame(10)
    joined = made[:row].then(made[row:])
    np.testing.assert_array_equal(joined.values, made.values)
    np.testing.assert_array_equal(joined.labels, made.labels)
    assert joined.window == made.window


def test_what_does_not_follow_is_not_joined() -> None:
    made = frame(4)
    for later in (
        frame(4, start_s=180),
        frame(4, start_s=250),
        frame(4, start_s=240, interval_s=30),
    ):
        with pytest.raises(InputError, match="not on one grid"):
            made.then(later)
    with pytest.raises(InputError, match="different entities or KPIs"):
        made.then(frame(4, start_s=240).with_kpis(["load"]))
    with pytest.raises(InputError, match="different entities or KPIs"):
        made.then(KpiFrame("other", made.kpis, 240, 60, np.zeros((1, 2))))


def test_rows_come_in_any_order_and_gaps_are_missing() -> None:
    table = pl.DataFrame(
        {"timestamp": [240, 0, 60, 180], "load": [5, 1, 2, 4], "site": list("abcd")}
    )
    (made,) = KpiFrame.from_table(table)
    assert (made.entity, made.kpis, made.start_s, made.interval_s) == ("all", ("load",), 0, 60)
    assert column(made) == [1.0, 2.0, None, 4.0, 5.0]
    assert made.labels is None
    assert dict(made.dropped) == {}


def test_irregular_stamps_are_floored_to_the_grid() -> None:
    table = pl.DataFrame({"timestamp": [3.0, 62.0, 95.0, 185.5], "load": [1.0, 2.0, 3.0, 4.0]})
    (made,) = KpiFrame.from_table(table, interval_s=60)
    assert made.times_s.tolist() == [0, 60, 120, 180]
    assert column(made) == [1.0, 3.0, None, 4.0]
    assert dict(made.dropped) == {"conflicting": 1}
    assert (made.n_moved, made.moved_s) == (4, 35.0)


def test_a_stamp_a_second_early_is_the_row_that_it_means() -> None:
    table = pl.DataFrame({"timestamp": [3.0, 62.0, 119.0, 185.5], "load": [1.0, 2.0, 3.0, 4.0]})
    (made,) = KpiFrame.from_table(table, interval_s=60)
    assert made.times_s.tolist() == [0, 60, 120, 180]
    assert column(made) == [1.0, 2.0, 3.0, 4.0]
    assert dict(made.dropped) == {}
    assert (made.n_moved, made.moved_s) == (4, 5.5)
    assert made.with_kpis(["drops", "load"]).n_moved == 4


def test_stamps_before_1970_are_floored_too() -> None:
    table = pl.DataFrame({"timestamp": [-61, -1, 0], "load": [1.0, 2.0, 3.0]})
    (made,) = KpiFrame.from_table(table, interval_s=60)
    assert made.times_s.tolist() == [-120, -60, 0]
    assert column(made) == [1.0, 2.0, 3.0]


def test_the_last_of_rows_told_twice_stays_and_each_other_is_counted() -> None:
    table = pl.DataFrame(
        {
            "timestamp": [0, 60, 60, 120, 60, 120, None],
            "load": [1.0, 2.0, 8.0, None, 9.0, None, 4.0],
            "label": [0, 1, 1, 0, 0, 1, 1],
        }
    )
    (made,) = KpiFrame.from_table(table)
    assert column(made) == [1.0, 9.0, None]
    assert made.labels is not None
    assert made.labels.tolist() == [0, 0, 1]
    assert dict(made.dropped) == {"no_timestamp": 1, "duplicated": 1, "conflicting": 2}


@settings(deadline=None)
@given(st.data())
def test_what_is_read_does_not_depend_on_the_order_of_distinct_rows(data: st.DataObject) -> None:
    grid = data.draw(st.lists(st.integers(0, 40), min_size=1, unique=True))
    order = data.draw(st.permutations(range(len(grid))))
    table = pl.DataFrame(
        {"timestamp": [60 * g for g in grid], "load": [float(g) for g in grid]},
        schema={"timestamp": pl.Int64, "load": pl.Float64},
    )
    (made,) = KpiFrame.from_table(table, interval_s=60)
    (shuffled,) = KpiFrame.from_table(table[list(order)], interval_s=60)
    np.testing.assert_array_equal(made.values, shuffled.values)
    first = min(grid)
    assert made.start_s == 60 * first
    known = {first + row: v for row, v in enumerate(column(made)) if v is not None}
    assert known == {g: float(g) for g in grid}


def test_entities_are_told_apart_in_order_of_name_and_share_the_usual_step() -> None:
    table = pl.DataFrame(
        {
            "timestamp": [0, 10, 60, 70, 120, 5, None],
            "entity": ["b", "a", "b", "a", "b", "c", "a"],
            "load": [1, 2, 3, 4, 5, 6, 7],
        }
    )
    frames = KpiFrame.from_table(table)
    assert [f.entity for f in frames] == ["a", "b", "c"]
    assert {f.interval_s for f in frames} == {60}
    assert [column(f) for f in frames] == [[2.0, 4.0], [1.0, 3.0, 5.0], [6.0]]
    assert [dict(f.dropped) for f in frames] == [{"no_timestamp": 1}, {}, {}]


def test_the_usual_step_is_never_one_from_entity_to_entity() -> None:
    table = pl.DataFrame(
        {"timestamp": [0, 60, 67, 74, 81], "entity": list("aabcd"), "load": [1, 2, 3, 4, 5]}
    )
    assert {frame.interval_s for frame in KpiFrame.from_table(table)} == {60}


def test_one_row_has_a_step_of_a_second() -> None:
    (made,) = KpiFrame.from_table(pl.DataFrame({"timestamp": [7], "load": [1.0]}))
    assert (made.start_s, made.interval_s, len(made)) == (7, 1, 1)


def test_kpis_are_the_numeric_columns_or_those_asked_for() -> None:
    table = pl.DataFrame(
        {"timestamp": [0, 60], "up": [True, False], "load": ["1.5", "2"], "gone": [None, None],
         "vendor": ["A", "B"], "drops": [3, 4]}
    )  # fmt: skip
    (made,) = KpiFrame.from_table(table)
    assert made.kpis == ("up", "gone", "drops")
    assert column(made, 0) == [1.0, 0.0]
    assert column(made, 1) == [None, None]
    (asked,) = KpiFrame.from_table(table, kpis=["drops", "load"])
    assert asked.kpis == ("drops", "load")
    assert column(asked, 1) == [1.5, 2.0]


def test_times_are_read_in_every_form() -> None:
    noon = datetime(2024, 1, 1, 12)
    paris = noon.replace(tzinfo=timezone(timedelta(hours=1)))
    noon_s = int(noon.replace(tzinfo=UTC).timestamp())
    assert epoch_seconds(pl.Series([noon, None]))[0] == noon_s
    assert epoch_seconds(pl.Series([date(2024, 1, 1)])).tolist() == [noon_s - 12 * HOUR_S]
    assert epoch_seconds(pl.Series([paris])).tolist() == [noon_s - HOUR_S]
    texts = ["2024-01-01 12:00", " 2024-01-01T12:00:00Z ", "2024-01-01T13:00+01:00", str(noon_s)]
    assert epoch_seconds(pl.Series(texts)).tolist() == [noon_s] * 4
    assert epoch_seconds(pl.Series(["2024-01-01t12:00:00z"])).tolist() == [noon_s]
    lost = epoch_seconds(pl.Series([1.0, None, float("nan"), float("inf")]))
    assert np.isnan(lost).tolist() == [False, True, True, True]
    assert np.isnan(epoch_seconds(pl.Series(["", None]))).all()
    assert np.isnan(epoch_seconds(pl.Series([None, None]))).all()


def test_errors_name_file_column_and_row() -> None:
    def told(table: dict[str, object], **how: object) -> str:
        with pytest.raises(InputError) as caught:
            KpiFrame.from_table(pl.DataFrame(table, strict=False), source="week.csv", **how)  # type: ignore[arg-type]
        return str(caught.value)

    times = {"timestamp": [0, 60, 120]}
    place = "week.csv, column 'timestamp', row 2: 'soon' is neither an ISO time nor epoch seconds"
    assert told({"timestamp": ["0", "soon"], "load": [1, 2]}) == place
    place = "week.csv, column 'load', row 3: 'n/a' is not a number"
    assert told({**times, "load": ["1", None, "n/a"]}, kpis=["load"]) == place
    place = "week.csv, column 'label', row 2: 'yes' is not a number"
    assert told({**times, "load": [1, 2, 3], "label": ["0", "yes", "0"]}) == place
    place = "week.csv, column 'entity', row 2: the entity is missing"
    assert told({**times, "load": [1, 2, 3], "entity": ["a", None, "b"]}) == place
    missing = told({"time": [0], "load": [1]})
    assert missing == "week.csv, column 'timestamp': no such column; the table has 'time', 'load'"
    assert "column 'delay': no such column" in told({**times, "load": [1, 2, 3]}, kpis=["delay"])
    assert told({"timestamp": [None], "load": [1]}) == (
        "week.csv, column 'timestamp': no row has a stamp"
    )
    assert told({**times, "site": list("abc")}) == "week.csv: no numeric column is left for KPIs"
    assert told({**times, "load": [1, 2, 3]}, kpis=[]) == "week.csv: no KPI is asked for"
    assert "column 'timestamp': Boolean is no time" in told({"timestamp": [True], "load": [1]})
    assert "interval must be positive, not 0 s" in told({**times, "load": [1, 2, 3]}, interval_s=0)


def test_a_missing_column_is_an_error_of_its_own() -> None:
    with pytest.raises(MissingColumnError):
        KpiFrame.from_table(pl.DataFrame({"load": [1]}))


def test_a_wrong_stamp_does_not_fill_the_memory() -> None:
    table = pl.DataFrame({"timestamp": [0, 1, 2, 1_704_067_200], "load": [1, 2, 3, 4]})
    with pytest.raises(InputError, match=r"stamps of 'all' span 1,704,067,200 steps of 1 s"):
        KpiFrame.from_table(table)


@pytest.mark.parametrize("values", [[[1], [2]], [date(2024, 1, 1), None]], ids=["list", "date"])
def test_what_cannot_be_a_number_is_refused(values: list[object]) -> None:
    with pytest.raises(InputError, match=r"a.csv, column 'load': .* is no number"):
        numbers(pl.Series("load", values), "a.csv")


def test_an_empty_label_is_no_label() -> None:
    table = pl.DataFrame({
        "timestamp": [0, 60, 180, 0, 60],
        "entity": list("aaabb"),
        "load": [1.0, 2.0, 3.0, 4.0, 5.0],
        "label": [1, None, 0, None, None],
    })  # fmt: skip
    first, second = KpiFrame.from_table(table)
    assert first.labels is not None
    assert first.labels.tolist() == [1, 0, 0, 0]
    assert first.unlabelled is not None
    assert first.unlabelled.tolist() == [False, True, False, False]
    assert first[2:].unlabelled is None
    assert first.with_kpis(["load", "drops"]).unlabelled is first.unlabelled
    assert (second.labels, second.unlabelled) == (None, None)


def test_a_decimal_comma_is_told() -> None:
    with pytest.raises(InputError, match="'1,5' is not a number; write decimals with a point"):
        numbers(pl.Series("load", ["1.5", "1,5"]), "a.csv")
