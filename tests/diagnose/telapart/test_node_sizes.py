"""Fiber nodes of one modem and of thousands are diagnosed like any other."""

from __future__ import annotations

import numpy as np
import pytest

from faultsight.bench.peak_memory import PeakMemory
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, PollTable
from faultsight.core.seed import random_stream
from faultsight.diagnose.checks import small_plant
from faultsight.diagnose.contract import DAY_S, Verdict
from faultsight.diagnose.telapart import TelApart

_POLLS_A_DAY = 6
_N_DAYS = 6


@pytest.fixture(scope="module")
def model() -> TelApart:
    plant = small_plant()
    return TelApart().fit(plant.telemetry, plant.tickets, workers=1)


def node_of(n_devices: int, n_hit: int, *, seed: int = 0) -> NodePolls:
    """Return a node in which on the last day the SNR of some modems falls and comes back twice."""
    stream = random_stream(seed, "node of a size")
    n_polls = _N_DAYS * _POLLS_A_DAY
    rounds = np.arange(n_polls) * (DAY_S / _POLLS_A_DAY) + 3600.0
    time_s = rounds + stream.uniform(0.0, 1800.0, (n_devices, n_polls))
    snr_db = 36.0 + stream.normal(0.0, 0.2, (n_devices, n_polls))
    snr_db[:n_hit, [-5, -3, -2]] -= 8.0
    return NodePolls(
        "F", tuple(f"m{i:05d}" for i in range(n_devices)), ("1",),
        np.arange(n_devices + 1) * n_polls, time_s.ravel(),
        {"snr_db": snr_db.astype(np.float32).reshape(-1, 1)},
    )  # fmt: skip


def verdicts_of(model: TelApart, node: NodePolls) -> list[Verdict]:
    window = TimeWindow((_N_DAYS - 1) * DAY_S, _N_DAYS * DAY_S)
    found = model.diagnose(PollTable([node]), window=window, workers=1)
    (day,) = found.nodes
    assert day.device_ids == node.device_ids
    return [Verdict(int(verdict)) for verdict in day.verdict]


@pytest.mark.parametrize("n_hit", [0, 1])
def test_one_modem_alone_is_never_the_plants_fault(model: TelApart, n_hit: int) -> None:
    (verdict,) = verdicts_of(model, node_of(1, n_hit))
    assert verdict == (Verdict.SERVICE if n_hit else Verdict.HEALTHY)


def test_five_thousand_modems_of_which_most_suffer(model: TelApart) -> None:
    """The worst case: as many candidates to be compared in pairs, and one large group."""
    n_devices, n_hit = 5000, 4000
    node = node_of(n_devices, n_hit)
    memory = PeakMemory()
    verdicts = verdicts_of(model, node)
    added_mb = memory.since()["added_mb"]
    assert verdicts[:n_hit].count(Verdict.MAINTENANCE) >= 0.99 * n_hit
    assert verdicts[n_hit:].count(Verdict.HEALTHY) >= 0.99 * (n_devices - n_hit)
    assert added_mb is None or float(str(added_mb)) < 2000.0
