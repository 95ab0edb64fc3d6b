"""Detectors behind scikit-learn's contract."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect import DETECTORS
from faultsight.detect.sklearn import SeriesOutlierDetector
from faultsight.detect.thresholds.quantile import Quantile

_ORDER_MATTERS = {"check_methods_sample_order_invariance", "check_methods_subset_invariance"}
"""A row is judged from the rows before it, by detectors that look at them."""
_NOT_ASKED = {"check_array_api_input"}
"""It needs other array libraries."""


def _checks(*names: str) -> Iterator[Any]:
    for name in names:
        for estimator, check in estimator_checks_generator(SeriesOutlierDetector(name)):
            title = check.func.__name__
            if title in _NOT_ASKED or (name == "ridge_var" and title in _ORDER_MATTERS):
                continue
            yield pytest.param(estimator, check, id=f"{name} {title}")


@pytest.mark.parametrize(("estimator", "check"), [*_checks("ridge_var", "pca", "input_norm")])
def test_scikit_learns_own_checks(estimator: Any, check: Callable[[Any], None]) -> None:
    check(estimator)


def _rows() -> NDArray[np.float64]:
    season = 3 * np.sin(2 * np.pi * np.arange(400) / 24)
    return np.asarray(np.random.default_rng(4).normal(size=(400, 3)) + season[:, None])


@pytest.mark.parametrize("name", ["ridge_var", "pca", "anotuner"])
def test_scores_are_the_detectors_own_with_the_other_sign(name: str) -> None:
    rows = _rows()
    settings = {"epochs": 1} if name == "anotuner" else {}
    estimator = SeriesOutlierDetector(name, settings=settings, start_s=7200).fit(rows[:300])
    kpis = ("kpi_0", "kpi_1", "kpi_2")
    frame = KpiFrame("X", kpis, 7200, 3600, rows)
    (score,) = DETECTORS.load(name).with_settings(settings).fit([frame[:300]]).score([frame])
    assert estimator.score_samples(rows).tobytes() == (-score.total).tobytes()
    level = Quantile().levels([score[:300]])["X"]
    assert estimator.offset_ == pytest.approx(-level)
    assert np.array_equal(estimator.predict(rows) == -1, score.total > level)


def test_a_data_frame_tells_its_clock_and_names() -> None:
    rows = _rows()
    index = pd.date_range("2026-03-01 05:00", periods=len(rows), freq="15min", tz="Europe/Berlin")
    table = pd.DataFrame(rows, index=index, columns=["load", "drops", "users"])
    estimator = SeriesOutlierDetector().fit(table[:300])
    assert estimator.detector_.kpis == ("load", "drops", "users")
    assert estimator.detector_.interval_s == 900
    # One row has no step, an array no clock: they have the one fitted on.
    assert len(estimator.predict(table[-1:])) == 1
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        assert len(estimator.predict(rows)) == len(rows)
    with pytest.raises(ValueError, match="not regular at row 12"):
        estimator.predict(table.drop(index[11]))
    with pytest.raises(ValueError, match="steps of 900 s, given 3600 s"):
        estimator.predict(table[::4])
    with pytest.raises(ValueError, match="missing"):
        estimator.predict(table.set_index(index.where(index != index[3])))


def test_a_row_without_a_value_is_no_outlier() -> None:
    rows = _rows()
    estimator = SeriesOutlierDetector("input_norm").fit(rows[:300])
    rows[350] = np.nan
    assert np.isnan(estimator.score_samples(rows)[350])
    assert estimator.predict(rows)[350] == 1


def test_settings_are_kept_by_clones_and_found_in_pipelines() -> None:
    pipeline = make_pipeline(StandardScaler(), SeriesOutlierDetector("pca", contamination=0.1))
    pipeline.set_params(seriesoutlierdetector__settings={"explained": 0.5})
    again = clone(pipeline).fit(_rows())
    assert again[-1].detector_.config.explained == 0.5
    assert np.mean(again.predict(_rows()) == -1) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"detector": "nothing"}, "nothing"), ({"settings": {"lags": 2}}, "no setting 'lags'"),
     ({"contamination": 0.0}, "contamination"), ({"interval_s": 0}, "interval")],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused_when_fitted(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        SeriesOutlierDetector(**wrong).fit(_rows())
