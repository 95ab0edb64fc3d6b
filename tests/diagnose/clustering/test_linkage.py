"""Linkage and cuts against scipy, and against the definition where ties leave a choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.cluster.hierarchy import fcluster, leaves_list
from scipy.cluster.hierarchy import linkage as scipy_linkage
from scipy.spatial.distance import squareform

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.diagnose.clustering.linkage import LINKAGES, Dendrogram, cut, linkage

Array = NDArray[np.float64]

Method = Literal["average", "single", "complete"]

JOINED: dict[Method, Callable[[Array], np.float64]] = {
    "average": np.mean,
    "single": np.min,
    "complete": np.max,
}


def distances(n: int, seed: int, *, levels: int = 0) -> Array:
    """Return a symmetric matrix; of so many different distances, or of real ones."""
    stream = random_stream(seed, "linkage")
    drawn = stream.random((n, n)) if not levels else stream.integers(1, levels + 1, (n, n))
    upper = np.triu(drawn, 1).astype(np.float64)
    return np.asarray(upper + upper.T)


def as_scipy(tree: Dendrogram) -> Array:
    """Return the dendrogram as scipy writes one."""
    n = tree.n_points
    size = np.ones(2 * n - 1)
    for step, (a, b) in enumerate(tree.merged):
        size[n + step] = size[a] + size[b]
    return np.column_stack([tree.merged, tree.height, size[n:]])


def members(tree: Dendrogram) -> list[frozenset[int]]:
    """Return the points of each merge."""
    inside = [frozenset([i]) for i in range(tree.n_points)]
    for a, b in tree.merged.tolist():
        inside.append(inside[a] | inside[b])
    return inside[tree.n_points :]


def partition(labels: NDArray[Any]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}


matrices = st.builds(distances, st.integers(1, 18), st.integers(0, 10**6))
tied = st.builds(
    lambda n, seed, levels: distances(n, seed, levels=levels),
    st.integers(1, 12), st.integers(0, 10**6), st.integers(1, 6),
)  # fmt: skip
methods: st.SearchStrategy[Method] = st.sampled_from(sorted(JOINED))


class TestAgainstScipy:
    @settings(deadline=None, max_examples=200)
    @given(matrices, methods)
    def test_merges_and_heights(self, distance: Array, method: Method) -> None:
        tree = linkage(distance, method)
        assert tree.n_points == len(distance)
        if len(distance) == 1:
            assert (tree.merged.shape, tree.height.shape) == ((0, 2), (0,))
            return
        expected = scipy_linkage(squareform(distance), method)
        np.testing.assert_allclose(tree.height, expected[:, 2], rtol=1e-12)
        merged = expected[:, :2].astype(np.int64)
        assert members(tree) == members(Dendrogram(merged, expected[:, 2]))

    @settings(deadline=None, max_examples=200)
    @given(tied)
    def test_ties_change_no_height_of_single_linkage(self, distance: Array) -> None:
        if len(distance) > 1:
            expected = scipy_linkage(squareform(distance), "single")[:, 2]
            np.testing.assert_array_equal(linkage(distance, "single").height, expected)

    @settings(deadline=None, max_examples=200)
    @given(st.one_of(matrices, tied), methods, st.floats(0, 7), st.booleans())
    def test_cut(self, distance: Array, method: Method, height: float, is_at_merge: bool) -> None:
        tree = linkage(distance, method)
        if is_at_merge and len(tree.height):
            height = float(tree.height[int(height * 7) % len(tree.height)])
        labels = cut(tree, height)
        # Clusters are numbered by their first point.
        first = [int(np.flatnonzero(labels == label)[0]) for label in range(labels.max() + 1)]
        assert first == sorted(first)
        if len(distance) > 1:
            expected = fcluster(as_scipy(tree), height, "distance")
            assert partition(labels) == partition(expected)
        else:
            assert labels.tolist() == [0]

    @settings(deadline=None, max_examples=100)
    @given(st.one_of(matrices, tied), methods)
    def test_leaves(self, distance: Array, method: Method) -> None:
        tree = linkage(distance, method)
        expected = leaves_list(as_scipy(tree)).tolist() if len(distance) > 1 else [0]
        assert tree.leaves().tolist() == expected


class TestByTheDefinition:
    @settings(deadline=None, max_examples=300)
    @given(st.one_of(matrices, tied), methods)
    def test_each_merge_is_of_the_two_nearest_clusters(
        self, distance: Array, method: Method
    ) -> None:
        tree = linkage(distance, method)
        clusters = {i: frozenset([i]) for i in range(len(distance))}

        def apart(a: frozenset[int], b: frozenset[int]) -> float:
            return float(JOINED[method](distance[np.ix_(sorted(a), sorted(b))]))

        for step, ((a, b), height) in enumerate(
            zip(tree.merged.tolist(), tree.height.tolist(), strict=True)
        ):
            assert a < b
            assert height == pytest.approx(apart(clusters[a], clusters[b]), rel=1e-12)
            names = sorted(clusters)
            nearest = min(
                apart(clusters[x], clusters[y]) for i, x in enumerate(names) for y in names[i + 1 :]
            )
            assert height == pytest.approx(nearest, rel=1e-12)
            clusters[len(distance) + step] = clusters.pop(a) | clusters.pop(b)
        assert list(clusters.values()) == [frozenset(range(len(distance)))]
        assert (np.diff(tree.height) >= 0).all()

    def test_the_matrix_is_left_alone(self) -> None:
        distance = distances(9, 0)
        before = distance.tobytes()
        for method in LINKAGES:
            linkage(distance, method)
        assert distance.tobytes() == before

    def test_points_at_one_place(self) -> None:
        tree = linkage(np.zeros((5, 5)))
        assert tree.height.tolist() == [0.0] * 4
        assert cut(tree, 0.0).tolist() == [0] * 5
        assert cut(tree, -1e-12).tolist() == [0, 1, 2, 3, 4]

    def test_an_unknown_method(self) -> None:
        with pytest.raises(SettingError, match="'ward' is not one of average, single, complete"):
            linkage(np.zeros((2, 2)), "ward")
