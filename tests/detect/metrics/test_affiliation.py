"""Affiliation by hand, by numbers of the authors' implementation, and by summing finely."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faultsight.core.errors import InputError
from faultsight.detect.metrics import affiliation

Spans = list[tuple[int, int]]


def rows(n_rows: int, spans: Spans) -> list[int]:
    found = [0] * n_rows
    for start, stop in spans:
        found[start:stop] = [1] * (stop - start)
    return found


@pytest.mark.parametrize(
    ("n_rows", "truth", "alarm", "precision", "recall"),
    [
        (20, [(4, 8), (12, 13)], [(6, 9)], 0.8333333333333334, 0.45),
        (20, [(4, 8), (12, 13)], [(0, 2), (10, 11), (15, 20)], 0.20416666666666666, 0.5),
        (50, [(10, 30)], [(2, 4), (12, 13), (20, 22), (45, 50)], 0.389, 0.9075),
        (50, [(0, 5), (6, 9), (30, 50)], [(3, 40)], 0.6360065683065055, 0.8771982116244411),
        (
            31,
            [(10, 12), (15, 19)],
            [(13, 14), (19, 20), (29, 31)],
            0.4965986394557823,
            0.7697089947089947,
        ),
    ],
)
def test_equals_the_authors_implementation(
    n_rows: int, truth: Spans, alarm: Spans, precision: float, recall: float
) -> None:
    found = affiliation(rows(n_rows, alarm), rows(n_rows, truth))
    assert found.precision == pytest.approx(precision, abs=1e-12)
    assert found.recall == pytest.approx(recall, abs=1e-12)


def test_one_zone_by_hand() -> None:
    # Zone [0, 10), anomaly [4, 6), alarm [8, 9). A moment at distance d, 2 to 3, is beaten by a
    # random one with chance 1 - (2 + 2 d) / 10: 0.3 in the mean. Each moment y of the anomaly is
    # 8 - y from the alarm; random ones are as near within 8 - y on both sides: 1 - 2 * 3 / 10.
    found = affiliation(rows(10, [(8, 9)]), rows(10, [(4, 6)]))
    assert found.precision == pytest.approx(0.3)
    assert found.recall == pytest.approx(0.4)


def test_a_zone_without_alarm_counts_for_recall_alone() -> None:
    found = affiliation(rows(20, [(4, 6)]), rows(20, [(4, 6), (14, 16)]))
    assert found == (1.0, 0.5)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=16).filter(
        lambda pairs: any(a for a, _ in pairs) and any(t for _, t in pairs)
    )
)
def test_equals_the_definition_summed_finely(pairs: list[tuple[bool, bool]]) -> None:
    alarm, truth = (np.array(column) for column in zip(*pairs, strict=True))
    found = affiliation(alarm, truth)
    precision, recall = by_definition(alarm, truth)
    assert found.precision == pytest.approx(precision, abs=0.02)
    assert found.recall == pytest.approx(recall, abs=0.02)


def by_definition(alarm: np.ndarray, truth: np.ndarray, fine: int = 40) -> tuple[float, float]:
    """Return precision and recall over a grid of `fine` moments a row."""
    moments = (np.arange(len(truth) * fine) + 0.5) / fine
    is_true, is_alarm = np.repeat(truth, fine), np.repeat(alarm, fine)
    starts = np.flatnonzero(np.diff(truth.astype(int), prepend=0) == 1)
    stops = np.flatnonzero(np.diff(truth.astype(int), append=0) == -1) + 1
    spans = np.maximum(np.maximum(starts - moments[:, None], moments[:, None] - stops), 0.0)
    nearest, distance = spans.argmin(axis=1), spans.min(axis=1)
    precisions, recalls = [], []
    for j in range(len(starts)):
        zone = nearest == j
        raised = zone & is_alarm
        if not raised.any():
            recalls.append(0.0)
            continue
        farther = distance[zone] >= distance[raised][:, None]
        precisions.append(farther.mean())
        event = moments[zone & is_true]
        to_alarm = np.abs(event[:, None] - moments[raised]).min(axis=1)
        farther = np.abs(event[:, None] - moments[zone]) >= to_alarm[:, None]
        recalls.append(farther.mean())
    return float(np.mean(precisions)), float(np.mean(recalls))


def test_where_it_is_not_defined() -> None:
    assert all(math.isnan(value) for value in affiliation([1, 0], [0, 0]))
    silent = affiliation([0, 0], [0, 1])
    assert math.isnan(silent.precision)
    assert silent.recall == 0.0
    with pytest.raises(InputError, match="rows of alarm"):
        affiliation([0], [0, 1])
