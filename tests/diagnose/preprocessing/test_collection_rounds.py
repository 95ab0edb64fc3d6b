"""Appendix B: the rounds of a fiber node, and the threshold that agrees with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from faultsight.core.polls import NodePolls
from faultsight.core.seed import random_stream
from faultsight.diagnose.preprocessing.collection_rounds import (
    DEFAULT_THRESHOLD,
    _dense_runs,
    collection_rounds,
    round_of_poll,
    tune_missing_threshold,
)
from faultsight.diagnose.preprocessing.missing_points import missing_count

T = 14_400.0
H = 3600.0


class TestOneDimensionalDBSCAN:
    @settings(deadline=None, max_examples=200)
    @given(
        st.lists(st.integers(0, 150), min_size=1, max_size=40).map(sorted),
        st.integers(0, 12),
        st.integers(1, 6),
    )
    def test_against_scikit_learn(self, times: list[int], eps: int, min_samples: int) -> None:
        time_s = np.array(times, np.float64)
        labels, n_runs = _dense_runs(time_s, float(eps), min_samples)
        # A radius of nothing is not taken, and whole numbers are as near within a half.
        told = DBSCAN(eps=eps + 0.5, min_samples=min_samples).fit(time_s[:, None])
        is_core = np.zeros(len(times), np.bool_)
        is_core[told.core_sample_indices_] = True
        assert n_runs == told.labels_.max() + 1
        np.testing.assert_array_equal(labels[is_core], told.labels_[is_core])
        np.testing.assert_array_equal(labels < 0, told.labels_ < 0)
        for i in np.flatnonzero(~is_core & (labels >= 0)):
            # Between two clusters scikit-learn takes the first, and we the nearer.
            gaps = np.where(is_core, np.abs(time_s - time_s[i]), np.inf)
            near = set(labels[gaps <= eps].tolist())
            assert told.labels_[i] == min(near)
            assert labels[i] in set(labels[gaps == gaps.min()].tolist())
            assert len(near) > 1 or labels[i] == told.labels_[i]


class TestRounds:
    @pytest.mark.parametrize("round_h", [0.3, 0.5, 1.0, 2.0, 3.0])
    def test_all_are_found(self, polled_node: Callable[..., Any], round_h: float) -> None:
        node = polled_node(round_h, days=30)
        centres = collection_rounds(node.polls.time_s, T)
        assert len(centres) == node.n_rounds
        index = round_of_poll(node.polls.time_s, centres, T)
        # Rounds that the poller lost count, too: the number of each round is the true one.
        assert np.mean(index - index[0] == node.round_of_poll - node.round_of_poll[0]) > 0.999

    def test_long_rounds_that_nearly_touch(self, polled_node: Callable[..., Any]) -> None:
        node = polled_node(3.6, days=60)
        centres = collection_rounds(node.polls.time_s, T)
        assert abs(len(centres) - node.n_rounds) <= 2

    @settings(deadline=None, max_examples=25)
    @given(st.integers(0, 10**6), st.sampled_from([60.0, 900.0, 3600.0, 86_400.0]))
    def test_another_interval_is_another_unit(self, seed: int, interval_s: float) -> None:
        stream = random_stream(seed, "rounds")
        times = np.repeat(np.arange(8) * T + 1e6, 30) + 3600.0 * stream.random(240)
        centres = collection_rounds(times, T)
        scaled = collection_rounds(np.asarray(times * (interval_s / T), np.float64), interval_s)
        np.testing.assert_allclose(scaled, centres * (interval_s / T), rtol=1e-12)
        # Nearly always all eight: by chance a few of them may lie more nearly an interval apart.
        assert 3 <= len(centres) <= 8

    def test_order_of_polls_is_free(self, polled_node: Callable[..., Any]) -> None:
        time_s = polled_node(0.5, days=5).polls.time_s
        shuffled = random_stream(0, "order").permutation(time_s)
        assert collection_rounds(shuffled, T).tolist() == collection_rounds(time_s, T).tolist()

    def test_two_rounds_joined_are_not_forgiven(self) -> None:
        # Every second gap is short: joining pairs would give centres two intervals apart, whose
        # distances are multiples of the interval, and must not win.
        starts = np.arange(20) * T + np.where(np.arange(20) % 2, -0.3 * T, 0.0)
        times = (starts[:, None] + np.arange(40) * 60.0).ravel()
        assert len(collection_rounds(times, T)) == 20

    def test_too_few_to_tell(self) -> None:
        assert collection_rounds(np.zeros(0), T).tolist() == []
        assert collection_rounds(np.array([0.0, T] * 50), T).tolist() == []

    def test_a_poll_belongs_to_the_nearest_centre(self) -> None:
        centres = np.array([0.0, 1.0, 2.1, 3.9, 5.0]) * T  # two rounds are lost
        times = np.array([-0.2, 0.4, 0.6, 1.5, 2.9, 3.1, 9.0]) * T
        assert round_of_poll(times, centres, T).tolist() == [0, 0, 1, 1, 2, 4, 5]


def truth_and_inferred(node: Any, threshold_s: float) -> tuple[list[int], list[int]]:
    """Return of each gap how many polls really are missing, and how many Algorithm 1 says."""
    truth, inferred = [], []
    for device in range(node.polls.n_devices):
        mine = slice(*node.polls.device_start[device : device + 2])
        gaps = np.diff(node.polls.time_s[mine]).tolist()
        steps = np.diff(node.round_of_poll[mine]).tolist()
        for gap, step in zip(gaps, steps, strict=True):
            truth.append(int(step) - 1)
            inferred.append(missing_count(gap, threshold_s, T))
    return truth, inferred


def accuracy(truth: list[int], inferred: list[int]) -> float:
    """Return the paper's accuracy, one gap after the other."""
    tp = tn = fp = fn = 0
    for g, a in zip(truth, inferred, strict=True):
        if g == a == 0:
            tn += 1
        elif g == a:
            tp += g
        elif g > a:
            tp, fn = tp + a, fn + g - a
        else:
            tp, fp = tp + g, fp + a - g
    return (tp + tn) / (tp + tn + fp + fn)


