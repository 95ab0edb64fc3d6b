from itertools import combinations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.localize.contract import Localization
from faultsight.localize.peers.hotspot import HotSpot, HotSpotConfig


def cube(rows: list[tuple[str, str, float, float]]) -> KpiCube:
    schema = ["province", "isp", "real", "predict"]
    return KpiCube.from_frame(pl.DataFrame(rows, schema=schema, orient="row"))


def potential_by_leaves(kpi_cube: KpiCube, answer: Localization) -> float:
    """Return the potential score of the answer's set, leaf by leaf from its definition."""
    actual, forecast = kpi_cube.actual[0], kpi_cube.forecast[0]
    deduced = forecast.copy()
    for combination in answer.combinations:
        inside = kpi_cube.leaves_of(combination)
        deduced[inside] = forecast[inside] * actual[inside].sum() / forecast[inside].sum()
    distance = np.linalg.norm(actual - deduced) / np.linalg.norm(actual - forecast)
    return max(1 - float(distance), 0.0)


def test_two_members_that_changed_each_in_its_own_proportion() -> None:
    # x lost all of (10, 10): 200 of the squared distance of 250; z lost half: 50.
    rows = [("x", "a", 0.0, 10.0), ("x", "b", 0.0, 10.0), ("y", "a", 10.0, 10.0),
            ("y", "b", 10.0, 10.0), ("z", "a", 5.0, 10.0), ("z", "b", 5.0, 10.0)]  # fmt: skip
    answer = HotSpot().localize(cube(rows))
    assert [str(c) for c in answer.combinations] == ["province=x", "province=z"]
    assert [p.score for p in answer.patterns] == pytest.approx(
        [1 - np.sqrt(50 / 250), 1 - np.sqrt(200 / 250)]
    )
    assert [p.confidence for p in answer.patterns] == [1.0, 1.0]
    assert [t.title for t in answer.trace] == ["layer 1"]


def test_a_root_of_two_attributes_is_found_below_the_best_sets() -> None:
    rows = [(p, i, 1.0 if (p, i) == ("x", "a") else 10.0, 10.0) for p in "xyz" for i in "abc"]
    answer = HotSpot().localize(cube(rows))
    assert [str(c) for c in answer.combinations] == ["isp=a&province=x"]
    # Two combinations of the first layer changed; of those below them, one did.
    assert [t.combinations for t in answer.trace] == [2, 1]


def test_below_what_no_best_set_holds_nothing_is_scored() -> None:
    # Without y and c the potential is 0.994 already, and a member costs 0.02.
    rows = [*(("x", isp, 0.0, 10.0) for isp in "abe"), ("y", "c", 9.9, 10.0)]
    config = HotSpotConfig(potential_threshold=1.0)
    answer = HotSpot(config=config).localize(cube(rows))
    assert [str(c) for c in answer.combinations] == ["province=x"]
    assert [t.combinations for t in answer.trace] == [6, 3]


def test_a_member_costs_more_than_a_little_noise_is_worth() -> None:
    rows = [("x", "a", 0.0, 10.0), ("y", "a", 9.9, 10.0), ("z", "a", 10.0, 10.0)]
    assert [str(c) for c in HotSpot().localize(cube(rows)).combinations] == ["province=x"]
    free = HotSpotConfig(size_penalty=0.0, potential_threshold=1.0)
    assert len(HotSpot(config=free).localize(cube(rows)).patterns) == 2


def test_what_was_not_forecast_cannot_ripple() -> None:
    rows = [("x", "a", 7.0, 0.0), ("y", "a", 10.0, 10.0)]
    assert HotSpot().localize(cube(rows)).abstained == "no combination changed as one"


def test_as_forecast_is_said() -> None:
    assert HotSpot().localize(cube([("x", "a", 7.0, 7.0)])).abstained == "every leaf is as forecast"


def test_equal_seeds_draw_equally_and_other_seeds_do_not() -> None:
    frame = pl.DataFrame({"site": [f"s{i}" for i in range(12)], "real": list(range(12))})
    kpi_cube = KpiCube.from_frame(frame.with_columns(predict=pl.lit(50.0)))
    found = [
        HotSpot(
            config=HotSpotConfig(steps=30, size_penalty=0.0, potential_threshold=1.0, seed=seed)
        ).localize(kpi_cube)
        for seed in (0, 0, 1, 2, 3, 4)
    ]
    assert found[0] == found[1]
    assert len({answer.combinations for answer in found}) > 1


VALUES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 30)), min_size=4, max_size=12
).filter(lambda pairs: any(v != f for v, f in pairs))


@given(VALUES)
@settings(deadline=None)
def test_potential_from_sums_is_potential_from_leaves(pairs: list[tuple[int, int]]) -> None:
    kpi_cube = cube(
        [(f"p{i % 3}", f"i{i // 3}", float(v), float(f)) for i, (v, f) in enumerate(pairs)]
    )
    answer = HotSpot().localize(kpi_cube)
    if answer.patterns:
        expected = potential_by_leaves(kpi_cube, answer)
        assert answer.patterns[0].confidence == pytest.approx(expected, abs=1e-6)


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=6).filter(lambda v: any(x != 10 for x in v))
)
@settings(deadline=None)
def test_a_search_with_steps_enough_finds_the_best_set(actual: list[int]) -> None:
    frame = pl.DataFrame({"site": [f"s{i}" for i in range(len(actual))], "real": actual})
    config = HotSpotConfig(steps=500, potential_threshold=1.0)
    kpi_cube = KpiCube.from_frame(frame.with_columns(predict=pl.lit(10.0)))
    answer = HotSpot(config=config).localize(kpi_cube)
    parts = [(v - 10) ** 2 / sum((v - 10) ** 2 for v in actual) for v in actual]
    best = max(
        1 - np.sqrt(max(1 - sum(chosen), 0.0)) - 0.02 * size
        for size in range(1, len(parts) + 1)
        for chosen in combinations(parts, size)
    )
    found = answer.patterns[0].confidence - 0.02 * len(answer.patterns)
    assert found == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"potential_threshold": 0.0}, {"size_penalty": -1.0}, {"seed": -1}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingError, match=next(iter(wrong))):
        HotSpotConfig(**wrong)  # type: ignore[arg-type]
