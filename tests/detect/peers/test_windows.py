"""What the peers of windows share: windows, units, masks, distances."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import DetectorState, Progress
from faultsight.detect.peers._windows import (
    WindowBank,
    WindowDetector,
    masked_squared_distances,
)

NAN = float("nan")


def frame(values: object, entity: str = "a", start_s: int = 0) -> KpiFrame:
    table = np.asarray(values, dtype=float)
    return KpiFrame(entity, [f"k{i}" for i in range(table.shape[1])], start_s, 60, table)


class FirstCell(WindowDetector):
    """The error of a row is the square of the first row of its window."""

    largest: ClassVar[int | None] = None

    def __init__(self, length: int = 3) -> None:
        self.config = None
        self.length = length

    @property
    def _length(self) -> int:
        return self.length

    def _learn(self, bank: WindowBank, progress: Progress) -> None:
        self.learned = bank

    def _learned(self) -> dict[str, NDArray[np.float64]]:
        return {}

    def _take(self, state: DetectorState) -> None:
        pass

    def _errors(self, bank: WindowBank) -> NDArray[np.float32]:
        return bank.take(slice(None))[0][:, 0] ** 2


class OfAWindow(FirstCell):
    names_kpis: ClassVar[bool] = False

    def _errors(self, bank: WindowBank) -> NDArray[np.float32]:
        return super()._errors(bank)[:, :1]


def test_every_row_ends_a_window_and_nothing_is_known_before_the_first() -> None:
    frames = [frame([[1.0], [NAN], [3.0]]), frame([[7.0]], "b", 120)]
    tables = [f.values.astype(np.float64) for f in frames]
    bank = WindowBank.build(frames, tables, [np.array([0.5]), np.array([9.0])], 3)
    rows, known = bank.take(slice(None))
    assert rows[:, :, 0].tolist() == [[0.5, 0.5, 1], [0.5, 1, 0.5], [1, 0.5, 3], [9, 9, 7]]
    assert known[:, :, 0].tolist() == [
        [False, False, True], [False, True, False], [True, False, True], [False, False, True],
    ]  # fmt: skip
    assert (bank.owners.tolist(), bank.stamps.tolist()) == ([0, 0, 0, 1], [0, 60, 120, 120])


def test_thinning_keeps_at_most_so_many_and_only_windows_that_know_something() -> None:
    values = np.full((40, 1), NAN)
    values[20:] = 1.0
    one = frame(values)
    bank = WindowBank.build([one], [one.values.astype(np.float64)], [np.zeros(1)], 3)
    assert bank.thinned(100).tolist() == list(range(20, 40))
    assert bank.thinned(7).tolist() == [20, 23, 26, 29, 32, 35, 38]
    values[:] = 1.0
    values[5:10] = NAN
    one = frame(values)
    bank = WindowBank.build([one], [one.values.astype(np.float64)], [np.zeros(1)], 3)
    assert sorted(set(range(40)) - set(bank.thinned(100).tolist())) == [7, 8, 9]


def test_history_has_residuals_of_one_on_average_and_a_row_without_values_none() -> None:
    stream = np.random.default_rng(0)
    values = stream.normal(size=(60, 2)) * [1.0, 5.0]
    values[10, 0] = NAN
    values[11] = NAN
    detector = FirstCell().fit([frame(values), frame(values[::-1] * 3, "b")])
    for score in detector.score([frame(values), frame(values[::-1] * 3, "b")]):
        assert score.residuals is not None
        np.testing.assert_allclose(np.nanmean(score.residuals, axis=0), 1.0, rtol=1e-3)
        assert np.isnan(score.total).sum() == 1
    assert np.isnan(detector.score([frame(values)])[0].total[11])


def test_standardized_rows_have_mean_zero_and_deviation_one() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(200, 2))
    detector = FirstCell().fit([frame(values)])
    rows = detector.learned.rows[2:]
    np.testing.assert_allclose(rows.mean(axis=0), 0.0, atol=1e-4)
    np.testing.assert_allclose(rows.std(axis=0), 1.0, rtol=1e-3)


def test_a_negative_error_lies_below_what_was_expected() -> None:
    class Sided(FirstCell):
        def _errors(self, bank: WindowBank) -> NDArray[np.float32]:
            return bank.take(slice(None))[0][:, -1]

    values = np.random.default_rng(0).normal(size=(50, 2))
    (score,) = Sided().fit([frame(values)]).score([frame(values)])
    assert score.residuals is not None
    assert score.is_below is not None
    assert (score.residuals >= 0).all()
    assert score.is_below.tolist() == (values < values.mean(axis=0)).tolist()
    assert np.mean(score.total) == pytest.approx(2.0, rel=1e-3)


def test_an_error_of_the_window_has_no_residual_by_kpi() -> None:
    values = np.random.default_rng(0).normal(size=(50, 2))
    (score,) = OfAWindow().fit([frame(values)]).score([frame(values)])
    assert score.residuals is None
    assert np.mean(score.total) == pytest.approx(1.0, rel=1e-3)


def test_a_fleet_scored_in_parts_is_scored_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = np.random.default_rng(0)
    frames = [frame(stream.normal(size=(10 + i, 2)), f"e{i}") for i in range(7)]
    detector = FirstCell().fit(frames)
    whole = [score.total.tobytes() for score in detector.score(frames)]
    monkeypatch.setattr("faultsight.detect.peers._windows._ENTITIES_AT_ONCE", 3)
    assert [score.total.tobytes() for score in detector.score(frames)] == whole


@given(st.integers(0, 500), st.booleans(), st.booleans())
def test_masked_distances_are_those_of_brute_force(seed: int, gaps: bool, theirs: bool) -> None:
    stream = np.random.default_rng(seed)
    left, right = stream.normal(size=(2, 6, 5)).astype(np.float32)
    one = (stream.random(left.shape) < 0.6) | (not gaps)
    two = (stream.random(right.shape) < 0.6) | (not theirs)
    left, right = np.where(one, left, 0), np.where(two, right, 0)
    found = masked_squared_distances(left, one, right, two)
    for i in range(6):
        for j in range(6):
            both = one[i] & two[j]
            expected = np.mean((left[i] - right[j])[both] ** 2) if both.any() else np.inf
            assert found[i, j] == pytest.approx(expected, rel=1e-4, abs=1e-5)
