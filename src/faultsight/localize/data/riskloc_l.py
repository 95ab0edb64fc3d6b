"""RiskLoc's synthetic set L."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._contract import Source
from faultsight.localize.data._injection_folder import InjectionFolder


class RiskLocL(InjectionFolder):
    """RiskLoc's synthetic set L."""

    name: ClassVar[str] = "riskloc_L"
    description: ClassVar[str] = (
        "36,000 leaves of 4 attributes; 1 to 5 roots, each a single leaf, forecast noise up to 10 %"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/shaido987/riskloc",
        licence=("MIT (the generator)"),
        obtain=(
            "run generate_dataset.py of github.com/shaido987/riskloc with its settings of L and "
            "put the result into localize/riskloc_L; or use the simulated sim_riskloc_L"
        ),
    )
