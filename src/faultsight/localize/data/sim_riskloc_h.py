"""Fresh cases by RiskLoc's recipe H."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._simulated import SimulatedDataset
from faultsight.sim.case import SimulatedCase
from faultsight.sim.riskloc_cube import RISKLOC_H, riskloc_case


class SimRiskLocH(SimulatedDataset):
    """Fresh cases by RiskLoc's recipe H."""

    name: ClassVar[str] = "sim_riskloc_H"
    description: ClassVar[str] = "24 million leaves of 6 attributes, roots in any layer"

    def _simulate(self, index: int) -> SimulatedCase:
        return riskloc_case(RISKLOC_H, index, seed=self.seed)
