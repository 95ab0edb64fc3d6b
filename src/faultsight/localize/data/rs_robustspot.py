"""RobustSpot's labelled cases of a live-video CDN: real faults of a ratio KPI."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._contract import Source
from faultsight.localize.data._robustspot_folder import RobustSpotFolder


class RSRobustSpot(RobustSpotFolder):
    """RobustSpot's labelled cases of a live-video CDN: real faults of a ratio KPI."""

    name: ClassVar[str] = "rs_robustspot"
    description: ClassVar[str] = (
        "stalled viewers / viewers per minute by cdn, bitrate, p2p and more; 13 to 1,990 leaves; "
        "one root, seldom two; labelled by operators"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/FRPv6/RobustSpot",
        licence="MIT (FRPv6/RobustSpot, shaido987/riskloc)",
        obtain=(
            "copy data/*.csv and config/anomaly.yaml of github.com/FRPv6/RobustSpot into "
            "localize/rs_robustspot; a few small cases are shipped as the set `shipped`"
        ),
    )
