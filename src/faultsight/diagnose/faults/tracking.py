"""From windows to faults: the same modems, window after window, are one fault.

The groups of one window are joined to detections first: what several features say of the same
modems is one fault. A detection continues the fault whose last members it shares most, from a
Jaccard index of one half on; else it begins a new one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from faultsight.core.errors import SettingError
from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.contract import Diagnosis, Group, NodeDiagnosis, Verdict
from faultsight.diagnose.faults.fault import (
    Fault,
    FaultMember,
    FeatureEvidence,
    ordered_evidence,
)

__all__ = ["track_faults"]

_LEADING = ("tx_power", "snr", "missing")
"""Of groups of one size, the feature that tells most of the cause comes first."""

_FOLLOWS: Mapping[str, tuple[str, ...]] = {
    "tx_power": ("snr", "missing"),
    "snr": ("missing",),
    "missing": ("snr", "tx_power"),
}
"""What a fault that shows on a feature may do besides to some of its modems: attenuation costs SNR
and, in the end, polls. Noise does not raise transmit power, so a modem that sends louder in a noisy
fiber node has a fault of its own."""


def track_faults(
    diagnosis: Diagnosis,
    *,
    known: Iterable[Fault] = (),
    same_from: float = 0.5,
    bridged_windows: int = 0,
) -> list[Fault]:
    """Return the faults behind a diagnosis of consecutive windows.

    Parameters
    ----------
    diagnosis : Diagnosis
        Of any number of fiber nodes and windows.
    known : iterable of Fault
        The faults of an earlier run. They go on under their ids where these windows still show
        them, and come back as they were where they do not.
    same_from : float
        Jaccard index of members from which two detections in a row are one fault, and share of a
        group's modems from which it says the same as a larger one.
    bridged_windows : int
        So many windows in a row may fail to show a fault that goes on; 0 as in the paper.

    Returns
    -------
    list of Fault
        By fiber node, start and id; known ones among them.

    Examples
    --------
    >>> from faultsight.diagnose.contract import DAY_S
    >>> group = Group("snr", Verdict.SERVICE, np.array([0]), 1)
    >>> days = [NodeDiagnosis("F", TimeWindow(d * DAY_S, (d + 1) * DAY_S), ("a", "b"),
    ...         np.array([2, 0], np.int8), np.full(2, DAY_S), (group,)) for d in range(2)]
    >>> diagnosis = Diagnosis("by hand", tuple(days), tuple(day.window for day in days))
    >>> [(fault.device_ids, fault.duration_h, fault.is_ongoing)
    ...  for fault in track_faults(diagnosis)]
    [(('a',), 48.0, True)]
    """
    if not 0.0 < same_from <= 1.0 or bridged_windows < 0:
        raise SettingError("same_from lies in (0, 1], and bridged_windows is not negative")
    known_of: dict[str, list[Fault]] = defaultdict(list)
    for fault in known:
        known_of[fault.fnode].append(fault)
    days_of: dict[str, list[NodeDiagnosis]] = defaultdict(list)
    for node in diagnosis.nodes:
        days_of[node.fnode].append(node)
    faults = [f for fnode in known_of.keys() - days_of.keys() for f in known_of[fnode]]
    for fnode, days in days_of.items():
        asked = _asked(diagnosis, days)
        run = _NodeRun(_step_s(days, asked), same_from, bridged_windows)
        run.faults = [_Track.of(fault) for fault in known_of[fnode]]
        for at, day in enumerate(days):
            # Windows asked for in smaller steps than polls come are the same window again.
            if at == 0 or day.window != days[at - 1].window:
                run.add(day, asked[at])
        is_up_to_date = not diagnosis.windows or asked[-1] == diagnosis.windows[-1]
        last_end_s = days[-1].window.end_s if is_up_to_date else None
        faults += [track.fault(last_end_s) for track in run.faults]
    return sorted(faults, key=lambda fault: (fault.fnode, fault.start_s, fault.fault_id))


def _step_s(days: Sequence[NodeDiagnosis], asked: Sequence[TimeWindow]) -> int:
    """Return how far windows are apart; the length of the only one."""
    steps = [
        np.diff(np.unique([window.end_s for window in windows]))
        for windows in ([day.window for day in days], asked)
    ]
    apart = [int(step.min()) for step in steps if len(step)]
    window = days[0].window
    return max(apart, default=max(window.end_s - window.start_s, 1))


def _asked(diagnosis: Diagnosis, days: Sequence[NodeDiagnosis]) -> list[TimeWindow]:
    """Return the window that was asked for, of each that was looked at (moved to the silence)."""
    windows = diagnosis.windows
    if len(days) == len(windows):
        return list(windows)
    if not windows:
        return [day.window for day in days]
    ends = np.array([window.end_s for window in windows])
    places = np.searchsorted(ends, [day.window.end_s for day in days])
    return [windows[min(place, len(windows) - 1)] for place in places.tolist()]


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of two sets' union that both hold."""
    common = len(a & b)
    return common / (len(a) + len(b) - common) if common else 0.0


