"""PCA: what is left of a row is what numpy's SVD leaves of it."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers.pca import PCA, PCAConfig


def frame(values: object, entity: str = "a") -> KpiFrame:
    table = np.asarray(values, dtype=float)
    return KpiFrame(entity, [f"k{i}" for i in range(table.shape[1])], 0, 60, table)


def fleet() -> list[KpiFrame]:
    """Return two entities whose four KPIs follow two courses, on different scales."""
    stream = np.random.default_rng(0)
    mixing = np.array([[1.0, 0.8, 0.0, 0.3], [0.0, 0.5, 1.0, -0.6]])
    return [
        frame(size * (stream.normal(size=(n, 2)) @ mixing + 0.2 * stream.normal(size=(n, 4))), name)
        for n, size, name in ((300, 1.0, "a"), (200, 50.0, "b"))
    ]


@pytest.mark.parametrize(
    ("explained", "n_kept"), [(0.4, 1), (0.6, 2), (0.9, 2), (0.98, 3), (1.0, 3)]
)
def test_the_residual_is_that_of_an_svd(explained: float, n_kept: int) -> None:
    frames = fleet()
    detector = PCA(PCAConfig(explained)).fit(frames)
    tables = [detector.measure.standardized(f) for f in frames]
    _, sizes, axes = np.linalg.svd(np.concatenate(tables), full_matrices=False)
    share = np.cumsum(sizes**2) / (sizes**2).sum()
    # The fewest that explain as much, but never all: every row would be usual.
    assert n_kept == min(1 + int((share < explained - 1e-9).sum()), 3)
    assert detector.components.shape == (4, n_kept)
    for score, table, f in zip(detector.score(frames), tables, frames, strict=True):
        left = table - table @ axes[:n_kept].T @ axes[:n_kept]
        usual = detector.measure.usual[f.entity]
        assert usual == pytest.approx((left**2).mean(axis=0), abs=2e-6)
        assert score.residuals is not None
        np.testing.assert_allclose(score.residuals, left**2 / usual, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(score.total, (left**2 / usual).sum(axis=1), rtol=1e-3)
        np.testing.assert_array_equal(detector._deviations(table) < 0, left < 0)


def test_what_is_missing_stands_at_its_mean_and_has_no_residual() -> None:
    frames = fleet()
    detector = PCA(PCAConfig(0.9)).fit(frames)
    values = frames[0].values[:20].copy()
    values[7, 2] = np.nan
    (score,) = detector.score([frame(values)])
    table = detector.measure.standardized(frame(values))[7]
    known = np.where(np.isnan(table), 0.0, table)
    left = known - known @ detector.components @ detector.components.T
    assert score.residuals is not None
    told = np.where(np.isnan(table), np.nan, left**2) / detector.measure.usual["a"]
    np.testing.assert_allclose(score.residuals[7], told, rtol=1e-4)
    # Three of four are known: the fourth is taken to be as they are.
    assert score.total[7] == pytest.approx(np.nansum(score.residuals[7]) * 4 / 3)


@pytest.mark.parametrize("explained", [0.0, -0.5, 1.5])
def test_a_share_that_cannot_be_is_refused(explained: float) -> None:
    with pytest.raises(SettingError, match="explained"):
        PCAConfig(explained)
