"""Misses and chance, and what happened to whole rounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from faultsight.core.seed import random_stream
from faultsight.diagnose.preprocessing.missing_points import Slots
from faultsight.diagnose.telapart.missing_test import (
    MissedRounds,
    miss_score,
    missed_rounds,
    usual_loss_share,
)

T = 14_400.0


class TestScore:
    @settings(deadline=None, max_examples=300)
    @given(st.integers(0, 60), st.integers(0, 60), st.floats(0.001, 0.5))
    def test_it_is_the_binomial_tail(self, missed: int, answered: int, loss_share: float) -> None:
        n_slots = missed + answered
        (score,) = miss_score(np.array([missed]), np.array([n_slots]), loss_share)
        expected = -binom.logsf(missed - 1, n_slots, loss_share) / np.log(10)
        assert score == pytest.approx(min(expected, 300.0), rel=1e-6, abs=1e-9)

    def test_no_slot_says_nothing(self) -> None:
        assert miss_score(np.array([0]), np.array([0]), 0.05).tolist() == [0.0]

    def test_no_score_is_infinite(self) -> None:
        (score,) = miss_score(np.array([4000]), np.array([4000]), 0.005)
        assert score == pytest.approx(300.0)

    @settings(deadline=None, max_examples=100)
    @given(st.integers(1, 30), st.floats(0.001, 0.5))
    def test_more_misses_score_more(self, n_slots: int, loss_share: float) -> None:
        scores = miss_score(np.arange(n_slots + 1), np.full(n_slots + 1, n_slots), loss_share)
        assert (np.diff(scores) > 0).all()


class TestUsualLoss:
    def test_the_median_round_within_bounds(self) -> None:
        assert usual_loss_share(np.array([0.1, 0.02, 0.9])) == 0.1
        assert usual_loss_share(np.array([0.0, 0.0, 1.0])) == 0.005
        assert usual_loss_share(np.array([0.8, 0.9])) == 0.5
        assert usual_loss_share(np.zeros(0)) == 0.005


def judged(missed: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> MissedRounds:
    """Judge a node whose modems (rows) miss rounds (columns)."""
    n_devices, n_rounds = missed.shape
    late_s = random_stream(0, "late").random((n_devices, n_rounds)) * 1800
    time_s = 5000.0 + np.arange(n_rounds) * T + late_s
    poll = np.where(missed, -1, np.arange(missed.size).reshape(missed.shape))
    start = np.arange(n_devices + 1) * n_rounds
    return missed_rounds(Slots(start, time_s.ravel(), poll.ravel()), 0.0, T)


class TestRounds:
    @pytest.fixture
    def missed(self) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        """Return forty modems and eighteen rounds; each round is missed by two of them."""
        missed = np.zeros((40, 18), np.bool_)
        for round_ in range(18):
            missed[[(2 * round_) % 40, (2 * round_ + 1) % 40], round_] = True
        return missed

    def by_round(self, told: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> list[bool]:
        table = told.reshape(40, 18)
        assert (table == table[0]).all()  # a round is told of all modems or of none
        return [bool(value) for value in table[0]]

    def test_usual_losses(self, missed: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> None:
        found = judged(missed)
        assert found.loss_share == pytest.approx(2 / 40)
        assert all(self.by_round(found.is_told))
        assert not any(self.by_round(found.is_struck))

    def test_a_round_that_the_poller_lost_says_nothing(
        self, missed: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    ) -> None:
        missed[:, 7] = True
        found = judged(missed)
        assert [k for k, told in enumerate(self.by_round(found.is_told)) if not told] == [7]
        assert not any(self.by_round(found.is_struck))
        assert found.loss_share == pytest.approx(2 / 40)

    def test_nearly_all_is_all(
        self, missed: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    ) -> None:
        missed[:, 7] = np.arange(40) >= 4
        assert not self.by_round(judged(missed).is_told)[7]
        missed[:, 7] = np.arange(40) >= 5
        found = judged(missed)
        assert self.by_round(found.is_told)[7]
        assert self.by_round(found.is_struck)[7]

    def test_two_rounds_in_a_row_are_an_outage_of_the_node(
        self, missed: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    ) -> None:
        missed[:, 7:9] = True
        found = judged(missed)
        assert all(self.by_round(found.is_told))
        assert [k for k, struck in enumerate(self.by_round(found.is_struck)) if struck] == [7, 8]

    def test_a_part_of_the_node(
        self, missed: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    ) -> None:
        missed[10:20, 7] = True
        found = judged(missed)
        assert all(self.by_round(found.is_told))
        assert [k for k, struck in enumerate(self.by_round(found.is_struck)) if struck] == [7]

    def test_no_slot(self) -> None:
        found = missed_rounds(
            Slots(np.zeros(4, np.int64), np.zeros(0), np.zeros(0, np.int64)), 0, T
        )
        assert (len(found.is_told), len(found.is_struck)) == (0, 0)
