"""What a diagnoser is: `fit` on a span and its tickets, `diagnose` windows.

For each modem and window it says whether the modem is healthy, suffers from a fault of the shared
plant (maintenance) or from one of its own home (service), or that the data do not suffice, and it
names the groups of modems on which it rests. The public verbs validate once, cut the span into
windows and hand one fiber node at a time to the member, over as many threads as asked; what they
return never depends on how many.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import LEVELS, NodePolls, Telemetry
from faultsight.core.tickets import Tickets

__all__ = [
    "DAY_S",
    "Diagnoser",
    "Diagnosis",
    "Group",
    "NodeDiagnosis",
    "Progress",
    "Verdict",
    "check_look_back",
    "map_nodes",
    "silent",
    "windows_of",
]

DAY_S = 86_400
_SHORTEST_LOOK_BACK_S = 3600

Progress = Callable[[str], None]
"""Told in a short line what happens."""

T = TypeVar("T")


def silent(_message: str) -> None:
    """Tell nobody."""


class Verdict(IntEnum):
    """What is said of one modem in one window; of several reasons the highest number wins."""

    HEALTHY = 0
    INSUFFICIENT = 1
    """Too few polls to say anything."""
    SERVICE = 2
    """A fault of one home: a service technician repairs it."""
    MAINTENANCE = 3
    """A fault of the shared plant: the maintenance team repairs it."""


@dataclass(frozen=True, eq=False)
class Group:
    """Modems that move together on one feature, at least one of which is anomalous.

    Attributes
    ----------
    feature : str
        On which they move together, such as ``snr``.
    verdict : Verdict
        ``MAINTENANCE`` or ``SERVICE``.
    members : array of shape (member,)
        int64, ascending: positions in `NodeDiagnosis.device_ids`.
    n_anomalous : int
        How many of them are anomalous by themselves.
    similarity : float
        The average similarity at which the group's last two parts were joined; 1 for one modem.
    channel : str
        The upstream channel that deviates most; empty where no single one does.
    deviation : float
        How far that channel's median member is from its own usual level, in the feature's unit
        (dB); NaN where the diagnoser does not know a usual level.
    kind : str
        What it looks like, such as ``ingress``, ``attenuation``, ``outage``; empty if unknown.
    """

    feature: str
    verdict: Verdict
    members: NDArray[np.int64]
    n_anomalous: int
    similarity: float = 1.0
    channel: str = ""
    deviation: float = float("nan")
    kind: str = ""


@dataclass(frozen=True, eq=False)
class NodeDiagnosis:
    """What is said of one fiber node in one window.

    Attributes
    ----------
    fnode : str
        The fiber node.
    window : TimeWindow
        The polls that were looked at: the window asked for, moved back to the silence between two
        collection rounds.
    device_ids : tuple of str
        The modems, sorted.
    verdict : array of shape (device,)
        int8; values of `Verdict`.
    covered_s : array of shape (device,)
        float64; how much of the window the modem's collection periods cover.
    groups : tuple of Group
        The evidence: maintenance first, the larger first.
    anomalies : mapping of str to array of shape (device,)
        By feature, which modems are anomalous by themselves.
    """

    fnode: str
    window: TimeWindow
    device_ids: tuple[str, ...]
    verdict: NDArray[np.int8]
    covered_s: NDArray[np.float64]
    groups: tuple[Group, ...] = ()
    anomalies: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def count(self, verdict: Verdict) -> int:
        """Return how many modems have a verdict."""
        return int(np.count_nonzero(self.verdict == verdict))


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What is said of any number of fiber nodes and windows.

    Attributes
    ----------
    diagnoser : str
        Who says it.
    nodes : tuple of NodeDiagnosis
        In order of fiber node, then of time.
    windows : tuple of TimeWindow
        The windows asked for.
    """

    diagnoser: str
    nodes: tuple[NodeDiagnosis, ...]
    windows: tuple[TimeWindow, ...]

    def __len__(self) -> int:
        return len(self.nodes)

    def count(self, verdict: Verdict) -> int:
        """Return how many modem windows have a verdict."""
        return sum(node.count(verdict) for node in self.nodes)

    def to_table(self) -> pl.DataFrame:
        """Return a row for each modem and window.

        Returns
        -------
        polars.DataFrame
            ``fnode, device_id, start, end, verdict`` and ``features``: those that say so.
        """
        return pl.concat([_table(node) for node in self.nodes] or [_EMPTY])


