"""The learned thresholds: which polls they call abnormal, and how they are written down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faultsight.core.errors import FaultSightError, InputError
from faultsight.core.polls import NodePolls
from faultsight.diagnose.cablemon.config import CableMonConfig
from faultsight.diagnose.cablemon.generated_features import Generator
from faultsight.diagnose.cablemon.kernels import crossings
from faultsight.diagnose.cablemon.raw_metrics import collected_for, is_level, raw_values
from faultsight.diagnose.cablemon.selection import SelectedFeature, TrrCurve

__all__ = ["CableMonThresholds"]


@dataclass(frozen=True)
class CableMonThresholds:
    """What CableMon learned.

    Attributes
    ----------
    config : CableMonConfig
        What it was learned with.
    selected : tuple of SelectedFeature
        The features kept, by metric, the best first.
    curves : tuple of TrrCurve
        The TRR of all thresholds of each, for a plot.

    Examples
    --------
    >>> below_30_db = SelectedFeature("snr_db", "AVG", 1, None, True, 30.0, 8.0, 0.02, 0.2)
    >>> thresholds = CableMonThresholds(CableMonConfig(), (below_30_db,), (TrrCurve((), ()),))
    >>> polls = NodePolls("F", ("a",), ("1",), np.array([0, 2]), np.array([0.0, 14400.0]),
    ...                   {"snr_db": np.array([[36], [28]], np.float32)})
    >>> thresholds.abnormal(polls, "snr_db").tolist()
    [False, True]
    """

    config: CableMonConfig
    selected: tuple[SelectedFeature, ...]
    curves: tuple[TrrCurve, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics that a feature was kept of."""
        return tuple(dict.fromkeys(feature.metric for feature in self.selected))

    @property
    def collected(self) -> tuple[str, ...]:
        """What must be read of the telemetry."""
        return collected_for(self.metrics)

    def abnormal(self, polls: NodePolls, metric: str) -> NDArray[np.bool_]:
        """Return which polls are abnormal in a metric, on any channel, by any feature kept of it.

        A poll never depends on later ones. Where the metric is missing, was never collected, or
        no feature of it was kept, no poll is abnormal.

        Parameters
        ----------
        polls : NodePolls
            Without duplicates. Features look back over the polls given and no further.
        metric : str
            A raw metric.
        """
        return np.asarray(self.abnormal_channels(polls, metric).any(axis=1), np.bool_)

    @property
    def deciding_metrics(self) -> tuple[str, ...]:
        """The metrics whose best TRR is high enough for a voice in the decision."""
        best = dict.fromkeys(self.metrics, 0.0)
        for feature in self.selected:
            best[feature.metric] = max(best[feature.metric], feature.trr)
        least = self.config.metric_within * max(best.values(), default=0.0)
        return tuple(metric for metric, trr in best.items() if trr >= least)

    def abnormal_in_any(self, polls: NodePolls) -> NDArray[np.bool_]:
        """Return which polls are abnormal in any deciding metric: the decision's input."""
        found = np.zeros(polls.n_polls, np.bool_)
        for metric in self.deciding_metrics:
            found |= self.abnormal(polls, metric)
        return found

    def abnormal_channels(self, polls: NodePolls, metric: str) -> NDArray[np.bool_]:
        """Return where a metric is abnormal, by poll and channel."""
        is_level(metric)
        mine = [feature for feature in self.selected if feature.metric == metric]
        values = raw_values(polls, metric) if mine else None
        if values is None:
            return np.zeros((polls.n_polls, len(polls.channels)), np.bool_)
        generator = Generator.of(self.config)
        return crossings(
            np.ascontiguousarray(values),
            polls.device_start,
            generator.windows,
            generator.least_present,
            generator.weights,
            generator.n_slots,
            np.array([generator.slot(feature.feature) for feature in mine], np.int64),
            np.array([feature.is_below for feature in mine], np.bool_),
            np.array([feature.threshold for feature in mine], np.float32),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "config": _listed(asdict(self.config)),
            "selected": [asdict(feature) for feature in self.selected],
            "curves": [_listed(asdict(curve)) for curve in self.curves],
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> CableMonThresholds:
        """Return what `to_dict` wrote.

        Raises
        ------
        InputError
            If it is something else.
        """
        try:
            config = CableMonConfig(**_tupled(_exactly(told["config"], CableMonConfig)))
            selected = tuple(
                SelectedFeature(**_exactly(each, SelectedFeature)) for each in told["selected"]
            )
            curves = tuple(TrrCurve(**_tupled(_exactly(c, TrrCurve))) for c in told["curves"])
            generator = Generator.of(config)
            for feature in selected:
                is_level(feature.metric)
                generator.slot(feature.feature)
            if len(curves) != len(selected):
                raise InputError(f"{len(selected)} features cannot have {len(curves)} curves")
        except (KeyError, IndexError, TypeError, ValueError, FaultSightError) as error:
            raise InputError(f"these are no thresholds of CableMon: {error}") from error
        return cls(config, selected, curves)


def _exactly(told: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    """Return the fields of a dataclass, none of them left to a default."""
    names = {field.name for field in fields(kind)}
    if set(told) != names:
        raise KeyError(f"{sorted(set(told) ^ names)}")
    return dict(told)


def _listed(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(v) if isinstance(v, tuple) else v for key, v in told.items()}


def _tupled(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(v) if isinstance(v, Iterable) else v for key, v in told.items()}
