"""Simulated datasets: cases that are made when they are read."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from faultsight.core.cube import KpiCube
from faultsight.core.errors import InputError
from faultsight.localize.data._contract import CaseDataset, LabelledCase, Source
from faultsight.sim.case import SimulatedCase


class SimulatedDataset(CaseDataset):
    """A dataset whose case ``i`` is made from the seed and ``i``."""

    source: ClassVar[Source] = Source(
        url="", licence="Apache-2.0", obtain="nothing to get: it is simulated"
    )
    kind: ClassVar[Literal["folder", "shipped", "simulated"]] = "simulated"

    @abstractmethod
    def _simulate(self, index: int) -> SimulatedCase:
        """Make one case."""

    def case_names(self) -> list[str]:
        """Return the numbers of the cases."""
        return [str(index) for index in range(self.n_cases)]

    def read(self, name: str) -> LabelledCase:
        """Make one case."""
        if not name.isdecimal():
            raise InputError(f"no case {name!r}: the cases are numbered", source=self.name)
        case = self._simulate(int(name))
        cube = KpiCube.from_frame(case.table, name=f"{self.name}/{name}")
        return LabelledCase(name, cube, case.truth, case.group)
