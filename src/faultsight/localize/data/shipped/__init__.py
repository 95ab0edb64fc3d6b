"""A few small real cases that come with FaultSight, for a first look and for tests."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from faultsight.localize.data._contract import Source
from faultsight.localize.data._robustspot_folder import RobustSpotFolder


class Shipped(RobustSpotFolder):
    """The six smallest of RobustSpot's labelled cases, chosen by the size of their files.

    Examples
    --------
    >>> case = next(Shipped().cases())
    >>> case.name, case.cube.attributes, sorted(map(str, case.truth))
    ('2020-08-07+09_07_00', ('cdn', 'bitrate', 'p2p', 'isp'), ['bitrate=2000'])
    """

    name: ClassVar[str] = "shipped"
    description: ClassVar[str] = "the six smallest cases of rs_robustspot"
    source: ClassVar[Source] = Source(
        url="https://github.com/FRPv6/RobustSpot",
        licence="MIT (FRPv6/RobustSpot, shaido987/riskloc)",
        obtain="comes with FaultSight",
    )
    kind: ClassVar[Literal["folder", "shipped", "simulated"]] = "shipped"

    @property
    def path(self) -> Path:
        """Inside the package."""
        return Path(__file__).parent
