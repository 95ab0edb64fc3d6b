"""Resampling in place of alignment."""

from __future__ import annotations

from functools import partial

import numpy as np

from faultsight.core.polls import NodePolls, PollTable
from faultsight.core.seed import random_stream
from faultsight.diagnose.checks import check_names_change_nothing, small_plant
from faultsight.diagnose.contract import Verdict
from faultsight.diagnose.peers._paper_choice import PaperChoiceConfig
from faultsight.diagnose.peers.resampling import Resampling
from faultsight.diagnose.telapart import TelApart, TelApartConfig


def test_it_is_telapart_with_one_choice_replaced() -> None:
    plant = small_plant()
    peer, telapart = Resampling(), TelApart(TelApartConfig.paper(is_resampled=True))
    said = [
        model.fit(plant.telemetry, plant.tickets, workers=1).diagnose(plant.telemetry, workers=1)
        for model in (peer, telapart)
    ]
    for one, other in zip(said[0].nodes, said[1].nodes, strict=True):
        assert one.verdict.tobytes() == other.verdict.tobytes()
        assert [g.members.tolist() for g in one.groups] == [
            g.members.tolist() for g in other.groups
        ]


def test_polls_on_the_grid_need_no_resampling() -> None:
    # All modems are asked at one moment, and none is lost: interpolation changes next to nothing.
    plant = small_plant()
    stream = random_stream(0, "on the grid")
    n_modems, n_rounds = 30, 72
    time_s = plant.start_s + 7200.0 + np.arange(n_rounds) * 14_400.0
    snr_db = stream.normal(36, 0.4, (n_modems, n_rounds, 2)).astype(np.float32)
    snr_db[:8, -8:-2:2] -= 12.0
    polls = NodePolls(
        "FN000", plant.nodes[0].device_ids, ("1", "2"), np.arange(n_modems + 1) * n_rounds,
        np.tile(time_s, n_modems), {"snr_db": snr_db.reshape(-1, 2)},
    )  # fmt: skip
    telemetry, verdicts = PollTable([polls, plant.nodes[1]]), []
    for is_resampled in (True, False):
        config = TelApartConfig.paper(features=("snr",), is_resampled=is_resampled)
        model = TelApart(config).fit(telemetry, plant.tickets, workers=1)
        window = plant.days(11, 12)
        (said,) = model.diagnose(telemetry, window=window, fnodes=["FN000"], workers=1).nodes
        verdicts.append(said.verdict.tolist())
    assert verdicts[0] == verdicts[1]
    assert verdicts[0][:8].count(Verdict.MAINTENANCE) >= 6
    assert Verdict.MAINTENANCE not in verdicts[0][8:]


def test_without_misses_no_merge_is_tied_and_names_change_nothing() -> None:
    check_names_change_nothing(partial(Resampling, PaperChoiceConfig(features=("snr", "tx_power"))))
