import numpy as np
import polars as pl
import pytest

from faultsight.core.cube import KpiCube
from faultsight.core.errors import SettingError
from faultsight.localize.peers.autoroot import (
    AutoRoot,
    AutoRootConfig,
    _density_clusters,
    _new_potential_score,
    _relative_error,
)


def grid(shape: tuple[int, int], share: np.ndarray, forecast: float = 100.0) -> KpiCube:
    a, b = np.indices(shape).reshape(2, -1)
    return KpiCube.from_frame(
        pl.DataFrame(
            {
                "a": [f"a{c}" for c in a],
                "b": [f"b{c}" for c in b],
                "real": share.ravel() * forecast,
                "predict": np.full(a.size, forecast),
            }
        )
    )


def test_new_potential_score_by_hand() -> None:
    actual, forecast = np.array([50.0, 50.0, 100.0, 125.0]), np.full(4, 100.0)
    errors = _relative_error(actual, forecast)
    assert errors.tolist() == [1, 1, 0, 0.2]
    # A = 0 under the common change, B = 1, C = 0.1.
    inside = np.array([0, 1])
    assert _new_potential_score(inside, actual, forecast, errors) == pytest.approx(1 - 0.1 / 1.1)
    # The two leaves 50 and 100 of 200 have no common change: A = (25/50 + 25/100) / 2.
    inside = np.array([0, 2])
    expected = 1 - (0.375 + 0.6) / (0.5 + 0.6)
    assert _new_potential_score(inside, actual, forecast, errors) == pytest.approx(expected)


def test_a_vanished_leaf_has_no_relative_error() -> None:
    assert _relative_error(np.array([0.0]), np.array([5.0])).tolist() == [0.0]


def test_clusters_are_cut_where_the_density_is_least() -> None:
    deviation = np.concatenate([np.linspace(0.3, 0.5, 30), np.linspace(1.4, 1.6, 30)])
    assert _density_clusters(deviation).tolist() == [0] * 30 + [1] * 30
    assert _density_clusters(np.full(4, 0.7)).tolist() == [0] * 4


def test_the_score_is_the_mean_of_the_three() -> None:
    share = np.ones((4, 5))
    share[1] = 0.5
    share[2] = 1.1
    pattern = AutoRoot().localize(grid((4, 5), share)).patterns[0]
    assert str(pattern.combination) == "a=a1"
    c = 5 * (0.1 / 1.1) / 15
    assert pattern.score == pytest.approx((1 - c / (1 + c) + 1 + 1) / 3)
    assert pattern.confidence == 1.0


def test_one_root_for_each_cluster() -> None:
    share = np.ones((6, 8))
    share[1] = 0.6
    share[:, 3] = 0.1
    answer = AutoRoot().localize(grid((6, 8), share))
    assert sorted(map(str, answer.combinations)) == ["a=a1", "b=b3"]


def test_what_lies_inside_a_root_is_merged() -> None:
    share = np.ones((6, 8))
    share[1] = 0.6
    share[1, 3] = 0.1
    answer = AutoRoot().localize(grid((6, 8), share))
    assert list(map(str, answer.combinations)) == ["a=a1"]
    inside = {str(d.combination): d.reason for d in answer.dropped}
    assert inside["a=a1&b=b3"] == "lies inside a root"


def test_an_element_must_hold_enough_of_the_cluster() -> None:
    share = np.ones((6, 8))
    share[:5, 0] = share[0, :5] = 0.5
    strict = AutoRoot(config=AutoRootConfig(frequency_threshold=0.9))
    answer = strict.localize(grid((6, 8), share))
    assert not answer.patterns
    assert answer.abstained == "no element holds enough of a cluster"


def test_small_deviations_are_normal() -> None:
    # 2 * 10 / 190 = 0.105 is not above 0.2.
    share = np.ones((3, 3))
    share[0] = 0.9
    assert "0.2" in AutoRoot().localize(grid((3, 3), share)).abstained
    config = AutoRootConfig(deviation_threshold=0.1)
    answer = AutoRoot(config=config).localize(grid((3, 3), share))
    assert list(map(str, answer.combinations)) == ["a=a0"]


def test_settings_are_checked() -> None:
    with pytest.raises(SettingError, match="deviation_threshold"):
        AutoRootConfig(deviation_threshold=2.0)
    with pytest.raises(SettingError, match="frequency_threshold"):
        AutoRootConfig(frequency_threshold=1.0)
