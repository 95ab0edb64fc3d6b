"""Application servers of an Internet company, 19 KPIs, five minutes."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._folder import FleetFolder


class ASD(FleetFolder):
    """Application servers of an Internet company, 19 KPIs, five minutes."""

    name: ClassVar[str] = "ASD"
    description: ClassVar[str] = "Application servers of an Internet company, 19 KPIs, five minutes"
    source: ClassVar[Source] = Source(
        url="https://github.com/zhhlee/InterFusion",
        licence="MIT",
        obtain="convert the repository's data/processed/omi-*.pkl to detect/ASD/<entity>/*.parquet",
    )
    interval_s: ClassVar[int] = 300
