"""DBSCAN on spectra (Volpe and Ottlik, SCTE Cable-Tec Expo 2021), on the spectrum that we hold.

They capture the full band of every modem, downstream and upstream, find impairments in it, and
group the modems that share one by DBSCAN: a single home is a job for service, many homes are one
for the plant. Full-band captures are files that modems write on request and no part of polled
telemetry. So this peer stands on the nearest thing that is: the in-channel frequency response that
the pre-equalization coefficients describe, the few upstream channels side by side. It sees ripple
and tilt within a channel; what lies between channels, and the whole downstream, it does not.

The authors say that they know no way to set the thresholds, and evaluate nothing. Both are fixed
here too, and `fit` learns nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls, Telemetry
from faultsight.core.tickets import Tickets
from faultsight.diagnose.clustering.dbscan import dbscan
from faultsight.diagnose.contract import (
    DAY_S,
    Diagnoser,
    Group,
    NodeDiagnosis,
    Progress,
    Verdict,
    check_look_back,
)
from faultsight.diagnose.peers._groups import (
    LARGEST_SERVICE_GROUP,
    in_order,
    verdict_of_groups,
)
from faultsight.diagnose.peers._heard import Hearing
from faultsight.diagnose.pre_equalization.history import EqualizerHistory, LatestTaps
from faultsight.diagnose.pre_equalization.response import (
    in_channel_response_db,
    micro_reflection_level_db,
    ripple_db,
)
from faultsight.diagnose.pre_equalization.similarity import cosine_of_channels

__all__ = ["SpectrumDBSCAN", "SpectrumDBSCANConfig"]

Array = NDArray[np.float64]

FEATURE = "spectrum"

_DEEPEST_DB = -60.0
"""Of a notch; a perfect one has no depth in dB."""


@dataclass(frozen=True)
class SpectrumDBSCANConfig:
    """Settings of DBSCAN on spectra.

    Attributes
    ----------
    look_back_s : int
        How far back the latest spectrum of a modem may lie. A day: coefficients come daily.
    impaired_from_db : float
        A modem is impaired if the ripple of one of its channels is that of an echo of this level
        or a stronger one. -18 dB: what tools give as CableLabs' level for action at once; a ripple
        of 2.2 dB.
    eps : float
        Impaired modems are neighbours if 1 less the correlation of their spectra is at most this.
        0.2, a guess: the authors give no way to set it.
    min_samples : int
        Neighbours, itself among them, that make a modem the core of a group. 5, scikit-learn's
        default; what is no group is a single home.
    largest_service_group : int
        A larger group is maintenance. 5, as for the other diagnosers.

    Raises
    ------
    SettingError
        If a value cannot be.
    """

    look_back_s: int = DAY_S
    impaired_from_db: float = -18.0
    eps: float = 0.2
    min_samples: int = 5
    largest_service_group: int = LARGEST_SERVICE_GROUP

    def __post_init__(self) -> None:
        check_look_back(self.look_back_s)
        if min(self.min_samples, self.largest_service_group) < 1:
            raise SettingError("min_samples and largest_service_group must be at least 1")
        if not 0.0 <= self.eps <= 2.0:
            raise SettingError(f"eps must lie between 0 and 2, not {self.eps}")
        if not self.impaired_from_db < 0.0:
            raise SettingError(f"an echo is weaker than 0 dB, not {self.impaired_from_db}")


class SpectrumDBSCAN(Diagnoser):
    """Groups impaired modems by the shape of their spectra; large groups are maintenance.

    The level of a channel is set by its transmit power and says nothing of its shape, so each
    channel's mean is taken out. Modems without an impairment are healthy and take no part.

    Parameters
    ----------
    config : SpectrumDBSCANConfig, optional
        Settings.

    Examples
    --------
    >>> SpectrumDBSCAN().config.eps
    0.2
    """

    metrics: tuple[str, ...] = ()
    with_pre_equalization: ClassVar[bool] = True

    def __init__(self, *, config: SpectrumDBSCANConfig | None = None) -> None:
        self.config = config or SpectrumDBSCANConfig()
        self.look_back_s = self.config.look_back_s

    def _fit(
        self,
        telemetry: Telemetry,
        tickets: Tickets,
        span: TimeWindow,
        workers: int,
        progress: Progress,
    ) -> None:
        pass

    def _diagnose(self, polls: NodePolls, windows: Sequence[TimeWindow]) -> list[NodeDiagnosis]:
        history, hearing = EqualizerHistory(polls), Hearing(polls)
        found = []
        for window in windows:
            heard = hearing.until_end_of(window)
            if not len(heard.place):
                continue
            latest = history.latest(window)
            device = np.flatnonzero(latest.is_known.any(axis=1))
            # Modems that sent coefficients in the window were heard before its end.
            place = np.searchsorted(heard.place, device)
            spectrum = _spectrum_db(latest)[device]
            level_db = micro_reflection_level_db(ripple_db(spectrum))
            is_impaired = level_db.max(axis=1, initial=-np.inf) >= self.config.impaired_from_db
            verdict = np.full(len(heard.place), Verdict.INSUFFICIENT, np.int8)
            verdict[place] = Verdict.HEALTHY
            worst = place[is_impaired]
            verdict[worst], groups = self._verdicts(
                polls.channels,
                spectrum[is_impaired],
                level_db[is_impaired],
                latest.is_known[device[is_impaired]],
                worst,
            )
            is_anomalous = np.zeros(len(heard.place), np.bool_)
            is_anomalous[worst] = True
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
        self,
        channels: Sequence[str],
        spectrum: Array,
        level_db: Array,
        is_known: NDArray[np.bool_],
        place: NDArray[np.int64],
    ) -> tuple[NDArray[np.int8], tuple[Group, ...]]:
        """Return the verdict of each impaired modem, and their groups."""
        alike = cosine_of_channels(spectrum, is_known)
        label = dbscan(1.0 - alike, eps=self.config.eps, min_samples=self.config.min_samples)
        size = np.bincount(label)
        verdict = verdict_of_groups(
            size, size, largest_service_group=self.config.largest_service_group
        )

        def describe(members: NDArray[np.int64], group_verdict: Verdict) -> Group:
            similarity, channel = 1.0, int(level_db[members[0]].argmax())
            if len(members) > 1:
                # DBSCAN joins no two parts; the average over all pairs says the same.
                pairs = alike[np.ix_(members, members)]
                similarity = float(pairs[np.triu_indices(len(members), 1)].mean())
                channel = int(np.median(level_db[members], axis=0).argmax())
            return Group(
                FEATURE,
                group_verdict,
                place[members],
                len(members),
                similarity,
                channels[channel],
                kind="ripple",
            )

        return verdict[label], in_order(label, verdict, describe)


def _spectrum_db(latest: LatestTaps) -> Array:
    """Return the responses of all modems and channels, (device, channel, bin), of mean 0."""
    known_db = in_channel_response_db(latest.taps[latest.is_known])
    known_db = np.maximum(known_db, _DEEPEST_DB)
    response = np.zeros((*latest.is_known.shape, known_db.shape[-1]))
    response[latest.is_known] = known_db - known_db.mean(axis=-1, keepdims=True)
    return response
