"""Real cellular KPIs, hourly, without labels."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._folder import FleetFolder


class CELLPAD(FleetFolder):
    """Real cellular KPIs, hourly, without labels."""

    name: ClassVar[str] = "CELLPAD"
    description: ClassVar[str] = "Real cellular KPIs, hourly, without labels"
    source: ClassVar[Source] = Source(
        url="https://github.com/littlew/CellPAD",
        licence="none stated: never shipped",
        obtain="convert data/*.csv of the repository to detect/CELLPAD/<part>/train.parquet",
    )
    interval_s: ClassVar[int] = 3600
    not_benchmarked: ClassVar[str] = "it has no labels"
    no_feedback: ClassVar[str] = "it has no labels"