_EMPTY = pl.DataFrame(
    schema={
        "fnode": pl.String,
        "device_id": pl.String,
        "start": pl.Datetime("ms", "UTC"),
        "end": pl.Datetime("ms", "UTC"),
        "verdict": pl.String,
        "features": pl.String,
    }
)


def _table(node: NodeDiagnosis) -> pl.DataFrame:
    reasons: list[list[str]] = [[] for _ in node.device_ids]
    for group in node.groups:
        for member in group.members:
            told = group.verdict == node.verdict[member]
            if told and group.feature not in reasons[member]:
                reasons[member].append(group.feature)
    moments = pl.Series([node.window.start_s * 1000, node.window.end_s * 1000])
    start, end = moments.cast(pl.Datetime("ms", "UTC")).to_list()
    return pl.DataFrame(
        {
            "fnode": [node.fnode] * len(node.device_ids),
            "device_id": node.device_ids,
            "start": [start] * len(node.device_ids),
            "end": [end] * len(node.device_ids),
            "verdict": [Verdict(v).name.lower() for v in node.verdict],
            "features": [";".join(sorted(reason)) for reason in reasons],
        },
        schema=_EMPTY.schema,
    )


def check_look_back(look_back_s: int) -> None:
    """Refuse windows so short that they seldom hold a poll: polls are ten minutes apart or more.

    Raises
    ------
    SettingError
        If the look-back is less than an hour.
    """
    if look_back_s < _SHORTEST_LOOK_BACK_S:
        raise SettingError(
            f"look_back_s is at least {_SHORTEST_LOOK_BACK_S} seconds, not {look_back_s}"
        )


def windows_of(
    span: TimeWindow, *, look_back_s: int = DAY_S, step_s: int = DAY_S
) -> list[TimeWindow]:
    """Cut a span into windows of one length that end a step apart, the last one at its end.

    Examples
    --------
    >>> [(w.start_s, w.end_s) for w in windows_of(TimeWindow(0, 10), look_back_s=4, step_s=3)]
    [(0, 4), (3, 7), (6, 10)]
    """
    if look_back_s <= 0 or step_s <= 0:
        raise SettingError("the look-back and the step must be positive")
    ends = range(span.end_s, span.start_s + look_back_s - 1, -step_s)
    return [TimeWindow(end - look_back_s, end) for end in reversed(ends)]


def map_nodes(
    function: Callable[[NodePolls], T], nodes: Iterable[NodePolls], *, workers: int
) -> Iterator[T]:
    """Apply a function to each fiber node over threads, in order, a few nodes ahead at most.

    Kernels release the interpreter's lock, so threads run side by side without copying polls.
    """
    if workers == 1:
        yield from map(function, nodes)
        return
    with ThreadPoolExecutor(workers) as pool:
        waiting: list[Any] = []
        for node in nodes:
            waiting.append(pool.submit(function, node))
            # Bounded, so that reading never runs far ahead and memory stays small.
            if len(waiting) > 2 * workers:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


