"""Fresh cases of a CDN by RAPMD's recipe as far as it is known."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._simulated import SimulatedDataset
from faultsight.sim.case import SimulatedCase
from faultsight.sim.cdn_cube import cdn_case


class SimRapmd(SimulatedDataset):
    """Fresh cases of a CDN by RAPMD's recipe as far as it is known."""

    name: ClassVar[str] = "sim_rapmd"
    description: ClassVar[str] = (
        "10,560 leaves: location, access, os, site; 1 to 3 roots in layers 1 to 3"
    )

    def _simulate(self, index: int) -> SimulatedCase:
        return cdn_case(index, seed=self.seed)
