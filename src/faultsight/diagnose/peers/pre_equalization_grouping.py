"""Grouping by pre-equalization, the PNM best practice (CableLabs CM-GL-PNMP).

Modems of a fiber node whose equalizers make up for the same distortion are grouped. A group is at
fault if its distortion is too strong, and its size says whose job it is. CM-GL-PNMP leaves both
thresholds to the operator; TelApart, section V-B, compares with it after setting them from tickets
"in the same way", and finds all four ticketing rates just above 1.

References
----------
CableLabs, "PNM Best Practices: HFC Networks (DOCSIS 3.0)", CM-GL-PNMP-V03-160725, 2016.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import InputError, SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.clustering.linkage import cut
from faultsight.diagnose.contract import (
    DAY_S,
    Diagnoser,
    Group,
    NodeDiagnosis,
    Progress,
    Verdict,
    check_look_back,
    map_nodes,
    windows_of,
)
from faultsight.diagnose.peers._distortions import Distortions
from faultsight.diagnose.peers._groups import (
    LARGEST_SERVICE_GROUP,
    deciding_level,
    in_order,
    joining_height,
    verdict_of_groups,
)
from faultsight.diagnose.peers._heard import Hearing
from faultsight.diagnose.pre_equalization.history import EqualizerHistory

__all__ = ["LearnedThresholds", "PreEqualizationGrouping", "PreEqualizationGroupingConfig"]

Array = NDArray[np.float64]

FEATURE = "pre_equalization"

# What is counted in a class of modem windows: columns of the tables below.
_MAINTENANCE_TICKETS, _SERVICE_TICKETS, _TIME = range(3)


def _grid(start: float, stop: float, step: float) -> tuple[float, ...]:
    return tuple(np.arange(start, stop + step / 2, step).round(6).tolist())


@dataclass(frozen=True)
class PreEqualizationGroupingConfig:
    """Settings of the grouping by pre-equalization.

    Attributes
    ----------
    look_back_s : int
        How far back the latest coefficients of a modem may lie. A day: they are collected daily.
    largest_service_group : int
        A larger group at fault is maintenance. 5, as in the paper: most amplifiers serve more.
    quorum : float
        Which share of a group must be beyond the threshold before all of it is at fault; one modem
        always must. 0, the paper's rule: any member is enough.
    nmter_grid_db : tuple of float
        Thresholds to try for the strength of a distortion, ascending. From far below the level at
        which a channel is to be watched (-25 dB) to far above that for action at once (-18 dB).
    similarity_grid : tuple of float
        Thresholds to try for the similarity of a group, ascending, between 0 and 1.
    least_anomalous_time, least_ticket_share : float
        A threshold of strength must leave this share of the time, and of the tickets, beyond it:
        or the best ratio is that of a single ticket. 0.5 and 5 %, of the ranges given for CableMon.
    most_anomalous_time : float
        And at most this share of the time. Half: what most modems show is no anomaly. Without it, a
        strength that hardly any modem stays below can win, because those few never called.
    least_side_share : float
        Of the time at fault, maintenance and service must each keep this share: without it the
        optimum may put all into one. 5 %.
    smoothing : float
        Added to counts of tickets, so that none is a rate above zero. Half a ticket.
    nmter_db, similarity : float
        Taken where tickets are too few to learn from: the level to watch from, and a high
        coherence.

    Raises
    ------
    SettingError
        If a value cannot be.
    """

    look_back_s: int = DAY_S
    largest_service_group: int = LARGEST_SERVICE_GROUP
    quorum: float = 0.0
    nmter_grid_db: tuple[float, ...] = _grid(-35.0, -10.0, 1.0)
    similarity_grid: tuple[float, ...] = _grid(0.3, 0.98, 0.02)
    least_anomalous_time: float = 0.005
    least_ticket_share: float = 0.05
    most_anomalous_time: float = 0.5
    least_side_share: float = 0.05
    smoothing: float = 0.5
    nmter_db: float = -25.0
    similarity: float = 0.9

    def __post_init__(self) -> None:
        check_look_back(self.look_back_s)
        if self.largest_service_group < 1:
            raise SettingError("largest_service_group must be at least 1")
        shares = (
            "quorum", "least_anomalous_time", "least_ticket_share", "most_anomalous_time",
            "least_side_share",
        )  # fmt: skip
        for name in shares:
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingError(f"{name} must lie between 0 and 1")
        if not self.smoothing > 0:
            raise SettingError(f"smoothing must be above 0, not {self.smoothing}")
        for name in ("nmter_grid_db", "similarity_grid"):
            grid = getattr(self, name)
            if not grid or any(not low < high for low, high in pairwise(grid)):
                raise SettingError(f"{name} must ascend and hold one threshold at least")
        if not all(0.0 < s < 1.0 for s in (*self.similarity_grid, self.similarity)):
            raise SettingError("thresholds of similarity lie between 0 and 1")


@dataclass(frozen=True)
class LearnedThresholds:
    """What `PreEqualizationGrouping.fit` has learned.

    Attributes
    ----------
    nmter_db : float
        From here on a modem is anomalous.
    similarity : float
        Down to here groups are joined.
    anomaly_ratio : float
        Ticketing rate of anomalous modem windows over that of the others; NaN if not learned.
    maintenance_ratio : float
        TRR_m, the rate of maintenance tickets in maintenance over that in service; NaN if not
        learned.
    """

    nmter_db: float
    similarity: float
    anomaly_ratio: float = float("nan")
    maintenance_ratio: float = float("nan")


class PreEqualizationGrouping(Diagnoser):
    """Groups modems with like distortions; strong ones are faults, large groups are maintenance.

    A modem's latest coefficients in the window count, its worst channel decides whether it is
    anomalous (NMTER), the coherence of echoes how alike two modems are, and average linkage which
    make a group. Thresholds come from tickets as TelApart's do: the strength first, by the ratio of
    the ticketing rates of anomalous and other modem windows, as CableMon; then the similarity, by
    TRR_m. One pass over the training span counts all combinations.

    Parameters
    ----------
    config : PreEqualizationGroupingConfig, optional
        Settings.

    Attributes
    ----------
    learned : LearnedThresholds
        Known after `fit`.

    Examples
    --------
    >>> PreEqualizationGrouping().config.largest_service_group
    5
    """

    metrics: tuple[str, ...] = ()
    with_pre_equalization: ClassVar[bool] = True

    def __init__(self, *, config: PreEqualizationGroupingConfig | None = None) -> None:
        self.config = config or PreEqualizationGroupingConfig()
        self.look_back_s = self.config.look_back_s
        self.learned = LearnedThresholds(self.config.nmter_db, self.config.similarity)

    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        windows = windows_of(span, look_back_s=self.look_back_s, step_s=self.look_back_s)
        if not windows:
            raise InputError("the training span is shorter than the look-back")
        nodes = telemetry.nodes(span, metrics=self.metrics, with_pre_equalization=True)
        total = _Counts.zeros(self.config)
        for counts in map_nodes(
            lambda polls: self._count(polls, tickets, windows), nodes, workers=workers
        ):
            total.add(counts)
        self.learned = _learn(total, self.config)
        progress(
            f"anomalous from NMTER {self.learned.nmter_db:g} dB, alike from "
            f"{self.learned.similarity:g}"
        )

    def _count(self, polls: NodePolls, tickets: Tickets, windows: Sequence[TimeWindow]) -> _Counts:
        """Count tickets and time of one fiber node under every pair of thresholds."""
        config = self.config
        counts = _Counts.zeros(config)
        history, hearing = EqualizerHistory(polls), Hearing(polls)
        mine, device = tickets.of_devices(polls.device_ids)
        for window in windows:
            seen = Distortions.of(history.latest(window))
            if not len(seen.device):
                continue
            heard = hearing.until_end_of(window)
            covered_s = np.zeros(polls.n_devices)
            covered_s[heard.place] = heard.covered_s
            opened = (mine.opened_s >= window.start_s) & (mine.opened_s < window.end_s)
            columns = np.empty((polls.n_devices, 3))
            for column, is_kind in (
                (_MAINTENANCE_TICKETS, mine.is_maintenance),
                (_SERVICE_TICKETS, ~mine.is_maintenance),
            ):
                columns[:, column] = np.bincount(
                    device[opened & is_kind], minlength=polls.n_devices
                )
            # Whole seconds add up exactly, in any order of modems.
            columns[:, _TIME] = np.rint(covered_s)
            counts.add_window(seen, columns[seen.device], config)
        return counts

    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        history, hearing = EqualizerHistory(polls), Hearing(polls)
        found = []
        for window in windows:
            heard = hearing.until_end_of(window)
            if not len(heard.place):
                continue
            seen = Distortions.of(history.latest(window))
            # Modems that sent coefficients in the window were heard before its end.
            place = np.searchsorted(heard.place, seen.device)
            verdict = np.full(len(heard.place), Verdict.INSUFFICIENT, np.int8)
            is_anomalous = np.zeros(len(heard.place), np.bool_)
            is_anomalous[place] = seen.nmter_db >= self.learned.nmter_db
            groups: tuple[Group, ...] = ()
            if len(place):
                verdict[place], groups = self._verdicts(polls.channels, seen, place)
            found.append(
                NodeDiagnosis(
                    polls.fnode,
                    window,
                    heard.device_ids,
                    verdict,
                    heard.covered_s,
                    groups,
                    {FEATURE: is_anomalous},
                )
            )
        return found

    def _verdicts(
        self, channels: Sequence[str], seen: Distortions, place: NDArray[np.int64]
    ) -> tuple[NDArray[np.int8], tuple[Group, ...]]:
        """Return the verdict of each modem that sent coefficients, and the groups at fault."""
        learned = self.learned
        tree = seen.dendrogram()
        label = cut(tree, 1.0 - learned.similarity)
        size = np.bincount(label)
        is_anomalous = seen.nmter_db >= learned.nmter_db
        n_anomalous = np.bincount(label[is_anomalous], minlength=len(size))
        level_db = deciding_level(seen.nmter_db, label, self.config.quorum)
        verdict = verdict_of_groups(
            size,
            (level_db >= learned.nmter_db).astype(np.int64),
            largest_service_group=self.config.largest_service_group,
        )
        similarity = 1.0 - joining_height(tree, label, 1.0 - learned.similarity)

        def describe(members: NDArray[np.int64], group_verdict: Verdict) -> Group:
            group = int(label[members[0]])
            channel, kind = seen.worst(members)
            return Group(
                FEATURE,
                group_verdict,
                place[members],
                int(n_anomalous[group]),
                float(similarity[group]),
                channels[channel],
                kind=kind.label,
            )

        return verdict[label], in_order(label, verdict, describe)


@dataclass(frozen=True, eq=False)
class _Counts:
    """Tickets and time of modem windows, from which every pair of thresholds can be judged.

    Attributes
    ----------
    modems : array of shape (level, 3)
        Of modem windows, by how many thresholds of strength they reach.
    groups : array of shape (similarity, side, level, 3)
        Of modem windows in small (0) and large (1) groups, by how many thresholds their group
        reaches.
    """

    modems: Array
    groups: Array

    @classmethod
    def zeros(cls, config: PreEqualizationGroupingConfig) -> _Counts:
        n_levels = len(config.nmter_grid_db) + 1
        return cls(np.zeros((n_levels, 3)), np.zeros((len(config.similarity_grid), 2, n_levels, 3)))

    def add(self, other: _Counts) -> None:
        self.modems[:] += other.modems
        self.groups[:] += other.groups

    def add_window(
        self, seen: Distortions, columns: Array, config: PreEqualizationGroupingConfig
    ) -> None:
        """Add one window: the dendrogram is made once and cut at every threshold."""
        grid = np.asarray(config.nmter_grid_db)
        np.add.at(self.modems, np.searchsorted(grid, seen.nmter_db, side="right"), columns)
        tree = seen.dendrogram()
        n_levels = len(grid) + 1
        for i, similarity in enumerate(config.similarity_grid):
            label = cut(tree, 1.0 - similarity)
            level_db = deciding_level(seen.nmter_db, label, config.quorum)
            level = np.searchsorted(grid, level_db, side="right")
            is_large = np.bincount(label) > config.largest_service_group
            cell = (is_large * n_levels + level)[label]
            for column in range(3):
                self.groups[i, :, :, column] += np.bincount(
                    cell, weights=columns[:, column], minlength=2 * n_levels
                ).reshape(2, n_levels)


def _learn(counts: _Counts, config: PreEqualizationGroupingConfig) -> LearnedThresholds:
    # From how many thresholds are reached to what lies at or beyond each.
    beyond = counts.modems[::-1].cumsum(axis=0)[::-1][1:]
    others = counts.modems.sum(axis=0) - beyond
    tickets, other_tickets = beyond[:, :_TIME].sum(axis=1), others[:, :_TIME].sum(axis=1)
    all_tickets, all_time = counts.modems[:, :_TIME].sum(), counts.modems[:, _TIME].sum()
    ratio = _rate_ratio(tickets, beyond[:, _TIME], other_tickets, others[:, _TIME], config)
    share = beyond[:, _TIME] / max(all_time, 1.0)
    ratio[(share < config.least_anomalous_time) | (share > config.most_anomalous_time)] = np.nan
    ratio[tickets < config.least_ticket_share * all_tickets] = np.nan
    if not all_tickets or np.isnan(ratio).all():
        return LearnedThresholds(config.nmter_db, config.similarity)
    best = int(np.nanargmax(ratio))
    nmter_db, anomaly_ratio = config.nmter_grid_db[best], float(ratio[best])

    service, maintenance = np.moveaxis(counts.groups[:, :, best + 1 :].sum(axis=2), 1, 0)
    ratio = _rate_ratio(
        maintenance[:, _MAINTENANCE_TICKETS],
        maintenance[:, _TIME],
        service[:, _MAINTENANCE_TICKETS],
        service[:, _TIME],
        config,
    )
    least = config.least_side_share * (maintenance[:, _TIME] + service[:, _TIME])
    ratio[(maintenance[:, _TIME] < least) | (service[:, _TIME] < least)] = np.nan
    if np.isnan(ratio).all():
        return LearnedThresholds(nmter_db, config.similarity, anomaly_ratio)
    best = int(np.nanargmax(ratio))
    return LearnedThresholds(
        nmter_db, config.similarity_grid[best], anomaly_ratio, float(ratio[best])
    )


def _rate_ratio(
    tickets: Array,
    time: Array,
    other_tickets: Array,
    other_time: Array,
    config: PreEqualizationGroupingConfig,
) -> Array:
    """Return the ratio of two ticketing rates; NaN where one of them has no time."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = (tickets + config.smoothing) / time
        other_rate = (other_tickets + config.smoothing) / other_time
        ratio = rate / other_rate
    return np.where((time > 0) & (other_time > 0), ratio, np.nan)
