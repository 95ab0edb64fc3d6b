"""From histograms to thresholds, and from thresholds to the few features that are kept.

Nobody labels faults, so everything is decided by tickets alone:

1. Of each generated feature and direction, the threshold with the highest TRR after what chance can
   do is taken off (`sure_trr`). The best of thousands of thresholds is otherwise the luckiest one,
   deep in the tail; with many tickets nothing is taken off, and this is the paper's rule. Guards
   must be passed: enough abnormal time, enough tickets, and more than 1 left of the TRR.
   A span of thresholds between which nobody ever was has one TRR; its middle is taken, for either
   end touches the values that happened to be seen.
2. Of each metric, the best feature by the same measure is kept if its TRR is high enough.
3. Others of the metric are kept only for tickets that those before have not: its *new* tickets
   alone, over *all* of its abnormal time, must still make a ratio of `keep_within` times the
   metric's best TRR. That is the least that the feature can be worth by itself, for some of that
   time is abnormal already; a feature that merely repeats another has no new tickets and falls.

Whether a metric then has a voice in the decision of CableMon itself, which any metric can make, is
another question: one weak voice spoils it. Only metrics whose best TRR is within `metric_within`
of the best of all have one; see `CableMonThresholds.deciding_metrics`. Who asks for one metric, as
TelApart does, gets the thresholds of every metric that has any.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.diagnose.cablemon.bins import lower_edges
from faultsight.diagnose.cablemon.config import CableMonConfig
from faultsight.diagnose.cablemon.generated_features import GeneratedFeature, generated_features
from faultsight.diagnose.cablemon.rate_histograms import ABOVE, BELOW, RateHistograms
from faultsight.diagnose.cablemon.ticketing_rate import RateCurve, rate_curve

__all__ = ["Candidate", "SelectedFeature", "TrrCurve", "candidates", "keep"]


@dataclass(frozen=True)
class SelectedFeature:
    """A generated feature with the threshold beyond which it is abnormal.

    Attributes
    ----------
    metric, generated : str
        Which raw metric, and which statistic of it.
    window_polls : int or None
        The length of its window; None for EWMA.
    weight : float or None
        The newest value's weight in EWMA; None for the others.
    is_below : bool
        Abnormal is what lies below the threshold; else what reaches it.
    threshold : float
        In the metric's unit; in its square for VAR.
    trr : float
        How much more often modems call in abnormal than in normal time, on the training span.
    share_of_time, share_of_tickets : float
        Of all modem time, and of all tickets, how much is abnormal.
    """

    metric: str
    generated: str
    window_polls: int | None
    weight: float | None
    is_below: bool
    threshold: float
    trr: float
    share_of_time: float
    share_of_tickets: float

    @property
    def feature(self) -> GeneratedFeature:
        """The statistic with its parameter."""
        return GeneratedFeature(self.generated, self.window_polls, self.weight)

    def __str__(self) -> str:
        sign = "<" if self.is_below else ">="
        return f"{self.metric} {self.feature} {sign} {self.threshold:g}: TRR {self.trr:.1f}"


@dataclass(frozen=True)
class TrrCurve:
    """The TRR of each threshold of a feature, for a plot.

    Attributes
    ----------
    thresholds, trr : tuple of float
        Ascending thresholds with time on both sides, and what they are worth.
    """

    thresholds: tuple[float, ...]
    trr: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Candidate:
    """The best threshold of one generated feature in one direction.

    Attributes
    ----------
    selected : SelectedFeature
        As it would be kept.
    curve : TrrCurve
        All thresholds.
    sure_trr : float
        What surely remains of its TRR.
    is_mine : array of shape (ticket,)
        Which tickets of the metric fall into its abnormal time.
    abnormal_ms : int
        Its abnormal time.
    normal_rate : float
        Its smoothed ticketing rate in normal time, per millisecond.
    """

    selected: SelectedFeature
    curve: TrrCurve
    sure_trr: float
    is_mine: NDArray[np.bool_]
    abnormal_ms: int
    normal_rate: float


def candidates(
    metric: str,
    histograms: RateHistograms,
    total_ms: int,
    total_tickets: int,
    config: CableMonConfig,
) -> Iterator[Candidate]:
    """Yield the best threshold of each feature and direction of a metric that has any."""
    for position, feature in enumerate(generated_features(config)):
        edges = lower_edges(feature.counts_octaves(metric))[1:]
        for direction in (BELOW, ABOVE):
            is_below = direction == BELOW
            curve = rate_curve(
                histograms.exposure_ms[position, direction],
                histograms.tickets(position, direction),
                is_below=is_below,
                smoothing=config.smoothing,
                sureness=config.sureness,
            )
            best = _best(curve, total_ms, total_tickets, config)
            if best is None:
                continue
            bins = histograms.ticket_bins[:, position, direction]
            known = np.isfinite(curve.trr)
            yield Candidate(
                SelectedFeature(
                    metric,
                    feature.generated,
                    feature.window_polls,
                    feature.weight,
                    is_below,
                    float(edges[best]),
                    float(curve.trr[best]),
                    float(curve.abnormal_ms[best] / total_ms),
                    float(curve.abnormal_tickets[best] / total_tickets),
                ),
                TrrCurve(tuple(edges[known].tolist()), tuple(curve.trr[known].tolist())),
                float(curve.sure_trr[best]),
                (bins >= 0) & ((bins <= best) if is_below else (bins > best)),
                int(curve.abnormal_ms[best]),
                float((curve.normal_tickets[best] + config.smoothing) / curve.normal_ms[best]),
            )


def _best(
    curve: RateCurve, total_ms: int, total_tickets: int, config: CableMonConfig
) -> int | None:
    """Return the middle of the best span of thresholds that pass the guards; None if none does."""
    share = curve.abnormal_ms / total_ms
    passes = (
        (np.nan_to_num(curve.sure_trr) > 1)
        & (share >= config.least_time_share)
        & (share <= config.most_time_share)
        & (curve.abnormal_tickets >= config.least_ticket_share * total_tickets)
    )
    if not passes.any():
        return None
    first = last = int(np.argmax(np.where(passes, curve.sure_trr, -np.inf)))
    # Nobody was between two thresholds that have the same time on both sides.
    while last + 1 < len(passes) and curve.abnormal_ms[last + 1] == curve.abnormal_ms[first]:
        last += 1
    return (first + last) // 2


def keep(found: Iterable[Candidate], config: CableMonConfig) -> list[Candidate]:
    """Return which candidates of one metric are kept, the best first."""
    kept: list[Candidate] = []
    for candidate in sorted(found, key=lambda candidate: -candidate.sure_trr):
        if len(kept) == config.most_per_metric:
            break
        if candidate.selected.trr < config.least_trr:
            continue
        if kept:
            is_told = np.any([other.is_mine for other in kept], axis=0)
            n_new = int(np.count_nonzero(candidate.is_mine & ~is_told))
            rate = (n_new + config.smoothing) / candidate.abnormal_ms
            least = max(config.least_trr, config.keep_within * kept[0].selected.trr)
            if rate < least * candidate.normal_rate:
                continue
        kept.append(candidate)
    return kept
