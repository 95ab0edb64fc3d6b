"""Fresh cases by Squeeze's recipe B0 with 6 % noise on the forecast."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._simulated import SimulatedDataset
from faultsight.sim.case import SimulatedCase
from faultsight.sim.squeeze_cube import squeeze_case


class SimSqueezeB0Noise06(SimulatedDataset):
    """Fresh cases by Squeeze's recipe B0 with 6 % noise on the forecast."""

    name: ClassVar[str] = "sim_squeeze_B0_noise06"
    description: ClassVar[str] = (
        "21,600 leaves of 4 attributes, a third of them empty; 1 to 3 roots of one layer"
    )

    def _simulate(self, index: int) -> SimulatedCase:
        return squeeze_case(index, noise=0.06, seed=self.seed)
