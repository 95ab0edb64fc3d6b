"""What kind of fault it is, told by physics.

All branches of a fiber node add up in one return receiver (the funnel), so noise that gets in
anywhere lowers the SNR of every modem on the channels hit, and raises nobody's transmit power. What
sits in series with a branch (a connector, an amplifier, water in a cable) attenuates exactly the
modems downstream; the CMTS asks them for more power, so it shows as a rise of transmit power. What
cuts power or the line leaves the polls of a branch unanswered.

===============  =================================================================================
ingress          SNR falls on the whole node, transmit power stays
distortion       SNR falls on a part of the node, transmit power stays: an in-line cause
attenuation      transmit power rises on a part of the node, on all channels
suck-out         transmit power rises on one channel only
outage           polls of a part of the node are missing
drop             one home: transmit power or SNR
modem off        one home: polls are missing
===============  =================================================================================
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from faultsight.core.kpi_frame import TimeWindow
from faultsight.core.plant import Plant
from faultsight.core.polls import LEVELS, NodePolls, Telemetry
from faultsight.diagnose.contract import DAY_S, Verdict
from faultsight.diagnose.faults.fault import Fault, FaultPlace
from faultsight.diagnose.faults.level_shifts import LevelShift, level_shift
from faultsight.diagnose.faults.places import confidence_of, fault_place
from faultsight.diagnose.preprocessing.duplicates import without_duplicates

__all__ = ["KINDS", "tell_kinds"]

KINDS: Mapping[str, str] = {
    "ingress": "search by segment: take one leg after the other off and watch the noise floor",
    "distortion": "look for an in-line cause: a loose joint, a reflection, a faulty amplifier",
    "attenuation": "measure the return level at the element, then upstream of it",
    "suck-out": "sweep the return band at the element: a short or an open stub eats one channel",
    "outage": "check power and line at the element",
    "drop": "check the drop cable and its connectors",
    "modem off": "call the customer: the modem or its power supply may simply be off",
}
"""What to do about each kind."""

_OF_HOMES = ("drop", "modem off")
_COUNTS_FROM = 0.5
"""Share of the weightiest feature's modem windows from which a feature is no by-product."""
_COMMON_FROM = 0.4
"""Where other modems' SNR falls by this share of the members', it is the node that has noise."""
_NODE_WIDE_SHARE = 0.5
_NEARLY_ALL = 0.9
_ONE_CHANNEL = 0.4
"""Other channels move by less than this share of the strongest."""
_LEAST_TX_DB, _LEAST_SNR_DB = 1.0, 1.5
_FELT = 0.3
"""Share of the strongest channel's change from which a channel is named."""


def tell_kinds(
    faults: Sequence[Fault],
    *,
    telemetry: Telemetry | None = None,
    plant: Plant | None = None,
) -> list[Fault]:
    """Return the faults with kind, place, reason, confidence and channels.

    Parameters
    ----------
    faults : sequence of Fault
        From `track_faults`.
    telemetry : Telemetry, optional
        Polls from a week before the first fault on; without them, channels are not told apart.
    plant : Plant, optional
        Topology or coordinates; without them, no place is named.

    Returns
    -------
    list of Fault
        In the same order.

    Examples
    --------
    >>> from faultsight.diagnose.faults.fault import FaultMember, FeatureEvidence
    >>> window = TimeWindow(0, 86_400)
    >>> members = tuple(FaultMember(f"m{i:03d}", 0, 86_400, 1) for i in range(240))
    >>> fault = Fault("f1", "F", Verdict.MAINTENANCE, members, 0, 86_400, True, (window,), 250, 1,
    ...               (FeatureEvidence("snr", 1, 240, 240, 240, 0.9, "1", -6.0),))
    >>> told = tell_kinds([fault])[0]
    >>> told.kind, told.reason
    ('ingress', 'SNR fell by 6.0 dB on 240 of 250 modems (96 %) while transmit power stayed.')
    """
    places_of: dict[str, list[int]] = defaultdict(list)
    for place, fault in enumerate(faults):
        places_of[fault.fnode].append(place)
    told = list(faults)
    waiting = set(places_of)
    for polls in _polls(faults, telemetry):
        waiting.discard(polls.fnode)
        here = None if plant is None else plant.named_like(polls.device_ids)
        for place in places_of[polls.fnode]:
            told[place] = _told(_Look(faults[place], here, polls))
    for fnode in waiting:
        for place in places_of[fnode]:
            told[place] = _told(_Look(faults[place], plant))
    return told


