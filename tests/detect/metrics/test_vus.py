"""VUS-PR against numbers of the reference implementation (TSB-AD, version 'opt')."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.detect.metrics import average_precision, vus_pr

Spans = list[tuple[int, int]]


def series(
    n_rows: int, spans: Spans, lift: float, late: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    truth = np.zeros(n_rows, dtype=np.int64)
    for start, stop in spans:
        truth[start:stop] = 1
    noise = (np.arange(n_rows) * 7919 % 1009) / 1009
    return noise + lift * np.roll(truth, late), truth


@pytest.mark.parametrize(
    ("n_rows", "spans", "lift", "late", "window", "thresholds", "expected"),
    [
        (600, [(100, 130), (300, 301), (420, 450)], 0.5, 0, 100, 250, 0.7816675528561806),
        (600, [(100, 130), (150, 160), (175, 176)], 0.8, 3, 100, 250, 0.849341790629522),
        (300, [(0, 20), (280, 300)], 0.6, 0, 37, 50, 0.7938028296255479),
        (120, [(50, 60)], 0.3, -2, 0, 250, 0.31949627173304035),
        (90, [(1, 90)], 0.0, 0, 10, 20, 0.9998615209929486),
        (1200, [(20, 25), (500, 700), (710, 711)], 0.4, 10, 101, 250, 0.6600863489681363),
    ],
    ids=["far apart", "slopes overlap", "at both ends", "no slope", "nearly all", "odd window"],
)
def test_equals_the_reference(
    *,
    n_rows: int,
    spans: Spans,
    lift: float,
    late: int,
    window: int,
    thresholds: int,
    expected: float,
) -> None:
    score, truth = series(n_rows, spans, lift, late)
    found = vus_pr(score, truth, window=window, thresholds=thresholds)
    assert found == pytest.approx(expected, abs=1e-9)


def test_equals_the_reference_where_many_scores_are_equal() -> None:
    score, truth = series(600, [(100, 130), (300, 301), (420, 450)], 0.5, 0)
    assert vus_pr(np.round(score, 1), truth) == pytest.approx(0.6851254756032423, abs=1e-9)


@given(
    st.lists(st.integers(0, 8).map(float), min_size=2, max_size=30),
    st.data(),
)
def test_one_segment_without_slope_at_all_levels_is_average_precision(
    score: list[float], data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(score) - 1))
    stop = data.draw(st.integers(start + 1, len(score)))
    truth = np.zeros(len(score))
    truth[start:stop] = 1
    found = vus_pr(score, truth, window=0, thresholds=len(score))
    assert found == pytest.approx(average_precision(score, truth))


def test_only_the_order_of_scores_counts() -> None:
    score, truth = series(600, [(100, 130), (420, 450)], 0.5, 2)
    assert vus_pr(np.exp(3 * score), truth) == pytest.approx(vus_pr(score, truth), abs=1e-12)


def test_a_near_miss_is_worth_more_than_a_far_one() -> None:
    truth = series(600, [(300, 320)], 0.0, 0)[1]
    near, far = (series(600, [(300, 320)], 2.0, late)[0] for late in (20, 200))
    assert vus_pr(near, truth) > 2 * vus_pr(far, truth)
    assert vus_pr(near, truth) < vus_pr(series(600, [(300, 320)], 2.0, 0)[0], truth)


def test_a_missed_segment_costs_more_than_its_rows() -> None:
    # Of 101 true rows only one is missed until the last level, but it is half of the segments.
    truth = series(1000, [(100, 200), (800, 801)], 0.0, 0)[1]
    score = truth + np.linspace(0.0, 0.1, 1000)
    score[800] = -1.0
    assert average_precision(score, truth) > 0.98
    assert vus_pr(score, truth, window=0) < 0.6


def test_rows_without_a_score_are_never_alarmed() -> None:
    score, truth = series(400, [(100, 110), (300, 310)], 2.0, 0)
    unknown = score.copy()
    unknown[295:315] = math.nan
    assert vus_pr(unknown, truth, window=0) == pytest.approx(0.25, abs=0.01)
    assert vus_pr(np.full(400, math.nan), truth) == 0.0


def test_undefined_without_an_anomaly_and_full_if_all_is_anomalous() -> None:
    assert math.isnan(vus_pr([1.0, 2.0], [0, 0]))
    assert vus_pr([1.0, 2.0], [1, 1]) == 1.0


def test_refuses_what_cannot_be() -> None:
    with pytest.raises(InputError):
        vus_pr([1.0], [0, 1])
    with pytest.raises(SettingError, match="window"):
        vus_pr([1.0], [1], window=-1)
    with pytest.raises(SettingError, match="thresholds"):
        vus_pr([1.0], [1], thresholds=0)


def test_half_a_month_of_five_minutes_takes_milliseconds() -> None:
    score, truth = series(4320, [(at, at + 20) for at in range(50, 4300, 100)], 0.5, 0)
    taken = []
    for _ in range(5):
        before = time.perf_counter()
        vus_pr(score, truth)
        taken.append(time.perf_counter() - before)
    assert min(taken) < 0.06
