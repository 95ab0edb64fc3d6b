"""What the peers that learn from marks share: windows that marks speak of, and what is usual."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.tuning.marked_rows import MarkedRows, rows_of_marks

if TYPE_CHECKING:
    from faultsight.detect.peers._windows import WindowBank, WindowDetector

__all__ = ["LabelledWindows", "tuned_by_marks"]

D = TypeVar("D", bound="WindowDetector")


@dataclass(frozen=True, eq=False)
class LabelledWindows:
    """The windows that a detector may learn from, and what is said of them.

    Attributes
    ----------
    bank : WindowBank
        Of the frames given.
    labels : array of shape (window,)
        1 where the last row is marked as an anomaly, -1 as normal, 0 where nothing is said.
    history : array of shape (window,)
        Whether the last row belongs to the history trained on, and nothing speaks against it.
    marked : MarkedRows
        The marks on the rows.
    """

    bank: WindowBank
    labels: NDArray[np.int8]
    history: NDArray[np.bool_]
    marked: MarkedRows

    def sampled(self, most: int) -> NDArray[np.int64]:
        """Return all marked windows, and at most so many of unmarked history, evenly thinned."""
        plain = np.flatnonzero(self.history & (self.labels == 0))
        plain = plain[:: max(-(-len(plain) // most), 1)]
        return np.sort(np.concatenate([plain, np.flatnonzero(self.labels)])).astype(np.int64)


def tuned_by_marks(
    detector: D,
    frames: Sequence[KpiFrame],
    marks: Sequence[Mark],
    learn: Callable[[D, LabelledWindows], None],
) -> tuple[D, Mapping[str, int]]:
    """Return a copy that has learned from marks, and how many windows and marks that were.

    Parameters
    ----------
    detector : WindowDetector
        Fitted; stays as it is.
    frames : sequence of KpiFrame
        The history trained on, and the rows that the marks speak of.
    marks : sequence of Mark
        What operators said; their order does not matter.
    learn : callable
        Teaches the copy. What is usual is learned anew after it, from history that no mark calls
        an anomaly and from what marks call normal.

    Raises
    ------
    InputError
        If the detector is not fitted, or the frames do not fit it or hold none of its history.
    """
    frames = detector._fitting(frames)
    marked = rows_of_marks(frames, marks)
    tuned = copy.copy(detector)
    counts = {"anomalous": 0, "normal": 0, **marked.dropped}
    if not marked.spans:
        return tuned, counts
    bank = detector._bank(frames)
    firsts = np.concatenate([[0], np.cumsum([len(frame) for frame in frames])])
    number = {frame.entity: i for i, frame in enumerate(frames)}
    labels = np.zeros(len(bank), dtype=np.int8)
    for span in marked.spans:
        rows = firsts[number[span.mark.entity]] + span.rows
        labels[rows] = 1 if span.is_anomaly else -1
    until_s = np.array([detector.measure.until_s.get(entity, -(2**62)) for entity in bank.entities])
    history = (bank.stamps < until_s[bank.owners]) & (labels != 1)
    for entity, ignored in marked.ignored.items():
        history[firsts[number[entity]] :][: len(ignored)] &= ~ignored
    if not history.any():
        raise InputError("the frames hold no row of the history trained on")
    learn(tuned, LabelledWindows(bank, labels, history, marked))
    errors = np.where((history | (labels == -1))[:, None], tuned._known_errors(bank), np.nan)
    tuned.measure = replace(detector.measure)
    tuned.measure.learn_usual(
        {entity: np.abs(errors[bank.owners == i]) for i, entity in enumerate(bank.entities)}
    )
    # An entity that was not among the frames is measured as it was.
    tuned.measure.usual = {**detector.measure.usual, **tuned.measure.usual}
    counts |= {"anomalous": int((labels == 1).sum()), "normal": int((labels == -1).sum())}
    return tuned, counts
