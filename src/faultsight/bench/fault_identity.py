"""Which of the true faults a tracked fault is, if any."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faultsight.bench.true_faults import TrueFault
from faultsight.diagnose.faults import Fault

__all__ = ["NO_FAULT", "identify"]

NO_FAULT = -1


def identify(tracked: Sequence[Fault], true: Sequence[TrueFault]) -> NDArray[np.int64]:
    """Return the position of the true fault that each tracked fault is, or `NO_FAULT`.

    It is one that acts on half of its modem windows at least: a fault that is mostly of healthy
    modems is none. Of several it is the one whose own modem windows, while the fault is seen, agree
    best (Jaccard index), so that a home's own fault within one of the plant stays what it is.
    Verdicts do not matter here.

    Parameters
    ----------
    tracked : sequence of Fault
        Of one fiber node.
    true : sequence of TrueFault
        Of the same; of equals the first counts.

    Examples
    --------
    >>> from faultsight.core.kpi_frame import TimeWindow
    >>> from faultsight.diagnose.contract import Verdict
    >>> from faultsight.diagnose.faults import FaultMember
    >>> windows = (TimeWindow(0, 10), TimeWindow(10, 20))
    >>> fault = Fault("f", "F", Verdict.SERVICE, (FaultMember("a", 0, 20, 2),), 0, 20, False,
    ...               windows, 9, 0, ())
    >>> def acting(name, *span):
    ...     return TrueFault("t", "F", Verdict.SERVICE, (name,), 0, 99, np.array([span]))
    >>> identify([fault], [acting("b", 0.0, 20.0), acting("a", 12.0, 13.0)]).tolist()
    [1]
    >>> identify([fault], [acting("b", 0.0, 20.0), acting("a", 22.0, 23.0)]).tolist()
    [-1]
    """
    return np.array([_identity(fault, true) for fault in tracked], np.int64)


def _identity(fault: Fault, true: Sequence[TrueFault]) -> int:
    starts_s = np.array([window.start_s for window in fault.windows])
    ends_s = np.array([window.end_s for window in fault.windows])
    was_member = {
        member.device_id: (starts_s >= member.first_seen_s) & (ends_s <= member.last_seen_s)
        for member in fault.members
    }
    n_modem_windows = sum(int(windows.sum()) for windows in was_member.values())
    best, most = NO_FAULT, 0.0
    for place, each in enumerate(true):
        if each.start_s >= fault.end_s or each.end_s <= fault.start_s:
            continue
        common = was_member.keys() & set(each.members)
        if not common:
            continue
        acts = each.acting_s(fault.windows) > 0
        touched = sum(int((was_member[device] & acts).sum()) for device in common)
        either = n_modem_windows + len(each.members) * int(acts.sum()) - touched
        if 2 * touched >= n_modem_windows and touched / either > most:
            best, most = place, touched / either
    return best
