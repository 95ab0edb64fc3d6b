"""Alarms: runs above the level, their peaks, and the KPIs that show them."""

from __future__ import annotations

import json
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from faultsight.core.kpi_frame import TimeWindow
from faultsight.detect.alarms import raise_alarms
from faultsight.detect.contract import Score


def score(total: ArrayLike, residuals: ArrayLike | None = None, n_kpis: int = 0) -> Score:
    kpis = tuple(f"kpi-{k}" for k in range(n_kpis))
    parts = None if residuals is None else np.asarray(residuals, dtype=np.float32)
    return Score("cell-1", 1000, 60, kpis, np.asarray(total, dtype=np.float64), parts)


def test_a_run_is_one_alarm_and_a_row_at_the_level_is_none() -> None:
    alarms = raise_alarms(score([3.0, 2.0, 2.5, 4.0, 0.0, 9.0]), 2.0)
    assert [a.window for a in alarms] == [
        TimeWindow(1000, 1060), TimeWindow(1120, 1240), TimeWindow(1300, 1360),
    ]  # fmt: skip
    assert [a.peak for a in alarms] == [1.5, 2.0, 4.5]
    assert {a.entity for a in alarms} == {"cell-1"}


def test_a_missing_score_is_no_alarm_and_parts_two() -> None:
    alarms = raise_alarms(score([5.0, np.nan, 5.0, np.nan]), 1.0)
    assert [a.window.start_s for a in alarms] == [1000, 1120]
    assert raise_alarms(score([np.nan, np.nan]), 0.0) == []
    assert raise_alarms(score([]), 0.0) == []


def test_a_level_of_zero_leaves_the_score_as_the_peak() -> None:
    (alarm,) = raise_alarms(score([0.0, 0.25]), 0.0)
    assert alarm.peak == 0.25


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, 3.0, float("nan")]), max_size=20),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_alarms_cover_exactly_the_rows_above_the_level(total: list[float], level: float) -> None:
    alarms = raise_alarms(score(total), level)
    covered = [any(a.window.holds(1000 + 60 * row) for a in alarms) for row in range(len(total))]
    assert covered == [value > level for value in total]
    assert len(alarms) == sum(1 for above, _ in groupby(covered) if above)
    assert all(alarm.peak > 1 for alarm in alarms)


def test_the_three_largest_kpis_at_the_peak_are_named_with_their_shares() -> None:
    residuals = [[9.0, 0.0, 0.0, 0.0], [1.0, 4.0, np.nan, 3.0], [2.0, 2.0, 2.0, 0.0]]
    (alarm,) = raise_alarms(score([9.0, 10.0, 6.0], residuals, 4), 5.0)
    assert [name for name, _ in alarm.shares] == ["kpi-1", "kpi-3", "kpi-0"]
    assert [share for _, share in alarm.shares] == pytest.approx([0.5, 0.375, 0.125])


def test_residuals_that_are_all_zero_have_no_share() -> None:
    (alarm,) = raise_alarms(score([1.0], [[0.0, 0.0]], 2), 0.5)
    assert [share for _, share in alarm.shares] == [0.0, 0.0]


def test_an_alarm_goes_into_json_and_back() -> None:
    (alarm,) = raise_alarms(score([4.0], [[3.0, 1.0]], 2), 2.0)
    assert json.loads(json.dumps(alarm.to_dict())) == {
        "entity": "cell-1", "start_s": 1000, "end_s": 1060, "peak": 2.0,
        "kpis": [{"kpi": "kpi-0", "share": 0.75}, {"kpi": "kpi-1", "share": 0.25}],
    }  # fmt: skip
    assert raise_alarms(score([4.0]), 2.0)[0].to_dict()["kpis"] == []
