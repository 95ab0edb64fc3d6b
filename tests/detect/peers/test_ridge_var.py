"""Ridge VAR: coefficients are the closed form's, and errors those of its predictions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers.ridge_var import RidgeVAR, RidgeVARConfig


def frame(values: object, entity: str = "a") -> KpiFrame:
    table = np.asarray(values, dtype=float).reshape(len(np.asarray(values)), -1)
    return KpiFrame(entity, [f"k{i}" for i in range(table.shape[1])], 0, 60, table)


def row_before(table: NDArray[np.float64], at: int, lag: int) -> NDArray[np.float64]:
    return table[at - lag] if at >= lag else np.zeros(table.shape[1])


@pytest.mark.parametrize("penalty", [1e-6, 0.5, 10.0])
def test_one_lag_of_one_kpi_is_the_formula(penalty: float) -> None:
    history = frame([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    detector = RidgeVAR(RidgeVARConfig(n_lags=1, penalty=penalty)).fit([history])
    z = detector.measure.standardized(history)[:, 0]
    expected = (z[:-1] @ z[1:]) / (z[:-1] @ z[:-1] + penalty)
    assert detector.coefficients.tolist() == [[pytest.approx(expected)]]
    # Nothing stands before the first row: the mean is expected.
    errors = (z - expected * np.append(0.0, z[:-1])) ** 2
    (score,) = detector.score([history])
    np.testing.assert_allclose(score.total, errors / errors.mean(), rtol=1e-4)


def test_coefficients_of_a_fleet_are_those_of_least_squares_with_rows_for_the_penalty() -> None:
    stream = np.random.default_rng(0)
    frames = [frame(stream.normal(size=(n, 2)).cumsum(axis=0), name) for n, name in
              ((14, "a"), (9, "b"))]  # fmt: skip
    penalty, lags = 0.7, 3
    detector = RidgeVAR(RidgeVARConfig(n_lags=lags, penalty=penalty)).fit(frames)
    tables = [detector.measure.standardized(f) for f in frames]
    past = np.array([
        np.concatenate([row_before(table, at, lag) for lag in (1, 2, 3)])
        for table in tables for at in range(len(table))
    ])  # fmt: skip
    # A ridge is least squares with one more row a coefficient, of its root and of nothing.
    padded = np.concatenate([past, np.sqrt(penalty) * np.eye(2 * lags)])
    wanted = np.concatenate([*tables, np.zeros((2 * lags, 2))])
    expected = np.linalg.lstsq(padded, wanted, rcond=None)[0]
    np.testing.assert_allclose(detector.coefficients, expected, rtol=1e-8, atol=1e-10)
    left = np.concatenate(tables) - past @ expected
    usual = (left[: len(tables[0])] ** 2).mean(axis=0)
    first, _ = detector.score(frames)
    assert first.residuals is not None
    np.testing.assert_allclose(
        first.residuals, left[: len(tables[0])] ** 2 / usual, rtol=1e-3, atol=1e-5
    )
    np.testing.assert_array_equal(detector._deviations(tables[1]) < 0, left[len(tables[0]) :] < 0)


def test_a_linear_course_is_foretold_and_an_odd_row_errs_by_its_coefficients() -> None:
    course = np.sin(np.arange(400) / 7)
    broken = course.copy()
    broken[300] += 0.5
    detector = RidgeVAR(RidgeVARConfig(n_lags=2, penalty=1e-6)).fit([frame(course[:200])])
    # sin(t) = 2 cos(step) sin(t - step) - sin(t - 2 step), also of the standardized rows but for
    # the part that their mean leaves.
    assert detector.coefficients[:, 0] == pytest.approx([2 * np.cos(1 / 7), -1.0], abs=0.01)
    total = detector.score([frame(broken)])[0].total
    told = [1.0, (2 * np.cos(1 / 7)) ** 2, 1.0]
    assert total[300:303] / total[300] == pytest.approx(told, rel=0.1)
    assert np.delete(total, np.s_[300:303])[2:].max() < 0.01 * total[300]


@pytest.mark.parametrize("change", [{"n_lags": 0}, {"penalty": 0.0}, {"penalty": -1.0}])
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        RidgeVARConfig(**change)  # type: ignore[arg-type]
