"""Fresh cases by RiskLoc's recipe L."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._simulated import SimulatedDataset
from faultsight.sim.case import SimulatedCase
from faultsight.sim.riskloc_cube import RISKLOC_L, riskloc_case


class SimRiskLocL(SimulatedDataset):
    """Fresh cases by RiskLoc's recipe L."""

    name: ClassVar[str] = "sim_riskloc_L"
    description: ClassVar[str] = "36,000 leaves of 4 attributes, every root a leaf"

    def _simulate(self, index: int) -> SimulatedCase:
        return riskloc_case(RISKLOC_L, index, seed=self.seed)