@dataclass(frozen=True, eq=False)
class _Detection:
    """What one window says of one fault; its leading group first."""

    members: frozenset[str]
    groups: tuple[Group, ...]

    @property
    def verdict(self) -> Verdict:
        return max(group.verdict for group in self.groups)

    @property
    def order(self) -> tuple[int, str]:
        return -len(self.members), min(self.members)


@dataclass(eq=False)
class _Track:
    """A fault in the making."""

    fault_id: str
    fnode: str
    seen: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    windows: list[TimeWindow] = field(default_factory=list)
    latest: frozenset[str] = frozenset()
    n_maintenance: int = 0
    n_node_modems: int = 0
    evidence: dict[str, FeatureEvidence] = field(default_factory=dict)
    before: Fault | None = None

    @classmethod
    def of(cls, fault: Fault) -> _Track:
        return cls(
            fault.fault_id, fault.fnode,
            {m.device_id: (m.first_seen_s, m.last_seen_s, m.n_windows) for m in fault.members},
            list(fault.windows), fault.latest_members, fault.n_maintenance_windows,
            fault.n_node_modems, {e.feature: e for e in fault.evidence}, fault,
        )  # fmt: skip

    def add(self, detection: _Detection, day: NodeDiagnosis) -> None:
        self.windows.append(day.window)
        self.latest = detection.members
        self.n_node_modems = len(day.device_ids)
        self.n_maintenance += detection.verdict == Verdict.MAINTENANCE
        for device in detection.members:
            first_s, _, n_windows = self.seen.get(device, (day.window.start_s, 0, 0))
            self.seen[device] = first_s, day.window.end_s, n_windows + 1
        for feature, groups in _by_feature(detection.groups).items():
            self.evidence[feature] = _more(self.evidence.get(feature), feature, groups)

    def fault(self, last_end_s: int | None) -> Fault:
        """Return the fault; one that no window added to stays as it was, but for its end."""
        is_ongoing = last_end_s is not None and self.windows[-1].end_s >= last_end_s
        n_windows = len(self.windows)
        if self.before is not None and len(self.before.windows) == n_windows:
            return replace(self.before, is_ongoing=is_ongoing)
        is_maintenance = 2 * self.n_maintenance >= n_windows
        told = Fault(
            self.fault_id, self.fnode,
            Verdict.MAINTENANCE if is_maintenance else Verdict.SERVICE,
            tuple(FaultMember(device, *span) for device, span in sorted(self.seen.items())),
            self.windows[0].start_s, self.windows[-1].end_s, is_ongoing, tuple(self.windows),
            self.n_node_modems, self.n_maintenance, ordered_evidence(tuple(self.evidence.values())),
        )  # fmt: skip
        return told if self.before is None else replace(told, tickets=self.before.tickets)


