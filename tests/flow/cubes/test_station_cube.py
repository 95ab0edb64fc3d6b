"""Counts added up before they are divided, expectations from the past, nothing invented."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.combination import AttributeCombination
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.flow.config import CubeConfig, CubeKpi, Measure
from faultsight.flow.cubes.seasons import earlier_windows
from faultsight.flow.cubes.station_cube import station_cube

CUBE = CubeConfig(
    attributes=("region",),
    measures=(Measure("failures", "requests", "successes"), Measure("requests")),
    kpis=(CubeKpi("failure_ratio", "failures", "requests"),),
    seasons=2,
)
SITES = {"a": {"region": "north"}, "b": {"region": "north"}, "c": {"region": "south"}}
WINDOW = TimeWindow(10 * 86_400, 10 * 86_400 + 7200)


def frame(entity: str, start_s: int, rows: list[tuple[float, float]]) -> KpiFrame:
    return KpiFrame(entity, ("successes", "requests"), start_s, 3600, rows)


def fleet(start_s: int, scale: float = 1.0) -> list[KpiFrame]:
    return [
        frame("a", start_s, [(90 * scale, 100 * scale)] * 2),
        frame("b", start_s, [(10 * scale, 10 * scale)] * 2),
        frame("c", start_s, [(40 * scale, 50 * scale)] * 2),
    ]


def test_sums_come_before_the_division() -> None:
    earlier = [
        fleet(w.start_s, s) for w, s in zip(earlier_windows(WINDOW, CUBE), (1, 3), strict=True)
    ]
    cube = station_cube(fleet(WINDOW.start_s), earlier, WINDOW, SITES, CUBE)
    assert cube is not None
    assert cube.attributes == ("region",)
    assert cube.measure("failures")[0].tolist() == [20.0, 20.0]
    assert cube.measure("requests")[0].tolist() == [220.0, 100.0]
    assert cube.measure("requests")[1].tolist() == [440.0, 200.0]
    north = cube.leaves_of(AttributeCombination({"region": "north"}))
    failures, requests = (cube.measure(name)[0][north] for name in ("failures", "requests"))
    assert cube.kpi("failure_ratio").value(failures, requests) == pytest.approx(20 / 220)


def test_a_silent_station_counts_neither_way() -> None:
    earlier = [fleet(w.start_s) for w in earlier_windows(WINDOW, CUBE)]
    now = fleet(WINDOW.start_s)
    now[0] = frame("a", WINDOW.start_s, [(90, 100), (np.nan, np.nan)])
    cube = station_cube(now[:2], earlier, WINDOW, SITES, CUBE)
    assert cube is not None
    assert cube.elements == (("north",),)  # c did not report: it is no loss of traffic
    assert cube.measure("requests")[0].tolist() == [120.0]
    assert cube.measure("requests")[1].tolist() == [120.0]


def test_what_was_missing_earlier_is_taken_from_the_season_before() -> None:
    near, far = (w.start_s for w in earlier_windows(WINDOW, CUBE))
    cube = station_cube(
        fleet(WINDOW.start_s), [fleet(near)[1:], fleet(far, 2.0)], WINDOW, SITES, CUBE
    )
    assert cube is not None
    assert cube.measure("requests")[1].tolist() == [2 * 200.0 + 2 * 15.0, 2 * 75.0]


def test_nothing_to_compare_with() -> None:
    assert station_cube([], [], WINDOW, SITES, CUBE) is None
    assert station_cube(fleet(WINDOW.start_s), [[], []], WINDOW, SITES, CUBE) is None


def test_an_unknown_station_has_its_own_element() -> None:
    earlier = [fleet(w.start_s) for w in earlier_windows(WINDOW, CUBE)]
    cube = station_cube(fleet(WINDOW.start_s), earlier, WINDOW, {"a": SITES["a"]}, CUBE)
    assert cube is not None
    assert cube.elements == (("(missing)", "north"),)


def test_earlier_windows_lie_before() -> None:
    for season in (3600 * 2, 86_400):
        cube = CubeConfig(seasons=3, season_s=season, window_s=season)
        for window in earlier_windows(TimeWindow(0, season), cube):
            assert window.end_s <= 0
