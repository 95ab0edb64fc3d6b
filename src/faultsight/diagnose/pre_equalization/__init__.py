"""What pre-equalization coefficients say of the upstream channel (CableLabs CM-GL-PNMP).

A modem distorts what it sends so that the channel's own distortion is undone. How it does so is
told as taps of a filter; their energies, their response and their delays describe what is wrong
between modem and CMTS. Ratios are used throughout: vendors scale coefficients to 2047 or to 32767.
"""

from faultsight.diagnose.pre_equalization.decoding import (
    Coefficients,
    DecodedCoefficients,
    decode,
    decode_all,
)
from faultsight.diagnose.pre_equalization.distance import (
    metres_per_tap,
    parabola_offset,
    reflection_distance_m,
)
from faultsight.diagnose.pre_equalization.history import EqualizerHistory, LatestTaps
from faultsight.diagnose.pre_equalization.key_metrics import KeyMetrics, key_metrics
from faultsight.diagnose.pre_equalization.problem_type import ProblemType, problem_type
from faultsight.diagnose.pre_equalization.response import (
    in_channel_response_db,
    micro_reflection_level_db,
    ripple_db,
)
from faultsight.diagnose.pre_equalization.similarity import (
    coherence,
    cosine_of_channels,
    echoes,
    quotient_mtr_db,
)

__all__ = [
    "Coefficients",
    "DecodedCoefficients",
    "EqualizerHistory",
    "KeyMetrics",
    "LatestTaps",
    "ProblemType",
    "coherence",
    "cosine_of_channels",
    "decode",
    "decode_all",
    "echoes",
    "in_channel_response_db",
    "key_metrics",
    "metres_per_tap",
    "micro_reflection_level_db",
    "parabola_offset",
    "problem_type",
    "quotient_mtr_db",
    "reflection_distance_m",
    "ripple_db",
]
