"""The settings of CableMon, each default explained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from faultsight.core.errors import SettingError
from faultsight.diagnose.cablemon.raw_metrics import METRICS

__all__ = ["CableMonConfig"]


@dataclass(frozen=True)
class CableMonConfig:
    """What CableMon tries, what it demands of a threshold, and how it decides.

    Attributes
    ----------
    metrics : tuple of str
        Of `METRICS`; one that was never collected is passed over. All by default: which of them
        tells anything is what the tickets are asked.
    windows_polls : tuple of int
        Lengths of AVG, WMA, WMA_DIFF and VAR, ascending. 1 is the raw value; at a poll every four
        hours 3, 6 and 12 are half a day, a day and two days. The paper tries several and does not
        say which.
    weights : tuple of float
        The weight of the newest value in EWMA; two, which look back about as far as AVG over 12
        and over 4 polls.
    least_present : float
        Share of a window that must have values, so that a mean of one value never passes for a
        mean of twelve; half, because modems in trouble lose polls.
    smoothing : float
        Tickets added on both sides of a ratio, so that no ticket on one side is not certainty.
    least_time_share, most_time_share : float
        Share of all modem time that must and may be abnormal. Below half a percent the best of
        many thresholds is the luckiest one; what holds half of the time is no anomaly.
    least_ticket_share : float
        Share of all tickets that must fall into abnormal time: 5 %, for a threshold that few
        tickets depend on repairs little, however high its ratio.
    sureness : float
        Standard deviations of chance that are taken off a TRR before thresholds are compared; what
        is left must exceed 1. Four, not two, because the best of thousands is sought. With 0 the
        highest TRR wins, as in the paper, however few tickets it rests on.
    least_trr : float
        The least TRR of a feature that is kept: abnormal modems call at least twice as often.
    keep_within : float
        What the new tickets of a further feature must still reach of the TRR of the metric's best
        one; see `faultsight.diagnose.cablemon.selection`.
    most_per_metric : int
        Features kept of one metric at most; more are hardly ever new, and nobody reads them.
    metric_within : float
        What the best TRR of a metric must reach of the best of all for a voice in the decision;
        half: a metric that is right half as often would mostly add false events.
    decision_polls : int
        The sliding window of the decision: 12 polls, the paper's reference.
    decision_abnormal : int
        So many of them must be abnormal: 5, where accuracy and coverage in the paper's Figure 5
        are nearest to its Table 4.

    Examples
    --------
    >>> CableMonConfig(windows_polls=(1, 4)).windows_polls
    (1, 4)
    >>> CableMonConfig.paper().sureness
    0.0
    """

    metrics: tuple[str, ...] = METRICS
    windows_polls: tuple[int, ...] = (1, 3, 6, 12)
    weights: tuple[float, ...] = (0.15, 0.4)
    least_present: float = 0.5
    smoothing: float = 0.5
    least_time_share: float = 0.005
    most_time_share: float = 0.5
    least_ticket_share: float = 0.05
    sureness: float = 4.0
    least_trr: float = 2.0
    keep_within: float = 0.5
    most_per_metric: int = 3
    metric_within: float = 0.5
    decision_polls: int = 12
    decision_abnormal: int = 5

    @classmethod
    def paper(cls, **settings: Any) -> Self:
        """Return what the paper says, as far as its text is known: the highest TRR wins.

        Chance is not taken off, and every metric that has a threshold has a voice.
        """
        return cls(**({"sureness": 0.0, "metric_within": 0.0} | settings))

    def __post_init__(self) -> None:
        unknown = [metric for metric in self.metrics if metric not in METRICS]
        windows = self.windows_polls
        for is_wrong, problem in (
            (bool(unknown), f"no metric is called {unknown}; there are {', '.join(METRICS)}"),
            (not windows or windows[0] < 1, "windows hold one poll at least"),
            (list(windows) != sorted(set(windows)), f"windows must ascend, not {windows}"),
            (not all(0 < w <= 1 for w in self.weights), "weights lie above 0 and up to 1"),
            (not 0 <= self.least_present <= 1, "least_present is a share"),
            (self.smoothing <= 0, "the smoothing must be positive"),
            (
                not 0 <= self.least_time_share < self.most_time_share < 1,
                "least_time_share and most_time_share are shares, the first the smaller",
            ),
            (not 0 <= self.least_ticket_share <= 1, "least_ticket_share is a share"),
            (self.most_per_metric < 1, "one feature of a metric at least must be allowed"),
            (
                not (0 <= self.keep_within <= 1 and 0 <= self.metric_within <= 1),
                "keep_within and metric_within are shares",
            ),
            (
                not 1 <= self.decision_abnormal <= self.decision_polls,
                f"{self.decision_abnormal} of {self.decision_polls} polls cannot be abnormal",
            ),
        ):
            if is_wrong:
                raise SettingError(problem)
