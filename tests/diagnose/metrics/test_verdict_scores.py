"""Scores of verdicts, worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from faultsight.core.errors import InputError
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.metrics.verdict_scores import verdict_scores

H, I, S, M = Verdict.HEALTHY, Verdict.INSUFFICIENT, Verdict.SERVICE, Verdict.MAINTENANCE  # noqa: E741

TRUTH = [H, H, H, H, H, H, S, S, S, M, M, M, M]
FOUND = [H, H, H, H, S, I, S, H, M, M, M, I, S]


def test_by_hand() -> None:
    scores = verdict_scores(FOUND, TRUTH)
    assert scores.n_judged == 13
    assert scores.unanswered_share == 2 / 13
    assert list(scores.of(H)) == pytest.approx([4 / 5, 4 / 6, 8 / 11])
    assert list(scores.of(S)) == pytest.approx([1 / 3, 1 / 3, 1 / 3])
    assert list(scores.of(M)) == pytest.approx([2 / 3, 2 / 4, 4 / 7])
    assert scores.macro_f1 == pytest.approx((8 / 11 + 1 / 3 + 4 / 7) / 3)


def test_silence_is_a_miss_but_no_false_alarm() -> None:
    answered = verdict_scores([M, S], [M, M])
    silent = verdict_scores([M, I], [M, M])
    assert silent.of(M) == answered.of(M)
    assert list(silent.of(M)) == pytest.approx([1.0, 0.5, 2 / 3])
    assert silent.of(S).precision != answered.of(S).precision == 0.0
    assert math.isnan(silent.of(S).precision)
    assert (silent.unanswered_share, answered.unanswered_share) == (0.5, 0.0)


def test_what_is_not_judged_does_not_count() -> None:
    judged = np.array([True, True, False])
    # An unknown true state may stand where nothing is judged.
    scores = verdict_scores([M, H, S], [M, H, I], is_judged=judged)
    assert (scores.n_judged, scores.macro_f1) == (2, 1.0)


def test_scores_add_up_over_shapes() -> None:
    found, truth = np.array(FOUND[:12]).reshape(3, 4), np.array(TRUTH[:12]).reshape(3, 4)
    parts = verdict_scores(found, truth) + verdict_scores(FOUND[12:], TRUTH[12:])
    np.testing.assert_array_equal(parts.confusion, verdict_scores(FOUND, TRUTH).confusion)


def test_a_state_that_never_was_has_no_score() -> None:
    scores = verdict_scores([H, H], [H, H])
    assert scores.of(H) == (1.0, 1.0, 1.0)
    assert all(math.isnan(value) for value in scores.of(M))
    assert scores.macro_f1 == 1.0
    never_given = verdict_scores([H, H], [H, S])
    assert never_given.of(S) == (0.0, 0.0, 0.0)
    assert never_given.macro_f1 == pytest.approx((2 / 3 + 0) / 2)
    nothing = verdict_scores([], [])
    assert math.isnan(nothing.macro_f1)
    assert math.isnan(nothing.unanswered_share)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="shapes"):
        verdict_scores([H], [H, H])
    with pytest.raises(InputError, match="shapes"):
        verdict_scores([H], [H], is_judged=[True, True])
    with pytest.raises(InputError, match="no verdict"):
        verdict_scores([7], [H])
    with pytest.raises(InputError, match="neither healthy"):
        verdict_scores([H], [I])
