"""The input's norm, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.peers.input_norm import InputNorm

# Each KPI goes to and fro between two values: its mean is between them, its deviation half of what
# is between them.
HISTORY = np.tile([[0.0, 10.0], [1.0, 30.0]], (50, 1))


def frame(values: object, entity: str = "a") -> KpiFrame:
    return KpiFrame(entity, ("x", "y"), 0, 60, np.asarray(values, dtype=float))


@pytest.mark.parametrize(
    ("row", "x", "y"),
    [
        ((0.5, 20.0), 0.0, 0.0),  # the mean
        ((1.0, 10.0), 1.0, 1.0),  # one deviation off, to either side
        ((1.5, 30.0), 4.0, 1.0),  # two and one
        ((0.25, 40.0), 0.25, 4.0),
        ((9.0, -500.0), 9.0, 9.0),  # clipped at one usual range beyond what is usual
    ],
)
def test_residuals_are_squares_of_deviations_and_their_sum_is_the_score(
    row: tuple[float, float], x: float, y: float
) -> None:
    detector = InputNorm().fit([frame(HISTORY)])
    (score,) = detector.score([frame([row])])
    # A square of one deviation is usual.
    assert detector.measure.usual["a"] == pytest.approx([1.0, 1.0], abs=1e-5)
    assert score.residuals is not None
    assert score.residuals[0] == pytest.approx([x, y], abs=1e-4)
    assert score.total[0] == pytest.approx(x + y, abs=1e-4)


def test_a_score_does_not_follow_from_the_rows_before() -> None:
    detector = InputNorm().fit([frame(HISTORY)])
    rows = np.random.default_rng(0).normal(size=(30, 2)) * [0.3, 8.0] + [0.5, 20.0]
    (there,), (back,) = detector.score([frame(rows)]), detector.score([frame(rows[::-1])])
    assert there.total[::-1].tobytes() == back.total.tobytes()


def test_each_entity_is_measured_by_its_own_history() -> None:
    detector = InputNorm().fit([frame(HISTORY), frame(100.0 * HISTORY, "b")])
    first, second = detector.score([frame([[1.5, 20.0]]), frame([[150.0, 2000.0]], "b")])
    assert first.total[0] == pytest.approx(4.0, abs=1e-4)
    assert second.total[0] == pytest.approx(4.0, abs=1e-4)


def test_what_is_missing_is_taken_to_be_like_what_is_known() -> None:
    detector = InputNorm().fit([frame(HISTORY)])
    (score,) = detector.score([frame([[1.5, np.nan], [np.nan, np.nan]])])
    assert score.total[0] == pytest.approx(8.0, abs=1e-4)
    assert np.isnan(score.total[1])
