"""Server machines of an Internet company, 38 KPIs, one minute."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._folder import FleetFolder


class SMD(FleetFolder):
    """Server machines of an Internet company, 38 KPIs, one minute."""

    name: ClassVar[str] = "SMD"
    description: ClassVar[str] = "Server machines of an Internet company, 38 KPIs, one minute"
    source: ClassVar[Source] = Source(
        url="https://github.com/NetManAIOps/OmniAnomaly",
        licence="MIT",
        obtain="convert ServerMachineDataset of the repository to detect/SMD/<machine>/*.parquet",
    )
    interval_s: ClassVar[int] = 60
