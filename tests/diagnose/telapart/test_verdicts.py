"""From similarities and anomalies to clusters, groups and verdicts, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.diagnose.contract import Group, Verdict
from faultsight.diagnose.preprocessing.missing_points import Slots
from faultsight.diagnose.telapart import TelApartConfig
from faultsight.diagnose.telapart.feature_window import FeatureWindow, per_device, slots_of
from faultsight.diagnose.telapart.prepared_node import NodeRhythm, PreparedNode
from faultsight.diagnose.telapart.verdicts import cluster, groups_of, verdicts_of

HEALTHY, INSUFFICIENT, SERVICE, MAINTENANCE = Verdict
N = 12


def blocks(*sizes: int, inside: float = 0.9) -> NDArray[np.float64]:
    """Return modems that are alike in blocks, and not at all otherwise."""
    similarity = np.zeros((sum(sizes), sum(sizes)))
    start = 0
    for size in sizes:
        similarity[start : start + size, start : start + size] = inside
        start += size
    np.fill_diagonal(similarity, 1.0)
    return similarity


def feature(
    similarity: NDArray[np.float64],
    anomalous: list[int],
    *,
    candidates: list[int] | None = None,
    name: str = "snr",
) -> FeatureWindow:
    is_anomalous = np.zeros(N, np.bool_)
    is_anomalous[anomalous] = True
    mine = np.array(candidates if candidates is not None else range(len(similarity)), np.int64)
    return FeatureWindow(
        name, mine, is_anomalous, similarity, np.arange(N) % 2, np.arange(N, dtype=np.float64)
    )


class TestGroups:
    @pytest.mark.parametrize(("size", "verdict"), [(5, SERVICE), (6, MAINTENANCE)])
    def test_size_tells_whose_job_it_is(self, size: int, verdict: Verdict) -> None:
        config = TelApartConfig(quorum=0.0)
        (group,) = groups_of(feature(blocks(size, 4), [2]), 0.8, config, ("1", "2"))
        assert (group.verdict, group.members.tolist()) == (verdict, list(range(size)))
        assert (group.feature, group.n_anomalous) == ("snr", 1)
        assert group.similarity == pytest.approx(0.9)

    @pytest.mark.parametrize(
        ("quorum", "n_anomalous", "n_groups"),
        [(0.0, 0, 0), (0.0, 1, 1), (0.5, 2, 0), (0.5, 3, 1), (1.0, 5, 0), (1.0, 6, 1)],
    )
    def test_a_quorum_of_its_modems_must_be_anomalous(
        self, quorum: float, n_anomalous: int, n_groups: int
    ) -> None:
        config = TelApartConfig(quorum=quorum)
        found = groups_of(feature(blocks(6), list(range(n_anomalous))), 0.8, config, ("1", "2"))
        assert len(found) == n_groups

    def test_clusters_end_where_similarity_falls_below_the_threshold(self) -> None:
        similarity, config = blocks(6, 4, inside=0.7), TelApartConfig(quorum=0.0)
        for threshold, n_groups in ((0.7, 2), (0.71, 10)):
            found = groups_of(feature(similarity, list(range(10))), threshold, config, ("1", "2"))
            assert len(found) == n_groups
        (whole,) = groups_of(feature(similarity, [0]), 0.0, config, ("1", "2"))
        assert len(whole.members) == 10

    def test_members_are_places_among_all_modems_and_the_larger_group_is_first(self) -> None:
        told = feature(blocks(2, 3), [4, 7], candidates=[1, 4, 5, 7, 9])
        found = groups_of(told, 0.8, TelApartConfig(quorum=0.0), ("1", "2"))
        assert [group.members.tolist() for group in found] == [[5, 7, 9], [1, 4]]

    def test_the_channel_that_most_members_name_and_the_median_deviation(self) -> None:
        told = feature(blocks(3), [1], candidates=[1, 2, 3])
        (group,) = groups_of(told, 0.8, TelApartConfig(quorum=0.0), ("1", "2"))
        assert (group.channel, group.deviation) == ("2", 2.0)

    def test_one_modem_is_like_itself(self) -> None:
        (group,) = groups_of(feature(blocks(1), [0]), 0.8, TelApartConfig(), ("1", "2"))
        assert (group.similarity, group.verdict) == (1.0, SERVICE)

    def milder(self, size: int, *similarity: float) -> FeatureWindow:
        """Return two groups, each alike at 0.9, and milder modems so alike to all of them."""
        told = feature(blocks(size, 2), list(range(size + 2)))
        n_milder = len(similarity)
        return replace(
            told,
            milder=np.arange(size + 2, size + 2 + n_milder),
            milder_similarity=np.repeat(np.array(similarity)[:, None], size + 2, axis=1),
        )

    def test_a_milder_modem_joins_a_large_cluster_that_it_is_like(self) -> None:
        found = groups_of(self.milder(6, 0.8, 0.79), 0.8, TelApartConfig(), ("1", "2"))
        assert [group.members.tolist() for group in found] == [[0, 1, 2, 3, 4, 5, 8], [6, 7]]
        assert [(group.verdict, group.n_anomalous) for group in found] == [
            (MAINTENANCE, 6), (SERVICE, 2),
        ]  # fmt: skip
        assert found[0].similarity == pytest.approx(0.9)  # of those that were clustered

    def test_milder_modems_make_no_cluster_large(self) -> None:
        found = groups_of(self.milder(5, 1.0, 1.0, 1.0), 0.8, TelApartConfig(), ("1", "2"))
        assert [group.members.tolist() for group in found] == [[0, 1, 2, 3, 4], [5, 6]]
        assert {group.verdict for group in found} == {SERVICE}

    def test_of_two_large_clusters_a_milder_modem_joins_the_one_it_is_more_like(self) -> None:
        told = replace(
            feature(blocks(3, 3), list(range(6))),
            milder=np.array([7]),
            milder_similarity=np.array([[0.8, 0.8, 0.8, 0.9, 0.8, 0.9]]),
        )
        found = groups_of(told, 0.8, TelApartConfig(cluster_size=2), ("1", "2"))
        assert [group.members.tolist() for group in found] == [[3, 4, 5, 7], [0, 1, 2]]

    def test_nobody_to_group(self) -> None:
        told = feature(np.zeros((0, 0)), [])
        assert groups_of(told, 0.8, TelApartConfig(), ()) == []
        assert cluster(np.zeros((0, 0)), 0.8, "dbscan").tolist() == []


class TestVerdicts:
    def judge(self, *groups: Group, answered: list[int] | None = None) -> Any:
        polls = NodePolls("F", tuple("abcdefghijkl"), (), np.zeros(N + 1, np.int64), np.zeros(0))
        return verdicts_of(
            PreparedNode(polls, NodeRhythm(1.0, 1.5, 0.0, 1.0)),
            TimeWindow(0, 9),
            [feature(blocks(2), [0])],
            groups,
            covered_s=np.zeros(N),
            answered=np.array(answered or [9] * N),
            least_values=2,
        )

    def group(self, verdict: Verdict, *members: int, name: str = "snr") -> Group:
        return Group(name, verdict, np.array(members, np.int64), 1)

    def test_maintenance_goes_before_service_before_nothing(self) -> None:
        found = self.judge(
            self.group(SERVICE, 0, 1), self.group(MAINTENANCE, 1, 2, name="tx_power"),
            self.group(SERVICE, 2, 3, name="missing"),
        )  # fmt: skip
        assert found.verdict[:5].tolist() == [SERVICE, MAINTENANCE, MAINTENANCE, SERVICE, HEALTHY]
        assert [g.feature for g in found.groups] == ["tx_power", "missing", "snr"]
        assert list(found.anomalies) == ["snr"]

    def test_too_few_answers_are_insufficient_unless_there_is_a_sign(self) -> None:
        found = self.judge(self.group(SERVICE, 1), answered=[1, 1, 2, *[9] * 9])
        assert found.verdict[:4].tolist() == [INSUFFICIENT, SERVICE, HEALTHY, HEALTHY]


def test_slots_of_some_modems() -> None:
    slots = Slots(np.array([0, 2, 2, 5, 6]), np.arange(6.0), np.array([0, -1, 2, -1, -1, 5]))
    some = slots_of(slots, np.array([3, 0, 1]))
    assert some.device_start.tolist() == [0, 1, 3, 3]
    assert some.time_s.tolist() == [5.0, 0.0, 1.0]
    assert some.poll.tolist() == [5, 0, -1]
    assert per_device(slots, slots.poll < 0).tolist() == [1, 0, 2, 0]
