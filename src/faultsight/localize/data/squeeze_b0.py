"""Squeeze's set B0: nine settings of layer x number of roots, forecast residual about 0.8 %."""

from __future__ import annotations

import re
from typing import ClassVar

from faultsight.localize.data._contract import Source
from faultsight.localize.data._injection_folder import InjectionFolder


class SqueezeB0(InjectionFolder):
    """Squeeze's set B0: nine settings of layer x number of roots, forecast residual about 0.8 %."""

    name: ClassVar[str] = "squeeze_B0"
    description: ClassVar[str] = (
        "21,600 leaves of 4 attributes, a third of them with no volume at all; 1 to 3 roots of one "
        "layer, 1 to 3; semi-synthetic"
    )
    source: ClassVar[Source] = Source(
        url="https://doi.org/10.5281/zenodo.8153367",
        licence=(
            "not verified: the set is never shipped (the Squeeze repository is MIT, the Zenodo "
            "record was not seen)"
        ),
        obtain=(
            "download B0 of Zenodo record 8153367 (or take it from the history of "
            "github.com/NetManAIOps/Squeeze) and unpack its folders B_cuboid_layer_*_n_ele_* "
            "into localize/squeeze_B0"
        ),
    )

    def group_of(self, folder: str) -> str:
        """Return layer and number of roots, as in ``layer_2_roots_3``."""
        setting = re.search(r"layer_(\d+)_n_ele_(\d+)", folder)
        return (
            "layer_{}_roots_{}".format(*setting.groups()) if setting else super().group_of(folder)
        )
