"""A random score: what a detector that knows nothing reaches under each metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.kpi_frame import KpiFrame
from faultsight.core.seed import random_stream
from faultsight.detect.contract import Detector, DetectorState, Progress, Score

__all__ = ["RandomScore", "RandomScoreConfig"]


@dataclass(frozen=True)
class RandomScoreConfig:
    """The one setting.

    Parameters
    ----------
    seed : int
        Of the scores.
    """

    seed: int = 0


class RandomScore(Detector):
    """Uniform scores that follow from seed, entity and stamp alone.

    Point adjustment rates such a score highly wherever anomalies are long (Kim et al., AAAI '22,
    section 3): every table needs this row.

    Examples
    --------
    >>> frame = KpiFrame("cell-1", ("drops",), 0, 3600, np.zeros((4, 1)))
    >>> detector = RandomScore().fit([frame])
    >>> whole, = detector.score([frame])
    >>> bool((detector.score([frame[2:]])[0].total == whole.total[2:]).all())
    True
    """

    excused: ClassVar[Mapping[str, str]] = {
        "check_a_gross_deviation_stands_out": "it does not look at values",
    }

    def __init__(self, config: RandomScoreConfig | None = None) -> None:
        self.config = config or RandomScoreConfig()

    def state(self) -> DetectorState:
        """Return all that was learned: which KPIs there are.

        Raises
        ------
        InputError
            If the detector is not fitted.
        """
        if not self.kpis:
            raise InputError(f"{self.name} is not fitted; there is no state to take")
        return DetectorState(asdict(self.config), self.kpis, self.interval_s)

    @classmethod
    def from_state(cls, state: DetectorState) -> Self:
        """Return a detector that scores as the one did that the state was taken from."""
        detector = cls.with_settings(state.settings)
        detector.kpis, detector.interval_s = state.kpis, state.interval_s
        return detector

    def _fit(self, frames: Sequence[KpiFrame], progress: Progress) -> None:
        pass

    def _score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        return [
            Score(frame.entity, frame.start_s, frame.interval_s, self.kpis, self._draw(frame))
            for frame in frames
        ]

    def _draw(self, frame: KpiFrame) -> NDArray[np.float64]:
        start = random_stream(self.config.seed, "random score", frame.entity).integers(2**62)
        # Mixes bits as splitmix64 does: neighbouring stamps must not have neighbouring scores.
        state = frame.times_s.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
        total = ((state ^ (state >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53
        return np.where(np.isnan(frame.values).all(axis=1), np.nan, total)
