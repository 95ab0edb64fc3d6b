"""A CDN cube in RAPMiner's schema; not RAPMiner's own data set RAPMD."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._contract import Source
from faultsight.localize.data._injection_folder import InjectionFolder


class RapmdLike(InjectionFolder):
    """A CDN cube in RAPMiner's schema; not RAPMiner's own data set RAPMD."""

    name: ClassVar[str] = "rapmd_like"
    description: ClassVar[str] = (
        "10,560 leaves: 33 locations x 4 access types x 4 operating systems x 20 sites; 1 to 3 "
        "roots; synthetic"
    )
    source: ClassVar[Source] = Source(
        url="",
        licence=("made by the authors of FaultSight; RAPMD itself is not published"),
        obtain=("use the simulated sim_rapmd, which follows the same recipe"),
    )
