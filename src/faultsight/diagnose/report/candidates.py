"""The modems of a fiber node that were clustered in one window, and how: for TelApart only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.polls import NodePolls
from faultsight.diagnose.clustering.linkage import Dendrogram
from faultsight.diagnose.contract import DAY_S, Diagnosis, NodeDiagnosis
from faultsight.diagnose.faults import Fault
from faultsight.diagnose.telapart import TelApart
from faultsight.diagnose.telapart.verdicts import dendrogram_of

__all__ = ["Candidates", "candidates_of", "history_s", "telling_window"]


@dataclass(frozen=True, eq=False)
class Candidates:
    """One feature of one window.

    Attributes
    ----------
    feature : str
        Its name.
    window : TimeWindow
        Of which polls.
    device_ids : tuple of str
        The modems that were clustered.
    is_anomalous : array of shape (candidate,)
        Which are anomalous by themselves.
    dendrogram : Dendrogram
        Of them.
    similarity : float
        At which it is cut.
    """

    feature: str
    window: TimeWindow
    device_ids: tuple[str, ...]
    is_anomalous: NDArray[np.bool_]
    dendrogram: Dendrogram
    similarity: float


def history_s(model: TelApart) -> int:
    """Return how much before a window the polls must reach back."""
    return model.history_s + DAY_S


def telling_window(diagnosis: Diagnosis, fault: Fault, feature: str) -> TimeWindow | None:
    """Return the window whose group of a feature holds most of the fault's members."""
    windows = {(w.start_s, w.end_s) for w in fault.windows}
    members = fault.lasting_members
    best: tuple[int, int] | None = None
    found = None
    for day in diagnosis.nodes:
        if day.fnode != fault.fnode or (day.window.start_s, day.window.end_s) not in windows:
            continue
        key = _n_members(day, feature, members), day.window.end_s  # the latest of equals
        if key[0] and (best is None or key > best):
            best, found = key, day.window
    return found


def candidates_of(
    model: TelApart, polls: NodePolls, window: TimeWindow, feature: str
) -> Candidates | None:
    """Return what was clustered; None where there is nothing to draw as a tree.

    Parameters
    ----------
    model : TelApart
        The one that diagnosed.
    polls : NodePolls
        Of the fiber node, from `history_s` before the window on.
    window : TimeWindow
        As `NodeDiagnosis.window` tells it.
    feature : str
        Which.
    """
    if model.config.clustering == "dbscan" or feature not in model.similarity:
        return None
    found = model.feature_windows(polls, window)
    told = next((f for f in found if f.feature == feature), None)
    if told is None or len(told.candidates) < 2:
        return None
    return Candidates(
        feature, window, tuple(polls.device_ids[i] for i in told.candidates.tolist()),
        told.is_anomalous[told.candidates], dendrogram_of(told, model.config.clustering),
        model.similarity[feature].similarity,
    )  # fmt: skip


def _n_members(day: NodeDiagnosis, feature: str, members: frozenset[str]) -> int:
    return max(
        (
            sum(day.device_ids[i] in members for i in group.members.tolist())
            for group in day.groups
            if group.feature == feature
        ),
        default=0,
    )
