"""A detector with deployed levels, which marks may have tuned: what all of these share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame, TimeWindow
from faultsight.detect.alarms import Alarm, raise_alarms
from faultsight.detect.contract import Detector, Score

__all__ = ["LevelledDetector", "level_of"]


class LevelledDetector(Detector):
    """The base of detectors that raise alarms by themselves and learn from marks.

    Attributes
    ----------
    levels : dict of str to float
        The deployed level of each entity: a row alarms when its score is above.
    spans : dict of str to TimeWindow
        From the first to the last row of each entity's history.
    marks : tuple of Mark
        What tuning has learned from.

    Examples
    --------
    >>> from faultsight.detect.deployed import DeployedDetector
    >>> issubclass(DeployedDetector, LevelledDetector)
    True
    """

    levels: dict[str, float]
    spans: dict[str, TimeWindow]
    marks: tuple[Mark, ...]

    @property
    def trained(self) -> TimeWindow:
        """From the first to the last row of history, of all entities together."""
        return TimeWindow(
            min(span.start_s for span in self.spans.values()),
            max(span.end_s for span in self.spans.values()),
        )

    def level_of(self, entity: str) -> float:
        """Return the deployed level of an entity; the fleet's median if it was never seen."""
        return level_of(self.levels, entity)

    def alarms(self, scores: Sequence[Score]) -> list[Alarm]:
        """Return the alarms that scores raise at the deployed levels, by entity and time."""
        return [
            alarm for score in scores for alarm in raise_alarms(score, self.level_of(score.entity))
        ]

    def _since_history(self, frame: KpiFrame) -> KpiFrame:
        """Return the frame without rows before the history trained on."""
        span = self.spans.get(frame.entity)
        return frame if span is None else frame[frame.rows_in(span).start :]

    def _refuse_without(self, ancestor: Detector | None) -> None:
        """Refuse to tune what is tuned already and has lost what it was tuned from."""
        if self.marks and ancestor is None:
            raise InputError(
                f"{self.name} is tuned, by {len(self.marks)} marks; load what it was tuned from "
                "and give it these and the new marks together"
            )


def level_of(levels: Mapping[str, float], entity: str) -> float:
    """Return an entity's level; the fleet's median if it was never seen.

    Examples
    --------
    >>> level_of({"a": 1.0, "b": 3.0}, "a"), level_of({"a": 1.0, "b": 3.0}, "new")
    (1.0, 2.0)
    """
    return levels[entity] if entity in levels else float(np.median(list(levels.values())))
