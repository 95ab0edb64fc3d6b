"""What a detector is: `fit(frames)` without labels, `score(frames)`; higher is more anomalous.

The public verbs validate once; a member implements `_fit` and `_score` on frames that all have
the same KPIs and interval.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.feedback import Mark
from faultsight.core.kpi_frame import KpiFrame, TimeWindow

__all__ = ["Detector", "DetectorState", "Progress", "Score", "Storable", "Tunable", "silent"]

Progress = Callable[[str], None]
"""Told in a short line what happens."""


def silent(_message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, eq=False)
class Score:
    """How anomalous each moment of one entity is.

    Parameters
    ----------
    entity : str
        Whose.
    start_s, interval_s : int
        The grid, as in `KpiFrame`.
    kpis : tuple of str
        The KPIs that contribute.
    total : array of shape (time,)
        float64; higher is more anomalous. NaN where every KPI is missing.
    residuals : array of shape (time, kpi), optional
        float32, at least 0: each KPI's squared error in units of what is usual for this entity
        and KPI (about 1 on usual data); NaN where the KPI is missing. None for methods that
        have no residual per KPI.
    is_below : array of shape (time, kpi), optional
        Whether the value lies below what was expected; given by methods that expect one.

    Examples
    --------
    >>> score = Score("cell-1", 0, 3600, ("drops",), np.array([0.5, 9.0]))
    >>> len(score), int(np.nanargmax(score.total))
    (2, 1)
    """

    entity: str
    start_s: int
    interval_s: int
    kpis: tuple[str, ...]
    total: NDArray[np.float64]
    residuals: NDArray[np.float32] | None = None
    is_below: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.total)

    def __getitem__(self, rows: slice) -> Score:
        """Return the rows of a slice without a step."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise InputError("a Score is cut, never thinned: slices have no step")
        return Score(
            self.entity,
            self.start_s + start * self.interval_s,
            self.interval_s,
            self.kpis,
            self.total[start:stop],
            None if self.residuals is None else self.residuals[start:stop],
            None if self.is_below is None else self.is_below[start:stop],
        )

    @property
    def deviations(self) -> NDArray[np.float32] | None:
        """How far each KPI lies above or below what was expected, in units of what is usual.

        Shape (time, kpi); NaN where it is missing. None for methods that do not tell.
        """
        if self.residuals is None or self.is_below is None:
            return None
        size = np.sqrt(self.residuals)
        return np.where(self.is_below, -size, size)

    @property
    def window(self) -> TimeWindow:
        """From the first stamp to one interval after the last."""
        return TimeWindow(self.start_s, self.start_s + len(self) * self.interval_s)


class Detector(ABC):
    """The base of every detector: keyword settings in `__init__`, two verbs.

    A member keeps its settings in a frozen dataclass `config`, and implements `_fit` and
    `_score`. Scoring a row never uses a later one.

    Examples
    --------
    >>> from faultsight.detect import DETECTORS
    >>> issubclass(DETECTORS.load("random_score"), Detector)
    True
    """

    config: Any
    name: ClassVar[str] = ""
    excused: ClassVar[Mapping[str, str]] = {}
    """Contract checks that this member cannot pass by its nature: name to reason."""

    kpis: tuple[str, ...] = ()
    """The KPIs that it was fitted on."""
    interval_s: int = 0
    """The interval that it was fitted on."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2]

    @classmethod
    def with_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Return a detector with these fields of its config, the others as they are by default.

        Raises
        ------
        SettingError
            If there is no such field, or it cannot have that value.

        Examples
        --------
        >>> from faultsight.detect import DETECTORS
        >>> DETECTORS.load("pca").with_settings({"explained": 0.8}).config.explained
        0.8
        """
        plain = cls()
        known = {field.name for field in fields(plain.config)}
        for name in settings:
            if name not in known:
                said = ", ".join(sorted(known)) or "none"
                raise SettingError(f"{cls.name} has no setting {name!r}; there are {said}")
        try:
            config = replace(plain.config, **settings)
        except TypeError as error:
            raise SettingError(f"a setting of {cls.name} has a wrong type: {error}") from error
        return type(plain)(config=config)  # type: ignore[call-arg]

    def fit(self, frames: Sequence[KpiFrame], *, progress: Progress = silent) -> Self:
        """Learn from unlabelled history what is usual.

        Parameters
        ----------
        frames : sequence of KpiFrame
            One for each entity, all of one interval. KPIs are those of all frames together; one
            that an entity lacks is missing there. Labels, if any, are not looked at.
        progress : callable
            Told in a short line what happens.

        Raises
        ------
        InputError
            If there is no frame, no value at all, two frames of one entity, or two intervals.
        """
        frames = _checked(frames)
        kpis = tuple(dict.fromkeys(kpi for frame in frames for kpi in frame.kpis))
        if not any(np.isfinite(frame.values).any() for frame in frames):
            raise InputError("not one value is known; there is nothing to learn from")
        self.kpis = kpis
        self.interval_s = frames[0].interval_s
        try:
            self._fit([frame.with_kpis(kpis) for frame in frames], progress)
        except BaseException:
            self.kpis = ()  # half fitted is not fitted
            raise
        return self

    def score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        """Score every row of every frame, each from the rows up to it alone.

        Parameters
        ----------
        frames : sequence of KpiFrame
            One for each entity; rows before the span of interest serve as its history.

        Returns
        -------
        list of Score
            One for each frame, row for row.

        Raises
        ------
        InputError
            If the detector is not fitted, a frame holds none of its KPIs, or intervals differ.
        """
        return self._score(self._fitting(frames))

    def _fitting(self, frames: Sequence[KpiFrame]) -> list[KpiFrame]:
        """Return the frames with the KPIs fitted on, or say why they do not fit."""
        if not self.kpis:
            raise InputError(f"{self.name} is not fitted; call fit first")
        frames = _checked(frames)
        for frame in frames:
            if frame.interval_s != self.interval_s:
                raise InputError(
                    f"fitted on steps of {self.interval_s} s, given {frame.interval_s} s",
                    source=frame.entity,
                )
            if not set(frame.kpis) & set(self.kpis):
                raise InputError("holds none of the KPIs fitted on", source=frame.entity)
        return [frame.with_kpis(self.kpis) for frame in frames]

    @abstractmethod
    def _fit(self, frames: Sequence[KpiFrame], progress: Progress) -> None:
        """Learn; the frames share KPIs and interval, and hold at least one value."""

    @abstractmethod
    def _score(self, frames: Sequence[KpiFrame]) -> list[Score]:
        """Score frames that have the KPIs and interval fitted on."""


