"""Real page views with real forecast errors and injected faults."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._contract import Source
from faultsight.localize.data._injection_folder import InjectionFolder


class AIOps2019Injected(InjectionFolder):
    """Real page views with real forecast errors and injected faults."""

    name: ClassVar[str] = "aiops2019_injected"
    description: ClassVar[str] = (
        "about 3,900 sparse leaves of 5 attributes; forecast = mean of the six points before; 1 "
        "to 3 roots injected"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/Rosevil1874/faultLocalization",
        licence=(
            "derived from an Apache-2.0 copy of the AIOps challenge 2019 data; the original names "
            "no licence"
        ),
        obtain=(
            "take the page views of the AIOps challenge 2019 (dataset aiops2019_pv), forecast "
            "each leaf by the mean of its six points before, and inject faults in the layout of "
            "the public sets"
        ),
    )