def _polls(faults: Iterable[Fault], telemetry: Telemetry | None) -> Iterator[NodePolls]:
    spans = [(fault.start_s, fault.end_s) for fault in faults]
    if telemetry is None or not spans:
        return
    span = TimeWindow(min(s for s, _ in spans) - 7 * DAY_S, max(e for _, e in spans))
    fnodes = sorted({fault.fnode for fault in faults})
    for polls in telemetry.nodes(span, fnodes=fnodes, metrics=LEVELS):
        yield without_duplicates(polls)


class _Look:
    """One fault, and what can be known of it; each question is answered when it is asked."""

    def __init__(self, fault: Fault, plant: Plant | None, polls: NodePolls | None = None) -> None:
        self.fault = fault
        self.polls = polls
        self.members = fault.lasting_members
        self.place: FaultPlace | None = None
        if plant is not None:
            heard = plant.places if polls is None else polls.device_ids
            self.place = fault_place(plant, fault.fnode, self.members, heard)
        self._shifts: dict[str, LevelShift | None] = {}
        self._weights = {told.feature: told.modem_windows for told in fault.evidence}

    @property
    def n_members(self) -> int:
        return len(self.members)

    @property
    def node_share(self) -> float:
        return self.n_members / max(self.fault.n_node_modems, self.n_members, 1)

    def shows(self, feature: str) -> bool:
        """Whether a feature is no mere by-product."""
        most = max(self._weights.values(), default=0)
        return self._weights.get(feature, 0) >= _COUNTS_FROM * max(most, 1)

    def shift(self, metric: str) -> LevelShift | None:
        """Return how far a metric moved; None without polls."""
        if self.polls is None:
            return None
        if metric not in self._shifts:
            mine = np.array([d in self.members for d in self.polls.device_ids], np.bool_)
            is_home = self.fault.verdict == Verdict.SERVICE
            self._shifts[metric] = level_shift(
                self.polls, mine, metric, self.fault.start_s, self.fault.end_s,
                with_others=not is_home,
            )  # fmt: skip
        return self._shifts[metric]

    def moved_db(self, metric: str, feature: str, *, with_others: bool = False) -> float:
        """Return by how many dB the worst channel moved; NaN where it is not known.

        Beyond what all modems of the node moved by, unless that is what is asked for.
        """
        shift = self.shift(metric)
        if shift is not None:
            changes = shift.member_db if with_others else shift.own_db
            if not np.isnan(changes).all():
                return float(np.nanmax(np.abs(changes)))
        told = [e.deviation for e in self.fault.evidence if e.feature == feature]
        return abs(told[0]) if told else float("nan")

    @property
    def sends_louder(self) -> bool:
        """Whether polls show a rise of transmit power that made no modem anomalous."""
        shift = self.shift("tx_power_dbmv")
        if shift is None or np.isnan(shift.own_db).all():
            return False
        return float(np.nanmax(shift.own_db)) >= _LEAST_TX_DB

    @property
    def sits_at_one_element(self) -> bool:
        return (
            self.place is not None
            and self.place.element_kind in ("amplifier", "tap")
            and confidence_of(self.place) in ("strong", "fair")
        )

    @property
    def is_node_wide(self) -> bool:
        """Whether the whole node hears the noise, also those it does not make members."""
        if self.node_share >= (_NEARLY_ALL if self.sits_at_one_element else _NODE_WIDE_SHARE):
            return True
        shift = self.shift("snr_db")
        if shift is None or np.isnan(shift.other_db).all():
            return self.place is not None and self.place.element_kind == "fiber node"
        worst = int(np.nanargmin(shift.member_db))
        least_db = max(_LEAST_SNR_DB, -_COMMON_FROM * float(shift.member_db[worst]))
        do_others_hear = -float(shift.other_db[worst]) >= least_db
        # A branch that loses more than the noisy node around it has a fault of its own.
        is_worse_off = -float(np.nanmin(shift.own_db)) >= _LEAST_SNR_DB
        return do_others_hear and not (self.sits_at_one_element and is_worse_off)


def _told(look: _Look) -> Fault:
    is_plant = look.fault.verdict == Verdict.MAINTENANCE
    if is_plant or (look.n_members > 1 and look.sits_at_one_element):
        kind, reason, channels = _of_plant(look)
    else:
        kind, reason, channels = _of_home(look)
    place = look.place
    if place is not None and confidence_of(place) == "weak" and kind != "ingress":
        place = _area_only(place)  # an element that does not explain the members is no address
    if place is not None and kind in _OF_HOMES and look.n_members > 1:
        place = None  # homes that only happen to move alike have no element in common
    if place is not None and kind == "ingress" and place.element_kind != "area":
        place = _whole_node(look, place)
    return replace(
        look.fault, kind=kind, place=place, reason=reason, channels=channels,
        confidence=confidence_of(place),
    )  # fmt: skip