class TestThreshold:
    @pytest.mark.parametrize(
        ("round_h", "lowest", "highest", "least_accuracy"),
        [
            (0.3, 1.10, 1.60, 0.9999),
            (0.5, 1.13, 1.60, 0.9999),
            (1.0, 1.20, 1.60, 0.9999),
            (2.0, 1.45, 1.60, 0.9990),
            (3.0, 1.65, 1.82, 0.98),
            (3.6, 1.80, 1.95, 0.96),
        ],
    )
    def test_the_regimes(
        self,
        polled_node: Callable[..., Any],
        round_h: float,
        lowest: float,
        highest: float,
        least_accuracy: float,
    ) -> None:
        node = polled_node(round_h)
        tuned = tune_missing_threshold(node.polls, T)
        assert lowest <= tuned.threshold_s / T <= highest
        assert tuned.accuracy >= least_accuracy
        # It is that accurate by the truth, too, and not only by the rounds that were found.
        by_truth = accuracy(*truth_and_inferred(node, tuned.threshold_s))
        # Of rounds that nearly touch, a few are found as one.
        assert abs(by_truth - tuned.accuracy) <= (0.001 if round_h <= 3.0 else 0.01)
        fixed = accuracy(*truth_and_inferred(node, 1.5 * T))
        assert by_truth >= fixed - 1e-3
        if round_h >= 3.0:
            assert by_truth >= fixed + 0.03

    def test_half_an_hour_is_told_without_an_error(self, polled_node: Callable[..., Any]) -> None:
        node = polled_node(0.5)
        tuned = tune_missing_threshold(node.polls, T)
        truth, inferred = truth_and_inferred(node, tuned.threshold_s)
        assert abs(accuracy(truth, inferred) - 1.0) <= 0.001
        assert truth == inferred
        assert max(truth) >= 3

    def test_a_round_lost_for_the_whole_node_counts_for_every_modem(self) -> None:
        times = np.delete(np.arange(40) * T, [7, 20, 21])
        stream = random_stream(0, "lost")
        late = stream.random((30, len(times))) * 1800
        polls = NodePolls(
            "F", tuple(f"m{i:02d}" for i in range(30)), (), np.arange(31) * len(times),
            (times + late).ravel(),
        )  # fmt: skip
        tuned = tune_missing_threshold(polls, T)
        assert (tuned.accuracy, tuned.n_rounds) == (1.0, 37)
        mine = np.diff(polls.time_s[: len(times)])
        found = [missing_count(gap, tuned.threshold_s, T) for gap in mine]
        assert (found[6], found[18], sum(found)) == (1, 2, 3)

    def test_the_threshold_is_the_middle_of_a_plateau(self) -> None:
        # Answers come exactly on time: any threshold from one interval on is right.
        times = np.delete(np.arange(40) * T, [7])
        polls = NodePolls("F", ("a", "b", "c"), (), np.arange(4) * 39, np.tile(times, 3))
        tuned = tune_missing_threshold(polls, T)
        assert tuned.accuracy == 1.0
        assert 1.49 <= tuned.threshold_s / T <= 1.50

    def test_too_few_polls_to_tell(self) -> None:
        one = NodePolls("F", ("a",), (), np.array([0, 1]), np.zeros(1))
        tuned = tune_missing_threshold(one, T)
        assert (tuned.threshold_s, tuned.n_rounds) == (DEFAULT_THRESHOLD * T, 0)
        assert np.isnan(tuned.accuracy)

    def test_modems_that_answered_once_each(self) -> None:
        # Rounds are found, but no modem has two polls to judge by.
        stream = random_stream(0, "once")
        times = np.repeat(np.arange(5) * T, 20) + stream.random(100) * 600
        polls = NodePolls("F", tuple(f"m{i:03d}" for i in range(100)), (), np.arange(101), times)
        tuned = tune_missing_threshold(polls, T)
        assert (tuned.threshold_s, tuned.n_rounds) == (DEFAULT_THRESHOLD * T, 5)
        assert np.isnan(tuned.accuracy)
