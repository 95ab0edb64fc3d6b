"""Who merges first, by hand and against scipy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy.cluster.hierarchy import average, cophenet
from scipy.spatial.distance import squareform

from faultsight.bench.engine import Row
from faultsight.bench.theorem_assumptions import TheoremAssumptions, merge_heights
from faultsight.diagnose.clustering.linkage import linkage


def figures_of(
    distance: Sequence[Sequence[float]], label: Sequence[int], maintenance: Sequence[int]
) -> Row:
    told = TheoremAssumptions()
    labels = np.array(label)
    told.add(linkage(np.array(distance, np.float64)), labels, np.isin(labels, maintenance))
    return told.figures()


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_heights_are_those_of_scipy(n: int) -> None:
    points = np.random.default_rng(n).normal(size=(n, 3))
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    found = merge_heights(linkage(distance))
    expected = np.zeros((1, 1)) if n == 1 else squareform(cophenet(average(squareform(distance))))
    assert found == pytest.approx(expected)


def test_a_fault_that_merges_first_fulfils_the_assumption() -> None:
    far = [[0, 1, 5, 5], [1, 0, 5, 5], [5, 5, 0, 2], [5, 5, 2, 0]]
    assert figures_of(far, [1, 1, 0, 0], [1]) == {
        "windows": 1, "before_mixed": 1.0, "windows_outside": 1, "before_outside": 1.0,
        "windows_all_first": 1.0, "tickets_inside": None,
    }  # fmt: skip


def test_healthy_modems_that_merge_earlier_are_told_of() -> None:
    """The fault's pair is at 2, the healthy pair at 1; both meet at 5."""
    near = [[0, 2, 5, 5], [2, 0, 5, 5], [5, 5, 0, 1], [5, 5, 1, 0]]
    assert figures_of(near, [1, 1, 0, 0], [1]) == {
        "windows": 1, "before_mixed": 1.0, "windows_outside": 1, "before_outside": 0.0,
        "windows_all_first": 0.0, "tickets_inside": None,
    }  # fmt: skip


def test_pairs_of_one_merge_count_half() -> None:
    """Modems 0 and 2 merge at 1; 1, of the same fault as 0, joins both at 3."""
    split = [[0, 3, 1], [3, 0, 3], [1, 3, 0]]
    assert figures_of(split, [1, 1, 0], [1]) == {
        # The own pair is at 3, the mixed ones at 1 and 3.
        "windows": 1, "before_mixed": 0.25, "windows_outside": 0, "before_outside": None,
        "windows_all_first": 0.0, "tickets_inside": None,
    }  # fmt: skip


def test_another_maintenance_fault_is_mixed_but_not_outside() -> None:
    two = [[0, 1, 4, 4], [1, 0, 4, 4], [4, 4, 0, 2], [4, 4, 2, 0]]
    assert figures_of(two, [1, 1, 2, 2], [1, 2]) == {
        "windows": 1, "before_mixed": 1.0, "windows_outside": 0, "before_outside": None,
        "windows_all_first": 1.0, "tickets_inside": None,
    }  # fmt: skip


@pytest.mark.parametrize("label", [[0, 0, 2], [1, 0, 0], [1, 1, 1]])
def test_without_own_and_mixed_pairs_a_window_says_nothing(label: list[int]) -> None:
    """No maintenance fault; one modem of it alone; nobody else."""
    alike = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert figures_of(alike, label, [1]) == TheoremAssumptions().figures()
    assert TheoremAssumptions().figures()["before_mixed"] is None


def test_windows_count_alike_and_tickets_by_number() -> None:
    labels, everyone = np.array([1, 1, 0]), np.array([True, True, False])
    whole, part = TheoremAssumptions(), TheoremAssumptions()
    whole.add(linkage(np.array([[0, 1, 3], [1, 0, 3], [3, 3, 0.0]])), labels, everyone)
    part.add(linkage(np.array([[0, 3, 1], [3, 0, 3], [1, 3, 0.0]])), labels, everyone)
    whole.add_tickets(np.array([2.0, 0.0, 1.0]), everyone)
    part.add_tickets(np.array([1.0, 0.0, 0.0]), everyone)
    whole.merge(part)
    assert whole.figures() == {
        "windows": 2, "before_mixed": 0.625, "windows_outside": 0, "before_outside": None,
        "windows_all_first": 0.5, "tickets_inside": 0.75,
    }  # fmt: skip
