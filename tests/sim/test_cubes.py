"""The recipes: what they promise of their cubes holds in the cubes they make."""

import numpy as np
import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.sim.case import SimulatedCase
from faultsight.sim.cdn_cube import cdn_case
from faultsight.sim.riskloc_cube import (
    RISKLOC_H,
    RISKLOC_L,
    RISKLOC_S,
    RiskLocRecipe,
    riskloc_case,
)
from faultsight.sim.squeeze_cube import SETTINGS, squeeze_case


def _faulty(case: SimulatedCase) -> tuple[KpiCube, np.ndarray]:
    cube = KpiCube.from_frame(case.table)
    faulty = np.zeros(cube.n_leaves, dtype=bool)
    for root in case.truth:
        faulty[cube.leaves_of(root)] = True
    return cube, faulty


@pytest.mark.parametrize("index", range(6))
def test_cdn_deviations_lie_where_the_recipe_says(index: int) -> None:
    case = cdn_case(index)
    cube, faulty = _faulty(case)
    assert cube.cardinalities == (33, 4, 4, 20)
    actual, forecast = cube.measure("real")
    seen = forecast > 0
    deviation = (forecast - actual)[seen] / forecast[seen]
    inside = faulty[seen]
    assert 1 <= len(case.truth) <= 3
    assert (np.abs(deviation[~inside]) <= 0.09 + 1e-9).all()
    assert (deviation[inside] >= 0.1 - 1e-9).all()
    assert (deviation[inside] <= 0.9 + 1e-9).all()
    assert (actual == np.round(actual)).all()
    assert not any(a.is_ancestor_of(b) for a in case.truth for b in case.truth)


@pytest.mark.parametrize("index", range(9))
def test_squeeze_settings_and_ripple_effect(index: int) -> None:
    case = squeeze_case(index)
    layer, roots = SETTINGS[index]
    assert case.group == f"layer_{layer}_roots_{roots}"
    assert len(case.truth) == roots
    assert {root.layer for root in case.truth} == {layer}
    cube, faulty = _faulty(case)
    actual, forecast = cube.measure("real")
    empty = (actual == 0) & (forecast == 0)
    assert 0.1 < empty.mean() < 0.7
    normal = ~faulty & ~empty
    relative = (actual - forecast)[normal] / forecast[normal]
    assert relative.std() == pytest.approx(0.01, rel=0.05)
    inside = faulty & ~empty
    expected = np.round(forecast[inside, None] * np.array([0.6, 0.4, 0.2, 0.0]))
    off = np.abs(actual[inside, None] - expected) / np.maximum(expected, 1)
    assert off.min(axis=1).max() < 0.06


def test_squeeze_noise_is_on_the_forecast_alone() -> None:
    calm, noisy = squeeze_case(4), squeeze_case(4, noise=0.12)
    assert calm.truth == noisy.truth
    assert calm.table["real"].equals(noisy.table["real"])
    before, after = calm.table["predict"].to_numpy(), noisy.table["predict"].to_numpy()
    assert (after[before > 0] / before[before > 0]).std() == pytest.approx(0.12, rel=0.05)
    with pytest.raises(SettingError, match="noise"):
        squeeze_case(0, noise=-0.1)


def test_riskloc_s_and_l_have_their_shapes() -> None:
    for index in range(8):
        case = riskloc_case(RISKLOC_S, index)
        assert case.table.height == 48_000
        assert 1 <= len(case.truth) <= 9
        leaf_roots = riskloc_case(RISKLOC_L, index)
        assert leaf_roots.table.height == 36_000
        assert {root.layer for root in leaf_roots.truth} == {4}
        assert 1 <= len(leaf_roots.truth) <= 5
    assert np.prod(RISKLOC_H.sizes) == 24_000_000


def test_riskloc_faults_go_one_way_and_are_as_severe_as_said() -> None:
    # Without noise or deviation every faulty leaf has lost exactly its fault's severity.
    recipe = RiskLocRecipe("still", (6, 5, 4), (0, 0), (0.5, 0.5), (0, 0), (1, 2), (1, 2))
    for index in range(10):
        cube, faulty = _faulty(riskloc_case(recipe, index))
        actual, forecast = cube.measure("real")
        assert (actual[~faulty] == forecast[~faulty]).all()
        seen = faulty & (forecast > 0)
        assert np.allclose(actual[seen], 0.5 * forecast[seen])


def test_riskloc_faults_share_no_element() -> None:
    for index in range(30):
        truth = sorted(riskloc_case(RISKLOC_S, index).truth)
        for first in truth:
            for second in truth:
                if first.attributes != second.attributes:
                    assert not set(first.items()) & set(second.items())


def test_riskloc_says_when_its_faults_do_not_fit() -> None:
    crowded = RiskLocRecipe("crowded", (2, 2), (0, 0), (0.5, 0.5), (0, 0), (4, 4), (2, 2))
    with pytest.raises(SettingError, match="no room"):
        riskloc_case(crowded, 0)


@pytest.mark.parametrize("make", [cdn_case, squeeze_case])
def test_same_number_same_bytes(make: object) -> None:
    assert callable(make)
    first, again, other = make(3, seed=5), make(3, seed=5), make(3, seed=6)
    assert isinstance(first.table, pl.DataFrame)
    assert first.table.equals(again.table)
    assert not first.table.equals(other.table)
