"""A fault that never moves is found days later, where correlation within the day sees nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import PollTable
from faultsight.diagnose.contract import DAY_S, Verdict
from faultsight.diagnose.telapart import TelApart
from faultsight.sim.cable_plant import CablePlantConfig, SimulatedNode, simulate_node

_INDEX, _SEED = 38, 1070
"""A fiber node with one fault, which begins five days before the last one ends."""

_STEPS = CablePlantConfig.quiet(
    days=14, modems=(60, 60), n_amplifiers=10, fault_modems=(8, 20), tx_power_dbmv=(41.0, 1.5),
    maintenance_rate=1.0, maintenance_mix={"attenuation": 1.0}, maintenance_median_h=2000.0,
    attenuation_db=(5.0, 6.0), mean_dwell_h=5.0, temperature_driven_share=0.0,
    televisions_per_day=0.0, steady_share=1.0,
)  # fmt: skip
_LAST_DAY = TimeWindow(_STEPS.end_s - DAY_S, _STEPS.end_s)


@pytest.fixture(scope="module")
def step() -> SimulatedNode:
    return simulate_node(_STEPS, _INDEX, seed=_SEED)


@pytest.fixture(scope="module")
def comes_and_goes() -> SimulatedNode:
    return simulate_node(replace(_STEPS, steady_share=0.0), _INDEX, seed=_SEED)


def _last_verdicts(
    model: TelApart, node: SimulatedNode
) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Return the verdicts of the modems that the fault hits, and of the others."""
    (found,) = model.diagnose(PollTable([node.polls]), window=_LAST_DAY, workers=1).nodes
    is_hit = np.isin(found.device_ids, node.affected["device_id"].to_list())
    return found.verdict[is_hit], found.verdict[~is_hit]


def test_the_two_nodes_differ_in_the_course_of_their_fault_only(
    step: SimulatedNode, comes_and_goes: SimulatedNode
) -> None:
    assert step.faults["pattern"].to_list() == ["steady"]
    assert comes_and_goes.faults["pattern"].to_list() == ["telegraph"]
    assert step.faults.drop("pattern").equals(comes_and_goes.faults.drop("pattern"))
    (began,) = step.faults["start"].dt.epoch("s")
    assert began + 4 * DAY_S < _LAST_DAY.start_s


def test_the_default_finds_both(
    default: TelApart, step: SimulatedNode, comes_and_goes: SimulatedNode
) -> None:
    for node in (step, comes_and_goes):
        hit, others = _last_verdicts(default, node)
        assert len(hit) >= 8
        assert (hit == Verdict.MAINTENANCE).mean() > 0.9
        assert (others == Verdict.HEALTHY).mean() > 0.9


def test_the_paper_finds_what_comes_and_goes_and_not_the_step(
    paper: TelApart, step: SimulatedNode, comes_and_goes: SimulatedNode
) -> None:
    assert not (_last_verdicts(paper, step)[0] == Verdict.MAINTENANCE).any()
    assert (_last_verdicts(paper, comes_and_goes)[0] == Verdict.MAINTENANCE).mean() > 0.5
