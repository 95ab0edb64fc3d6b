"""Services of a content platform, 19 KPIs, five minutes."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._folder import FleetFolder


class JS2(FleetFolder):
    """Services of a content platform, 19 KPIs, five minutes."""

    name: ClassVar[str] = "JS2"
    description: ClassVar[str] = "Services of a content platform, 19 KPIs, five minutes"
    source: ClassVar[Source] = Source(
        url="https://github.com/NetManAIOps/JumpStarter",
        licence="MIT",
        obtain="convert dataset/Dataset2 of the repository to detect/JS2/<service>/*.parquet",
    )
    interval_s: ClassVar[int] = 300
