"""The totals of all similarity thresholds at once, against clustering anew at each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.seed import random_stream
from faultsight.diagnose.clustering.linkage import linkage
from faultsight.diagnose.telapart.ticket_guided import (
    CRITERIA,
    GuidedThreshold,
    ThresholdGuards,
    TicketTotals,
)
from faultsight.diagnose.telapart.verdicts import cluster

Array = NDArray[np.float64]
DAY_S = 86_400.0
NO_GUARDS = ThresholdGuards(smoothing=1e-9, least_days=0.0, least_service_share=0.0)


class Window:
    """One window: similarities, anomalies, and whole numbers of seconds and tickets."""

    def __init__(self, seed: int, n: int, digits: int) -> None:
        stream = random_stream(seed, "ticket guided")
        upper = np.triu(np.round(stream.uniform(-0.5, 1.0, (n, n)), digits), 1)
        self.similarity = upper + upper.T + np.eye(n)
        self.is_anomalous = stream.random(n) < 0.4
        self.covered_s = stream.integers(0, 90_000, n).astype(np.float64)
        self.maintenance = stream.integers(0, 3, n).astype(np.float64)
        self.service = stream.integers(0, 3, n).astype(np.float64)

    @property
    def told(self) -> tuple[NDArray[np.bool_], Array, Array, Array]:
        return self.is_anomalous, self.covered_s, self.maintenance, self.service


def explicit(
    windows: list[Window], threshold: float, clustering: str, size: int, quorum: float
) -> Array:
    """Return the totals under one threshold: cluster, look at each cluster, sum."""
    sums = np.zeros((2, 3))
    for window in windows:
        labels = cluster(window.similarity, threshold, clustering)
        for label in np.unique(labels):
            mine = labels == label
            n_anomalous = int(window.is_anomalous[mine].sum())
            if n_anomalous == 0 or n_anomalous < quorum * mine.sum():
                continue
            kind = 0 if mine.sum() > size else 1
            for column, values in enumerate(window.told[1:]):
                sums[kind, column] += values[mine].sum()
    return sums


windows = st.lists(
    st.builds(Window, st.integers(0, 10**6), st.integers(1, 14), st.sampled_from([1, 2, 3, 9])),
    min_size=1,
    max_size=3,
)
sizes, quorums = st.integers(1, 6), st.sampled_from([0.0, 0.3, 0.5, 1.0])


class TestTotals:
    @pytest.mark.parametrize("clustering", ["average", "single", "complete"])
    @settings(deadline=None, max_examples=25)
    @given(told=windows, size=sizes, quorum=quorums)
    def test_every_threshold_exactly(
        self, clustering: str, told: list[Window], size: int, quorum: float
    ) -> None:
        totals = TicketTotals(cluster_size=size, quorum=quorum)
        for window in told:
            totals.add(linkage(1.0 - window.similarity, clustering), *window.told)
        table = totals.table()
        assert table.shape == (201, 2, 3)
        for threshold, found in zip(totals.thresholds.tolist(), table, strict=True):
            expected = explicit(told, threshold, clustering, size, quorum)
            np.testing.assert_array_equal(found, expected)

    @settings(deadline=None, max_examples=15)
    @given(windows, sizes, quorums)
    def test_dbscan_on_every_fourth_threshold(
        self, told: list[Window], size: int, quorum: float
    ) -> None:
        totals = TicketTotals(cluster_size=size, quorum=quorum)
        for window in told:
            totals.add_clusterings(_dbscan(window), *window.told)
        for place, found in enumerate(totals.table()):
            stricter = float(totals.thresholds[place - place % 4])
            np.testing.assert_array_equal(found, explicit(told, stricter, "dbscan", size, quorum))

    @settings(deadline=None, max_examples=30)
    @given(windows, windows)
    def test_merged_is_added(self, first: list[Window], second: list[Window]) -> None:
        both, one, other = (TicketTotals(cluster_size=3, quorum=0.5) for _ in range(3))
        for part, mine in ((one, first), (other, second)):
            for window in mine:
                for totals in (part, both):
                    totals.add(linkage(1.0 - window.similarity), *window.told)
        one.merge(other)
        np.testing.assert_array_equal(one.table(), both.table())

    def test_thresholds_go_from_1_to_0(self) -> None:
        assert TicketTotals.thresholds.tolist() == pytest.approx(np.linspace(1, 0, 201).tolist())

    def test_at_a_similarity_that_is_the_threshold_clusters_are_merged(self) -> None:
        # A third modem is like the first two by 0.01 i and by 0.01 j: rounding must not decide
        # whether their mean reaches a threshold that it is.
        thresholds = TicketTotals.thresholds.tolist()
        for i in range(0, 100, 3):
            for j in range(i, 100, 7):
                similarity = np.array([[1, 1, i / 100], [1, 1, j / 100], [i / 100, j / 100, 1]])
                threshold = (i + j) / 200
                assert len(np.unique(cluster(similarity, threshold, "average"))) == 1
                totals = TicketTotals(cluster_size=2, quorum=0.0)
                ones = np.ones(3)
                totals.add(linkage(1.0 - similarity), ones > 0, ones, ones, ones)
                at = thresholds.index(round(threshold, 6))
                assert totals.table()[at - 1 : at + 1, 0, 0].tolist() == [0.0, 3.0]


def _dbscan(window: Window) -> Callable[[float], NDArray[np.int64]]:
    return lambda threshold: cluster(window.similarity, threshold, "dbscan")


class TestTheRatio:
    """Equations 1 to 3 by hand.

    Six modems are alike at 0.8 and a seventh is like them at 0.4; an eighth stands alone. Clusters
    of more than five are maintenance. All are anomalous, and each is covered for one day.

    ===========  =====================  ================  ==============  ==============
    threshold    maintenance            service           R_mM (per day)  R_mS (per day)
    ===========  =====================  ================  ==============  ==============
    above 0.8    nobody                 all eight         not defined     3 / 8
    0.8 to 0.4   the six, 2 m-tickets   two, 1 m-ticket   2 / 6           1 / 2
    from 0.4 on  the seven, 3 m-tickets one, none         3 / 7           0 / 1
    ===========  =====================  ================  ==============  ==============
    """

    @pytest.fixture
    def totals(self) -> TicketTotals:
        similarity = np.full((8, 8), 0.0)
        similarity[:7, :7] = 0.4
        similarity[:6, :6] = 0.8
        np.fill_diagonal(similarity, 1.0)
        totals = TicketTotals(cluster_size=5, quorum=0.0)
        totals.add(
            linkage(1.0 - similarity),
            np.ones(8, np.bool_),
            np.full(8, DAY_S),
            np.array([1.0, 1, 0, 0, 0, 0, 1, 0]),
            np.array([0.0, 0, 0, 0, 0, 0, 0, 4]),
        )
        return totals

    def at(self, chosen: GuidedThreshold, similarity: float) -> float:
        return float(chosen.values[chosen.thresholds.tolist().index(similarity)])

    def test_rates_and_their_ratio(self, totals: TicketTotals) -> None:
        chosen = totals.choose(
            "trr", ThresholdGuards(smoothing=0.5, least_days=0.5, least_service_share=0.0),
            default=0.6,
        )  # fmt: skip
        assert np.isnan(self.at(chosen, 0.9))  # no maintenance time
        assert self.at(chosen, 0.6) == pytest.approx(((2 + 0.5) / 6) / ((1 + 0.5) / 2))
        assert self.at(chosen, 0.3) == pytest.approx(((3 + 0.5) / 7) / ((0 + 0.5) / 1))
        # The greatest ratio, and of equals the strictest threshold.
        assert (chosen.similarity, chosen.criterion) == (0.4, "trr")
        assert chosen.trr == pytest.approx(1.0)

    def test_almost_without_smoothing(self, totals: TicketTotals) -> None:
        chosen = totals.choose("trr", NO_GUARDS, default=0.6)
        assert self.at(chosen, 0.6) == pytest.approx((2 / 6) / (1 / 2))

    def test_each_class_must_hold_enough_days(self, totals: TicketTotals) -> None:
        chosen = totals.choose("trr", ThresholdGuards(least_days=2.0), default=0.6)
        assert chosen.similarity == 0.8  # the lone eighth modem is one day of service
        assert np.isnan(self.at(chosen, 0.4))
        assert self.at(chosen, 0.6) > 0

    def test_enough_service_time_must_stay(self, totals: TicketTotals) -> None:
        guards = ThresholdGuards(least_days=0.0, least_service_share=0.2)  # of eight days
        chosen = totals.choose("trr", guards, default=0.6)
        assert chosen.similarity == 0.8
        assert np.isnan(self.at(chosen, 0.4))

    @pytest.mark.parametrize("criterion", CRITERIA)
    def test_where_no_threshold_may_be_the_default_is_taken(
        self, totals: TicketTotals, criterion: str
    ) -> None:
        chosen = totals.choose(criterion, ThresholdGuards(least_days=9.0), default=0.6)
        assert (chosen.similarity, chosen.criterion) == (0.6, "default")
        assert np.isnan(chosen.trr)
        assert np.isnan(chosen.values).all()

    @pytest.mark.parametrize("criterion", CRITERIA)
    def test_without_a_ticket_too(self, criterion: str) -> None:
        totals = TicketTotals(cluster_size=1, quorum=0.0)
        zeros = np.zeros(4)
        totals.add(
            linkage(np.array([[0, 0.1, 9, 9], [0.1, 0, 9, 9], [9, 9, 0, 0.9], [9, 9, 0.9, 0]])),
            zeros == 0, np.full(4, 10 * DAY_S), zeros, zeros,
        )  # fmt: skip
        assert totals.choose(criterion, NO_GUARDS, default=0.6).criterion == "default"

    @pytest.mark.parametrize("smoothing", [0.0, -1.0])
    def test_rates_of_no_ticket_need_smoothing(self, smoothing: float) -> None:
        with pytest.raises(SettingError, match="smoothing"):
            ThresholdGuards(smoothing=smoothing)

    @pytest.mark.parametrize("reluctance", [-1.0, float("nan")])
    def test_reluctance_is_a_number_of_at_least_0(self, reluctance: float) -> None:
        with pytest.raises(SettingError, match="reluctance"):
            ThresholdGuards(reluctance=reluctance)

    def test_tickets_must_ask_for_leaving_the_default(self) -> None:
        # Six modems are alike at 0.8 and call for maintenance, two stand alone and call for
        # service: below 0.8 the likelihood is flat, at 0.8 and above there is no maintenance.
        def chosen(tickets: float, reluctance: float, default: float = 0.9) -> float:
            similarity = np.zeros((8, 8))
            similarity[:6, :6] = 0.8
            similarity[:2, :2] = 0.95
            np.fill_diagonal(similarity, 1.0)
            totals = TicketTotals(cluster_size=1, quorum=0.0)
            calls = np.array([0.0, 0.0, 1, 1, 1, 1, 0, 0]) * tickets
            totals.add(
                linkage(1.0 - similarity), np.ones(8, np.bool_), np.full(8, 10 * DAY_S), calls,
                calls[::-1] * 0,
            )  # fmt: skip
            guards = ThresholdGuards(least_service_share=0.0, reluctance=reluctance)
            return totals.choose("likelihood", guards, default=default).similarity

        # Under 0.9 only the first two are one cluster, and those who call are service.
        assert 0.88 <= chosen(1.0, reluctance=24.0) <= 0.93
        assert chosen(1.0, reluctance=0.0) < 0.6
        assert chosen(1000.0, reluctance=24.0) <= 0.8
        # Where tickets say nothing between two thresholds, the nearer to the default is taken.
        assert chosen(1.0, reluctance=1000.0, default=0.5) == pytest.approx(0.5, abs=0.011)

    def test_the_likelihood_prefers_what_tickets_of_both_kinds_say(self) -> None:
        # The same, but many tickets: maintenance from the six, service from the others.
        similarity = np.full((8, 8), 0.0)
        similarity[:7, :7] = 0.4
        similarity[:6, :6] = 0.8
        np.fill_diagonal(similarity, 1.0)
        totals = TicketTotals(cluster_size=5, quorum=0.0)
        m = np.array([20.0] * 6 + [0, 0])
        s = np.array([0.0] * 6 + [20, 20])
        totals.add(linkage(1.0 - similarity), m >= 0, np.full(8, 10 * DAY_S), m, s)
        chosen = totals.choose("likelihood", ThresholdGuards(), default=0.2)
        assert 0.4 < chosen.similarity <= 0.8
        assert chosen.criterion == "likelihood"
        assert self.at(chosen, 0.6) > self.at(chosen, 0.3) > 0
        # In plain words: 120 m-tickets in 60 days against 120 of 80 days, and 40 in 20 likewise.
        expected = 120 * np.log((120.5 / 60) / (120 / 80)) + 40 * np.log((40.5 / 20) / (40 / 80))
        assert self.at(chosen, 0.6) == pytest.approx(expected)


class TestChoosing:
    @settings(deadline=None, max_examples=400)
    @given(
        windows,
        st.sampled_from(CRITERIA),
        quorums,
        st.sampled_from([0.0, 0.5, 2.0]),
        st.sampled_from([0.0, 0.1, 0.5]),
    )
    def test_what_is_chosen_passes_the_guards(
        self, told: list[Window], criterion: str, quorum: float, least_days: float, share: float
    ) -> None:
        totals = TicketTotals(cluster_size=2, quorum=quorum)
        for window in told:
            totals.add(linkage(1.0 - window.similarity), *window.told)
        guards = ThresholdGuards(least_days=least_days, least_service_share=share)
        chosen = totals.choose(criterion, guards, default=-1.0)
        seconds = totals.table()[:, :, 0]
        passes = (seconds >= least_days * DAY_S).all(axis=1)
        passes &= (seconds[:, 1] >= share * seconds[0, 1]) & (seconds > 0).all(axis=1)
        np.testing.assert_array_equal(~np.isnan(chosen.values) <= passes, True)
        if chosen.criterion == "default":
            assert chosen.similarity == -1.0
        else:
            place = totals.thresholds.tolist().index(chosen.similarity)
            assert passes[place]
            assert not np.isnan(chosen.values[place])

    def test_a_mean_that_no_guard_lets_pass_gives_way_to_the_nearest_that_does(self) -> None:
        # a and b are maintenance until c, d and e, who are healthy, outvote them at 0.7; f and g
        # are from 0.3 on. Between the two spans nobody is, so no threshold may lie there, though
        # the mean of all that are likely does.
        similarity = np.zeros((8, 8))
        similarity[:5, :5] = 0.7
        similarity[:2, :2] = 0.9
        similarity[5:7, 5:7] = 0.3
        np.fill_diagonal(similarity, 1.0)
        totals = TicketTotals(cluster_size=1, quorum=0.5)
        is_anomalous = np.array([1, 1, 0, 0, 0, 1, 1, 1]) > 0
        calls = np.array([1.0, 0, 0, 0, 0, 1, 0, 0])
        totals.add(linkage(1.0 - similarity), is_anomalous, np.full(8, DAY_S), calls, calls * 0)
        guards = ThresholdGuards(least_days=0.5, least_service_share=0.0, reluctance=0.0)
        chosen = totals.choose("likelihood", guards, default=-1.0)
        is_allowed = ~np.isnan(chosen.values)
        assert chosen.thresholds[is_allowed].max() == 0.9
        assert not is_allowed[(chosen.thresholds < 0.7) & (chosen.thresholds > 0.3)].any()
        weights = np.where(is_allowed, np.exp(chosen.values), 0.0)
        mean = np.nansum(weights * chosen.thresholds) / np.nansum(weights)
        assert 0.3 < mean < 0.7
        assert chosen.similarity in (0.3, 0.705)

    @settings(deadline=None, max_examples=50)
    @given(windows, st.sampled_from(CRITERIA))
    def test_it_is_written_down_and_read_back(self, told: list[Window], criterion: str) -> None:
        totals = TicketTotals(cluster_size=2, quorum=0.0)
        for window in told:
            totals.add(linkage(1.0 - window.similarity), *window.told)
        chosen = totals.choose(criterion, ThresholdGuards(least_days=0.1), default=0.6)
        again = GuidedThreshold.from_dict(chosen.to_dict())
        assert (again.similarity, again.criterion) == (chosen.similarity, chosen.criterion)
        np.testing.assert_array_equal(again.values, chosen.values)
        np.testing.assert_array_equal(again.thresholds, chosen.thresholds)
        np.testing.assert_equal(again.trr, chosen.trr)
