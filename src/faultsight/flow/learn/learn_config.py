"""When models learn, from how much, and what a new one has to pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from faultsight.core.errors import SettingError
from faultsight.flow.learn.back_test import BackTestRule

__all__ = ["LearnConfig"]

_DAY_S = 86_400


@dataclass(frozen=True)
class LearnConfig:
    """Settings of learning, the same for all feeds.

    Parameters
    ----------
    tune_every_s, retrain_every_s : int
        From one to the next: a week, a quarter. 0: only when asked.
    history_s : int
        How much of the past a detector or diagnoser is trained on.
    least_history_s : int
        A feed gets its first model once it has so much data.
    back_test : BackTestRule
        What a new model has to pass.
    cable_held_out_s : int
        The last polls so long are held out from TelApart, and judge it.
    most_questions : int
        So many clusters of history at most are put to operators by one job.
    layers : mapping
        Fields of the tuning's settings that shall differ from their defaults: `LayersConfig`, or
        AnoTuner's `TuningConfig`.
    drift_similarity, drift_factor : float
        Of TelApart: a similarity threshold that moves by more, or another threshold that grows or
        shrinks by more than this factor, has drifted, and operators are told.
    """

    tune_every_s: int = 7 * _DAY_S
    retrain_every_s: int = 91 * _DAY_S
    history_s: int = 28 * _DAY_S
    least_history_s: int = 7 * _DAY_S
    back_test: BackTestRule = field(default_factory=BackTestRule)
    cable_held_out_s: int = 7 * _DAY_S
    most_questions: int = 10
    layers: Mapping[str, Any] = field(default_factory=dict)
    drift_similarity: float = 0.15
    drift_factor: float = 1.5

    def __post_init__(self) -> None:
        for name in ("tune_every_s", "retrain_every_s", "most_questions"):
            if getattr(self, name) < 0:
                raise SettingError(f"{name} is at least 0, not {getattr(self, name)}")
        if self.history_s < 1:
            raise SettingError(f"history_s is at least 1, not {self.history_s}")
        if not self.drift_similarity > 0 or not self.drift_factor > 1:
            raise SettingError("drift_similarity is above 0 and drift_factor above 1")
