"""PCA on windows: usual courses leave nothing, gaps are filled by what is expected."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers.sub_pca import SubPCA, SubPCAConfig


def frame(values: object, entity: str = "a") -> KpiFrame:
    table = np.asarray(values, dtype=float)
    return KpiFrame(entity, [f"k{i}" for i in range(table.shape[1])], 0, 3600, table)


def test_a_sine_lies_in_two_components_and_leaves_nothing() -> None:
    rows = np.sin(np.arange(400) * 2 * np.pi / 24)[:, None]
    detector = SubPCA(SubPCAConfig(window=12, explained=0.98)).fit([frame(rows)])
    assert detector.components.shape == (12, 2)
    bank = detector._bank([frame(rows)])
    np.testing.assert_allclose(detector._errors(bank)[12:], 0.0, atol=1e-3)
    rows[300] = -rows[300] + 0.5
    assert detector.score([frame(rows)])[0].total.argmax() == 300


def test_components_are_those_of_plain_pca_and_errors_its_residuals() -> None:
    rows = np.cumsum(np.random.default_rng(0).normal(size=(3000, 2)), axis=0) % 7
    detector = SubPCA(SubPCAConfig(window=3, explained=0.7)).fit([frame(rows)])
    bank = detector._bank([frame(rows)])
    windows = bank.take(slice(2, None))[0].reshape(-1, 6).astype(float)
    _, _, axes = np.linalg.svd(windows, full_matrices=False)
    kept = axes[: detector.components.shape[1]]
    overlap = np.abs(kept @ detector.components)
    np.testing.assert_allclose(np.linalg.svd(overlap)[1], 1.0, atol=0.02)
    whole = windows - windows @ detector.components @ detector.components.T
    np.testing.assert_allclose(np.abs(detector._errors(bank)[2:]), whole[:, -2:] ** 2, atol=1e-6)


def test_where_values_are_missing_the_weights_are_the_conditional_mean() -> None:
    stream = np.random.default_rng(1)
    rows = np.cumsum(stream.normal(size=(500, 2)), axis=0) % 9
    detector = SubPCA(SubPCAConfig(window=4, explained=0.6)).fit([frame(rows)])
    holed = rows[:40].copy()
    holed[17, 0] = np.nan
    bank = detector._bank([frame(holed)])
    window, known = (part.reshape(8) for part in bank.take(slice(19, 20)))
    # The model: window = W z + noise. Its covariance gives E[row | what is known].
    loading = detector.components * np.sqrt(detector.signal)
    signal = loading @ loading.T
    covariance = signal + detector.noise[0] * np.eye(8)
    gain = signal[-2:, known] @ np.linalg.inv(covariance[np.ix_(known, known)])
    expected = (window[-2:] - gain @ window[known]) ** 2
    np.testing.assert_allclose(np.abs(detector._errors(bank)[19]), expected, rtol=1e-4, atol=1e-7)


def test_a_series_is_scored_alike_whole_and_in_parts_however_long() -> None:
    rows = np.random.default_rng(2).normal(size=(9000, 2))
    detector = SubPCA(SubPCAConfig(window=3)).fit([frame(rows[:500])])
    (whole,), (part,) = detector.score([frame(rows)]), detector.score([frame(rows[:100])])
    np.testing.assert_allclose(whole.total[:100], part.total)
    assert np.isfinite(whole.total[100:]).all()


@pytest.mark.parametrize("change", [{"window": 0}, {"explained": 0.0}, {"explained": 1.5}])
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        SubPCAConfig(**change)  # type: ignore[arg-type]
