"""TelApart from polls and tickets to verdicts, on small plants with known faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import PollTable
from faultsight.diagnose.contract import DAY_S, NodeDiagnosis, Verdict
from faultsight.diagnose.telapart import FEATURES, TelApart, TelApartConfig

HEALTHY, INSUFFICIENT, SERVICE, MAINTENANCE = Verdict
Plant = Any
Make = Callable[..., Any]


def last_day(model: TelApart, node: Any) -> NodeDiagnosis:
    """Return what a model says of a fiber node at the end of its last day."""
    midnight_s = -(-int(node.polls.time_s.max()) // DAY_S) * DAY_S
    window = TimeWindow(midnight_s - model.look_back_s, midnight_s)
    (found,) = model.diagnose(PollTable([node.polls]), window=window, workers=1).nodes
    return found


def of_members(found: NodeDiagnosis, feature: str, members: Any) -> list[Any]:
    """Return the groups of a feature that hold one of some modems."""
    return [
        group for group in found.groups
        if group.feature == feature and np.isin(group.members, members).any()
    ]  # fmt: skip


class TestDefault:
    def test_a_subtree_is_maintenance_and_a_single_drop_service(
        self, default: TelApart, quiet_plant: Plant, planted: Make
    ) -> None:
        subtree, single = quiet_plant.subtree, int(quiet_plant.elsewhere[3])
        node = quiet_plant.node(
            planted(subtree, loss_db=3.5, on_h=16, off_h=5),
            planted([single], loss_db=6.0, since_h=30, on_h=5, off_h=3),
        )
        found = last_day(default, node)
        assert (found.verdict[subtree] == MAINTENANCE).all()
        assert found.verdict[single] == SERVICE
        others = np.setdiff1d(quiet_plant.elsewhere, [single])
        assert np.mean(found.verdict[others] == HEALTHY) >= 0.97
        (group,) = of_members(found, "tx_power", subtree)
        assert set(group.members) == set(subtree)
        assert group.verdict == MAINTENANCE
        assert len(subtree) / 2 < group.n_anomalous <= len(subtree)
        assert group.channel in node.polls.channels
        assert 2.5 <= group.deviation <= 4.0
        assert group.similarity > 0.7
        (alone,) = of_members(found, "tx_power", [single])
        assert (alone.verdict, alone.members.tolist()) == (SERVICE, [single])
        assert 3.0 <= alone.deviation <= 6.5

    def test_milder_members_are_no_alarm_of_their_own_and_no_anomalous_modem_is_healthy(
        self, default: TelApart, quiet_plant: Plant, planted: Make
    ) -> None:
        subtree = quiet_plant.subtree
        node = quiet_plant.node(planted(subtree, loss_db=3.5, on_h=16, off_h=5))
        found = last_day(default, node)
        for anomalous in found.anomalies.values():
            assert (found.verdict[anomalous] >= SERVICE).all()
        windows = {f.feature: f for f in default.feature_windows(node.polls, found.window)}
        told = windows["tx_power"]
        assert told.is_anomalous[told.candidates].all()
        assert not told.is_anomalous[told.milder].any()
        assert told.milder_similarity.shape == (len(told.milder), len(told.candidates))
        (group,) = of_members(found, "tx_power", subtree)
        joined = np.intersect1d(told.milder, group.members)
        assert len(joined) > 0
        assert group.n_anomalous == len(group.members) - len(joined)
        # Alone, who joins is not even a service fault.
        off = TelApart(replace(default.config, milder_share=1.0))
        off.scores, off.similarity, off.rhythms = default.scores, default.similarity, {}
        off.is_fitted = True
        without = last_day(off, node)
        (smaller,) = of_members(without, "tx_power", subtree)
        assert smaller.members.tolist() == np.setdiff1d(group.members, joined).tolist()

    def test_a_lasting_step_that_correlation_cannot_see(
        self, default: TelApart, paper: TelApart, quiet_plant: Plant, planted: Make
    ) -> None:
        subtree = quiet_plant.subtree
        node = quiet_plant.node(planted(subtree, loss_db=5.0, since_h=96))
        found = last_day(default, node)
        assert (found.verdict[subtree] == MAINTENANCE).all()
        (group,) = of_members(found, "tx_power", subtree)
        assert set(group.members) == set(subtree)
        missed = last_day(paper, node)
        assert not (missed.verdict[subtree] == MAINTENANCE).any()
        assert np.mean(missed.verdict[subtree] == HEALTHY) > 0.8

    def test_an_outage_of_a_part(
        self, default: TelApart, quiet_plant: Plant, planted: Make
    ) -> None:
        subtree, single = quiet_plant.subtree, int(quiet_plant.elsewhere[5])
        node = quiet_plant.node(
            planted(subtree, poll_loss=1.0, since_h=14, on_h=14),
            planted([single], poll_loss=1.0, since_h=30, on_h=30),
        )
        found = last_day(default, node)
        assert (found.verdict[subtree] == MAINTENANCE).all()
        assert found.verdict[single] == SERVICE
        assert (found.verdict == HEALTHY).sum() >= 40
        (group,) = of_members(found, "missing", subtree)
        assert set(subtree) <= set(group.members)
        assert single not in group.members
        assert group.channel == ""
        assert group.deviation >= 2  # polls missed

    def test_an_outage_of_the_whole_node_is_none_of_the_poller(
        self, default: TelApart, quiet_plant: Plant, planted: Make
    ) -> None:
        everybody = np.arange(quiet_plant.tree.n_devices)
        dark = quiet_plant.node(planted(everybody, poll_loss=1.0, since_h=12, on_h=12))
        assert (last_day(default, dark).verdict == MAINTENANCE).all()
        # One round that nobody answers is the poller's.
        once = quiet_plant.node(planted(everybody, poll_loss=1.0, since_h=8, on_h=4, off_h=8))
        assert np.mean(last_day(default, once).verdict == HEALTHY) >= 0.95

    def test_nothing_happens(self, default: TelApart, quiet_plant: Plant) -> None:
        found = last_day(default, quiet_plant.node())
        assert np.mean(found.verdict == HEALTHY) >= 0.97
        assert found.count(MAINTENANCE) == 0
        assert set(found.anomalies) == set(FEATURES)

    def test_a_window_that_does_not_end_with_the_telemetry(
        self, default: TelApart, quiet_plant: Plant, planted: Make
    ) -> None:
        subtree = quiet_plant.subtree
        node = quiet_plant.node(planted(subtree, loss_db=5.0, since_h=72, on_h=24, off_h=200))
        telemetry = PollTable([node.polls])
        end_s = quiet_plant.config.end_s
        span = TimeWindow(end_s - 5 * DAY_S, end_s)
        days = default.diagnose(telemetry, window=span, workers=1).nodes
        struck = [int((day.verdict[subtree] == MAINTENANCE).sum()) for day in days]
        assert struck == [0, 0, len(subtree), 0, 0]


class TestPaper:
    def test_a_subtree_that_moves_together_is_maintenance(
        self, paper: TelApart, quiet_plant: Plant, planted: Make
    ) -> None:
        subtree, single = quiet_plant.subtree, int(quiet_plant.elsewhere[3])
        node = quiet_plant.node(
            planted(subtree, snr_db=9.0, on_h=8, off_h=7),
            planted([single], loss_db=7.0, snr_db=8.0, since_h=30, on_h=5, off_h=3),
        )
        found = last_day(paper, node)
        assert np.mean(found.verdict[subtree] == MAINTENANCE) > 0.8
        assert found.verdict[single] == SERVICE
        assert (found.verdict[quiet_plant.elsewhere] == MAINTENANCE).sum() == 0
        # Evidence of the paper knows no usual level.
        group = found.groups[0]
        assert (group.feature, group.channel) == ("snr", "")
        assert np.isnan(group.deviation)

    def test_its_thresholds_come_from_tickets(self, paper: TelApart) -> None:
        assert paper.cablemon is not None
        assert {feature.metric for feature in paper.cablemon.selected} >= {"snr_db"}
        assert set(paper.scores) == {"missing"}
        assert set(paper.similarity) == set(FEATURES)
        assert {paper.similarity[f].criterion for f in ("snr", "tx_power")} == {"trr"}

    @pytest.mark.parametrize(
        "changes",
        [
            {"center_channels": True},
            {"is_resampled": True},
            {"features": ("snr",)},
            {"features": ("missing",)},
            {"clustering": "dbscan"},
            {"look_back_s": 2 * DAY_S},
        ],
    )
    def test_other_choices(
        self, training: Any, quiet_plant: Plant, planted: Make, changes: dict[str, Any]
    ) -> None:
        model = TelApart(TelApartConfig.paper(**changes))
        model.fit(training.telemetry, training.tickets, workers=1)
        subtree = quiet_plant.subtree
        node = quiet_plant.node(planted(subtree, snr_db=9.0, on_h=8, off_h=7))
        found = last_day(model, node)
        is_maintenance = found.verdict[subtree] == MAINTENANCE
        if model.config.features == ("missing",):
            assert model.cablemon is None
            assert not is_maintenance.any()
        else:
            assert is_maintenance.mean() > 0.5
            assert (found.verdict[quiet_plant.elsewhere] != MAINTENANCE).all()


class TestFitting:
    def test_what_is_learned(self, default: TelApart, training: Any) -> None:
        assert set(default.scores) == set(default.similarity) == set(FEATURES)
        assert default.cablemon is None
        for feature in ("snr", "tx_power"):
            assert default.scores[feature].criterion == "likelihood"
            assert 2.0 <= default.scores[feature].value < 5.0
            assert default.scores[feature].trr > 5
            assert 0.1 < default.similarity[feature].similarity < 0.95
        assert sorted(default.rhythms) == training.telemetry.fnodes
        for rhythm in default.rhythms.values():
            assert rhythm.interval_s == 14_400
            assert 1.1 < rhythm.threshold_s / rhythm.interval_s < 1.7
            assert rhythm.accuracy > 0.99

    def test_progress_is_told(self, training: Any) -> None:
        told: list[str] = []
        model = TelApart().fit(
            training.telemetry, training.tickets, workers=1, progress=told.append
        )
        model.diagnose(training.telemetry, workers=1, progress=told.append)
        assert "learned the usual levels of FN000" in told
        assert any(line.startswith("snr: anomalous from ") for line in told)
        assert told[-1] == "diagnosed FN003"

    def test_without_a_ticket_the_defaults_are_taken(self, training: Any) -> None:
        nobody = training.tickets.take(np.zeros(len(training.tickets), np.bool_))
        model = TelApart().fit(training.telemetry, nobody, workers=1)
        assert {t.criterion for t in model.scores.values()} == {"default"}
        assert {t.criterion for t in model.similarity.values()} == {"default"}
        assert [model.scores[f].value for f in FEATURES] == [2.0, 2.0, 3.0]

    def test_only_the_training_span_counts(self, training: Any) -> None:
        first = training.telemetry.window
        span = TimeWindow(first.start_s, first.start_s + 14 * DAY_S)
        cut = PollTable(training.telemetry.nodes(span))
        models = [
            TelApart().fit(telemetry, training.tickets, window=span, workers=1)
            for telemetry in (training.telemetry, cut)
        ]
        assert models[0].to_dict() == models[1].to_dict()

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ({"evidence": "guess"}, "evidence is deviation or paper"),
            ({"criterion": "f1"}, "criterion is one of likelihood, trr"),
            ({"clustering": "ward"}, "clustering is one of average, single"),
            ({"features": ()}, "features are of snr, tx_power, missing"),
            ({"features": ("rx_power",)}, "features are of snr, tx_power, missing"),
            ({"quorum": 1.5}, "quorum lies in"),
            ({"cluster_size": 0}, "must be positive"),
            ({"look_back_s": 1}, "look_back_s is at least 3600 seconds, not 1"),
            ({"interval_s": 0.0}, "interval_s is at least a second"),
            ({"usual_quantile": 1.01}, "usual_quantile lies in"),
            ({"least_history": 0}, "least_history must be positive"),
            ({"history_s": -1}, "history_s must be positive"),
            ({"noise_db": float("nan")}, "noise_db must be at least 0"),
            ({"shrunk_by": -1.0}, "shrunk_by must be at least 0"),
        ],
    )
    def test_settings_that_cannot_be(self, change: dict[str, Any], problem: str) -> None:
        with pytest.raises(SettingError, match=problem):
            TelApartConfig(**change)
        with pytest.raises(SettingError, match=problem):
            TelApartConfig.paper(**change)
