"""What the peers share that look at windows of rows: it decides whether a comparison is fair.

They see the same scaled and clipped rows as AnoTuner. Every row ends one window; before an entity's
first row lie rows that count as missing. A missing value stands at its entity's mean where a method
must be shown a number, and has no part in what is learned from it or scored. Errors are measured as
AnoTuner's are, over the usual one of the entity and KPI, and what is usual follows from history.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame
from faultsight.detect.contract import Detector, DetectorState, Progress, Score, silent
from faultsight.detect.peers._marks import LabelledWindows, tuned_by_marks
from faultsight.detect.peers._measure import Measure
from faultsight.detect.tuning.aggregation import aggregate

__all__ = ["WindowBank", "WindowDetector", "masked_squared_distances"]

Cells = NDArray[np.float32]
Known = NDArray[np.bool_]

_ENTITIES_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class WindowBank:
    """The windows of a fleet, one ending at each row of each entity; gathered when asked for.

    Attributes
    ----------
    rows, known : array of shape (row, kpi)
        Every entity's rows after ``length - 1`` missing ones; whether a value is known.
    ends : array of shape (window,)
        Where each window's last row lies.
    owners, stamps : array of shape (window,)
        The index of each window's entity, and the stamp of its last row.
    entities : tuple of str
        Whose they are.
    length : int
        Rows of a window.
    """

    rows: Cells
    known: Known
    ends: NDArray[np.int64]
    owners: NDArray[np.int64]
    stamps: NDArray[np.int64]
    entities: tuple[str, ...]
    length: int

    @classmethod
    def build(
        cls,
        frames: Sequence[KpiFrame],
        tables: Sequence[NDArray[np.float64]],
        fills: Sequence[NDArray[np.float64]],
        length: int,
    ) -> WindowBank:
        """Lay out tables of shape (time, kpi), NaN where missing, and what is shown there."""
        padding = length - 1
        rows, known, ends, stamps = [], [], [], []
        first = 0
        for frame, table, fill in zip(frames, tables, fills, strict=True):
            padded = np.concatenate([np.full((padding, table.shape[1]), np.nan), table])
            known.append(np.isfinite(padded))
            rows.append(np.where(known[-1], padded, fill).astype(np.float32))
            ends.append(first + padding + np.arange(len(table), dtype=np.int64))
            stamps.append(np.asarray(frame.times_s, dtype=np.int64))
            first += len(padded)
        sizes = [len(table) for table in tables]
        return cls(
            np.concatenate(rows), np.concatenate(known), np.concatenate(ends),
            np.repeat(np.arange(len(sizes), dtype=np.int64), sizes), np.concatenate(stamps),
            tuple(frame.entity for frame in frames), length,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.ends)

    def take(self, windows: NDArray[np.int64] | slice) -> tuple[Cells, Known]:
        """Return rows of windows, and which are known; both of shape (window, row, kpi)."""
        place = self.ends[windows][:, None] + np.arange(1 - self.length, 1)
        return self.rows[place], self.known[place]

    def only(self, windows: NDArray[np.int64]) -> WindowBank:
        """Return the bank of some windows; their rows are the same."""
        return replace(
            self, ends=self.ends[windows], owners=self.owners[windows],
            stamps=self.stamps[windows],
        )  # fmt: skip

    def thinned(self, most: int) -> NDArray[np.int64]:
        """Return at most so many windows, evenly thinned; none that knows nothing."""
        some = np.concatenate([[0], np.cumsum(self.known.any(axis=1))])
        knows = some[self.ends + 1] > some[self.ends + 1 - self.length]
        windows = np.flatnonzero(knows)
        return windows[:: max(-(-len(windows) // most), 1)].astype(np.int64)


class WindowDetector(Detector):
    """The base of detectors of windows; they implement `_learn` and `_errors`, and give and take.

    Attributes
    ----------
    zero_to_one : bool
        Rows are left between about 0 and 1; they are standardized if not.
    names_kpis : bool
        Errors are told of each KPI; of the window as a whole if not.
    largest : int or None
        A row's total is the sum of so many of its residuals; of all if None.
    learns_missed : bool
        Whether `tune` learns from marked anomalies, or from false alarms alone.
    """

    zero_to_one: ClassVar[bool] = False
    names_kpis: ClassVar[bool] = True
    largest: ClassVar[int | None] = None
    learns_missed: ClassVar[bool] = False

    @property
    @abstractmethod
    def _length(self) -> int:
        """Rows of a window, the scored one among them."""

    @abstractmethod
    def _learn(self, bank: WindowBank, progress: Progress) -> None:
        """Learn from the windows of history."""

    @abstractmethod
    def _errors(self, bank: WindowBank) -> NDArray[Any]:
        """Return the error of each window's last row.

        (window, kpi), negative where the value lies below what was expected; or (window, 1), of
        the window as a whole.
        """

    @abstractmethod
    def _learned(self) -> Mapping[str, NDArray[np.float64]]:
        """Return what `_learn` has found, by name."""

    @abstractmethod
    def _take(self, state: DetectorState) -> None:
        """Take up what `_learned` returned."""

    def state(self) -> DetectorState:
        """Return all that was learned.

        Raises
        ------
        InputError
            If the detector is not fitted.
        """
        if not self.kpis:
            raise InputError(f"{self.name} is not fitted; there is no state to take")
        return DetectorState(
            asdict(self.config), self.kpis, self.interval_s, tuple(self.measure.moments),
            {**self.measure.arrays(), **self._learned()},
        )  # fmt: skip

    @classmethod
    def from_state(cls, state: DetectorState) -> Self:
        """Return a detector that scores as the one did that the state was taken from.

        Raises
        ------
        InputError
            If the state is not one of this detector's.
        """
        detector = cls.with_settings(state.settings)
        detector.kpis, detector.interval_s = state.kpis, state.interval_s
        n_errors = len(state.kpis) if cls.names_kpis else 1
        detector.measure = Measure.from_state(state, n_errors=n_errors)
        detector._take(state)
        return detector

    def tune(
        self, frames: Sequence[KpiFrame], marks: Sequence[Mark], *, progress: Progress = silent
    ) -> tuple[Self, Mapping[str, int]]:
        """Return a copy to which false alarms are normal, and how many windows and marks that were.

        It is the conventional way for a method that knows of no anomalies: windows that end in a
        false alarm count as history; what was missed or confirmed teaches nothing. Rows are scaled
        as before. The same marks in another order give the same bytes.

        Parameters
        ----------
        frames : sequence of KpiFrame
            The history trained on, and the rows that the marks speak of.
        marks : sequence of Mark
            What operators said.
        progress : callable
            Told in a short line what happens.

        Raises
        ------
        InputError
            If the detector is not fitted, or the frames do not fit it or hold none of its history.
        """
        told = [mark for mark in marks if not mark.kind.is_anomaly]
        return tuned_by_marks(
            self, frames, told, lambda tuned, windows: tuned._learn_false_alarms(windows, progress)
        )

    def _learn_false_alarms(self, told: LabelledWindows, progress: Progress) -> None:
        """Learn from history and false alarms; none of these is thinned away."""
        n_marked = int(np.count_nonzero(told.labels))
        most = getattr(self.config, "most_windows", len(told.bank))
        self._learn(told.bank.only(told.sampled(max(most - n_marked, 1))), progress)

    def _fit(self, frames: Sequence[KpiFrame], progress: Progress) -> None:
        self.measure = Measure.fit(frames)
        bank = self._bank(frames)
        self._learn(bank, progress)
        self._learn_usual(bank)

    def _learn_usual(self, bank: WindowBank) -> None:
        errors = self._known_errors(bank)
        self.measure.learn_usual(
            {entity: np.abs(errors[bank.owners == i]) for i, entity in enumerate(bank.entities)}
        )

    def _score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        scores: list[Score] = []
        for start in range(0, len(frames), _ENTITIES_AT_ONCE):
            part = frames[start : start + _ENTITIES_AT_ONCE]
            errors = self._known_errors(self._bank(part))
            bounds = np.cumsum([len(frame) for frame in part])[:-1]
            scores += map(self._scored, part, np.split(errors, bounds))
        return scores

    def _scored(self, frame: KpiFrame, errors: NDArray[np.float64]) -> Score:
        residuals = self.measure.residuals(frame.entity, np.abs(errors))
        total = aggregate(residuals, largest=self.largest)
        told = (residuals, errors < 0) if self.names_kpis else ()
        return Score(frame.entity, frame.start_s, frame.interval_s, self.kpis, total, *told)

    def _known_errors(self, bank: WindowBank) -> NDArray[np.float64]:
        errors = self._errors(bank).astype(np.float64)
        known: Known = bank.known[bank.ends]
        if not self.names_kpis:
            known = np.asarray(known.any(axis=1)).reshape(-1, 1)
        return np.where(known, errors, np.nan)

    def _bank(self, frames: Sequence[KpiFrame]) -> WindowBank:
        if self.zero_to_one:
            tables = [self.measure.scaled(frame) for frame in frames]
            fills = [self.measure.mean(frame.entity) for frame in frames]
        else:
            tables = [self.measure.standardized(frame) for frame in frames]
            fills = [np.zeros(len(self.kpis))] * len(frames)
        return WindowBank.build(frames, tables, fills, self._length)


def masked_squared_distances(
    left: Cells, left_known: Known, right: Cells, right_known: Known
) -> NDArray[np.float32]:
    """Return the mean squared difference of the cells that both know; infinite where there is none.

    Parameters
    ----------
    left, left_known : array of shape (n, cell)
        Values, 0 where not known.
    right, right_known : array of shape (m, cell)

    Returns
    -------
    array of shape (n, m)

    Examples
    --------
    >>> a, b = np.array([[1.0, 0.0]], np.float32), np.array([[3.0, 5.0]], np.float32)
    >>> yes, half = np.array([[True, True]]), np.array([[True, False]])
    >>> masked_squared_distances(a, half, b, yes).tolist()
    [[4.0]]
    >>> masked_squared_distances(a, yes, b, yes).tolist()
    [[14.5]]
    """
    found = np.full((len(left), len(right)), np.inf, dtype=np.float32)
    whole = left_known.all(axis=1) if right_known.all() else np.zeros(len(left), dtype=bool)
    if whole.any():  # nothing to count: a third of the work
        squares = np.einsum("ij,ij->i", left[whole], left[whole])[:, None]
        squares = squares + np.einsum("ij,ij->i", right, right) - 2.0 * (left[whole] @ right.T)
        found[whole] = np.maximum(squares, 0.0) / left.shape[1]
    gaps = ~whole
    if gaps.any():
        some, one = left[gaps], left_known[gaps].astype(np.float32)
        two = right_known.T.astype(np.float32)
        squares = (some * some) @ two - 2.0 * (some @ right.T) + one @ (right * right).T
        both = one @ two
        found[gaps] = np.divide(
            np.maximum(squares, 0.0), both, out=np.full_like(squares, np.inf), where=both > 0
        )
    return found
