"""CableMon by itself: every modem with an event gets a service technician.

CableMon says that a modem has a fault, not whose job it is (TelApart, section II-D). What an
operator does without that knowledge is to send a service technician first, so that is its verdict
here; what it costs is what diagnosers are compared on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import COUNTERS, LEVELS, NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.cablemon import (
    CableMonConfig,
    CableMonThresholds,
    decide,
    fit_cablemon,
)
from faultsight.diagnose.contract import (
    Diagnoser,
    Group,
    NodeDiagnosis,
    Progress,
    Verdict,
)
from faultsight.diagnose.preprocessing.collection_periods import collection_periods_s
from faultsight.diagnose.preprocessing.duplicates import without_duplicates

__all__ = ["CableMonAlone", "CableMonAloneConfig"]


@dataclass(frozen=True)
class CableMonAloneConfig:
    """The settings of the diagnoser.

    Attributes
    ----------
    cablemon : CableMonConfig
        Features, thresholds and decision.
    poll_interval_s : float
        Time between two collection rounds: the paper's four hours. A poll speaks for one and a
        half of them at most; beyond that, one in between was lost.
    least_polls : int
        Fewer answers of a modem in a window are too few to call it healthy; half of the six that
        a day has.
    """

    cablemon: CableMonConfig = field(default_factory=CableMonConfig)
    poll_interval_s: float = 14_400.0
    least_polls: int = 3

    def __post_init__(self) -> None:
        if self.poll_interval_s <= 0:
            raise SettingError("the poll interval must be positive")
        if self.least_polls < 0:
            raise SettingError("least_polls must be at least 0")

    @property
    def longest_s(self) -> float:
        """The longest time that one poll speaks for."""
        return 1.5 * self.poll_interval_s


class CableMonAlone(Diagnoser):
    """CableMon (NSDI '20) as a diagnoser that knows one kind of fault: service.

    A modem in whose window an event is seen gets ``SERVICE``, in a group of its own for each metric
    that was abnormal; without an event it is ``HEALTHY``, or ``INSUFFICIENT`` if it answered too
    few polls. Only modems asked in the window or the history before it are listed.

    Parameters
    ----------
    config : CableMonAloneConfig, optional
        The settings.

    Attributes
    ----------
    thresholds : CableMonThresholds
        What was learned; there after `fit`.

    Examples
    --------
    >>> CableMonAlone().name, CableMonAlone().config.longest_s
    ('cablemon_alone', 21600.0)
    """

    metrics = (*LEVELS, *COUNTERS)

    def __init__(self, config: CableMonAloneConfig | None = None) -> None:
        self.config: CableMonAloneConfig = config or CableMonAloneConfig()
        self.thresholds = CableMonThresholds(self.config.cablemon, (), ())

    @property
    def history_s(self) -> int:
        """How far the decision and the longest feature look back, twice: polls get lost."""
        cablemon = self.config.cablemon
        polls = cablemon.decision_polls + cablemon.windows_polls[-1]
        return int(2 * polls * self.config.poll_interval_s)

    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        self.thresholds = fit_cablemon(
            telemetry,
            tickets,
            span,
            config=self.config.cablemon,
            longest_s=self.config.longest_s,
            workers=workers,
            progress=progress,
        )

    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        found = []
        for window in windows:
            # Cut to the same past, whatever else is asked for, and before duplicates are dropped:
            # a poll after the window may take the place of the last one inside.
            reach = TimeWindow(window.start_s - self.history_s, window.end_s)
            asked = polls.in_window(reach)
            if asked.n_polls:
                known = np.flatnonzero(np.diff(asked.device_start))
                seen = asked if asked.answered is None else asked.take(asked.answered)
                found.append(self._in_window(without_duplicates(seen), known, window))
        return found

    def _in_window(
        self, polls: NodePolls, known: NDArray[np.int64], window: TimeWindow
    ) -> NodeDiagnosis:
        cablemon = self.config.cablemon
        inside = polls.time_s >= window.start_s
        abnormal = {
            metric: self.thresholds.abnormal_channels(polls, metric)
            for metric in self.thresholds.deciding_metrics
        }
        is_abnormal = np.zeros(polls.n_polls, np.bool_)
        for crossed in abnormal.values():
            is_abnormal |= crossed.any(axis=1)
        is_event = inside & decide(
            polls,
            is_abnormal,
            window_polls=cablemon.decision_polls,
            least_abnormal=cablemon.decision_abnormal,
        )
        n_polls = _count(polls, inside)[known]
        verdict = np.full(len(known), Verdict.HEALTHY, np.int8)
        verdict[n_polls < self.config.least_polls] = Verdict.INSUFFICIENT
        verdict[_count(polls, is_event)[known] > 0] = Verdict.SERVICE
        period_s = collection_periods_s(polls, self.config.longest_s)
        inside_s = np.where(inside, np.minimum(period_s, window.end_s - polls.time_s), 0.0)
        covered_s = np.bincount(polls.device_of_poll, inside_s, polls.n_devices)[known]
        return NodeDiagnosis(
            polls.fnode,
            window,
            tuple(polls.device_ids[i] for i in known),
            verdict,
            covered_s.astype(np.float64),
            _groups(polls, known, verdict, n_polls + cablemon.decision_polls - 1, abnormal),
            {m: _count(polls, inside & c.any(axis=1))[known] > 0 for m, c in abnormal.items()},
        )


def _count(polls: NodePolls, chosen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many polls of each device are chosen."""
    return np.bincount(polls.device_of_poll[chosen], minlength=polls.n_devices)


def _groups(
    polls: NodePolls,
    known: NDArray[np.int64],
    verdict: NDArray[np.int8],
    n_recent: NDArray[np.int64],
    abnormal: Mapping[str, NDArray[np.bool_]],
) -> tuple[Group, ...]:
    """Return a group for each modem with an event and each metric abnormal in its recent polls."""
    groups = []
    for place in np.flatnonzero(verdict == Verdict.SERVICE).tolist():
        start, end = polls.device_start[known[place] : known[place] + 2]
        for metric, crossed in abnormal.items():
            by_channel = crossed[max(start, end - n_recent[place]) : end].sum(axis=0)
            if by_channel.any():
                worst = polls.channels[int(np.argmax(by_channel))]
                members = np.array([place], np.int64)
                groups.append(Group(metric, Verdict.SERVICE, members, 1, channel=worst))
    return tuple(groups)
