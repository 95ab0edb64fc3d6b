"""RiskLoc's synthetic set S."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._contract import Source
from faultsight.localize.data._injection_folder import InjectionFolder


class RiskLocS(InjectionFolder):
    """RiskLoc's synthetic set S."""

    name: ClassVar[str] = "riskloc_S"
    description: ClassVar[str] = (
        "48,000 leaves of 5 attributes; 1 to 3 faults of 1 to 3 roots in any layer, forecast "
        "noise up to 25 %"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/shaido987/riskloc",
        licence=("MIT (the generator)"),
        obtain=(
            "run generate_dataset.py of github.com/shaido987/riskloc with its settings of S and "
            "put the result into localize/riskloc_S; or use the simulated sim_riskloc_S"
        ),
    )
