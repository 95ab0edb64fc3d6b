"""Single in place of average linkage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from faultsight.diagnose.checks import small_plant
from faultsight.diagnose.contract import Diagnosis
from faultsight.diagnose.peers.complete_linkage import CompleteLinkage
from faultsight.diagnose.peers.single_linkage import SingleLinkage
from faultsight.diagnose.telapart import TelApart, TelApartConfig


def groups_at(peer: SingleLinkage | CompleteLinkage, similarity: float) -> Diagnosis:
    """Return what a peer says on days 3 to 6 when modems so alike are one group."""
    plant = small_plant()
    peer.fit(plant.telemetry, plant.tickets, workers=1)
    peer.telapart.similarity = {
        feature: replace(chosen, similarity=similarity)
        for feature, chosen in peer.telapart.similarity.items()
    }
    return peer.diagnose(plant.telemetry, window=plant.days(3, 6), workers=1)


def test_it_is_telapart_with_one_choice_replaced() -> None:
    plant = small_plant()
    peer, telapart = SingleLinkage(), TelApart(TelApartConfig.paper(clustering="single"))
    said = [
        model.fit(plant.telemetry, plant.tickets, workers=1).diagnose(plant.telemetry, workers=1)
        for model in (peer, telapart)
    ]
    for one, other in zip(said[0].nodes, said[1].nodes, strict=True):
        assert one.verdict.tobytes() == other.verdict.tobytes()
        assert [g.members.tolist() for g in one.groups] == [
            g.members.tolist() for g in other.groups
        ]


@pytest.mark.parametrize("similarity", [0.5, 0.8, 0.95])
def test_chains_hold_the_groups_of_complete_linkage(similarity: float) -> None:
    chains, cliques = (groups_at(p, similarity) for p in (SingleLinkage(), CompleteLinkage()))
    n_larger = 0
    for wide, narrow in zip(chains.nodes, cliques.nodes, strict=True):
        for group in narrow.groups:
            (around,) = (
                other for other in wide.groups
                if other.feature == group.feature and group.members[0] in other.members
            )  # fmt: skip
            assert set(group.members) <= set(around.members)
            n_larger += len(around.members) > len(group.members)
        assert (wide.verdict >= narrow.verdict)[np.isin(narrow.verdict, (2, 3))].all()
    assert n_larger > 0
