"""k nearest windows: the distance is brute force's, a window is no neighbour of itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers.knn import KNN, KNNConfig


def frame(values: object, entity: str = "a", start_s: int = 0) -> KpiFrame:
    table = np.asarray(values, dtype=float).reshape(len(np.asarray(values)), -1)
    return KpiFrame(entity, [f"k{i}" for i in range(table.shape[1])], start_s, 60, table)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 999), st.integers(1, 4), st.integers(1, 3))
def test_the_distance_is_that_of_brute_force(seed: int, rank: int, window: int) -> None:
    stream = np.random.default_rng(seed)
    history = stream.normal(size=(30, 2))
    late = frame(stream.normal(size=(12, 2)), start_s=6000)
    detector = KNN(KNNConfig(n_neighbors=rank, window=window)).fit([frame(history)])
    (score,) = detector.score([late])
    low, span = detector.measure.scaling.of("a")
    mean, deviation = detector.measure.moments["a"]
    old, new = (
        (np.clip((t - low) / span, -1, 2) - mean) / deviation
        for t in (history.astype(np.float32), late.values.astype(np.float64))
    )
    for row in range(window - 1, len(new)):
        query = new[row - window + 1 : row + 1]
        distances = []
        for end in range(len(old)):
            theirs = old[max(end - window + 1, 0) : end + 1]
            distances.append(np.mean((query[window - len(theirs) :] - theirs) ** 2))
        expected = np.sqrt(np.sort(distances)[rank - 1]) / detector.measure.usual["a"][0]
        assert score.total[row] == pytest.approx(expected, rel=1e-3)


def test_by_hand() -> None:
    detector = KNN(KNNConfig(n_neighbors=2, window=1)).fit([frame([0.0, 1.0, 2.0, 4.0])])
    scores = detector.score([frame([0.0, 1.0, 2.0, 4.0])])[0].total
    # Second neighbours other than itself lie 2, 1, 2 and 3 away.
    np.testing.assert_allclose(scores / scores[1], [2.0, 1.0, 2.0, 3.0], rtol=1e-2)


def test_windows_of_the_same_rows_are_no_neighbours_but_alike_ones_are() -> None:
    rows = np.random.default_rng(0).normal(size=60)
    rows[40:50] = rows[10:20]  # the same course again
    rows[30] += 20.0
    detector = KNN(KNNConfig(n_neighbors=1, window=5)).fit([frame(rows)])
    total = detector.score([frame(rows)])[0].total
    np.testing.assert_allclose(total[14:20], 0.0, atol=1e-3)
    np.testing.assert_allclose(total[44:50], 0.0, atol=1e-3)
    assert total[30] > 0.5
    # Another entity with the same rows at the same time is a neighbour.
    twins = [frame(rows), frame(rows, "b")]
    detector = KNN(KNNConfig(n_neighbors=1, window=5)).fit(twins)
    np.testing.assert_allclose(detector.score(twins)[0].total[30], 0.0, atol=1e-3)


def test_history_that_overlaps_throughout_is_used_all_the_same() -> None:
    detector = KNN(KNNConfig(window=8)).fit([frame([1.0, 2.0, 3.0])])
    assert np.isfinite(detector.score([frame([1.0, 2.0, 3.0])])[0].total).all()


def test_so_many_windows_are_kept() -> None:
    detector = KNN(KNNConfig(most_windows=9)).fit([frame(np.arange(100.0))])
    assert len(detector.rows) <= 9


@pytest.mark.parametrize("change", [{"n_neighbors": 0}, {"window": 0}, {"most_windows": 0}])
def test_settings_that_cannot_be_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(SettingError):
        KNNConfig(**change)
