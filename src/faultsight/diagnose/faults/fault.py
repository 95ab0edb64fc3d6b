"""What a fault is: one cause in one fiber node, from the first window that shows it to the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from faultsight.core.kpi_frame import TimeWindow
from faultsight.diagnose.contract import Verdict

__all__ = ["Fault", "FaultMember", "FaultPlace", "FaultTicket", "FeatureEvidence"]

_HOUR_S = 3600.0


@dataclass(frozen=True, order=True)
class FaultMember:
    """A modem that a fault touches.

    Attributes
    ----------
    device_id : str
        The modem.
    first_seen_s, last_seen_s : int
        Start of the first window in which it is a member, and end of the last.
    n_windows : int
        In how many it is.
    """

    device_id: str
    first_seen_s: int
    last_seen_s: int
    n_windows: int


@dataclass(frozen=True)
class FeatureEvidence:
    """What one feature says of a fault, over all its windows.

    Attributes
    ----------
    feature : str
        Such as ``tx_power``.
    n_windows : int
        In how many windows it shows the fault.
    modem_windows : int
        Members that it shows, summed over windows: its weight beside other features.
    n_members, n_anomalous : int
        Of its largest group: its modems, and those anomalous by themselves.
    similarity, channel, deviation : float, str, float
        Of that group; see `faultsight.diagnose.contract.Group`.
    """

    feature: str
    n_windows: int
    modem_windows: int
    n_members: int
    n_anomalous: int
    similarity: float = 1.0
    channel: str = ""
    deviation: float = float("nan")


@dataclass(frozen=True)
class FaultTicket:
    """A ticket that a member's customer opened while the fault lasted.

    Attributes
    ----------
    ticket_id, device_id : str
        The ticket and its modem.
    opened_s : float
        When.
    is_maintenance : bool
        What the operator took it for.
    """

    ticket_id: str
    device_id: str
    opened_s: float
    is_maintenance: bool


@dataclass(frozen=True)
class FaultPlace:
    """Where a fault sits, and how well its members agree with that.

    Attributes
    ----------
    element_kind : str
        ``fiber node``, ``amplifier``, ``tap``, ``home``, or ``area`` where only coordinates are
        known.
    element : str
        Its name; empty for an area.
    n_inside : int
        Members on the element.
    n_downstream : int
        Modems on it that are heard of at all.
    n_outside : int
        Members elsewhere.
    latitude, longitude, radius_m : float, optional
        Middle of the members, and how far the farthest one is from it.
    """

    element_kind: str
    element: str
    n_inside: int
    n_downstream: int
    n_outside: int
    latitude: float | None = None
    longitude: float | None = None
    radius_m: float | None = None


@dataclass(frozen=True)
class Fault:
    """One fault of one fiber node.

    Attributes
    ----------
    fault_id : str
        Stays the same from run to run.
    fnode : str
        The fiber node.
    verdict : Verdict
        ``MAINTENANCE`` or ``SERVICE``: what most of its windows say, the stronger of equals.
    members : tuple of FaultMember
        All modems that it ever touched, by name.
    start_s, end_s : int
        Start of its first window, and end of its last.
    is_ongoing : bool
        Whether the last window looked at still shows it.
    windows : tuple of TimeWindow
        Those that show it.
    n_node_modems : int
        Modems of the fiber node.
    n_maintenance_windows : int
        Windows that say maintenance.
    evidence : tuple of FeatureEvidence
        The weightiest feature first.
    kind : str
        Such as ``attenuation``; empty until `faultsight.diagnose.faults.tell_kinds` has told it.
    place : FaultPlace, optional
        Where; None where nothing tells.
    reason : str
        Why it is of this kind, in a sentence.
    confidence : str
        ``strong`` or ``fair``, from how well members agree with the place (or ``weak`` for noise,
        whose place members do not tell); empty where no element is named.
    channels : tuple of str
        The upstream channels on which it acts, where that is known.
    recurrence : str
        At which hours it comes back, such as ``every day around 07:00 UTC``; empty if at none.
    tickets : tuple of FaultTicket
        Opened by members while it lasted.

    Examples
    --------
    >>> window = TimeWindow(0, 86_400)
    >>> fault = Fault("f1", "F", Verdict.SERVICE, (FaultMember("a", 0, 86_400, 1),), 0, 86_400,
    ...               True, (window,), 250, 0, (FeatureEvidence("snr", 1, 1, 1, 1),))
    >>> fault.duration_h, fault.features, fault.device_ids
    (24.0, ('snr',), ('a',))
    """

    fault_id: str
    fnode: str
    verdict: Verdict
    members: tuple[FaultMember, ...]
    start_s: int
    end_s: int
    is_ongoing: bool
    windows: tuple[TimeWindow, ...]
    n_node_modems: int
    n_maintenance_windows: int
    evidence: tuple[FeatureEvidence, ...]
    kind: str = ""
    place: FaultPlace | None = None
    reason: str = ""
    confidence: str = ""
    channels: tuple[str, ...] = ()
    recurrence: str = ""
    tickets: tuple[FaultTicket, ...] = ()

    @property
    def device_ids(self) -> tuple[str, ...]:
        """Its members' names, sorted."""
        return tuple(member.device_id for member in self.members)

    @property
    def features(self) -> tuple[str, ...]:
        """The features that show it, the weightiest first."""
        return tuple(told.feature for told in self.evidence)

    @property
    def duration_h(self) -> float:
        """From the start of its first window to the end of its last."""
        return (self.end_s - self.start_s) / _HOUR_S

    @property
    def channel(self) -> str:
        """The upstream channel that deviates most; empty where no single one does."""
        return self.evidence[0].channel if self.evidence else ""

    @property
    def deviation(self) -> float:
        """How far its largest group is from its usual level, in the first feature's unit."""
        return self.evidence[0].deviation if self.evidence else float("nan")

    @property
    def similarity(self) -> float:
        """How alike the members of its largest group move."""
        return self.evidence[0].similarity if self.evidence else float("nan")

    @property
    def element(self) -> str:
        """The kind and name of the element at which it sits; empty where none is known."""
        return "" if self.place is None else f"{self.place.element_kind} {self.place.element}"

    @property
    def latest_members(self) -> frozenset[str]:
        """The members of its last window."""
        return frozenset(m.device_id for m in self.members if m.last_seen_s >= self.end_s)

    @property
    def lasting_members(self) -> frozenset[str]:
        """The members seen at least half as often as the most frequent one.

        Who joins for a day by chance says nothing of where a fault sits.
        """
        most = max(member.n_windows for member in self.members)
        return frozenset(m.device_id for m in self.members if 2 * m.n_windows >= most)

    def members_in(self, window: TimeWindow) -> frozenset[str]:
        """Return the modems that were members before, in, or around a window and after it."""
        middle_s = (window.start_s + window.end_s) // 2
        return frozenset(
            m.device_id for m in self.members if m.first_seen_s <= middle_s < m.last_seen_s
        )


def ordered_evidence(evidence: Sequence[FeatureEvidence]) -> tuple[FeatureEvidence, ...]:
    """Return evidence by weight, a total order."""
    return tuple(sorted(evidence, key=lambda e: (-e.modem_windows, -e.n_windows, e.feature)))
