"""Isolation forest: scikit-learn's scores on whole points; with gaps both ways are gone."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from sklearn import ensemble

from faultsight.core.errors import InputError, MissingExtraError, SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect import DETECTORS
from faultsight.detect.peers.isolation_forest import (
    IsolationForest,
    IsolationForestConfig,
    usual_depth,
)


def frame(n_rows: int = 300, seed: int = 0) -> KpiFrame:
    values = np.random.default_rng(seed).normal(size=(n_rows, 3))
    return KpiFrame("a", ("x", "y", "z"), 0, 60, values)


def test_whole_points_score_as_in_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = []
    plain = ensemble.IsolationForest

    def keep(**told: object) -> ensemble.IsolationForest:
        grown.append(plain(**told))
        return grown[-1]

    monkeypatch.setattr(ensemble, "IsolationForest", keep)
    detector = IsolationForest(IsolationForestConfig(n_trees=20)).fit([frame()])
    bank = detector._bank([frame(50, 1)])
    points = bank.take(slice(None))[0].reshape(50, -1)
    np.testing.assert_allclose(
        detector._errors(bank)[:, 0], -grown[0].score_samples(points), rtol=1e-6
    )


def test_a_missing_value_goes_both_ways_in_the_shares_of_its_node() -> None:
    detector = IsolationForest(IsolationForestConfig(n_trees=1, n_samples=4))
    # One cut of cell 0 at 0: a quarter of the points went left, to depth 1, the rest to depth 3.
    detector.nodes = np.array(
        [[0.0, -1, -1], [0.0, 0, 0], [1.0, -1, -1], [2.0, -1, -1], [0.25, 0, 0], [0.0, 1, 3]]
    )
    detector.roots = np.zeros(1)
    points = np.array([[-1.0], [1.0], [0.0]], np.float32)
    known = np.array([[True], [True], [False]])
    np.testing.assert_allclose(detector._mean_depths(points, known), [1.0, 3.0, 2.5])


def test_whole_points_fall_the_same_way_by_both_walks() -> None:
    detector = IsolationForest(IsolationForestConfig(n_trees=3)).fit([frame()])
    points = np.random.default_rng(5).normal(size=(40, 3)).astype(np.float32)
    known = np.ones(points.shape, dtype=bool)
    for root in detector.roots.astype(np.int64):
        np.testing.assert_allclose(
            detector._spread(points, known, np.ones(40), root), detector._fall(points, root)
        )


@pytest.mark.parametrize(("row", "value"), [(0, 99.0), (2, 0.0), (3, 1e6)])
def test_a_state_that_holds_no_trees_is_refused(row: int, value: float) -> None:
    state = IsolationForest(IsolationForestConfig(n_trees=2)).fit([frame()]).state()
    nodes = state.arrays["nodes"].copy()
    nodes[row, 0] = value
    with pytest.raises(InputError, match="no trees"):
        IsolationForest.from_state(replace(state, arrays={**state.arrays, "nodes": nodes}))


def test_usual_depths_are_those_of_the_paper() -> None:
    harmonic = sum(1 / i for i in range(1, 256))
    assert usual_depth(np.array([256.0]))[0] == pytest.approx(
        2 * harmonic - 2 * 255 / 256, abs=0.005
    )


def test_without_scikit_learn_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "faultsight.detect.peers.isolation_forest")
    with pytest.raises(MissingExtraError, match=r"isolation_forest .*faultsight\[peers\]"):
        DETECTORS.load("isolation_forest")


@pytest.mark.parametrize("change", [{"n_trees": 0}, {"n_samples": 1}, {"window": 0}, {"seed": -1}])
def test_settings_that_cannot_be_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(SettingError):
        IsolationForestConfig(**change)
