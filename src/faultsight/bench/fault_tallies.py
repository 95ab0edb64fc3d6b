"""Tracked faults of one plant in numbers, alone and beside the true ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.fault_identity import NO_FAULT, identify
from faultsight.bench.simulated_plants import SimulatedPlant
from faultsight.bench.true_faults import TrueFault, true_faults
from faultsight.diagnose.contract import DAY_S, Verdict, windows_of
from faultsight.diagnose.faults import Fault, FaultMetrics, fault_metrics, wrong_tickets

__all__ = ["KINDS", "FaultTally", "figures", "tally_faults"]

KINDS = (Verdict.MAINTENANCE, Verdict.SERVICE)
_WITHIN_H = (4, 24, 72, 168)

Flags = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FaultTally:
    """The tracked faults of one verdict and the true faults of one kind, of one plant.

    Attributes
    ----------
    metrics : FaultMetrics
        Of the tracked faults.
    n_members : array of shape (tracked,)
        Modems that each ever touched.
    n_wrong_and_so : int
        Tickets that ask for the wrong team, where the truth agrees with the diagnosis.
    is_fault, is_of_kind : array of shape (tracked,)
        Whether each is a true fault, and one of this kind. Empty if nothing is compared.
    n_tracked : array of shape (true,)
        As which number of tracked faults each true fault shows that acts on the test days.
    is_told_right : array of shape (true,)
        Whether one of them has the right verdict.
    is_polled : array of shape (true,)
        Whether it acts for longer than a poll interval in any daily window.
    delay_h : array of shape (true,)
        From its beginning until it becomes known; NaN where it does not, or began before.
    """

    metrics: FaultMetrics
    n_members: NDArray[np.int64]
    n_wrong_and_so: int
    is_fault: Flags
    is_of_kind: Flags
    n_tracked: NDArray[np.int64]
    is_told_right: Flags
    is_polled: Flags
    delay_h: NDArray[np.float64]


def tally_faults(
    plant: SimulatedPlant,
    faults: Sequence[Fault],
    *,
    known_s: Callable[[Fault, int], float],
    is_identified: bool = True,
) -> dict[Verdict, FaultTally]:
    """Return the tallies of maintenance and of service faults.

    Parameters
    ----------
    plant : SimulatedPlant
        The plant.
    faults : sequence of Fault
        Of its test days, with their tickets.
    known_s : callable
        From a tracked fault, and when it began in truth, to when it is known; NaN if it is not.
    is_identified : bool
        Whether they are compared with the true ones.
    """
    true = {node.fnode: true_faults(node) for node in plant.nodes}
    tracked: list[Fault] = []
    identity: list[TrueFault | None] = []
    for fnode, mine in true.items() if is_identified else ():
        told = [fault for fault in faults if fault.fnode == fnode]
        tracked += told
        identity += [
            None if place == NO_FAULT else mine[place] for place in identify(told, mine).tolist()
        ]
    of_true: dict[str, list[Fault]] = {}
    for fault, each in zip(tracked, identity, strict=True):
        if each is not None:
            of_true.setdefault(each.fault_id, []).append(fault)

    metrics = fault_metrics(faults)
    windows = windows_of(plant.test, look_back_s=DAY_S, step_s=DAY_S)
    wrong_and_so = _wrong_and_so(faults, true)
    tallies = {}
    for kind in KINDS:
        all_of_kind = [f for mine in true.values() for f in mine if f.verdict == kind]
        acting_s = {f.fault_id: f.acting_s(windows).max(initial=0.0) for f in all_of_kind}
        acting = [f for f in all_of_kind if is_identified and acting_s[f.fault_id] > 0]
        found = [of_true.get(f.fault_id, []) for f in acting]
        delay_h = [
            (_first([known_s(each, f.start_s) for each in told]) - f.start_s) / 3600
            if f.start_s >= plant.test.start_s
            else np.nan
            for f, told in zip(acting, found, strict=True)
        ]
        mine_as = [
            each for fault, each in zip(tracked, identity, strict=True) if fault.verdict == kind
        ]
        tallies[kind] = FaultTally(
            metrics[kind],
            np.array([len(fault.members) for fault in faults if fault.verdict == kind], np.int64),
            wrong_and_so[kind],
            np.array([each is not None for each in mine_as], np.bool_),
            np.array([each is not None and each.verdict == kind for each in mine_as], np.bool_),
            np.array([len(told) for told in found], np.int64),
            np.array([any(t.verdict == kind for t in told) for told in found], np.bool_),
            np.array([acting_s[f.fault_id] > plant.config.interval_s for f in acting], np.bool_),
            np.array(delay_h, np.float64),
        )
    return tallies


def _wrong_and_so(faults: Sequence[Fault], true: dict[str, list[TrueFault]]) -> dict[Verdict, int]:
    """Return how many tickets really ask for the wrong team, by what is said in their place."""
    count = dict.fromkeys(KINDS, 0)
    for wrong in wrong_tickets(faults):
        at_home = {
            fault.verdict
            for fault in true[wrong.fnode]
            if fault.start_s <= wrong.ticket.opened_s < fault.end_s
            and wrong.ticket.device_id in fault.members
        }
        count[wrong.verdict] += at_home == {wrong.verdict}
    return count


def figures(tallies: Sequence[FaultTally]) -> dict[str, float]:
    """Return the figures of some plants together; NaN where one is not defined."""
    told = [tally.metrics for tally in tallies]
    both = FaultMetrics(
        told[0].verdict,
        np.sort(np.concatenate([one.duration_h for one in told])),
        np.sort(np.concatenate([one.delay_h for one in told])),
        np.sort(np.concatenate([one.reporting_share for one in told])),
        sum(one.n_tickets for one in told),
        sum(one.n_wrong_tickets for one in told),
    )
    members = np.concatenate([tally.n_members for tally in tallies])
    is_fault = np.concatenate([tally.is_fault for tally in tallies])
    is_of_kind = np.concatenate([tally.is_of_kind for tally in tallies])
    n_tracked = np.concatenate([tally.n_tracked for tally in tallies])
    is_told_right = np.concatenate([tally.is_told_right for tally in tallies])
    is_polled = np.concatenate([tally.is_polled for tally in tallies])
    delay_h = np.concatenate([tally.delay_h for tally in tallies])
    n_right = sum(tally.n_wrong_and_so for tally in tallies)
    return {
        "duration_h_median": _quantile(both.duration_h, 0.5),
        "duration_h_p80": both.duration_h_p80,
        "members_median": _quantile(members, 0.5),
        "reported_share": both.reported_share,
        **{f"reported_within_{hours}_h": both.reported_within(hours) for hours in _WITHIN_H},
        "reported_within_24_h_of_reported": both.reported_within(24, of_reported=True),
        "at_most_10_percent_call": both.least_reporting(0.1),
        "reporting_share_median": both.reporting_quantile(0.5),
        "reporting_share_p90": both.reporting_quantile(0.9),
        "wrong_ticket_share": both.wrong_share,
        "wrong_ticket_right": n_right / both.n_wrong_tickets
        if both.n_wrong_tickets
        else float("nan"),
        "no_fault_share": _share(~is_fault),
        "right_kind_share": _share(is_of_kind),
        "found_share": _share(n_tracked > 0),
        "found_right_share": _share(is_told_right),
        "found_share_polled": _share(n_tracked[is_polled] > 0),
        "found_right_share_polled": _share(is_told_right[is_polled]),
        "tracked_per_found": _mean(n_tracked[n_tracked > 0]),
        "detection_delay_h_median": _quantile(delay_h[~np.isnan(delay_h)], 0.5),
    }


def _first(moments_s: Sequence[float]) -> float:
    return min((moment_s for moment_s in moments_s if not np.isnan(moment_s)), default=np.nan)


def _share(flags: Flags) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def _mean(values: NDArray[np.int64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _quantile(values: NDArray[np.float64] | NDArray[np.int64], share: float) -> float:
    return float(np.quantile(values, share)) if len(values) else float("nan")
