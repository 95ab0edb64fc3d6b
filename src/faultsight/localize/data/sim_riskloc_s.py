"""Fresh cases by RiskLoc's recipe S."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._simulated import SimulatedDataset
from faultsight.sim.case import SimulatedCase
from faultsight.sim.riskloc_cube import RISKLOC_S, riskloc_case


class SimRiskLocS(SimulatedDataset):
    """Fresh cases by RiskLoc's recipe S."""

    name: ClassVar[str] = "sim_riskloc_S"
    description: ClassVar[str] = "48,000 leaves of 5 attributes, roots in any layer"

    def _simulate(self, index: int) -> SimulatedCase:
        return riskloc_case(RISKLOC_S, index, seed=self.seed)
