"""DBSCAN in place of average linkage."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.core.errors import SettingError
from faultsight.core.polls import NodePolls, PollTable
from faultsight.diagnose.checks import small_plant
from faultsight.diagnose.peers._paper_choice import PaperChoiceConfig
from faultsight.diagnose.peers.dbscan import DBSCAN
from faultsight.diagnose.telapart import FEATURES, TelApart, TelApartConfig


def with_fault(n_members: int) -> NodePolls:
    """Return a node of which so many modems lose SNR and get it back, twice a day."""
    plant = small_plant()
    polls = plant.nodes[1]
    values = {metric: column.copy() for metric, column in polls.values.items()}
    acts = (polls.time_s - plant.start_s) % 43_200 < 21_600
    acts &= (polls.device_of_poll < n_members) & (polls.time_s >= plant.days(10, 12).start_s)
    values["snr_db"][acts] -= np.float32(20.0)
    return NodePolls(
        polls.fnode, polls.device_ids, polls.channels, polls.device_start, polls.time_s, values
    )


def test_it_is_telapart_with_one_choice_replaced() -> None:
    plant = small_plant()
    peer, telapart = DBSCAN(), TelApart(TelApartConfig.paper(clustering="dbscan"))
    assert peer.config == PaperChoiceConfig(cluster_size=5, features=FEATURES)
    assert (peer.metrics, peer.history_s) == (telapart.metrics, telapart.history_s)
    said = [
        model.fit(plant.telemetry, plant.tickets, workers=1).diagnose(plant.telemetry, workers=1)
        for model in (peer, telapart)
    ]
    for one, other in zip(said[0].nodes, said[1].nodes, strict=True):
        assert one.verdict.tobytes() == other.verdict.tobytes()
        assert [g.members.tolist() for g in one.groups] == [
            g.members.tolist() for g in other.groups
        ]
    assert {f: t.similarity for f, t in peer.telapart.similarity.items()} == {
        f: t.similarity for f, t in telapart.similarity.items()
    }


@pytest.mark.parametrize(("n_members", "of_one"), [(4, True), (8, False)])
def test_fewer_than_five_alike_are_noise_and_stand_alone(n_members: int, of_one: bool) -> None:
    plant = small_plant()
    config = PaperChoiceConfig(features=("snr",))
    peer = DBSCAN(config).fit(plant.telemetry, plant.tickets, workers=1)
    telemetry = PollTable([with_fault(n_members)])
    (said,) = peer.diagnose(telemetry, window=plant.days(11, 12), workers=1).nodes
    sizes = [len(g.members) for g in said.groups if (g.members < n_members).any()]
    assert (max(sizes) == 1) == of_one
    average = TelApart(TelApartConfig.paper(features=("snr",)))
    average.fit(plant.telemetry, plant.tickets, workers=1)
    (other,) = average.diagnose(telemetry, window=plant.days(11, 12), workers=1).nodes
    assert max(len(g.members) for g in other.groups if (g.members < n_members).any()) > 1


def test_settings() -> None:
    assert DBSCAN(PaperChoiceConfig(cluster_size=3)).telapart.config.cluster_size == 3
    with pytest.raises(SettingError, match="must be positive"):
        PaperChoiceConfig(cluster_size=0)
    with pytest.raises(SettingError, match="features are of"):
        PaperChoiceConfig(features=("colour",))
