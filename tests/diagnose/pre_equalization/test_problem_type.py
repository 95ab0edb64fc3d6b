"""Rules for the kind of distortion."""

from __future__ import annotations

import numpy as np

from faultsight.diagnose.pre_equalization import ProblemType, key_metrics, problem_type


def test_rules_in_their_order() -> None:
    taps = np.zeros((5, 24))
    taps[:, 7] = 2000
    taps[1, 6] = 200  # strong before
    taps[2, 8] = 200  # strong after
    taps[3, 6], taps[3, 8] = 201, 200  # both strong, before stronger
    taps[4, 6], taps[4, 8] = 100, 105  # strong only together
    found = problem_type(key_metrics(taps, 7))
    assert [ProblemType(kind) for kind in found] == [
        ProblemType.NONE,
        ProblemType.GROUP_DELAY,
        ProblemType.MICRO_REFLECTION,
        ProblemType.GROUP_DELAY,
        ProblemType.MIXED,
    ]


def test_thresholds_are_the_operators() -> None:
    metrics = key_metrics([0, 2000, 200], 1)
    assert problem_type(metrics, nmter_db=-19.0) == ProblemType.NONE
    assert problem_type(metrics, post_mtter_db=-19.0) == ProblemType.MIXED
    assert problem_type(key_metrics(np.zeros(3), 1)) == ProblemType.NONE


def test_labels_are_words() -> None:
    assert [kind.label for kind in ProblemType] == ["", "group-delay", "micro-reflection", "mixed"]
