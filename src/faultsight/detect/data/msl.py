"""Channels of the Curiosity rover, one value and 54 command flags each."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._folder import FleetFolder


class MSL(FleetFolder):
    """Channels of the Curiosity rover, one value and 54 command flags each."""

    name: ClassVar[str] = "MSL"
    description: ClassVar[str] = (
        "Channels of the Curiosity rover, one value and 54 command flags each"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/khundman/telemanom",
        licence="BSD-3-Clause (as in imperial-qore/TranAD)",
        obtain="convert the channels of spacecraft MSL to detect/MSL/<channel>/*.parquet",
    )
    interval_s: ClassVar[int] = 60
    no_feedback: ClassVar[str] = "3 of 14 channels have an anomaly in the first 30 % of the test"