@dataclass(eq=False)
class _NodeRun:
    """One fiber node, window by window."""

    step_s: int
    same_from: float
    bridged_windows: int
    faults: list[_Track] = field(default_factory=list)

    def add(self, day: NodeDiagnosis, asked: TimeWindow) -> None:
        open_now = self._open(day.window)
        detections = self._detections(day, [members for _, members, _ in open_now])
        taken: set[int] = set()
        continued: set[int] = set()
        for place, at in self._pairs(open_now, detections):
            if place in taken or at in continued:
                continue
            taken.add(place)
            continued.add(at)
            track, _, is_told_again = open_now[place]
            if not is_told_again:
                track.add(detections[at], day)
        for at, detection in enumerate(detections):
            if at not in continued:
                track = _Track(_fault_id(day.fnode, asked, detection.members), day.fnode)
                track.add(detection, day)
                self.faults.append(track)

    def _open(self, window: TimeWindow) -> list[tuple[_Track, frozenset[str], bool]]:
        """Return the faults that this window may show, their members, and whether it has already.

        An earlier run may have looked at the same window: then it is not counted twice.
        """
        found = []
        for track in self.faults:
            ahead = round((window.end_s - track.windows[-1].end_s) / self.step_s)
            if 1 <= ahead <= 1 + self.bridged_windows:
                found.append((track, track.latest, False))
            elif ahead <= 0 and track.before is not None:
                members = track.before.members_in(window)
                if members:
                    found.append((track, members, True))
        return found

    def _pairs(
        self,
        open_now: Sequence[tuple[_Track, frozenset[str], bool]],
        detections: Sequence[_Detection],
    ) -> list[tuple[int, int]]:
        """Return which fault and detection may be one, the most alike first."""
        has: dict[str, list[int]] = defaultdict(list)
        for at, detection in enumerate(detections):
            for device in detection.members:
                has[device].append(at)
        ranked = []
        for place, (track, members, is_told_again) in enumerate(open_now):
            for at in {at for device in members for at in has.get(device, ())}:
                share = jaccard(members, detections[at].members)
                if share >= self.same_from:
                    order = (
                        -share,
                        not is_told_again,  # what has a name for this window keeps it
                        track.windows[0].start_s,
                        -len(members),
                        track.fault_id,
                    )
                    ranked.append((order, detections[at].order, place, at))
        return [(place, at) for _, _, place, at in sorted(ranked)]

    def _detections(
        self, day: NodeDiagnosis, open_members: Sequence[frozenset[str]]
    ) -> list[_Detection]:
        """Join the groups of one window that speak of one fault."""
        leads: list[tuple[Group, frozenset[str]]] = []
        joined: list[list[tuple[Group, frozenset[str]]]] = []
        for group in sorted(day.groups, key=_group_order):
            members = frozenset(day.device_ids[i] for i in group.members.tolist())
            goes_on = any(jaccard(members, known) >= self.same_from for known in open_members)
            at = self._same_fault(group, members, leads, goes_on=goes_on)
            if at is None:
                leads.append((group, members))
                joined.append([(group, members)])
            else:
                joined[at].append((group, members))
        return [
            _Detection(
                frozenset().union(*(members for _, members in parts)),
                tuple(group for group, _ in parts),
            )
            for parts in joined
        ]

    def _same_fault(
        self,
        group: Group,
        members: frozenset[str],
        leads: Sequence[tuple[Group, frozenset[str]]],
        *,
        goes_on: bool,
    ) -> int | None:
        """Return which of the larger groups speaks of the same fault as this one."""
        best, most = None, 0.0
        for at, (lead, lead_members) in enumerate(leads):
            common = len(members & lead_members)
            if lead.feature == group.feature or common < self.same_from * len(members):
                continue
            alike = common / (len(members) + len(lead_members) - common)
            # A home's own fault that lasts already is not swallowed by one of the plant around it.
            follows = group.feature in _FOLLOWS.get(lead.feature, ()) and not goes_on
            if alike > most and (alike >= self.same_from or follows):
                best, most = at, alike
        return best


def _group_order(group: Group) -> tuple[int, int, str, int]:
    leading = _LEADING.index(group.feature) if group.feature in _LEADING else len(_LEADING)
    return -len(group.members), leading, group.feature, int(group.members[0])


def _by_feature(groups: Iterable[Group]) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        found[group.feature].append(group)
    return found


def _more(before: FeatureEvidence | None, feature: str, groups: Sequence[Group]) -> FeatureEvidence:
    """Return evidence with one window more; the groups of one feature are disjoint."""
    members = sum(len(group.members) for group in groups)
    anomalous = sum(group.n_anomalous for group in groups)
    largest = max(groups, key=lambda g: (len(g.members), abs(g.deviation), -int(g.members[0])))
    if before is None:
        before = FeatureEvidence(feature, 0, 0, 0, 0)
    told = replace(
        before,
        n_windows=before.n_windows + 1,
        modem_windows=before.modem_windows + members,
    )
    if members <= before.n_members:
        return told
    return replace(
        told, n_members=members, n_anomalous=anomalous, similarity=largest.similarity,
        channel=largest.channel, deviation=largest.deviation,
    )  # fmt: skip


def _fault_id(fnode: str, window: TimeWindow, members: frozenset[str]) -> str:
    """Return a name that depends on where, when and on whom it was seen first, on nothing else."""
    parts = [fnode, str(window.end_s), *sorted(members)]
    told = "".join(f"{len(part)}:{part}" for part in parts)  # no two lists read alike
    return "F" + hashlib.sha256(told.encode()).hexdigest()[:11]
