"""PUAD-style: courses KPI by KPI; positives among unlabelled give what full labels would."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize

from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import Mark, MarkKind
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.peers.puad_style import (
    PUADStyle,
    PUADStyleConfig,
    fit_positive_unlabelled,
)


def frame(n_rows: int = 200, seed: int = 0) -> KpiFrame:
    noise = 0.05 * np.random.default_rng(seed).normal(size=(n_rows, 2))
    values = np.sin(np.arange(n_rows) / 4)[:, None] * [1.0, -2.0] + noise
    return KpiFrame("a", ("x", "y"), 0, 60, values)


def test_unlabelled_positives_are_worth_full_labels() -> None:
    stream = np.random.default_rng(0)
    positive, negative = stream.normal(1.5, size=(4000, 1)), stream.normal(size=(16_000, 1))
    found = fit_positive_unlabelled(
        positive[:2000], np.concatenate([positive, negative]), 0.2, 1e-6
    )

    def labelled(w: np.ndarray) -> float:
        high, low = (part[:, 0] * w[0] + w[1] for part in (positive, negative))
        return float((np.logaddexp(0, -high).sum() + np.logaddexp(0, low).sum()) / 20_000)

    np.testing.assert_allclose(found, minimize(labelled, np.zeros(2)).x, atol=0.15)


def test_before_marks_the_error_is_the_distance_from_the_course() -> None:
    detector = PUADStyle().fit([frame()])
    bank = detector._bank([frame()])
    off, _ = detector._seen(bank, np.arange(len(bank)))
    np.testing.assert_allclose(detector._errors(bank), off * np.abs(off), rtol=1e-6)


def test_what_is_expected_ends_the_course_most_like_the_rows_before() -> None:
    detector = PUADStyle(PUADStyleConfig(window=3, n_clusters=2)).fit([frame()])
    detector.courses[0] = np.array([[0.0, 0.0, 5.0], [1.0, 1.0, -5.0]], np.float32)
    bank = detector._bank([frame()])
    bank.rows[: len(bank.rows), 0] = np.resize([0.9, 1.2, -4.0], len(bank.rows))
    at = np.flatnonzero(bank.rows[bank.ends, 0] == np.float32(-4.0))[1:]
    off, _ = detector._seen(bank, at)
    np.testing.assert_allclose(off[:, 0], 1.0, rtol=1e-6)


def test_each_kpi_learns_from_the_marks_that_name_it() -> None:
    values = frame().values.copy()
    values[100:104] += 3.0
    marked = KpiFrame("a", ("x", "y"), 0, 60, values)
    detector = PUADStyle().fit([marked[:90]])
    told = Mark("a", TimeWindow(6000, 6240), MarkKind.CONFIRMED, ("y",))
    tuned, _ = detector.tune([marked], [told])
    assert (tuned.classifiers[0] == detector.classifiers[0]).all()
    assert (tuned.classifiers[1] != detector.classifiers[1]).all()
    before, after = (d._errors(d._bank([marked])) for d in (detector, tuned))
    np.testing.assert_allclose(after[:, 0], before[:, 0])
    ratio = after[:, 1] / np.where(before[:, 1] == 0, 1.0, before[:, 1])
    assert ratio[100:104].min() > 3 * np.median(ratio)


def test_a_state_whose_courses_do_not_add_up_is_refused() -> None:
    state = PUADStyle().fit([frame()]).state()
    wrong = {**state.arrays, "sizes": state.arrays["sizes"] + 1.0}
    with pytest.raises(InputError, match="courses"):
        PUADStyle.from_state(replace(state, arrays=wrong))


@pytest.mark.parametrize(
    "change",
    [{"window": 1}, {"n_clusters": 0}, {"prior": 0.0}, {"prior": 1.0}, {"penalty": 0.0},
     {"seed": -1}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        PUADStyleConfig(**change)  # type: ignore[arg-type]
