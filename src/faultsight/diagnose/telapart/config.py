"""The settings of TelApart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from faultsight.core.errors import SettingError
from faultsight.diagnose.cablemon import CableMonConfig
from faultsight.diagnose.contract import DAY_S, check_look_back
from faultsight.diagnose.telapart.score_threshold import ScoreGuards
from faultsight.diagnose.telapart.ticket_guided import CRITERIA, ThresholdGuards

__all__ = ["CLUSTERINGS", "FEATURES", "TelApartConfig"]

FEATURES = ("snr", "tx_power", "missing")
CLUSTERINGS = ("average", "single", "complete", "dbscan")


@dataclass(frozen=True)
class TelApartConfig:
    """Every setting; `TelApartConfig.paper()` is the paper's mode.

    Parameters
    ----------
    evidence : str
        ``deviation`` (default): modems are measured against their own usual level, and misses
        against the node's loss rate. ``paper``: CableMon's anomalies, correlation of raw values,
        Hamming distance of misses.
    criterion : str
        What a threshold makes largest: ``likelihood`` (default) or the paper's ``trr``.
    quorum : float
        Share of a cluster's modems that must be anomalous by themselves; 0 is the paper's "any".
        Of ``deviation`` only such modems are clustered, so it changes nothing.
    cluster_size : int
        An anomalous cluster of more modems is a maintenance fault (the paper's ISP chose 5: most
        amplifiers serve more).
    clustering : str
        ``average``, or one of the paper's rivals ``single``, ``complete``, ``dbscan``.
    features : tuple of str
        Of ``snr``, ``tx_power``, ``missing``.
    look_back_s : int
        One verdict looks at so much of the past (d).
    interval_s : float, optional
        T; found from the polls if not given.
    gone_after_s : int
        A modem that did not answer for so long was taken away, and gets no verdict.
    similarity_look_back_s : int
        Of ``deviation``: similarity is taken over so much of the past, so that faults that began
        at different times are told apart.
    history_s : int
        Of ``deviation``: the usual level is taken from so much before the look-back.
    usual_quantile : float
        Of ``deviation``: of that history, counted from the harmless side.
    least_history : int
        Of ``deviation``: values of history that a usual level needs.
    milder_share : float
        Of ``deviation``: a modem whose score reaches this share of the threshold is not anomalous,
        but joins a maintenance fault that it moves like.
    noise_db : float
        Of ``deviation``: deviations of this size say nothing of similarity.
    shrunk_by : float
        Similarities are multiplied by n / (n + this) for n values in common; 0 in the paper.
    center_channels : bool
        Of ``paper``: take each channel's mean off before correlating; the paper does not say.
    is_resampled : bool
        Of ``paper``: resample instead of aligning (the paper's rival).
    least_values : int
        Fewer answered polls in the look-back, without a sign of a fault: ``INSUFFICIENT``.
    guards, score_guards : ThresholdGuards, ScoreGuards
        What chosen thresholds must satisfy.
    cablemon : CableMonConfig
        Of ``paper``: how anomalies are detected.

    Examples
    --------
    >>> TelApartConfig.paper().criterion, TelApartConfig().criterion
    ('trr', 'likelihood')
    """

    evidence: Literal["deviation", "paper"] = "deviation"
    criterion: str = "likelihood"
    quorum: float = 0.5
    cluster_size: int = 5
    clustering: str = "average"
    features: tuple[str, ...] = FEATURES
    look_back_s: int = DAY_S
    interval_s: float | None = None
    gone_after_s: int = 14 * DAY_S
    similarity_look_back_s: int = 3 * DAY_S
    history_s: int = 7 * DAY_S
    usual_quantile: float = 0.25
    least_history: int = 12
    milder_share: float = 0.6
    noise_db: float = 0.5
    shrunk_by: float = 4.0
    center_channels: bool = False
    is_resampled: bool = False
    least_values: int = 2
    guards: ThresholdGuards = field(default_factory=ThresholdGuards)
    score_guards: ScoreGuards = field(default_factory=ScoreGuards)
    cablemon: CableMonConfig = field(default_factory=CableMonConfig)

    def __post_init__(self) -> None:
        if self.evidence not in ("deviation", "paper"):
            raise SettingError(f"evidence is deviation or paper, not {self.evidence!r}")
        if self.criterion not in CRITERIA:
            raise SettingError(f"criterion is one of {', '.join(CRITERIA)}, not {self.criterion!r}")
        if self.clustering not in CLUSTERINGS:
            raise SettingError(
                f"clustering is one of {', '.join(CLUSTERINGS)}, not {self.clustering!r}"
            )
        if not set(self.features) <= set(FEATURES) or not self.features:
            raise SettingError(f"features are of {', '.join(FEATURES)}")
        if not 0.0 <= self.quorum <= 1.0:
            raise SettingError(f"quorum lies in [0, 1], not {self.quorum}")
        check_look_back(self.look_back_s)
        if self.interval_s is not None and not self.interval_s >= 1:
            raise SettingError(f"interval_s is at least a second, not {self.interval_s}")
        if not 0.0 <= self.usual_quantile <= 1.0:
            raise SettingError(f"usual_quantile lies in [0, 1], not {self.usual_quantile}")
        for name in (
            "cluster_size", "least_history", "history_s", "gone_after_s", "similarity_look_back_s",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise SettingError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("milder_share", "noise_db", "shrunk_by", "least_values"):
            if not getattr(self, name) >= 0:
                raise SettingError(f"{name} must be at least 0, not {getattr(self, name)}")

    @classmethod
    def paper(cls, **changes: Any) -> TelApartConfig:
        """Return the paper's mode; what its text leaves open is chosen in its favour.

        So is the guard on maintenance time: without it the ratio is often largest where nearly
        every modem stands alone, and verdicts are worse.
        """
        paper = cls(
            evidence="paper",
            criterion="trr",
            quorum=0.0,
            similarity_look_back_s=DAY_S,
            shrunk_by=0.0,
            least_values=1,
            guards=ThresholdGuards(least_maintenance_share=0.05),
            cablemon=CableMonConfig.paper(),
        )
        return replace(paper, **changes)