@runtime_checkable
class Tunable(Protocol):
    """A detector that learns from an operator's marks."""

    def tune(self, frames: Sequence[KpiFrame], marks: Sequence[Mark]) -> Any:
        """Return a tuned copy (and what was done); the detector itself stays as it is."""


@dataclass(frozen=True, eq=False)
class DetectorState:
    """All that a fitted detector has learned, as plain numbers: nothing in it can run code.

    Attributes
    ----------
    settings : mapping
        Fields of its config, for JSON.
    kpis : tuple of str
        The KPIs fitted on.
    interval_s : int
        The interval fitted on.
    entities : tuple of str
        Whose the rows of arrays are, where an array has a row for each entity.
    arrays : mapping of str to array
        By name.
    """

    settings: Mapping[str, Any]
    kpis: tuple[str, ...]
    interval_s: int
    entities: tuple[str, ...] = ()
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def array(self, name: str, *shape: int) -> NDArray[np.float64]:
        """Return one array, checked.

        Parameters
        ----------
        name : str
            Which.
        *shape : int
            What its shape must be; -1 fits any length.

        Raises
        ------
        InputError
            If there is none, or it is of another type or shape.

        Examples
        --------
        >>> state = DetectorState({}, ("load",), 60, arrays={"mean": np.array([0.5])})
        >>> state.array("mean", 1).tolist()
        [0.5]
        """
        if name not in self.arrays:
            raise InputError(f"the detector's state lacks {name!r}")
        found = self.arrays[name]
        fits = len(found.shape) == len(shape) and all(
            want in (-1, have) for want, have in zip(shape, found.shape, strict=True)
        )
        if found.dtype != np.float64 or not fits:
            raise InputError(
                f"the detector's {name!r} is {found.dtype} of shape {found.shape}, "
                f"not float64 of {shape}"
            )
        return found


@runtime_checkable
class Storable(Protocol):
    """A detector whose learned state can be taken out and put in again."""

    def state(self) -> DetectorState:
        """Return all that was learned."""

    @classmethod
    def from_state(cls, state: DetectorState) -> Self:
        """Return a detector that scores as the one did that the state was taken from.

        Raises
        ------
        InputError
            If the state is not one of this detector's.
        """


def _checked(frames: Sequence[KpiFrame]) -> list[KpiFrame]:
    frames = list(frames)
    if not frames:
        raise InputError("no frame was given")
    seen: set[str] = set()
    for frame in frames:
        if not isinstance(frame, KpiFrame):
            raise InputError(f"a {type(frame).__name__} is not a KpiFrame")
        if frame.entity in seen:
            raise InputError("two frames are of this entity", source=frame.entity)
        seen.add(frame.entity)
        if frame.interval_s != frames[0].interval_s:
            raise InputError(
                f"steps of {frame.interval_s} s, others have {frames[0].interval_s} s",
                source=frame.entity,
            )
    return frames
