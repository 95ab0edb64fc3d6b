"""k-means on windows: Lloyd's rounds never make it worse; gaps do not pull centroids."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers._lloyd import lloyd
from faultsight.detect.peers._windows import masked_squared_distances
from faultsight.detect.peers.kmeans_windows import KMeansWindows, KMeansWindowsConfig


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999))
def test_more_rounds_never_lie_farther_from_complete_points(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(40, 3)).astype(np.float32)
    known = np.ones(points.shape, dtype=bool)

    def inertia(n: int) -> float:
        found = lloyd(points, known, 5, np.random.default_rng(seed), n_iterations=n)
        return float(
            masked_squared_distances(points, known, found, np.ones(found.shape, dtype=bool))
            .min(axis=1).sum()
        )  # fmt: skip

    sums = [inertia(n) for n in (1, 2, 5, 50)]
    assert all(later <= earlier + 1e-4 for earlier, later in pairwise(sums))


def test_a_missing_value_does_not_pull_the_centroid() -> None:
    points = np.array([[4.0, 1.0], [4.0, 0.0], [6.0, 3.0]], np.float32)
    known = np.array([[True, True], [True, False], [True, True]])
    found = lloyd(points, known, 1, np.random.default_rng(0), n_iterations=5)
    np.testing.assert_allclose(found, [[14 / 3, 2.0]], rtol=1e-6)


def test_points_that_are_alike_are_one_cluster() -> None:
    points = np.ones((9, 2), np.float32)
    known = np.ones(points.shape, dtype=bool)
    assert lloyd(points, known, 4, np.random.default_rng(0), n_iterations=5).tolist() == [[1, 1]]


def test_the_score_is_the_distance_to_the_nearest_centroid() -> None:
    stream = np.random.default_rng(2)
    frame = KpiFrame("a", ("x", "y"), 0, 60, stream.normal(size=(80, 2)))
    detector = KMeansWindows(KMeansWindowsConfig(n_clusters=3, window=2)).fit([frame])
    windows = detector._bank([frame]).take(slice(1, None))[0].reshape(-1, 4)
    apart = windows[:, None] - detector.centroids
    nearest = np.sqrt((apart**2).mean(axis=2).min(axis=1)) / detector.measure.usual["a"][0]
    np.testing.assert_allclose(detector.score([frame])[0].total[1:], nearest, rtol=1e-3)


@pytest.mark.parametrize(
    "change", [{"n_clusters": 0}, {"window": 0}, {"n_iterations": 0}, {"seed": -1}]
)
def test_settings_that_cannot_be_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(SettingError):
        KMeansWindowsConfig(**change)
