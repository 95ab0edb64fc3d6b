"""Edge sites of a provider's content delivery network, 24 and 48 KPIs, five minutes."""

from __future__ import annotations

from typing import ClassVar

from faultsight.core.datasets import Source
from faultsight.detect.data._folder import FleetFolder


class CDN(FleetFolder):
    """Edge sites of a provider's content delivery network, 24 and 48 KPIs, five minutes."""

    name: ClassVar[str] = "CDN"
    description: ClassVar[str] = (
        "Edge sites of a provider's content delivery network, 24 and 48 KPIs, five minutes"
    )
    source: ClassVar[Source] = Source(
        url="https://github.com/dlagul/SDFVAE",
        licence="unclear (the licence file was removed): never shipped",
        obtain="convert data_preprocess/data_n_kpi of commit 7a99bc9 to detect/CDN/<site>",
    )
    interval_s: ClassVar[int] = 300
