"""Channels of the SMAP satellite, one value and 24 command flags each."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._folder import FleetFolder


class SMAP(FleetFolder):
    """Channels of the SMAP satellite, one value and 24 command flags each."""

    name: ClassVar[str] = "SMAP"
    description: ClassVar[str] = (
        "Channels of the SMAP satellite, one value and 24 command flags each"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/khundman/telemanom",
        licence="BSD-3-Clause (as in imperial-qore/TranAD)",
        obtain="convert the channels of spacecraft SMAP to detect/SMAP/<channel>/*.parquet",
    )
    interval_s: ClassVar[int] = 60
    no_feedback: ClassVar[str] = "1 of 27 channels has an anomaly in the first 30 % of the test"
