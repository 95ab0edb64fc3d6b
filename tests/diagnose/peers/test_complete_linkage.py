"""Complete in place of average linkage."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from faultsight.diagnose.checks import check_names_change_nothing, small_plant
from faultsight.diagnose.peers._paper_choice import PaperChoiceConfig
from faultsight.diagnose.peers.complete_linkage import CompleteLinkage
from faultsight.diagnose.telapart import TelApart, TelApartConfig


def test_it_is_telapart_with_one_choice_replaced() -> None:
    plant = small_plant()
    peer, telapart = CompleteLinkage(), TelApart(TelApartConfig.paper(clustering="complete"))
    said = [
        model.fit(plant.telemetry, plant.tickets, workers=1).diagnose(plant.telemetry, workers=1)
        for model in (peer, telapart)
    ]
    for one, other in zip(said[0].nodes, said[1].nodes, strict=True):
        assert one.verdict.tobytes() == other.verdict.tobytes()
        assert [g.members.tolist() for g in one.groups] == [
            g.members.tolist() for g in other.groups
        ]


@pytest.mark.parametrize("similarity", [0.5, 0.8])
def test_no_two_of_a_group_are_less_alike_than_the_threshold(similarity: float) -> None:
    plant = small_plant()
    peer = CompleteLinkage().fit(plant.telemetry, plant.tickets, workers=1)
    peer.telapart.similarity = {
        feature: replace(chosen, similarity=similarity)
        for feature, chosen in peer.telapart.similarity.items()
    }
    said = peer.diagnose(plant.telemetry, window=plant.days(3, 6), workers=1)
    larger = [g for node in said.nodes for g in node.groups if len(g.members) > 1]
    assert len(larger) > 5
    assert min(group.similarity for group in larger) >= similarity - 1e-9


def test_without_misses_no_merge_is_tied_and_names_change_nothing() -> None:
    check_names_change_nothing(
        partial(CompleteLinkage, PaperChoiceConfig(features=("snr", "tx_power")))
    )
