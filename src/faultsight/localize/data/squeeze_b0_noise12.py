"""Squeeze's set B0 with 12 % relative noise added to the forecast."""

from __future__ import annotations

from typing import ClassVar

from faultsight.localize.data._contract import Source
from faultsight.localize.data._injection_folder import InjectionFolder


class SqueezeB0Noise12(InjectionFolder):
    """Squeeze's set B0 with 12 % relative noise added to the forecast."""

    name: ClassVar[str] = "squeeze_B0_noise12"
    description: ClassVar[str] = (
        "cases of squeeze_B0 over all nine settings, every forecast multiplied by 1 + 12 % "
        "normal noise"
    )
    source: ClassVar[Source] = Source(
        url="https://doi.org/10.5281/zenodo.8153367",
        licence=("as squeeze_B0, from which it is derived: not verified, never shipped"),
        obtain=(
            "derive it from squeeze_B0: multiply each forecast by 1 + 0.12 times a normal "
            "number and keep the layout; or use the simulated sim_squeeze_B0_noise12"
        ),
    )
