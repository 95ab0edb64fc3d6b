"""Router telemetry with BGP clears, 207 to 331 counters, about five seconds."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._folder import FleetFolder


class CISCO(FleetFolder):
    """Router telemetry with BGP clears, 207 to 331 counters, about five seconds."""

    name: ClassVar[str] = "CISCO"
    description: ClassVar[str] = (
        "Router telemetry with BGP clears, 207 to 331 counters, about five seconds"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/cisco-ie/telemetry",
        licence="CDLA-Permissive-1.0",
        obtain=(
            "convert datasets 2 and 3 (as in anrputina/OutlierDenStream-BigDama18) to "
            "detect/CISCO/<node>/*.parquet"
        ),
    )
    interval_s: ClassVar[int] = 5
    no_feedback: ClassVar[str] = (
        "no node has anomalies both in the first 30 % of its test and later"
    )
