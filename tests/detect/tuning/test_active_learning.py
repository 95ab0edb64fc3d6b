"""Which history to learn from: Algorithm 1 by hand, and clusters one can see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.tuning.active_learning import (
    ActiveLearning,
    Query,
    assign,
    bias_eliminating_sizes,
    choose_history,
    cluster_history,
)

Array = NDArray[np.float64]


def blobs(*sizes: int, spread: float = 0.1) -> Array:
    """Clouds of windows, the k-th around (100 k, 0)."""
    stream = np.random.default_rng(0)
    return np.concatenate(
        [
            [100.0 * place, 0.0] + spread * stream.normal(size=(size, 2))
            for place, size in enumerate(sizes)
        ]
    )


# Algorithm 1


def test_clusters_without_marks_give_the_share_of_the_one_with_fewest() -> None:
    # Marks: 6 of 100, 2 of 40. The fewest are 2 of 40, so 1 in 20 of the others, rounded up.
    assert bias_eliminating_sizes([100, 40, 60, 10, 41], [0] * 6 + [1] * 2).tolist() == [
        0, 0, 3, 1, 3,
    ]  # fmt: skip


def test_fewest_means_marks_and_not_their_share() -> None:
    # 3 of 300 are more marks than 2 of 4, though they are a smaller share.
    assert bias_eliminating_sizes([300, 4, 10], [0] * 3 + [1] * 2).tolist() == [0, 0, 5]


def test_of_equally_few_marks_the_larger_cluster_decides() -> None:
    assert bias_eliminating_sizes([20, 50, 100], [0, 1]).tolist() == [0, 0, 2]
    assert bias_eliminating_sizes([50, 20, 100], [0, 1]).tolist() == [0, 0, 2]


def test_rejected_marks_count_nowhere_while_others_belong() -> None:
    assert bias_eliminating_sizes([50, 100], [-1, 0, -1, 0]).tolist() == [0, 4]


def test_without_any_assigned_mark_the_smallest_cluster_gives_as_many_as_there_are() -> None:
    assert bias_eliminating_sizes([40, 10, 25], [-1, -1, -1]).tolist() == [12, 3, 8]


def test_no_cluster_gives_more_than_it_has() -> None:
    # Ten marks and a smallest cluster of 4: all of every cluster.
    assert bias_eliminating_sizes([8, 4], [-1] * 10).tolist() == [8, 4]
    # Three of three marked: all of the other.
    assert bias_eliminating_sizes([3, 50], [0] * 3).tolist() == [0, 50]


def test_all_samples_shrink_alike_under_the_cap() -> None:
    # 60 and 30 are wanted of 2 marks; at most ten for each mark, two thirds and one third.
    assert bias_eliminating_sizes([2, 60, 30], [0, 0], most_ratio=10.0).tolist() == [0, 13, 7]
    assert bias_eliminating_sizes([2, 60, 30], [0, 0], most_ratio=45.0).tolist() == [0, 60, 30]


def test_the_cap_is_used_up_where_clusters_are_many_and_small() -> None:
    # Each window of the nine others is wanted; four are to be had.
    assert bias_eliminating_sizes([1] * 9 + [2], [0], most_ratio=4.0).tolist() == (
        [0] + [1] * 3 + [0] * 5 + [1]
    )
    assert bias_eliminating_sizes([1] * 9, [0], most_ratio=4.0).tolist() == [0] + [1] * 4 + [0] * 4


def test_all_clusters_marked_or_no_mark_is_no_sample() -> None:
    assert bias_eliminating_sizes([5, 9], [0, 1, 1]).tolist() == [0, 0]
    assert bias_eliminating_sizes([5, 9], []).tolist() == [0, 0]


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=6).flatmap(
        lambda sizes: st.tuples(
            st.just(sizes), st.lists(st.integers(-1, len(sizes) - 1), min_size=1, max_size=12)
        )
    ),
    st.sampled_from([0.5, 2.0, 10.0, float("inf")]),
)
def test_samples_keep_to_their_bounds(case: tuple[list[int], list[int]], most: float) -> None:
    sizes, assigned = case
    wanted = bias_eliminating_sizes(sizes, assigned, most_ratio=most)
    assert (wanted >= 0).all()
    assert (wanted <= sizes).all()
    assert wanted.sum() <= most * len(assigned)
    assert all(wanted[cluster] == 0 for cluster in assigned if cluster >= 0)
    if most == float("inf"):
        free = [cluster for cluster in range(len(sizes)) if cluster not in assigned]
        assert all(wanted[cluster] > 0 for cluster in free)


# Clusters


def test_clusters_come_largest_first() -> None:
    clusters = cluster_history(blobs(5, 30, 12), ActiveLearning())
    assert clusters.sizes.tolist() == [30, 12, 5]
    assert clusters.labels.tolist() == [2] * 5 + [0] * 30 + [1] * 12
    np.testing.assert_allclose(clusters.centres, [[100, 0], [200, 0], [0, 0]], atol=0.2)


def test_the_medoid_is_the_window_nearest_to_the_mean() -> None:
    history = np.array([[0.0], [1.0], [0.4], [100.0], [104.0]])
    clusters = cluster_history(history, ActiveLearning())
    assert clusters.centres.ravel().tolist() == pytest.approx([1.4 / 3, 102.0])
    assert clusters.medoids.tolist() == [2, 3]


def test_the_distance_tells_what_is_one_cluster() -> None:
    history = np.array([[0.0], [3.0], [10.0]])
    n = [len(cluster_history(history, ActiveLearning(distance=d)).centres) for d in (1, 5, 50)]
    assert n == [3, 2, 1]


def test_many_windows_are_clustered_by_a_sample_and_the_rest_joins_the_nearest() -> None:
    history = np.random.default_rng(1).permutation(blobs(300, 150, 50))
    sampled = cluster_history(history, ActiveLearning(most_clustered=60))
    whole = cluster_history(history, ActiveLearning())
    assert sampled.sizes.tolist() == [300, 150, 50]
    # Blobs are so far apart that a window's first feature names its cluster.
    place = np.array([0, 1, 2])[np.rint(history[:, 0] / 100).astype(int)]
    np.testing.assert_array_equal(sampled.labels, place)
    assert sampled.radii == pytest.approx(
        [np.quantile(np.linalg.norm(history[place == c] - sampled.centres[c], axis=1), 0.95)
         for c in range(3)]
    )  # fmt: skip
    assert len(whole.centres) >= 3


def test_one_window_is_one_cluster() -> None:
    clusters = cluster_history(np.array([[3.0, 4.0]]), ActiveLearning())
    assert (clusters.sizes.tolist(), clusters.medoids.tolist()) == ([1], [0])
    assert clusters.radii.tolist() == [0.0]


def test_marks_too_far_from_every_cluster_are_rejected() -> None:
    history = np.concatenate([np.linspace(-1, 1, 21), np.linspace(99, 101, 11)])[:, None]
    clusters = cluster_history(history, ActiveLearning(distance=20.0))
    assert clusters.sizes.tolist() == [21, 11]
    assert clusters.radii[0] == pytest.approx(1.0)
    marks = np.array([[0.0], [0.99], [1.2], [50.0], [100.5], [-500.0]])
    assert assign(marks, clusters).tolist() == [0, 0, -1, -1, 1, -1]


# Both stages


def test_each_unmarked_cluster_is_asked_for_once_and_its_answer_extends_to_its_samples() -> None:
    history = blobs(40, 20, 10)
    asked: list[Query] = []

    def answer(query: Query) -> bool | None:
        asked.append(query)
        return {20: True, 10: None}[query.size]

    marks = np.tile(history[:40].mean(axis=0), (4, 1))
    rows, labels = choose_history(history, marks, answer, ActiveLearning())
    # Four marks in a cluster of 40: one window in ten of the others.
    assert [(query.size, 40 <= query.row < 70) for query in asked] == [(20, True), (10, True)]
    clusters = cluster_history(history, ActiveLearning())
    assert [query.row for query in asked] == clusters.medoids[1:].tolist()
    assert clusters.labels[rows].tolist() == [1, 1, 2]
    assert labels.tolist() == [True, True, False]
    assert len(set(rows.tolist())) == 3


def test_samples_follow_the_seed() -> None:
    history, marks = blobs(100, 400), np.zeros((20, 2))

    def chosen(seed: int) -> list[int]:
        rows, _ = choose_history(history, marks, lambda _: False, ActiveLearning(seed=seed))
        return [int(row) for row in rows]

    assert chosen(0) == chosen(0) != chosen(1)


def test_where_every_cluster_is_marked_nobody_is_asked() -> None:
    def never(_query: Query) -> bool:
        raise AssertionError("somebody was asked")

    history = blobs(30)
    rows, labels = choose_history(history, history[:3].mean(axis=0)[None], never, ActiveLearning())
    assert rows.tolist() == labels.tolist() == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"distance": 0.0},
        {"most_clustered": 1},
        {"reach": 0.0},
        {"reach": 1.1},
        {"most_ratio": -1.0},
    ],
    ids=str,
)
def test_settings_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        ActiveLearning(**wrong)
