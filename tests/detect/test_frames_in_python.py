"""From a table in memory to alarms, without the command line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from faultsight.detect import AnoTuner, AnoTunerConfig, KpiFrame

N_ROWS = 200


def columns() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    drops = rng.normal(size=2 * N_ROWS)
    drops[-10] += 30.0
    hours = pd.date_range("2024-01-01", periods=N_ROWS, freq="h")
    return {
        "timestamp": np.tile(hours.to_numpy(), 2),
        "entity": np.repeat(["cell-1", "cell-2"], N_ROWS),
        "drops": drops,
        "load": rng.normal(size=2 * N_ROWS),
    }


@pytest.mark.parametrize("library", [pl, pd], ids=["polars", "pandas"])
def test_fit_and_score_on_frames_of_either_library(library: Any) -> None:
    frames = KpiFrame.from_table(library.DataFrame(columns()))
    assert [(f.entity, len(f), f.interval_s) for f in frames] == [
        ("cell-1", N_ROWS, 3600), ("cell-2", N_ROWS, 3600),
    ]  # fmt: skip
    detector = AnoTuner(AnoTunerConfig(epochs=1, window=12, n_hidden=8))
    assert detector.fit([frame[:150] for frame in frames]) is detector
    scores = detector.score(frames)
    assert [score.total.shape for score in scores] == [(N_ROWS,), (N_ROWS,)]
    assert int(np.argmax(scores[1].total)) == N_ROWS - 10
    worst = max(detector.alarms(scores), key=lambda alarm: alarm.peak)
    assert worst.entity == "cell-2"
    assert worst.window.holds(int(frames[1].times_s[-10]))
    assert worst.shares[0][0] == "drops"


def test_both_libraries_give_the_same_scores() -> None:
    told = columns()
    totals = []
    for library in (pl, pd):
        frames = KpiFrame.from_table(library.DataFrame(told))
        detector = AnoTuner(AnoTunerConfig(epochs=1, window=12, n_hidden=8)).fit(frames)
        totals.append([score.total for score in detector.score(frames)])
    np.testing.assert_array_equal(totals[0], totals[1])
