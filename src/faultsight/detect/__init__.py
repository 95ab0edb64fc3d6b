"""Which KPIs of a network element misbehave, and when.

>>> import numpy as np
>>> from faultsight.detect import KpiFrame, DETECTORS
>>> history = KpiFrame("cell-1", ("drops",), 0, 3600, np.random.default_rng(0).normal(size=(99, 1)))
>>> detector = DETECTORS.load("input_norm")().fit([history])
>>> detector.score([history])[0].total.shape
(99,)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faultsight.core.errors import MissingExtraError
from faultsight.core.family import Family
from faultsight.core.feedback import Mark, MarkKind, read_marks
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.alarms import Alarm
from faultsight.detect.contract import Detector, Score, Tunable

if TYPE_CHECKING:
    from faultsight.detect.anotuner import AnoTuner, AnoTunerConfig, TuningConfig

__all__ = [
    "DETECTORS",
    "Alarm",
    "AnoTuner",
    "AnoTunerConfig",
    "Detector",
    "KpiFrame",
    "Mark",
    "MarkKind",
    "Score",
    "TimeWindow",
    "Tunable",
    "TuningConfig",
    "read_marks",
]

DETECTORS: Family[Detector] = Family(
    kind="detector",
    base=Detector,
    packages=("faultsight.detect.peers",),
    modules=("faultsight.detect.anotuner",),
    entry_point_group="faultsight.detectors",
)
"""Every detector by name: ours, and the peers it is compared with."""


def __getattr__(name: str) -> Any:
    """Import what needs torch only when it is asked for."""
    if name not in ("AnoTuner", "AnoTunerConfig", "TuningConfig"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from faultsight.detect import anotuner
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise MissingExtraError("AnoTuner", "detect") from error
    return getattr(anotuner, name)
