"""Verdicts beside what the simulator knows of each modem and window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.simulated_plants import SimulatedPlant
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.contract import Diagnosis, NodeDiagnosis, Verdict
from faultsight.diagnose.metrics.verdict_scores import VerdictScores, verdict_scores
from faultsight.sim.cable_plant import SimulatedNode

__all__ = ["ModemTruth", "asked_windows", "modem_truth"]


@dataclass(frozen=True, eq=False)
class ModemTruth:
    """Verdicts and true states of the modem windows of a plant, one after the other.

    Attributes
    ----------
    given : array of shape (modem window,)
        int8; what is said. A modem or a window that a diagnoser does not list has no answer.
    true : array of shape (modem window,)
        int8; maintenance if a maintenance fault acts on the modem in the window, else service if a
        service fault does, else healthy. Changes that need nobody (a splitter) are healthy.
    is_judged : array of shape (modem window,)
        False where a fault exists, but does not act within the window: it cannot be seen.
    is_polled : array of shape (modem window,)
        Of those that are judged, whether the fault acts for longer than one poll interval, or there
        is none: one that acts for less may lie between two polls.
    """

    given: NDArray[np.int8]
    true: NDArray[np.int8]
    is_judged: NDArray[np.bool_]
    is_polled: NDArray[np.bool_]

    def scores(self, *, polled: bool = False) -> VerdictScores:
        """Return the scores of all judged windows, or only of those that were polled."""
        judged = self.is_polled if polled else self.is_judged
        return verdict_scores(self.given, self.true, is_judged=judged)


def modem_truth(diagnosis: Diagnosis, plant: SimulatedPlant) -> ModemTruth:
    """Return the verdicts of a diagnosis beside the truth, in the windows that it looked at."""
    of_fnode: dict[str, list[NodeDiagnosis]] = {}
    for node in diagnosis.nodes:
        of_fnode.setdefault(node.fnode, []).append(node)
    parts = [_of_node(of_fnode.get(node.fnode, []), diagnosis, node, plant) for node in plant.nodes]
    given, true, is_judged, is_polled = (
        np.concatenate([part[k].ravel() for part in parts]) for k in range(4)
    )
    return ModemTruth(
        given.astype(np.int8), true.astype(np.int8), is_judged.astype(bool), is_polled.astype(bool)
    )


def asked_windows(nodes: Sequence[NodeDiagnosis], windows: Sequence[TimeWindow]) -> list[int]:
    """Return which window each was asked for: those looked at may end a little earlier."""
    ends = [window.end_s for window in windows]
    return [min(int(np.searchsorted(ends, node.window.end_s)), len(windows) - 1) for node in nodes]


def _of_node(
    found: Sequence[NodeDiagnosis],
    diagnosis: Diagnosis,
    node: SimulatedNode,
    plant: SimulatedPlant,
) -> tuple[NDArray[np.generic], ...]:
    names = node.polls.device_ids
    given = np.full((len(diagnosis.windows), len(names)), Verdict.INSUFFICIENT, np.int8)
    looked_at = list(diagnosis.windows)
    for place, said in zip(asked_windows(found, diagnosis.windows), found, strict=True):
        looked_at[place] = said.window
        mine = slice(None) if said.device_ids == names else np.searchsorted(names, said.device_ids)
        given[place, mine] = said.verdict
    states = node.states([w.start_s for w in looked_at], [w.end_s for w in looked_at])
    maintenance_h, service_h = states.maintenance_active_h, states.service_active_h
    true = np.full(given.shape, Verdict.HEALTHY, np.int8)
    true[service_h > 0] = Verdict.SERVICE
    true[maintenance_h > 0] = Verdict.MAINTENANCE
    is_healthy = true == Verdict.HEALTHY
    exists = (states.maintenance_exists_h > 0) | (states.service_exists_h > 0)
    is_judged = ~(is_healthy & exists)
    acts_h = np.where(true == Verdict.MAINTENANCE, maintenance_h, service_h)
    is_polled = is_judged & (is_healthy | (acts_h > plant.config.interval_s / 3600))
    return given, true, is_judged, is_polled
