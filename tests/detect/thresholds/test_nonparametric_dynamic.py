"""The non-parametric dynamic threshold: brute force over candidates, pruning by hand."""

from __future__ import annotations

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.detect.contract import Score
from faultsight.detect.thresholds.nonparametric_dynamic import (
    NonparametricDynamic,
    NonparametricDynamicConfig,
)


def level_of(values: object, **told: float) -> float:
    config = NonparametricDynamicConfig(**told)  # type: ignore[arg-type]
    score = Score("a", 0, 60, (), np.asarray(values, dtype=float))
    return NonparametricDynamic(config).levels([score])["a"]


def brute_force(values: NDArray[np.float64]) -> float:
    mean, deviation = values.mean(), values.std()
    found: list[tuple[float, float]] = []
    for step in range(19):
        level = mean + (2.5 + 0.5 * step) * deviation
        above = values > level
        runs = sum(key for key, _ in groupby(above.tolist()))
        if not above.any() or runs > 5 or above.mean() >= 0.5:
            continue
        less = values[~above]
        gain = (mean - less.mean()) / mean + (deviation - less.std()) / deviation
        found.append((gain / (above.sum() + runs**2), level))
    return max(found)[1] if found else mean + 12.0 * deviation


@given(st.integers(0, 2000), st.integers(0, 12))
def test_without_pruning_the_level_is_brute_forces(seed: int, n_high: int) -> None:
    stream = np.random.default_rng(seed)
    values = stream.exponential(size=120)
    values[stream.integers(0, 120, n_high)] += stream.uniform(3, 30, n_high)
    assert level_of(values, least_drop=0.0) == pytest.approx(brute_force(values))


def test_pruning_by_hand() -> None:
    values = np.tile([1.0, 0.5, 1.5, 0.8], 30)
    values[[20, 60]] = [12.0, 30.0]
    one = {"lowest": 2.5, "highest": 2.5}
    plain = level_of(values, least_drop=0.0, **one)
    assert 1.5 < plain < 12.0
    # Falling order: 30, 12, 1.5, by 60 % and by 87 %: both are drops of more than 13 %.
    assert level_of(values, **one) == plain
    # The last drop counts, whether or not those before it are large.
    assert level_of(values, least_drop=0.8, **one) == plain
    # Without any drop large enough nothing is an anomaly.
    assert level_of(values, least_drop=0.9, **one) == 30.0
    # 8 below 12 is no more of a drop than 33 %: what stands below 30 is all one.
    values[30:50] = 8.0
    assert level_of(values, least_drop=0.5, **one) == 12.0


def test_scores_that_are_all_alike_are_their_own_level() -> None:
    assert level_of(np.full(50, 3.0)) == 3.0


def test_only_the_last_scores_count_and_missing_ones_do_not() -> None:
    values = np.random.default_rng(0).exponential(size=300)
    early = values.copy()
    early[:100] = 1000.0
    early[150] = np.nan
    late = np.delete(values[100:], 50)
    assert level_of(early, window=199) == level_of(late)


@pytest.mark.parametrize(
    "change",
    [{"lowest": 0.0}, {"highest": 1.0}, {"step": 0.0}, {"most_runs": 0}, {"most_share": 0.0},
     {"least_drop": 1.0}, {"window": 0}],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        NonparametricDynamicConfig(**change)  # type: ignore[arg-type]