def _area_only(place: FaultPlace) -> FaultPlace | None:
    if place.latitude is None:
        return None
    return replace(
        place, element_kind="area", element="", n_inside=place.n_inside + place.n_outside,
        n_downstream=0, n_outside=0,
    )  # fmt: skip


def _whole_node(look: _Look, place: FaultPlace) -> FaultPlace:
    """Return the node itself: behind the funnel, members say nothing of where noise gets in."""
    return replace(
        place, element_kind="fiber node", element=look.fault.fnode, n_outside=0,
        n_inside=place.n_inside + place.n_outside,
        n_downstream=max(look.fault.n_node_modems, place.n_inside + place.n_outside),
    )  # fmt: skip


def _of_plant(look: _Look) -> tuple[str, str, tuple[str, ...]]:
    who = f"{look.n_members} of {look.fault.n_node_modems} modems ({100 * look.node_share:.0f} %)"
    if look.shows("tx_power") or (look.shows("snr") and look.sends_louder):
        alone = _only_channel(look.shift("tx_power_dbmv"))
        rise = f"transmit power rose by {look.moved_db('tx_power_dbmv', 'tx_power'):.1f} dB"
        if alone is not None:
            return "suck-out", _sentence(f"{rise} on {who}, on channel {alone} only"), (alone,)
        return "attenuation", _sentence(f"{rise} on {who}, on all channels alike"), ()
    if look.shows("snr"):
        channels = _felt_channels(look.shift("snr_db"))
        if look.is_node_wide:
            fall = f"SNR fell by {look.moved_db('snr_db', 'snr', with_others=True):.1f} dB"
            if look.polls is not None and look.node_share < _NODE_WIDE_SHARE:
                who = f"{who}, and less so on the others,"
            reason = f"{fall} on {who} while transmit power stayed{_on(channels, look)}"
            return "ingress", _sentence(reason), channels
        fall = f"SNR fell by {look.moved_db('snr_db', 'snr'):.1f} dB"
        return (
            "distortion",
            _sentence(f"{fall} on {who} while transmit power and the other modems' SNR stayed"),
            channels,
        )
    return "outage", _sentence(f"polls of {who} were missing at the same times"), ()


def _of_home(look: _Look) -> tuple[str, str, tuple[str, ...]]:
    who = "one home alone" if look.n_members == 1 else f"{look.n_members} homes"
    tx_db = look.moved_db("tx_power_dbmv", "tx_power")
    snr_db = look.moved_db("snr_db", "snr")
    parts = []
    if look.shows("tx_power") or tx_db >= 2 * _LEAST_TX_DB:
        parts.append(f"transmit power rose by {tx_db:.1f} dB")
    if look.shows("snr") or snr_db >= 2 * _LEAST_SNR_DB:
        parts.append(f"SNR fell by {snr_db:.1f} dB")
    if parts:
        return "drop", _sentence(f"{' and '.join(parts)} at {who}"), ()
    return "modem off", _sentence(f"polls of {who} were missing"), ()


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + "."


def _only_channel(shift: LevelShift | None) -> str | None:
    """Return the one channel that rose; None where several did, or nothing is known."""
    if shift is None or len(shift.channels) < 2 or np.isnan(shift.own_db).any():
        return None
    own_db = shift.own_db
    order = np.argsort(-own_db, kind="stable")
    first, second = own_db[order[0]], own_db[order[1]]
    is_alone = first >= _LEAST_TX_DB and second <= _ONE_CHANNEL * first
    return shift.channels[int(order[0])] if is_alone else None


def _felt_channels(shift: LevelShift | None) -> tuple[str, ...]:
    """Return the channels whose SNR fell."""
    if shift is None or np.isnan(shift.member_db).all():
        return ()
    least_db = max(_LEAST_SNR_DB, _FELT * float(-np.nanmin(shift.member_db)))
    return tuple(
        channel
        for channel, moved_db in zip(shift.channels, shift.member_db.tolist(), strict=True)
        if -moved_db >= least_db
    )


def _on(channels: Sequence[str], look: _Look) -> str:
    n_channels = 0 if look.polls is None else len(look.polls.channels)
    if not channels:
        return ""
    if len(channels) == n_channels:
        return ", on all channels"
    return f", on channel{'' if len(channels) == 1 else 's'} {', '.join(channels)}"
