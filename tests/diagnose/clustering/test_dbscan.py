"""DBSCAN against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN

from faultsight.core.errors import InputError, SettingError
from faultsight.diagnose.clustering.dbscan import dbscan


def pairwise(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=-1))


def with_noise_alone(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give each noise point of scikit-learn a number of its own, after the clusters."""
    alone = labels.copy()
    noise = np.flatnonzero(labels < 0)
    alone[noise] = labels.max() + 1 + np.arange(len(noise))
    return alone


@pytest.mark.parametrize("seed", range(40))
def test_equal_to_scikit_learn(seed: int) -> None:
    stream = np.random.default_rng(seed)
    n = int(stream.integers(1, 80))
    # Whole places make many ties and many border points between two clusters.
    points = stream.integers(0, 12, size=(n, 2)).astype(float)
    distance = pairwise(points)
    for eps in (1.0, 1.5, 2.0):
        for min_samples in (1, 2, 4, 5, 9):
            theirs = DBSCAN(eps=eps, min_samples=min_samples, metric="precomputed").fit(distance)
            ours = dbscan(distance, eps=eps, min_samples=min_samples)
            np.testing.assert_array_equal(ours, with_noise_alone(theirs.labels_))


def test_a_border_point_goes_to_the_first_cluster() -> None:
    place = np.array([0.0, 0.5, 1.0, 2.0, 3.0, 3.5, 4.0])
    distance = np.abs(place[:, None] - place)
    assert dbscan(distance, eps=1.0, min_samples=4).tolist() == [0, 0, 0, 0, 1, 1, 1]
    back = dbscan(distance[::-1, ::-1], eps=1.0, min_samples=4)
    assert back.tolist() == [0, 0, 0, 0, 1, 1, 1]


def test_noise_points_are_clusters_of_one() -> None:
    distance = 1.0 - np.eye(4)
    assert dbscan(distance, eps=0.5, min_samples=2).tolist() == [0, 1, 2, 3]
    assert dbscan(distance, eps=0.5, min_samples=1).tolist() == [0, 1, 2, 3]
    assert dbscan(distance, eps=1.0, min_samples=4).tolist() == [0, 0, 0, 0]
    assert dbscan(np.zeros((0, 0)), eps=1.0).shape == (0,)


def test_nan_is_far_and_any_layout_will_do() -> None:
    distance = np.zeros((6, 6))
    distance[0], distance[:, 0] = np.nan, np.nan
    assert dbscan(distance, eps=0.0).tolist() == [1, 0, 0, 0, 0, 0]
    assert dbscan(np.asfortranarray(distance), eps=0.0).tolist() == [1, 0, 0, 0, 0, 0]


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="square"):
        dbscan(np.zeros((2, 3)), eps=1.0)
    with pytest.raises(SettingError, match="eps"):
        dbscan(np.zeros((2, 2)), eps=-1.0)
    with pytest.raises(SettingError, match="eps"):
        dbscan(np.zeros((2, 2)), eps=float("nan"))
    with pytest.raises(SettingError, match="min_samples"):
        dbscan(np.zeros((2, 2)), eps=1.0, min_samples=0)