class Diagnoser(ABC):
    """The base of every diagnoser: settings in a frozen `config`, two verbs.

    A member implements `_fit` and `_diagnose`. What it says of a window never depends on later
    polls, nor on the order of rows or devices.

    Examples
    --------
    >>> from faultsight.diagnose import DIAGNOSERS
    >>> issubclass(DIAGNOSERS.load("telapart"), Diagnoser)
    True
    """

    config: Any
    name: ClassVar[str] = ""
    excused: ClassVar[Mapping[str, str]] = {}
    """Contract checks that this member cannot pass by its nature: name to reason."""
    metrics: tuple[str, ...] = LEVELS
    """The metrics that it reads, of `faultsight.core.polls.LEVELS` and `COUNTERS`."""
    with_pre_equalization: ClassVar[bool] = False
    """Whether it reads pre-equalization coefficients."""

    look_back_s: int = DAY_S
    """How much of the past one verdict looks at."""
    is_fitted: bool = False

    @property
    def history_s(self) -> int:
        """How much before a window it wants to see besides."""
        return 0

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" not in vars(cls):
            cls.name = cls.__module__.rpartition(".")[2]

    def fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        *,
        window: TimeWindow | None = None,
        workers: int | None = None,
        progress: Progress = silent,
    ) -> Self:
        """Learn every threshold from a span of polls and the tickets opened in it.

        Parameters
        ----------
        telemetry : Telemetry
            Polls of any number of fiber nodes.
        tickets : Tickets
            Those of the same devices and span; others are passed over.
        window : TimeWindow, optional
            The training span; all of the telemetry if not given.
        workers : int, optional
            Threads; one for each core if not given. Never changes the result.
        progress : callable
            Told in a short line what happens.

        Raises
        ------
        InputError
            If there is no poll in the span.
        """
        span = telemetry.window if window is None else window
        if span.end_s <= span.start_s or not telemetry.fnodes:
            raise InputError("there is no poll to learn from")
        self.is_fitted = False
        self._fit(telemetry, tickets.in_window(span), span, _workers(workers), progress)
        self.is_fitted = True
        return self

    def diagnose(
        self,
        telemetry: Telemetry,
        *,
        window: TimeWindow | None = None,
        step_s: int = DAY_S,
        fnodes: Sequence[str] | None = None,
        workers: int | None = None,
        progress: Progress = silent,
    ) -> Diagnosis:
        """Give a verdict for each modem in each window of a span.

        Parameters
        ----------
        telemetry : Telemetry
            Polls; those before the span serve as history.
        window : TimeWindow, optional
            The span; by default the last look-back of the telemetry: one verdict for each modem.
        step_s : int
            How far windows are apart (batch mode).
        fnodes : sequence of str, optional
            Only these.
        workers : int, optional
            Threads; one for each core if not given. Never changes the result.
        progress : callable
            Told in a short line what happens.

        Raises
        ------
        InputError
            If it is not fitted, or there is no poll in the span.
        """
        if not self.is_fitted:
            raise InputError(f"{self.name} is not fitted; call fit first")
        whole = telemetry.window
        if whole.end_s <= whole.start_s:
            raise InputError("there is no poll to diagnose")
        span = window or TimeWindow(whole.end_s - self.look_back_s, whole.end_s)
        windows = windows_of(span, look_back_s=self.look_back_s, step_s=step_s)
        if not windows:
            raise InputError(
                f"the span of {span.end_s - span.start_s} s is shorter than the look-back of "
                f"{self.look_back_s} s"
            )
        # Windows are moved back to the silence before them, by less than a round.
        early = TimeWindow(windows[0].start_s - self.history_s - DAY_S, span.end_s)
        nodes = telemetry.nodes(
            early,
            fnodes=fnodes,
            metrics=self.metrics,
            with_pre_equalization=self.with_pre_equalization,
        )
        found: list[NodeDiagnosis] = []
        for done in map_nodes(
            lambda polls: self._diagnose(polls, windows), nodes, workers=_workers(workers)
        ):
            found.extend(done)
            if done:
                progress(f"diagnosed {done[0].fnode}")
        if not found:
            raise InputError("there is no poll in the span")
        found.sort(key=lambda node: (node.fnode, node.window))
        return Diagnosis(self.name, tuple(found), tuple(windows))

    @abstractmethod
    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        """Learn; the span holds a second at least, and the tickets are those opened in it."""

    @abstractmethod
    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        """Diagnose one fiber node in each window; `polls` reach back over the history."""


def _workers(asked: int | None) -> int:
    if asked is not None and asked < 1:
        raise SettingError(f"at least one worker is needed, not {asked}")
    return asked or os.cpu_count() or 1
